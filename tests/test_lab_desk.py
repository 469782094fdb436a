"""The desk: its best policy against all policies, played with its people."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from gtalign.dialogue import Answer, Match, Played, play
from gtalign.dialogue.measures import welfare
from gtalign.dialogue.scripted import UNSURE
from gtalign.lab.desk.clerks import CLERKS, Clerk, likeliest, looks_ahead, worth_rule
from gtalign.lab.desk.optimum import belief_of, best_move, value_of
from gtalign.lab.desk.people import CUSTOMER, RULES, goal_of, grade, match_of, persona_of
from gtalign.lab.desk.settings import TurnsSettings
from gtalign.lab.desk.stage import judged_once
from gtalign.lab.desk.table import Talks, belongs, desk_report
from gtalign.lab.desk.teacher import inclination, lessons
from gtalign.lab.desk.wishes import GUARDED, PATIENCE, PRICE, Wish, make_questions

TWO = Wish("pet", ("cat", "dog"), (7, 3), "patient", "fair")
THREE = Wish("tool", ("saw", "file", "drill"), (4, 3, 3), "patient", "dear")
TESTED = [
    TWO,
    THREE,
    replace(TWO, price="cheap", shares=(5, 5)),
    replace(TWO, patience="busy", price="cheap", shares=(5, 5)),
    replace(TWO, patience="hasty"),
    replace(TWO, stated=1),
    replace(THREE, patience="busy", price="cheap", shares=(5, 3, 2)),
]


def played_as(wish: Wish, wanted: int, guarded: bool, says: list[str], replies: float) -> Played:
    """A conversation in which the clerk says these texts, one in each turn."""
    persona = persona_of(wish, guarded=guarded).model_copy(update={"replies": replies})
    match = Match(goal_of(wish.question("q", "test"), wanted), CUSTOMER, "c", persona, "ask")

    class Says:
        turn = 0

        async def answer(self, *_: object, **__: object) -> Answer:
            self.turn += 1
            return Answer(says[self.turn - 1], says[self.turn - 1])

    return asyncio.run(play(match, Says(), RULES))[0]


def worth_of(played: Played) -> float:
    found = welfare(played)
    assert found is not None
    return found[2]


def policies(wish: Wish) -> Iterator[dict[tuple[str, ...], int]]:
    """All deterministic policies, by what the person has replied."""
    ask = len(wish.things)
    told = [f"a {thing}." for thing in wish.things]
    for first, unsure in product(range(ask + 1), repeat=2):
        for after in product(range(ask + 1), repeat=ask):
            for last in product(range(ask + 1), repeat=ask):
                yield {
                    (): first,
                    (UNSURE,): unsure,
                    **{(reply,): move for reply, move in zip(told, after, strict=True)},
                    **{(UNSURE, reply): move for reply, move in zip(told, last, strict=True)},
                }


def value_by_play(wish: Wish, policy: dict[tuple[str, ...], int]) -> float:
    """Mean W of a policy: every person is played, and every reply may not come."""
    ask, stays, total = len(wish.things), PATIENCE[wish.patience], 0.0
    for guarded, wanted in product((False, True), range(ask)):
        chance = wish.belief[wanted] * (GUARDED if guarded else 1 - GUARDED)
        heard: tuple[str, ...] = ()
        moves: list[int] = []
        while not moves or (moves[-1] == ask and len(moves) < RULES.turns):
            moves.append(policy.get(heard, 0))
            heard = (*heard, UNSURE if guarded and not heard else f"a {wish.things[wanted]}.")
        key = (wish, wanted, guarded, tuple(moves))
        if key not in WORTHS:
            says = [f"{wish.shelf}?" if m == ask else f"{wish.things[m]}." for m in moves]
            WORTHS[key] = worth_of(played_as(wish, wanted, guarded, says, 1.0))
        total += chance * stays ** (len(moves) - 1) * WORTHS[key]  # W is 0 if the person leaves
    return total


WORTHS: dict[tuple[object, ...], float] = {}


@pytest.mark.parametrize("wish", [one for one in TESTED if len(one.things) == 2])
def test_no_policy_is_better_than_the_optimum(wish: Wish) -> None:
    best = max(value_by_play(wish, policy) for policy in policies(wish))
    assert value_of(wish) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("wish", TESTED)
def test_the_clerk_that_plays_the_optimum_gets_its_value(wish: Wish) -> None:
    told = [f"a {thing}." for thing in wish.things]
    heard = [(), (UNSURE,), *((reply,) for reply in told), *((UNSURE, reply) for reply in told)]
    known = [one for one in heard if wish.stated is None or not one]
    policy = {one: best_move(wish, one) for one in known}
    assert value_by_play(wish, policy) == pytest.approx(value_of(wish), abs=1e-9)


def test_who_leaves_without_an_answer_has_no_welfare() -> None:
    for wish in (TWO, THREE):
        gone = played_as(wish, 0, False, [f"{wish.shelf}?"], 0.0)
        assert (gone.end, worth_of(gone)) == ("left", 0.0)


def test_an_answer_ends_the_conversation_even_with_a_question() -> None:
    for said, end in (("cat.", "satisfied"), ("dog. which pet?", "left"), ("", "left")):
        played = played_as(TWO, 0, False, [said], 1.0)
        assert (played.end, len(played.turns)) == (end, 1)


@pytest.mark.parametrize(
    ("said", "quality"),
    [("here is a cat.", 1), ("cat.", 1), ("a dog.", 0), ("a cat or a dog.", 0), ("hello.", 0)],
)
def test_an_answer_names_the_thing_and_no_other(said: str, quality: float) -> None:
    assert grade("pet", "cat", said) == quality


def test_words_hold_all_that_is_known_of_a_person() -> None:
    for question in make_questions(3, 60, "train"):
        wish = Wish.read(question.text)
        assert wish.text(wish.stated) == question.text
        assert sum(wish.belief) == pytest.approx(1)


def test_no_set_of_things_is_on_both_sides() -> None:
    train, test = (
        {frozenset(Wish.read(q.text).things) for q in make_questions(0, 400, split)}
        for split in ("train", "test")
    )
    assert train and test and not train & test
    assert make_questions(0, 5, "test") == make_questions(0, 5, "test")


def test_what_is_hidden_is_drawn_by_the_belief_and_alike_in_every_arm() -> None:
    question = TWO.question("q", "test")
    drawn = [match_of(question, number) for number in range(400)]
    share = np.mean([one.goal.answers == ("cat",) for one in drawn])
    assert 0.6 < share < 0.8
    assert 0.2 < np.mean([one.persona.type == "guarded" for one in drawn]) < 0.4
    full = [match_of(question, number, arm="full") for number in range(20)]
    assert [one.goal.answers for one in full] == [one.goal.answers for one in drawn[:20]]
    assert "i want a pet, a " in full[0].opening[0]["content"]


def test_belief_after_replies() -> None:
    assert belief_of(TWO) == pytest.approx([0.49, 0.21, 0.21, 0.09])
    assert belief_of(TWO, ("a dog.",)) == pytest.approx([0, 1, 0, 0])
    assert belief_of(TWO, (UNSURE,)) == pytest.approx([0, 0, 0.7, 0.3])
    assert belief_of(TWO, (UNSURE, "a dog.")) == pytest.approx([0, 0, 0, 1])


def test_rules_ask_where_it_pays_them() -> None:
    even = replace(TWO, shares=(5, 5), price="cheap")
    assert worth_rule(even, ()) == looks_ahead(even, ()) == 2
    hasty = replace(even, patience="hasty")
    assert (worth_rule(hasty, ()), looks_ahead(hasty, ())) == (2, 0)  # it counts who leaves
    sure = replace(TWO, shares=(9, 1), price="dear")
    assert worth_rule(sure, ()) == looks_ahead(sure, ()) == likeliest(sure, ()) == 0
    for decide in CLERKS.values():
        assert decide(replace(TWO, stated=1), ()) == 1
        assert decide(even, ("a dog.",)) == 1


def test_a_single_answer_is_paid_without_regard_to_what_follows() -> None:
    asks, right, wrong = (
        played_as(TWO, 0, False, says, 1.0) for says in (["pet?", "cat."], ["cat."], ["dog."])
    )
    paid = asyncio.run(judged_once([], [], played=[asks, right, wrong]))
    assert paid[1] == pytest.approx(worth_of(right))
    assert paid[0] is not None and worth_of(asks) < paid[0] < worth_of(right)
    assert paid[2] == 0
    failed = replace(right, end="failed", failed="user")
    unread = replace(right, turns=(replace(right.turns[0], quality=None),))
    assert asyncio.run(judged_once([], [], played=[failed, unread])) == [None, None]


def test_lessons_are_in_the_words_of_the_desk() -> None:
    rng = np.random.default_rng(0)
    for question in make_questions(0, 40, "train"):
        for messages, answer in lessons(question, rng):
            assert messages[0]["content"] == question.text
            assert [m["role"] for m in messages] == [
                "user",
                *["assistant", "user"] * (len(messages) // 2),
            ]
            assert answer.startswith(("here is a ", "which "))


def test_the_teacher_asks_the_more_the_less_it_knows_and_the_likelier_a_reply() -> None:
    assert inclination("patient", 0.9) == pytest.approx(0.0475)
    assert inclination("patient", 0.5) > inclination("busy", 0.5) > inclination("busy", 0.7) > 0
    rng, even = np.random.default_rng(0), replace(TWO, shares=(5, 5), patience="patient")
    first = [next(lessons(even.question("q", "train"), rng))[1] for _ in range(400)]
    asked = sum(answer.startswith("which") for answer in first) / len(first)
    assert asked == pytest.approx(inclination("patient", 0.5), abs=0.1)


def test_the_report_compares_with_the_optimum_on_the_same_people() -> None:
    questions = make_questions(0, 8, "test")

    async def all_of(name: str) -> list[Played]:
        clerk = Clerk(CLERKS[name])
        return [(await play(match_of(q, n), clerk, RULES))[0] for q in questions for n in range(3)]

    best, direct = (asyncio.run(all_of(name)) for name in ("optimum", "direct"))
    talks = Talks({"optimum": {0: best}, "direct": {0: direct}, "turns": {0: best, 1: direct}})
    assert talks.share("optimum").value == pytest.approx(1)
    worse = np.mean([worth_of(one) for one in direct]) / np.mean([worth_of(one) for one in best])
    assert talks.share("direct").value == pytest.approx(worse)
    assert talks.share("turns").value == pytest.approx((1 + worse) / 2)
    groups = ["detailed", "open", "guarded", *PATIENCE, *PRICE]
    report = desk_report(talks, 0.7, groups)
    assert [len(sheet.rows) for sheet in report.sheets] == [3, len(groups)]
    assert "turns has" in report.sentences[1]
    assert sum(belongs(one, "cheap") for one in best) < len(best)


def test_settings_that_are_not_given_stay_those_of_the_desk() -> None:
    found = TurnsSettings.model_validate({"rl": {"steps": 7}, "sft": {"batch": 8}})
    usual = TurnsSettings()
    assert found.rl == usual.rl.model_copy(update={"steps": 7})
    assert found.sft == usual.sft.model_copy(update={"batch": 8})
    assert usual.rl.max_completion < 20
