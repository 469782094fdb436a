"""Whether interests differ: shares, correlations and orders, worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation_samples import malformed, plain, transcript, unscored
from gtalign.cli import main
from gtalign.errors import DataError
from gtalign.evaluation.conflict import Conflict, conflict_report, measure_conflict
from gtalign.evaluation.conflict.cloud import welfare_cloud
from gtalign.evaluation.conflict.measures import UNREAD
from gtalign.transcripts import Transcript


def answer(user: float, llm: float, question: str = "q", **changes: Any) -> Transcript:
    return transcript(
        id=question,
        cluster=changes.pop("cluster", question),
        user_welfare=user,
        llm_welfare=llm,
        mutual_welfare=(user * llm) ** 0.5,
        factors={},
        **changes,
    )


def measured(rows: Sequence[Transcript], **options: Any) -> Conflict:
    return measure_conflict(
        {Path("a.jsonl"): rows}, rng=np.random.default_rng(0), **({"count": 50} | options)
    )


def test_three_answers_to_one_question_by_hand() -> None:
    """(.6, .6) | (1, .25) | (.5, .5): W is .6, .5, .5; the mean .6, .625, .5."""
    found = measured([answer(0.6, 0.6), answer(1.0, 0.25), answer(0.5, 0.5)])
    assert (found.answers, found.questions, found.pairs) == (3, 1, 3)
    apart = {
        pair: (found.of(*pair).differ.value, found.of(*pair).tied)
        for pair in (("user", "llm"), ("mutual", "linear"), ("mutual", "user"), ("llm", "ces-inf"))
    }
    assert apart["user", "llm"] == pytest.approx((2 / 3, 0))
    assert apart["mutual", "linear"] == pytest.approx((1 / 3, 1 / 3)), "W holds two of them equal"
    assert apart["mutual", "user"] == pytest.approx((1 / 3, 1 / 3))
    assert apart["llm", "ces-inf"] == pytest.approx((0, 0))
    assert found.sides.value == pytest.approx(np.corrcoef([0.6, 1.0, 0.5], [0.6, 0.25, 0.5])[0, 1])
    assert found.sides.within == pytest.approx(found.sides.value)
    assert found.sides.ends is None, "one cluster"


def test_only_answers_to_one_question_make_pairs() -> None:
    found = measured([answer(0.1, 0.9, "a"), answer(0.9, 0.1, "b")])
    assert found.pairs == 0
    assert found.of("user", "llm").differ.value is None
    assert found.of("user", "llm").tied is None
    assert found.sides.within is None
    assert found.sides.value == pytest.approx(-1)
    assert "No question has two answers" in conflict_report(found).sentences[-1]


def test_questions_that_differ_hide_sides_that_agree() -> None:
    """Easy questions are good for U and bad for L, but within each question both go together."""
    rows = [
        answer(base + step, 1 - base + step, name)
        for name, base in (("a", 0.2), ("b", 0.5), ("c", 0.8))
        for step in (0.0, 0.05)
    ]
    found = measured(rows)
    assert found.sides.value is not None and found.sides.value < 0
    assert found.sides.within == pytest.approx(1)
    assert found.of("user", "llm").differ.value == 0


def test_many_answers_are_ordered_as_by_a_double_loop() -> None:
    rng = np.random.default_rng(3)
    points = np.round(rng.uniform(size=(40, 2)), 1)  # with ties
    rows = [answer(u, v, f"q{n % 3}") for n, (u, v) in enumerate(points.tolist())]
    found = measured(rows)
    differ = tied = pairs = 0
    for i in range(40):
        for j in range(i + 1, 40):
            if i % 3 == j % 3:
                a, b = np.sign(np.round(points[i] - points[j], 9))
                pairs, differ, tied = pairs + 1, differ + (a * b < 0), tied + (a * b == 0)
    assert found.pairs == pairs
    assert found.of("user", "llm").differ.value == pytest.approx(differ / pairs)
    assert found.of("user", "llm").tied == pytest.approx(tied / pairs)


def test_rounding_is_no_order() -> None:
    found = measured([answer(0.3, 0.4), answer(0.1 + 0.2, 0.4), answer(0.5, 0.4)])
    assert found.of("user", "linear").tied == pytest.approx(1 / 3)
    assert found.sides.value is None, "L does not vary"


def scored(factors: dict[str, float], **changes: Any) -> Transcript:
    """Welfare under the paper's weights."""
    user = (
        0.5 * factors["quality_user"] + 0.2 * factors["response_window"] + 0.3 * factors["latency"]
    )
    llm = (
        0.4 * factors["quality_llm"]
        + 0.2 * factors["total_window"]
        + 0.2 * factors["format"]
        + 0.1 * (factors["distinctness"] + factors["solution"])
    )
    given = {"user_welfare": user, "llm_welfare": llm, "mutual_welfare": (user * llm) ** 0.5}
    noted = {"scored": {"preset": "paper", "reward": "?"}}
    return transcript(**(given | {"factors": factors, "extra": noted} | changes))


def factors(quality: float, latency: float) -> dict[str, float]:
    same = dict.fromkeys(("response_window", "total_window", "distinctness", "solution"), 1.0)
    return same | {
        "quality_user": quality,
        "quality_llm": quality,
        "latency": latency,
        "format": 1.0,
    }


def lab(tmp_path: Path, rows: list[Transcript]) -> Path:
    (tmp_path / "config.toml").write_text('preset = "paper"\n[reward]\npreset = "paper"\n')
    file = tmp_path / "transcripts.jsonl"
    file.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows))
    return file


def test_shares_of_the_variance_by_hand(tmp_path: Path) -> None:
    """U is .5 Q + .3 latency + .2: independent terms of variance .0625 and .0225."""
    rows = [
        scored(factors(quality, latency), id=f"{quality}{latency}")
        for quality in (0.0, 1.0)
        for latency in (0.0, 1.0)
    ]
    file = lab(tmp_path, rows)
    found = measure_conflict({file: rows}, rng=np.random.default_rng(0), count=20)
    assert found.no_shares is None
    user = {one.factor: one.share for one in found.shares["user"]}
    assert user["quality_user"] == pytest.approx(0.0625 / 0.085)
    assert user["latency"] == pytest.approx(0.0225 / 0.085)
    assert user["response_window"] == pytest.approx(0)
    llm = {one.factor: one.share for one in found.shares["llm"]}
    assert llm["quality_llm"] == pytest.approx(1)
    assert user[UNREAD] == llm[UNREAD] == 0


def test_unreadable_answers_are_a_cause_of_their_own(tmp_path: Path) -> None:
    rows = [
        scored(factors(0.5, 1.0), id="a"),
        scored(factors(0.5, 1.0), id="b"),
        malformed(id="c", factors=dict.fromkeys(factors(0, 0), 0.0)),
    ]
    found = measure_conflict({lab(tmp_path, rows): rows}, rng=np.random.default_rng(0), count=20)
    user = {one.factor: one for one in found.shares["user"]}
    assert user[UNREAD].share == pytest.approx(1)
    assert user["quality_user"].read is None, "the answers that can be read do not vary"
    assert sum(one.share or 0 for name, one in user.items() if name != UNREAD) == pytest.approx(1)
    assert found.unread == 1
    assert found.sides.value == pytest.approx(1)
    assert found.sides.read is None


def test_without_factors_there_are_no_shares_and_the_reason_is_given() -> None:
    found = measured([answer(0.6, 0.6), answer(1.0, 0.25)])
    assert found.shares == {}
    assert "no factors" in (found.no_shares or "")
    assert any("No shares of the factors" in s for s in conflict_report(found).sentences)


def test_unscored_answers_are_left_out_and_counted() -> None:
    rows = [answer(0.6, 0.6), unscored(id="q"), answer(1.0, 0.25), unscored(id="z")]
    found = measured(rows)
    assert (found.answers, found.left_out) == (2, 2)
    assert "2 without the welfare of both sides are left out" in conflict_report(found).sentences[0]
    with pytest.raises(DataError, match="1 of 2 answers have the welfare of both sides"):
        measured(rows[:2])


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_welfare_that_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(DataError, match="not a finite number"):
        measured([answer(0.6, 0.6), transcript(user_welfare=wrong)])


def test_intervals_come_from_clusters_of_questions() -> None:
    rng = np.random.default_rng(1)
    rows = [
        answer(u, v, f"q{n // 2}", cluster=f"c{n // 4}")
        for n, (u, v) in enumerate(rng.uniform(size=(40, 2)).tolist())
    ]
    found = measured(rows, count=200)
    assert (found.questions, found.clusters, found.pairs) == (20, 10, 20)
    low, high = found.sides.ends or (0, 0)
    assert low < (found.sides.value or 0) < high
    assert found.of("user", "llm").differ.clusters == 10


def test_plain_answers_count_as_readable() -> None:
    rows = [plain(id="q", user_welfare=u, llm_welfare=1 - u) for u in (0.2, 0.4)]
    found = measured(rows)
    assert (found.unread, found.of("user", "llm").differ.value) == (0, 1.0)


def test_the_plane_has_both_kinds_of_lines_and_one_mark_for_answers_close_together() -> None:
    drawn = welfare_cloud("Plane", [(0.5, 0.5), (0.501, 0.5), (0.9, 0.2)])
    assert drawn.count("<circle") == 2
    assert "U 0.5, L 0.5: 2 answers" in drawn
    assert 'class="iso sum"' in drawn and 'class="iso"' in drawn
    assert "sum 1" in drawn and "W 0.4" in drawn
    assert welfare_cloud("Plane", []) == ""
    assert welfare_cloud("Plane", [(0.0, 0.0)]).count("<circle") == 1


def test_the_command_prints_sentences_writes_a_page_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lab(tmp_path, [scored(factors(q, 1 - q), id="q") for q in (0.0, 0.5, 1.0)])
    page = tmp_path / "page.html"
    assert main(["conflict", str(file), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "U and L correlate at" in printed and "--tables" in printed
    assert "<svg" in page.read_text()
    assert main(["conflict", str(tmp_path), "--tables"]) == 0
    assert "quality_user" in capsys.readouterr().out
    assert main(["conflict", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answers"], found["pairs"]) == (3, 3)
    assert main(["conflict", str(tmp_path / "none.jsonl")]) == 2


def test_the_command_repeats_itself_by_its_seed(tmp_path: Path, capsys: Any) -> None:
    points = np.random.default_rng(0).uniform(size=(12, 2)).tolist()
    rows = [answer(user, llm, f"q{n}") for n, (user, llm) in enumerate(points)]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows), encoding="utf-8")
    found = []
    for seed in ("1", "1", "2"):
        assert main(["conflict", str(file), "--json", "--seed", seed]) == 0
        found.append(json.loads(capsys.readouterr().out)["sides"])
    assert found[0] == found[1] != found[2]
    assert found[0]["value"] == found[2]["value"]
