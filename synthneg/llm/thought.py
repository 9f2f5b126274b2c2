"""Reasoning that a model wrote into its reply: found, and told from a text that speaks of such tags."""

import re
from typing import NamedTuple

_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
# gpt-oss: <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w{1,20})[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_MARK = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
# Some servers decode the marks to nothing: analysisWe need …assistantfinalThe answer.
_BARE = re.compile(r"\Aanalysis(?=[A-Z])")
_TURN_END = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|end_of_text|end|return)\|>|</s>|<end_of_turn>)(?=\s*(?:\Z|<|\n))"
)
_SWITCH = re.compile(r"\A/(?:no_)?think\b|/(?:no_)?think\Z")
_QUOTES = "\"'`“”‘’"


class Rest(NamedTuple):
    """A reply without its reasoning; `cut`: the reasoning has no end, so that what it was for never came."""

    text: str
    cut: bool


def without_reasoning(text: str) -> Rest:
    """Return the reply, stripped, without reasoning, channel marks, and what follows the end of the model's turn.

    Cut off are `<think>` blocks (several, nested, without an end), all before an end without a beginning (some chat
    templates open the block themselves), and every channel of gpt-oss but the final one.

    >>> without_reasoning("They ask for tea.</think> how hot is tea").text
    'how hot is tea'
    >>> without_reasoning("what does the <think> tag do").text
    'what does the <think> tag do'
    """
    text = text.strip()
    if text[-5:] == "think" or text[:1] == "/":
        text = _SWITCH.sub("", text).strip()
    if "<" not in text:
        return _bare(text) if text.startswith("analysis") else Rest(text, False)
    rest = _channels(text) if "<|channel|>" in text else _tags(text)
    ended = _TURN_END.search(rest.text)
    return Rest((rest.text[: ended.start()] if ended else rest.text).strip(), rest.cut)


def _bare(text: str) -> Rest:
    if not _BARE.match(text):
        return Rest(text, False)
    _, final, rest = text.rpartition("assistantfinal")
    return Rest(rest.strip(), not final)


def _channels(text: str) -> Rest:
    found = list(_CHANNEL.finditer(text))
    finals = [match for match in found if match[1] == "final"]
    if not found or not finals:
        return Rest("" if text.startswith("<|") or found else text, bool(found))
    start = finals[-1].end()
    end = _MARK.search(text, start)
    return Rest(text[start : end.start() if end else len(text)], False)


def _tags(text: str) -> Rest:
    kept: list[str] = []
    opened, start = False, 0
    for tag in _TAG.finditer(text):
        # What stands in the strings of a JSON value is the value's own.
        if not opened and text[start : start + 80].lstrip()[:1] in ("{", "["):
            break
        if not opened and _spoken_of(text, tag.start(), tag.end()):
            continue
        if not tag[1]:
            if not opened:
                kept.append(text[start : tag.start()])
            opened = True
        else:
            if not opened:
                kept.clear()
            opened, start = False, tag.end()
    if not opened:
        kept.append(text[start:])
    # What stands before reasoning leads up to it, unless nothing comes after.
    rest = next((part for part in reversed(kept) if part.strip()), "")
    return Rest(rest, opened and not rest)


def _spoken_of(text: str, start: int, end: int) -> bool:
    """Whether the tag at text[start:end] is quoted, or a word of a sentence."""
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if before[-1:] and before[-1:] in _QUOTES and after and after in _QUOTES:
        return True
    amid = before[-1:] == " " and (before[:1].isalnum() or before[:1] == ",")
    return amid and after != "" and after in " ,.;:)?"
