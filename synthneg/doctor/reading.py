"""How texts are read: by the student in training, by base and tuned model when they are measured, and by its family.

A reading is a prefix for queries, one for documents, and how tokens become one vector.
"""

from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from synthneg.config.encoding import EncodingConfig
from synthneg.doctor.finding import Diagnosis, Finding
from synthneg.doctor.patient import Patient
from synthneg.scoring.encoder import find_model
from synthneg.scoring.family import Family, family_of

DIAGNOSIS = Diagnosis(
    "reading",
    why="A model that was trained with a prefix or a pooling and is read with another gives vectors of another space;"
    " E5 without its prefixes loses much of what it knows.",
    remedy="a base model whose folder brings the prompts and the pooling that its family was trained with",
    suspect=0.5,  # differences; a checker that reads otherwise counts as half of one
    bad=1.0,
)
_DOCUMENT_NAMES = ("document", "passage", "corpus")  # as `encode_document` tries them


class Reading(NamedTuple):
    """How a model reads."""

    query: str
    document: str
    pooling: str  # "" where the model pools no tokens

    @classmethod
    def of_model(cls, model: Any) -> Self:
        """Return how a SentenceTransformer reads."""
        prompts = model.prompts
        document = next((prompts[name] for name in _DOCUMENT_NAMES if prompts.get(name)), "")
        modes = (
            module.get_config_dict().get("pooling_mode")
            for module in model
            if hasattr(module, "get_config_dict")
        )
        return cls(prompts.get("query", ""), document, next(filter(None, modes), ""))

    def beside(self, other: Self) -> list[str]:
        """Return in words what differs, as seen here and there."""
        return [
            f"{name} {mine!r} and not {theirs!r}"
            for name, mine, theirs in zip(self._fields, self, other, strict=True)
            if mine != theirs
        ]


def examine(patient: Patient) -> Finding:
    """Return how many readings differ from that of training."""
    student = Reading.of_model(patient.student)
    found: list[str] = []
    family = _family(patient.config.train.base_model)
    if family is not None and student.pooling:
        wanted = Reading(family.query, family.document, family.pooling)
        found += [f"trained with {d}, as {family.name} was made" for d in student.beside(wanted)]
    if (patient.folder / "model").is_dir():
        tuned = Reading.of_model(patient.graduate)
        found += [f"measured with {d}, as it was trained" for d in tuned.beside(student)]
    value = float(len(found))
    if not found and (checked := _checked(patient, student)):
        found, value = checked, 0.5
    if found:
        return DIAGNOSIS.of(value, "; ".join(found))
    return DIAGNOSIS.of(
        0.0,
        f"trained and measured with the prefixes {student.query!r} and {student.document!r}"
        + (f" and {student.pooling} pooling" if student.pooling else "")
        + (f", as {family.name} was made" if family else ""),
    )


def _checked(patient: Patient, student: Reading) -> list[str]:
    """Return how verification reads otherwise with the very model that is trained."""
    config = patient.config
    if find_model(config.verify.encoder) != find_model(config.train.base_model):
        return []
    encoding: EncodingConfig = config.verify.encoding
    own = {
        "query": encoding.query_prefix,
        "document": encoding.document_prefix,
        "pooling": encoding.pooling,
    }
    changed = student._replace(**{name: text for name, text in own.items() if text is not None})
    return [f"verified with {d}, as it was trained" for d in changed.beside(student)]


def _family(name: str) -> Family | None:
    """Return the family of a model by its name, or by the name that its folder's config.json says it comes from."""
    config = Path(find_model(name)) / "config.json"
    known = family_of(name)
    if known is not None or not config.is_file():
        return known
    return family_of(str(orjson.loads(config.read_bytes()).get("_name_or_path", "")))
