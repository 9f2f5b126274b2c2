"""What encoders of known families expect to read, for those that bring no settings of their own.

E5 (arXiv:2212.03533), BGE (arXiv:2309.07597), GTE (arXiv:2308.03281), Contriever (arXiv:2112.09118). Contriever was
trained with dot products of vectors of any length: as a student it learns by them, and is measured by them. Where it
checks, its rows have length 1 as those of all encoders: thresholds, shares of a score and near copies are said in
cosines.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synthneg.config.encoding import Pooling


@dataclass(frozen=True, slots=True)
class Family:
    """How its models read: a prefix for each role, how tokens become one vector, and how two are compared."""

    name: str
    pooling: Pooling
    query: str = ""
    document: str = ""
    similarity: Literal["cosine", "dot"] = "cosine"


_BGE_EN = "Represent this sentence for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
# The start of a model's name, in lower case. Those with instructions of their own, such as e5-mistral-7b-instruct, say
# in their settings what they read, and are none of these.
_FAMILIES = (
    (re.compile(r"(multilingual-)?e5-(small|base|large)(?!.*instruct)"), "E5"),
    (re.compile(r"bge-(small|base|large)-en"), "BGE"),
    (re.compile(r"bge-(small|base|large)-zh"), "BGE (zh)"),
    (re.compile(r"gte-(small|base|large)(-zh)?$"), "GTE"),
    (re.compile(r"m?contriever"), "Contriever"),
)
_READING = {
    "E5": Family("E5", "mean", "query: ", "passage: "),
    "BGE": Family("BGE", "cls", _BGE_EN),
    "BGE (zh)": Family("BGE", "cls", _BGE_ZH),
    "GTE": Family("GTE", "mean"),
    "Contriever": Family("Contriever", "mean", similarity="dot"),
}


def family_of(name: str) -> Family | None:
    """Return the family of a model by the last part of its name or folder; None where it is of none of these.

    >>> family_of("intfloat/e5-base-v2").query, family_of("BAAI/bge-base-en-v1.5").pooling, family_of("intfloat/e5")
    ('query: ', 'cls', None)
    """
    last = Path(name).name.lower()
    return next((_READING[key] for pattern, key in _FAMILIES if pattern.match(last)), None)
