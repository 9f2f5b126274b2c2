"""`synthneg prompts render`: what a prompt sends for a few passages."""

from collections.abc import Callable, Iterator
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
_BESIDE = ("related", "mined", "documents")  # variables that hold a second passage
_INVENTED = {  # what no corpus has
    "task": {"text": "Given a question, find passages that answer it."},
    "topic": {"text": "everyday questions"},
}


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

    Nothing is asked. A prompt that needs a query takes --query; without it, the passage's first sentence stands in. For
    a second passage, the nearest by its words does. What stands in is named. With --corpus queries:FILE or tasks:TOPIC
    the prompt is shown as the one that has the passages or the tasks written.

    Example: synthneg prompts render query/question --corpus docs/ -n 2
    """
    from synthneg.generate.passages import check_written  # noqa: PLC0415  # jinja2 is not needed for help
    from synthneg.prompts.shelf import load  # noqa: PLC0415  # as above
    from synthneg.settings import resolve  # noqa: PLC0415  # as above

    prompt = load(name)
    values: dict[str, Any] = {"run": "render", "corpus": {"path": corpus, "limit": count}}
    # Only one of the two is looked at, and only where the corpus is to be written.
    values["generate"] = {"passages": {"positive": name, "brainstorm": name}}
    config = resolve(values if seed is None else values | {"seed": seed}, "prompts render")
    check_written(config)
    if config.corpus.is_written and query:
        raise SettingsError(
            f"--query: the queries of {corpus} are there, or are written; leave it out"
        )
    if query and "query" not in prompt.head.needs:
        raise SettingsError(
            f"--query: {prompt.name} needs {', '.join(prompt.head.needs)}, and no query; leave it out"
        )
    paint(_shown(prompt, config, query or []))


def _shown(prompt: "Prompt", config: "RunConfig", queries: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is sent for each passage, line by line with a style."""
    if config.corpus.is_written:
        for job in _jobs_of_written(config):
            yield f"── {prompt.tag}: record {job.id}, seed {job.seed}", "bold"
            yield from _sent(prompt, job)
            yield "", ""
        return
    beside = _by_words(config) if {*_BESIDE} & {*prompt.head.needs} else None
    for number, passage in enumerate(_chosen(config)):
        given = queries[min(number, len(queries) - 1)] if queries else None
        query = given or first_sentence(passage.text)
        like = query if "query" in prompt.head.needs else passage.full_text
        other = beside(like, passage) if beside else passage
        for job in _jobs(prompt, config, passage, query, other):
            yield (
                f"── {prompt.tag} for the passage {passage.id}: record {job.id}, seed {job.seed}",
                "bold",
            )
            yield from ((line, "yellow") for line in _stand_ins(prompt, given, passage, other))
            yield from _sent(prompt, job)
            yield "", ""


def _passages(config: "RunConfig") -> "Iterator[Passage]":
    """Yield the passages that a run with these settings could use, in the order of the corpus."""
    from synthneg.corpus.check import check  # noqa: PLC0415  # not needed for help
    from synthneg.corpus.read import read  # noqa: PLC0415  # as above
    from synthneg.records import Passage  # noqa: PLC0415  # as above

    checked = check(read(config.corpus), config.corpus, config.seed)
    return (found for found in checked if isinstance(found, Passage))


def _chosen(config: "RunConfig") -> "Iterator[Passage]":
    """Return the passages that a run with these settings would choose, in the order of the corpus."""
    from synthneg.corpus.sample import choose  # noqa: PLC0415  # not needed for help

    return choose(lambda: _passages(config), config.corpus.limit, "random", config.seed)


def _by_words(config: "RunConfig") -> "Callable[[str, Passage], Passage]":
    """Return what finds the passage that is nearest to a text by BM25, other than the one given; else that one.

    A run goes by its encoder. That would have to encode the whole corpus for what is to be shown at once.
    """
    from synthneg.scoring.lexical import Bm25  # noqa: PLC0415  # not needed for help

    passages = list(_passages(config))
    index = Bm25(passage.full_text for passage in passages)

    def nearest(text: str, own: "Passage") -> "Passage":
        [(places, _)] = index.search([text], 2)
        return next((passages[p] for p in places if passages[p].id != own.id), own)

    return nearest


def _jobs_of_written(config: "RunConfig") -> "Iterator[Job]":
    """Yield the jobs that have the passages written: for queries that are given, or for the tasks of a topic."""
    from synthneg.generate.passages import given_jobs  # noqa: PLC0415  # not needed for help
    from synthneg.generate.tasks import brainstorm_jobs  # noqa: PLC0415  # as above

    if config.corpus.queries is not None:
        yield from (job for _, job in given_jobs(config, config.corpus.limit))
    else:
        yield from (job for _, job in brainstorm_jobs(config))


def _jobs(
    prompt: "Prompt", config: "RunConfig", passage: "Passage", query: str, other: "Passage"
) -> "Iterator[Job]":
    """Yield the jobs of a passage: one, or one for each grade that is asked for by itself."""
    from synthneg.generate.jobs import document_jobs  # noqa: PLC0415  # not needed for help
    from synthneg.generate.query_jobs import query_jobs  # noqa: PLC0415  # as above
    from synthneg.llm.jobs import job_for, shown  # noqa: PLC0415  # as above
    from synthneg.records import Origin, Query  # noqa: PLC0415  # as above

    if prompt.head.makes == "query":
        yield from (job for _, job in query_jobs(config, [prompt], [passage], lambda _: other))
    elif prompt.head.makes in ("document", "negative"):
        origin = Origin(prompt.tag, "", {}, 0, "")
        asked = Query(f"{passage.id}:query:0", query, passage.id, passage.split, origin)
        pairs = [(asked, passage)]
        yield from (job for _, job in document_jobs(config, [prompt], pairs, lambda _: other))
    else:
        document, second = (shown(p, config.generate.passage_chars) for p in (passage, other))
        values = _INVENTED | {"query": {"text": query}, "grade": 3, "passage": document}
        values |= {"document": document, "documents": [document, second]}
        values |= {"related": second, "mined": second}
        values = {need: values[need] for need in prompt.head.needs}
        yield job_for(prompt, f"{passage.id}:{prompt.kind}:0", values, config.seed)


def _stand_ins(
    prompt: "Prompt", query: str | None, passage: "Passage", other: "Passage"
) -> Iterator[str]:
    """Yield which variables are not what a run would put there."""
    needs = prompt.head.needs
    if "query" in needs and query is None:
        yield "(the passage's first sentence stands in for the query; give one with --query)"
    for need in (need for need in needs if need in _BESIDE):
        if other is passage:
            yield f"({need}: no other passage shares a word, so this one stands in)"
        else:
            yield (
                f"({need}: passage {other.id}, the nearest by its words, stands in for what a run finds with its"
                " encoder)"
            )
    if invented := [need for need in needs if need in _INVENTED]:
        yield f"(stand-in for what a run would have written: {', '.join(invented)})"


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
