"""One self-contained HTML page, which loads nothing from elsewhere."""

import errno
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from gtalign.drawing import Content, Markup, element, join, stylesheet
from gtalign.errors import StorageError
from gtalign.evaluation.markup import contents
from gtalign.files.replace import replacing

_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


def page(
    title: str,
    headline: Iterable[Content],
    sections: Iterable[Markup],
    cards: Markup | None = None,
) -> str:
    """The page as text.

    Args:
        title: Its heading.
        headline: What it shows, in sentences.
        sections: Its parts, as `gtalign.evaluation.markup.section` makes them.
        cards: Numbers that stand out, above the parts.
    """
    body = join(sections)
    filled = {
        "style": stylesheet(),
        "title": join(title),
        "headline": join(element("li", text) for text in headline),
        "cards": cards or Markup(),
        "contents": contents(body),
        "sections": body,
    }
    template = files("gtalign.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    # One pass: placeholders inside the inserted text stay as they are.
    return _PLACE.sub(lambda place: filled[place[1]], template)


def write_page(
    path: Path,
    *,
    title: str,
    headline: Iterable[Content],
    sections: Iterable[Markup],
    cards: Markup | None = None,
) -> None:
    """Write the page; its folder is made if it does not exist.

    Raises:
        StorageError: The file cannot be written.
    """
    text = page(title, headline, sections, cards)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "cannot be written"
        raise StorageError(error.errno or errno.EIO, reason, str(path)) from error
