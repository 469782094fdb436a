"""The flow of decisions: actions before the edit on the left, after it on the right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gtalign.drawing import Markup, action_colour, element, join, number
from gtalign.drawing.svg import box, picture, text

WIDTH: Final = 360
HEIGHT: Final = 190
_BAR: Final = 12.0
_LEFT: Final = 76.0
_RIGHT: Final = WIDTH - _LEFT
_TOP: Final = 8.0
_GAP: Final = 12.0


@dataclass(frozen=True, slots=True)
class Pile:
    """The decisions for one action on one side."""

    action: str
    count: int
    colour: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Stream:
    """The decisions that went from one action to another.

    Args:
        before: The action before.
        after: The action after.
        count: How many.
        colour: Class of the colour of the action before.
        flipped: Whether the actions differ.
        path: Outline.
    """

    before: str
    after: str
    count: int
    colour: str
    flipped: bool
    path: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What is drawn, in the units of a view box of `WIDTH` by `HEIGHT`."""

    piles: tuple[Pile, ...]
    streams: tuple[Stream, ...]
    total: int
    flips: int


def flow(counts: Mapping[tuple[str, str], int], actions: tuple[str, ...]) -> Flow:
    """Lay the flow out.

    Args:
        counts: Decisions by action before and action after.
        actions: All actions, in order; those of `counts` that are not among them follow.
    """
    known = dict.fromkeys([*actions, *(a for pair in sorted(counts) for a in pair)])
    order = {action: number for number, action in enumerate(known)}
    total = sum(counts.values())
    sides = [
        {a: n for a in order if (n := sum(m for pair, m in counts.items() if pair[side] == a))}
        for side in (0, 1)
    ]
    gaps = _GAP * (max(len(side) for side in sides) - 1)
    scale = (HEIGHT - 2 * _TOP - gaps) / total if total else 0.0
    piles: list[Pile] = []
    tops: list[dict[str, float]] = []
    for side, x in zip(sides, (_LEFT, _RIGHT - _BAR), strict=True):
        y, top = _TOP, {}
        for action, count in side.items():
            piles.append(Pile(action, count, action_colour(order[action]), x, y, count * scale))
            top[action] = y
            y += count * scale + _GAP
        tops.append(top)
    streams = []
    for before, after in sorted(counts, key=lambda pair: (order[pair[0]], order[pair[1]])):
        count = counts[before, after]
        if count:
            high = count * scale
            path = _path(tops[0][before], tops[1][after], high)
            tops[0][before] += high
            tops[1][after] += high
            colour = action_colour(order[before])
            streams.append(Stream(before, after, count, colour, before != after, path))
    flips = sum(stream.count for stream in streams if stream.flipped)
    return Flow(tuple(piles), tuple(streams), total, flips)


def flow_chart(flow: Flow) -> Markup:
    """The flow as a picture, with every count in its description."""
    told = ", ".join(f"{one.before} to {one.after} {one.count}" for one in flow.streams)
    return picture(
        f"{flow.total} decisions, {flow.flips} of them flipped",
        told,
        WIDTH,
        HEIGHT,
        [_stream(one) for one in flow.streams],
        [_pile(pile) for pile in flow.piles],
        kind="flow",
    )


def _stream(stream: Stream) -> Markup:
    tip = f"{stream.before} → {stream.after}: {number(stream.count, 0)}"
    kind = f"band {stream.colour}{' flip' if stream.flipped else ''}"
    return element("path", element("title", tip), class_=kind, d=stream.path)


def _pile(pile: Pile) -> Markup:
    name = element("tspan", pile.action, class_="strong"), f" {number(pile.count, 0)}"
    middle = pile.y + pile.height / 2 + 4
    on_left = pile.x < WIDTH / 2
    where = (pile.x - 8, middle) if on_left else (pile.x + _BAR + 8, middle)
    return join(
        box(pile.x, pile.y, _BAR, max(pile.height, 1.0), f"block {pile.colour}"),
        text(*where, name, "end" if on_left else "start"),
    )


def _path(left: float, right: float, high: float) -> str:
    x1, x2 = _LEFT + _BAR, _RIGHT - _BAR
    middle = (x1 + x2) / 2

    def curve(start: float, end: float, x: float) -> str:
        return f"C{middle:.1f} {start:.1f} {middle:.1f} {end:.1f} {x:.1f} {end:.1f}"

    there, back = curve(left, right, x2), curve(right + high, left + high, x1)
    return f"M{x1:.1f} {left:.1f}{there}V{right + high:.1f}{back}Z"
