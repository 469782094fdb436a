"""`gtalign lab` from the command line: whole, killed, and with every kind of bad input."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forked import COMMAND, run_forked
from gtalign.cli import main
from gtalign.config import dump, load
from gtalign.lab.config import LabConfig
from gtalign.lab.published import SETS
from small_lab import SETTINGS, contents

pytestmark = pytest.mark.early

RESULTS = ("config.toml", "chains.jsonl", "transcripts.jsonl", "metrics.jsonl", "*.safetensors")
TINY = {**SETTINGS, "arms": ["base", "sft", "mutual"]}


def lab(*args: object) -> subprocess.CompletedProcess[str]:
    return run_forked(COMMAND, "lab", *args, env={"COLUMNS": "80"})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(dump(LabConfig.model_validate(TINY)))
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    # The notebook on training starts one as a person does, with workers that are new interpreters.
    result = lab("--config", config, "--out", out, "--seeds", "3")
    assert result.returncode == 0, result.stderr
    (out / "printed.txt").write_text(result.stdout)
    return out


def test_lab_trains_compares_and_reports(whole: Path) -> None:
    printed = (whole / "printed.txt").read_text()
    page = (whole / "report.html").read_text()
    assert len(printed.splitlines()) <= 25
    assert printed.splitlines()[0].startswith(("Average scores, 0 to 1", "All "))
    assert f"report: {whole / 'report.html'}" in printed
    for arm in ("base", "sft", "mutual"):
        assert arm in printed
        assert arm in page
        lines = (whole / "seed-3" / arm / "transcripts.jsonl").read_text().splitlines()
        assert len(lines) == 14
        assert {json.loads(line)["model"] for line in lines} == {arm}
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_configuration_in_the_run_directory_repeats_the_run(whole: Path) -> None:
    settings = load(LabConfig, whole / "config.toml")
    assert settings == LabConfig.model_validate({**TINY, "seeds": [3]})


def test_finished_run_is_only_reported_again(whole: Path, config: Path) -> None:
    before = contents(whole, *RESULTS)
    result = lab("--config", config, "--out", whole, "--seeds", "3")
    assert result.returncode == 0, result.stderr
    assert contents(whole, *RESULTS) == before


# Tests of training and of the experiment kill single stages at finer points.
@pytest.mark.parametrize("when", ["base/metrics.jsonl", "mutual/log.txt"])
def test_killed_run_goes_on_and_ends_with_the_same_files(
    whole: Path, config: Path, tmp_path: Path, when: str
) -> None:
    # The stage dies together with the command, as when the machine does.
    script = """
        import os, signal, sys
        from pathlib import Path
        from gtalign.cli import main
        from gtalign.lab import run as lab

        config, out, when = sys.argv[1:]
        run_plan = lab.run_plan

        def dies(*args, watch, **named):
            def kill(running):
                if (Path(out) / "seed-3" / when).exists():
                    os.killpg(0, signal.SIGKILL)
            return run_plan(*args, watch=kill, **named)

        if __name__ == "__main__":
            os.setpgrp()
            lab.run_plan = dies
            main(["lab", "--config", config, "--out", out, "--seeds", "3"])
    """
    killed = run_forked(script, config, tmp_path, when)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "report.html").exists()
    result = lab("--config", config, "--out", tmp_path, "--seeds", "3")
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path, *RESULTS) == contents(whole, *RESULTS)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command in this process; return the line with which it refuses."""

    def run(*args: object) -> str:
        assert main(["lab", *map(str, args)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return run


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--set", "experiment.rl.stepz=3"], "experiment.rl.stepz"),
        (["--set", "experiment.rl.steps=soon"], "steps"),
        (["--set", "experiment.rl.steps"], "experiment.rl.steps"),
        (["--seeds", "one"], "error: --seeds: seeds.0: input should be a valid integer"),
        (["--seeds", "-1"], "seeds"),
        (["--set", 'arms=["best"]'], "arms"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--data", "absent"], "absent"),
        (["--sets"], "--sets"),
    ],
)
def test_bad_option_is_refused_in_one_line(
    refused: Callable[..., str], args: list[str], told: str, tmp_path: Path
) -> None:
    line = refused(*args, "--out", tmp_path / "run")
    assert told in line
    assert not (tmp_path / "run" / "config.toml").exists()


def test_run_directory_of_another_configuration_is_refused(
    refused: Callable[..., str], whole: Path, config: Path
) -> None:
    before = contents(whole, *RESULTS)
    line = refused("--config", config, "--out", whole, "--seeds", "3", "--set", "world.seed=1")
    assert "another configuration" in line
    assert contents(whole, *RESULTS) == before


def test_run_directory_that_cannot_be_made_is_refused(
    refused: Callable[..., str], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    line = refused("--config", config, "--out", tmp_path / "file" / "run")
    assert "file" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_run_directory_that_cannot_be_written_is_refused(
    refused: Callable[..., str], config: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    assert str(tmp_path) in refused("--config", config, "--out", tmp_path / "run")


def test_published_files_without_their_columns_are_refused(
    refused: Callable[..., str], config: Path, tmp_path: Path
) -> None:
    for name in (*SETS["math-hard"], *SETS["ambig_qa"], *SETS["wildguard"]):
        pq.write_table(pa.table({"other": [1]}), tmp_path / f"{name}.parquet")
    own = tmp_path / "own.toml"
    without = {name: table for name, table in TINY.items() if name != "policy_lines"}
    own.write_text(dump(LabConfig.model_validate(without)))
    line = refused("--config", own, "--data", tmp_path, "--out", tmp_path / "run")
    assert ".parquet" in line
    assert "column" in line


def test_stage_on_a_full_disk_ends_the_run_with_one_line(config: Path, tmp_path: Path) -> None:
    script = """
        import resource, signal, sys
        from gtalign.cli import main

        config, out = sys.argv[1:]
        if __name__ == "__main__":
            # As on a full disk, no file grows any further; the stages inherit it.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
            sys.exit(main(["lab", "--config", config, "--out", out, "--seeds", "3"]))
    """
    full = run_forked(script, config, tmp_path)
    assert full.returncode == 1, full.stderr
    line = full.stderr.strip().splitlines()[-1]
    assert "no room left" in line
    assert "cold-start" in line


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        ("", "seeds: has to hold 1 value or more"),
        ("1,1", "each seed is given once"),
        ("0, 2,0", "each seed is given once"),
        ("a", "seeds.0: input should be a valid integer"),
    ],
)
def test_wrong_seeds_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: str, says: str
) -> None:
    assert main(["lab", "--out", str(tmp_path / "run"), "--seeds", seeds]) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("--seeds") == 1
    assert not (tmp_path / "run").exists()
