"""Data of a person in what a model wrote: e-mail addresses and telephone numbers, by libraries that know their forms.

Off unless `verify.content.private` names them; nothing is looked up on a network. What a corpus holds is its owner's
and is not looked at.
"""

import re
from functools import cache

from synthneg.config import ContentChecks
from synthneg.errors import require
from synthneg.verify.refusal import Refusal

_ADDRESS = re.compile(r"[^\s@<>()\[\]{},;:\"']{1,64}@[^\s@<>()\[\]{},;:\"']{3,255}")
_SHOWN = (
    4  # characters of what was found; the rest is nobody's business, in a file of rejects either
)


def private(text: str, checks: ContentChecks) -> Refusal | None:
    """Return `private_email` or `private_phone` where the text holds one that the settings look for.

    Raises:
        MissingExtra: the packages of the extra `content` are not installed.
    """
    if "email" in checks.private and (found := _email(text)):
        return Refusal("private_email", f"an e-mail address, {found[:_SHOWN]}…")
    if "phone" in checks.private and (found := _phone(text, checks.phone_region)):
        return Refusal("private_phone", f"a telephone number, {found[:_SHOWN]}…")
    return None


def _email(text: str) -> str:
    _need("email_validator")
    from email_validator import (  # noqa: PLC0415 - an extra
        EmailNotValidError,
        validate_email,
    )

    for found in _ADDRESS.finditer(text) if "@" in text else ():
        address = found.group().strip(".!?")
        try:
            validate_email(address, check_deliverability=False)
        except EmailNotValidError:
            continue
        return address
    return ""


def _phone(text: str, region: str | None) -> str:
    _need("phonenumbers")
    from phonenumbers import PhoneNumberMatcher  # noqa: PLC0415 - an extra

    return next((str(found.raw_string) for found in PhoneNumberMatcher(text, region)), "")


def check_private(checks: ContentChecks) -> None:
    """Raise MissingExtra where what the settings look for needs packages that are not installed."""
    for kind in checks.private:
        _need({"email": "email_validator", "phone": "phonenumbers"}[kind])


@cache
def _need(module: str) -> None:
    require(module, "content", "verify.content.private")
