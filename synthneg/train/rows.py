"""What a run is trained on: the rows that the loss of its settings takes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synthneg.errors import RunError
from synthneg.files import fingerprint
from synthneg.progress import say
from synthneg.records import Example, Passage
from synthneg.run import Run
from synthneg.scoring.base import Encoder
from synthneg.scoring.corpus import encode_corpus
from synthneg.scoring.encoder import find_model, load_encoder
from synthneg.scoring.vectors import CachedEncoder
from synthneg.train.data import Pair, lend_negatives, training_pairs
from synthneg.train.lexical import Lexical
from synthneg.train.lists import Ranked, as_pairs, graded_lists, stored_lists
from synthneg.train.losses import LOSSES
from synthneg.train.students import student_kind
from synthneg.train.teacher import Scale, rescaled, scale_of, scored_lists


def training_examples(run: Run) -> list[Example]:
    """Return the examples of the training split.

    Raises:
        RunError: the examples are missing, or are of fewer than two passages.
    """
    examples = [e for e in run.read("examples.jsonl", Example) if e.split == "train"]
    passages = len({example.positive.full_text for example in examples})
    if passages < 2:
        raise RunError(
            f"{run.folder}: training needs verified queries of at least 2 passages, found {passages};"
            " raise corpus.limit, lower corpus.held_out or loosen verify"
        )
    return examples


def training_rows(run: Run, examples: list[Example]) -> list[Pair]:
    """Return the rows that are made of the examples, all with the same number of documents.

    Raises:
        RunError: the examples do not have the scores that are asked for.
        ModelError: the teacher cannot be loaded.
    """
    taken = LOSSES[run.config.train.loss]
    if taken in ("pairs", "sources"):
        return _pairs(run, examples)
    return _graded(run, examples) if taken == "grades" else _scored(run, examples)


def unlisted(pairs: Sequence[Pair], taken: str) -> Sequence[Pair]:
    """Return the rows as the batches are made of them.

    Of lists, only the positives keep queries apart: whatever else stands in two of them is known to the losses by its
    text, and is no negative where it is an answer.
    """
    return pairs if taken in ("pairs", "sources") else [replace(p, negatives=()) for p in pairs]


def rows_inputs(run: Run) -> str:
    """Return a fingerprint of what the rows are made of beside the settings."""
    settings = run.config.train
    parts: list[Path | str] = [run.file("examples.jsonl")]
    drawn = settings.sampling.negatives != "own"
    if drawn or LOSSES[settings.loss] in ("grades", "scores"):
        parts.append(run.file("passages.jsonl"))
    model = guide_of(run) if settings.loss == "gist" else teacher_of(run)
    guard = run.config.verify.encoder if drawn else ""
    for name in filter(None, (model, guard)):
        found = find_model(name)
        parts.append(Path(found) if Path(found).is_dir() else found)
    if drawn:
        # What is known to answer, how near a negative may stand, and how that is seen.
        known = (run.file(f) for f in ("queries.jsonl", "verified_queries.jsonl") if run.has(f))
        checks = run.config.verify.documents.model_dump_json()
        parts += [*known, checks, run.config.verify.encoding.model_dump_json()]
    return fingerprint(*parts)


def guide_of(run: Run) -> str:
    """Return the name of the model that guides the loss gist."""
    return run.config.train.guide.model or run.config.verify.encoder


def teacher_of(run: Run) -> str:
    """Return the name of the model that scores lists; "" where none does."""
    settings = run.config.train
    if LOSSES[settings.loss] != "scores":
        return ""
    if settings.lists.scorer is not None:
        return ""
    return settings.lists.teacher or run.config.verify.encoder


def _pairs(run: Run, examples: list[Example]) -> list[Pair]:
    wanted = run.config.train.negatives
    pairs = training_pairs(examples, wanted)
    without = sum(not pair.negatives for pair in pairs)
    alone = student_kind(run.config.train) == "cross-encoder"  # it sees no other query's documents
    if wanted and without == len(pairs) and not alone:
        say(
            f"train: none of {len(pairs)} queries has a hard negative; training with in-batch negatives alone"
        )
    elif wanted and without:
        say(
            f"train: {without} of {len(pairs)} queries have no hard negative and borrow those of others"
        )
        pairs = lend_negatives(pairs, wanted, run.config.seed)
    return pairs


def _graded(run: Run, examples: list[Example]) -> list[Pair]:
    count = sum(1 for _ in run.read("passages.jsonl", Passage))
    ranked, length = graded_lists(examples, run.config.train.lists.length, count, run.config.seed)
    short = sum(len(one.documents) < length for one in ranked)
    if short:
        say(
            f"train: {short} of {len(ranked)} queries have fewer than {length} documents; random passages, of grade 0,"
            " fill their lists"
        )
    return as_pairs(ranked, length, run.read("passages.jsonl", Passage))


def _scored(run: Run, examples: list[Example]) -> list[Pair]:
    ranked, length = _scored_lists(run, examples)
    if run.config.train.lists.rescale:
        ranked = rescaled(ranked, scale_of(ranked))
    return as_pairs(ranked, length, run.read("passages.jsonl", Passage))


def label_scale(run: Run, examples: list[Example]) -> Scale:
    """Return the scale of the labels of lists that a model has scored."""
    settings = run.config.train.lists
    return scale_of(_scored_lists(run, examples)[0]) if settings.rescale else Scale()


def _scored_lists(run: Run, examples: list[Example]) -> tuple[list[Ranked], int]:
    settings = run.config.train.lists
    if teacher_of(run):
        encoder = open_teacher(run)
        corpus = encode_corpus(run, encoder)
        ranked = scored_lists(
            examples, encoder, corpus, settings, run.config.seed, open_lexical(run)
        )
        return ranked, settings.length
    scorer = settings.scorer or ""
    ranked, length = stored_lists(examples, scorer, settings.length)
    _check_scores(run, ranked, length, scorer, len(examples))
    return ranked, length


def open_teacher(run: Run) -> Encoder:
    """Return the model that scores lists, with the cache of its vectors.

    Raises:
        ModelError: there is no such model.
    """
    batch = run.config.verify.encode_batch
    return load_encoder(teacher_of(run), batch_size=batch, vectors=run.vectors)


def open_base(run: Run) -> CachedEncoder:
    """Return the model that training begins with, with the cache of its vectors.

    Raises:
        ModelError: there is no such model.
    """
    settings = run.config.train
    found = load_encoder(
        settings.base_model,
        batch_size=run.config.verify.encode_batch,
        max_length=settings.max_length,
        vectors=run.vectors,
    )
    assert isinstance(found, CachedEncoder)
    return found


def open_lexical(run: Run) -> Lexical | None:
    """Return the part of the teacher that goes by words; None where it has none."""
    weight = run.config.train.lists.lexical
    return Lexical(run.read("passages.jsonl", Passage), weight) if weight else None


def _check_scores(run: Run, ranked: list[Ranked], length: int, scorer: str, queries: int) -> None:
    if length < 2 or len({one.documents[0].full_text for one in ranked}) < 2:
        raise RunError(
            f"{run.folder}: train.lists.teacher is score:{scorer}, which {len(ranked)} of {queries} queries have for"
            f" their passage, with at most {length} documents each; expected 2 documents of 2 passages or more, verify"
            " with this scorer, or name a model as the teacher"
        )
    if len(ranked) < queries:
        say(
            f"train: {queries - len(ranked)} of {queries} queries have no score {scorer!r} and are left out"
        )
