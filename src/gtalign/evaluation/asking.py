"""A baseline without training: ask if and only if the reply is worth more than it costs.

The probabilities are the model's own: it drafts several short answers to a question, and the share
of equal drafts is how likely it thinks their answer. Each distinct answer stands for one reading of
the question. A reply would settle which one is meant; whether that is worth its cost is decided as
in `gtalign.game.clarify`. The rule is that of the value of information; Dong et al., "Value of
Information: A Framework for Human-Agent Communication" (arXiv 2601.06407), apply it to LLM agents
without training. Drafts in place of stated probabilities are our choice: any checkpoint and any
server can write them.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import numpy as np

from gtalign.chain import response_of
from gtalign.data.schema import instructed
from gtalign.evaluation.answerer import Answerer
from gtalign.evaluation.settings import AskIfWorth
from gtalign.game import ClarifyingQuestion, clarifying_move
from gtalign.tasks import Message

SHOWN: Final = 5
"""Most distinct drafts that are recorded of a question."""

_LONGEST: Final = 200  # characters of a draft that are compared
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_MARKS: Final = str.maketrans(dict.fromkeys(string.punctuation, " "))


class AsksIfWorth:
    """An answerer that asks a question back where that is worth it, and answers otherwise.

    Args:
        inner: The model; it has to draw its answers, or all drafts are alike.
        settings: When to ask.

    Attributes:
        width: Number of questions in a batch.
        facts: By id of the question, what was decided and why (``asking``), and how sure the model
            is that the question has one reading (``belief``).
    """

    def __init__(self, inner: Answerer, settings: AskIfWorth) -> None:
        self.inner = inner
        self.settings = settings
        self.width = inner.width
        self.facts: dict[str, dict[str, Any]] = {}

    async def answer(
        self, prompts: Sequence[Sequence[Message]], ids: Sequence[str], sample: int = 0
    ) -> list[str]:
        """Return an answer to each prompt, or a question back.

        Raises:
            TeacherError: The model failed; the message names the question.
        """
        count, first = self.settings.drafts, 1 + sample * (self.settings.drafts + 1)
        asked = [instructed(prompt, _text("draft")) for prompt in prompts]
        drafts = [await self.inner.answer(asked, ids, first + k) for k in range(count)]
        final = []
        for place, (prompt, name) in enumerate(zip(prompts, ids, strict=True)):
            found = self.decide([texts[place] for texts in drafts])
            self.facts[name] = found
            final.append(instructed(prompt, _text("ask" if found["asking"]["asks"] else "answer")))
        return await self.inner.answer(final, ids, first - 1)

    def decide(self, drafts: Sequence[str]) -> dict[str, Any]:
        """Whether to ask, from the drafts of one question; empty drafts are readings of their own.

        Returns:
            What `facts` holds.
        """
        alike = Counter(
            same_text(response_of(draft)) or f"(empty {number})"
            for number, draft in enumerate(drafts)
        )
        share_K = np.array([count for _, count in alike.most_common()]) / len(drafts)
        right_KK = self.settings.worth * np.eye(len(share_K))
        payoffs = np.stack([right_KK, np.zeros_like(right_KK)], axis=-1)
        reply = ClarifyingQuestion(
            np.eye(len(share_K)), (self.settings.cost, 0.0), patience=self.settings.replies
        )
        move, _ = clarifying_move(payoffs, share_K, [reply], 1)
        best = float(share_K[0])
        return {
            "asking": {
                "asks": int(move) == len(share_K),
                "answering": self.settings.worth * best,
                "asked": self.settings.worth * self.settings.replies - self.settings.cost,
                "drafts": {text: count / len(drafts) for text, count in alike.most_common(SHOWN)},
            },
            "belief": {"DQ": best, "VQ": 1 - best},
        }


def same_text(text: str) -> str:
    """A text without what makes equal short answers look different: case, marks, articles."""
    plain = text[:_LONGEST].casefold().translate(_MARKS)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def facts_of(answerer: Answerer, name: str) -> Mapping[str, Any]:
    """Return what to record of an answer beside its text; the second call returns nothing."""
    return answerer.facts.pop(name, {}) if isinstance(answerer, AsksIfWorth) else {}


def _text(name: str) -> str:
    return files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8").strip()
