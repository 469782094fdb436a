"""Writes tables of factors, solution rules, edits and measures from their entries in the code."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[2] / "src"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put each table in the place of its mark; mkdocs calls this for every page."""
    for mark, table in TABLES.items():
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(table()))
    return markdown


def factors() -> Iterator[str]:
    """Yield the lines of the table of factors."""
    _reach_the_sources()
    from gtalign.reward import FACTORS

    yield "| factor | enters | measures | unit | weight | chain's own | gated by quality |"
    yield "|---|---|---|---|---|---|---|"
    for factor in FACTORS.values():
        sides = " and ".join({"user": "U", "llm": "L"}[side] for side in factor.sides)
        least, most = factor.range
        listed = factor.unit[0].isdigit()  # as in "0 or 1": the unit names every value
        scale = factor.unit if listed else f"{factor.unit}, {least:g} to {most:g}"
        weights = ", ".join(f"`{side}.{factor.key}`" for side in factor.sides)
        yield (
            f"| `{factor.name}` | {sides or 'none'} | {factor.measures}"
            f" | {scale} | {weights or 'none'}"
            f" | {_yes(factor.chain)} | {_yes(factor.gated)} |"
        )


def rules() -> Iterator[str]:
    """Yield the lines of the table of solution rules."""
    _reach_the_sources()
    from gtalign.steering import SOLUTION_RULES

    yield "| `solution` | the cell it chooses | ties | keys it reads |"
    yield "|---|---|---|---|"
    for rule in SOLUTION_RULES.values():
        keys = ", ".join(f"`{key}`" for key in rule.keys)
        yield f"| `{rule.name}` | {rule.says} | {rule.ties} | {keys} |"


def edits() -> Iterator[str]:
    """Yield the lines of the table of edits by rule."""
    _reach_the_sources()
    from gtalign.evaluation.faithfulness import EDITS

    yield "| edit | what it changes | optimum |"
    yield "|---|---|---|"
    for rule in EDITS.values():
        yield f"| `{rule.name}` | {rule.says} | {rule.optimum} |"


def conversation_measures() -> Iterator[str]:
    """Yield the lines of the table of the measures of conversations."""
    _reach_the_sources()
    from gtalign.dialogue.measures import MEASURES

    yield "| measure | better | what it is |"
    yield "|---|---|---|"
    better = {True: "more", False: "less", None: ""}
    for measure in MEASURES.values():
        yield f"| {measure.label} | {better[measure.higher]} | {measure.says} |"


def leaks() -> Iterator[str]:
    """Yield the lines of the table of leaks."""
    _reach_the_sources()
    from gtalign.dialogue import LEAKS

    yield "| leak | when it is counted |"
    yield "|---|---|"
    for name, says in LEAKS.items():
        yield f"| `{name}` | {says} |"


TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "<!-- factors -->": factors,
    "<!-- rules -->": rules,
    "<!-- edits -->": edits,
    "<!-- conversation measures -->": conversation_measures,
    "<!-- leaks -->": leaks,
}


def _yes(flag: bool) -> str:
    return "yes" if flag else ""


def _reach_the_sources() -> None:
    if str(SOURCES) not in sys.path:
        sys.path.insert(0, str(SOURCES))
