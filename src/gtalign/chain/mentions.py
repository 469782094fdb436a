"""Find the cells and actions of a game that a text names, and where."""

import re
from functools import lru_cache, partial
from typing import NamedTuple

from gtalign.game import GameForm


class Mention(NamedTuple):
    """A place in a sentence where a cell, or an LLM action without a cell, is named."""

    start: int
    end: int
    action: str
    cell: str | None

    @property
    def name(self) -> str:
        """The cell or action that is named."""
        return self.cell or self.action


# As the class does, less what checks the arguments.
_mention = partial(tuple.__new__, Mention)


class Names:
    """Reads where the cells and actions of a game form are named."""

    def __init__(self, form: GameForm) -> None:
        def any_of(names: tuple[str, ...]) -> str:
            return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))

        def begun(name: str, rest: str) -> str:
            return rf"{re.escape(name)}(?<![\w-]{re.escape(name)}){rest}(?![\w-])"

        user, llm = any_of(form.user_actions), any_of(form.llm_actions)
        alone = {name for name in form.llm_actions if len(name) > 1} - set(form.user_actions)
        inside = rf" ?(?:user ?[:=]? ?)?(?:{user}) ?, ?(?:LLM ?[:=]? ?)?(?:{llm}) ?[)\]}}>]"
        # Each alternative begins with a letter or a bracket.
        self._pattern = re.compile(
            "|".join(
                [rf"{bracket}{inside}" for bracket in (r"\(", r"\[", r"\{", "<")]
                + [begun(name, rf"(?:_|\s?[/\u00d7]\s?)(?:{llm})") for name in form.user_actions]
                + [begun(name, "") for name in sorted(alone, key=len, reverse=True)]
            )
        )
        self._meanings: dict[str, tuple[str, str | None]] = {}

    def mentions(self, sentence: str) -> list[Mention]:
        """The places in a sentence where a cell or an action is named, in order."""
        found = []
        for place in self._pattern.finditer(sentence):
            written = place.group()
            meaning = self._meanings.get(written)
            if meaning is None:
                meaning = self._meanings[written] = _meaning(written)
            action, cell = meaning
            found.append(_mention((place.start(), place.end(), action, cell)))
        return found


names_of = lru_cache(maxsize=64)(Names)
"""The `Names` of a game form."""


def _meaning(written: str) -> tuple[str, str | None]:
    """The LLM action and the cell, if it is one, that a name as it was found stands for."""
    words = [word for word in re.split(r"[^A-Za-z0-9-]+", written) if word]
    llm = words[-1]
    if len(words) == 1:
        return llm, None
    user = words[0]
    if written[0] in "([{<":
        # "(user: VQ, LLM: CQ)", in a game whose players may have actions of those names
        user = re.split(r"[^A-Za-z0-9-]+", written.split(",")[0].rstrip())[-1]
    return llm, f"{user}_{llm}"
