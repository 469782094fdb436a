"""The cold start at the desk: conversations with a clerk that knows little but its words."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from gtalign.dialogue.scripted import UNSURE
from gtalign.lab.desk.people import TURNS
from gtalign.lab.desk.wishes import GUARDED, Wish
from gtalign.tasks import Message, Question

ASKS: Final = {"patient": 0.7, "busy": 0.5, "hasty": 0.3}
"""How often the teacher asks, by the patience of the person: a rule of thumb, which does not regard
what a turn costs and how much is known."""

IDLE: Final = 0.05
"""How often it asks although it has been told what is wanted."""

ERRS: Final = 0.1
"""How often it answers with anything at all instead of the likeliest."""

Lesson = tuple[tuple[Message, ...], str]
"""A conversation, and the clerk's answer to it."""


def lessons(question: Question, rng: np.random.Generator) -> Iterator[Lesson]:
    """Yield what a clerk says in one conversation that begins with a question."""
    wish, messages = Wish.read(question.text), question.messages
    belief = np.array(wish.belief)
    guarded = bool(rng.random() < GUARDED)
    wanted = int(rng.choice(len(belief), p=belief))
    for turn in range(TURNS):
        sure = bool(belief.max() == 1)
        if rng.random() >= (IDLE if sure else ASKS[wish.patience]) or turn == TURNS - 1:
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
