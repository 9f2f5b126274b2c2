"""Texts that are longer than the student reads."""

from collections.abc import Sequence
from typing import Any

from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient

DIAGNOSIS = Diagnosis(
    "truncation",
    why="What lies behind the cut is neither learnt nor found; a query about it is trained as if a text without the"
    " answer were the answer.",
    remedy="train.max_length higher, or corpus.chunk_tokens lower, so that a passage fits",
    suspect=0.15,  # of the tokens; the beginning of a passage says most of it
    bad=0.5,
)
_COVERS = 0.95  # share of texts that the proposed length reads whole


def examine(patient: Patient) -> Finding:
    """Return the share of all tokens of positives that the student never sees; the share of texts is told beside it."""
    model = patient.student
    length = model.max_seq_length
    if patient.is_table:
        return DIAGNOSIS.of(0.0, "a static table of word vectors reads texts to their end")
    texts = list({e.positive.id: e.positive.full_text for e in patient.examples}.values())
    sizes = _tokens(model, patient.sample(texts))
    queries = _tokens(model, patient.sample([example.query for example in patient.examples]))
    cut = sum(size > length for size in sizes) / len(sizes)
    lost = sum(max(0, size - length) for size in sizes) / sum(sizes)
    seen = (
        f"train.max_length {length}: {cut:.0%} of {len(sizes)} passages are longer, {lost:.0%} of their tokens are"
        f" lost; {sum(size > length for size in queries) / len(queries):.0%} of the queries are longer"
    )
    return DIAGNOSIS.of(lost, seen, remedy=_remedy(model, sizes))


def _tokens(model: Any, texts: Sequence[str]) -> list[int]:
    """Return how many tokens each text has, special ones included."""
    read = model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    return [len(ids) for ids in read]


def _remedy(model: Any, sizes: Sequence[int]) -> str:
    """Return the length that reads most passages whole, or how they must be cut where the model has no such length."""
    wanted = sorted(sizes)[min(len(sizes) - 1, round(_COVERS * len(sizes)))]
    limit = getattr(getattr(model[0], "auto_model", None), "config", None)
    most = getattr(limit, "max_position_embeddings", None) or wanted
    if wanted <= most:
        return f"train.max_length: {wanted}, which reads {_COVERS:.0%} of the passages whole, or corpus.chunk_tokens"
    return f"corpus.chunk_tokens: {most}, which is all that this model reads; passages have up to {wanted}"
