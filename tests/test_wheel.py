"""The package as it is installed: a wheel, unpacked far from the repository, in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs."""
    source = tmp_path_factory.mktemp("source") / "gtalign"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    caches = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", source / "src", ignore=caches)
    wheels = tmp_path_factory.mktemp("wheels")
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(wheels)!r})"
    built = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.iterdir()
    installed = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    return installed


COMMANDS = """
import contextlib, io, json, sys
sys.modules |= dict.fromkeys(json.loads(sys.argv[1]))
from gtalign.cli import main
for words in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def gtalign(site: Path, folder: Path, *commands: str, without: Sequence[str] = ()) -> list[Done]:
    """Run commands of the wheel one after the other in one process that lacks some packages."""
    words = [command.split() for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(without), json.dumps(words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]


def test_everything_that_is_no_code_is_in_the_wheel(site: Path) -> None:
    source = ROOT / "src" / "gtalign"
    files = {p.relative_to(source) for p in source.rglob("*") if p.is_file()}
    wanted = {p for p in files if "__pycache__" not in p.parts}
    assert {p for p in wanted if not (site / "gtalign" / p).is_file()} == set()


def test_pip_is_told_the_command_and_every_extra(site: Path) -> None:
    (installed,) = Distribution.discover(name="gtalign", path=[str(site)])
    (script,) = installed.entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("gtalign", "gtalign.cli:main")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(installed.metadata.get_all("Provides-Extra") or ()) == set(
        project["optional-dependencies"]
    )
    wanted = sum(map(len, (project["dependencies"], *project["optional-dependencies"].values())))
    assert len(installed.requires or ()) == wanted


def test_an_empty_folder_is_enough(site: Path, tmp_path: Path) -> None:
    copied, solved, scored, checked, compared, planned = gtalign(
        site,
        tmp_path,
        "examples --to samples",
        "solve samples/matrix.json --json",
        "score samples/before.jsonl",
        "judges check samples/labelled.jsonl --judge rules",
        "compare samples/before.jsonl samples/after.jsonl --html report.html --csv tables",
        "eval --config smoke --dry-run --json",
    )
    assert copied.code == 0, copied.err
    assert json.loads(solved.out)["optimum"] == "VQ_CQ"
    assert scored.out.startswith("Average scores, 0 to 1"), scored.err
    assert checked.code == 0, checked.err
    assert compared.code == 0, compared.err
    assert "<style>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert list((tmp_path / "tables").glob("*.csv"))
    assert json.loads(planned.out)["questions"] == 12, planned.err


def test_what_is_missing_is_named_with_its_extra(site: Path, tmp_path: Path) -> None:
    _, *failed = gtalign(
        site,
        tmp_path,
        "examples --to samples",
        "serve http://127.0.0.1:9/v1",
        "compare samples/before.jsonl samples/after.jsonl",
        without=["scipy", "torch", "starlette", "uvloop"],
    )
    for done, extra in zip(failed, ("serve", "eval"), strict=True):
        assert done.code == 2, done.err
        assert f"it belongs to the extra {extra!r}" in done.err
        assert f"pip install 'gtalign[{extra}]'" in done.err
