"""The dataset card, written from the settings, the books and the records; never by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

import yaml
from pydantic import BaseModel

from synthneg.config import RunConfig, Shape
from synthneg.dataset.checked import Checked, overlap_rows, probe_rows
from synthneg.dataset.finished import Finished, sections
from synthneg.dataset.made import made_sections
from synthneg.dataset.markdown import fenced, plain, table
from synthneg.dataset.negatives import checked_lines, count_rows, made_lines
from synthneg.dataset.prompts import Asked
from synthneg.dataset.shapes import TABLES
from synthneg.dataset.told import Told
from synthneg.dataset.ways import FROM_DATASET
from synthneg.records import Row
from synthneg.run.books import Counts

MOST_BYTES = 60_000  # of a card; prompts that would make it longer stand in their files alone
_FOLDERS: Mapping[str, str] = {
    "beir": "- `beir/` is a BEIR collection with graded qrels.",
    "tevatron": "- `tevatron/` has the training files of Tevatron, one JSON object a line.",
    "rlhn": "- `rlhn/` has the same rows as RLHN's datasets keep them.",
    "flagembedding": "- `flagembedding/` has the training files of FlagEmbedding, one JSON object a line.",
    "pylate": "- `pylate/` has lists, queries and documents for PyLate's distillation.",
    "msmarco": "- `msmarco/` has collection, queries, qrels and triples of ids as MS MARCO's TSV files.",
}
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
_NOWHERE = "path/to/dataset"  # where a dataset is that is not on the Hub


@dataclass(frozen=True, slots=True)
class ShapeContent:
    """Rows of one shape by split, and how many exported queries and negatives of theirs it does not hold."""

    train: int
    validation: int
    queries_left_out: int
    negatives_left_out: int


@dataclass(frozen=True, slots=True)
class Content:
    """What an export holds: the entries of the card's `configs`, the default one first, and counts by shape."""

    configs: Sequence[Row]
    shapes: Mapping[Shape, ShapeContent]
    calibrated: Mapping[
        str, float
    ]  # thresholds that were found, by their names, in the place of those set


@dataclass(frozen=True, slots=True)
class Made:
    """All that a card is written from, but for what is known when the run has come to its end."""

    config: RunConfig
    books: Mapping[str, Counts]
    told: Told  # of the examples that were exported
    content: Content
    checked: Checked
    asked: Asked


def card(made: Made, finished: Finished | None = None, repo: str | None = None) -> str:
    """Return the README.md of the dataset: its metadata block and what a reader needs to judge it.

    Args:
        made: the dataset.
        finished: what is known of the run beyond it; None while it is at work.
        repo: its name on the Hub.
    """
    text = _card(made, finished, repo or _NOWHERE, in_full=True)
    if len(text.encode()) > MOST_BYTES:
        text = _card(made, finished, repo or _NOWHERE, in_full=False)
    return text


def _card(made: Made, finished: Finished | None, source: str, in_full: bool) -> str:
    config, way = made.config, made.told.way
    parts = [
        f"# {config.run}",
        way.begun,
        *_unverified(made.books),
        *_load(made.content, source),
        *made_sections(config, made.told, made.asked, source, in_full),
        *_negatives(made),
        "## Yield",
        f"What came into each stage and what became of it.{_round(config)}",
        _yield_table(made.books),
        *(f"{stage}: {note}." for stage, of in made.books.items() for note in of.get("notes", ())),
        "## Thresholds",
        _thresholds(config, made.content.calibrated),
        *_overlaps(made.checked),
        *_shortcuts(made.checked),
        *(sections(finished) if finished else ()),
        "## Limits",
        "\n".join((way.synthetic, _GRADES, way.held_out, _measured(finished))),
    ]
    return f"---\n{_metadata(made)}---\n\n" + "\n\n".join(parts) + "\n"


def _unverified(books: Mapping[str, Counts]) -> Iterable[str]:
    """Yield a warning where an imported dataset has not been verified."""
    if books.get("verify.documents", {}).get("flagged", {}).get("unverified"):
        yield "**No encoder has verified queries or documents**: they are as they were imported."


def _round(config: RunConfig) -> str:
    """Return what the table leaves out where this is a further round; "" where it is the first."""
    rounds = config.rounds
    if rounds.after is None:
        return ""
    return (
        f" This is round {rounds.number}: the examples of the round before, `{rounds.after}`, come first, as they are"
        " there, and up to `verify.documents` the table counts what this round has added."
    )


_GRADES = """\
- The grade of a written document is what was asked for, that of a mined one what its source makes likely, unless its
  verdict says that it was relabelled or regraded. A negative may still answer its query, and a passage of the corpus
  that answers it may be unlabelled."""


def _measured(finished: Finished | None) -> str:
    where = (
        "The measures above are of one retriever, one training and these test collections alone"
        if finished and finished.measures
        else "The run that made it keeps its measures in `evaluation/`"
    )
    return (
        f"- Whether training on this data helps is to be measured on a test collection. {where}; a number that is not"
        " there was not measured."
    )


def _negatives(made: Made) -> Iterable[str]:
    config, judge = made.config, made.config.verify.judge
    asked_by = {file.path: file.tag for file in made.asked.files}
    tag = None if judge is None else asked_by[made.asked.named[judge]]
    yield "## Negatives"
    yield made_lines(config)
    yield "What says that a negative does not answer its query:"
    yield checked_lines(config, made.content.calibrated, tag)
    yield table(("documents of source", "grade", "kept", "verdicts"), count_rows(made.told))


def _overlaps(checked: Checked) -> Iterable[str]:
    yield "## Overlap with evaluation sets"
    if not (rows := list(overlap_rows(checked.leaks))):
        yield "No evaluation set was declared, so nothing was compared."
        return
    yield (
        "Compared by their words (exact: equal but for case and punctuation; jaccard: character 3-grams of queries,"
        " word 5-grams of documents) and by the encoder's cosine, with the bounds above; each is counted once, by the"
        " strictest. `left` counts training queries and documents of this dataset."
    )
    named = ((plain(str(name)), *others) for name, *others in rows)
    yield table(("evaluation set", "what", "found", "by", "left"), named)


def _shortcuts(checked: Checked) -> Iterable[str]:
    if not checked.probes:
        return
    yield "## Shortcuts"
    yield (
        "What a logistic regression that never sees the query can tell of a document, cross-validated over passages:"
        " AUC with its 95 % interval. .5 is chance; what is far above it can be learnt instead of relevance."
    )
    yield table(
        ("question", "features", "AUC", "documents", "passages"), probe_rows(checked.probes)
    )


def _metadata(made: Made) -> str:
    config, count = made.config, made.told.examples
    synthetic = [] if made.told.way == FROM_DATASET else ["synthetic"]
    data: Row = {"license": config.publish.license} if config.publish.license else {}
    if made.told.languages:
        data["language"] = made.told.languages
    data |= {
        "pretty_name": config.run,
        "task_categories": ["text-retrieval"],
        "tags": [*synthetic, "retrieval", "hard-negatives", "sentence-transformers", "synthneg"],
        "size_categories": [_SIZES[max(0, min(len(str(count)) - 3, len(_SIZES) - 1))]],
    }
    if made.content.configs:  # a list without entries is none to the Hub
        data["configs"] = list(made.content.configs)
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _load(content: Content, source: str) -> Iterable[str]:
    names = [entry["config_name"] for entry in content.configs]
    yield "## Load"
    if names:
        split = content.configs[0]["data_files"][0]["split"]
        yield fenced(
            "from datasets import load_dataset\n\n"
            f'dataset = load_dataset("{source}", "{names[0]}")\n'
            f'print(dataset["{split}"][0])',
            "python",
        )
        yield (
            f"Configurations: {', '.join(f'`{name}`' for name in names)}. A trainer of sentence-transformers takes"
            f" {', '.join(f'`{shape}`' for shape in TABLES if shape in names) or 'none of them'} as they are; with"
            " `-full` at the end, the same rows carry ids, prompts, models, seeds, grades and scores."
        )
    if folders := [
        _FOLDERS[shape] for shape, of in content.shapes.items() if shape in _FOLDERS and of.train
    ]:
        yield "\n".join(folders)
    if "beir-qrels" in names:
        yield fenced(_BEIR.format(source=source), "python")
    yield table(
        ("shape", "rows: train", "rows: validation", "queries left out", "negatives left out"),
        [(shape, *astuple(counts)) for shape, counts in content.shapes.items()],
    )


_BEIR = """\
from datasets import load_dataset

corpus = {{row["_id"]: row for row in load_dataset("{source}", "beir-corpus", split="corpus")}}
queries = {{row["_id"]: row["text"] for row in load_dataset("{source}", "beir-queries", split="queries")}}
judged = load_dataset("{source}", "beir-qrels", split="train")[0]
print(queries[judged["query-id"]], judged["score"], corpus[judged["corpus-id"]]["text"])"""


def _yield_table(books: Mapping[str, Counts]) -> str:
    def reasons(counts: dict[str, int]) -> str:
        return ", ".join(f"{reason} {n}" for reason, n in counts.items()) or "0"

    return table(
        ("stage", "in", "kept", "rejected", "failed", "kept, but"),
        [
            (
                stage,
                b["in"],
                b["kept"],
                reasons(b["rejected"]),
                reasons(b["failed"]),
                reasons(b.get("flagged", {})),
            )
            for stage, b in books.items()
        ],
    )


def _thresholds(config: RunConfig, calibrated: Mapping[str, float]) -> str:
    sections: dict[str, BaseModel] = {
        "queries": config.verify.queries,
        "documents": config.verify.documents,
        "mine": config.mine,
        "leaks": config.verify.leaks,
        "duplicates": config.verify.duplicates,
    }
    rows = [
        (
            f"{name}.{key}",
            "none" if value is None else calibrated.get(f"{name}.{key}", value),
            type(section).model_fields[key].description,
        )
        for name, section in sections.items()
        for key, value in section.model_dump(mode="json", exclude={"collections"}).items()
    ]
    return table(("setting", "value", "meaning"), rows)
