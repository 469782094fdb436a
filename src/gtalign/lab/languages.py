"""The two languages in which the small world is told: terse, for a small network, and English."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Final, Literal

import numpy as np

from gtalign.lab import english, english_judge, questions, speech
from gtalign.lab.judge import LabJudge
from gtalign.lab.questions import NamePool, Need
from gtalign.lab.speech import Speech

Name = Literal["terse", "english"]
Maker = Callable[[np.random.Generator, NamePool], Need]


@dataclass(frozen=True, slots=True)
class Language:
    """How the world is told.

    Args:
        tasks: What makes the items of each task.
        ood_tasks: The same for the tasks out of distribution.
        split_names: Draws the names for training, and those for the test.
        speech: The words of the teachers.
        judge: Reads the answers.
    """

    tasks: Mapping[str, Maker]
    ood_tasks: Mapping[str, Maker]
    split_names: Callable[[np.random.Generator], tuple[NamePool, NamePool]]
    speech: Speech
    judge: LabJudge


def _language(words: ModuleType, spoken: Speech, judge: LabJudge) -> Language:
    """Return the language of a module with the makers of every task."""
    return Language(
        tasks={
            "sums": words.sums,
            "notes": words.notes,
            "people": words.people,
            "requests": words.requests,
        },
        ood_tasks={
            "sums-long": partial(words.sums, steps=3),
            "people-dialogue": partial(words.people, dialogue=True),
            "requests-command": partial(words.requests, command=True),
        },
        split_names=words.split_names,
        speech=spoken,
        judge=judge,
    )


LANGUAGES: Final[Mapping[Name, Language]] = {
    "terse": _language(questions, speech.TERSE, LabJudge()),
    "english": _language(
        english, speech.ENGLISH, LabJudge(english_judge.quality, english_judge.refuses)
    ),
}
