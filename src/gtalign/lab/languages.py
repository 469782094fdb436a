"""The two languages in which the small world is told: terse, for a small network, and English."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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


LANGUAGES: Final[Mapping[Name, Language]] = {
    "terse": Language(
        tasks={
            "sums": questions.sums,
            "notes": questions.notes,
            "people": questions.people,
            "requests": questions.requests,
        },
        ood_tasks={
            "sums-long": partial(questions.sums, steps=3),
            "people-dialogue": partial(questions.people, dialogue=True),
            "requests-command": partial(questions.requests, command=True),
        },
        split_names=questions.split_names,
        speech=speech.TERSE,
        judge=LabJudge(),
    ),
    "english": Language(
        tasks={
            "sums": english.sums,
            "notes": english.notes,
            "people": english.people,
            "requests": english.requests,
        },
        ood_tasks={
            "sums-long": partial(english.sums, steps=3),
            "people-dialogue": partial(english.people, dialogue=True),
            "requests-command": partial(english.requests, command=True),
        },
        split_names=english.split_names,
        speech=speech.ENGLISH,
        judge=LabJudge(english_judge.quality, english_judge.refuses),
    ),
}
