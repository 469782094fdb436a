"""Files of a run that end the same whether or not it was interrupted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gtalign.files.lines import LineWriter, read_objects
from gtalign.files.replace import replacing
from gtalign.reward import RunningNormaliser

# Figures that depend on the clock, or that begin again at zero when a run is resumed: it has to end
# with the same file.
_VOLATILE = ("runtime", "per_second", "step_time", "total_flos", "num_tokens")


def keep_lines(path: Path, wanted: Callable[[Any], bool]) -> None:
    """Keep the lines of a JSON Lines file that are wanted; a torn last line goes.

    The file is replaced as a whole; it is empty afterwards if it was not there.
    """
    with replacing(path) as beside, beside.open("wb") as kept:
        if path.exists():
            kept.writelines(n.raw for n in read_objects(path) if wanted(n.value))


class MetricsLog(TrainerCallback):  # type: ignore[misc]
    """Append each log of a trainer to a file, and drop what a resumed run will write again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Keep the lines up to the checkpoint that training resumes from."""
        if not state.is_world_process_zero:
            return
        keep_lines(self.path, lambda line: 0 < line["step"] <= state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Append one line; the last log of a run, its totals, holds only the clock's figures."""
        figures = {
            name: value
            for name, value in (logs or {}).items()
            if not any(part in name for part in _VOLATILE)
        }
        if "loss" not in figures or not state.is_world_process_zero:
            return
        with LineWriter(self.path) as lines:
            lines.write({"step": state.global_step, **figures})


class CompletionLog(TrainerCallback):  # type: ignore[misc]
    """Keeps a file of completions, and the memory of a normaliser, in step with the checkpoints.

    The completions of the steps that a resumed run takes again are dropped, and the normaliser
    remembers the rewards of the others, as it did when the checkpoint was written.

    Args:
        path: Transcripts as `gtalign.training.TRLReward` writes them.
        normaliser: One with an empty memory; None where rewards are not normalised.
    """

    def __init__(self, path: Path, normaliser: RunningNormaliser | None = None) -> None:
        self.path = path
        self.normaliser = normaliser

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Keep what belongs to the steps before the checkpoint that training resumes from."""
        if not state.is_world_process_zero:
            return

        def taken(line: Any) -> bool:
            if line["extra"]["step"] >= state.global_step:
                return False
            if self.normaliser is not None:
                self.normaliser.remember([line["extra"]["reward"]], [line["task"]])
            return True

        keep_lines(self.path, taken)
