"""Writes ``metrics.jsonl``, which ends the same whether or not a run was interrupted."""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# Figures that depend on the clock, or that begin again at zero when a run is resumed: it has to end
# with the same file.
_VOLATILE = ("runtime", "per_second", "step_time", "total_flos", "num_tokens")


class MetricsLog(TrainerCallback):  # type: ignore[misc]
    """Append each log of a trainer to a file, and drop what a resumed run will write again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Keep the lines up to the checkpoint that training resumes from."""
        kept = []
        if state.global_step and self.path.exists():
            for line in self.path.read_text().splitlines(keepends=True):
                if line.endswith("\n") and json.loads(line)["step"] <= state.global_step:
                    kept.append(line)
        self.path.write_text("".join(kept))

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
        if "loss" not in figures:
            return
        with self.path.open("a") as file:
            file.write(json.dumps({"step": state.global_step, **figures}) + "\n")
