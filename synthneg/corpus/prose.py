"""The prose of a docstring in numpydoc or reStructuredText: no signature, tables, doctests, directives or markup."""

import re

# The sections of numpydoc that are prose; the others are tables, references and examples.
_PROSE_SECTIONS = {"notes", "warnings", "extended summary"}
_HEADING = re.compile(r"^(?P<title>\S.*)\n(?P<line>[=\-~^*#`\"']{3,})[ ]*$", re.MULTILINE)
_OVERLINE = re.compile(r"^[=\-~^*#]{3,}[ ]*\n(?=\S.*\n[=\-~^*#]{3,}[ ]*$)", re.MULTILINE)
_SIGNATURE = re.compile(r"\A(?:[\w.]+\((?:[^()]|\([^()]*\))*\)(?:[ ]*->.*)?[ ]*\n+)+")
_ADMONITION = re.compile(
    r"^\.\. (?:note|warning|tip|important|caution|attention|hint|seealso)::", re.IGNORECASE
)
_NESTED_DIRECTIVE = re.compile(r"\n[ ]+\.\. .*", re.DOTALL)
_TABLE_LINE = re.compile(
    r"^[ ]*(?:[=\-]{2,}(?:[ ]+[=\-]{2,})+|\+[-=+]{3,}|\|.*\|)[ ]*$", re.MULTILINE
)
_FIELD = re.compile(r"\s*:[\w ]+:(?!`)")
_CITATIONS = r"\[[\w*#]+\]_(?:(?:,|,? and)?\s*\[[\w*#]+\]_)*"
_MARKUP = (
    (re.compile(r":[\w:+-]+:`~?\.?([^`<]+?)(?:\s*<[^`>]*>)?`"), r"\1"),  # a role
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{1,2}"), r"\1"),  # a link
    (re.compile(r"``([^`]+)``"), r"\1"),
    (re.compile(r"(?<!\w)`([^`]+)`_{0,2}"), r"\1"),
    (
        re.compile(rf"\b(see|in|of|from|by|to|and|with|at)\s+{_CITATIONS}", re.IGNORECASE),
        r"\1 the literature",
    ),
    (re.compile(rf"\s*{_CITATIONS}"), ""),
    (re.compile(r"\*\*(\w[^*]*)\*\*"), r"\1"),  # emphasis
    (re.compile(r"(?<![\w*])\*(\w(?:[^*\n]*\w)?)\*(?![\w*])"), r"\1"),
    (re.compile(r"::(?=\s*$)"), ":"),
)


def prose(docstring: str) -> str:
    r"""Return the paragraphs of prose in a docstring that `inspect.cleandoc` has dedented, one line each.

    >>> prose("area(r)\n\nReturn the area\nof a ``circle``.\n\nParameters\n----------\nr : float\n    Radius.")
    'Return the area of a circle.'
    """
    text = _SIGNATURE.sub("", docstring.replace("\t", "    ") + "\n")
    paragraphs = [p for section in _sections(text) for p in _paragraphs(section)]
    return "\n\n".join(paragraphs)


def _sections(text: str) -> list[str]:
    """Return the text before the first heading, and the sections of prose after it."""
    parts = _HEADING.split(_OVERLINE.sub("", text))
    # The pattern has two groups, so that `parts` is text, then title, line, text for each heading.
    titled = zip(parts[1::3], parts[3::3], strict=True)
    return [parts[0]] + [body for title, body in titled if title.strip().lower() in _PROSE_SECTIONS]


def _paragraphs(section: str) -> list[str]:
    blocks = [b.strip("\n") for b in re.split(r"\n[ ]*\n", section) if b.strip()]
    found: list[str] = []
    directive = ""  # the one whose indented body is being read
    for block in blocks:
        indented = block.startswith(" ")
        if not indented:
            directive = block if block.startswith("..") else ""
        if directive and _ADMONITION.match(directive):
            block = _ADMONITION.sub("", block)
        elif directive or indented:
            continue
        if _is_prose(block):
            found.append(_plain(_NESTED_DIRECTIVE.sub("", block)))
    return [p for p in found if p]


def _is_prose(block: str) -> bool:
    return not (">>>" in block or _TABLE_LINE.search(block) or _FIELD.match(block))


def _plain(block: str) -> str:
    text = " ".join(block.split())
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.replace("\\\\", "\\").strip()
