"""Whether models keep their order over the kinds of user: by other ways to the same numbers."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gtalign.cli import app
from gtalign.dialogue import Persona, Played, Turn
from gtalign.errors import DataError
from gtalign.evaluation.dialogue import Conversations, stability
from gtalign.evaluation.dialogue.held import Held
from gtalign.evaluation.paper.users import users_report
from gtalign.transcripts import Transcript, TranscriptWriter

Scores = Mapping[tuple[str, str], list[float]]


def conversations(scores: Scores, kinds: Mapping[str, str] | None = None) -> Conversations:
    """Conversations whose quality, goal and welfare are these numbers, one a question."""
    return Conversations(
        [
            Held(
                model, user, "ask", f"q{n:02}", f"q{n:02}", None,
                {name: (score, 1.0) for name in ("goal", "quality", "satisfied", "welfare")},
                score, 0, (kinds or {}).get(user, ""),
            )
            for (model, user), values in scores.items()
            for n, score in enumerate(values)
        ]
    )  # fmt: skip


RNG = np.random.default_rng(7)
NOISE = {(m, u): list(RNG.random(12) + 0.2 * i * j) for i, m in enumerate("xyz") for j, u in
         enumerate(("rule", "people"))}  # fmt: skip


def test_pairs_and_taus_are_those_of_a_plain_loop() -> None:
    found = stability(conversations(NOISE), "quality", np.random.default_rng(3), resamples=200)
    assert found is not None
    drawn = np.random.default_rng(3).integers(12, size=(200, 12))
    for pair in found.pairs:
        first, second = pair.models
        ahead = {
            user: [
                np.mean([NOISE[first, user][q] - NOISE[second, user][q] for q in row])
                for row in drawn
            ]
            for user in found.users
        }
        for user in found.users:
            values = np.array(ahead[user])
            assert pair.share[user] == pytest.approx((values > 0).mean())
            reach = pair.ahead[user]
            assert (reach.low, reach.high) == pytest.approx(
                tuple(np.quantile(values, [0.025, 0.975]))
            )
        same = [(a > 0) == (b > 0) for a, b in zip(*ahead.values(), strict=True)]
        assert pair.kept == pytest.approx(np.mean(same))
        means = [np.mean([NOISE[m, u] for u in found.users]) for m in pair.models]
        assert means[0] >= means[1]
    [tau] = found.tau.values()
    assert tau.low is not None and tau.high is not None and tau.value is not None
    assert -1 <= tau.low <= tau.value <= tau.high <= 1


def test_equal_models_have_no_order() -> None:
    same = {(m, u): [0.5, 0.25, 1.0] for m in "ab" for u in "uv"}
    found = stability(conversations(same), "goal", np.random.default_rng(0))
    assert found is not None
    assert [tau.value for tau in found.tau.values()] == [None]
    [pair] = found.pairs
    assert pair.share == {"u": 0, "v": 0} and pair.kept == 1.0  # equal under both
    report = users_report(conversations(same))
    assert "nan" not in json.dumps(report.to_json(), allow_nan=False).lower()


def test_a_turned_order_is_said_in_a_sentence() -> None:
    scores = {("a", "rule"): [0.9] * 6, ("b", "rule"): [0.1] * 6,
              ("a", "llm"): [0.1] * 6, ("b", "llm"): [0.8] * 6}  # fmt: skip
    kinds = {"rule": "scripted", "llm": "endpoint"}
    report = users_report(conversations(scores, kinds))
    assert report.sentences[0].replace("\u2212", "-") == (
        "Goal reached on 6 sources: Kendall's tau rule and llm -1.00 [-1.00, -1.00]; 0 of 1 pairs"
        " of models keep their order in 95% of resamples; a and b in 0%."
    )
    assert [sheet.name for sheet in report.sheets] == ["users-means", "users-orders", "users-pairs"]
    assert report.sheets[0].head == ["", "rule (scripted)", "llm (endpoint)"]
    firm = users_report(conversations({key: scores[key[0], "rule"] for key in scores}, kinds))
    assert "all 1 pairs of models keep their order in 95% of resamples or more" in firm.sentences[0]


def test_users_of_one_kind_are_said_to_be_so() -> None:
    report = users_report(conversations(NOISE, {"rule": "scripted", "people": "scripted"}))
    assert report.sentences[-1].startswith("All users are of one kind, scripted")
    assert "kind" not in users_report(conversations(NOISE)).sentences[-1]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "0 models and 0 users"),
        ({("a", "u"): [1.0], ("a", "v"): [1.0]}, "1 models and 2 users"),
        ({("a", "u"): [1.0], ("b", "u"): [1.0]}, "2 models and 1 users"),
        ({("a", "u"): [1.0], ("b", "v"): [1.0]}, "no question that every model has"),
    ],
)
def test_without_an_order_there_is_no_table(scores: Scores, message: str) -> None:
    with pytest.raises(DataError, match=message):
        users_report(conversations(scores))


def test_the_command_reads_runs_that_name_their_kinds(tmp_path: Path) -> None:
    def record(user: str, quality: float) -> Played:
        turn = Turn("x", "DA", 0, (), quality, tokens=5, read=5)
        kind = {"rule": "scripted", "people": "recorded"}[user]
        persona = Persona().model_dump()
        return Played("q", "ask", user, persona, 0, (turn,), "satisfied", kind=kind)

    for model, quality in (("good", 1.0), ("bad", 0.25)):
        with TranscriptWriter(tmp_path / model / "transcripts.jsonl") as writer:
            for n in range(3):
                for user in ("rule", "people"):
                    played = record(user, quality)
                    assert Played.from_json(played.to_json()) == played
                    writer.write(
                        Transcript(
                            id=f"q{n} {user}", task="lab", model=model, completion="x",
                            prompt=({"role": "user", "content": "?"},), ground_truth="",
                            cluster=f"q{n}", conversation=played.to_json(),
                        )
                    )  # fmt: skip
    command = ["compare", str(tmp_path / "good"), str(tmp_path / "bad"), "--table", "users"]
    found = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    assert found.exit_code == 0
    pairs = json.loads(found.stdout)["users-pairs"]
    assert {tuple(one["models"]) for one in pairs} == {("good", "bad")}
    assert {one["kind"] for one in json.loads(found.stdout)["users-means"]} == {
        "scripted",
        "recorded",
    }
