"""matplotlib figures as inline SVG: same input, same bytes; text stays text; no id is used twice on a page."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pqk",
    "text.parse_math": False,  # a label may hold dollar signs
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the layout depends on no installed font
    "font.size": 11,
    "axes.linewidth": 0.8,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def draw(paint: Callable[["Figure"], None], width: float, height: float, *, name: str, title: str, text: str) -> str:
    """Return the SVG element of a figure of `width` x `height` CSS pixels that `paint` fills.

    `name` makes its ids unique on the page; `title` and `text` are what a screen reader says. Whatever the
    user's matplotlib settings are, they do not show.
    """
    import matplotlib
    from matplotlib.figure import Figure

    output = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Glyphs that DejaVu lacks: the browser has fonts of its own for them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(width / 72, height / 72), dpi=72)  # one point is one CSS pixel
            paint(figure)
            figure.savefig(output, format="svg", transparent=True, metadata=NO_METADATA)
    return _inline(output.getvalue(), name, title, text)


def standalone(element: str) -> str:
    """What `draw` returns as a file of its own, at its natural size on white: its reader's page may be dark."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(element)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib |= {"width": width, "height": height, "style": "background: #ffffff"}
    return ET.tostring(root, encoding="unicode") + "\n"


def _inline(document: str, name: str, title: str, text: str) -> str:
    """The `svg` element of a whole SVG document, made fit to stand inside a page beside others."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(document)
    for definitions in root.findall(f"{{{SVG}}}defs"):
        for style in definitions.findall(f"{{{SVG}}}style"):
            definitions.remove(style)  # its selector is `*`, which would reach the whole page
    _prefix_ids(root, f"{name}-")
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    natural = root.attrib["viewBox"].split()[2]
    root.attrib["style"] = f"--natural:{natural}px"  # the style sheet keeps its text readable with it
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-text", "stroke-linejoin": "round"}
    for index, (tag, content) in enumerate((("title", title), ("desc", text))):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag if tag == 'title' else 'text'}"})
        element.text = content
        root.insert(index, element)
    return ET.tostring(root, encoding="unicode")


def _prefix_ids(root: ET.Element, prefix: str) -> None:
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, prefix + value)
            elif key == f"{{{XLINK}}}href" and value.startswith("#"):
                element.set(key, f"#{prefix}{value[1:]}")
            else:
                element.set(key, re.sub(r"url\(#", f"url(#{prefix}", value))
