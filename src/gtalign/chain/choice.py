"""Which cell the analyze block chooses, read by rule.

The text names cells while it reasons, so to name one is not to choose it. The rule looks for words
of choice and takes what they point at. If words of the same strength point at different things, or
if nothing tells the choice from the reasoning, the choice is unknown: it never guesses.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from gtalign.chain.blocks import Chain
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
)
from gtalign.game import Bimatrix, GameForm, pareto_dominated

# The first letter of each pattern is a plain one, so that places where none begins cost little. A
# mark after a mark does not begin a run, which keeps long runs of them linear.
_MARKS: Final = re.compile(r"[.!?;](?<![.!?;]{2})[.!?;]*+(?=[\s)\]}]|$)")
_MARKS_AND_LINES: Final = re.compile(_MARKS.pattern + r"|(?<![:\s])\s*\n")
_DRESS: Final = re.compile('[*`"\u201c\u201d$]' + r"|\\(?=_)|\\(?:text|mathrm)(?=\{)")
_WINDOW: Final = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """What the analysis settles on.

    ``kind`` is ``cell`` (then ``cell`` and its LLM ``action`` are set), ``action`` (an LLM action,
    in no particular cell) or ``unknown`` (neither is set).
    """

    kind: Literal["cell", "action", "unknown"]
    cell: str | None = None
    action: str | None = None


class _Mention(NamedTuple):
    """A place in a sentence where a cell, or an LLM action without a cell, is named."""

    start: int
    end: int
    action: str
    cell: str | None

    @property
    def name(self) -> str:
        """What is named."""
        return self.cell or self.action


def chosen_cell(analyze: str, game: Bimatrix | GameForm, user_action: str | None = None) -> Choice:
    """Read the final choice from the text of an analyze block.

    Cells are named by key (``VQ_CQ``), as ``VQ/CQ`` or as ``(VQ, CQ)``; LLM actions by their names,
    unless a name has one letter only or belongs to an action of the user too. In order:

    1. Words that announce the final word, then words of choice, then words of praise and of
       conclusion: the first kind of these that points at anything decides.
    2. Otherwise the only cell, or else the only action, that the text names.

    Questions, hypotheses ("if the question were detailed, ...") and negations ("not DA", "rather
    than CQ") choose nothing. Contradictions are unknown.

    Args:
        analyze: The text.
        game: The game, or its form.
        user_action: The user's action if it is known; it completes a bare LLM action to a cell.
    """
    form = game.form if isinstance(game, Bimatrix) else game
    text = _DRESS.sub("", analyze)
    reading = _Reading(text.lower())
    pointed: list[list[_Mention]] = [[] for _ in CUES]
    named: list[_Mention] = []
    rejected: set[str] = set()
    for sentence, ending in _sentences(text):
        mentions = list(_mentions(sentence, form))
        if not mentions:
            continue
        named += mentions
        kept = reading.asserted(sentence, mentions) if "?" not in ending else []
        if len(kept) < len(mentions):
            rejected.update({one.name for one in mentions} - {one.name for one in kept})
        if not kept:
            continue
        for strength in reading.cues:
            pointed[strength] += reading.pointed(sentence, kept, CUES[strength].expression)
        if reading.concludes:
            pointed[-1] += (mention for mention in kept if _concluded(sentence, mention))
    for mentions in pointed:
        if mentions:
            return _settle(mentions, form, user_action)
    cells = [mention for mention in named if mention.cell is not None]
    if rejected and any(mention.name in rejected for mention in cells or named):
        return Choice("unknown")
    return _settle(cells or named, form, user_action)


def solution_score(chain: Chain, choice: Choice | None = None) -> float | None:
    """Solution correctness S of a chain (GTAlign, arXiv 2510.08872, section on the reward).

    Args:
        chain: The chain.
        choice: What its analysis chooses, if that has been read.

    Returns:
        1 if the cell that ``<analyze>`` chooses is on the Pareto frontier of the chain's own
        matrix; 0.5 if it chooses an LLM action alone, and some frontier cell has that action; 0 if
        it chooses anything else; None if the choice is unknown.
    """
    form = chain.payoff.form
    choice = choice or chosen_cell(chain.analyze, form)
    if choice.kind == "unknown":
        return None
    cells = chain.payoff.payoffs.reshape(-1, 2).tolist()
    if choice.cell is not None:
        return 0.0 if pareto_dominated(cells[form.cells.index(choice.cell)], cells) else 1.0
    column = [cells[form.cells.index(f"{user}_{choice.action}")] for user in form.user_actions]
    return 0.0 if all(pareto_dominated(cell, cells) for cell in column) else 0.5


def _settle(mentions: list[_Mention], form: GameForm, user_action: str | None) -> Choice:
    """The one thing that all mentions agree on."""
    actions = {mention.action for mention in mentions}
    cells = {mention.cell for mention in mentions if mention.cell is not None}
    if len(actions) != 1 or len(cells) > 1:
        return Choice("unknown")
    [action] = actions
    if not cells and user_action is not None:
        cells = {form.cell(form.user_actions.index(user_action), form.llm_actions.index(action))}
    if not cells:
        return Choice("action", None, action)
    return Choice("cell", cells.pop(), action)


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each with what ends it."""
    start = 0
    for found in (_MARKS_AND_LINES if "\n" in text else _MARKS).finditer(text):
        yield " ".join(text[start : found.start()].split()), found.group()
        start = found.end()
    if start < len(text):
        yield " ".join(text[start:].split()), ""


@lru_cache(maxsize=64)
def _names(form: GameForm) -> re.Pattern[str]:
    """Where cells and actions are named. Each alternative begins with a letter or a bracket."""

    def any_of(names: tuple[str, ...]) -> str:
        return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))

    def begun(name: str, rest: str) -> str:
        return rf"{re.escape(name)}(?<![\w-]{re.escape(name)}){rest}(?![\w-])"

    user, llm = any_of(form.user_actions), any_of(form.llm_actions)
    alone = {name for name in form.llm_actions if len(name) > 1} - set(form.user_actions)
    inside = rf" ?(?:user ?[:=]? ?)?(?:{user}) ?, ?(?:LLM ?[:=]? ?)?(?:{llm}) ?[)\]}}>]"
    return re.compile(
        "|".join(
            [rf"{bracket}{inside}" for bracket in (r"\(", r"\[", r"\{", "<")]
            + [begun(name, rf"(?:_|\s?[/\u00d7]\s?)(?:{llm})") for name in form.user_actions]
            + [begun(name, "") for name in sorted(alone, key=len, reverse=True)]
        )
    )


@lru_cache(maxsize=1024)
def _named(form: GameForm, text: str) -> tuple[str, str | None]:
    """The LLM action and the cell, if it is one, that a match of `_names` names."""
    words = [word for word in re.split(r"[^A-Za-z0-9-]+", text) if word]
    llm = words[-1]
    if len(words) == 1:
        return llm, None
    user = words[0]
    if text[0] in "([{<":
        # "(user: VQ, LLM: CQ)", in a game whose players may have actions of those names
        user = re.split(r"[^A-Za-z0-9-]+", text.split(",")[0].rstrip())[-1]
    return llm, f"{user}_{llm}"


def _mentions(sentence: str, form: GameForm) -> Iterator[_Mention]:
    for found in _names(form).finditer(sentence):
        yield _Mention(*found.span(), *_named(form, found.group()))


def _before(sentence: str, position: int) -> str:
    return sentence[max(0, position - _WINDOW) : position]


class _Reading:
    """Reads sentences for words of choice, and only for those that the text may hold.

    Args:
        lowered: The whole text in lower case.
    """

    def __init__(self, lowered: str) -> None:
        self.cues = [strength for strength, cue in enumerate(CUES) if cue.possible(lowered)]
        self.concludes = CONCLUSION.possible(lowered)
        self._negates = NEGATED.possible(lowered)
        self._denies = DENIED.possible(lowered)
        self._supposes = HYPOTHESIS.possible(lowered)

    def asserted(self, sentence: str, mentions: list[_Mention]) -> list[_Mention]:
        """The mentions that the sentence neither negates nor only supposes."""
        if not (self._negates or self._denies or self._supposes):
            return mentions
        kept: list[_Mention] = []
        end = self._supposed(sentence)
        previous: _Mention | None = None
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

    def pointed(
        self, sentence: str, mentions: list[_Mention], cue: re.Pattern[str]
    ) -> list[_Mention]:
        """The mentions that words of choice point at, each once."""
        starts = [mention.start for mention in mentions]
        found: dict[int, _Mention] = {}
        for word in cue.finditer(sentence, 0, self._supposed(sentence)):
            if self._negated(_before(sentence, word.start())):
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
        return pointed if all(mention.cell for mention in pointed) else _placed(pointed, mentions)

    def _negated(self, before: str) -> bool:
        """Whether a text ends in words that deny what comes next."""
        return self._negates and NEGATED.expression.search(before) is not None

    def _supposed(self, sentence: str) -> int:
        """Where a sentence begins to suppose; its length if it does not."""
        found = HYPOTHESIS.expression.search(sentence) if self._supposes else None
        return len(sentence) if found is None else found.start()


def _placed(pointed: list[_Mention], mentions: list[_Mention]) -> list[_Mention]:
    """Add, for an action alone, the cell in which the same sentence places it, if it is one."""
    cells: dict[str, dict[str, _Mention]] = {mention.action: {} for mention in mentions}
    for mention in mentions:
        if mention.cell is not None:
            cells[mention.action][mention.cell] = mention
    alone = {mention.action for mention in pointed if mention.cell is None}
    placed = [cells[action] for action in sorted(alone) if len(cells[action]) == 1]
    return [*pointed, *(mention for single in placed for mention in single.values())]


def _concluded(sentence: str, mention: _Mention) -> bool:
    return (
        CONCLUDED.match(sentence, mention.end) is not None
        and CONCLUSION.expression.search(_before(sentence, mention.start)) is not None
    )
