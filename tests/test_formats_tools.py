"""Every format that goes out, read by the tool that it is for."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset
from examples import example, run_of
from judged import scored

from synthneg.config.shapes import SHAPES
from synthneg.dataset.export import export
from synthneg.records import Example, Judged
from synthneg.run import Run

disable_progress_bars()

# What these packages import warns of their own ways.
pytestmark = pytest.mark.filterwarnings("ignore")
EXAMPLES = scored(
    [
        example("tea", 0, negatives=2),
        example("bread", 0, negatives=2),
        example("moon", 0, negatives=2),
        example("iron", 0, negatives=2, split="held_out"),
    ]
)
TRAIN = EXAMPLES[:3]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a dataset in every format; its run is called `small`."""
    run: Run = run_of(EXAMPLES, tmp_path_factory.mktemp("tools"), export={"shapes": SHAPES})
    export(run)
    yield run.file("dataset")
    run.close()


def positive_of(example: Example) -> str:
    """Return title and text of the positive."""
    return example.positive.full_text


def test_beir_reads_the_folder(dataset: Path) -> None:
    """BEIR's loader finds corpus, queries and grades of each split."""
    from beir.datasets.data_loader import GenericDataLoader  # noqa: PLC0415  # slow to import

    corpus, queries, qrels = GenericDataLoader(str(dataset / "beir")).load(split="train")

    assert queries == {e.query_id: e.query for e in TRAIN}
    assert qrels == {e.query_id: {d.id: d.grade for d in e.documents} for e in TRAIN}
    tea = EXAMPLES[0].positive
    assert corpus["tea"] == {"title": tea.title, "text": tea.text}


def test_tevatron_reads_its_rows(dataset: Path, tiny: str, tmp_path: Path) -> None:
    """Tevatron's dataset and preprocessor make one query, its positives and its negatives of each row."""
    from tevatron.arguments import DataArguments  # noqa: PLC0415  # slow to import
    from tevatron.datasets import HFTrainDataset  # noqa: PLC0415  # as above
    from tevatron.datasets.preprocessor import TrainPreProcessor  # noqa: PLC0415  # as above

    tokenizer = tokenizer_of(tiny)
    arguments = DataArguments(dataset_name="json", train_dir=str(dataset / "tevatron"))
    arguments.train_path = [str(dataset / "tevatron" / "train.jsonl")]
    rows = HFTrainDataset(tokenizer, arguments, str(tmp_path)).process()
    read = [TrainPreProcessor(tokenizer)(row) for row in rows]

    def coded(document: Judged) -> list[int]:
        text = f"{document.title} {document.text}"
        return tokenizer.encode(text, add_special_tokens=False, max_length=256, truncation=True)

    assert [row["query_id"] for row in rows] == [e.query_id for e in TRAIN]
    assert [row["positives"] for row in read] == [[coded(e.positive)] for e in TRAIN]
    assert [row["negatives"] for row in read] == [list(map(coded, e.negatives)) for e in TRAIN]


def tokenizer_of(model: str) -> Any:
    """Return the tokenizer of the tiny model."""
    from transformers import AutoTokenizer  # noqa: PLC0415  # slow to import

    return AutoTokenizer.from_pretrained(f"{model}-bert")


def test_flagembedding_reads_its_rows(dataset: Path, tiny: str, tmp_path: Path) -> None:
    """FlagEmbedding's dataset gives each query with a positive, negatives, and the teacher's scores of them."""
    from FlagEmbedding.abc.finetune.embedder.AbsArguments import (  # noqa: PLC0415  # slow to import
        AbsEmbedderDataArguments,
    )
    from FlagEmbedding.abc.finetune.embedder.AbsDataset import (  # noqa: PLC0415  # as above
        AbsEmbedderTrainDataset,
    )

    arguments = AbsEmbedderDataArguments(
        train_data=[str(dataset / "flagembedding" / "train.jsonl")],
        cache_path=str(tmp_path),
        train_group_size=5,
        knowledge_distillation=True,
    )
    rows = AbsEmbedderTrainDataset(arguments, tokenizer_of(tiny))

    assert len(rows) == len(TRAIN)
    for (query, passages, scores), one in zip(map(rows.__getitem__, range(3)), TRAIN, strict=True):
        known = {d.full_text: d.scores["cosine"] for d in (one.positive, *one.negatives)}
        assert (query, passages[0]) == (one.query, positive_of(one))
        assert set(passages) == set(known)
        assert scores == [known[text] for text in passages]


def test_rlhn_rows_have_the_documented_columns(dataset: Path, tmp_path: Path) -> None:
    """The rows have the columns and types of the datasets under huggingface.co/rlhn, and the run's name as subset."""
    rows = load_dataset(str(dataset), "rlhn", cache_dir=str(tmp_path))["train"]
    passages = [{"docid": "string", "title": "string", "text": "string"}]

    found = {name: kind_of(feature) for name, feature in rows.features.items()}

    assert found == {
        "query_id": "string",
        "query": "string",
        "positive_passages": passages,
        "negative_passages": passages,
        "subset": "string",
    }
    assert rows[0]["subset"] == "small"
    assert [p["docid"] for p in rows[0]["positive_passages"]] == ["tea"]


def kind_of(feature: Any) -> Any:
    """Return a feature as plain names of types."""
    if hasattr(feature, "feature"):
        return [kind_of(feature.feature)]
    if isinstance(feature, dict):
        return {name: kind_of(of) for name, of in feature.items()}
    return feature.dtype


def lists_of(dataset: Path, tmp_path: Path) -> dict[str, Any]:
    """Return PyLate's three tables, as `load_dataset` gives them."""
    return {
        name: load_dataset(str(dataset), f"pylate-{name}", split="train", cache_dir=str(tmp_path))
        for name in ("train", "queries", "documents")
    }


def test_pylate_finds_the_texts_of_its_ids(dataset: Path, tmp_path: Path) -> None:
    """PyLate's processing puts query and documents in the place of ids, the positive first, each with its score."""
    processing = pytest.importorskip(
        "pylate.utils.processing", reason="pylate wants an older sentence-transformers beside it"
    )
    tables = lists_of(dataset, tmp_path)
    process = processing.KDProcessing(queries=tables["queries"], documents=tables["documents"])

    for row, one in zip(map(process.map, tables["train"]), TRAIN, strict=True):
        documents = (one.positive, *one.negatives)
        assert row["query"] == one.query
        assert row["documents"] == [d.full_text for d in documents]
        assert row["scores"] == [d.scores["cosine"] for d in documents]


def test_pylate_tables_have_the_documented_columns(dataset: Path, tmp_path: Path) -> None:
    """The three tables have the columns that PyLate's processing asks for, and every id leads to a text."""
    tables = lists_of(dataset, tmp_path)

    assert {name: table.column_names for name, table in tables.items()} == {
        "train": ["query_id", "document_ids", "scores"],
        "queries": ["query_id", "text"],
        "documents": ["document_id", "text"],
    }
    known = set(tables["documents"]["document_id"])
    assert {id for ids in tables["train"]["document_ids"] for id in ids} <= known
    assert set(tables["train"]["query_id"]) <= set(tables["queries"]["query_id"])


def test_ir_datasets_reads_the_tsv_files(dataset: Path) -> None:
    """The readers of ir_datasets find collection, queries, qrels and triples, and every id in them."""
    from ir_datasets.formats import (  # noqa: PLC0415  # slow to import
        TrecQrels,
        TsvDocPairs,
        TsvDocs,
        TsvQueries,
    )
    from ir_datasets.util import LocalDownload  # noqa: PLC0415  # as above

    def file(name: str) -> LocalDownload:
        return LocalDownload(dataset / "msmarco" / name)

    documents = {d.doc_id: d.text for d in TsvDocs(file("collection.tsv")).docs_iter()}
    queries = {q.query_id: q.text for q in TsvQueries(file("queries.train.tsv")).queries_iter()}
    qrels = list(TrecQrels(file("qrels.train.tsv"), {}).qrels_iter())
    triples = list(TsvDocPairs(file("qidpidtriples.train.tsv")).docpairs_iter())

    assert queries == {e.query_id: e.query for e in TRAIN}
    assert [(q.query_id, q.doc_id, q.relevance) for q in qrels] == [
        (e.query_id, e.positive.id, 1) for e in TRAIN
    ]
    assert [tuple(t) for t in triples] == [
        (e.query_id, e.positive.id, d.id) for e in TRAIN for d in e.negatives
    ]
    assert documents["tea"] == positive_of(EXAMPLES[0])
    assert {t[2] for t in map(tuple, triples)} <= set(documents)


def test_every_configuration_loads_beside_the_folders(dataset: Path, tmp_path: Path) -> None:
    """Whatever else lies in the folder, `load_dataset` reads each configuration of the card, both of its splits."""
    for shape in ("pair", "triplet", "n-tuple-scores", "labeled-list"):
        read = load_dataset(str(dataset), shape, cache_dir=str(tmp_path))
        assert sorted(read) == ["train", "validation"], shape
        assert read["train"].num_rows >= len(TRAIN)


# By shape: the loss that takes its columns.
LOSSES = {
    "pair": "MultipleNegativesRankingLoss",
    "triplet": "TripletLoss",
    "n-tuple": "MultipleNegativesRankingLoss",
    "n-tuple-scores": "MarginMSELoss",
    "margin-mse": "MarginMSELoss",
    "labeled-pair": "ContrastiveLoss",
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", LOSSES)
def test_a_trainer_takes_the_columns_as_they_are(
    shape: str, dataset: Path, tiny: str, tmp_path: Path
) -> None:
    """The trainer of sentence-transformers trains a step on the rows, with a loss for their columns and labels."""
    from sentence_transformers import (  # noqa: PLC0415  # heavy
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer import losses  # noqa: PLC0415  # as above

    model = SentenceTransformer(tiny, device="cpu")
    rows = load_dataset(str(dataset), shape, cache_dir=str(tmp_path))["train"]
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=2, report_to="none"
    )
    trainer = SentenceTransformerTrainer(
        model, arguments, train_dataset=rows, loss=getattr(losses, LOSSES[shape])(model)
    )

    assert math.isfinite(trainer.train().training_loss)
