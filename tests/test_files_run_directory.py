"""A run directory belongs to one configuration."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gtalign.config import Config, load
from gtalign.errors import ConfigError, Terminated
from gtalign.files.run_directory import at_work, claim, is_busy, record_model


class Run(Config):
    steps: int = 1
    workers: int = 1


def test_the_configuration_is_written_down_complete(tmp_path: Path) -> None:
    claim(tmp_path / "a" / "run", Run(steps=3))
    assert load(Run, tmp_path / "a" / "run" / "config.toml") == Run(steps=3)
    assert [file.name for file in (tmp_path / "a" / "run").iterdir()] == ["config.toml"]


def test_a_run_that_has_written_nothing_has_not_begun(tmp_path: Path) -> None:
    claim(tmp_path, Run(steps=3))
    (tmp_path / "config.toml.part").write_text("torn")
    record_model(tmp_path, {"prompt": "é?", "ends": {"</s>": 2}})
    assert json.loads((tmp_path / "model.json").read_text()) == {
        "prompt": "é?",
        "ends": {"</s>": 2},
    }
    claim(tmp_path, Run(steps=4))
    assert load(Run, tmp_path / "config.toml") == Run(steps=4)


def test_a_run_that_has_begun_goes_on_only_with_its_own(tmp_path: Path) -> None:
    claim(tmp_path, Run(steps=3))
    (tmp_path / "transcripts.jsonl").write_text("")
    claim(tmp_path, Run(steps=3))
    with pytest.raises(ConfigError, match="began with another configuration; choose another --out"):
        claim(tmp_path, Run(steps=4))
    assert load(Run, tmp_path / "config.toml") == Run(steps=3)


def test_what_is_no_part_of_a_runs_identity_may_change(tmp_path: Path) -> None:
    claim(tmp_path, Run(workers=1), lambda run: run.steps)
    (tmp_path / "transcripts.jsonl").write_text("")
    claim(tmp_path, Run(workers=8), lambda run: run.steps)
    assert load(Run, tmp_path / "config.toml") == Run(workers=8)
    with pytest.raises(ConfigError, match="another configuration"):
        claim(tmp_path, Run(steps=2), lambda run: run.steps)


def test_files_without_a_configuration_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    claim(tmp_path, Run())
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert load(Run, tmp_path / "config.toml") == Run()


def test_only_one_process_is_at_work_in_a_run(tmp_path: Path) -> None:
    assert not is_busy(tmp_path)
    with at_work(tmp_path):
        assert is_busy(tmp_path)
        with pytest.raises(ConfigError, match="another process is at work"), at_work(tmp_path):
            pass
        assert is_busy(tmp_path)
    assert not is_busy(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_asked_to_end_ends_in_order(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated, match="the same command resumes"), at_work(tmp_path):
        signal.raise_signal(signal.SIGTERM)
    assert not is_busy(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_the_main_thread_hears_a_request_to_end(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work() -> object:
        with at_work(tmp_path):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() is before
