"""``--engine``: wrong input is named before an engine is looked for."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dataset_rows
from gtalign.cli import main

GOAL = {"wish": "the sum of 2 and 2", "answers": ["4"]}


def broken(folder: Path) -> str:
    file = folder / "broken.jsonl"
    file.write_text('{"completion": 3}\n')
    return str(file)


def asked(folder: Path) -> str:
    return str(dataset_rows.write(folder / "q.jsonl", [dataset_rows.row("What is it?", goal=GOAL)]))


WRONG: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "score: no file": (lambda at: ["score", "nosuch.jsonl"], "nosuch.jsonl: cannot be read"),
    "score: a row": (lambda at: ["score", broken(at)], "broken.jsonl, line 1"),
    "score: the task": (lambda at: ["score", broken(at), "--task", "poem"], "poem"),
    "converse: no file": (
        lambda at: ["converse", "http://x/v1", "x.parquet", "--out", str(at / "out")],
        "x.parquet: no such file",
    ),
    "converse: the model": (
        lambda at: ["converse", "notaurl", asked(at), "--out", str(at / "out")],
        "notaurl: no checkpoint (a folder with a config.json)",
    ),
    "synth: no file": (
        lambda at: ["synth", "--config", "two-teachers", "--set", 'questions=["x.parquet"]'],
        "x.parquet: no such file",
    ),
}


@pytest.mark.parametrize(("command", "told"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_named_before_ray_is_looked_for(
    command: Callable[[Path], list[str]],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.chdir(tmp_path)
    assert main([*command(tmp_path), "--engine", "ray"]) == 2
    said = capsys.readouterr().err
    assert told in said and "is not installed" not in said


def test_right_input_is_not_enough_without_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["converse", "http://x/v1", asked(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray"]) == 2
    assert "'ray' is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["score", "x.jsonl"],
        ["synth", "--config", "two-teachers"],
        ["converse", "http://x/v1", "x.jsonl"],
    ],
    ids=lambda words: words[0],
)
def test_workers_need_an_engine(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for options, told in (
        (["--processes", "2"], "--processes is the number of Ray workers: add --engine ray"),
        (["--processes", "0", "--engine", "ray"], "--processes"),
        (["--engine", "dask"], "--engine"),
    ):
        assert main([*command, *options]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
