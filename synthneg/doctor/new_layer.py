"""A student that became of another kind than its base, by a layer that began at random."""

from synthneg.config.students import Kind
from synthneg.doctor.finding import Diagnosis, Finding, Word
from synthneg.doctor.patient import Patient
from synthneg.scoring.kind import guesses_tokens, kind_of
from synthneg.train.students import student_kind

_WANTED = 10_000  # queries, of all epochs: a rule of thumb
_LAYERS: dict[Kind, str] = {
    "cross-encoder": "the layer that makes its score",
    "sparse": "its head over the vocabulary",
}
DIAGNOSIS = Diagnosis(
    "new layer",
    why="A layer that begins at random gives up what its base knew until it has learnt its own part, and few queries do"
    " not teach it that.",
    remedy="train.base_model: one that is of the kind already, or for sparse students one that guesses masked tokens"
    " (bert-base-uncased); else many more queries",
    suspect=0.5,
    bad=0.8,
)


def examine(patient: Patient) -> Finding:
    """Return which share of ten thousand queries a layer that began at random has not seen; 0 where there is none."""
    settings = patient.config.train
    name, kind, before = settings.base_model, student_kind(settings), kind_of(settings.base_model)
    if kind == before or (kind == "sparse" and guesses_tokens(name)):
        return DIAGNOSIS.of(0.0, "nothing in the student began at random")
    if kind not in _LAYERS:
        seen = "what began at random turns each token's vector alone, which keeps what it says"
        return DIAGNOSIS.of(0.0, seen)
    queries = round(len(patient.examples) * settings.epochs)
    seen = (
        f"{name} is a {before}, so {_LAYERS[kind]} began at random; it has seen {queries:,} queries, of"
        f" {_WANTED:,} that by a rule of thumb it needs"
    )
    most: Word = "bad" if patient.has_lost else "suspect"
    return DIAGNOSIS.of(max(0.0, 1 - queries / _WANTED), seen, most=most)
