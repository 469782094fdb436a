"""HTML and SVG as text. All escaping happens here: text that is not `Markup` is escaped."""

import re
from collections.abc import Iterable
from html import escape
from typing import Final

_SHAPES: Final = frozenset(("line", "circle", "rect", "path", "polygon", "polyline"))
_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already and is not escaped again, here or in a template of Jinja.

    Slices of it and sums with ``+`` are plain text again, and are escaped.
    """

    __slots__ = ()

    def __html__(self) -> str:
        """The text itself; templates ask for it."""
        return self


Content = str | None | Iterable["Content"]
"""Text, markup, nothing, or several of these."""

Value = str | float | bool | None


def element(tag: str, *content: Content, **attributes: Value) -> Markup:
    """One element.

    Args:
        tag: Name of the element.
        content: Content of the element; text is escaped, markup is not.
        attributes: Attributes in Python's spelling: ``class_``, ``aria_label``. Text is escaped;
            numbers are lengths in the units of the picture and get one decimal; None and False are
            left out.
    """
    inner = join(*content)
    start = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _SHAPES and not inner:
        return Markup(f"<{tag}{start}/>")
    return Markup(f"<{tag}{start}>{inner}</{tag}>")


def join(*content: Content) -> Markup:
    """Several pieces one after another; text is escaped, markup is not."""
    return Markup("".join(_text(piece) for piece in content))


def _text(piece: Content) -> str:
    if piece is None or isinstance(piece, Markup):
        return piece or ""
    if isinstance(piece, str):
        return _escaped(piece)
    return "".join(_text(one) for one in piece)


def _value(value: Value) -> str:
    if value is True:
        return ""
    if isinstance(value, str):
        return _escaped(value)
    return f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    """Escape text for content and attributes; forbidden characters become replacement marks."""
    return escape(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text))
