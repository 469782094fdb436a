"""A run that is asked for more than before: seeds, arms, questions or steps.

Where that is honest, it goes on instead of beginning again. Other seeds and arms are other stages.
Further test questions are put to the same models. Further steps of reinforcement learning are a
round of their own (`gtalign.lab.rounds`); what was measured on the model before is kept beside it
and measured anew. Anything else would make another experiment of what is there.
"""

from pathlib import Path
from typing import Any, Final

from gtalign.config import load
from gtalign.errors import ConfigError
from gtalign.lab.arms import ARMS, COLD_START
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import done
from gtalign.lab.rounds import round_folder
from gtalign.lab.stages import FAITHFUL, POLICIES, STEERING, Stage, arm_of, folder_of, plan
from gtalign.training.metrics import read_metrics

STEPS: Final = ("experiment", "rl", "steps")
TESTED: Final = ("world", "test_items")
STEERED: Final = ("steering", "questions")
EDITED: Final = ("faithfulness", "limit")
TOLD: Final = ("policy_lines", "questions")
_ASKED: Final = (STEPS, TESTED, STEERED, EDITED, TOLD)
_SETS: Final = (("seeds",), ("arms",))


def identity(settings: LabConfig) -> dict[str, Any]:
    """Return the settings that must not change: those by which a run cannot grow."""
    facts = settings.model_dump(mode="json")
    for *path, name in (*_SETS, *_ASKED):
        table = facts
        for key in path:
            table = table[key]
        del table[name]
    return facts


def grow(settings: LabConfig, out: Path) -> None:
    """Make room for what a run is to do more than it has done.

    You can stop it at any time; the same call does the rest.

    Args:
        settings: What the run is asked for now.
        out: Its run directory. Nothing changes if no run began there, or one of another `identity`.

    Raises:
        ConfigError: It is asked for fewer questions or steps than before, or for further steps of
            an arm that has not ended.
    """
    file = out / "config.toml"
    if not file.exists():
        return
    before = load(LabConfig, file)
    if identity(before) != identity(settings):
        return
    grown = {path for path in _ASKED if _grows(path, before, settings)}
    stages = [stage for stage in plan(before) if stage[1] != COLD_START]
    if STEPS in grown:
        steps = before.experiment.rl.steps
        moved = [stage for stage in stages if ARMS[arm_of(stage[1])].rewards]
        for stage in moved:
            _check_ended(folder_of(out, stage), stage, steps)
        for stage in moved:
            _set_aside(folder_of(out, stage), steps)
    begins = {STEERING: STEERED, FAITHFUL: EDITED, POLICIES: TOLD}
    for stage in stages:
        asked = next((path for name, path in begins.items() if stage[1].startswith(name)), None)
        if TESTED in grown or asked in grown:
            (folder_of(out, stage) / "done").unlink(missing_ok=True)


def _grows(path: tuple[str, ...], before: LabConfig, settings: LabConfig) -> bool:
    old, new = _at(before, path), _at(settings, path)
    if new < old:
        raise ConfigError(
            f"{'.'.join(path)} is {new}, and this run has had {old}: a run can be asked for more,"
            " not for less; choose another --out"
        )
    return new > old


def _at(settings: LabConfig, path: tuple[str, ...]) -> int:
    found: Any = settings
    for key in path:
        found = getattr(found, key)
    return int(found)


def _check_ended(folder: Path, stage: Stage, steps: int) -> None:
    if not done(folder) and read_metrics(folder / "metrics.jsonl"):
        seed, name = stage
        raise ConfigError(
            f"{'.'.join(STEPS)}: {name}, seed {seed}, has begun and not ended; let it end with"
            f" {steps} steps first, and then ask for more"
        )


def _set_aside(folder: Path, steps: int) -> None:
    """Move what an ended stage wrote into the folder of its round, its end mark last."""
    if not done(folder):
        return
    target = round_folder(folder, steps)
    target.mkdir(exist_ok=True)
    files = [path for path in folder.iterdir() if not path.name.startswith("after-")]
    for path in sorted(files, key=lambda path: path.name == "done"):
        path.rename(target / path.name)
