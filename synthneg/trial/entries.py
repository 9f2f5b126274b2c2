"""What each asking of an arm has come to: the text that was written and its scores, or why there is none."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from synthneg.generate.asking import LEDGER
from synthneg.generate.jobs import blocks_of_chosen, verified
from synthneg.llm.budget import cost_usd
from synthneg.llm.history import History
from synthneg.llm.used import Spent
from synthneg.prompts.file import Prompt
from synthneg.records import Document, Passage, Query, Reject, Score
from synthneg.run import Run
from synthneg.trial.replies import Replies
from synthneg.trial.walk import Walked

Record = Query | Document
Scores = Mapping[str, Mapping[tuple[str, str], float]]  # by query; then document and scorer


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that was asked for. Tokens and money are its share of all that its reply took, askings anew included."""

    id: str
    passage: Passage
    query: Query | None  # that a document was written for
    grade: int | None  # that was asked for; None where the prompt has no grades
    text: str | None  # None: no reply was of use
    said: Mapping[str, Any]  # what the model said beside the text
    reason: str | None  # why it was dropped; None: it was kept
    detail: str
    scores: Mapping[
        str, float
    ]  # by scorer; `positive` is the cosine of a document's query and its passage
    tokens_in: float
    tokens_out: float
    usd: float | None  # None: a price is not known
    raw: str  # the last reply where none was of use; empty where none came


class _Asked(NamedTuple):
    """A record that was asked for: its id, and what a reply brought."""

    id: str
    record: Record | None
    passage: Passage
    query: Query | None
    grade: int | None


def entries(walked: Walked) -> list[Entry]:
    """Return what each record of the arm has come to, those of a passage together, in the order of the corpus."""
    run, prompt = walked.run, walked.arm.prompt
    rejects = {reject.id: reject for reject in run.read("rejects.jsonl", Reject)}
    asked = list(_queries(run, prompt) if walked.arm.makes == "query" else _documents(run, prompt))
    jobs = [_job_of(one.id, prompt) for one in asked]
    shares = Counter(jobs)  # records of one reply
    scores = _scores(run)
    with closing(History(run.file(LEDGER))) as history:
        replies = Replies(history, walked.keys)
        spent = {job: replies.spent(job) for job in dict.fromkeys(jobs)}
        return [
            _entry(
                one,
                rejects.get(one.id),
                scores,
                _part(spent[job], shares[job], run),
                "" if one.record else replies.last(job),
            )
            for one, job in zip(asked, jobs, strict=True)
        ]


def model_of(walked: Walked) -> str:
    """Return what the model that has answered is called, by the settings where no reply was kept as a record."""
    run, llm = walked.run, walked.run.config.llm
    if walked.arm.makes == "judgement":
        return llm.model or llm.backend
    records: Iterator[Record] = (
        run.read("queries.jsonl", Query)
        if walked.arm.makes == "query"
        else run.read("documents.jsonl", Document)
    )
    answered = (record.origin.model for record in records if record.origin)
    return next(answered, llm.model or llm.backend)


def busy_s(walked: Walked) -> float:
    """Return in how many seconds any of the arm's replies was waited for, whenever that was."""
    keys = dict.fromkeys(key for some in walked.keys.values() for key in some)
    with closing(History(walked.run.file(LEDGER))) as history:
        return history.busy_s(keys)


def _queries(run: Run, prompt: Prompt) -> Iterator[_Asked]:
    """Yield the queries of each chosen passage; one that never came is known by its reject."""
    found: defaultdict[str, list[tuple[str, Query | None]]] = defaultdict(list)
    for query in run.read("queries.jsonl", Query):
        found[query.passage_id].append((query.id, query))
    for id in _lost(run, "generate.queries"):
        found[id.rpartition(f":{prompt.kind}:")[0]].append((id, None))
    for passage in chain.from_iterable(blocks_of_chosen(run)):
        for id, record in sorted(found[passage.id], key=itemgetter(0)):
            yield _Asked(id, record, passage, None, None)


def _documents(run: Run, prompt: Prompt) -> Iterator[_Asked]:
    """Yield the documents written for each query that had passed, the highest grade first, likewise."""
    found: defaultdict[str, list[tuple[str, Document | None]]] = defaultdict(list)
    for document in run.read("documents.jsonl", Document):
        if not document.is_passage:
            found[document.query_id].append((document.id, document))
    for id in _lost(run, "generate.documents", "generate.negatives"):
        found[id.rpartition(f":{prompt.kind}:")[0]].append((id, None))
    for query, passage in chain.from_iterable(verified(run)):
        for id, record in sorted(
            found[query.id], key=itemgetter(0), reverse=bool(prompt.head.grades)
        ):
            grade = int(id.rpartition(":")[2]) if prompt.head.grades else None
            yield _Asked(id, record, passage, query, grade)


def _lost(run: Run, *stages: str) -> Iterator[str]:
    return (reject.id for reject in run.read("rejects.jsonl", Reject) if reject.stage in stages)


def _job_of(id: str, prompt: Prompt) -> str:
    """Return the id of the job that was to bring a record: a reply may hold several lines, or all grades."""
    if prompt.head.makes == "query":
        before, _, last = id.rpartition(":")
        return f"{before}:{last.partition('.')[0]}"
    together = prompt.head.grades and not prompt.grades_apart
    return id.rpartition(":")[0] if together else id


def _scores(run: Run) -> Scores:
    scores: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for score in run.read("scores.jsonl", Score):
        scores[score.query_id][score.document_id, score.scorer] = score.value
    return scores


def _entry(
    asked: _Asked,
    reject: Reject | None,
    scores: Scores,
    spent: tuple[float, float, float | None],
    raw: str,
) -> Entry:
    record = asked.record
    tokens_in, tokens_out, usd = spent
    return Entry(
        id=asked.id,
        passage=asked.passage,
        query=asked.query,
        grade=asked.grade,
        text=record.text if record else None,
        said=record.origin.said if record and record.origin else {},
        reason=reject.reason if reject else None,
        detail=reject.detail if reject else "",
        scores=_of_record(asked, scores) if record else {},
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        usd=usd,
        raw=raw,
    )


def _of_record(asked: _Asked, scores: Scores) -> dict[str, float]:
    query_id = asked.query.id if asked.query else asked.id
    other = asked.id if asked.query else asked.passage.id
    known = scores.get(query_id, {})
    mine = {scorer: value for (id, scorer), value in known.items() if id == other}
    if asked.query:
        mine["positive"] = known[asked.passage.id, "cosine"]
    return mine


def _part(spent: Spent, records: int, run: Run) -> tuple[float, float, float | None]:
    """Return the share of one of so many records: tokens in, tokens out, USD."""
    usd = cost_usd(run.config.llm.price, spent.tokens_in, spent.tokens_out)
    return (
        spent.tokens_in / records,
        spent.tokens_out / records,
        None if usd is None else usd / records,
    )
