"""``--json`` of every command: UTF-8 that strict readers take, whatever the text in it."""

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import dataset_rows
from gtalign.cli import COMMANDS, main
from gtalign.cli.show.result import print_json
from gtalign.game import USER_LLM
from gtalign.reward import Reward
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, TranscriptWriter
from one_score import score_one
from test_cli_score import CHAIN, GOOD
from test_files_json_text import strictly

CLI = Path(__file__).parents[1] / "src" / "gtalign" / "cli"
ODD = "a\ud800 \u2028 é"
"""A lone surrogate, a line break that JSON keeps, and a letter beyond ASCII."""
ODD_NAME = "b\udce9.jsonl"
"""The name of a file that is no UTF-8, as Python reads it."""


def transcripts(file: Path, model: str = ODD) -> str:
    question = Question(ODD, "math-hard", (Message(role="user", content=ODD),), "4", ODD)
    score = score_one(Reward(count_tokens=len), question, CHAIN, GOOD)
    with TranscriptWriter(file, keep_ids=False) as writer:
        for name in ("one", "two"):
            made = Transcript.of(question, CHAIN.replace("Four", ODD), model=model + name)
            writer.write(made.scored(score, [GOOD]))
    return str(file)


def questions(file: Path, text: str = ODD) -> str:
    rows = [dataset_rows.row(f"{text}{number}", source_id=ODD) for number in range(2)]
    return str(dataset_rows.write(file, rows))


def labelled(file: Path) -> str:
    row: dict[str, Any] = {
        "id": ODD,
        "task": "math-hard",
        "prompt": [{"role": "user", "content": ODD}],
    }
    row |= {"completion": "4", "ground_truth": "4", "label": 1, "plain": True}
    return str(dataset_rows.write(file, [row, {**row, "id": "2", "completion": ODD, "label": 0}]))


def matrix(file: Path) -> str:
    cell = {"user": 1, "LLM": 2}
    file.write_text(json.dumps(dict.fromkeys(USER_LLM.cells, cell)), encoding="utf-8")
    return str(file)


def believed(path: Path) -> str:
    line = json.loads(Path(transcripts(path)).read_text(encoding="utf-8").split("\n")[0])
    line["extra"] = {"user_action": "VQ", "belief": {"DQ": 0.5, "VQ": 0.5}}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return str(path)


def study(folder: Path, *, rated: bool) -> str:
    made = [transcripts(folder / f"{name}.jsonl", ODD + name) for name in "ab"]
    command = ["study", "export", *made, "--out", str(folder / "a \udce9")]
    if rated:
        with redirect_stdout(io.StringIO()):
            assert main(command) == main(["study", "simulate", command[-1]]) == 0
    return command[-1] if rated else "\n".join(command)


def run(folder: Path) -> str:
    (folder / "a \udce9").mkdir()
    (folder / "a \udce9" / "config.toml").write_text("[rl]\nsteps = 3", encoding="utf-8")
    return str(folder)


def pairs(path: Path) -> str:
    row = {"prompt": [{"role": "user", "content": ODD}], "chosen": ODD, "rejected": "no"}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return str(path)


def planned(command: str, *changes: str) -> Callable[[Path], list[str]]:
    def args(folder: Path) -> list[str]:
        asked = questions(folder / "asked.jsonl")
        sets = [part for change in changes for part in ("--set", change.format(asked=asked))]
        return [command, "--config", "small", *sets, "--dry-run", "--json"]

    return args


CASES: dict[str, Callable[[Path], list[str]]] = {
    "solve": lambda at: ["solve", matrix(at / "matrix.json"), "--json"],
    "score": lambda at: ["score", transcripts(at / ODD_NAME), "--json"],
    "score --judge": lambda at: [
        *("score", transcripts(at / "t.jsonl"), "--judge", "rules", "--json")
    ],
    "compare": lambda at: ["compare", transcripts(at / "t.jsonl"), "--json"],
    "compare --table": lambda at: [
        *("compare", transcripts(at / "t.jsonl"), "--table", "main", "--json")
    ],
    "calibration": lambda at: ["calibration", believed(at / ODD_NAME), "--json"],
    "runs": lambda at: ["runs", run(at), "--json"],
    "study export": lambda at: [*study(at, rated=False).split("\n"), "--json"],
    "study analyse": lambda at: ["study", "analyse", study(at, rated=True), "--json"],
    "conflict": lambda at: ["conflict", transcripts(at / "t.jsonl"), "--json"],
    "judges check": lambda at: ["judges", "check", labelled(at / ODD_NAME), "--json"],
    "data build": lambda at: ["data", "build", "--json"],
    "data check": lambda at: ["data", "check", questions(at / ODD_NAME), "--json"],
    "data inspect": lambda at: ["data", "inspect", questions(at / ODD_NAME), "--json"],
    "data mix": lambda at: [
        *("data", "mix", questions(at / "a.jsonl", "é"), "--to", str(at / ODD_NAME), "--json")
    ],
    "eval": planned("eval", 'questions=["{asked}"]'),
    "rl": planned("rl", 'questions=["{asked}"]'),
    "sft": lambda at: [
        *("sft", "--config", "small", "--set", f'data=["{transcripts(at / "t.jsonl")}"]'),
        *("--set", f'held_out.questions=["{questions(at / "asked.jsonl")}"]'),
        *("--set", "model=a\udce9", "--dry-run", "--json"),
    ],
    "audit-policy": lambda at: ["audit-policy", "quota", "--json"],
    "dpo": lambda at: [
        *("dpo", "--config", "small", "--set", f'data=["{pairs(at / ODD_NAME)}"]'),
        *("--set", "model=a\udce9", "--dry-run", "--json"),
    ],
    "synth": lambda at: [
        *("synth", "--config", "two-teachers", "--set"),
        *(f'questions=["{questions(at / "asked.jsonl")}"]', "--dry-run", "--json"),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_any_text_is_printed_as_json(
    name: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code = main(CASES[name](tmp_path))
    out, err = capsysbinary.readouterr()
    assert code in (0, 2) if name == "data check" else code == 0, err
    lines = out.removesuffix(b"\n").split(b"\n")
    assert all(isinstance(strictly(line), dict) for line in lines)  # as the help says


def test_every_command_with_json_is_tried_here_but_three_that_need_a_model() -> None:
    offer = {
        str(file.relative_to(CLI).with_suffix("")).replace("/", " ").replace("_", "-")
        for file in CLI.rglob("*.py")
        if "AsJson" in file.read_text(encoding="utf-8") and file.name != "options.py"
    }
    tried = {name.removesuffix(" check") if "judges" in name else name for name in CASES}
    assert offer - tried == {"converse", "faithful", "steer"}  # see their own tests
    assert {name.split()[0] for name in CASES} <= set(COMMANDS)


def test_commands_write_json_in_one_way() -> None:
    for file in CLI.rglob("*.py"):
        assert "json.dumps" not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "utf-8"])
def test_a_terminal_of_any_encoding_gets_utf_8(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    print_json({"text": ODD, "number": float("nan")})
    assert strictly(raw.getvalue()) == {"text": ODD, "number": None}


def test_what_was_printed_before_comes_first_and_a_stream_of_text_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    print("before")
    print_json(["é"])
    assert raw.getvalue().decode() == 'before\n["é"]\n'
    text: Any = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    print_json([ODD])
    assert json.loads(text.getvalue()) == [ODD]
