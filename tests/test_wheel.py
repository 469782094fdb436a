"""The package as it is installed: a wheel, unpacked far from the repository, in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

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


def gtalign(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gtalign", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )


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
    copied = gtalign(site, tmp_path, "examples", "--to", "samples")
    assert copied.returncode == 0, copied.stderr
    solved = gtalign(site, tmp_path, "solve", "samples/matrix.json", "--json")
    assert json.loads(solved.stdout)["optimum"] == "VQ_CQ"
    scored = gtalign(site, tmp_path, "score", "samples/before.jsonl")
    assert scored.stdout.startswith("Average scores, 0 to 1"), scored.stderr
    checked = gtalign(
        site, tmp_path, "judges", "check", "samples/labelled.jsonl", "--judge", "rules"
    )
    assert checked.returncode == 0, checked.stderr
    compared = gtalign(
        site,
        tmp_path,
        *("compare", "samples/before.jsonl", "samples/after.jsonl"),
        *("--html", "report.html", "--csv", "tables"),
    )
    assert compared.returncode == 0, compared.stderr
    assert "<style>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert list((tmp_path / "tables").glob("*.csv"))
    planned = gtalign(site, tmp_path, "eval", "--config", "smoke", "--dry-run", "--json")
    assert json.loads(planned.stdout)["questions"] == 12, planned.stderr


def test_what_is_missing_is_named_with_its_extra(site: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('scipy', 'torch', 'starlette', 'uvloop'): sys.modules[name] = None\n"
        "from gtalign.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for words, extra in (
        (["serve", "http://127.0.0.1:9/v1"], "serve"),
        (["compare", "samples/before.jsonl", "samples/after.jsonl"], "eval"),
    ):
        gtalign(site, tmp_path, "examples", "--to", "samples")
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert f"it belongs to the extra {extra!r}" in done.stderr
        assert f"pip install 'gtalign[{extra}]'" in done.stderr
