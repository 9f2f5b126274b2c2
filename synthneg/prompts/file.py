r"""Prompt files: find, check, draw for, render and name them by their hash.

A prompt is one file: a front matter in YAML, then sections that begin with a role marker on a line of its own.

    ---
    makes: query                         # query | document | negative | judgement | task
    about: One question that the passage answers.
    needs: [passage]                     # exactly these variables: see allowed.FIELDS
    draws: {style: [plain, formal]}      # drawn per record from its own seed; per grade where `grades` is given
    examples: {draw: 2, pool: [...]}     # exemplars drawn per record
    turns: {plan: {type: object, ...}}   # JSON schemas of open turns that are no plain text
    reply: text                          # text | lines: several queries, one on each line | word | a JSON schema
    sampling: {temperature: 0.7, max_tokens: 60, stop: ["\n"]}
    ---
    === system
    You write search queries.
    === user
    {{ passage.text }}

The markers split the source before anything is rendered, so a passage with a line `=== system` stays text. An empty
`=== assistant` section is answered by the model before the next turn is sent; with a name, `=== assistant plan`, what
the model says there is kept on the record. Of a reply in JSON one key is the record's text (TEXT_KEYS), and what else
it holds is kept on the record, too. A prompt that makes documents has all its grades in one reply, or, if that is a
text, is asked once for each grade.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from synthneg.errors import PromptError
from synthneg.prompts import front, reply, sections, template
from synthneg.prompts.allowed import Given
from synthneg.prompts.head import Form, FrontMatter
from synthneg.prompts.problem import Problem
from synthneg.prompts.reply import TEXT_KEYS, together
from synthneg.prompts.sections import Section, Turn

# Folders are named by what is in them.
FOLDERS = {"judgement": "judge"}
_MOST_CHARS = 1_000_000
_MOST_TOLD = 8


@dataclass(frozen=True, slots=True, eq=False)  # a key by its identity, for what is made of it once
class Prompt:
    """A checked prompt file."""

    name: str  # such as query/question
    tag: str  # name@hash8, under which its results are compared
    head: FrontMatter
    turns: tuple[Turn, ...]
    source: str

    @property
    def form(self) -> Form:
        """What the reply must be; all strings and lists of a schema are bounded."""
        return self.head.reply

    @property
    def kind(self) -> str:
        """The last part of the name, such as `question`: records are named by it."""
        return self.name.rpartition("/")[2]

    @property
    def text_key(self) -> str:
        """The key of a JSON reply that holds the record's text."""
        return TEXT_KEYS[self.head.makes]

    @property
    def grades_apart(self) -> bool:
        """Whether each grade is asked for by itself."""
        return bool(self.head.grades) and not together(self.head)

    @lru_cache(maxsize=256)  # noqa: B019  # prompts are few, and live as long as the process
    def sampling(self) -> dict[str, Any]:
        """Return the sampling settings that are set, as an OpenAI-compatible request names them."""
        return self.head.sampling.model_dump(exclude_none=True, exclude_defaults=True, mode="json")


def parse(source: str, name: str | None, path: Path) -> Prompt:
    """Return the prompt whose file holds `source`; without `name` it is named by what it makes and its stem.

    Raises:
        PromptError: all that is wrong with it in one line, each fault with file and line.
    """
    head, turns, problems = _read(source, name)
    if problems or head is None:
        told = [f"{path}:{line}: {text}" for line, text in problems[:_MOST_TOLD]]
        if len(problems) > _MOST_TOLD:
            told.append(f"and {len(problems) - _MOST_TOLD} more")
        raise PromptError("; ".join(told))
    name = name or f"{_folder(head)}/{path.stem}"
    return Prompt(name, f"{name}@{hash_of(source)}", head, tuple(t.turn for t in turns), source)


def problems(source: str, name: str | None) -> list[Problem]:
    """Return all that is wrong with a prompt file, in the order of its lines; `name` is as in `parse`."""
    return _read(source, name)[2]


def _read(source: str, name: str | None) -> tuple[FrontMatter | None, list[Section], list[Problem]]:
    lines = source.split("\n")
    ends = [line.rstrip() for line in lines]
    if ends[0] != "---" or "---" not in ends[1:]:
        fault = f"expected a front matter between two lines `---`, got {lines[0][:40]!r}"
        return None, [], [Problem(1, fault)]
    if len(source) > _MOST_CHARS:
        fault = f"expected a prompt of at most {_MOST_CHARS:,} characters, got {len(source):,}"
        return None, [], [Problem(1, fault)]
    end = ends.index("---", 1)
    top = front.read(lines[1:end])
    found, problems = sections.split(lines, end + 1)
    problems += top.problems
    if top.head is not None:
        problems += _check_texts(found, top.head, top)
        problems += reply.check(top.head, top)
        lines_of = {turn: top.line("turns", turn) for turn in top.head.turns}
        problems += sections.check_names(found, top.head.turns, lines_of)
        if name is not None and not name.startswith(f"{_folder(top.head)}/"):
            fault = f"makes {top.head.makes}, but stands in the folder {name.split('/')[0]}/"
            problems.append(Problem(top.line("makes"), fault))
    return top.head, found, sorted(problems)


def _folder(head: FrontMatter) -> str:
    return FOLDERS.get(head.makes, head.makes)


def _check_texts(found: Sequence[Section], head: FrontMatter, top: front.Front) -> list[Problem]:
    """Return what is wrong with the templates, and with the variables of all of them together."""
    by_grade = head.grades if together(head) else ()
    given = Given(
        frozenset(head.draws),
        frozenset(map(str, by_grade)),
        frozenset(head.examples.pool[0] if head.examples else ()),
    )
    lines = {str(name): top.line("needs", number) for number, name in enumerate(head.needs)}
    lines |= {key: top.line(key) for key in ("draws", "examples") if getattr(head, key)}
    reads: dict[str, int] = {}
    drawn: set[str] | None = set()
    problems = []
    for turn, _, before in found:
        read, faults = template.check(turn.source, before, given)
        problems += faults
        if read is not None:
            reads = read.variables | reads
            drawn = None if drawn is None or read.draws is None else drawn | read.draws
    if problems or not found:  # what else the texts use is not known
        return problems
    if "draws" in reads and drawn is not None:
        reads |= {f"draws.{name}": 0 for name in drawn}
        lines |= {f"draws.{name}": top.line("draws", name) for name in head.draws}
    return list(template.unmatched(reads, lines))


def hash_of(source: str) -> str:
    """Return the eight digits that stand for a prompt's text in its tag."""
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def replaced(
    prompt: Prompt, examples: Sequence[Mapping[str, str]], draws: Mapping[str, Any]
) -> Prompt:
    """Return the prompt with exemplars and draws of a run's own instead of its file's, under a hash of its own.

    Raises:
        PromptError: the prompt has no exemplars, or does not draw what is named; the new ones are not well formed.
    """
    path = Path(f"{prompt.name} with generate.replace")
    lines = prompt.source.split("\n")
    end = [line.rstrip() for line in lines].index("---", 1)
    head = yaml.safe_load("\n".join(lines[1:end]))
    if examples:
        if prompt.head.examples is None:
            raise PromptError(f"{path}: the prompt takes no exemplars")
        keys = set(prompt.head.examples.pool[0])
        if set(examples[0]) != keys:
            raise PromptError(
                f"{path}: expected exemplars with the keys {', '.join(sorted(keys))}, got {', '.join(examples[0])}"
            )
        head["examples"]["pool"] = [dict(example) for example in examples]
    if unknown := sorted(set(draws) - set(prompt.head.draws)):
        known = ", ".join(sorted(prompt.head.draws)) or "nothing"
        raise PromptError(f"{path}: the prompt draws {known}, not {unknown[0]}")
    head["draws"] = head.get("draws", {}) | dict(draws)
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=1000)
    return parse("\n".join(["---", text + "---", *lines[end + 1 :]]), prompt.name, path)
