"""What the reply of a prompt must be, by what the prompt makes."""

from collections.abc import Iterator

from synthneg.prompts.front import Front
from synthneg.prompts.head import Form, FrontMatter
from synthneg.prompts.problem import Problem

# The key of a JSON reply that is the record's text; what writes one document, whatever its grade, says `passage`.
TEXT_KEYS = {"query": "query", "document": "passage", "negative": "passage"}


def required(form: Form) -> set[str]:
    """Return the keys that a JSON reply must have; none for text and lines."""
    return set(form.get("required", ())) if isinstance(form, dict) else set()


def together(head: FrontMatter) -> bool:
    """Whether a reply has the documents of all grades."""
    return {str(grade) for grade in head.grades} <= required(head.reply)


def check(head: FrontMatter, front: Front) -> Iterator[Problem]:
    """Yield what is wrong with the reply and the grades, each with the line of its key."""
    keys = required(head.reply)
    if head.makes == "document" and not head.grades:
        yield Problem(
            front.line("makes"), "a prompt that makes documents names its grades, and no other"
        )
    elif head.makes != "document" and head.grades:
        yield Problem(
            front.line("grades"), "a prompt that makes documents names its grades, and no other"
        )
    elif head.makes == "document":
        whole = together(head)
        if whole == ("grade" in head.needs) and (whole or len(head.grades) > 1):
            yield Problem(
                front.line("reply") if "reply" in front.values else front.line("grades"),
                "a prompt that makes documents has a JSON schema that requires each of its grades, or"
                " it needs `grade` and is asked for each by itself",
            )
        elif not whole:
            yield from _check_text(head, keys, front)
    elif head.makes == "task":
        if not ({"tasks"} <= keys or {"query", "positive", "negative"} <= keys):
            yield Problem(
                front.line("reply") if "reply" in front.values else front.line("makes"),
                "a prompt that makes a task has a JSON schema that requires `tasks`, or `query`,"
                " `positive` and `negative`",
            )
    elif head.makes != "judgement":
        yield from _check_text(head, keys, front)


def _check_text(head: FrontMatter, keys: set[str], front: Front) -> Iterator[Problem]:
    key = TEXT_KEYS[head.makes]
    known = ("text", "lines") if head.makes == "query" else ("text",)
    if head.reply not in known and key not in keys:
        yield Problem(
            front.line("reply"),
            f"the reply of a prompt that makes a {head.makes} is {' or '.join(known)}, or a JSON schema"
            f" that requires `{key}`",
        )
