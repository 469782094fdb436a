"""Samples and configurations that come with the package, by name."""

import json
from pathlib import Path

import pytest

from gtalign.cli import main
from gtalign.config import find, load, shipped
from gtalign.data.rows import read_rows
from gtalign.data.samples import KINDS, SAMPLES, copy_samples
from gtalign.errors import ConfigError
from gtalign.gateway.settings import GatewayConfig
from gtalign.judges import JudgesConfig


def test_the_samples_are_listed_with_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples"]) == 0
    out = capsys.readouterr().out
    for name, sample in SAMPLES.items():
        assert name in out
        assert sample.command in out
    for kind in KINDS:
        assert all(name in out for name in shipped(kind))


def test_copies_replace_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "matrix.json"
    mine.write_text("mine")
    assert main(["examples", "--to", str(tmp_path)]) == 0
    assert mine.read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {*SAMPLES, "configs"}
    assert copy_samples(tmp_path) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_to_be_tried_on_a_sample_works(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = SAMPLES[name].command.replace(" --judge FILE", "")
    assert main(command.split()[1:]) == (1 if name == "chats.jsonl" else 0)  # no judge is there
    assert capsys.readouterr().out.strip()


def test_the_sample_of_questions_names_known_tasks(tmp_path: Path) -> None:
    copy_samples(tmp_path)
    questions = list(read_rows(tmp_path / "questions.jsonl"))
    assert {question.task for question in questions} == {
        "math-hard",
        "ambig_qa",
        "wildguard",
        "medium",
    }


def test_a_configuration_is_found_by_name_path_and_run_directory(tmp_path: Path) -> None:
    assert find("lab", "smoke") == shipped("lab")["smoke"]
    own = tmp_path / "own.toml"
    own.write_text("")
    assert find("lab", own) == own
    (tmp_path / "config.toml").write_text("")
    assert find("lab", tmp_path) == tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("kind", "source", "advice"),
    [
        ("lab", "smok", "did you mean 'smoke'?"),
        ("judges", "nobody", "local, own-criterion, panel, rules"),
        ("rl", "configs/rl/small.toml", "did you mean the name 'small'?"),
        ("reward", "mine.toml", "no such file"),
    ],
)
def test_an_unknown_configuration_names_the_known_ones(kind: str, source: str, advice: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find(kind, source)
    assert source in str(refused.value)
    assert advice in str(refused.value)


def test_a_file_that_a_configuration_names_is_looked_for_beside_it(tmp_path: Path) -> None:
    policies = load(GatewayConfig, find("gateway", "lab")).policies
    assert all(Path(file).is_file() and Path(file).is_absolute() for file in policies)
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    own = tmp_path / "gateway.toml"
    own.write_text(
        'policies = ["mine.toml", "per-token", "elsewhere/other.toml"]\n'
        '[upstream]\naddress = "http://127.0.0.1:1/v1"\n'
    )
    assert load(GatewayConfig, own).policies == (
        str(tmp_path / "mine.toml"),
        "per-token",
        "elsewhere/other.toml",
    )


def test_a_judge_is_taken_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_samples(tmp_path)
    labelled = tmp_path / "labelled.jsonl"
    assert main(["judges", "check", str(labelled), "--judge", "rules", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"]
    assert load(JudgesConfig, find("judges", "rules")).default == ["rule"]
