"""Structured logs: one JSON object a line, without the text of prompts or answers."""

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

LOGGER: Final = "gtalign"
_SERVERS: Final = ("uvicorn", "uvicorn.error", "aiohttp", "asyncio")

access: Final = logging.getLogger("gtalign.gateway.access")
"""Where requests are logged; fields go to ``extra={"fields": ...}``."""


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": when,
            "level": record.levelname.lower(),
            "process": record.process,  # by its number: which of several workers wrote it
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        with suppress(TypeError):  # at a lone surrogate, or a number beyond 64 bits
            written = orjson.dumps(line, default=str)
            if written.isascii():  # some readers end lines at other characters than "\n"
                return written.decode()
        return json.dumps(line, default=str)


def log_to(stream: TextIO | None = None, level: int = logging.INFO) -> logging.Handler:
    """Send the logs of the gateway and of its libraries to a stream; stderr by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JSONFormatter())
    for name in (LOGGER, *_SERVERS):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level if name == LOGGER else logging.WARNING)
    return handler
