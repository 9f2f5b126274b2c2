"""A dataset becomes a run: its documents, queries and labels go into the files of the stages, and into their books.

All that comes in is kept as it is and flagged as unverified; `verify` then judges it as it judges what was generated.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from synthneg import __version__
from synthneg.config import RunConfig
from synthneg.config.shapes import Shape
from synthneg.corpus.check import split_of
from synthneg.dataset.formats.known import read
from synthneg.files import fingerprint, states
from synthneg.intake.gather import Fault, Gathered, Labelled
from synthneg.intake.labels import Graded, Settled, scale_of, settle
from synthneg.progress import track
from synthneg.records import (
    GIVEN,
    MINED,
    WRITTEN,
    Document,
    Example,
    Judged,
    Origin,
    Query,
    Score,
    Source,
    Split,
)
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.verify.verdict import in_order

UNVERIFIED = "unverified"
_ORIGIN = Origin(GIVEN, "", {}, 0, "")
_SOURCES: tuple[Source, ...] = (*WRITTEN, *MINED)  # that a dataset may say of what is no positive

Settle = Callable[[list[Labelled]], Settled]


def take_in(run: Run) -> None:
    """Write the files of all stages up to verify.documents from the dataset that `corpus.path` names.

    Where neither the dataset nor the settings of the corpus have changed since, they stand as they are.

    Raises:
        CorpusError: the dataset is missing, broken, of another format, or its labels are on no known scale.
    """
    dataset = run.config.corpus.dataset
    assert dataset is not None  # whoever calls has looked
    inputs = _inputs(run.config, dataset)
    if run.stands("corpus", "passages.jsonl", inputs):
        return
    with Gathered() as found:
        for part in track(read(*dataset), "import", "parts read"):
            found.add(part)
        _write(run, found, dataset[1])
    run.mark_made("corpus", "passages.jsonl", inputs)


def _inputs(config: RunConfig, dataset: tuple[Shape, str]) -> str:
    shaping = config.corpus.model_dump(mode="json", include={"path", "held_out"})
    return fingerprint(__version__, shaping, config.seed, states(dataset[1]))


def _write(run: Run, found: Gathered, path: str) -> None:
    scale = scale_of(found.lowest(), found.highest(), path)

    def settled(labels: list[Labelled]) -> Settled:
        return settle(labels, scale, lambda id: found.document(id) is not None)

    for question, labels in track(found.labelled(), "import", "queries settled"):
        one = settled(labels)
        first = one.positives[0].document_id if one.positives else None
        written = (g.document_id for g in one.others if g.source in WRITTEN)
        found.settle(question.id, first, written)
    _write_passages(run, found)
    _write_queries(run, found, settled)
    _write_verified(run)
    _write_documents(run, found, settled)
    for name in ("generate.negatives", "mine"):
        with run.stage(name, "documents.jsonl"):
            pass
    _write_examples(run, found, settled)


def _write_passages(run: Run, found: Gathered) -> None:
    with run.stage("corpus", "passages.jsonl") as stage:
        for passage in track(found.passages(), "import", "passages written"):
            stage.take()
            stage.keep(replace(passage, split=_split(run.config, passage.id, passage.split)))
        _reject(stage, found.faults("corpus"))


def _split(config: RunConfig, passage_id: str, split: Split) -> Split:
    """Return the split that the dataset names, or of what it trains on the share that the settings hold out."""
    if split == "held_out":
        return split
    return split_of(passage_id, config.seed, config.corpus.held_out)


def _reject(stage: Stage, faults: Iterable[Fault]) -> None:
    for fault in faults:
        stage.take()
        stage.reject(*fault)


def _write_queries(run: Run, found: Gathered, settled: Settle) -> None:
    with run.stage("generate.queries", "queries.jsonl") as stage:
        for question, labels in track(found.settled(), "import", "queries written"):
            first, *also = (graded.document_id for graded in settled(labels).positives)
            split = _split(run.config, first, "held_out" if question.held_out else "train")
            stage.take()
            stage.keep(Query(question.id, question.text, first, split, _ORIGIN, tuple(also)))
        for question, labels in found.unanswered():
            detail = f"{len(labels)} labels, none of a passage that answers"
            _reject(stage, [Fault(question.id, "no_positive", detail)])
        _reject(stage, found.faults("generate.queries"))


def _write_verified(run: Run) -> None:
    with run.stage("verify.queries", "verified_queries.jsonl") as stage:
        for query in run.read("queries.jsonl", Query):
            stage.take()
            stage.keep(query)
            stage.flag(UNVERIFIED)


def _write_documents(run: Run, found: Gathered, settled: Settle) -> None:
    def scores() -> Iterator[Score]:
        """Keep the documents, and yield their scores."""
        for question, labels in track(found.settled(), "import", "queries with documents"):
            one = settled(labels)
            for document, graded in _documents(found, question.id, one):
                stage.take()
                stage.keep(document)
                for scorer, value in graded.scores.items():
                    yield Score(question.id, document.id, scorer, value)
            _reject(stage, one.faults)
        for question, labels in found.unanswered():
            detail = f"no passage answers query {question.id}"
            _reject(stage, (Fault(one.document_id, "no_positive", detail) for one in labels))
        for query_id, document_id, place in found.strangers():
            detail = f"no query {query_id} for the label at {place}"
            _reject(stage, [Fault(document_id, "no_query", detail)])

    with run.stage("generate.documents", "documents.jsonl") as stage:
        run.write_part("generate.documents", "scores.jsonl", scores())


def _documents(found: Gathered, query_id: str, one: Settled) -> Iterator[tuple[Document, Graded]]:
    for graded in (*one.positives, *one.others):
        title, text = found.document(graded.document_id) or ("", "")
        known = next((source for source in _SOURCES if source == graded.source), None)
        source: Source = "corpus" if graded in one.positives else known or "given"
        yield (
            Document(graded.document_id, query_id, text, title, graded.grade, source),
            graded,
        )


def _write_examples(run: Run, found: Gathered, settled: Settle) -> None:
    with run.stage("verify.documents", "examples.jsonl") as stage:
        queries = run.read("queries.jsonl", Query)
        both = zip(queries, found.settled(), strict=True)
        for query, (_, labels) in track(both, "import", "examples written"):
            documents = dict(_documents(found, query.id, settled(labels)))
            judged = tuple(
                Judged(d.id, d.text, d.title, d.grade, d.source, dict(documents[d].scores), None)
                for d in in_order(list(documents))
            )
            stage.take(len(judged))
            stage.keep(
                Example(query.id, query.text, query.passage_id, query.split, query.origin, judged),
                count=len(judged),
            )
            for _ in judged:
                stage.flag(UNVERIFIED)
