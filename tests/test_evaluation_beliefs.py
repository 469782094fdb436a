"""Calibration of stated beliefs, against other formulas for the same numbers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gtalign.cli import app
from gtalign.errors import DataError
from gtalign.evaluation.beliefs import BINS, calibrations, chart, true_action
from gtalign.tasks import Message
from gtalign.transcripts import Transcript, read_transcripts


def answer(number: int, vague: float | None, true: str | None, **more: Any) -> Transcript:
    belief = None if vague is None else {"DQ": 1 - vague, "VQ": vague}
    chain = {"thinking": "", "payoff": {"DQ_DA": {"LLM": 1, "user": 1}}, "analyze": ""}
    given: dict[str, Any] = {
        "id": f"q{number}",
        "task": "lab",
        "completion": "c",
        "model": "m",
        "cluster": f"q{number}",
        "prompt": (Message(role="user", content="?"),),
        "chain": chain | {"response": "r"} | ({} if belief is None else {"belief": belief}),
        "extra": {} if true is None else {"user_action": true},
    }
    return Transcript(**(given | more))


def drawn(count: int, honest: bool) -> list[Transcript]:
    rng = np.random.default_rng(3)
    stated_N = rng.integers(0, 21, count) / 20
    true_N = rng.random(count) < (stated_N if honest else 0.5)
    return [
        answer(i, float(p), "VQ" if t else "DQ")
        for i, (p, t) in enumerate(zip(stated_N, true_N, strict=True))
    ]


@pytest.mark.parametrize("honest", [True, False])
def test_the_scores_are_those_of_other_formulas(honest: bool) -> None:
    held = drawn(400, honest)
    (found,) = calibrations(held)
    p = np.array([t.chain["belief"]["VQ"] for t in held if t.chain is not None])
    y = np.array([t.extra["user_action"] == "VQ" for t in held], float)
    assert found.brier.value == pytest.approx(np.mean(2 * (p - y) ** 2))
    assert found.base == pytest.approx(2 * y.mean() * (1 - y.mean()))
    assert found.skill == pytest.approx(1 - np.mean((p - y) ** 2) / np.mean((y - y.mean()) ** 2))
    right = np.where(p == 0.5, 0.5, (p > 0.5) == y)
    assert found.right.value == pytest.approx(right.mean())
    # Murphy: with probabilities replaced by the mean of their bin, the score is made of its parts.
    at = np.minimum(np.floor(p * BINS + 1e-9), BINS - 1)
    means = np.array([p[at == place].mean() for place in at])
    assert found.reliability.value is not None and found.resolution.value is not None
    assert found.uncertainty == pytest.approx(y.mean() * (1 - y.mean()))
    parts = found.reliability.value - found.resolution.value + found.uncertainty
    assert parts == pytest.approx(np.mean((means - y) ** 2))
    assert sum(b.observed.n for b in found.bins) == len(held)
    assert found.gap.value is not None and (found.gap.value < 0.1) is honest
    for part in (found.gap, found.reliability, found.resolution):
        assert part.low is not None and part.high is not None and part.value is not None
        assert part.low <= part.value <= part.high and part.clusters == len(held)
    (other,) = calibrations(held, "DQ")
    assert (other.brier, other.action) == (found.brier, "DQ")
    assert [b.stated for b in other.bins] != [b.stated for b in found.bins]


def test_right_beliefs_are_the_best_score_where_they_are_known() -> None:
    rng = np.random.default_rng(5)
    share_N = rng.choice([0.1, 0.4, 0.75], 300)
    right = [{"DQ": 1 - share, "VQ": share} for share in share_N]
    actions = ["VQ" if rng.random() < share else "DQ" for share in share_N]
    held = [
        answer(i, 0.5, None, extra={"user_action": action, "right_belief": belief})
        for i, (action, belief) in enumerate(zip(actions, right, strict=True))
    ]
    (found,) = calibrations(held)
    assert found.best is not None and found.off is not None
    truth_N = np.array([action == "VQ" for action in actions])
    assert found.best.value == pytest.approx(2 * np.mean((share_N - truth_N) ** 2))
    assert found.off.value == pytest.approx(np.mean(np.abs(share_N - 0.5)))
    (unknown,) = calibrations([*held, answer(999, 0.5, "VQ")])
    assert unknown.best is None and unknown.off is None


WRONG: list[tuple[str, Any, str]] = [
    ("right_belief", {"VQ": 2}, "extra.right_belief has to give each of DQ, VQ a share"),
    ("right_belief", {"DQ": 2, "VQ": -1}, "extra.right_belief has to give .* it is {'DQ': 2,"),
    ("right_belief", {"DQ": 0.5, "VQ": 0.7}, "extra.right_belief has to give"),
    ("right_belief", {"DQ": "0.5", "VQ": 0.5}, "extra.right_belief has to give"),
    ("right_belief", {"DQ": True, "VQ": 0}, "extra.right_belief has to give"),
    ("right_belief", {"DQ": float("nan"), "VQ": 0}, "extra.right_belief has to give"),
    ("right_belief", {}, "extra.right_belief has to give"),
    ("right_belief", "x", "extra.right_belief has to be an object .* not 'x'"),
    ("right_belief", [0.5, 0.5], "extra.right_belief has to be an object"),
    ("right_belief", 0, "extra.right_belief has to be an object"),
    ("belief", "x", "extra.belief has to be an object .* not 'x'"),
    ("belief", 0.7, "extra.belief has to be an object"),
    ("belief", {"DQ": 2, "VQ": -1}, "the belief has to give each of DQ, VQ a share"),
]


@pytest.mark.parametrize(("name", "given", "told"), WRONG)
def test_a_belief_that_is_none_is_told_by_its_name(name: str, given: Any, told: str) -> None:
    """Also where other answers have none, so that nothing is compared with it."""
    right = answer(0, 0.5, "VQ")
    wrong = answer(1, 0.5, None, extra={"user_action": "VQ", name: given})
    if name == "belief":
        wrong = replace(wrong, chain=None)
    for held in ([right, wrong], [wrong, right]) if name == "right_belief" else ([right, wrong],):
        with pytest.raises(DataError, match=f"answer 'q1': {told}"):
            calibrations(held)
    assert calibrations([replace(wrong, extra={**wrong.extra, name: None}), right])


def test_many_types_are_believed_in_two_decimals() -> None:
    names = [f"T{n}" for n in range(6)]
    for share in (0.16, 0.17):
        belief = dict.fromkeys(names, share)
        extra = {"user_action": "T0", "belief": belief, "right_belief": belief}
        (found,) = calibrations([answer(0, None, None, chain=None, extra=extra)])
        assert found.off is not None and found.off.value == 0
        assert found.brier.value == pytest.approx(25 / 36 + 5 / 36)


def test_truth_is_the_labs_or_the_label_and_else_unknown() -> None:
    labelled = {
        "multipleQAs###a": "VQ",
        "singleAnswer###b": "DQ",
        "ambiguous": "VQ",
        "non_ambiguous": "DQ",
    }
    for truth, action in labelled.items():
        assert true_action(answer(1, 0.5, None, task="ambig_qa", ground_truth=truth)) == action
        assert true_action(answer(1, 0.5, None, task="abg-coqa", ground_truth=truth)) == action
        assert true_action(answer(1, 0.5, None, task="medium", ground_truth=truth)) is None
    assert true_action(answer(1, 0.5, "VQ", task="ambig_qa", ground_truth="ambiguous")) == "VQ"
    with pytest.raises(DataError, match="does not begin with one of"):
        true_action(answer(1, 0.5, None, task="ambig_qa", ground_truth="both"))


def test_answers_without_belief_or_truth_are_counted_or_left_out() -> None:
    held = [answer(0, 0.9, "VQ"), answer(1, None, "DQ"), answer(2, 0.1, None)]
    (found,) = calibrations([*held, answer(3, 0.2, "DQ", chain=None, extra=WITH)])
    assert (found.brier.n, found.unstated) == (2, 1)
    assert found.brier.value == pytest.approx((2 * 0.01 + 2 * 0.04) / 2)
    for none in ([], held[1:]):
        with pytest.raises(DataError, match="no answer has both"):
            calibrations(none)
    (always,) = calibrations(held[:1])
    assert always.skill is None and always.base == 0


def test_a_belief_about_other_actions_than_the_users_names_its_answer() -> None:
    """As of another game than the one that its question is of."""
    told = "answer 'q4': the user's action is 'SHOW', and the belief is about DQ, VQ"
    with pytest.raises(DataError, match=told):
        calibrations([answer(1, 0.5, "VQ"), answer(4, 0.5, "SHOW")])


def test_a_question_of_that_task_without_a_label_is_unknown() -> None:
    assert true_action(answer(1, 0.5, None, task="ambig_qa", ground_truth="")) is None


def test_shares_that_are_observed_lie_between_0_and_1() -> None:
    (wide,) = calibrations([answer(n, 0.55, ("VQ", "DQ")[n]) for n in range(2)])
    (bin_,) = wide.bins
    assert (bin_.observed.value, bin_.observed.low, bin_.observed.high) == (0.5, 0.0, 1.0)
    (alone,) = calibrations([answer(1, 0.55, "VQ")])
    assert (alone.bins[0].observed.low, alone.bins[0].observed.high) == (None, None)
    for part in (alone.gap, alone.reliability, alone.resolution):
        assert (part.low, part.high, part.clusters) == (None, None, 1)


@pytest.mark.parametrize(
    ("stated", "edges"), [(0.0999, (0.0, 0.1)), (0.1, (0.1, 0.2)), (0.3, (0.3, 0.4)), (1, (0.9, 1))]
)
def test_a_bin_begins_with_its_lower_edge(stated: float, edges: tuple[float, float]) -> None:
    (found,) = calibrations([answer(1, stated, "VQ")])
    assert (found.bins[0].low, found.bins[0].high) == pytest.approx(edges)


WITH = {"user_action": "DQ", "belief": {"DQ": 0.8, "VQ": 0.2}}


@pytest.mark.parametrize(
    "belief",
    [
        {"DQ": 0.5, "VQ": 0.9},
        {"DQ": float("nan"), "VQ": 0.5},
        {"DQ": -0.5, "VQ": 1.5},
        {"DQ": True, "VQ": 0},
        {"DQ": "1", "VQ": 0},
        {"DQ": 1.0},
        {"ASK": 0.5, "TELL": 0.5},
    ],
)
def test_a_wrong_belief_names_its_answer(belief: Any) -> None:
    bad = answer(7, None, "VQ", chain=None, extra={"user_action": "VQ", "belief": belief})
    with pytest.raises(DataError, match="answer 'q7'"):
        calibrations([answer(1, 0.5, "VQ"), bad])


def test_the_command_shows_scores_bins_and_a_plot(tmp_path: Path) -> None:
    file, plot = tmp_path / "t.jsonl", tmp_path / "plot.svg"
    lines = [json.dumps(t.to_json()) for t in drawn(60, True)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ["calibration", str(file), "--svg", str(plot)]
    page = CliRunner().invoke(app, command, catch_exceptions=False)
    assert page.exit_code == 0
    assert "always the same" in page.stdout and "0.9 to 1.0" in page.stdout
    assert "Is the stated probability of VQ right?" in plot.read_text(encoding="utf-8")
    [found] = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["calibrations"]
    (own,) = calibrations(list(read_transcripts(file)))
    assert found["brier"]["value"] == pytest.approx(own.brier.value)
    assert "curve" in chart([own])
    wrong = CliRunner().invoke(app, ["calibration", str(file), "--action", "ZQ"])
    assert wrong.exit_code == 2


def test_the_labels_of_published_data_are_known(shared: Path) -> None:
    from gtalign.data.rows import read_rows

    for name, share in (("ambig_qa-test", 0.4), ("abg_coqa-test", 0.1)):
        questions = list(read_rows(shared / "data" / f"{name}.parquet"))
        actions = [true_action(Transcript.of(question, "c", model="m")) for question in questions]
        assert set(actions) == {"DQ", "VQ"} and None not in actions
        assert actions.count("VQ") / len(actions) > share
