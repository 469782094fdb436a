"""The option that names an engine: where the work of a command is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from gtalign.endpoints.engine import Engine
from gtalign.errors import ConfigError

EngineName = Annotated[
    Literal["here", "ray"],
    typer.Option(
        "--engine",
        help="Where the work is done: in this process, or on a Ray cluster (the one that"
        " RAY_ADDRESS names, else one on this machine).",
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes", min=1, help="Number of Ray workers, of one CPU each; by default all CPUs."
    ),
]


@contextmanager
def engine_named(
    name: str, processes: int | None, check: Callable[[], object]
) -> Iterator[Engine | None]:
    """Open an engine for a while; None does the work in this process.

    Args:
        name: Name of the engine.
        processes: Number of its workers; by default one for each CPU.
        check: Refuses input that is wrong, before an engine is looked for. In this process the
            work itself does so.

    Raises:
        ConfigError: Processes are given without an engine, or the cluster cannot be reached.
    """
    if name == "here":
        if processes is not None:
            raise ConfigError("--processes is the number of Ray workers: add --engine ray")
        yield None
        return
    check()
    from gtalign.integrations.ray import RayEngine

    with RayEngine(processes) as engine:
        yield engine
