"""Too short, too long: counted in words."""

from synthneg.verify.refusal import Refusal


def length(count: int, least: int, most: int) -> Refusal | None:
    """Return `too_short` or `too_long` unless there are `least` to `most` words.

    >>> length(2, 3, 40)
    Refusal(reason='too_short', detail='2 words, at least 3')
    """
    if count < least:
        return Refusal("too_short", f"{count} words, at least {least}")
    if count > most:
        return Refusal("too_long", f"{count} words, at most {most}")
    return None
