"""Render pages as HTML, and hold the files that they fetch."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from gtalign.drawing import stylesheet

_KINDS: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@cache
def environment() -> Environment:
    """The templates; every value that they show is escaped."""
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(template: str, **shown: Any) -> str:
    """A page as HTML.

    Args:
        template: Its name in ``templates/``.
        shown: Values that it can name.
    """
    return environment().get_template(template).render(shown)


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of every file that pages fetch, by name."""
    own = files(__package__).joinpath("static").iterdir()
    bodies = {file.name: file.read_bytes() for file in own if file.is_file()}
    bodies["drawing.css"] = stylesheet().encode()
    return {name: (body, _KINDS[name.rpartition(".")[2]]) for name, body in bodies.items()}
