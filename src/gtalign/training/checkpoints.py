"""Checkpoints from which an interrupted training stage resumes."""

import json
import shutil
from pathlib import Path

from transformers import PreTrainedTokenizerBase, Trainer
from transformers.trainer_utils import get_last_checkpoint

from gtalign.training.copies import Copies
from gtalign.training.processes import Processes


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint of a stage; a half-written one is removed.

    The trainer's state is the last file of a checkpoint to be written.
    """
    while folder.is_dir():
        newest: str | None = get_last_checkpoint(str(folder))
        if newest is None or _whole(Path(newest)):
            return newest
        shutil.rmtree(newest)
    return None


def _whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):  # a process that is killed, or a full disk, may leave it empty
        return False
    return True


def finished(target: Path, scratch: Path, copies: Copies | None) -> bool:
    """Whether a stage has its final checkpoint; what is only at an address of copies is fetched.

    Beside a final checkpoint no intermediate ones stay.

    Args:
        target: Folder of the final checkpoint.
        scratch: Folder of the intermediate ones.
        copies: Where copies are; None for nowhere.
    """
    if target.exists():
        # A process that was killed between writing the one and removing the others has left these.
        shutil.rmtree(scratch, ignore_errors=True)
        return True
    if copies is None or last_checkpoint(scratch) is not None:
        return False
    newest = copies.newest()
    if newest is not None:
        copies.fetch(newest, target.parent if newest == target.name else scratch)
    return target.exists()


def publish(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    target: Path,
    scratch: Path,
    team: Processes,
) -> None:
    """Write the final checkpoint in one step, then remove the intermediate ones.

    After this, ``target`` either does not exist or is complete. Low-rank updates are merged into
    the weights that they belong to.

    Args:
        trainer: The trainer, at the end of its work.
        tokenizer: The model's.
        target: Folder of the final checkpoint.
        scratch: Folder of the intermediate ones.
        team: The processes that trained.
    """
    model, draft = trainer.model, target.with_name(target.name + ".part")
    team.at_first(lambda: shutil.rmtree(draft, ignore_errors=True))
    if hasattr(model, "merge_and_unload"):
        team.at_first(lambda: model.merge_and_unload().save_pretrained(draft))
    elif team.count > 1:
        trainer.save_model(str(draft))  # every process has a part of weights that are shared out
    else:
        model.save_pretrained(draft)

    def finish() -> None:
        tokenizer.save_pretrained(draft)
        (draft / "training_args.bin").unlink(missing_ok=True)
        draft.rename(target)
        shutil.rmtree(scratch, ignore_errors=True)

    team.at_first(finish)
