"""The record of a conversation: the field ``conversation`` of its transcript."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Literal, get_args

from gtalign.errors import DataError
from gtalign.transcripts.columns import check_matrix

Arm = Literal["baseline", "full", "ask"]
"""``baseline``: one answer to the question as asked, and no user; ``full``: the question with
nothing left out; ``ask``: the question as asked, and the user replies."""

End = Literal["satisfied", "left", "turns", "failed"]
"""How a conversation ends: the user is satisfied or leaves, the turns are over, or it failed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the assistant and what the user made of it.

    Args:
        response: What the user read.
        action: The action that the response carries out, as the signs of the game have it; None
            if none fits.
        questions: Number of questions in it.
        hits: Missing facts, not told yet, that it asks for.
        quality: Quality of what it states, in [0, 1]; 0 if it states nothing, None if unknown.
        tokens: Tokens that the assistant wrote, reasoning included.
        read: Tokens that the user read.
        completion: The whole text that the assistant wrote; empty if that is the response.
        stated: The payoff matrix of its chain, in JSON form; None if it has none.
        reply: What the user said; None if the conversation ended here.
        written: Tokens that the user wrote.
        told: Missing facts that the user told.
        leaks: What the user gave away that it should not: see `gtalign.dialogue.leaks`.
        states: Whether the response states something; None in older records, whose action says it.
    """

    response: str
    action: str | None
    questions: int
    hits: tuple[int, ...]
    quality: float | None
    tokens: int
    read: int
    completion: str = ""
    stated: Mapping[str, Any] | None = None
    reply: str | None = None
    written: int = 0
    told: tuple[int, ...] = ()
    leaks: tuple[str, ...] = ()
    states: bool | None = None

    @property
    def answers(self) -> bool:
        """Whether the response states something, so that it has a quality."""
        return self.action in ("DA", "AQ") if self.states is None else self.states

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        return record | {name: list(record[name]) for name in ("hits", "told", "leaks")}

    @classmethod
    def from_json(cls, source: Any, name: str) -> "Turn":
        """Build a turn from JSON; raises DataError that names a wrong field."""
        given = _known(cls, source, name)
        for field in ("questions", "tokens", "read", "written"):
            _check(_count(given.get(field, 0)), name, field, "a whole number from 0 on")
        for field in ("hits", "told"):
            _check(_all(given.get(field, ()), _count), name, field, "a list of whole numbers")
        _check(_all(given.get("leaks", ()), _text), name, "leaks", "a list of texts")
        for field in ("response", "completion"):
            _check(_text(given.get(field, "")), name, field, "text")
        for field in ("action", "reply"):
            value = given.get(field)
            _check(value is None or _text(value), name, field, "text or null")
        _check(given.get("states") in (None, True, False), name, "states", "a truth or null")
        if given.get("stated") is not None:
            check_matrix(given["stated"], f"{name}.stated")
        quality = given.get("quality")
        _check(
            quality is None or (_number(quality) and 0 <= quality <= 1),
            name,
            "quality",
            "a number in [0, 1] or null",
        )
        given |= {f: tuple(given[f]) for f in ("hits", "told", "leaks") if f in given}
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Played:
    """A conversation that has ended.

    Args:
        question: Id of the question.
        arm: The arm, or the cell that was forced (``VQ_CQ``).
        user: Name of the simulated user.
        persona: The user's persona, as JSON.
        missing: Number of facts that the opening left out.
        turns: The turns.
        end: How it ended.
        empty_handed: Whether the user left without reading the last response.
        problem: Why it failed; None if it did not.
        failed: Who failed, ``user`` or ``assistant``; None if nobody did.
        forced: The action that the first response was made to carry out; None for a free one.
        kind: Kind of the user, such as ``scripted``; empty in older records.
    """

    question: str
    arm: str
    user: str
    persona: Mapping[str, Any]
    missing: int
    turns: tuple[Turn, ...]
    end: End
    empty_handed: bool = False
    problem: str | None = None
    failed: Literal["user", "assistant"] | None = None
    forced: str | None = None
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        return record | {
            "persona": dict(self.persona),
            "turns": [turn.to_json() for turn in self.turns],
        }

    @classmethod
    def from_json(cls, source: Any, name: str = "conversation") -> "Played":
        """Build the record from JSON; raises DataError that names a wrong field."""
        given = _known(cls, source, name)
        for field in ("question", "arm", "user"):
            _check(_text(given[field]), name, field, "text")
        _check(_text(given.get("kind", "")), name, "kind", "text")
        _check(isinstance(given["persona"], Mapping), name, "persona", "an object")
        _check(_count(given["missing"]), name, "missing", "a whole number from 0 on")
        _check(given["end"] in get_args(End), name, "end", f"one of {', '.join(get_args(End))}")
        _check(given.get("empty_handed", False) in (True, False), name, "empty_handed", "a truth")
        for field in ("problem", "forced"):
            value = given.get(field)
            _check(value is None or _text(value), name, field, "text or null")
        _check(given.get("failed") in (None, *FAILING), name, "failed", "user or assistant")
        turns = given["turns"]
        _check(isinstance(turns, list | tuple), name, "turns", "a list")
        read = (Turn.from_json(turn, f"{name}.turns.{n}") for n, turn in enumerate(turns))
        return cls(**(given | {"turns": tuple(read)}))


FAILING: Final = ("user", "assistant")
"""Who can fail in a conversation."""


def _known(cls: type[Any], source: Any, name: str) -> dict[str, Any]:
    """The fields of a class in an object; raises DataError if one that it needs is missing."""
    if not isinstance(source, Mapping):
        raise DataError(f"column {name!r} has to be an object")
    optional = {f.name for f in fields(cls) if f.default is not MISSING}
    lacking = [f.name for f in fields(cls) if f.name not in source and f.name not in optional]
    if lacking:
        raise DataError(f"column {name!r} lacks {lacking[0]!r}")
    return {f.name: source[f.name] for f in fields(cls) if f.name in source}


def _check(right: bool, name: str, field: str, wanted: str) -> None:
    if not right:
        raise DataError(f"column '{name}.{field}' has to be {wanted}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(values: Any, check: Any) -> bool:
    return isinstance(values, list | tuple) and all(map(check, values))
