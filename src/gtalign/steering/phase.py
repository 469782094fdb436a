"""The phases in which an answer was written, and how it was written once more."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from gtalign.steering.fields import Fields

SHADOW: Final = "shadow"
"""How the name of a phase begins that wrote no part of the answer, but a chain beside it."""

PASSED: Final = "passed"
"""Name of the phase in which an engine wrote its own answer."""

FROM_MATRIX: Final = "from the matrix"
ASKED_AGAIN: Final = "asked again"
"""Names of the phases that write what follows the edit: in the same message, or in a new one."""

RETRY: Final = "retry"
"""How the name of a phase begins that wrote an answer once more, because it did not obey."""

_WRITINGS: Final = ("first", "second")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of writing.

    Args:
        name: What was written, such as ``thinking`` or ``response``.
        tokens: Number of tokens written.
        prompt_tokens: Number of tokens before them; None if unknown.
        cached_tokens: How many of those came from the engine's cache; None if unknown.
        finish: Why it ended.
        ms: Milliseconds from its request to its end, including the time of its reader; None in old
            records.
    """

    name: str
    tokens: int
    prompt_tokens: int | None
    cached_tokens: int | None
    finish: str
    ms: float | None = None

    @property
    def shadow(self) -> bool:
        """Whether it wrote no part of the answer, but a chain beside it."""
        return self.name.startswith(SHADOW)

    @property
    def again(self) -> bool:
        """Whether it wrote the answer once more, because the first response did not obey."""
        return self.name.startswith(RETRY)

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_json(cls, source: Mapping[str, Any] | Fields) -> "Phase":
        """Read what `to_json` wrote; raises DataError that names a wrong field."""
        given = Fields.of(source)
        return cls(
            name=given.text("name"),
            tokens=given.count("tokens"),
            prompt_tokens=given.known("prompt_tokens", given.count),
            cached_tokens=given.known("cached_tokens", given.count),
            finish=given.text("finish"),
            ms=given.known("ms", given.number),
        )


_FIELDS: Final = tuple(f.name for f in fields(Phase))


@dataclass(frozen=True, slots=True)
class Retried:
    """How an answer that did not carry out the chosen action was written once more.

    Args:
        first: The action that the first response carries out.
        second: The action that the second one carries out; None if that is unknown.
        served: The writing that is the answer: the second if it obeyed, and else the first.
        reason: Why it is the first; None if it is the second.
    """

    first: str
    second: str | None
    served: Literal["first", "second"]
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, source: Mapping[str, Any] | Fields) -> "Retried":
        """Read what `to_json` wrote; raises DataError that names a wrong field."""
        given = Fields.of(source)
        return cls(
            first=given.text("first"),
            second=given.known("second", given.text),
            served=given.choice("served", _WRITINGS),
            reason=given.known("reason", given.text),
        )
