"""Read from the analyze block, by rule, which cell it chooses.

The text also names cells while it reasons, so a name alone is no choice. The rule looks for words
that mark a choice and takes the cell that they refer to. If words of the same strength refer to
different cells, or no words mark a choice, the choice is unknown: the rule never guesses.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from gtalign.chain.mentions import Mention, names_of
from gtalign.chain.wording import (
    CONCLUDED,
    CONCLUSION,
    CUES,
    DENIED,
    HYPOTHESIS,
    JOINED,
    LIMITED,
    LINK,
    NEGATED,
    POINTS_BACK,
    Words,
    distinct,
    possible,
)
from gtalign.game import Bimatrix, GameForm

# The first letter of each pattern is a plain one, so that places where none begins cost little. A
# mark after a mark does not begin a run, which keeps long runs of them linear.
_MARKS: Final = re.compile(r"([.!?;](?<![.!?;]{2})[.!?;]*+(?=[\s)\]}]|$))")
_MARKS_AND_LINES: Final = re.compile(_MARKS.pattern[:-1] + r"|(?<![:\s])\s*\n)")
_DRESSED: Final = re.compile('[*`"\u201c\u201d$\\\\]')
_DRESS: Final = re.compile('[*`"\u201c\u201d$]' + r"|\\(?=_)|\\(?:text|mathrm)(?=\{)")
_WINDOW: Final = 60
_QUALIFYING: Final = distinct(NEGATED.stems + DENIED.stems + HYPOTHESIS.stems)


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice of an analysis.

    ``kind`` is ``cell`` (then ``cell`` and its LLM ``action`` are set), ``action`` (an LLM action,
    in no particular cell) or ``unknown`` (neither is set).
    """

    kind: Literal["cell", "action", "unknown"]
    cell: str | None = None
    action: str | None = None


def chosen_cell(analyze: str, game: Bimatrix | GameForm, user_action: str | None = None) -> Choice:
    """Read the final choice from the text of an analyze block.

    Cells are named by key (``VQ_CQ``), as ``VQ/CQ`` or as ``(VQ, CQ)``; LLM actions by their names,
    unless a name has one letter only or belongs to an action of the user too. In order:

    1. Words that announce the final choice, then words of choice, then words of praise and of
       conclusion: the first kind of these that points at a cell or action decides.
    2. Otherwise the only cell, or else the only action, that the text names.

    Questions, hypotheses ("if the question were detailed, ...") and negations ("not DA", "rather
    than CQ") choose nothing. Contradictions are unknown.

    Args:
        analyze: The text.
        game: The game, or its form.
        user_action: The user's action if it is known; it completes a bare LLM action to a cell.
    """
    form = game.form if isinstance(game, Bimatrix) else game
    names = names_of(form)
    text = _DRESS.sub("", analyze) if _DRESSED.search(analyze) else analyze
    sentences = [
        (sentence, mentions, ending)
        for sentence, ending in _sentences(text)
        if sentence and (mentions := names.mentions(sentence))
    ]
    if not sentences:
        return _UNKNOWN
    reading = _Reading(text.lower())
    asserted: list[tuple[str, list[Mention]]] = []
    rejected: set[str] = set()
    for sentence, mentions, ending in sentences:
        kept = [] if "?" in ending else reading.asserted(sentence, mentions)
        if kept:
            asserted.append((sentence, kept))
        if len(kept) < len(mentions):
            rejected.update({one.name for one in mentions} - {one.name for one in kept})
    pointed = reading.pointed(asserted)
    if pointed:
        return _settle(pointed, form, user_action)
    named = [mention for _, mentions, _ in sentences for mention in mentions]
    named = [mention for mention in named if mention.cell is not None] or named
    if rejected and any(mention.name in rejected for mention in named):
        return _UNKNOWN
    return _settle(named, form, user_action)


def _settle(mentions: list[Mention], form: GameForm, user_action: str | None) -> Choice:
    """The one thing that all mentions agree on."""
    cell, action = None, mentions[0].action
    for mention in mentions:
        cell = cell or mention.cell
        if mention.action != action or (mention.cell is not None and mention.cell != cell):
            return _UNKNOWN
    if cell is None and user_action is not None:
        cell = form.cell(form.user_actions.index(user_action), form.llm_actions.index(action))
    return _choice("action" if cell is None else "cell", cell, action)


_choice = lru_cache(maxsize=1024)(Choice)  # there are few, and many texts that make them
_UNKNOWN: Final = Choice("unknown")


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each with the mark that ends it."""
    parts = [*(_MARKS_AND_LINES if "\n" in text else _MARKS).split(text), ""]
    said: Iterable[str] = map(str.strip, parts[::2])
    if not text.isprintable() or "  " in text:  # else its only space is single blanks
        said = (" ".join(part.split()) for part in parts[::2])
    return zip(said, parts[1::2], strict=True)


def _before(sentence: str, position: int) -> str:
    return sentence[max(0, position - _WINDOW) : position]


class _Reading:
    """Reads sentences for words of choice, and only for those that the text may hold.

    Args:
        lowered: The whole text in lower case.
    """

    def __init__(self, lowered: str) -> None:
        self._lowered = lowered
        qualifies = possible(lowered, _QUALIFYING)
        self._negates = qualifies and NEGATED.possible(lowered)
        self._denies = qualifies and DENIED.possible(lowered)
        self._supposes = qualifies and HYPOTHESIS.possible(lowered)

    def asserted(self, sentence: str, mentions: list[Mention]) -> list[Mention]:
        """The mentions that the sentence asserts: it neither negates nor only supposes them."""
        if not (self._negates or self._denies or self._supposes):
            return mentions
        kept: list[Mention] = []
        end = self._supposed(sentence)
        previous: Mention | None = None
        negated = False
        for mention in mentions:
            # "not DA or AQ" negates both
            joined = (
                negated
                and previous is not None
                and JOINED.fullmatch(sentence, previous.end, mention.start) is not None
            )
            since = max(mention.start - _WINDOW, 0 if previous is None else previous.end)
            negated = joined or self._negated(sentence[since : mention.start])
            denied = self._denies and DENIED.expression.match(sentence, mention.end) is not None
            if not negated and not denied and mention.start < end:
                kept.append(mention)
            previous = mention
        return kept

    def pointed(self, asserted: list[tuple[str, list[Mention]]]) -> list[Mention]:
        """The mentions that the strongest pointing words point at.

        Args:
            asserted: Sentences, each with the mentions in it that it asserts.
        """
        found: list[Mention] = []
        for cue in CUES:
            if cue.possible(self._lowered):
                for sentence, mentions in asserted:
                    if cue.possible(sentence.lower()):
                        found += self._pointed(sentence, mentions, cue)
            if cue is CUES[-1] and CONCLUSION.possible(self._lowered):
                for sentence, mentions in asserted:
                    found += (one for one in mentions if _concluded(sentence, one))
            if found:
                break
        return found

    def _pointed(self, sentence: str, mentions: list[Mention], cue: Words) -> list[Mention]:
        """The mentions that words of one strength point at, each once."""
        starts = [mention.start for mention in mentions]
        found: dict[int, Mention] = {}
        for word in cue.matches(sentence, self._supposed(sentence)):
            if self._negates and self._negated(_before(sentence, word.start())):
                continue
            if LIMITED.match(sentence, word.end()):
                continue
            index = bisect_left(starts, word.start())
            if index and POINTS_BACK.fullmatch(word.group()):
                before = mentions[index - 1]
                near = word.start() - before.end <= _WINDOW
                if near and LINK.fullmatch(sentence, before.end, word.start()):
                    found[index - 1] = before
                    continue
            while index < len(mentions) and index not in found:
                found[index] = mentions[index]
                # "choose DA or CQ" points at both, which settles nothing
                after = mentions[index].end
                index += 1
                if index == len(mentions) or not JOINED.fullmatch(
                    sentence, after, mentions[index].start
                ):
                    break
        pointed = list(found.values())
        for mention in pointed:
            if mention.cell is None:
                return _placed(pointed, mentions)
        return pointed

    def _negated(self, before: str) -> bool:
        """Whether a text ends in words that deny what comes next."""
        if not self._negates:
            return False
        # The longest of these phrases has two words, and at most two words come after it.
        end = " ".join(before.rstrip(" :(").rsplit(" ", 4)[-4:])
        return NEGATED.possible(end.lower()) and NEGATED.expression.search(end) is not None

    def _supposed(self, sentence: str) -> int:
        """Where a supposition begins in a sentence; its length if there is none."""
        if self._supposes:
            for found in HYPOTHESIS.matches(sentence, len(sentence)):
                return found.start()
        return len(sentence)


def _placed(pointed: list[Mention], mentions: list[Mention]) -> list[Mention]:
    """Add, for an action alone, the cell in which the same sentence places it, if it is one."""
    cells: dict[str, dict[str, Mention]] = {mention.action: {} for mention in mentions}
    for mention in mentions:
        if mention.cell is not None:
            cells[mention.action][mention.cell] = mention
    alone = {mention.action for mention in pointed if mention.cell is None}
    placed = [cells[action] for action in sorted(alone) if len(cells[action]) == 1]
    return [*pointed, *(mention for single in placed for mention in single.values())]


def _concluded(sentence: str, mention: Mention) -> bool:
    return (
        CONCLUDED.match(sentence, mention.end) is not None
        and CONCLUSION.expression.search(_before(sentence, mention.start)) is not None
    )
