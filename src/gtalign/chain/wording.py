"""Words that mark a choice: words that choose, point, deny, suppose and conclude.

Most texts hold few of them, and a search for a few letters is quick. So each pattern comes with
stems: every match of the pattern in ASCII text contains one of its stems.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final


def possible(lowered: str, stems: tuple[str, ...]) -> bool:
    """Whether a text, given in lower case, may hold words that have one of these stems."""
    # Beyond ASCII, letters that lower() leaves alone match others: U+017F is an s.
    if not lowered.isascii():
        return True
    for stem in stems:  # noqa: SIM110 (a generator would take twice as long)
        if stem in lowered:
            return True
    return False


def distinct(stems: tuple[str, ...]) -> tuple[str, ...]:
    """Stems without those that hold another one: a text that has none of the rest has no stem."""
    return tuple(s for s in dict.fromkeys(stems) if not any(o in s for o in stems if o != s))


@dataclass(frozen=True, slots=True)
class Words:
    """A pattern that ignores case, with stems: a text without any of them cannot match.

    Args:
        pattern: The words, as a regular expression.
        stems: Texts in lower case; every match in ASCII text holds one of them.
    """

    pattern: str
    stems: tuple[str, ...]
    expression: re.Pattern[str] = field(init=False, compare=False, repr=False)
    _begins: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", re.compile(self.pattern, re.IGNORECASE))
        object.__setattr__(self, "_begins", re.compile("|".join(map(re.escape, self.stems))))

    def possible(self, lowered: str) -> bool:
        """Whether the pattern may match in a text, given in lower case."""
        return possible(lowered, self.stems)

    def matches(self, text: str, end: int) -> Iterator[re.Match[str]]:
        """Yield the matches in ``text[:end]``, in order.

        For words that begin with their stems, and not inside a word.
        """
        if not text.isascii():
            yield from self.expression.finditer(text, 0, end)
            return
        position = 0
        for stem in self._begins.finditer(text.lower(), 0, end):
            if stem.start() >= position:
                found = self.expression.match(text, stem.start(), end)
                if found is not None:
                    position = found.end()
                    yield found


def _whole(words: str) -> str:
    return rf"(?<!\w)(?:{words})(?!\w)"


CUES: Final = (
    # what announces the final word, ...
    Words(
        _whole(
            r"final (?:answer|choice|decision|selection|cell|action)"
            r"|finally,? (?:I |we )?(?:choose|pick|select)|\\boxed"
        ),
        ("final", r"\boxed"),
    ),
    # ... what chooses, ...
    Words(
        _whole(
            r"choose|chooses|choosing|chosen|chose|pick(?:s|ed|ing)?|select(?:s|ed|ing|ion)?"
            r"|go(?:es|ing)? (?:with|for)|opt(?:s|ed|ing)? for|settles? (?:on|for)"
            r"|choice|decision|answer(?=:)"
        ),
        ("cho", "pick", "select", "go", "opt", "settle", "decision", "answer"),
    ),
    # ... and what praises.
    Words(
        _whole(
            r"best(?! (?:response|reply|responses|replies)\b)|optimal|optimum|recommend(?:ed)?"
            r"|prefer(?:red)?|wins|maximi[sz]es"
            r"|highest (?:sum|total|joint|combined|social|welfare)"
        ),
        ("best", "optim", "recommend", "prefer", "wins", "maximi", "highest"),
    ),
)
"""Words of choice by strength: the first strength that points at a cell or action decides."""

NEGATED: Final = Words(
    # before a cell, an action or a word of choice
    r"(?:\b(?:not|never|cannot|neither|nor|no|without|avoid(?:s|ing)?|reject(?:s|ed|ing)?|than"
    r"|instead of|over|except|unlike|against|discard(?:s|ed|ing)?|exclud(?:e|es|ed|ing))"
    r"|n['\u2019]t)(?:\s+[\w-]+){0,2}[\s:(]*$",
    (
        *("no", "ne", "without", "avoid", "reject", "than", "instead", "over", "except"),
        *("unlike", "against", "discard", "exclud", "n't"),
    ),
)

DENIED: Final = Words(
    # after a cell or an action
    r"\s+(?:(?:is|was|are|would be|should be|should|must|can|does|do)\s*)?(?:not\b|never\b|no\b"
    r"|n['\u2019]t\b|(?:(?:strictly|weakly|clearly|Pareto[ -]?)\s*)?"
    r"(?:dominated|inferior|worse|worst|rejected|excluded|discarded|out\b))",
    (
        *("no", "never", "n't", "dominated", "inferior", "wors", "rejected", "excluded"),
        *("discarded", "out"),
    ),
)

HYPOTHESIS: Final = Words(
    r"\b(?:if|unless|whether|were|otherwise)\b", ("if", "unless", "whether", "were", "otherwise")
)

CONCLUSION: Final = Words(
    # right before a cell or an action
    r"\b(?:therefore|thus|hence|so|accordingly|conclusion)\b[,:]?"
    r"(?: (?:the|we|I|it|is|play|use|take|do|cell|action|should|must|will)\b){0,4} ?\(?$",
    ("therefore", "thus", "hence", "so", "accordingly", "conclusion"),
)

CONCLUDED: Final = re.compile(r"\s*(?:$|[,:)(]|because\b|since\b|as\b|with\b|it is\b)")
"""The text that may follow a cell or an action that is a conclusion."""

POINTS_BACK: Final = re.compile(
    # "VQ_CQ is chosen", but in "VQ_CQ, choose DQ_DA" the word points ahead
    r"chosen|picked|selected|(?:final )?(?:choice|selection|decision|answer)|best|optim.*"
    r"|recommended|preferred|wins|maximi.*|highest.*",
    re.IGNORECASE,
)

LINK: Final = re.compile(
    # what may stand between a cell and a word that points back at it
    r"(?: ?\([^()]*\))?(?:,? with [^,]*,)?"
    r" (?:(?:is|was|has|have|gives|remains|being|as|should be|must be|will be)"
    r"(?: (?!and\b|but\b|not\b|no\b)[\w-]+){0,3} )?"
)

LIMITED: Final = re.compile(
    # "the best for the user", "choose between": no choice yet
    r"\s++(?=[abcefop])(?:(?:cell|action|option|outcome|pair)s?\s+)?"
    r"(?:for\s+(?:the\s+)?(?:user|LLM|me|model|assistant)\b(?!\s+and\b)"
    r"|between\b|among\b|from\b|either\b)",
    re.IGNORECASE,
)

JOINED: Final = re.compile(r"\s*(?:,|/|&|,?\s*\b(?:or|and|nor)\b)\s*")
"""Words between two names that join them into one statement."""
