"""Copies of checkpoints at another address, from which a run resumes whose machine is gone.

An address is one of fsspec: ``s3://bucket/run``, ``gs://``, ``file://`` or a folder. Object stores
know no renaming, so that a copy counts once its list of files is there, which is written last.
"""

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, Final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gtalign.errors import ConfigError, StorageError, Terminated
from gtalign.training.processes import Processes

log = logging.getLogger(__name__)

_LIST: Final = "files.json"


class Copies:
    """The copies of one run.

    Args:
        address: Where they are.

    Raises:
        ConfigError: There is no such kind of address, or the package that it needs is missing.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs  # comes with datasets

        self.address = address
        try:
            self._fs, self._root = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"checkpoints = {address!r}: {error}") from error

    def keep(self, folder: Path) -> None:
        """Copy a checkpoint, and remove the copies of others.

        Raises:
            StorageError: It could not be copied; the copies before it are kept.
        """
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        names = {str(PurePosixPath(file.relative_to(folder))): file for file in files}
        try:
            self._remove(folder.name)
            for name, file in names.items():
                self._fs.makedirs(self._parent(folder.name, name), exist_ok=True)
                self._fs.put_file(str(file), self._place(folder.name, name))
            sizes = {name: file.stat().st_size for name, file in names.items()}
            self._fs.pipe_file(self._place(folder.name, _LIST), json.dumps(sizes).encode())
            for name in self._names():
                if name != folder.name:
                    self._remove(name)
        except Exception as error:  # each kind of address has errors of its own
            raise StorageError(
                f"{self.address}: no copy of {folder.name}: {type(error).__name__}: {error}"
            ) from error

    def newest(self) -> str | None:
        """Return the name of the newest copy that is whole; None if there is none.

        Raises:
            StorageError: The address cannot be read.
        """
        try:
            whole = [n for n in self._names() if self._fs.exists(self._place(n, _LIST))]
        except Exception as error:
            raise StorageError(f"{self.address}: {type(error).__name__}: {error}") from error
        return max(whole, key=_step, default=None)

    def fetch(self, name: str, into: Path) -> Path:
        """Return the folder of a copy, fetched into a folder.

        Raises:
            StorageError: It cannot be read, or a file is not what was copied.
        """
        target = into / name
        draft = target.with_name(name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            sizes: dict[str, int] = json.loads(self._fs.cat_file(self._place(name, _LIST)))
            for file, size in sizes.items():
                here = draft / file
                if not here.resolve().is_relative_to(draft.resolve()):
                    raise ValueError(f"it lists {file!r}, which is no file of a checkpoint")
                here.parent.mkdir(parents=True, exist_ok=True)
                self._fs.get_file(self._place(name, file), str(here))
                if here.stat().st_size != size:
                    raise ValueError(f"{file} has {here.stat().st_size} bytes and not {size}")
        except Exception as error:
            raise StorageError(
                f"{self.address}: {name} cannot be fetched: {type(error).__name__}: {error}"
            ) from error
        draft.rename(target)
        return target

    def _names(self) -> list[str]:
        if not self._fs.exists(self._root):
            return []
        found = self._fs.ls(self._root, detail=True)
        names = [PurePosixPath(one["name"]).name for one in found if one["type"] == "directory"]
        return [name for name in names if _step(name) >= 0]

    def _remove(self, name: str) -> None:
        # The list goes first: what is left of a copy whose removal fails is none.
        if self._fs.exists(self._place(name, _LIST)):
            self._fs.rm_file(self._place(name, _LIST))
        if self._fs.exists(self._place(name)):
            self._fs.rm(self._place(name), recursive=True)

    def _place(self, *names: str) -> str:
        return "/".join([self._root.rstrip("/"), *names])

    def _parent(self, *names: str) -> str:
        return self._place(*names).rpartition("/")[0]


class Copying(TrainerCallback):  # type: ignore[misc]
    """Copies each checkpoint once it is written; a copy that fails is logged.

    Args:
        copies: Where to.
        scratch: Folder of the checkpoints.
        team: The processes that train.
        limited: Makes a context that raises `Terminated` if the process is asked to end and the
            copy takes too long.
    """

    def __init__(
        self,
        copies: Copies,
        scratch: Path,
        team: Processes,
        limited: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._copies = copies
        self._scratch = scratch
        self._team = team
        self._limited = limited

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Copy the checkpoint of this step."""
        self._team.gathered(None)  # every process has written its part

        def copy() -> None:
            name = f"checkpoint-{state.global_step}"
            try:
                with self._limited():
                    self._copies.keep(self._scratch / name)
            except StorageError as error:
                log.warning("%s; training goes on", error)
            except Terminated:
                if not control.should_training_stop:
                    raise
                log.warning("%s: no time for a copy of %s", self._copies.address, name)

        self._team.at_first(copy)


def _step(name: str) -> float:
    """Order of a copy: the step of a checkpoint, the final one last; -1 for anything else."""
    if name == "checkpoint":
        return float("inf")
    number = name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() and number != name else -1
