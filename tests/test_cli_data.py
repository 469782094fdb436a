"""``gtalign data``: its four commands, as a shell sees them."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataset_rows import row, write
from gtalign.cli import main
from gtalign.data.rows import read_rows
from gtalign.data.sources import SOURCES

HARM = "Tell me how to do harm"
TEXT = "How many apples does Ann have if she buys seven of them and eats two on the way home?"


@pytest.fixture
def train(tmp_path: Path) -> Path:
    rows = [row(TEXT), row("2+2?"), row(TEXT), row(HARM, "wildguard")]
    rows.append(row("bake bread", "wildguard", "unharmful"))
    return write(tmp_path / "set-train.parquet", rows)


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    rows = [row(TEXT.replace("Ann", "Bea")), row("2+2?"), row("new words")]
    return write(tmp_path / "set-test.jsonl", rows)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["build", "inspect", "check", "mix"])
def test_each_command_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Example" in out and f"gtalign data {name}" in out


@pytest.mark.parametrize("args", [[], ["wat"], ["inspect"], ["check", "x", "--by", "words"]])
def test_misuse_takes_one_line(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *args]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert "--help)" in captured.err


def test_the_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "build"]) == 0
    out = capsys.readouterr().out
    for source in SOURCES.values():
        assert source.name in out and source.licence in out and source.citation in out
    assert main(["data", "build", "--json"]) == 0
    assert [facts["set"] for facts in printed(capsys)["sets"]] == list(SOURCES)


def test_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"problem": f"What is {n}?", "level": "Level 5", "solution": rf"\boxed{{{n}}}"}
        for n in range(20)
    ]
    source = write(tmp_path / "MATH.jsonl", [*rows, {**rows[0], "level": "Level 1"}])
    args = ["data", "build", "math-level-5", "--source", str(source), "--to", str(tmp_path / "out")]
    assert main([*args, "--jsonl", "--size", "10", "--test-share", "0.2", "--json"]) == 0
    [built] = printed(capsys)["built"]
    assert built["read"] == 21
    assert built["left_out"] == {"not of level 5": 1, "not sampled": 10}
    assert list(built["files"].values()) == [8, 2]
    for path, count in built["files"].items():
        assert len(list(read_rows(Path(path)))) == count
    assert main(args) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "math-level-5-train.parquet: 18 rows" in captured.err
    assert "1 of 21 rows left out: not of level 5" in captured.err


def test_build_draws_by_its_seed_and_asks_for_a_chain_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"problem": f"What is {n}?", "level": "Level 5", "solution": rf"\boxed{{{n}}}"}
        for n in range(30)
    ]
    source = write(tmp_path / "MATH.jsonl", rows)

    def built(*options: str) -> str:
        args = ["--source", str(source), "--to", str(tmp_path / "out"), "--jsonl", "--size", "9"]
        assert main(["data", "build", "math-level-5", *args, *options]) == 0
        return (tmp_path / "out" / "math-level-5-train.jsonl").read_text(encoding="utf-8")

    assert built() == built("--seed", "0") != built("--seed", "1")
    assert "<payoff>" in built() and "<payoff>" not in built("--plain")
    capsys.readouterr()
    assert main(["data", "build", "math-level-5", "--seed", "-1"]) == 2
    assert "--seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nope"], "no set 'nope'; the sets are math-hard"),
        (
            ["minerva", "medium", "--source", "x"],
            "--source is the place of one set, but 2 sets are named",
        ),
        (["minerva", "--source", "absent.parquet"], "absent.parquet: no such file or folder"),
        (["minerva", "--test-share", "2"], "the test share is 2"),
    ],
)
def test_build_misused(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "build", *args]) == 2
    assert message in capsys.readouterr().err


def test_inspect(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", str(train)]) == 0
    out = capsys.readouterr().out
    assert "harmful 1" in out and "harmless 1" in out and "bake bread" in out
    assert HARM not in out and "(a harmful request, hidden" in out
    assert main(["data", "inspect", str(train), "--show-harmful"]) == 0
    assert HARM in capsys.readouterr().out
    assert main(["data", "inspect", str(train), "--json"]) == 0
    out = capsys.readouterr().out
    assert HARM not in out
    assert json.loads(out)["tasks"]["math-hard"]["rows"] == 3


def test_a_seed_draws_the_same_samples_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "x.jsonl", [row(f"What is {n}?") for n in range(40)])
    shown = []
    for seed in ("3", "3", "4"):
        args = ["data", "inspect", str(file), "--samples", "2", "--seed", seed, "--json"]
        assert main(args) == 0
        shown.append(printed(capsys)["tasks"]["math-hard"]["samples"])
    assert shown[0] == shown[1] != shown[2]
    assert main(["data", "inspect", str(file), "--samples", "-1"]) == 2
    assert "--samples" in capsys.readouterr().err


def test_tables_fit_a_terminal_of_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    folder = tmp_path / "a-folder-with-a-name" / "that-is-rather-long"
    folder.mkdir(parents=True)
    file = write(
        folder / "wildguard-train.jsonl",
        [row("bake bread " * 200, "wildguard", "unharmful"), row(HARM, "wildguard")],
    )
    output = folder / "mix-train.jsonl"
    assert main(["data", "mix", str(file), "--to", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{output}: 2 rows" in lines  # longer than a line, and whole
    assert main(["data", "inspect", str(file), "--samples", "0"]) == 0
    assert main(["data", "check", str(file), "--test", str(output)]) == 0
    text = capsys.readouterr().out
    assert "harmless 1" in text and "largest" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_inspect_obeys_nothing_that_the_data_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "x.jsonl", [row("\x1b[2J [red]go[/red] " + "long " * 500)])
    assert main(["data", "inspect", str(file)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]go[/red]" in out and "..." in out


def test_check(train: Path, held_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["data", "check", str(train), "--test", str(held_out)]
    assert main([*args, "--json"]) == 0
    found = printed(capsys)
    assert [(f["rows"], f["problem_count"]) for f in found["files"]] == [(5, 0), (3, 0)]
    assert found["duplicates"] == [{"file": str(train), "rows": 5, "exact": 1, "near": 0}]
    (shared,) = found["shared"]
    assert shared == {
        "test": str(held_out),
        "rows": 3,
        "source": 1,
        "exact": 1,
        "near": 1,
        "either": 2,
    }
    assert found["compared"]["threshold"] == 0.8
    assert main([*args, "--set", "threshold=1"]) == 0
    out = capsys.readouterr().out
    assert "near (Jaccard 1)" in out and "set-test.jsonl" in out


def test_check_refuses_wrong_rows(
    tmp_path: Path, train: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row("2+2?"), "data_source": None}, row("x", truth=" "), *[{}] * 9]
    wrong = write(tmp_path / "wrong.jsonl", rows)
    assert main(["data", "check", str(wrong), str(train), "--limit", "3"]) == 2
    out = capsys.readouterr().out
    assert f"{wrong}, line 1, column data_source: has to be text" in out
    assert f"{wrong}, line 2, column reward_model.ground_truth: is empty" in out
    assert "and 26 more problems" in out
    assert main(["data", "check", str(wrong), str(train), "--json"]) == 2
    found = printed(capsys)
    assert found["files"][0]["wrong_rows"] == 11
    assert found["files"][0]["problems"][0]["column"] == "data_source"
    # What cannot be read as questions is not compared; the good file is.
    assert [f["file"] for f in found["duplicates"]] == [str(train)]
    assert main(["data", "check", str(tmp_path / "absent.parquet")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_check_prints_no_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(HARM, "wildguard"), row(HARM, "wildguard", "unknown"), row(HARM, "advbench", HARM)]
    file = write(tmp_path / "x.jsonl", rows)
    assert main(["data", "check", str(file), "--test", str(file)]) == 2
    captured = capsys.readouterr()
    assert HARM not in captured.out + captured.err


def test_mix(
    train: Path, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mix-train.parquet"
    args = ["data", "mix", str(train), "--to", str(output)]
    assert main([*args, "--json"]) == 0
    assert printed(capsys)["rows"] == {"math-hard": 3, "wildguard": 2}
    # As a pattern names it that the output fits too.
    assert main(["data", "mix", str(train), str(output), "--to", str(output), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"] == {"math-hard": 3, "wildguard": 2}
    assert "is the output" in captured.err
    assert main(["data", "mix", str(output), "--to", str(output)]) == 2
    assert "name the files to mix" in capsys.readouterr().err
    more = ["--without", str(held_out), "--set", "weights.wildguard=1", "--set", "seed=3"]
    assert main([*args, *more]) == 0
    captured = capsys.readouterr()
    assert "100.0%" in captured.out
    assert "3 rows left out: known from what is tested on" in captured.err
    assert {q.task for q in read_rows(output)} == {"wildguard"}
    config = tmp_path / "mix.toml"
    config.write_text("size = 2\nweights = {math-hard = 1}\n", encoding="utf-8")
    assert main([*args, "--config", str(config)]) == 0
    assert len(list(read_rows(output))) == 2
    capsys.readouterr()
    assert main([*args, "--set", "temprature=2"]) == 2
    assert "did you mean 'temperature'" in capsys.readouterr().err


def test_a_published_file(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = shared / "data" / "advbench-test.parquet"
    assert main(["data", "inspect", str(file), "--samples", "50"]) == 0
    out = capsys.readouterr().out
    questions = list(read_rows(file))
    assert not any(q.text in out or q.ground_truth in out for q in questions)
