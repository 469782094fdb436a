"""Quantities over time: columns on top of each other, or lines, over slots of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gtalign.drawing.axis import Axis
from gtalign.drawing.labels import width_of_ticks
from gtalign.drawing.markup import Content, Markup, element
from gtalign.drawing.numbers import number
from gtalign.drawing.svg import WIDTH, box, circle, figure, line, path, picture, text

HEIGHT: Final = 200
_TOP: Final = 24.0
_BOTTOM: Final = 162.0
_RIGHT: Final = 410.0
_TICKS: Final = 5
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Track:
    """One quantity over time.

    Args:
        label: Its name.
        colour: Colour class.
        values: Its value in each slot, 0 or more, all tracks of a chart in one unit; None where it
            is unknown.
    """

    label: str
    colour: str
    values: Sequence[float | None]


def time_chart(
    title: str,
    tracks: Sequence[Track],
    begins: Sequence[int],
    width: int,
    *,
    unit: str = "",
    stacked: bool = False,
    most: float | None = None,
) -> Markup:
    """Quantities over time; empty if no value of any is known.

    Args:
        title: Title of the chart.
        tracks: The quantities.
        begins: When each slot begins, in seconds since 1970.
        width: Length of a slot, in seconds.
        unit: Unit of the values, written after the greatest number of the axis.
        stacked: Columns on top of each other, unknown values as 0; if not, a line each.
        most: The greatest value that is possible, where the axis ends at the latest.
    """
    columns = [[track.values[slot] for track in tracks] for slot in range(len(begins))]
    known = [value for column in columns for value in column if value is not None]
    if not known:
        return Markup()
    sums = [sum(value or 0.0 for value in column) for column in columns]
    highest = max(sums if stacked else known) or (1.0 if most is None else most)
    y = Axis(0.0, highest if most is None else min(highest * 1.05, most), _BOTTOM, _TOP)
    whole = all(value == int(value) for value in known)
    marks = [(at, told) for at, told in y.ticks(_TICKS) if not (whole and "." in told)]
    marks[-1] = (marks[-1][0], f"{marks[-1][1]} {unit}".strip())
    left = max(30.0, 10 + width_of_ticks(told for _, told in marks))
    step = (_RIGHT - left) / len(begins)
    parts: list[Content] = []
    for at, told in marks:
        parts += [line(left, at, _RIGHT, at, "grid"), text(left - 6, at + 4, told, "tick end")]
    parts += _times(begins, width, left, step)
    if stacked:
        parts += _columns(tracks, columns, begins, width, y, left, step)
    else:
        for track in tracks:
            parts += _line(track, y, left + step / 2, step)
    told = "; ".join(f"{track.label} {number(_last(track))}" for track in tracks)
    described = f"{len(begins)} slots; in the last: {told} {unit}".strip()
    drawn = picture(title, described, WIDTH, HEIGHT, *parts)
    keys = (
        element("span", element("span", class_=f"key {track.colour}"), track.label)
        for track in tracks
    )
    name = element("span", title, class_="strong")
    return figure(element("span", name, *keys, class_="keys"), drawn)


def moment(at: int, width: int) -> str:
    """When a slot begins, as precisely as its length asks for, in UTC: ``14:05``, ``26 Nov``."""
    time = datetime.fromtimestamp(at, UTC)
    if width >= _DAY or (time.hour, time.minute) == (0, 0):
        return f"{time.day} {time:%b}"
    return f"{time:%H:%M}"


def _times(begins: Sequence[int], width: int, left: float, step: float) -> list[Content]:
    every = next(n for n in _strides(width) if len(begins) <= n * 6)
    parts: list[Content] = [line(left, _BOTTOM, _RIGHT, _BOTTOM, "axis")]
    for place, at in enumerate(begins):
        if at // width % every == 0:
            x = left + step * place
            kind = "tick end" if x > _RIGHT - 24 else "tick mid" if x > left + 16 else "tick"
            parts.append(line(x, _BOTTOM, x, _BOTTOM + 4, "axis"))
            parts.append(text(x, _BOTTOM + 18, moment(at, width), kind))
    parts.append(text((left + _RIGHT) / 2, HEIGHT - 3, "UTC", "name mid"))
    return parts


def _strides(width: int) -> list[int]:
    """After how many slots a time is written: those that meet full hours or days."""
    nice = (1, 2, 3, 4, 6, 12, 24, 28, 48, 96) if width < _DAY else (1, 2, 5, 7, 10, 14, 28)
    return [*nice, *(28 * 4**n for n in range(1, 12))]


def _columns(
    tracks: Sequence[Track],
    columns: Sequence[Sequence[float | None]],
    begins: Sequence[int],
    width: int,
    y: Axis,
    left: float,
    step: float,
) -> list[Content]:
    parts: list[Content] = []
    for place, values in enumerate(columns):
        pairs = list(zip(tracks, values, strict=True))
        told = ", ".join(f"{track.label} {number(value)}" for track, value in pairs)
        tip, below = f"{moment(begins[place], width)}: {told}", 0.0
        for track, value in pairs:
            if value:
                top, bottom = y.at(below + value), y.at(below)
                x, wide = left + step * (place + 0.12), step * 0.76
                parts.append(box(x, top, wide, bottom - top, f"block {track.colour}", tip))
                below += value
    return parts


def _line(track: Track, y: Axis, start: float, step: float) -> list[Content]:
    """Pieces of a line: none bridges a slot whose value is unknown."""
    parts: list[Content] = []
    piece: list[tuple[float, float]] = []
    for place, value in enumerate((*track.values, None)):
        if value is not None:
            piece.append((start + step * place, y.at(value)))
            continue
        if len(piece) > 1:
            parts.append(path(piece, f"curve {track.colour}"))
        elif piece:
            parts.append(circle(*piece[0], 4.0, f"dot {track.colour}", track.label))
        piece = []
    return parts


def _last(track: Track) -> float | None:
    return track.values[-1] if track.values else None
