"""The option that names GPUs for a dry run of training."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from gtalign.config import Config
from gtalign.errors import ConfigError
from gtalign.training.layout import Layout, planned

C = TypeVar("C", bound=Config)

Accelerate = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="With --dry-run: a file of accelerate launch, or ddp, fsdp2, fsdp2-two-machines, zero2"
        " or zero3; the plan is that of one of its GPUs.",
    ),
]


def plan_of(
    plan: Callable[[C, Layout], dict[str, Any]],
    settings: C,
    stage: str,
    accelerate: str | None,
    *,
    dry_run: bool,
) -> dict[str, Any] | None:
    """Return the plan of a run, with the command that begins it; None if it is to be run now.

    Args:
        plan: Makes the plan.
        settings: Configuration of the run.
        stage: Name of the command.
        accelerate: The layout; None for one process.
        dry_run: Whether a plan is asked for.

    Raises:
        ConfigError: A layout is given without a dry run.
    """
    if dry_run:
        return planned(plan, settings, stage, accelerate)
    if accelerate is not None:
        raise ConfigError("--accelerate is for --dry-run; a run is begun by accelerate launch")
    return None
