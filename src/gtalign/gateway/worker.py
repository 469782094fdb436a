"""One of several processes of a gateway: what it gets from its parent."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gtalign.gateway.app import Part

END: Final = b"T"
"""The order to end, once the answers on their way are out; a second one breaks them off."""

RENEW: Final = b"H"
"""The order to read the configuration again."""

READY: Final = b"R"
"""What a worker tells its parent once it takes requests."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker.

    Args:
        number: Its number, from 0 on. Number 0 serves the admin side.
        first: Whether it is the first that the program starts.
        process: Id of its process.
        killed: Ids of processes that were killed before it, whose answers it deals with.
        orders: Where it reads orders; the end of it says that the parent is gone.
        sockets: Sockets that listen for clients and for the admin side.
        folder: Where each worker leaves its numbers for the others.
    """

    number: int
    first: bool
    process: str
    killed: tuple[str, ...]
    orders: socket.socket
    sockets: Mapping[Part, socket.socket]
    folder: Path

    @property
    def file(self) -> Path:
        """Where it leaves its numbers."""
        return self.folder / f"{self.process}.json"

    def others(self) -> list[Path]:
        """Where the others have left theirs, and those that have ended."""
        found = (*self.folder.glob("*.json"), *self.folder.glob("*.ended"))
        return [file for file in found if file != self.file]

    def ready(self) -> None:
        """Tell the parent that requests are taken."""
        self.orders.send(READY)
