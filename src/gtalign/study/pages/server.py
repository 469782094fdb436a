"""Serve the pages of a study."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn

from gtalign.errors import ConfigError, StorageError
from gtalign.gateway.connection import guarded
from gtalign.study.folder import StudyFolder
from gtalign.study.pages.site import Site

_SECRET: Final = "link-secret"
_HEAD_BYTES: Final = 16_384
_HEAD_SECONDS: Final = 20.0


def serve(study: StudyFolder, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; every rating is on disk by then, and at any time before.

    Args:
        study: The study; its items are read now.
        host: Address on which to listen.
        port: Port; 0 takes a free one.
        ready: Called with the link for annotators once the server listens.

    Raises:
        ConfigError: The address cannot be listened at.
        DataError: The study is damaged.
        StorageError: The folder cannot be written.
    """
    _ = study.items, study.about
    app = Site(study, _secret(study.path)).app()
    listening = _listen(host, port)
    place = listening.getsockname()
    shown = f"[{place[0]}]" if ":" in place[0] else place[0]
    config = uvicorn.Config(
        app,
        http=guarded(_HEAD_BYTES, _HEAD_SECONDS),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    ready(f"http://{shown}:{place[1]}/?key={_secret(study.path)}")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return  # how one ends it


def _secret(folder: Path) -> str:
    """The secret of the link: drawn once, so that a link holds after a restart."""
    file = folder / _SECRET
    try:
        if not file.exists():
            file.touch(mode=0o600)
        if not (found := file.read_text(encoding="utf-8").strip()):
            found = secrets.token_urlsafe(16)
            file.write_text(found + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(error.errno, f"{error.strerror}", str(file)) from error
    return found


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = f"cannot listen on {host}:{port} ({error}); is the port in use?"
        raise ConfigError(f"--host, --port: {reason}") from error
