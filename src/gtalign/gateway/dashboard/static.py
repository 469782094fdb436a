"""The files that pages fetch, read once, each at an address that changes with its content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gtalign.drawing import stylesheet
from gtalign.gateway.dashboard.visit import PREFIX
from gtalign.gateway.errors import APIError

PATH: Final = "/static/{version}/{name}"
_KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Static:
    """One file.

    Args:
        body: Its content.
        kind: Its media type.
        version: Hash of the content.
    """

    body: bytes
    kind: str
    version: str


@cache
def static_files() -> dict[str, Static]:
    """Every file that is served, by name; no other file can be requested."""
    own = files(__package__).joinpath("static").iterdir()
    bodies = {file.name: file.read_bytes() for file in own if file.is_file()}
    bodies["drawing.css"] = stylesheet().encode()
    return {
        name: Static(body, kind, hashlib.sha256(body).hexdigest()[:16])
        for name, body in bodies.items()
        if (kind := _KINDS.get(name.rpartition(".")[2])) is not None
    }


def static_url(root: str, name: str) -> str:
    """Address of a file, which changes with its content; raises KeyError if there is none.

    Args:
        root: The prefix of the gateway.
        name: Name of the file.
    """
    return f"{root}{PREFIX}/static/{static_files()[name].version}/{name}"


async def serve_static(request: Request) -> Response:
    """Answer with a file.

    Raises:
        APIError: There is none at this address (404).
    """
    file = static_files().get(request.path_params["name"])
    if file is None or file.version != request.path_params["version"]:
        raise APIError(404, "there is no such file", code="not_found")
    tag = f'"{file.version}"'
    headers = {"ETag": tag, "Cache-Control": _FOREVER}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.kind, headers=headers)
