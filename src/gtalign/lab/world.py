"""The small world: all its questions, from a seed, with no entity shared by train and test."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from gtalign.lab.hedges import Hedged, belief_of
from gtalign.lab.languages import LANGUAGES, Maker, Name
from gtalign.lab.questions import NamePool, Need
from gtalign.lab.terms import Terms
from gtalign.lab.users import Situation, true_payoff
from gtalign.tasks import Message, Question

FORMS = {"VQ": "vague", "DQ": "detailed"}


@dataclass(frozen=True, slots=True)
class World:
    """The questions of one world; both forms of an item stand next to each other."""

    train: list[Question] = field(repr=False)
    test: list[Question] = field(repr=False)
    ood: list[Question] = field(repr=False)
    valid: list[Question] = field(repr=False)


def make_world(
    seed: int,
    train_items: int,
    test_items: int,
    language: Name = "terse",
    *,
    valid_items: int = 0,
    conflict: float = 0.0,
    hedged: float = 0.0,
) -> World:
    """Make a world.

    Args:
        seed: Same seed, same world.
        train_items: Number of training items of each task; each gives two questions.
        test_items: Number of test items of each task, in and out of distribution.
        language: How items are worded; see `gtalign.lab.languages`.
        valid_items: Number of items of each task to choose settings by.
        conflict: How far the interests of the two sides differ, in [0, 1]. Above 0, each item is
            asked of a service with terms of its own, which its prompt names.
        hedged: Share of the items whose wording leaves open whether the question is vague; see
            `gtalign.lab.hedges`. Items whose makers know no other facts keep their wording.

    Returns:
        Questions whose people, cities and triples of numbers are disjoint between training and
        the two test sets. Those of validation are new, of the people and cities of training. All
        other words (things, jobs, pets, devices) are shared. The items do not depend on the
        conflict.
    """
    told = LANGUAGES[language]
    seen, unseen = told.split_names(np.random.default_rng([seed, 0]))

    def ask(
        makers: Mapping[str, Maker], split: str, names: NamePool, items: int, stream: int
    ) -> list[Question]:
        rng = np.random.default_rng([seed, stream])
        asked: list[Question] = []
        services = np.random.default_rng([seed, stream, 1])
        hedges = np.random.default_rng([seed, stream, 2])
        for number in range(items):
            for task, make in makers.items():
                facts: dict[str, Any] = {}
                item, line = make(rng, names), ""
                if conflict:
                    terms = Terms.draw(services)
                    facts = {"conflict": conflict, "terms": asdict(terms)}
                    line = terms.said(told.speech.terms)
                cluster = f"{split}-{task}-{number}"
                hedging = bool(item.others) and hedges.random() < hedged
                for form in FORMS:
                    fact = Hedged.draw(item, form, hedges) if hedging else None
                    if hedged:
                        facts = {**facts, "right_belief": belief_of(form, fact)}
                    asked.append(_question(item, form, task, split, cluster, facts, line, fact))
        return asked

    return World(
        train=ask(told.tasks, "train", seen, train_items, 1),
        test=ask(told.tasks, "test", unseen, test_items, 2),
        ood=ask(told.ood_tasks, "ood", unseen, test_items, 3),
        valid=ask(told.tasks, "valid", seen, valid_items, 4),
    )


def first_questions(count: int) -> list[Question]:
    """Return so many test questions of a small world, the same each time."""
    return make_world(0, 1, count).test[:count]


def _question(
    item: Need,
    form: str,
    task: str,
    split: str,
    cluster: str,
    facts: Mapping[str, Any],
    line: str,
    hedged: Hedged | None,
) -> Question:
    turns = list(getattr(item, FORMS[form]) if hedged is None else hedged.worded(item))
    turns[-1] = f"{line} {turns[-1]}".strip()
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(turns))
    told = asdict(replace(item, others=()))
    del told["others"]  # they are many, and of the wording alone
    known = {"item": told, **facts}
    truths = {f: true_payoff(Situation.of({**known, "user_action": f})) for f in FORMS}
    other = "DQ" if form == "VQ" else "VQ"
    extra: dict[str, Any] = {
        "split": split,
        "user_action": form,
        "true_payoff": truths[form].to_json(),
        "other_payoff": truths[other].to_json(),
        **known,
        **({} if hedged is None else {"hedged": hedged.facts}),
    }
    return Question(
        id=f"{cluster}-{form}",
        task=task,
        messages=messages,
        ground_truth=item.answer,
        cluster=cluster,
        extra=extra,
    )
