"""Files of a run that are taken up again after a kill."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gtalign.errors import StorageError
from gtalign.files.disk import room_in
from gtalign.reward import NormaliseConfig, RunningNormaliser
from gtalign.training.log import CompletionLog, MetricsLog, keep_lines


def begin(log: Any, step: int) -> None:
    log.on_train_begin(None, SimpleNamespace(global_step=step, is_world_process_zero=True), None)


def write(path: Path, records: list[Any], torn: str = "") -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + torn)


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_wanted_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    keep_lines(path, lambda line: True)
    assert path.read_bytes() == b""
    path.write_bytes('{"n": 1,  "é": 2}\n{"n": 2}\n{"n": 3}\n{"n": 4'.encode())
    keep_lines(path, lambda line: line["n"] != 2)
    assert path.read_bytes() == '{"n": 1,  "é": 2}\n{"n": 3}\n'.encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("step", "kept"), [(0, []), (2, [1, 2]), (9, [1, 2, 3])])
def test_metrics_up_to_the_checkpoint_are_kept(step: int, kept: list[int], tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, [{"step": n, "loss": 0.5} for n in (1, 2, 3)], '{"step": 4, "lo')
    begin(MetricsLog(path), step)
    assert [line["step"] for line in read(path)] == kept


def test_another_process_leaves_the_files_to_the_first(tmp_path: Path) -> None:
    state: Any = SimpleNamespace(global_step=0, is_world_process_zero=False)
    lines = [{"step": 1, "loss": 0.5, "task": "math", "extra": {"step": 1, "reward": 1.0}}]
    for log in (MetricsLog(tmp_path / "a.jsonl"), CompletionLog(tmp_path / "b.jsonl")):
        write(log.path, lines)
        log.on_train_begin(None, state, None)
        assert read(log.path) == lines
    MetricsLog(tmp_path / "a.jsonl").on_log(None, state, None, {"loss": 0.25})
    assert read(tmp_path / "a.jsonl") == lines


def test_a_log_has_neither_the_clocks_figures_nor_the_totals(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    state: Any = SimpleNamespace(global_step=3, is_world_process_zero=True)
    log.on_log(None, state, None, {"train_runtime": 4.0, "train_loss": 0.5})
    assert not log.path.exists()
    log.on_log(None, state, None, {"loss": 0.5, "step_time": 4.0, "num_tokens": 7.0, "kl": 0.1})
    assert read(log.path) == [{"step": 3, "loss": 0.5, "kl": 0.1}]


def completions(*steps: int) -> list[Any]:
    return [
        {"task": task, "extra": {"step": step, "reward": reward}}
        for step in steps
        for task, reward in (("math", step / 8), ("safety", None))
    ]


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_completions_of_steps_that_are_taken_again_go(step: int, tmp_path: Path) -> None:
    path = tmp_path / "transcripts.jsonl"
    write(path, completions(0, 1, 2), '{"task": "ma')
    normaliser = RunningNormaliser(NormaliseConfig(running=True, window=2))
    begin(CompletionLog(path, normaliser), step)
    assert read(path) == completions(*range(step))
    # What a run that was never killed remembers at this step.
    assert normaliser.state() == ({"math": [n / 8 for n in range(step)][-2:]} if step else {})
    begin(CompletionLog(path), step)
    assert read(path) == completions(*range(step))


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("SafetensorError: I/O error: File too large (os error 27)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
    ],
)
def test_a_full_disk_is_told_as_such(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"no room left .* the same command") as caught,
        room_in(tmp_path),
    ):
        raise error
    assert caught.value.errno == 28


@pytest.mark.parametrize("make", [lambda: ValueError("a bug"), lambda: OSError(13, "denied")])
def test_another_error_is_what_it_was(make: Callable[[], Exception], tmp_path: Path) -> None:
    error = make()
    with pytest.raises(type(error)) as caught, room_in(tmp_path):
        raise error
    assert caught.value is error
