"""The runs in a folder are listed as they stand."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gtalign.cli import main
from gtalign.errors import DataError
from gtalign.evaluation.directories import find_runs
from gtalign.files.run_directory import at_work


def make(folder: Path, config: str, **files: list[dict[str, Any]] | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(config)
    for name, lines in files.items():
        if lines is None:
            (folder / name).mkdir()
        else:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (folder / f"{name}.jsonl").write_text(text)
    return folder


def test_each_kind_of_run_says_how_it_stands(tmp_path: Path) -> None:
    w = "welfare/mutual_welfare"
    steps: list[dict[str, Any]] = [{"step": 1, w: 0.3}, {"step": 2, w: 0.6}, {"step": 3, w: None}]
    make(tmp_path / "a" / "rl", "[rl]\nsteps = 9", metrics=steps)
    make(tmp_path / "sft", "[sft]", metrics=[{"step": 7}], held_out=[{w: 0.2}], checkpoint=None)
    make(tmp_path / "new", "[dpo]")
    make(
        tmp_path / "eval",
        "questions = []",
        transcripts=[
            {"mutual_welfare": 0.5},
            {"mutual_welfare": 0.7},
            {"mutual_welfare": None},
            {"mutual_welfare": 1.0, "decision": {}},
        ],
    )
    lab = make(tmp_path / "lab", "[experiment]")
    make(lab / "seed-0", "inside = 'a run'")
    make(tmp_path / "said", "questions = []\nturns = 4")
    make(tmp_path / "torn", "rl = ")
    make(tmp_path / "wrong", "[rl]", metrics=[{"loss": 1}])
    make(tmp_path / "other", "colour = 'red'")
    with at_work(tmp_path / "a" / "rl"):
        found = {str(run.folder.relative_to(tmp_path)): run for run in find_runs(tmp_path)}
    assert {name: (run.kind, run.state) for name, run in found.items()} == {
        "a/rl": ("rl", "running"),
        "sft": ("sft", "done"),
        "new": ("dpo", "stopped"),
        "eval": ("eval", "stopped"),
        "lab": ("lab", "stopped"),
        "said": ("converse", "stopped"),
        "torn": (None, "unreadable"),
        "wrong": ("rl", "unreadable"),
        "other": (None, "stopped"),
    }
    rl = found["a/rl"]
    assert (rl.step, rl.steps, rl.welfare, rl.answers) == (3, 9, 0.6, None)
    assert (found["sft"].step, found["sft"].welfare) == (7, 0.2)
    assert found["new"].step is None and found["new"].welfare is None
    assert (found["eval"].answers, found["eval"].welfare) == (4, pytest.approx(0.6))
    assert (found["eval"].bytes or 0) > 100


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "one", "[rl]\nsteps = 9", metrics=[{"step": 4}])
    make(tmp_path / "b\x1b[31m", "rl = ")
    assert main(["runs", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "step 4 of 9" in printed.out and "stopped" in printed.out
    assert "config.toml: not valid TOML: Invalid value" in printed.err
    assert "\x1b" not in printed.out + printed.err
    assert main(["runs", str(tmp_path), "--json"]) == 0
    assert {run["kind"] for run in json.loads(capsys.readouterr().out)["runs"]} == {"rl", None}
    (tmp_path / "empty").mkdir()
    assert main(["runs", str(tmp_path / "empty")]) == 0
    assert "no runs in" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "none")]) == 2


BROKEN: dict[str, tuple[bytes, bytes, str]] = {
    "no TOML": (b"rl = ", b"", "config.toml: not valid TOML: Invalid value (at end of document)"),
    "no UTF-8": (b"rl = '\xff'", b"", "config.toml: cannot read this configuration: not UTF-8"),
    "no table": (b"rl = 3", b"", "config.toml: rl is a table, and its steps a whole number"),
    "steps": (b"[rl]\nsteps = '9'", b"", "config.toml: rl is a table, and its steps a whole"),
    "no step": (b"[rl]", b'{"loss": 1}\n', "metrics.jsonl: the last line has no number of a step"),
    "a word": (b"[sft]", b'{"step": "x"}\n', "metrics.jsonl: the last line has no number of a"),
    "no object": (b"[sft]", b"[1]\n[1]\n", "metrics.jsonl"),
}


@pytest.mark.parametrize(("config", "metrics", "problem"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_a_run_names_its_file_in_plain_words(
    config: bytes, metrics: bytes, problem: str, tmp_path: Path
) -> None:
    for name, body in {"config.toml": config, "metrics.jsonl": metrics}.items():
        (tmp_path / name).write_bytes(body)
    [run] = find_runs(tmp_path)
    assert run.state == "unreadable" and run.problem is not None
    assert run.problem.startswith(f"{tmp_path}/{problem}")
    assert "Error" not in run.problem


def test_a_folder_that_cannot_be_read_is_no_missing_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("open", "half", "closed"):
        make(tmp_path / "runs" / name, "[sft]", metrics=[{"step": 1}], checkpoint=None)
    unread = {tmp_path / "runs" / "closed", tmp_path / "runs" / "half" / "checkpoint"}
    scan = os.scandir  # tests may run as root, who may read everything

    def scandir(folder: Any) -> Any:
        if Path(folder) in unread:
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = {run.folder.name: run for run in find_runs(tmp_path / "runs")}
    assert {name: run.state for name, run in found.items()} == {
        "open": "done",
        "half": "done",
        "closed": "unreadable",
    }
    assert found["open"].bytes and found["half"].bytes is None and found["closed"].bytes is None
    assert main(["runs", str(tmp_path / "runs")]) == 0
    assert f"{tmp_path}/runs/closed: Permission denied" in capsys.readouterr().err
    unread.add(tmp_path / "runs")
    assert main(["runs", str(tmp_path / "runs")]) == 2
    assert "runs: Permission denied" in capsys.readouterr().err


def test_a_run_that_is_itself_named_is_listed(tmp_path: Path) -> None:
    run = make(tmp_path / "run", "[sft]")
    assert [one.folder for one in find_runs(run)] == [run]
    with pytest.raises(DataError, match="no such folder"):
        find_runs(tmp_path / "none")
