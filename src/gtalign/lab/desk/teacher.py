"""The cold start at the desk: conversations with a clerk that knows little but its words."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from gtalign.dialogue.scripted import UNSURE
from gtalign.lab.desk.people import TURNS
from gtalign.lab.desk.wishes import GUARDED, PATIENCE, Wish
from gtalign.tasks import Message, Question

IDLE: Final = 0.05
"""How often it asks although the customer has said what is wanted."""

ERRS: Final = 0.1
"""How often it answers with anything at all instead of the likeliest."""

Lesson = tuple[tuple[Message, ...], str]
"""A conversation, and the clerk's answer to it."""


def inclination(patience: str, likeliest: float) -> float:
    """Return how often the teacher asks: half as often as its guess is wrong and a reply comes.

    It knows what matters but not how much, it does not regard what a turn costs, and it answers at
    once more often than not, so that reinforcement learning has to find where to ask.

    Args:
        patience: A key of `PATIENCE`.
        likeliest: Probability of what is most likely wanted.
    """
    return PATIENCE[patience] * (1 - likeliest) / 2


def lessons(question: Question, rng: np.random.Generator) -> Iterator[Lesson]:
    """Yield what a clerk says in one conversation that begins with a question."""
    wish, messages = Wish.read(question.text), question.messages
    belief = np.array(wish.belief)
    guarded = bool(rng.random() < GUARDED)
    wanted = int(rng.choice(len(belief), p=belief))
    for turn in range(TURNS):
        sure = bool(belief.max() == 1)
        asks = IDLE if sure else inclination(wish.patience, float(belief.max()))
        if rng.random() >= asks or turn == TURNS - 1:
            errs = rng.random() < ERRS
            given = int(rng.integers(len(belief)) if errs else belief.argmax())
            yield messages, f"here is a {wish.things[given]}."
            return
        said = f"which {wish.shelf}?"
        yield messages, said
        if sure:
            return
        tells = turn > 0 or not guarded
        if tells:
            belief = (np.arange(len(belief)) == wanted).astype(float)
        reply = f"a {wish.things[wanted]}." if tells else UNSURE
        messages = (
            *messages,
            Message(role="assistant", content=said),
            Message(role="user", content=reply),
        )
