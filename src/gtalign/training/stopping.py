"""The end of a training stage: its last step, a request to end, or divergence."""

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations import is_deepspeed_zero3_enabled

from gtalign.errors import Terminated, TrainingError
from gtalign.files.run_directory import heard
from gtalign.models.chat import Chat
from gtalign.training.checkpoints import last_checkpoint, publish
from gtalign.training.copies import Copies, Copying
from gtalign.training.layout import MERGES
from gtalign.training.processes import Processes
from gtalign.training.settings import GuardSettings

GRACE_SECONDS: Final = 20.0
"""How long a step may still take once the process is asked to end."""


def fit(
    trainer: Trainer,
    chat: Chat,
    target: Path,
    scratch: Path,
    team: Processes,
    copies: Copies | None = None,
) -> Path:
    """Train to the end, or resume, and publish the checkpoint.

    When the process is asked to end (SIGTERM), the step at hand is finished and its checkpoint is
    written. A step that takes longer than `GRACE_SECONDS` is given up, and the last checkpoint
    before it stays. So is a copy that is not done by then, and the copy before it stays.

    Args:
        trainer: The trainer of the stage.
        chat: How conversations are written for its model.
        target: Folder of the final checkpoint.
        scratch: Folder of the intermediate ones.
        team: The processes that train.
        copies: Where checkpoints are copied to.

    Returns:
        ``target``.

    Raises:
        StorageError: The final checkpoint could not be copied.
        Terminated: The process was asked to end before the last step.
        TrainingError: A loss, a gradient or a weight is not finite, or low-rank updates cannot be
            merged.
    """
    sharded = trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled()
    if sharded and hasattr(trainer.model, "merge_and_unload"):
        raise TrainingError(MERGES.format("FSDP2 or ZeRO-3"))
    asked = _Termination(team)
    trainer.add_callback(asked)
    if copies is not None:
        trainer.add_callback(Copying(copies, scratch, team, asked.limited))
    trainer.add_callback(_Finite())
    with heard(asked.ask):
        try:
            last = team.at_first(lambda: last_checkpoint(scratch))
            trainer.train(resume_from_checkpoint=last)
        except RuntimeError as error:
            if _can_compute(trainer.model):
                raise
            # Whoever computes with such weights first fails in words of its own.
            raise _diverged(trainer.state, "weights are not finite or far too large") from error
        finally:
            asked.be_patient()
    if asked.stopped_at is not None:
        raise Terminated(f"stopped after step {asked.stopped_at}; the same command resumes the run")
    publish(trainer, chat.tokenizer, target, scratch, team)
    if copies is not None:
        team.at_first(lambda: copies.keep(target))
    return target


class _Termination(TrainerCallback):  # type: ignore[misc]
    """Ends training after the step at hand, with a checkpoint, once the process is asked to end."""

    def __init__(self, team: Processes) -> None:
        self.stopped_at: int | None = None
        self._asked = self._limited = False
        self._deadline = math.inf
        self._team = team

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop here if asked to."""
        # They hear it at different moments, and have to stop at the same step.
        if self._team.any(self._asked) and state.global_step < state.max_steps:
            self.stopped_at = state.global_step
            control.should_log = control.should_save = control.should_training_stop = True

    def ask(self) -> None:
        """Ask to end, soon."""
        self._asked, self._deadline = True, time.monotonic() + GRACE_SECONDS
        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, self._give_up)
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Give up what is done in this context once the time after a request to end is over."""
        self._limited = True
        if self._asked and hasattr(signal, "setitimer"):
            # A checkpoint that was being written has let the alarm pass.
            left = max(0.1, self._deadline - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, left)
        try:
            yield
        finally:
            self._limited = False

    def be_patient(self) -> None:
        """Training has ended: what follows may take its time."""
        if self._asked and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _give_up(self, *_: Any) -> None:
        if self.stopped_at is None or self._limited:  # else its checkpoint is being written
            raise Terminated(
                f"no step ended within {GRACE_SECONDS:g} s; the same command resumes the run from"
                " its last checkpoint"
            )


class _Finite(TrainerCallback):  # type: ignore[misc]
    """Stops training at the first loss or gradient that is not a finite number."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Look at the figures of a step."""
        for name in ("loss", "grad_norm"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(value):
                raise _diverged(state, f"the {name} is {value}")


class Guard(TrainerCallback):  # type: ignore[misc]
    """Stops reinforcement learning that diverges, with a diagnosis.

    It compares means over a window of logged steps.

    Args:
        settings: What counts as divergence.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self.settings = settings
        self._welfare = _Window("welfare/mutual_welfare", settings.window, max)
        self._malformed = _Window("malformed", settings.window, min)
        self._tokens = _Window("tokens", settings.window, min)
        self._kl = _Window("kl", settings.window, min)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Look at the figures of a step."""
        for window in (self._welfare, self._malformed, self._tokens, self._kl):
            window.add(logs or {})
        if (found := self._found()) is not None:
            raise _diverged(state, found)

    def _found(self) -> str | None:
        settings, span = self.settings, f"over the last {self.settings.window} steps"
        (w, best), (malformed, least) = self._welfare.means, self._malformed.means
        (tokens, shortest), (kl, _) = self._tokens.means, self._kl.means
        if malformed - least > settings.malformed:
            return (
                f"the format collapsed: {malformed:.0%} of the answers {span} are no chain that"
                f" can be read, after {least:.0%}"
            )
        if w < settings.welfare * best:
            return f"W collapsed: it is {w:.3f} {span}, after {best:.3f}"
        if tokens > settings.tokens * shortest:
            return f"answers became long: {tokens:.0f} tokens {span}, after {shortest:.0f}"
        if kl > settings.kl:
            return f"the model is far from its start: the KL divergence is {kl:.2f} nats {span}"
        return None


class _Window:
    """The mean of a figure over the latest steps, and the best such mean so far."""

    def __init__(self, name: str, size: int, best: Callable[[float, float], float]) -> None:
        self.means = (math.nan, math.nan)
        self._name, self._best = name, best
        self._latest: deque[float] = deque(maxlen=size)

    def add(self, logs: dict[str, float]) -> None:
        """Take the figures of a step; one that is missing or unknown changes nothing."""
        value = logs.get(self._name)
        if value is None or not math.isfinite(value):
            return
        self._latest.append(value)
        if len(self._latest) == self._latest.maxlen:
            mean = sum(self._latest) / len(self._latest)
            best = mean if math.isnan(self.means[1]) else self._best(self.means[1], mean)
            self.means = (mean, best)


def _can_compute(model: torch.nn.Module) -> bool:
    """Whether the squares of all weights are finite; also where a failed device cannot tell."""
    try:
        return all(bool(weights.square().isfinite().all()) for weights in model.parameters())
    except RuntimeError:
        return True


def _diverged(state: TrainerState, what: str) -> TrainingError:
    return TrainingError(
        f"training diverged at step {state.global_step}: {what}; the checkpoints and logs so far"
        " are kept. Begin another run with a lower learning_rate, or with more weight on the model"
        " at the start (rl.beta)"
    )
