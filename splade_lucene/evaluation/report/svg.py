"""A matplotlib figure as SVG inside a page: text stays text, colours are the page's, no id meets one of another figure."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = 8
"""How many colours for systems the page has."""

# matplotlib knows colours, the page variables (light and dark): a colour stands for each variable until the SVG is written.
_VARIABLES = ("ink", "muted", "line", "paper", "better", "worse", *(f"s{number}" for number in range(SERIES)))
_COLOURS = {variable: f"#0101{number:02x}" for number, variable in enumerate(_VARIABLES, start=1)}
_FONT = "DejaVu Sans"  # comes with matplotlib; the page shows the reader's own sans-serif font
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_POINTS_PER_INCH = 72
_salts = count()


def colour(variable: str) -> str:
    """The colour to give matplotlib where a variable of the page is meant: ``ink``, ``muted``, ``line``, ``better``, ``s0`` and so on."""
    return _COLOURS[variable]


def printable(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return _UNWRITABLE.sub("\ufffd", text)


@contextmanager
def style() -> Iterator[None]:
    """Everything drawn inside has the page's look, and nothing that comes from data is read as mathematics."""
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "font.family": _FONT,
        "font.size": 11,
        "text.parse_math": False,
        "text.color": colour("ink"),
        "axes.labelcolor": colour("muted"),
        "axes.labelsize": 11,
        "axes.edgecolor": colour("line"),
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "grid.color": colour("line"),
        "grid.linewidth": 0.7,
        "xtick.color": colour("line"),
        "ytick.color": colour("line"),
        "xtick.labelcolor": colour("muted"),
        "ytick.labelcolor": colour("muted"),
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "path.simplify": True,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # text stays text: the browser has the glyphs
        yield


def axes(width: float, height: float, *, left: float, right: float = 8, top: float = 8, bottom: float = 40) -> Axes:
    """Axes in a figure of their own.

    Args:
        width: of the figure, in CSS pixels at full size.
        height: likewise.
        left: margin for the labels of the axis, likewise.
        right: likewise.
        top: likewise.
        bottom: likewise.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH))
    return figure.add_axes((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))


def to_svg(figure: Figure, *, label: str, titles: Mapping[str, str] | None = None) -> str:
    """Draws a figure.

    Args:
        figure: made inside :func:`style`.
        label: what it shows, for those who do not see it.
        titles: gid of an artist → the text that appears when the pointer rests on it.

    Returns:
        An ``<svg>`` element to put into HTML as it is: what came from data is escaped.
    """
    import matplotlib as mpl

    stream = io.StringIO()
    # Ids of clip paths and markers are hashes of their shape; the salt keeps those of two figures in one page apart.
    with mpl.rc_context({"svg.hashsalt": f"figure {next(_salts)}"}):
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ET.fromstring(stream.getvalue())
    _strip(root)
    for gid, title in (titles or {}).items():
        for group in root.iter("g"):
            if group.get("id") == gid:
                text = ET.Element("title")
                text.text = printable(title)
                group.insert(0, text)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": printable(label)}
    used = set(re.findall(r"(?:url\(|href=\")#([\w-]+)", ET.tostring(root, encoding="unicode")))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if "d" in element.attrib:
            element.attrib["d"] = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", element.attrib["d"])
        if "style" in element.attrib:
            element.attrib["style"] = _page_style(element.attrib["style"])
    return ET.tostring(root, encoding="unicode")


def _strip(root: ET.Element) -> None:
    """Takes away what the page does not need: namespaces, metadata, a style sheet that would hold for the whole page."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if "}" in name]:
            element.attrib[name.rpartition("}")[2]] = element.attrib.pop(name)
        element.text, element.tail = (element.text or "").strip("\n "), None
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {"metadata", "style"}:
                parent.remove(child)


def _page_style(style: str) -> str:
    for variable, stand_in in _COLOURS.items():
        style = style.replace(stand_in, f"var(--{variable})")
    return style.replace(f"'{_FONT}'", "var(--sans)")
