"""The dataset card, written from the settings, the books and the records; never by hand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import orjson
import yaml
from pydantic import BaseModel

from synthneg.config import RunConfig, Shape
from synthneg.dataset.checked import Checked, overlap_rows, probe_rows
from synthneg.dataset.shapes import TABLES, model_name
from synthneg.dataset.ways import FROM_DATASET, way_of
from synthneg.records import GIVEN, Example, Origin, Row
from synthneg.run import Counts

_FOLDERS: Mapping[str, str] = {
    "beir": "- `beir/` is a BEIR collection with graded qrels.",
    "tevatron": "- `tevatron/` has the training files of Tevatron, one JSON object a line.",
    "rlhn": "- `rlhn/` has the same rows as RLHN's datasets keep them.",
    "flagembedding": "- `flagembedding/` has the training files of FlagEmbedding, one JSON object a line.",
    "pylate": "- `pylate/` has lists, queries and documents for PyLate's distillation.",
    "msmarco": "- `msmarco/` has collection, queries, qrels and triples of ids as MS MARCO's TSV files.",
}
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")


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


def card(
    config: RunConfig,
    books: dict[str, Counts],
    examples: Sequence[Example],
    content: Content,
    checked: Checked,
) -> str:
    """Return the README.md of the dataset: its metadata block and what a reader needs to judge it."""
    way = way_of(examples)
    parts = [
        f"# {config.run}",
        way.begun,
        *_unverified(books),
        *_load(config, content),
        *_made(config, examples),
        "## Yield",
        f"What came into each stage and what became of it.{_round(config)}",
        _yield_table(books),
        "## Thresholds",
        _thresholds(config, content.calibrated),
        *_overlaps(checked),
        *_shortcuts(checked),
        "## Limits",
        "\n".join((way.synthetic, _GRADES, way.held_out, _MEASURED)),
    ]
    return f"---\n{_metadata(config, examples, content)}---\n\n" + "\n\n".join(parts) + "\n"


def _unverified(books: dict[str, Counts]) -> Iterable[str]:
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
_MEASURED = """\
- Whether training on this data helps is to be measured on a test collection. The run that made it keeps its measures
  in `evaluation/`; a number that is not there was not measured."""


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
    yield _table(("evaluation set", "what", "found", "by", "left"), rows)


def _shortcuts(checked: Checked) -> Iterable[str]:
    if not checked.probes:
        return
    yield "## Shortcuts"
    yield (
        "What a logistic regression that never sees the query can tell of a document, cross-validated over passages:"
        " AUC with its 95 % interval. .5 is chance; what is far above it can be learnt instead of relevance."
    )
    yield _table(
        ("question", "features", "AUC", "documents", "passages"), probe_rows(checked.probes)
    )


def _metadata(config: RunConfig, examples: Sequence[Example], content: Content) -> str:
    size = _SIZES[max(0, min(len(str(len(examples))) - 3, len(_SIZES) - 1))]
    synthetic = [] if way_of(examples) == FROM_DATASET else ["synthetic"]
    data: Row = {
        "pretty_name": config.run,
        "task_categories": ["text-retrieval"],
        "tags": [*synthetic, "retrieval", "hard-negatives", "sentence-transformers"],
        "size_categories": [size],
        "configs": list(content.configs),
    }
    if not content.configs:  # a list without entries is none to the Hub
        del data["configs"]
    if config.publish.license:
        data = {"license": config.publish.license} | data
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _load(config: RunConfig, content: Content) -> Iterable[str]:
    names = [entry["config_name"] for entry in content.configs]
    source = config.publish.repo or "path/to/dataset"
    yield "## Load"
    if names:
        yield f'```python\nfrom datasets import load_dataset\n\ndataset = load_dataset("{source}", "{names[0]}")\n```'
        yield (
            f"Configurations: {', '.join(f'`{name}`' for name in names)}. A trainer of sentence-transformers takes"
            f" {', '.join(f'`{shape}`' for shape in TABLES if shape in names) or 'none of them'} as they are; with"
            " `-full` at the end, the same rows carry ids, prompts, models, seeds, grades and scores."
        )
    if folders := [
        _FOLDERS[shape] for shape, of in content.shapes.items() if shape in _FOLDERS and of.train
    ]:
        yield "\n".join(folders)
    yield _table(
        ("shape", "rows: train", "rows: validation", "queries left out", "negatives left out"),
        [(shape, *astuple(counts)) for shape, counts in content.shapes.items()],
    )


def _made(config: RunConfig, examples: Sequence[Example]) -> Iterable[str]:
    queries = Counter(_maker(example.origin) for example in examples)
    documents = Counter(
        _maker(document.origin)
        for example in examples
        for document in example.documents
        if document.origin
    )
    yield "## How it was made"
    made = f"Run `{config.run}` with seed {config.seed}"
    if way_of(examples) == FROM_DATASET:
        yield f"{made}, of a dataset in the format `{config.corpus.path.partition(':')[0]}`."
    else:
        yield (
            f"{made}; every text is traced to the prompt file (`name@hash`), the model and the seed that made it."
            f" Scores are cosines of `{model_name(config.verify.encoder)}`."
        )
    yield _table(
        ("makes", "prompt", "model", "sampling", "texts"),
        [("query", *maker, n) for maker, n in sorted(queries.items())]
        + [("document", *maker, n) for maker, n in sorted(documents.items())],
    )


def _maker(origin: Origin) -> tuple[str, str, str]:
    if origin.prompt == GIVEN:
        return "none: given", "none", "none"
    sampling = orjson.dumps(origin.sampling, option=orjson.OPT_SORT_KEYS).decode()
    return f"`{origin.prompt}`", model_name(origin.model), f"`{sampling}`"


def _yield_table(books: dict[str, Counts]) -> str:
    def reasons(counts: dict[str, int]) -> str:
        return ", ".join(f"{reason} {n}" for reason, n in counts.items()) or "0"

    return _table(
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
            calibrated.get(f"{name}.{key}", value),
            type(section).model_fields[key].description,
        )
        for name, section in sections.items()
        for key, value in section.model_dump(mode="json").items()
    ]
    return _table(("setting", "value", "meaning"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; a bar within a cell does not end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
