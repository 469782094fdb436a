"""Render pages as HTML, and hold the files that they fetch."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment

from gtalign.drawing import stylesheet
from gtalign.gateway.dashboard.render import templates_of

_KINDS: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@cache
def _templates() -> Environment:
    return templates_of(__package__)


def render(template: str, **shown: Any) -> str:
    """A page as HTML.

    Args:
        template: Its name in ``templates/``.
        shown: Values that it can name.
    """
    return _templates().get_template(template).render(shown)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of every file that pages fetch, by name."""
    own = files(__package__).joinpath("static").iterdir()
    bodies = {file.name: file.read_bytes() for file in own if file.is_file()}
    bodies["drawing.css"] = stylesheet().encode()
    return {name: (body, _KINDS[name.rpartition(".")[2]]) for name, body in bodies.items()}
