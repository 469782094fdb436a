"""The measures of one conversation, each as a top and a bottom: a ratio of sums over many.

A mean is the ratio of a sum to a count. None stands for what is unknown, or does not exist: the
conversation then counts in neither sum, and never as zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

from gtalign.config import load_table
from gtalign.dialogue.persona import Costs
from gtalign.dialogue.played import Played, Turn

Parts = tuple[float, float] | None
"""Top and bottom; None if the conversation has no such measure."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of conversations.

    Args:
        label: Its name for people.
        higher: Whether more is better; None if neither is.
        says: What it is, in a sentence.
        of: Takes a conversation that did not fail; returns top and bottom.
        range: Least and greatest value.
        digits: Decimals to print.
    """

    label: str
    higher: bool | None
    says: str
    of: Callable[[Played], Parts]
    range: tuple[float, float] = (0.0, 1.0)
    digits: int = 2


def quality(played: Played) -> float | None:
    """Quality of the last answer that the user read; 0 without one, None if it is unknown."""
    read = played.turns[:-1] if played.empty_handed else played.turns
    stated = [turn for turn in read if turn.answers]
    return stated[-1].quality if stated else 0.0


def costs(played: Played) -> Costs:
    """The costs of the user's persona."""
    table = played.persona.get("costs", {})
    return load_table(Costs, table if isinstance(table, Mapping) else {}, "persona.costs")


def welfare(played: Played) -> tuple[float, float, float] | None:
    """Discounted welfare of user and LLM, and mutual welfare; None if the quality is unknown.

    With quality q, n answers, r tokens read, w tokens written by the user and t by the LLM, and the
    persona's costs c and discount d::

        U = d^(n-1) q - c_turn n - c_read r - c_written w
        L = d^(n-1) q - c_llm t
        W = sqrt(max(U, 0) max(L, 0))

    The unit is one right answer in the first turn. U and L can be negative; W is then 0.
    """
    worth = quality(played)
    if worth is None or not played.turns:
        return None
    c, turns = costs(played), len(played.turns)
    kept = worth * c.discount ** (turns - 1)
    spent = c.turn * turns + c.read * _sum(played, _read) + c.written * _sum(played, _written)
    user, llm = kept - spent, kept - c.llm * _sum(played, _tokens)
    return user, llm, sqrt(max(user, 0.0) * max(llm, 0.0))


def questions(played: Played) -> int:
    """Number of questions that the assistant asked."""
    return sum(turn.questions for turn in played.turns)


def _sum(played: Played, of: Callable[[Turn], int]) -> int:
    return sum(of(turn) for turn in played.turns)


def _read(turn: Turn) -> int:
    return turn.read


def _written(turn: Turn) -> int:
    return turn.written


def _tokens(turn: Turn) -> int:
    return turn.tokens


def _useful(turn: Turn) -> int:
    """Questions of a turn that ask for what is missing."""
    return min(turn.questions, len(turn.hits))


def _asked(played: Played) -> int:
    return len({fact for turn in played.turns for fact in turn.hits})


def _told(played: Played) -> int:
    return len({fact for turn in played.turns for fact in turn.told})


def _mean(value: float | None) -> Parts:
    return None if value is None else (float(value), 1.0)


def _share(top: float, bottom: float) -> Parts:
    return (float(top), float(bottom)) if bottom else None


def _goal(played: Played) -> Parts:
    found = quality(played)
    return None if found is None else (float(found >= 1), 1.0)


def _satisfied(played: Played) -> Parts:
    return None if played.arm == "baseline" else (float(played.end == "satisfied"), 1.0)


def _premature(played: Played) -> Parts:
    """Whether the assistant only answered while a fact was missing."""
    if not played.missing:
        return None
    told: set[int] = set()
    for turn in played.turns:
        if turn.answers and not turn.questions and len(told) < played.missing:
            return 1.0, 1.0
        told.update(turn.told)
    return 0.0, 1.0


def _welfare(place: int) -> Callable[[Played], Parts]:
    def of(played: Played) -> Parts:
        found = welfare(played)
        return None if found is None else (found[place], 1.0)

    return of


_ANY: Final = (-inf, inf)
_POSITIVE: Final = (0.0, inf)

MEASURES: Final[dict[str, Measure]] = {
    "goal": Measure(
        "Goal reached", True, "The last answer that the user read is wholly right.", _goal
    ),
    "quality": Measure(
        "Quality",
        True,
        "Quality of that answer; 0 if there was none.",
        lambda played: _mean(quality(played)),
    ),
    "satisfied": Measure(
        "Satisfied",
        True,
        "The user ended the conversation content; unknown in the arm `baseline`, where nobody is"
        " asked.",
        _satisfied,
    ),
    "user_welfare": Measure(
        "User welfare U",
        True,
        "Discounted quality less the user's costs of turns and tokens.",
        _welfare(0),
        _ANY,
    ),
    "llm_welfare": Measure(
        "LLM welfare L",
        True,
        "Discounted quality less the LLM's cost of tokens.",
        _welfare(1),
        _ANY,
    ),
    "welfare": Measure(
        "Mutual welfare W",
        True,
        "Square root of U times L; 0 if either is negative.",
        _welfare(2),
    ),
    "turns": Measure(
        "Turns",
        False,
        "Answers of the assistant in a conversation.",
        lambda played: _mean(len(played.turns)),
        _POSITIVE,
    ),
    "read": Measure(
        "Tokens read",
        False,
        "Tokens that the user read in a conversation.",
        lambda played: _mean(_sum(played, _read)),
        _POSITIVE,
        1,
    ),
    "written": Measure(
        "Tokens written",
        False,
        "Tokens that the user wrote after the question.",
        lambda played: _mean(_sum(played, _written)),
        _POSITIVE,
        1,
    ),
    "premature": Measure(
        "Premature answers",
        False,
        "Of the conversations that miss a fact: the assistant answered directly, without asking,"
        " while it was missing.",
        _premature,
    ),
    "needless": Measure(
        "Needless questions",
        False,
        "Questions in a conversation that ask for nothing that is missing.",
        lambda played: _mean(questions(played) - _sum(played, _useful)),
        _POSITIVE,
    ),
    "ask_precision": Measure(
        "Ask precision",
        True,
        "Of the questions, those that ask for what is missing.",
        lambda played: _share(_sum(played, _useful), questions(played)),
    ),
    "ask_recall": Measure(
        "Ask recall",
        True,
        "Of the missing facts, those that were asked for.",
        lambda played: _share(_asked(played), played.missing),
    ),
    "ask_f1": Measure(
        "Ask-F1",
        True,
        "Questions to the point and facts asked for, over all questions and missing facts: the"
        " harmonic mean of precision and recall where a question asks for one fact, once.",
        lambda played: _share(
            _sum(played, _useful) + _asked(played), questions(played) + played.missing
        ),
    ),
    "coverage": Measure(
        "Coverage",
        True,
        "Of the missing facts, those that the user told in the end.",
        lambda played: _share(_told(played), played.missing),
    ),
    "leaks": Measure(
        "Leaks",
        False,
        "Replies of the user that give away what they should not.",
        lambda played: _share(
            sum(bool(turn.leaks) for turn in played.turns),
            sum(turn.reply is not None for turn in played.turns),
        ),
    ),
}
"""Every measure by its name, in the order of the tables; a further one is one entry."""
