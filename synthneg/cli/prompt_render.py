"""`synthneg prompts render`: what a prompt sends for a few passages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthneg.cli.paint import paint
from synthneg.cli.prompt_diff import Reference
from synthneg.errors import SettingsError

if TYPE_CHECKING:
    from synthneg.config import RunConfig
    from synthneg.llm.ask import Job
    from synthneg.prompts.file import Prompt
    from synthneg.records import Passage

_LONGEST_QUERY = 200  # characters of a sentence that stands in for a query


def render(
    name: Annotated[str, typer.Argument(metavar="NAME", help=Reference)],
    corpus: Annotated[
        str, typer.Option(metavar="PATH", help="The documents, as corpus.path of a run names them.")
    ],
    count: Annotated[int, typer.Option("-n", min=1, help="How many passages.")] = 3,
    query: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Query for a prompt that needs one; one for each passage, the last for all that follow.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the run; without it, that of the settings.")
    ] = None,
) -> None:
    """Show what would be sent for the passages that a run would choose: roles marked, chance drawn, length counted.

    Nothing is asked. A prompt that needs a query takes --query; without it, the passage's first sentence stands in.

    Example: synthneg prompts render query/question --corpus docs/ -n 2
    """
    from synthneg.prompts.shelf import load  # noqa: PLC0415  # jinja2 is not needed for help
    from synthneg.settings import resolve  # noqa: PLC0415  # as above

    prompt = load(name)
    values: dict[str, Any] = {"run": "render", "corpus": {"path": corpus, "limit": count}}
    config = resolve(values if seed is None else values | {"seed": seed}, "prompts render")
    if query and "query" not in prompt.head.needs:
        raise SettingsError(
            f"--query: {prompt.name} needs {', '.join(prompt.head.needs)}, and no query; leave it out"
        )
    paint(_shown(prompt, config, query or []))


def _shown(prompt: "Prompt", config: "RunConfig", queries: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is sent for each passage, line by line with a style."""
    for number, passage in enumerate(_chosen(config)):
        given = queries[min(number, len(queries) - 1)] if queries else None
        for job in _jobs(prompt, config, passage, given):
            yield (
                f"── {prompt.tag} for the passage {passage.id}: record {job.id}, seed {job.seed}",
                "bold",
            )
            yield from _stand_ins(prompt, passage, given)
            yield from _sent(prompt, job)
            yield "", ""


def _chosen(config: "RunConfig") -> "Iterator[Passage]":
    """Return the passages that a run with these settings would choose, in the order of the corpus."""
    from synthneg.corpus.check import check  # noqa: PLC0415  # not needed for help
    from synthneg.corpus.read import read  # noqa: PLC0415  # as above
    from synthneg.corpus.sample import choose  # noqa: PLC0415  # as above
    from synthneg.records import Passage  # noqa: PLC0415  # as above

    def passages() -> Iterator[Passage]:
        checked = check(read(config.corpus), config.corpus, config.seed)
        return (found for found in checked if isinstance(found, Passage))

    return choose(passages, config.corpus.limit, "random", config.seed)


def _jobs(
    prompt: "Prompt", config: "RunConfig", passage: "Passage", query: str | None
) -> "Iterator[Job]":
    """Yield the jobs of a passage: one, or one for each grade that is asked for by itself."""
    from synthneg.generate.jobs import document_jobs, values_of  # noqa: PLC0415  # as above
    from synthneg.generate.query_jobs import query_jobs  # noqa: PLC0415  # as above
    from synthneg.llm.jobs import job_for  # noqa: PLC0415  # as above
    from synthneg.records import Origin, Query  # noqa: PLC0415  # as above

    needs = set(prompt.head.needs)
    asked = Query(
        f"{passage.id}:query:0",
        query or first_sentence(passage.text),
        passage.id,
        passage.split,
        Origin(prompt.tag, "", {}, 0, ""),
    )
    if prompt.head.makes == "query" and needs == {"passage"}:
        yield from (job for _, job in query_jobs(config, [prompt], [passage]))
    elif prompt.head.makes in ("document", "negative") and needs <= {"query", "passage", "grade"}:
        yield from (job for _, job in document_jobs(config, [prompt], [(asked, passage)]))
    else:
        values = values_of(prompt, asked, passage, config.generate.passage_chars)
        stands = stand_ins(values.get("passage") or {"text": passage.text, "title": passage.title})
        values = {need: values.get(need, stands.get(need)) for need in prompt.head.needs}
        yield job_for(prompt, f"{passage.id}:{prompt.kind}:0", values, config.seed)


def stand_ins(passage: dict[str, str]) -> dict[str, Any]:
    """Return values for the variables that a run finds elsewhere: the passage itself, and words that say so."""
    task = {"text": "Given a question, find passages that answer it."}
    return {
        "related": passage,
        "mined": passage,
        "document": passage,
        "documents": [passage, passage],
        "grade": 3,
        "task": task,
        "topic": {"text": "everyday questions"},
    }


def _stand_ins(
    prompt: "Prompt", passage: "Passage", query: str | None
) -> Iterator[tuple[str, str]]:
    """Yield which variables are not what a run would put there."""
    needs = prompt.head.needs
    if "query" in needs and query is None:
        yield (
            "(the passage's first sentence stands in for the query; give one with --query)",
            "yellow",
        )
    stand = [
        n for n in needs if n in ("related", "mined", "document", "documents", "task", "topic")
    ]
    if stand:
        yield f"(stand-ins for what a run would find: {', '.join(stand)})", "yellow"


def _sent(prompt: "Prompt", job: "Job") -> Iterator[tuple[str, str]]:
    """Yield the turns of a job, then how it is sampled and how long it is."""
    import orjson  # noqa: PLC0415  # as above

    for turn, message in zip(prompt.turns, job.messages, strict=True):
        yield f"=== {message.role} {turn.name}".rstrip(), "bold cyan"
        if message.content is None:
            yield "(the model answers)", "italic"
        else:
            yield from ((line, "") for line in message.content.split("\n"))
    facts = {"sampling": job.sampling, "draws": job.draws, "reply": job.form}
    facts |= {f"turn {name}": form for name, form in prompt.head.turns.items()}
    for name, value in facts.items():
        if value:
            yield (
                f"{name}: {value if isinstance(value, str) else orjson.dumps(value).decode()}",
                "dim",
            )
    texts = [message.content or "" for message in job.messages]
    words = sum(len(text.split()) for text in texts)
    yield f"length: {sum(map(len, texts)):,} characters, about {words:,} words", "dim"


def first_sentence(text: str) -> str:
    """Return how a text begins, up to the end of its first sentence.

    >>> first_sentence("Green tea is old. It is drunk.")
    'Green tea is old.'
    """
    import re  # noqa: PLC0415  # as above

    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0][:_LONGEST_QUERY]
