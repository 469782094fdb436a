"""How a training run is laid out over GPUs: what a file of ``accelerate launch`` says about it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from gtalign.config import CONFIGS, Config
from gtalign.errors import ConfigError
from gtalign.training.processes import Processes
from gtalign.training.settings import DPOSettings, RLSettings, SFTSettings

C = TypeVar("C", bound=Config)

Sharding = Literal["nothing", "gradients", "all"]
"""What the processes share out: nothing (DDP), gradients and optimizer (ZeRO-2), or the weights as
well (ZeRO-3, FSDP2)."""

MERGES: Final = (
    "low-rank updates are merged at the end, which takes whole weights: under {} let all weights"
    " learn (leave out lora), or take ddp or zero2"
)
"""Why low-rank updates and sharded weights do not go together."""

_ZERO: Final[dict[int, Sharding]] = {
    0: "nothing",
    1: "gradients",  # the optimizer alone: its gradients stay whole, which the formula leaves out
    2: "gradients",
    3: "all",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Args:
        name: In a word or two.
        processes: Number of processes, one for each GPU.
        machines: Number of machines.
        sharding: What they share out.
        file: The file of ``accelerate launch``; None for one process without it.
    """

    name: str = "one process"
    processes: int = 1
    machines: int = 1
    sharding: Sharding = "nothing"
    file: Path | None = None

    def launch(self, command: str) -> str:
        """Return the command that begins a run.

        Args:
            command: The run, as ``rl --config small``.
        """
        if self.file is None:
            return f"gtalign {command}"
        return f"accelerate launch --config_file {self.file} -m gtalign {command}"


def laid_out(
    layout: Layout, stage: str, settings: SFTSettings | DPOSettings | RLSettings
) -> tuple[int, dict[str, Any]]:
    """Return how many sequences a process computes at a time, and what a plan says of the layout.

    Args:
        layout: The layout.
        stage: Name of the settings in the configuration.
        settings: Settings of the stage.

    Raises:
        ConfigError: There are no equal shares, or low-rank updates are to be merged with weights
            that are shared out.
    """
    if settings.lora is not None and layout.sharding == "all":
        raise ConfigError(MERGES.format(layout.name))
    parts, team = settings.hardware.accumulation, Processes(0, layout.processes)
    if isinstance(settings, RLSettings):
        what, size = "questions * rl.group", settings.questions * settings.group
        if settings.counterfactual:
            team.share("with rl.counterfactual, rl.questions", settings.questions)
    else:
        what, size = "batch", settings.batch
    part = team.share(f"{stage}.{what} / {stage}.hardware.accumulation", size // parts)
    if layout.processes == 1:
        return part, {}
    return part, {
        "layout": f"{layout.name}: {layout.processes} processes on {layout.machines} machines",
        "one_process": f"{part} sequences at a time, {parts} times in a step",
    }


def planned(
    plan: Callable[[C, Layout], dict[str, Any]], settings: C, stage: str, source: str | None
) -> dict[str, Any]:
    """Return the plan of a run on a layout, with the command that begins it there.

    Args:
        plan: Makes the plan of the run on a layout.
        settings: Configuration of the run.
        stage: Name of the command.
        source: The layout, as `read_layout` takes it; None for one process, which needs no other
            command than this one.

    Raises:
        ConfigError: The layout cannot be read, or the run does not fit on it.
    """
    if source is None:
        return plan(settings, Layout())
    layout = read_layout(source)
    return {**plan(settings, layout), "start": layout.launch(f"{stage} ...")}


def read_layout(source: str) -> Layout:
    """Return the layout of a file of ``accelerate launch`` (JSON or YAML), or of ours by name.

    Raises:
        ConfigError: There is no such file, or it is none of those, or it asks for what training
            here does not do.
    """
    file = CONFIGS / "accelerate" / f"{source}.json"
    if not file.is_file():
        file = Path(source)
    if not file.is_file():
        known = ", ".join(names())
        raise ConfigError(f"no layout {source!r}; name a file of accelerate, or one of {known}")
    table = _table(file)
    sharding: Sharding = "nothing"
    try:
        processes, machines = int(table["num_processes"]), int(table.get("num_machines", 1))
        if processes < 1:
            raise ConfigError(f"{file}: num_processes = {processes}; there is at least 1")
        kind = str(table["distributed_type"])
        fsdp, zero = table.get("fsdp_config") or {}, table.get("deepspeed_config") or {}
        if kind == "FSDP":
            version = int(fsdp.get("fsdp_version", 1))
            if version != 2:
                raise ConfigError(f"{file}: fsdp_version = {version}; training here takes 2")
            name, sharding = "FSDP2", "all"
        elif kind == "DEEPSPEED":
            stage = int(zero["zero_stage"])
            name, sharding = f"DeepSpeed ZeRO-{stage}", _ZERO[stage]
        elif kind in ("MULTI_GPU", "MULTI_CPU", "NO"):
            name, sharding = "DDP" if processes > 1 else "one process", "nothing"
        else:
            raise ConfigError(f"{file}: distributed_type {kind!r} is none that training here takes")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{file}: no file of accelerate launch: {error!r}") from error
    return Layout(name, processes, machines, sharding, file)


def names() -> list[str]:
    """Return the names of the layouts that come with the package."""
    return sorted(file.stem for file in (CONFIGS / "accelerate").glob("*.json"))


def _table(file: Path) -> dict[str, Any]:
    import yaml  # comes with accelerate; JSON is YAML too

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: no file of accelerate launch: it holds no table")
    return found
