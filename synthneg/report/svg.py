"""A figure as SVG that may stand in a page: coloured by classes, text as text, and nothing that the page forbids.

matplotlib writes styles into attributes, which the page's policy does not let pass, and colours that fit one theme.
Both become attributes and classes of the page's own style sheet. What is drawn in one of INKS gets its class.
"""

import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

# Colours that figures are drawn in, and the classes that they become: `f-` filled, `s-` stroked.
INKS = {
    "text": "#010101",
    "grid": "#020202",
    "accent": "#030303",
    "soft": "#040404",
    "muted": "#050505",
    "good": "#060606",
    "bad": "#070707",
}
_NAMES = {colour: name for name, colour in INKS.items()}
_NAMES["#000000"] = "text"  # matplotlib's own, for what it was told no colour
_PAINTS = {"fill": "f", "stroke": "s"}
# What is an attribute of SVG as well; fonts are the page's own, but for their size.
_ATTRIBUTES = {
    "fill-opacity",
    "font-size",
    "font-weight",
    "opacity",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_USED = re.compile(r"#([\w.]+)")
_PARAMETERS = {"svg.fonttype": "none", "svg.hashsalt": "synthneg"}
_DATELESS = {"Date": None, "Creator": None}


def to_svg(figure: Any, name: str, title: str) -> str:
    """Return a figure of matplotlib as an element `svg`, the same for the same figure.

    Args:
        figure: drawn in INKS on no ground.
        name: that no other figure of the page has; ids begin with it.
        title: what a person who cannot see it is told.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - heavy: only when plotting

    written = io.BytesIO()
    with rc_context(_PARAMETERS), warnings.catch_warnings():
        # The page's fonts draw the text, so it does not matter what matplotlib's own font has no picture of.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(written, format="svg", transparent=True, metadata=_DATELESS)
    root = ElementTree.fromstring(written.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child) in ("metadata", "style"):
                parent.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(_USED.findall(text))
    for element in root.iter():
        _adapt(element, used, name)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": title, "class": "plot"})
    _without_namespaces(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _adapt(element: ElementTree.Element, used: set[str], name: str) -> None:
    style = element.attrib.pop("style", "")
    classes = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in _PAINTS and value in _NAMES:
            classes.append(f"{_PAINTS[key]}-{_NAMES[value]}")
        elif key in _PAINTS or key in _ATTRIBUTES:
            element.set(key, value.removesuffix("px"))
    if classes:
        element.set("class", " ".join(classes))
    id = element.attrib.pop("id", None)
    if id is not None and id in used:
        element.set("id", f"{name}-{id}")
    if (link := element.attrib.pop(f"{{{_XLINK}}}href", None)) is not None:
        element.set("href", f"#{name}-{link[1:]}")
    if (clip := element.get("clip-path")) is not None:
        element.set("clip-path", _USED.sub(rf"#{name}-\1", clip))
    if "d" in element.attrib:
        element.set("d", " ".join(element.attrib["d"].split()))


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _without_namespaces(root: ElementTree.Element) -> None:
    """Take the namespaces away: in a page of HTML they are understood."""
    for element in root.iter():
        element.tag = _local(element)
