"""Verified queries that the tuned model fails, in `failed.jsonl`.

ReverseGen's idea (github.com/qtli/ReverseGen) without its training of a proposer: what the target model fails says
what to generate. A failure counts only where the query has passed its checks: others are noise.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from synthneg.errors import RunError
from synthneg.files import fingerprint
from synthneg.records import Example, Failed, Passage
from synthneg.run import Run
from synthneg.scoring.choice import FAILED
from synthneg.scoring.corpus import CorpusVectors, encode_corpus, row_of
from synthneg.scoring.encoder import load_encoder
from synthneg.scoring.kind import kind_of
from synthneg.scoring.search import count_above, top_k

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TIE = 1e-6  # two products of the same vectors may differ by rounding


def write_failed(run: Run) -> list[Failed]:
    """Write failed.jsonl, unless it stands, and return what it holds: none where the tuned model fails no query.

    Of held-out passages nothing is looked at: their queries are there to measure.

    Raises:
        RunError: there are no examples, or the tuned model is no bi-encoder.
        ModelError: the tuned model cannot be loaded.
    """
    settings, kind = run.config.rounds, kind_of(str(run.file("model")))
    if kind != "bi-encoder":
        raise RunError(
            f"{run.folder}: expected a bi-encoder, which ranks the whole corpus, to say what it fails, but the tuned"
            f" model is a {kind} model; train a bi-encoder for this round, train.student: bi-encoder"
        )
    bounds = settings.model_dump(mode="json", exclude={"after", "number"})
    files = (run.file("examples.jsonl"), run.file("passages.jsonl"), run.file("model"))
    inputs = fingerprint(bounds, run.config.seed, run.config.train.max_length, *files)

    def found() -> Iterator[Failed]:
        examples = [e for e in run.read("examples.jsonl", Example) if e.split == "train"]
        encoder = load_encoder(
            str(run.file("model")),
            batch_size=run.config.verify.encode_batch,
            max_length=run.config.train.max_length,
            vectors=run.vectors,
        )
        corpus = encode_corpus(run, encoder)
        asked = encoder.encode([example.query for example in examples], "query")
        yield from _failed(run, examples, asked, corpus)

    run.view(FAILED, inputs, found)
    return list(run.read(FAILED, Failed))


def _failed(
    run: Run, examples: Sequence[Example], asked: "NDArray[np.float32]", corpus: CorpusVectors
) -> Iterator[Failed]:
    settings = run.config.rounds
    own = [row_of(corpus, example.query_id, example.passage_id) for example in examples]
    cosines = (asked * corpus.vectors[own]).sum(axis=1)
    ranks = 1 + count_above(asked, corpus.vectors, cosines + _TIE)
    nearest, scores = top_k(asked, corpus.vectors, 2)
    others = [
        next((s for row, s in zip(rows, found, strict=True) if row != place), -1.0)
        for rows, found, place in zip(nearest.tolist(), scores.tolist(), own, strict=True)
    ]
    margins = [float(c) - other for c, other in zip(cosines, others, strict=True)]
    places = [
        i
        for i, (rank, margin) in enumerate(zip(ranks, margins, strict=True))
        if rank > settings.top_k or margin < settings.margin
    ]
    shown = _exemplars([examples[i] for i in places], settings.exemplars, run.config.seed)
    quiet = {examples[i].passage_id for i in places if examples[i].query_id in shown}
    if quiet.issuperset(examples[i].passage_id for i in places):
        shown, quiet = set(), set()  # else few failures would leave nothing to ask about
    beside = _neighbours(run, corpus, [own[i] for i in places])
    for i, near in zip(places, beside, strict=True):
        example = examples[i]
        ask = tuple(id for id in (example.passage_id, *near) if id not in quiet)
        exemplar = example.query_id in shown
        margin = round(margins[i], 6)
        yield Failed(example.query_id, example.passage_id, int(ranks[i]), margin, exemplar, ask)


def _exemplars(failed: Sequence[Example], most: int, seed: int) -> set[str]:
    """Return the ids of the failures that serve as exemplars: of each prompt some, at most half of its own."""
    by_prompt: defaultdict[str, list[str]] = defaultdict(list)
    for example in failed:
        by_prompt[example.origin.prompt].append(example.query_id)
    drawn = random.Random(seed)
    return {id for ids in by_prompt.values() for id in drawn.sample(ids, min(most, len(ids) // 2))}


def _neighbours(run: Run, corpus: CorpusVectors, own: Sequence[int]) -> list[list[str]]:
    """Return for each row of the corpus the ids of the passages of training that are nearest by the tuned model."""
    count = run.config.rounds.neighbours
    if not (count and own):
        return [[] for _ in own]
    trained = {p.id for p in run.read("passages.jsonl", Passage) if p.split == "train"}
    ids = corpus.ids
    held_out = len(ids) - len(trained)
    depth = min(len(ids), 1 + count + min(held_out, 4 * count))
    near = top_k(corpus.vectors[list(own)], corpus.vectors, depth)[0].tolist()
    return [
        [ids[row] for row in rows if row != place and ids[row] in trained][:count]
        for rows, place in zip(near, own, strict=True)
    ]
