"""The arms of the lab at several degrees of conflict."""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtalign.cli import main
from gtalign.drawing.numbers import NONE
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


def kept(folder: Path, answers: Iterable[Transcript], name: str = "transcripts") -> Path:
    file = folder / f"{name}.jsonl"
    file.unlink(missing_ok=True)  # a writer adds to what is there
    with TranscriptWriter(file) as writer:
        for number, one in enumerate(answers):
            writer.write(replace(one, id=f"q{number}", cluster=f"c{number}"))
    return file


def asked(conflict: float = 1.0) -> Any:
    return make_world(0, 1, 1, conflict=conflict).test[0]


def test_no_arm_is_tuned_by_what_is_unknown(tmp_path: Path) -> None:
    """The judge failed on the validation answers of one weight, and knows those of the others."""
    known, question = dict(zip(WEIGHTED, (None, 0.2, 0.6, 0.4, 0.3), strict=True)), asked()
    for arm, worth in known.items():
        test = answer(question, arm, 0, 0.5, 0.5)
        valid = replace(test, split="valid", verdicts=())
        if worth is not None:
            valid = replace(answer(question, arm, 0, worth, worth), split="valid")
        kept(tmp_path / arm, [test])
        kept(tmp_path / arm, [valid], "validation")
    (point,) = measure_dial(files(tmp_path))
    assert point.arms[TUNED]["welfare"].value == point.arms["linear"]["welfare"].value
    for arm in WEIGHTED:
        unknown = replace(answer(question, arm, 0, 0.5, 0.5), split="valid", verdicts=())
        kept(tmp_path / arm, [unknown], "validation")
    (point,) = measure_dial(files(tmp_path))
    assert TUNED not in point.arms


def test_only_answers_of_the_test_that_were_not_steered_count(tmp_path: Path) -> None:
    good = answer(asked(), "mutual", 0, 0.64, 0.64)
    bad = answer(asked(), "mutual", 0, 0.1, 0.1)
    others = [replace(bad, split="train"), replace(bad, decision={"policy": "per-token"})]
    (point,) = measure_dial([kept(tmp_path, [good, *others])])
    assert point.arms["mutual"]["welfare"].value == pytest.approx(0.64)
    assert point.answers == 1


def test_an_arm_belongs_to_its_degrees_and_may_lack_a_seed(tmp_path: Path) -> None:
    held = {
        0.75: [("mutual", 0), ("mutual", 1), ("user", 0), ("llm", 0)],
        1.0: [("mutual", 0), ("user", 1)],
    }
    rows = [
        answer(asked(degree), arm, seed, 0.5, 0.5)
        for degree, arms in held.items()
        for arm, seed in arms
    ]
    first, second, strong = measure_dial([kept(tmp_path, rows)])
    assert [set(point.arms) for point in (first, second)] == [
        {"mutual", "user", "llm"},
        {"mutual", "user"},
    ]
    assert list(first.arms["user"]["welfare"].seeds) == [0]
    assert set(strong.differences) == {"user"}, "the other one is not at every strong degree"


def test_the_correlation_is_that_of_the_common_start(tmp_path: Path) -> None:
    start = [answer(asked(), "sft", 0, u, llm) for u, llm in ((0.2, 0.4), (0.6, 0.7), (0.5, 0.5))]
    others = [answer(asked(), "mutual", 0, u, 1 - u) for u in (0.1, 0.5, 0.9)]
    (point,) = measure_dial([kept(tmp_path, [*others, *start])])
    assert point.correlation == pytest.approx(np.corrcoef([0.2, 0.6, 0.5], [0.4, 0.7, 0.5])[0, 1])
    assert point.answers == 3
    (alone,) = measure_dial([kept(tmp_path, others)])
    assert (alone.correlation, alone.answers) == (pytest.approx(-1.0), 3)
    for pairs in ([(0.2, 0.5), (0.6, 0.5)], [(0.5, 0.2), (0.5, 0.6)], [(0.2, 0.5)]):
        (flat,) = measure_dial([kept(tmp_path, [answer(asked(), "sft", 0, *p) for p in pairs])])
        assert flat.correlation is None


def test_a_plain_answer_has_no_format_and_its_own_published_welfare(tmp_path: Path) -> None:
    plain = replace(
        answer(asked(), "zero-shot", 0, 0.5, 0.5),
        chain=None,
        plain=True,
        mutual_welfare=None,
        answer_mutual_welfare=0.7,
    )
    (point,) = measure_dial([kept(tmp_path, [plain])])
    found = point.arms["zero-shot"]
    assert found["format"].value is None and found["published"].value == pytest.approx(0.7)
    assert found["welfare"].value == pytest.approx(0.5), "it was read"


def test_ceilings_by_hand(tmp_path: Path) -> None:
    """On the scale of -5 to 5, of which each side's share is taken: 4 is 0.9, and 0 is 0.5."""
    cells = {"DA": (4.0, -4.0), "CQ": (0.0, 0.0), "AQ": (-4.0, 3.0)}  # of a user who is clear
    by_sum = {"DA": (4.5, -3.5), "CQ": (0.0, 0.0), "AQ": (-4.0, 3.0)}
    rows = []
    for row in (cells, by_sum):
        payoffs = np.full((2, 3, 2), 5.0)
        payoffs[USER_LLM.user_actions.index("DQ")] = [row[a] for a in USER_LLM.llm_actions]
        true = Bimatrix(USER_LLM, payoffs).to_json()
        extra = {"conflict": 1.0, "user_action": "DQ", "true_payoff": true}
        rows.append(replace(answer(asked(), "sft", 0, 0.5, 0.5), extra=extra))
    unknown = replace(rows[0], extra={"conflict": 1.0, "user_action": "?", "true_payoff": true})
    (point,) = measure_dial([kept(tmp_path, [*rows, unknown])])
    assert point.ceiling is not None
    greedy = (math.sqrt(0.9 * 0.1) + math.sqrt(0.95 * 0.15)) / 2
    selfish = math.sqrt(0.1 * 0.8)
    assert point.ceiling.welfare == pytest.approx(
        {
            "user": greedy,
            "llm": selfish,
            "total": (0.5 + math.sqrt(0.95 * 0.15)) / 2,
            "welfare": 0.5,
        }
    )
    assert point.ceiling.least == pytest.approx(
        {"user": 0.125, "llm": 0.1, "total": (0.5 + 0.15) / 2, "welfare": 0.5}
    )
    assert point.ceiling.moved == 0.5
    tables = {sheet.name: sheet for sheet in dial_report([point]).sheets}
    assert tables["dial"].rows[0][-1] == ("50.0%",)
    assert next(iter(tables["dial"].records))["ceiling_moved"] == 0.5


def test_without_true_matrices_there_is_no_ceiling(tmp_path: Path) -> None:
    row = replace(answer(asked(), "sft", 0, 0.5, 0.4), extra={"conflict": 0.5})
    (point,) = measure_dial([kept(tmp_path, [row])])
    assert point.ceiling is None
    report = dial_report([point])
    assert list(report.sheets[0].records) == [{"conflict": 0.5, "correlation": None}]
    assert report.sheets[0].rows[0][2] == report.sheets[0].rows[0][-1] == (NONE,)


def test_each_table_has_every_arm_and_the_pictures_those_of_every_degree(
    points: list[Point],
) -> None:
    tables = {sheet.name: sheet for sheet in dial_report(points).sheets}
    names = {"sft", "mutual", *WEIGHTED, TUNED}
    arms, less = tables["dial-arms-0.75"], tables["dial-differences-strong"]
    assert {row[0] for row in arms.rows} == {(name,) for name in names}
    assert {(r["arm"], r["measure"]) for r in arms.records} == {
        (arm, measure) for arm in names for measure in MEASURES
    }
    assert {row[0] for row in less.rows} == {(name,) for name in names - {"mutual"}}
    first, *others = points[:-1]
    more = replace(first, arms={**first.arms, "odd": first.arms["sft"]})
    assert "odd" not in str(dial_report([more, *others]).pictures)
    assert "odd" in str(dial_report([more]).pictures)


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
