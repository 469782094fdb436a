"""Goals of users, for questions from files: from the row's own goal, or else from its label.

| task | what the labels say | goal |
|---|---|---|
| any, with ``extra_info.goal`` | the goal (`gtalign.dialogue.told`) | the goal |
| ``ambig_qa``, ambiguous | every reading, with its answer | one reading, drawn by the seed |
| ``ambig_qa``, clear | the answer | the answer; nothing is missing |
| all others | no readings and no checkable answer | none |

An answer is right if it holds the reading's answer, word for word and number for number
(`gtalign.dialogue.words.states`). Labels do not say which questions ask for the reading: one that
names a word by which the readings differ does, and one that asks in general which is meant.
"""

import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Final

from gtalign.dialogue.goal import Goal, Missing
from gtalign.dialogue.told import told_goal
from gtalign.dialogue.words import states, terms_of, words_of
from gtalign.tasks import Message, Question
from gtalign.tasks.ambiguity import is_ambiguous

_READING: Final = re.compile(
    r"Meaning \d+:\s*(?P<meaning>.*?);\s*Answer \d+:\s*(?P<answer>.*?)(?=\s*Meaning \d+:|\s*\Z)",
    re.DOTALL,
)
_GENERAL: Final = ("which", "what", "mean", "meant", "clarify", "specify", "specific", "refer")


def goal_of(question: Question, seed: int = 0) -> Goal | None:
    """Return what the user of a question wants; None if neither its row nor its label says it.

    Args:
        question: The question.
        seed: Decides which of several readings the user means.

    Raises:
        DataError: The goal of the row is wrong, or the ground truth of the task has an unknown
            form.
    """
    if "goal" in question.extra:
        return told_goal(question)
    build = _TASKS.get(question.task)
    return None if build is None or not question.referenced else build(question, seed)


def _ambig_qa(question: Question, seed: int) -> Goal | None:
    truth = question.ground_truth.partition("###")[2].strip()
    if not is_ambiguous(question):
        if not terms_of(truth):
            return None
        wish = f"You want to know: {question.text}"
        return Goal(question, wish, partial(states, truth), (truth,), detailed=question.messages)
    readings = [
        (found["meaning"].strip(), found["answer"].strip()) for found in _READING.finditer(truth)
    ]
    readings = [(meaning, answer) for meaning, answer in readings if meaning and terms_of(answer)]
    if len(readings) < 2:
        return None
    number = zlib.crc32(f"{seed} {question.id}".encode("utf-8", "surrogatepass")) % len(readings)
    meaning, answer = readings[number]
    known = frozenset(words_of(question.text))
    told_apart = frozenset(word for one, _ in readings for word in words_of(one)) - known
    topic = "|".join(sorted({*told_apart, *_GENERAL}))
    return Goal(
        question=question,
        wish=f"You want to know: {meaning}",
        grade=partial(states, answer),
        answers=(answer,),
        missing=(Missing((topic,), f"I mean: {meaning}", known | {"i", "mean"}),),
        detailed=(*question.messages[:-1], Message(role="user", content=meaning)),
    )


_TASKS: Final[dict[str, Callable[[Question, int], Goal | None]]] = {"ambig_qa": _ambig_qa}
