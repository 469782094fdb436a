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
from typing import Final, Literal

from gtalign.chain.blocks import Chain
from gtalign.game import Bimatrix, GameForm, undominated

_CUES: Final = tuple(
    re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    for words in (
        # what announces the final word, ...
        r"final (?:answer|choice|decision|selection|cell|action)"
        r"|finally,? (?:I |we )?(?:choose|pick|select)|\\boxed",
        # ... what chooses, ...
        r"choose|chooses|choosing|chosen|chose|pick(?:s|ed|ing)?|select(?:s|ed|ing|ion)?"
        r"|go(?:es|ing)? (?:with|for)|opt(?:s|ed|ing)? for|settles? (?:on|for)"
        r"|choice|decision|answer(?=:)",
        # ... and what praises.
        r"best(?! (?:response|reply|responses|replies)\b)|optimal|optimum|recommend(?:ed)?"
        r"|prefer(?:red)?|wins|maximi[sz]es|highest (?:sum|total|joint|combined|social|welfare)",
    )
)
"""Words of choice by strength: the first strength that points at anything decides."""

_POINTS_BACK: Final = re.compile(
    # "VQ_CQ is chosen", but in "VQ_CQ, choose DQ_DA" the word points ahead
    r"chosen|picked|selected|(?:final )?(?:choice|selection|decision|answer)|best|optim.*"
    r"|recommended|preferred|wins|maximi.*|highest.*",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    # what may stand between a cell and a word that points back at it
    r"(?: ?\([^()]*\))?(?:,? with [^,]*,)?"
    r" (?:(?:is|was|has|have|gives|remains|being|as|should be|must be|will be)"
    r"(?: (?!and\b|but\b|not\b|no\b)[\w-]+){0,3} )?"
)
_LIMITED: Final = re.compile(
    # "the best for the user", "choose between": no choice yet
    r"\s+(?:(?:cell|action|option|outcome|pair)s?\s+)?"
    r"(?:for\s+(?:the\s+)?(?:user|LLM|me|model|assistant)\b(?!\s+and\b)"
    r"|between\b|among\b|from\b|either\b)",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    # before a cell, an action or a word of choice
    r"(?:\b(?:not|never|cannot|neither|nor|no|without|avoid(?:s|ing)?|reject(?:s|ed|ing)?|than"
    r"|instead of|over|except|unlike|against|discard(?:s|ed|ing)?|exclud(?:e|es|ed|ing))"
    r"|n['\u2019]t)(?:\s+[\w-]+){0,2}[\s:(]*$",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    # after a cell or an action
    r"\s+(?:(?:is|was|are|would be|should be|should|must|can|does|do)\s*)?(?:not\b|never\b|no\b"
    r"|n['\u2019]t\b|(?:(?:strictly|weakly|clearly|Pareto[ -]?)\s*)?"
    r"(?:dominated|inferior|worse|worst|rejected|excluded|discarded|out\b))",
    re.IGNORECASE,
)
_HYPOTHESIS: Final = re.compile(r"\b(?:if|unless|whether|were|otherwise)\b", re.IGNORECASE)
_CONCLUSION: Final = re.compile(
    r"\b(?:therefore|thus|hence|so|accordingly|conclusion)\b[,:]?"
    r"(?: (?:the|we|I|it|is|play|use|take|do|cell|action|should|must|will)\b){0,4} ?\(?$",
    re.IGNORECASE,
)
_CONCLUDED: Final = re.compile(r"\s*(?:$|[,:)(]|because\b|since\b|as\b|with\b|it is\b)")
_JOINED: Final = re.compile(r"\s*(?:,|/|&|,?\s*\b(?:or|and|nor)\b)\s*")
_SENTENCE: Final = re.compile(r"(?<![.!?;])[.!?;]++(?=[\s)\]}]|$)|(?<![:\s])\s*\n")
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


@dataclass(frozen=True, slots=True)
class _Mention:
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
    pointed: list[list[_Mention]] = [[] for _ in _CUES]
    named: list[_Mention] = []
    rejected: set[str] = set()
    for sentence, ending in _sentences(analyze):
        mentions = list(_mentions(sentence, form))
        if not mentions:
            continue
        kept = _asserted(sentence, mentions) if "?" not in ending else []
        named += mentions
        rejected.update({mention.name for mention in mentions} - {mention.name for mention in kept})
        for strength, cue in enumerate(_CUES):
            pointed[strength] += _pointed(sentence, kept, cue)
        pointed[-1] += (mention for mention in kept if _concluded(sentence, mention))
    for mentions in pointed:
        if mentions:
            return _settle(mentions, form, user_action)
    cells = [mention for mention in named if mention.cell is not None]
    if any(mention.name in rejected for mention in cells or named):
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
    marks = undominated(chain.payoff.payoffs.reshape(-1, 2).tolist())
    frontier = [cell for cell, kept in zip(form.cells, marks, strict=True) if kept]
    if choice.kind == "cell":
        return 1.0 if choice.cell in frontier else 0.0
    return 0.5 if any(cell.endswith(f"_{choice.action}") for cell in frontier) else 0.0


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
    """The sentences of a text without its typographic dress, each with what ends it."""
    text = _DRESS.sub("", text)
    start = 0
    for found in _SENTENCE.finditer(text):
        yield " ".join(text[start : found.start()].split()), found.group()
        start = found.end()
    yield " ".join(text[start:].split()), ""


@lru_cache(maxsize=64)
def _names(form: GameForm) -> re.Pattern[str]:
    def any_of(names: tuple[str, ...]) -> str:
        return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"

    user, llm = any_of(form.user_actions), any_of(form.llm_actions)
    alone = any_of(
        tuple(name for name in form.llm_actions if len(name) > 1 and name not in form.user_actions)
    )
    return re.compile(
        rf"[(\[{{<] ?(?:user ?[:=]? ?)?(?P<u>{user}) ?, ?(?:LLM ?[:=]? ?)?(?P<l>{llm}) ?[)\]}}>]"
        rf"|(?<![\w-])(?:(?P<user>{user})(?:_|\s?[/\u00d7]\s?)(?P<llm>{llm})|(?P<alone>{alone}))"
        r"(?![\w-])"
    )


def _mentions(sentence: str, form: GameForm) -> Iterator[_Mention]:
    for found in _names(form).finditer(sentence):
        user = found["u"] or found["user"]
        llm = found["l"] or found["llm"] or found["alone"]
        cell = None if user is None else f"{user}_{llm}"
        yield _Mention(found.start(), found.end(), llm, cell)


def _before(sentence: str, position: int) -> str:
    return sentence[max(0, position - _WINDOW) : position]


def _asserted(sentence: str, mentions: list[_Mention]) -> list[_Mention]:
    """The mentions that the sentence neither negates nor only supposes."""
    kept: list[_Mention] = []
    supposed = _HYPOTHESIS.search(sentence)
    end = len(sentence) if supposed is None else supposed.start()
    previous: _Mention | None = None
    negated = False
    for mention in mentions:
        gap = "" if previous is None else sentence[previous.end : mention.start]
        # "not DA or AQ" negates both
        joined = negated and _JOINED.fullmatch(gap) is not None
        since = max(mention.start - _WINDOW, 0 if previous is None else previous.end)
        negated = joined or _NEGATED.search(sentence[since : mention.start]) is not None
        denied = _DENIED.match(sentence, mention.end) is not None
        if not negated and not denied and mention.start < end:
            kept.append(mention)
        previous = mention
    return kept


def _pointed(sentence: str, mentions: list[_Mention], cue: re.Pattern[str]) -> list[_Mention]:
    """The mentions that words of choice point at, each once."""
    if not mentions or cue.search(sentence) is None:
        return []
    starts = [mention.start for mention in mentions]
    supposed = _HYPOTHESIS.search(sentence)
    end = len(sentence) if supposed is None else supposed.start()
    found: dict[int, _Mention] = {}
    for word in cue.finditer(sentence, 0, end):
        if _NEGATED.search(_before(sentence, word.start())) or _LIMITED.match(sentence, word.end()):
            continue
        index = bisect_left(starts, word.start())
        if index and _POINTS_BACK.fullmatch(word.group()):
            before = mentions[index - 1]
            near = word.start() - before.end <= _WINDOW
            if near and _LINK.fullmatch(sentence, before.end, word.start()):
                found[index - 1] = before
                continue
        while index < len(mentions) and index not in found:
            found[index] = mentions[index]
            # "choose DA or CQ" points at both, which settles nothing
            after = mentions[index].end
            index += 1
            if index == len(mentions) or not _JOINED.fullmatch(
                sentence, after, mentions[index].start
            ):
                break
    return _placed(list(found.values()), mentions)


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
        _CONCLUDED.match(sentence, mention.end) is not None
        and _CONCLUSION.search(_before(sentence, mention.start)) is not None
    )
