"""Small examples for the tests of what is made of examples: datasets and trained models."""

from pathlib import Path

from synthneg.config import RunConfig
from synthneg.records import Example, Judged, Origin, Passage, Source, Split
from synthneg.run import Run
from synthneg.settings import resolve

TOPICS = {
    "tea": "Green tea is steeped at eighty degrees for three minutes.",
    "bread": "Sourdough bread rises overnight because wild yeast works slowly.",
    "moon": "The moon turns once on its axis in each orbit around the earth.",
    "iron": "Iron rusts when water and oxygen reach its surface.",
    "bees": "Honey bees dance to tell the hive where flowers grow.",
    "glass": "Glass is made by melting sand with soda and lime.",
    "wolf": "Wolves hunt in packs led by a breeding pair.",
    "rain": "Rain falls when droplets in a cloud grow too heavy to float.",
}


def origin(prompt: str, seed: int = 11) -> Origin:
    """Return an origin under the prompt's name, tagged with a made-up hash."""
    return Origin(f"{prompt}@1b9d6bcd", "tiny-llm", {"temperature": 0.9}, seed, f"key-{seed}")


def positive(topic: str) -> Judged:
    """Return the corpus passage of a topic."""
    scores = {"cosine": 0.75, "rank": 1.0}
    return Judged(topic, TOPICS[topic], topic.title(), 3, "corpus", scores, None)


def written(query_id: str, name: str, text: str, grade: int, source: Source) -> Judged:
    """Return a document that a model wrote."""
    prompt = "document/graded" if source == "graded" else "negative/from-query"
    scores = {"cosine": grade / 8, "cosine_to_positive": 0.25}
    return Judged(f"{query_id}.{name}", text, "", grade, source, scores, origin(prompt, 5))


def example(topic: str, number: int = 0, negatives: int = 1, split: Split = "train") -> Example:
    """Return a query of `topic` with four graded documents and `negatives` hard negatives.

    Without hard negatives it has only its passage, so no document that could serve as a negative.
    """
    query_id = f"{topic}.q{number}"
    documents = [positive(topic)]
    if negatives:
        documents += [
            written(query_id, f"g{grade}", f"{topic} {number}, of grade {grade}", grade, "graded")
            for grade in (3, 2, 1, 0)
        ]
    documents += [
        written(query_id, f"n{i}", f"{topic} {number}, near miss {i}", 1, "negative")
        for i in range(negatives)
    ]
    text = f"what about {topic}, asked in way {number}?"
    return Example(query_id, text, topic, split, origin("query/question"), tuple(documents))


def settings(**sections: object) -> RunConfig:
    """Return the settings of a run named `small`."""
    values = {"run": "small", "corpus": {"path": "corpus"}} | sections
    return resolve(values, "test")


def run_of(examples: list[Example], folder: Path, **sections: object) -> Run:
    """Return a run whose verification has ended with `examples`."""
    run = Run(folder, settings(**sections))
    splits = {e.passage_id: e.split for e in examples}
    passages = [Passage(t, text, t.title(), splits.get(t, "train")) for t, text in TOPICS.items()]
    with run.stage("corpus", "passages.jsonl") as stage:
        for passage in passages:
            stage.take()
            stage.keep(passage)
    with run.stage("verify.documents", "examples.jsonl") as stage:
        stage.take(3)
        stage.reject("gone.q0", "copied", "13 words in a row, at most 12")
        stage.reject("gone.q1", "copied", "14 words in a row, at most 12")
        stage.fail("gone.q2", "no_reply", "timeout")
        for kept in examples:
            stage.take()
            stage.keep(kept)
    return run


def rewrite(run: Run, file: str, extra: bytes) -> None:
    """Append bytes to a file of the run, as a fault of the disk might."""
    path = run.file(file)
    path.write_bytes(path.read_bytes() + extra)
