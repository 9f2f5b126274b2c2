"""What a check answers when a record does not pass."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a record is dropped."""

    reason: str  # a code to count by
    detail: str  # for a person: the value seen and the bound
