"""What all kinds of generation share: prompts, jobs for documents, and where an answer came from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any, Literal, NamedTuple

from synthneg.config import GenerateConfig, ReplaceConfig, RunConfig
from synthneg.errors import PromptError, RunError
from synthneg.generate.beside import Beside, nothing
from synthneg.llm.ask import Answer, Job
from synthneg.llm.jobs import job_for, shown
from synthneg.prompts.file import Prompt, replaced
from synthneg.prompts.render import Draws, seed_of
from synthneg.prompts.reply import TEXT_KEYS
from synthneg.prompts.shelf import load
from synthneg.records import Origin, Passage, Query
from synthneg.run import Run
from synthneg.scoring.choice import chosen

POSITIVE_GRADE = 3
NEGATIVE_GRADE = 1
# What the prompts of generate.passages make, from what, and a key that their reply must have.
_POSITIVE = ("document", ("query",), None)
_BRAINSTORM = ("task", ("topic",), "tasks")
_EXAMPLE = ("task", ("task",), "query")
_BLOCK = 256  # passages


def prompts_for(
    config: GenerateConfig, makes: Literal["query", "document", "negative"]
) -> list[Prompt]:
    """Return the prompts of a stage, checked to make what is wanted and to have names of their own.

    Raises:
        PromptError: a prompt makes something else, or two would give their records the same ids.
    """
    names = {
        "query": config.queries.prompts,
        "document": config.documents.prompts,
        "negative": config.negatives.prompts,
    }[makes]
    prompts = [_load(name, config.replace.get(name)) for name in names]
    for prompt in prompts:
        if prompt.head.makes != makes:
            raise PromptError(
                f"{prompt.name} makes a {prompt.head.makes}; here a prompt is needed that makes a {makes}"
            )
    names_seen = [prompt.name for prompt in prompts]
    for name in names_seen:
        if names_seen.count(name) > 1:
            raise PromptError(f"two prompts are called {name}; rename one of the files")
    return prompts


def all_prompts(config: RunConfig) -> list[Prompt]:
    """Return the prompts of all stages; those that write passages come in the place of those that make queries.

    Raises:
        PromptError: as `prompts_for` says, or something is replaced in a prompt that the run does not use.
    """
    named = config.generate
    queries = _query_names(config)
    used = {*queries, *named.documents.prompts, *named.negatives.prompts}
    if unused := sorted(set(named.replace) - used):
        raise PromptError(
            f"generate.replace: {unused[0]} is no prompt of this run; expected one of {', '.join(sorted(used))}"
        )
    return [
        *(passage_prompts(config) or (prompts_for(named, "query") if queries else [])),
        *prompts_for(named, "document"),
        *prompts_for(named, "negative"),
        *_judges(config),
    ]


def _judges(config: RunConfig) -> list[Prompt]:
    if config.verify.judge is None:
        return []
    prompt = load(config.verify.judge)
    if prompt.head.makes != "judgement":
        raise PromptError(
            f"{prompt.name} makes a {prompt.head.makes}; verify.judge needs a prompt that makes a judgement"
        )
    return [prompt]


def passage_prompts(config: RunConfig) -> list[Prompt]:
    """Return the prompts that write passages: one for given queries; one for tasks and one for examples of a topic.

    None where the passages are there.

    Raises:
        PromptError: a prompt makes something else, or from something else.
    """
    prompts = [_load(name, config.generate.replace.get(name)) for name in _passage_names(config)]
    wanted = [_POSITIVE] if config.corpus.queries is not None else [_BRAINSTORM, _EXAMPLE]
    for prompt, (makes, needs, key) in zip(prompts, wanted, strict=False):
        head, form = prompt.head, prompt.form
        has_key = key is None or (isinstance(form, dict) and key in form.get("required", ()))
        single = makes == "task" or (head.grades == (POSITIVE_GRADE,) and prompt.grades_apart)
        if (head.makes, head.needs) != (makes, needs) or not (has_key and single):
            kind = f"a {makes} with {key!r}" if key else "one document of grade 3"
            raise PromptError(
                f"{prompt.name} makes a {head.makes} from {', '.join(head.needs)}; generate.passages needs a prompt"
                f" that makes {kind} from {needs[0]} alone"
            )
    return prompts


def _query_names(config: RunConfig) -> tuple[str, ...]:
    """Return the prompts that bring queries; none where a dataset has its own."""
    if config.corpus.dataset is not None:
        return ()
    return _passage_names(config) if config.corpus.is_written else config.generate.queries.prompts


def _passage_names(config: RunConfig) -> tuple[str, ...]:
    named = config.generate.passages
    if config.corpus.queries is not None:
        return (named.positive,)
    return () if config.corpus.topic is None else (named.brainstorm, named.example)


def _load(name: str, own: ReplaceConfig | None) -> Prompt:
    prompt = load(name)
    return prompt if own is None else replaced(prompt, own.examples, own.draws)


def origin_of(prompt: Prompt, answer: Answer, draws: Draws, part: str = "") -> Origin:
    """Return where an answer's record comes from; `part` is the key of an object whose parts are records."""
    asked = answer.parts.get(part, answer.asked)
    said = dict(answer.said)
    if isinstance(answer.value, dict):
        texts = (*map(str, prompt.head.grades), TEXT_KEYS.get(prompt.head.makes))
        said |= {name: value for name, value in answer.value.items() if name not in texts}
    if answer.reply.logprob is not None:
        said["logprob"] = answer.reply.logprob
    return Origin(
        prompt.tag, answer.reply.model, asked.sampling, asked.seed, asked.key, draws, said
    )


def text_of(prompt: Prompt, answer: Answer) -> str | None:
    """Return the text of the one record that a reply holds; None where no asking brought it."""
    if not isinstance(answer.value, dict):
        return str(answer.value)
    key = prompt.text_key
    return None if key in answer.missing else str(answer.value[key])


def blocks_of_chosen(run: Run) -> Iterator[list[Passage]]:
    """Yield the passages that get queries, in the order of the corpus and in blocks.

    All that is asked goes block by block and, within one, prompt by prompt: so requests with a common beginning meet in
    a server's prefix cache, a run that stops early has asked every prompt, and a block at a time is in memory. The
    size of a block decides the order of the files, so it is no setting.
    """
    passages = chosen(run, run.limit)
    while block := list(islice(passages, _BLOCK)):
        yield block


def count_of_verified(run: Run) -> int:
    """Return how many queries have passed their checks.

    Raises:
        RunError: they have not been checked.
    """
    run.need("verify.queries")
    kept: int = run.books()["verify.queries"]["kept"]
    return kept


def verified(run: Run) -> Iterator[list[tuple[Query, Passage]]]:
    """Yield the queries that passed their checks, each with its passage, in the blocks of their passages.

    Raises:
        RunError: they are not in the order of the corpus.
    """
    for block, queries in with_queries(run, run.read("verified_queries.jsonl", Query)):
        passages = {passage.id: passage for passage in block}
        if queries:
            yield [(query, passages[query.passage_id]) for query in queries]


def with_queries(run: Run, queries: Iterator[Query]) -> Iterator[tuple[list[Passage], list[Query]]]:
    """Yield each block of the chosen passages with those of the queries that are about its passages.

    Raises:
        RunError: the queries are not in the order of the corpus.
    """
    query = next(queries, None)
    for block in blocks_of_chosen(run):
        ids = {passage.id for passage in block}
        found = []
        while query is not None and query.passage_id in ids:
            found.append(query)
            query = next(queries, None)
        yield block, found
    if query is not None:
        raise RunError(
            f"{run.folder}: expected queries in the order of passages.jsonl, but query {query.id}"
            f" of passage {query.passage_id} is out of it; give `synthneg generate` and `synthneg verify` again"
        )


class About(NamedTuple):
    """What a document needs of its job. No text: thousands of these may wait."""

    prompt: Prompt
    query_id: str
    grades: tuple[int, ...]  # that the reply has


def document_jobs(
    config: RunConfig,
    prompts: Sequence[Prompt],
    block: Sequence[tuple[Query, Passage]],
    mined: Beside = nothing,
) -> Iterator[tuple[About, Job]]:
    """Yield the jobs that ask for documents of a block of queries, prompt by prompt.

    One job a query for a prompt that makes documents and has all grades in a reply, one a grade for another;
    `per_query` for one that makes negatives, and none where that needs a mined passage and the query has none.
    """
    settings = config.generate
    drawn = settings.documents.first_draw
    seed = seed_of(config.seed, drawn) if drawn else config.seed
    for prompt, (query, passage) in product(prompts, block):
        rewrites = prompt.head.makes == "negative" and "mined" in prompt.head.needs
        found = mined(query.id) if rewrites else None
        if rewrites and found is None:
            continue
        values = values_of(prompt, query, passage, settings.passage_chars, found)
        id = f"{query.id}:{prompt.kind}"
        if prompt.head.makes == "negative":
            for own_id in negative_ids(config, prompt, query.id):
                about = About(prompt, query.id, (NEGATIVE_GRADE,))
                job = job_for(prompt, own_id, values, config.seed)
                if found is not None:
                    job = replace(job, draws=job.draws | {"mined": found.id})
                yield about, job
        elif prompt.grades_apart:
            for grade in prompt.head.grades:
                graded = values | ({"grade": grade} if "grade" in prompt.head.needs else {})
                about = About(prompt, query.id, (grade,))
                yield about, job_for(prompt, f"{id}:{grade}", graded, seed)
        else:
            about = About(prompt, query.id, prompt.head.grades)
            yield about, job_for(prompt, id, values, seed)


def negative_ids(config: RunConfig, prompt: Prompt, query_id: str) -> list[str]:
    """Return the ids of the negatives that a prompt is asked for, for one query."""
    settings = config.generate.negatives
    numbers = range(settings.first_draw, settings.first_draw + settings.per_query)
    return [f"{query_id}:{prompt.kind}:{number}" for number in numbers]


def values_of(
    prompt: Prompt,
    query: Query,
    positive: Passage,
    most_chars: int,
    mined: Passage | None = None,
) -> dict[str, Any]:
    """Return the variables that the prompt names and no other: what is written from the query alone sees no passage."""
    values: dict[str, Any] = {"query": {"text": query.text}}
    if "passage" in prompt.head.needs:
        values["passage"] = shown(positive, most_chars)
    if mined is not None:
        values["mined"] = shown(mined, most_chars)
    return values
