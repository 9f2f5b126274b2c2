"""A small world with an evaluation set: tea, rails and bees, their passages, and queries that a test set keeps."""

import json
from pathlib import Path

from synthneg.records import Document, Origin, Passage, Query
from synthneg.verify.alike import EvaluationSet

ORIGIN = Origin("query/question@00000000", "planted", {}, 1, "key")

PASSAGES = [
    Passage(
        "tea", "Green tea is steeped for two minutes in water below boiling point.", "Green tea"
    ),
    Passage("steel", "Steel rails are welded so that trains run over them without noise.", "Rails"),
    Passage("bees", "Bees dance to show the others of the hive the direction of flowers.", "Bees"),
    Passage("salt", "Salt is won from sea water that dries in shallow basins of clay.", "Salt"),
]
HELD = EvaluationSet(
    "harbour/test",
    {
        "t1": "how long should green tea be steeped in hot water",
        "t2": "which way do bees tell each other where flowers are",
        "t3": "what makes the noise of trains on rails",
    },
    {
        "d1": "Bees Bees dance to show the others of the hive the direction of flowers.",
        "d2": "A kettle whistles when steam leaves its spout faster than the narrow hole lets it pass by.",
    },
)


def query(id, text, passage="tea"):
    """Return a query that was written from a passage."""
    return Query(id, text, passage, "train", ORIGIN)


def document(id, query_id, text, grade=1):
    """Return a document that was written for a query."""
    return Document(id, query_id, text, "", grade, "negative", ORIGIN)


def positive(query_id, passage):
    """Return a passage as the positive of a query."""
    return Document(passage.id, query_id, passage.text, passage.title, 3, "corpus")


def write_beir(folder: Path, held: EvaluationSet = HELD, split: str = "test") -> Path:
    """Write an evaluation set as a BEIR folder, with another query and document that the split does not judge."""
    (folder / "qrels").mkdir(parents=True)
    queries = {**held.queries, "other": "who builds a boat"}
    documents = {
        **held.documents,
        "other": "Salt is won from sea water that dries in shallow basins of clay.",
    }
    for name, texts in (("queries", queries), ("corpus", documents)):
        lines = [json.dumps({"_id": id, "text": text}) for id, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    judged = ["query-id\tcorpus-id\tscore", "t1\td2\t1", "t2\td1\t1", "t3\td2\t1", "t3\tother\t0"]
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return folder


def plant(run, stage_name, file, records):
    """Write the records as what a stage kept."""
    with run.stage(stage_name, file) as stage:
        for record in records:
            stage.take()
            stage.keep(record)
