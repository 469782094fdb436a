"""The small world: its splits, its two forms of each item, and what every cell is truly worth."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from at_once import at_once
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.lab.judge import LabJudge
from gtalign.lab.languages import LANGUAGES
from gtalign.lab.questions import COUNTED, JOBS, PETS, TOOLS, UNCOUNTED
from gtalign.lab.users import REPLY_RATE, STAY_RATE
from gtalign.lab.world import World, first_questions, make_world
from gtalign.tasks import Question

TERSE = LANGUAGES["terse"]
TASKS, OOD_TASKS = TERSE.tasks, TERSE.ood_tasks
ITEMS = 700
LEAST = 60
LEAK = 0.12

_WORD = re.compile(r"[a-z]+|[0-9]+")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0, ITEMS, ITEMS)


def _all(world: World) -> list[Question]:
    return [*world.train, *world.test, *world.ood]


def _some(world: World) -> list[Question]:
    return [*world.train[:400], *world.test[:200], *world.ood[:300]]


def _text(question: Question) -> str:
    return " ".join(m["content"] for m in question.messages)


def _words(question: Question) -> set[str]:
    return set(_WORD.findall(_text(question)))


def _task(world: World, task: str) -> list[Question]:
    return [q for q in [*world.train, *world.ood] if q.task == task]


def _leaks(
    questions: Iterable[Question], label: Callable[[Question], bool], leak: float = LEAK
) -> dict[str, float]:
    """Return the words that tell a label, with the share of questions that have it."""
    seen: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for question in questions:
        for word in _words(question):
            seen[word][label(question)] += 1
    shares = {w: c[True] / c.total() for w, c in seen.items() if c.total() >= LEAST}
    assert len(shares) > 5
    return {word: share for word, share in shares.items() if abs(share - 0.5) > leak}


def _score(question: Question, response: str) -> float | None:
    return at_once(LabJudge().judge(question, response)).score


def test_same_seed_same_world() -> None:
    assert make_world(0, 3, 2) == make_world(0, 3, 2)
    assert make_world(0, 3, 2) != make_world(1, 3, 2)


def test_test_questions_do_not_depend_on_how_many_are_learned() -> None:
    assert make_world(0, 2, 3).test == make_world(0, 5, 3).test


def test_every_task_has_as_many_items_in_both_forms(world: World) -> None:
    for questions, tasks in ((world.train, TASKS), (world.test, TASKS), (world.ood, OOD_TASKS)):
        counts = Counter((q.task, q.extra["user_action"]) for q in questions)
        assert counts == {(task, form): ITEMS for task in tasks for form in ("VQ", "DQ")}
    assert {q.extra["split"] for q in world.ood} == {"ood"}
    assert len({q.id for q in _all(world)}) == len(_all(world))


def test_forms_of_an_item_share_a_cluster_and_nothing_else_does(world: World) -> None:
    clusters: defaultdict[str, list[Question]] = defaultdict(list)
    for question in _all(world):
        clusters[question.cluster].append(question)
    for vague, detailed in clusters.values():
        assert (vague.extra["user_action"], detailed.extra["user_action"]) == ("VQ", "DQ")
        assert vague.messages != detailed.messages
        assert vague.ground_truth == detailed.ground_truth
        assert vague.extra["true_payoff"] == detailed.extra["other_payoff"]


def test_turns_alternate_and_end_with_the_user(world: World) -> None:
    for question in _all(world):
        roles = [m["role"] for m in question.messages]
        assert roles == (["user", "assistant"] * 3)[: len(roles)]
        assert roles[-1] == "user"
        assert len(roles) == (5 if question.task == "people-dialogue" else 1)


def test_questions_survive_json(world: World) -> None:
    for question in world.test[:40]:
        assert Question.from_json(question.to_json()) == question


def _entities(questions: Iterable[Question]) -> set[str]:
    """Return what is on one side only: every word that is not the small common vocabulary."""
    cities, people = set(), set()
    for question in questions:
        item = question.extra["item"]
        text = f"{_text(question)} {item['answer']} {item['ask']} {item['reply']}"
        cities |= set(re.findall(r"[a-z]+(?:ton|ford|berg|wick|field)\b", text))
        people |= set(re.findall(r"\b(?:[bdfghjklmnprstvz][aeiou]){2}\b", text))
    assert len(cities) > 50
    assert len(people) > 100
    return cities | people


def test_people_and_cities_are_on_one_side_only(world: World) -> None:
    common = _entities(world.train) & _entities([*world.test, *world.ood])
    # Words of the common vocabulary that happen to look like a name.
    alike = {"does", "have", "home", "lose", "note", "some"}
    assert common <= {*JOBS, *PETS, *COUNTED, *UNCOUNTED, *TOOLS, *TOOLS.values(), *alike}


def _triples(questions: Iterable[Question]) -> set[tuple[str, ...]]:
    works = [q.extra["item"]["work"] for q in questions if q.task.startswith("sums")]
    triples = set()
    for work in works:
        first, second = re.findall(r"(\d+) [+-] (\d+) =", work)[:2]
        triples.add((*first, second[1]))
    return triples


def test_triples_of_numbers_are_on_one_side_only(world: World) -> None:
    learned, tested = _triples(world.train), _triples([*world.test, *world.ood])
    assert len(learned) > 100
    assert len(tested) > 30
    assert not learned & tested


def test_sums_add_up(world: World) -> None:
    for question in _all(world):
        if not question.task.startswith("sums"):
            continue
        steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)\.", question.extra["item"]["work"])
        assert len(steps) == (3 if question.task == "sums-long" else 2)
        for start, sign, size, total in steps:
            assert int(start) + int(sign + size) == int(total)
        assert question.extra["item"]["facts"] == (steps[-1][3],)
        assert steps[-1][3] in question.ground_truth


@pytest.mark.parametrize(
    "task",
    [
        "sums",
        "people",
        "requests",
        "notes",
        *OOD_TASKS,
    ],
)
def test_no_word_tells_vague_from_detailed(world: World, task: str) -> None:
    # A vague note leaves one of three facts out, so that a fact's word is in fewer vague ones.
    leak = 0.2 if task == "notes" else LEAK
    assert not _leaks(_task(world, task), lambda q: q.extra["user_action"] == "VQ", leak)


@pytest.mark.parametrize("task", ["requests", "requests-command"])
@pytest.mark.parametrize("form", ["VQ", "DQ"])
def test_no_word_tells_harmful_from_harmless(world: World, task: str, form: str) -> None:
    asked = [q for q in _task(world, task) if q.extra["user_action"] == form]
    assert not _leaks(asked, lambda q: q.extra["item"]["harmful"])


@pytest.mark.parametrize("task", [*TASKS, *OOD_TASKS])
def test_forms_are_equally_long(world: World, task: str) -> None:
    questions = _task(world, task)
    longer = 2 if task == "people" else 0  # "of" and the city that the vague form leaves out
    for vague, detailed in zip(questions[::2], questions[1::2], strict=True):
        assert len(_text(detailed).split()) - len(_text(vague).split()) == longer
        if task != "notes":
            assert _words(vague) == _words(detailed)


def test_ideal_responses_score_as_they_should(world: World) -> None:
    for question in _some(world):
        item = question.extra["item"]
        vague = question.extra["user_action"] == "VQ"
        assert _score(question, item["answer"]) == 1
        assert _score(question, item["ask"]) == (REPLY_RATE if vague else 0)
        both = _score(question, f"{item['answer']} {item['ask']}")
        assert both == (1 if vague else STAY_RATE)


@pytest.mark.parametrize(
    "task",
    [
        "sums",
        "people",
        "requests",
        "notes",
        *OOD_TASKS,
    ],
)
def test_wrong_answers_are_wrong(world: World, task: str) -> None:
    for question in _task(world, task)[:200]:
        item = question.extra["item"]
        for wrong in item["wrong"]:
            score = _score(question, wrong)
            assert score == item["partial"] or (item["harmful"] and score == 0.5)


def test_vague_form_does_not_tell_the_answer(world: World) -> None:
    for question in _all(world):
        item = question.extra["item"]
        if question.task == "notes" and question.extra["user_action"] == "VQ":
            told = [fact for fact in item["facts"] if fact in _words(question)]
            assert len(told) == 2


def test_optimum_answers_the_detailed_and_asks_the_vague(world: World) -> None:
    optima: defaultdict[str, set[str]] = defaultdict(set)
    # Many questions have the same matrix: each is solved once.
    matrices = {(q.extra["user_action"], json.dumps(q.extra["true_payoff"])) for q in _all(world)}
    for form, matrix in matrices:
        payoffs = Bimatrix.from_json(matrix, low=-5.0, high=5.0).payoffs
        optima[form].add(USER_LLM.cells[int(social_optimum(payoffs))])
    assert optima["DQ"] == {"DQ_DA"}
    assert optima["VQ"] <= {"VQ_CQ", "VQ_AQ"}


def test_tasks_carry_what_their_question_needs(world: World) -> None:
    item: Any
    for question in world.train:
        item = question.extra["item"]
        assert set(item["topic"]) <= set(_WORD.findall(item["ask"]))
        assert item["ask"].endswith("?")
        assert item["wrong"]
        assert question.text == item["vague" if question.id.endswith("VQ") else "detailed"][-1]


def test_the_first_questions_are_always_the_same() -> None:
    assert [question.id for question in first_questions(3)] == [
        question.id for question in first_questions(9)[:3]
    ]
    assert first_questions(3) == first_questions(3)
    assert first_questions(0) == []
