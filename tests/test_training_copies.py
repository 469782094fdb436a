"""Copies of checkpoints at any address of fsspec."""

import json
from collections.abc import Iterator
from pathlib import Path
from signal import SIGALRM, raise_signal
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from transformers import TrainerControl, TrainerState

from gtalign.errors import ConfigError, StorageError, Terminated
from gtalign.training.checkpoints import finished
from gtalign.training.copies import Copies, Copying
from gtalign.training.processes import Processes
from gtalign.training.stopping import _Termination


class Objects(MemoryFileSystem):
    """An object store: it renames nothing, and may refuse to take a file."""

    protocol = "objects"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    refused = ""
    kept = False  # whether it refuses to remove anything
    away = False

    def mv(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("no renaming")

    def put_file(self, lpath: str, rpath: str, **named: Any) -> None:
        if self.refused and self.refused in rpath:
            raise OSError("slow down")
        super().put_file(lpath, rpath, **named)

    def rm(self, path: Any, *given: Any, **named: Any) -> None:
        if self.kept:
            raise OSError("it is locked")
        super().rm(path, *given, **named)

    def ls(self, path: str, *given: Any, **named: Any) -> Any:
        if self.away:
            raise OSError("no answer")
        return super().ls(path, *given, **named)


fsspec.register_implementation("objects", Objects, clobber=True)


@pytest.fixture(params=["memory", "objects", "file", "folder"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    near = tmp_path / "there"
    yield {"file": f"file://{near}", "folder": str(near)}.get(
        request.param, f"{request.param}://bucket/{uuid4()}"
    )
    Objects.refused = ""


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Copies:
    """The copies in an object store, which fails as a test wants; it is well again after it."""
    for name in ("refused", "kept", "away"):
        monkeypatch.setattr(Objects, name, getattr(Objects, name))
    return Copies(f"objects://bucket/{uuid4()}")


def checkpoint(folder: Path, name: str, weights: bytes = b"w") -> Path:
    made = folder / name
    (made / "shards").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(weights)
    (made / "shards" / "optimizer.bin").write_bytes(b"")
    (made / "trainer_state.json").write_text("{}")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_the_newest_checkpoint_comes_back_whole(address: str, tmp_path: Path) -> None:
    copies, here = Copies(address), tmp_path / "here"
    assert copies.newest() is None
    for name in ("checkpoint-9", "checkpoint-10"):
        copies.keep(checkpoint(here, name, name.encode()))
    copies.keep(here / "checkpoint-10")  # once more: it replaces itself
    again = Copies(address)
    assert again.newest() == "checkpoint-10"
    found = again.fetch("checkpoint-10", tmp_path / "back")
    assert contents(found) == contents(here / "checkpoint-10")
    store, root = fsspec.core.url_to_fs(address)
    assert {Path(file).parts[-2] for file in store.find(root)} == {"checkpoint-10", "shards"}
    copies.keep(checkpoint(here, "checkpoint"))
    assert again.newest() == "checkpoint"


def test_a_machine_that_lost_its_folder_goes_on_where_the_copy_is(
    address: str, tmp_path: Path
) -> None:
    copies, run = Copies(address), tmp_path / "run"
    target, scratch = run / "checkpoint", run / "checkpoints"
    assert not finished(target, scratch, copies)
    assert not finished(target, scratch, None)
    copies.keep(checkpoint(tmp_path / "lost", "checkpoint-3"))
    assert not finished(target, scratch, copies)
    assert (scratch / "checkpoint-3" / "trainer_state.json").exists()
    copies.keep(checkpoint(tmp_path / "lost", "checkpoint"))
    assert not finished(target, scratch, copies)  # what is here comes first
    assert finished(tmp_path / "other" / "checkpoint", tmp_path / "other" / "checkpoints", copies)


@pytest.mark.parametrize("refused", ["model", "shards", "trainer_state"])
def test_half_a_copy_is_none(refused: str, tmp_path: Path) -> None:
    copies = Copies(f"objects://bucket/{uuid4()}")
    copies.keep(checkpoint(tmp_path, "checkpoint-1"))
    Objects.refused = f"checkpoint-2/{refused}"
    with pytest.raises(StorageError, match="no copy of checkpoint-2: OSError: slow down"):
        copies.keep(checkpoint(tmp_path, "checkpoint-2"))
    assert copies.newest() == "checkpoint-1"
    Objects.refused = ""
    copies.keep(tmp_path / "checkpoint-2")
    assert copies.newest() == "checkpoint-2"


@pytest.mark.parametrize(
    "listed",
    ["{", "[]", '{"../../evil": 1}', '{"/etc/evil": 1}', '{"gone": 1}', '{"model.safetensors": 7}'],
)
def test_a_copy_that_lies_is_refused(listed: str, tmp_path: Path) -> None:
    copies = Copies(str(tmp_path / "there"))
    copies.keep(checkpoint(tmp_path, "checkpoint-1"))
    (tmp_path / "there" / "checkpoint-1" / "files.json").write_text(listed)
    with pytest.raises(StorageError, match="checkpoint-1 cannot be fetched"):
        copies.fetch("checkpoint-1", tmp_path / "back")
    assert not (tmp_path / "back" / "checkpoint-1").exists()
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("listed", ["../../evil", "shards/../../../evil"])
def test_no_file_outside_a_copy_is_fetched(listed: str, tmp_path: Path) -> None:
    """Though there is one where the list says."""
    there = tmp_path / "a" / "there"
    copies = Copies(str(there))
    copies.keep(checkpoint(tmp_path, "checkpoint-1"))
    (tmp_path / "a" / "evil").write_bytes(b"x")
    (there / "checkpoint-1" / "files.json").write_text(json.dumps({listed: 1}))
    with pytest.raises(StorageError, match="which is no file of a checkpoint"):
        copies.fetch("checkpoint-1", tmp_path / "back")
    assert not (tmp_path / "evil").exists()


def test_a_copy_counts_even_if_those_before_it_cannot_be_removed(
    objects: Copies, tmp_path: Path
) -> None:
    objects.keep(checkpoint(tmp_path, "checkpoint-9"))
    Objects.kept = True
    with pytest.raises(StorageError, match="it is locked"):
        objects.keep(checkpoint(tmp_path, "checkpoint-10"))
    assert objects.newest() == "checkpoint-10"
    fetched = objects.fetch("checkpoint-10", tmp_path / "back")
    assert contents(fetched) == contents(tmp_path / "checkpoint-10")


def test_a_copy_that_is_half_removed_is_none(objects: Copies, tmp_path: Path) -> None:
    objects.keep(checkpoint(tmp_path, "checkpoint-9"))
    Objects.kept = True
    with pytest.raises(StorageError, match="it is locked"):
        objects.keep(tmp_path / "checkpoint-9")
    assert objects.newest() is None


def test_an_address_that_cannot_be_read_is_named(objects: Copies, tmp_path: Path) -> None:
    objects.keep(checkpoint(tmp_path, "checkpoint-1"))
    Objects.away = True
    with pytest.raises(StorageError, match=r"objects://bucket/\S+: OSError: no answer"):
        objects.newest()


def test_training_goes_on_without_a_copy_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copies, state = Copies(f"objects://bucket/{uuid4()}"), SimpleNamespace(global_step=4)
    checkpoint(tmp_path, "checkpoint-4")
    copying = Copying(copies, tmp_path, Processes())
    Objects.refused = "model"
    copying.on_save(None, state, None)
    assert "slow down; training goes on" in caplog.text
    Objects.refused = ""
    copying.on_save(None, state, None)
    assert copies.newest() == "checkpoint-4"


@pytest.mark.parametrize("stopping", [True, False], ids=["stopping", "within a step's time"])
def test_a_copy_that_outlasts_a_request_to_end_is_given_up(
    stopping: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copies, asked = Copies(f"objects://bucket/{uuid4()}"), _Termination(Processes())
    copies.keep(checkpoint(tmp_path, "checkpoint-3"))
    checkpoint(tmp_path, "checkpoint-4")
    state, control = TrainerState(global_step=4, max_steps=9), TrainerControl()
    asked.ask()
    if stopping:
        asked.on_step_end(None, state, control)
    monkeypatch.setattr(Objects, "put_file", lambda *_, **__: raise_signal(SIGALRM))
    copying = Copying(copies, tmp_path, Processes(), asked.limited)
    if stopping:
        copying.on_save(None, state, control)
        assert "no time for a copy of checkpoint-4" in caplog.text
    else:
        with pytest.raises(Terminated):
            copying.on_save(None, state, control)
    asked.be_patient()
    assert copies.newest() == "checkpoint-3"


@pytest.mark.parametrize("address", ["nothing://x", "sftp://nowhere/x"])
def test_an_address_of_no_kind_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"checkpoints = '\w+://"):
        Copies(address)


def test_other_folders_at_the_address_are_left_alone(tmp_path: Path) -> None:
    there = tmp_path / "there"
    for name in ("notes", "checkpoint-x", "checkpoint-", "17"):
        (there / name).mkdir(parents=True)
        (there / name / "files.json").write_text(json.dumps({}))
    copies = Copies(str(there))
    assert copies.newest() is None
    copies.keep(checkpoint(tmp_path, "checkpoint-1"))
    assert {f.name for f in there.iterdir()} == {
        *("notes", "checkpoint-x", "checkpoint-", "17", "checkpoint-1")
    }


def test_a_finished_stage_removes_what_a_kill_has_left(tmp_path: Path) -> None:
    target, scratch = tmp_path / "checkpoint", tmp_path / "checkpoints"
    left = scratch / "checkpoint-3"
    left.mkdir(parents=True)
    (left / "model.safetensors").touch()
    assert not finished(target, scratch, None)
    assert left.exists()  # they are what the stage goes on from
    target.mkdir()
    assert finished(target, scratch, None)
    assert not scratch.exists() and target.exists()
