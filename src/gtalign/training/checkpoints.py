"""Checkpoints from which an interrupted training stage resumes."""

import shutil
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import get_last_checkpoint


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint of a stage; a half-written one is removed.

    The trainer's state is the last file of a checkpoint to be written.
    """
    while folder.is_dir():
        newest: str | None = get_last_checkpoint(str(folder))
        if newest is None or (Path(newest) / "trainer_state.json").exists():
            return newest
        shutil.rmtree(newest)
    return None


def publish(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, target: Path, scratch: Path
) -> None:
    """Write the final checkpoint in one step, then remove the intermediate ones.

    After this, ``target`` either does not exist or is complete. Low-rank updates are merged into
    the weights that they belong to.
    """
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    draft = target.with_name(target.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    draft.rename(target)
    shutil.rmtree(scratch, ignore_errors=True)
