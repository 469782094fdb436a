"""The small world: all its questions, from a seed, with no entity shared by train and test."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gtalign.lab.languages import LANGUAGES, Maker, Name
from gtalign.lab.questions import NamePool, Need
from gtalign.lab.users import Situation, true_payoff
from gtalign.tasks import Message, Question

FORMS = {"VQ": "vague", "DQ": "detailed"}


@dataclass(frozen=True, slots=True)
class World:
    """The questions of one world; both forms of an item stand next to each other."""

    train: list[Question] = field(repr=False)
    test: list[Question] = field(repr=False)
    ood: list[Question] = field(repr=False)


def make_world(seed: int, train_items: int, test_items: int, language: Name = "terse") -> World:
    """Make a world.

    Args:
        seed: Same seed, same world.
        train_items: Number of training items of each task; each gives two questions.
        test_items: Number of test items of each task, in and out of distribution.
        language: How the world is told; see `gtalign.lab.languages`.

    Returns:
        Questions whose people, cities and triples of numbers are disjoint between training and
        the two test sets. All other words (things, jobs, pets, devices) are shared.
    """
    rng = np.random.default_rng([seed, 0])
    told = LANGUAGES[language]
    seen, unseen = told.split_names(rng)
    return World(
        train=_ask(told.tasks, "train", seen, train_items, np.random.default_rng([seed, 1])),
        test=_ask(told.tasks, "test", unseen, test_items, np.random.default_rng([seed, 2])),
        ood=_ask(told.ood_tasks, "ood", unseen, test_items, np.random.default_rng([seed, 3])),
    )


def first_questions(count: int) -> list[Question]:
    """Return so many test questions of a small world, the same each time."""
    return make_world(0, 1, count).test[:count]


def _ask(
    makers: Mapping[str, Maker], split: str, names: NamePool, items: int, rng: np.random.Generator
) -> list[Question]:
    asked: list[Question] = []
    for number in range(items):
        for task, make in makers.items():
            item = make(rng, names)
            cluster = f"{split}-{task}-{number}"
            asked.extend(_question(item, form, task, split, cluster) for form in FORMS)
    return asked


def _question(item: Need, form: str, task: str, split: str, cluster: str) -> Question:
    turns = getattr(item, FORMS[form])
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(turns))
    other = "DQ" if form == "VQ" else "VQ"
    extra: dict[str, Any] = {
        "split": split,
        "user_action": form,
        "true_payoff": true_payoff(_situation(item, form)).to_json(),
        "other_payoff": true_payoff(_situation(item, other)).to_json(),
        "item": asdict(item),
    }
    return Question(
        id=f"{cluster}-{form}",
        task=task,
        messages=messages,
        ground_truth=item.answer,
        cluster=cluster,
        extra=extra,
    )


def _situation(item: Need, form: str) -> Situation:
    return Situation(
        vague=form == "VQ",
        guess=item.guess,
        wrong=item.partial,
        answer_words=len(item.answer.split()),
        ask_words=len(item.ask.split()),
        reply_words=len(item.reply.split()),
    )
