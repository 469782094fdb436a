"""The arms of the lab at several degrees of conflict."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtalign.cli import main
from gtalign.errors import DataError
from gtalign.evaluation.conflict.dial import MEASURES, TUNED, WEIGHTED, Point, measure_dial
from gtalign.evaluation.conflict.dial_sheets import dial_report
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.lab.world import make_world
from gtalign.transcripts import Transcript, TranscriptWriter

PAYOFF = Bimatrix(USER_LLM, np.zeros((2, 3, 2))).to_json()
CHAIN = {"thinking": "t", "payoff": PAYOFF, "analyze": "a", "response": "r"}
DEGREES = (0.0, 0.75, 1.0)
SEEDS = (0, 1, 2)


def answer(question: Any, arm: str, seed: int, user: float, llm: float) -> Transcript:
    details = {"episode_user": user, "episode_llm": llm, "on_frontier": 1.0, "right_action": 1.0}
    return Transcript(
        id=question.id,
        task=question.task,
        completion="...",
        split=question.extra["split"],
        cluster=question.cluster,
        seed=seed,
        model=arm,
        chain=CHAIN,
        mutual_welfare=0.5,
        verdicts=(Verdict("lab", 1.0, "", details),),
        extra=question.extra,
    )


def write(
    folder: Path, gain: float = 0.1, arms: tuple[str, ...] = ("sft", "mutual", *WEIGHTED)
) -> Path:
    """Runs in which mutual gains more, the greater the conflict, and in which weights differ."""
    rng = np.random.default_rng(0)
    for degree in DEGREES:
        world = make_world(0, 1, 3, valid_items=1, conflict=degree)
        for seed in SEEDS:
            for arm in arms:
                run = folder / f"conflict-{degree:g}" / f"seed-{seed}" / arm
                worth = 0.5 + (gain * degree if arm == "mutual" else 0.0)
                worth += 0.01 * (WEIGHTED.index(arm) == seed) if arm in WEIGHTED else 0.0
                for name, asked in (("transcripts", world.test), ("validation", world.valid)):
                    with TranscriptWriter(run / f"{name}.jsonl") as writer:
                        for question in asked:
                            user = worth + rng.normal(0, 0.02)
                            writer.write(answer(question, arm, seed, user, 2 * worth - user))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def points(runs: Path) -> list[Point]:
    return measure_dial(files(runs))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("transcripts.jsonl"))


def test_each_degree_is_measured_and_the_strong_ones_together(points: list[Point]) -> None:
    assert [point.conflict for point in points] == [*DEGREES, None]
    for point in points[:-1]:
        assert set(point.arms) == {"sft", "mutual", *WEIGHTED, TUNED}
        assert point.correlation is not None
        assert point.correlation < -0.9
        for measures in point.arms.values():
            assert set(measures) == set(MEASURES)
            assert measures["welfare"].both is not None
    strong = points[-1].differences["linear"]["welfare"]
    assert strong.value == pytest.approx(0.0875, abs=0.01)
    assert len(strong.seeds) == 2 * len(SEEDS)
    none = points[0].differences["linear"]["welfare"]
    assert none.value == pytest.approx(0.0, abs=0.01)


def test_the_weight_is_tuned_on_validation_questions_for_each_seed(points: list[Point]) -> None:
    arms = points[1].arms
    for seed in SEEDS:
        chosen = arms[WEIGHTED[seed]]["welfare"].seeds[seed]
        assert arms[TUNED]["welfare"].seeds[seed] == chosen


def test_no_arm_is_tuned_without_validation_or_with_an_arm_missing(tmp_path: Path) -> None:
    write(tmp_path, arms=("mutual", "linear", "user"))
    assert TUNED not in measure_dial(files(tmp_path))[0].arms


def test_ceilings_are_those_of_the_true_matrices(points: list[Point]) -> None:
    gains = []
    for point in points[:-1]:
        assert point.ceiling is not None
        best = point.ceiling.welfare
        assert best["welfare"] >= max(best.values()) - 1e-9
        gains.append(best["welfare"] - best["user"])
    assert gains == sorted(gains)


def test_what_cannot_be_read_is_worth_nothing_and_what_is_not_stated_is_unknown(
    tmp_path: Path,
) -> None:
    question = make_world(0, 1, 1, conflict=1.0).test[0]
    good = answer(question, "mutual", 0, 0.81, 0.25)
    lines: list[dict[str, Any]] = [good.to_json() for _ in range(3)]
    lines[1] |= {"chain": None, "chain_error": "no tag", "verdicts": []}
    lines[2] |= {"verdicts": []}
    file = tmp_path / "transcripts.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (point,) = measure_dial([file])
    found = point.arms["mutual"]
    assert found["welfare"].value == pytest.approx(math.sqrt(0.81 * 0.25) / 2)
    assert found["least"].value == pytest.approx(0.125)
    assert found["format"].value == pytest.approx(2 / 3)


def test_files_without_episodes_are_refused(tmp_path: Path) -> None:
    question = make_world(0, 1, 1).test[0]
    with TranscriptWriter(tmp_path / "transcripts.jsonl") as writer:
        writer.write(Transcript(question.id, question.task, "x", split="test", model="sft"))
    with pytest.raises(DataError, match="true payoffs"):
        measure_dial([tmp_path / "transcripts.jsonl"])


def test_the_report_says_who_gains_and_draws_it(points: list[Point], tmp_path: Path) -> None:
    report = dial_report(points)
    text = " ".join(report.sentences)
    assert "Over all degrees of 0.75 or more, W of mutual" in text
    assert "above by" in text
    report.write_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "W against the conflict" in page
    assert "mutual less each other arm at conflict of 0.75 or more" in page
    json.dumps(report.to_json(), allow_nan=False)


def test_the_command_compares_the_arms(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conflict", str(runs), "--dial", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [record["conflict"] for record in found["dial"]] == list(DEGREES)
