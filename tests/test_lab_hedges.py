"""Hedged questions: what they show, which belief is right, and what teachers make of them."""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gtalign.chain import Chain, parse
from gtalign.game import USER_LLM, Bimatrix
from gtalign.lab.config import LabConfig
from gtalign.lab.hedges import PAIRS, right_belief
from gtalign.lab.judge import LabJudge
from gtalign.lab.rule import VALUE, chosen_cell
from gtalign.lab.teachers import Noise, candidate
from gtalign.lab.world import make_world
from gtalign.tasks import Question

EXACT = Noise(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
SHARES = {hedge: s for sure, doubtful, v in PAIRS for hedge, s in ((sure, 1 - v), (doubtful, v))}
WORLD = make_world(0, 60, 2, hedged=0.6)
HEDGED = [question for question in WORLD.train if "hedged" in question.extra]


def test_nothing_changes_in_a_world_without_hedges() -> None:
    plain, zero = make_world(0, 3, 1), make_world(0, 3, 1, hedged=0.0)
    assert plain == zero
    assert not any({"hedged", "right_belief"} & q.extra.keys() for q in plain.train)
    # The items are the same with hedges: only wordings differ.
    hedged = make_world(0, 3, 1, hedged=1.0)
    for one, other in zip(plain.train, hedged.train, strict=True):
        assert one.extra["item"] == other.extra["item"] and one.id == other.id
    sure = [q for q in hedged.ood if q.task == "people-dialogue"]  # its makers know no other facts
    assert {q.extra["right_belief"][q.extra["user_action"]] for q in sure} == {1.0}


def test_every_task_is_hedged_and_some_items_are_not() -> None:
    assert {q.task for q in HEDGED} == {"sums", "people", "notes", "requests"}
    assert 0.4 < len(HEDGED) / len(WORLD.train) < 0.8
    for question in HEDGED:
        facts = question.extra["hedged"]
        said = f"{facts['hedge']} {facts['reply'].removesuffix('.')}"
        assert said in question.messages[-1]["content"]


def test_the_right_belief_is_how_often_questions_with_a_hedge_are_vague() -> None:
    vague: dict[str, list[bool]] = defaultdict(list)
    for question in make_world(1, 300, 1, hedged=1.0).train:
        hedge = question.extra["hedged"]["hedge"] if "hedged" in question.extra else ""
        vague[hedge].append(question.extra["user_action"] == "VQ")
        if hedge:
            assert right_belief(question)["VQ"] == pytest.approx(SHARES[hedge])
    for hedge, share in SHARES.items():
        seen = vague[hedge]
        error = 4 * np.sqrt(share * (1 - share) / len(seen))  # one in 15,000 by chance
        assert abs(np.mean(seen) - share) < error, hedge


def test_what_a_vague_question_states_is_right_as_often_as_a_guess() -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    guess: dict[str, list[float]] = defaultdict(list)
    for question in make_world(2, 200, 1, hedged=1.0).train:
        if "hedged" not in question.extra:
            continue
        item, told = question.extra["item"], question.extra["hedged"]
        if question.extra["user_action"] == "DQ":
            assert told["reply"] == item["reply"]
        else:
            right[question.task].append(told["reply"] == item["reply"])
            guess[question.task].append(item["guess"])
    for task, seen in right.items():
        share = float(np.mean(guess[task]))
        assert abs(np.mean(seen) - share) < 4 * np.sqrt(share * (1 - share) / len(seen)), task


def test_the_answer_follows_from_what_is_stated() -> None:
    """The judge, told that what is stated were true, finds the stated answer right."""
    judge = LabJudge()
    for question in HEDGED:
        item, told = question.extra["item"], question.extra["hedged"]
        right = told["reply"] == item["reply"]
        quality = judge.quality(item, told["answer"])
        if right:
            assert quality == 1, question.id
        elif not item["harmful"]:
            assert quality < 1 or told["answer"] == item["answer"], question.id


def test_teachers_state_the_right_belief_and_answer_by_what_is_told() -> None:
    rng = np.random.default_rng(0)
    for question in WORLD.train[:200]:
        chain = parse(candidate(question, rng, EXACT, belief=True), belief=True)
        assert chain.belief == pytest.approx(right_belief(question))
        says = "vague" if right_belief(question)["VQ"] > 0.5 else "detailed"
        assert says in chain.thinking
        if "hedged" in question.extra:
            told = question.extra["hedged"]
            assert chain.thinking.startswith(f"{told['hedge']} {told['reply']}")
            if chain.response and "?" not in chain.response:
                assert told["answer"] in chain.response


def test_chains_with_beliefs_break_as_often_as_others() -> None:
    rng, broken = np.random.default_rng(1), replace(EXACT, broken=1.0)
    kinds: Counter[str] = Counter()
    for question in HEDGED[:60]:
        text = candidate(question, rng, broken, belief=True)
        kinds["no last cell" if '"VQ_DA"' not in text else "other"] += 1
    assert kinds["no last cell"] > 5


def test_published_worlds_keep_their_chains() -> None:
    [question, *_] = make_world(0, 1, 1).train
    one, other = (candidate(question, np.random.default_rng(4)) for _ in range(2))
    assert one == other and "<belief>" not in one


STATED: dict[str, Any] = {
    "DQ_AQ": {"user": 0, "LLM": 0}, "DQ_CQ": {"user": -3, "LLM": 0},
    "DQ_DA": {"user": 5, "LLM": 4}, "VQ_AQ": {"user": 3, "LLM": 3},
    "VQ_CQ": {"user": 4, "LLM": 2}, "VQ_DA": {"user": 1, "LLM": 0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("vague", "rule", "cell"),
    [
        (0.1, "bayes", "DQ_DA"),
        (0.55, "bayes", "VQ_DA"),
        (0.9, "bayes", "VQ_AQ"),
        (0.9, "published", "DQ_DA"),
        (0.9, VALUE, "VQ_CQ"),
    ],
)
def test_a_rule_decides_by_matrix_and_belief(vague: float, rule: str, cell: str) -> None:
    chain = Chain(
        "vague.", Bimatrix.from_json(STATED), "", "", belief={"DQ": 1 - vague, "VQ": vague}
    )
    assert chosen_cell(chain, rule) == cell
    assert USER_LLM.index(cell)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"world": {"hedged": 0.5, "language": "english"}}, "only the terse language"),
        ({"world": {"hedged": 1.5}}, "hedged"),
        ({"arms": ["base", "sft", "rule-bayes"]}, "needs beliefs"),
        ({"world": {"belief": True}, "arms": ["base", "sft"]}, "faithfulness.limit"),
        (
            {"world": {"belief": True}, "experiment": {"reward": {"belief": False}}},
            "true together",
        ),
        (
            {"world": {"belief": True}, "faithfulness": {"limit": 0}, "steering": {"questions": 0},
             "experiment": {"drills": 5}},
            "experiment.drills",
        ),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabConfig.model_validate(given)


def test_questions_without_a_known_belief_are_what_they_are() -> None:
    asked = Question("q", "sums", (), "", "q", {"user_action": "VQ"})
    assert right_belief(asked) == {"DQ": 0.0, "VQ": 1.0}
