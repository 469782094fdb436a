"""The shapes of pictures. Lengths are in the picture's own units, y downwards.

Colours are classes of ``drawing.css``: no shape has a style of its own, so pages that forbid inline
styles can show it.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from gtalign.drawing.axis import Point
from gtalign.drawing.markup import Content, Markup, element, join
from gtalign.drawing.style import stylesheet
from gtalign.errors import DrawingError

WIDTH: Final = 420
"""Width of a chart in its own units; the page scales all of them alike."""


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line of a class."""
    return element("line", class_=kind, x1=x1, y1=y1, x2=x2, y2=y2)


def text(x: float, y: float, content: Content, kind: str) -> Markup:
    """Text whose baseline begins at a point, or ends or has its middle there, as its class says."""
    return element("text", content, class_=kind, x=x, y=y)


def circle(x: float, y: float, radius: float, kind: str, tip: str = "") -> Markup:
    """A circle of a class; a pointer on it shows `tip`."""
    return element("circle", _tip(tip), class_=kind, cx=x, cy=y, r=radius)


def box(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> Markup:
    """A rectangle with round corners; a pointer on it shows `tip`."""
    size = {"width": max(width, 0.0), "height": max(height, 0.0)}
    return element("rect", _tip(tip), class_=kind, x=x, y=y, rx=2, **size)


def path(points: Sequence[Point], kind: str) -> Markup:
    """Straight lines from point to point."""
    return element("polyline", class_=kind, points=_points(points))


def polygon(points: Sequence[Point], kind: str) -> Markup:
    """A filled outline through points."""
    return element("polygon", class_=kind, points=_points(points))


def group(kind: str, *parts: Content, tip: str = "") -> Markup:
    """Several shapes of one class; a pointer on one of them shows `tip`."""
    return element("g", _tip(tip), *parts, class_=kind)


def picture(
    title: str,
    description: str,
    width: float,
    height: float,
    *parts: Content,
    kind: str = "",
    stretched: bool = False,
) -> Markup:
    """A whole picture, with its name and a description for people who do not see it.

    Args:
        title: Name of the picture.
        description: Its content in words; empty if the title is enough.
        width: Width of the view box.
        height: Height of the view box.
        parts: The shapes.
        kind: Its class.
        stretched: Whether it fills its place even if the proportions differ.
    """
    drawn = join(*parts)
    # From its content: the same id for the same picture on every page.
    name = f"d{crc32(join(title, description, drawn).encode()):08x}"
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc") if description else None,
        drawn,
        class_=kind or None,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        preserveAspectRatio="none" if stretched else None,
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc" if description else None,
    )


def figure(caption: str, drawn: Markup) -> Markup:
    """A picture below its caption."""
    return element("figure", element("figcaption", caption), drawn)


def svg_file(drawn: str) -> str:
    """The content of an SVG file that shows a picture by itself, with its style sheet.

    Args:
        drawn: A picture, or a figure that holds one.

    Raises:
        DrawingError: There is no picture in it; a chart without a point is empty.
    """
    start, end = drawn.find("<svg"), drawn.rfind("</svg>")
    if start < 0 or end < 0:
        raise DrawingError("there is no picture to save: the chart is empty")
    head, _, body = drawn[start:end].partition(">")
    style = f"<style>svg {{ font-family: sans-serif; }}\n{stylesheet()}</style>"
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}</svg>\n'


def _tip(tip: str) -> Markup | None:
    return element("title", tip) if tip else None


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
