"""The stages of an experiment, in this process, killed and not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forked import run_forked
from gtalign.chain import acted, parse, work_out
from gtalign.game import USER_LLM
from gtalign.lab import experiment
from gtalign.lab.arms import ARMS, COLD_START
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import done, needs, run_stage
from gtalign.lab.workshop import workshop
from gtalign.synthesis.best_of import best_of
from gtalign.transcripts import TranscriptWriter, read_transcripts
from small_lab import SETTINGS, contents

# The trainer complains of its own habits.
pytestmark = [pytest.mark.early, pytest.mark.filterwarnings("default")]

LAB = LabConfig.model_validate(SETTINGS)
RESULTS = ("chains.jsonl", "transcripts.jsonl", "metrics.jsonl", "model.safetensors")
ORDER = (COLD_START, "base", "sft", "sft-plain", "dpo", "mutual", "plain", "gdpo", "rule")


class Killed(BaseException):
    """Ends a stage in the middle, as no handler expects it."""


def stage(name: str, folder: Path) -> None:
    run_stage(name, 5, folder, workshop(LAB), LAB.experiment)


def dies_on_call(function: Callable[..., Any], last: int) -> Callable[..., Any]:
    calls = []

    def wrapped(*args: Any, **named: Any) -> Any:
        calls.append(args)
        if len(calls) > last:
            raise Killed
        return function(*args, **named)

    return wrapped


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed-5")
    for name in ORDER:
        stage(name, folder)
    return folder


def only(whole: Path, folder: Path, *names: str) -> Path:
    """Copy these stages of the whole run, so that the next one can be done there."""
    for name in names:
        shutil.copytree(whole / name, folder / name)
    return folder


def test_every_arm_needs_one_that_comes_before_it() -> None:
    order = [COLD_START, *(name for name, arm in ARMS.items() if not arm.prompted)]
    assert needs(COLD_START) is None
    assert all(order.index(str(needs(name))) < order.index(name) for name in order[1:])
    assert {needs(name) for name in ("user", "llm", "linear", "mutual")} == {"sft"}


def test_cold_start_keeps_the_best_of_its_candidates(whole: Path) -> None:
    lines = (whole / COLD_START / "chains.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [q.id for q in workshop(LAB).train]
    for row in rows:
        assert len(row["welfare"]) == LAB.experiment.candidates
        known = [w for w in row["welfare"] if w is not None]
        assert row["welfare"][row["kept"]] == max(known)
        assert len(row["raw"]) == LAB.experiment.raw
        assert row["response"][0] in row["best"][0]


@pytest.mark.parametrize("name", ORDER[1:])
def test_every_arm_answers_every_test_question_once(whole: Path, name: str) -> None:
    assert done(whole / name)
    transcripts = list(read_transcripts(whole / name / "transcripts.jsonl"))
    assert [t.id for t in transcripts] == [q.id for q in workshop(LAB).test]
    assert {t.split for t in transcripts} == {"test", "ood"}
    for t in transcripts:
        assert (t.model, t.seed, t.plain) == (name, 5, not ARMS[name].chain)
        # A malformed chain is measured as one; a missing one is no mistake of an arm without.
        assert t.plain or t.chain is not None or t.chain_error
        assert t.mutual_welfare is not None or t.unscored


def test_arms_are_measured_by_one_welfare_whatever_they_learned_from() -> None:
    settings = LAB.experiment
    for name in ("base", "user", "llm", "linear", "mutual"):
        assert experiment.measuring(name, settings) == settings.reward
    assert [reward.aggregate for reward in experiment.training("user", settings)] == ["user"]
    assert [r.aggregate for r in experiment.training("gdpo", settings)] == ["user", "llm"]
    assert not experiment.training("plain", settings)[0].chain


def test_preferences_are_for_what_obeys_the_edit() -> None:
    world = workshop(LAB)
    pairs = experiment._pairs(5, world)
    assert 0 < len(pairs) <= len(world.train)
    for pair in pairs:
        right, wrong = parse(pair.chosen), parse(pair.rejected)
        recommended = work_out(right.payoff).action
        assert right.payoff == wrong.payoff
        assert acted(right.response, USER_LLM) == recommended != acted(wrong.response, USER_LLM)
    assert experiment._pairs(5, world) == pairs != experiment._pairs(6, world)


def test_finished_stage_is_left_alone(whole: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    stage("base", whole)
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == before


def test_cold_start_that_was_killed_ends_the_same(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(experiment, "best_of", dies_on_call(best_of, 3))
        stage(COLD_START, tmp_path)
    assert not done(tmp_path / COLD_START)
    stage(COLD_START, tmp_path)
    assert contents(tmp_path / COLD_START, "*.jsonl", "*.json", "*.part") == contents(
        whole / COLD_START, "*.jsonl", "*.json", "*.part"
    )


@pytest.mark.parametrize("answered", [0, 2, 5])
def test_test_that_was_killed_ends_the_same(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    folder = only(whole, tmp_path, COLD_START, "base", "sft")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TranscriptWriter, "write", dies_on_call(TranscriptWriter.write, answered))
        stage("mutual", folder)
    transcripts = folder / "mutual" / "transcripts.jsonl"
    written = transcripts.read_text() if answered else ""  # no file is left that holds nothing
    assert len(written.splitlines()) == answered and transcripts.exists() == (answered > 0)
    # A crash can also tear the line that is being written.
    transcripts.write_text(written + '{"id": "torn", "comp')
    stage("mutual", folder)
    assert contents(folder / "mutual", *RESULTS) == contents(whole / "mutual", *RESULTS)


def test_full_disk_keeps_what_is_written(whole: Path, tmp_path: Path) -> None:
    folder = only(whole, tmp_path, COLD_START, "base")
    path = folder / "base" / "transcripts.jsonl"
    (folder / "base" / "done").unlink()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0])
    room = len("".join(lines[:3]).encode()) + 10
    script = """
        import resource, signal, sys
        from pathlib import Path
        from gtalign.errors import StorageError
        from test_lab_experiment import stage

        if __name__ == "__main__":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            room = int(sys.argv[2])
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            try:
                stage("base", Path(sys.argv[1]))
            except StorageError as error:
                print(error)
    """
    result = run_forked(script, folder, room)
    assert result.returncode == 0, result.stderr
    assert "File too large" in result.stdout
    assert "written before are kept" in result.stdout
    assert path.read_text() == "".join(lines[:3])
    stage("base", folder)
    assert path.read_text() == "".join(lines)
