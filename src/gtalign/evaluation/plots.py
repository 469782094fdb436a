"""Small charts as inline SVG that follows the page's colours, in the light and in the dark.

Colours are CSS variables (``--m0`` and so on for models), text is text, and nothing is fetched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, isfinite, log10, sqrt

from gtalign.evaluation.pareto import staircase

WIDTH = 420
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled set of points with its CSS colour."""

    label: str
    colour: str
    points: Sequence[Point]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row of an interval chart: estimate, ends of its interval, and the seeds' own values."""

    label: str
    colour: str
    value: float
    low: float
    high: float
    marks: Sequence[float] = ()
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """One point with intervals on both axes."""

    label: str
    colour: str
    x: float
    y: float
    x_range: Point
    y_range: Point
    strong: bool = False


@dataclass(slots=True)
class Axes:
    """Maps data to the plane of a chart, and collects what is drawn on it.

    Attributes:
        x: Least and greatest value.
        y: Least and greatest value, drawn upwards.
        box: Left, top, right and bottom in the chart's units.
        parts: SVG elements so far.
    """

    x: Point
    y: Point
    box: tuple[float, float, float, float]
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> Point:
        """Where a point of the data lies."""
        left, top, right, bottom = self.box
        return (
            left + (x - self.x[0]) / (self.x[1] - self.x[0]) * (right - left),
            bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - top),
        )

    def path(self, points: Sequence[Point], **attributes: str) -> None:
        """Draw a line through points of the data."""
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*p) for p in points))
        self.parts.append(f'<polyline points="{where}" {_attributes(attributes)}/>')

    def grid(self, x_label: str, y_label: str, digits: Callable[[float], str]) -> None:
        """Draw ticks, grid lines and the names of both axes."""
        left, top, right, bottom = self.box
        for value in ticks(*self.y):
            _, y = self.at(self.x[0], value)
            self.parts.append(_line(left, y, right, y, "grid"))
            self.parts.append(_text(left - 6, y + 4, digits(value), "tick end"))
        for value in ticks(*self.x):
            x, _ = self.at(value, self.y[0])
            self.parts.append(_line(x, bottom, x, bottom + 4, "axis"))
            self.parts.append(_text(x, bottom + 17, digits(value), "tick mid"))
        self.parts.append(_line(left, bottom, right, bottom, "axis"))
        if x_label:
            self.parts.append(_text((left + right) / 2, bottom + 34, x_label, "name mid"))
        if y_label:
            self.parts.append(_text(left - 34, top - 8, y_label, "name"))


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between two ends, about `wanted` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    size = 10.0 ** floor(log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's number, without trailing zeros and with a true minus sign."""
    return f"{value:,.6g}".replace("-", "\N{MINUS SIGN}")


def interval_chart(
    title: str, sets: Sequence[tuple[str, Sequence[Whisker]]], digits: int = 3
) -> str:
    """Estimates below each other on one axis, with their intervals and a tick for each seed.

    Args:
        title: Of the chart.
        sets: Groups of rows, each under its own name; empty ones are left out.
        digits: Decimals of the numbers at the end of the rows.
    """
    sets = [(name, rows) for name, rows in sets if rows]
    if not sets:
        return ""
    step, head = 26, 24
    ends = [v for _, rows in sets for row in rows for v in (row.low, row.high, *row.marks)]
    bottom = 8 + sum(head + step * len(rows) for _, rows in sets)
    axes = Axes(_padded(min(ends), max(ends)), (0.0, 1.0), (92, 8, WIDTH - 58, bottom))
    for value in ticks(*axes.x, wanted=4):
        x, _ = axes.at(value, 0)
        axes.parts.append(_line(x, 8, x, bottom, "grid"))
        axes.parts.append(_text(x, bottom + 17, short(value), "tick mid"))
    top = 8.0
    for name, rows in sets:
        axes.parts.append(_text(4, top + 16, name, "name"))
        top += head
        for row in rows:
            axes.parts += _whisker(axes, row, top + step / 2, digits)
            top += step
    return _figure(title, axes.parts, bottom + 26)


def welfare_chart(title: str, dots: Sequence[Dot]) -> str:
    """Models in the plane of user and LLM welfare, with lines of equal W and the frontier."""
    if not dots:
        return ""
    xs = [v for dot in dots for v in (*dot.x_range, dot.x)]
    ys = [v for dot in dots for v in (*dot.y_range, dot.y)]
    axes = Axes(
        _padded(min(xs), max(xs), 0.14), _padded(min(ys), max(ys), 0.14), (46, 30, 404, 290)
    )
    axes.grid("user welfare U", "LLM welfare L", short)
    axes.parts.append(
        '<clipPath id="plane"><rect x="46" y="30" width="358" height="260"/></clipPath>'
    )
    taken: list[tuple[float, float, float, float]] = []
    for level in ticks(sqrt(max(axes.x[0], 0) * max(axes.y[0], 0)), sqrt(axes.x[1] * axes.y[1]), 6):
        steps = [axes.x[0] + (axes.x[1] - axes.x[0]) * i / 60 for i in range(61)]
        curve = [(x, level * level / x) for x in steps if x > 0]
        if level > 0:
            axes.path(curve, **{"class": "iso", "clip-path": "url(#plane)"})
            edge = max(axes.y[0], min(axes.y[1], level * level / axes.x[1]))
            if axes.y[0] < edge < axes.y[1]:
                x, y = axes.at(axes.x[1], edge)
                axes.parts.append(_text(x - 3, y - 3, f"W {short(level)}", "iso-label end"))
                taken.append((x - 36, y - 13, x, y))
    steps_up = staircase([(dot.x, dot.y) for dot in dots])
    stairs = [(axes.x[0], steps_up[0][1])]
    for x, y in steps_up:
        stairs += [(stairs[-1][0], y), (x, y)]
    stairs.append((steps_up[-1][0], axes.y[0]))
    axes.path(stairs, **{"class": "frontier"})
    taken += [(x - 6, y - 6, x + 6, y + 6) for x, y in (axes.at(dot.x, dot.y) for dot in dots)]
    for dot in sorted(dots, key=lambda d: not d.strong):
        axes.parts += _dot(axes, dot, taken)
    return _figure(title, axes.parts, 332)


def stacked_chart(
    title: str, bars: Sequence[tuple[str, Mapping[str, float]]], colours: Mapping[str, str]
) -> str:
    """Horizontal stacked bars; every bar maps parts to lengths, with its total at the end."""
    if not bars:
        return ""
    step, top = 30, 40
    bottom = top + step * len(bars)
    longest = max(sum(parts.values()) for _, parts in bars) or 1.0
    axes = Axes((0.0, longest), (0.0, 1.0), (92, top, WIDTH - 44, bottom))
    x = 92.0
    for name, colour in colours.items():
        axes.parts.append(_box(x, 12, 10, 10, colour))
        axes.parts.append(_text(x + 14, 21, name, "tick"))
        x += 26 + 7 * len(name)
    for index, (label, parts) in enumerate(bars):
        y = top + step * index
        axes.parts.append(_text(84, y + 19, label, "label end"))
        start = 0.0
        for name, length in parts.items():
            left, right = axes.at(start, 0)[0], axes.at(start + length, 0)[0]
            tip = f"{label}, {name}: {length:.1f}"
            axes.parts.append(_box(left, y + 5, max(right - left - 1, 0), 20, colours[name], tip))
            start += length
        end = axes.at(start, 0)[0]
        axes.parts.append(_text(end + 6, y + 19, f"{start:.0f}", "value"))
    return _figure(title, axes.parts, bottom + 8)


def line_chart(
    title: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str = "",
    *,
    dots: bool = False,
    diagonal: bool = False,
) -> str:
    """Lines over a common axis; `diagonal` adds the line y = x."""
    points = [p for s in series for p in s.points if isfinite(p[0]) and isfinite(p[1])]
    if not points:
        return ""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    if max(xs) == min(xs):
        xs = [xs[0] - 0.5, xs[0] + 0.5]
    axes = Axes((min(xs), max(xs)), _padded(min(ys), max(ys)), (46, 30, 404, 230))
    axes.grid(x_label, y_label, short)
    if diagonal:
        low, high = max(axes.x[0], axes.y[0]), min(axes.x[1], axes.y[1])
        if high > low:
            axes.path([(low, low), (high, high)], **{"class": "iso"})
    for one in series:
        kept = [p for p in one.points if isfinite(p[1])]
        kind = "curve faint" if one.dashed else "curve"
        axes.path(kept, **{"class": kind, "style": f"--c:{one.colour}"})
        if dots:
            for x, y in (axes.at(*p) for p in kept):
                axes.parts.append(
                    f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3" '
                    f'style="--c:{one.colour}"><title>{escape(one.label)}</title></circle>'
                )
    return _figure(title, axes.parts, 270)


def smooth(points: Sequence[Point], width: int = 15, most: int = 160) -> list[Point]:
    """Centred moving average over `width` points, thinned to at most `most` points."""
    reach = min(width, max(1, len(points) // 6)) // 2
    means = []
    for i, (x, _) in enumerate(points):
        near = [y for _, y in points[max(0, i - reach) : i + reach + 1]]
        means.append((x, sum(near) / len(near)))
    step = max(1, -(-len(means) // most))
    return means if step == 1 else [*means[:-1:step], means[-1]]


def _whisker(axes: Axes, row: Whisker, y: float, digits: int) -> list[str]:
    low, mid, high = (axes.at(v, 0)[0] for v in (row.low, row.value, row.high))
    weight = "strong" if row.strong else ""
    paint = f'style="--c:{row.colour}"'
    marks = [axes.at(mark, 0)[0] for mark in row.marks]
    return [
        _text(84, y + 4, row.label, f"label end {weight}"),
        _line(low, y, high, y, "whisker", paint),
        *(_line(x, y + 6, x, y + 11, "mark", paint) for x in marks),
        f'<circle class="dot" cx="{mid:.1f}" cy="{y:.1f}" r="5" {paint}/>',
        _text(WIDTH - 4, y + 4, f"{row.value:.{digits}f}", f"value end {weight}"),
    ]


def _dot(axes: Axes, dot: Dot, taken: list[tuple[float, float, float, float]]) -> list[str]:
    paint = f'style="--c:{dot.colour}"'
    x, y = axes.at(dot.x, dot.y)
    left, right = (axes.at(v, dot.y)[0] for v in dot.x_range)
    low, high = (axes.at(dot.x, v)[1] for v in dot.y_range)
    width = 7.4 * len(dot.label)
    places = [
        (x + 10, y - 6, "label"),
        (x + 10, y + 16, "label"),
        (x - 10 - width, y - 6, "label"),
        (x - 10 - width, y + 16, "label"),
        (x - width / 2, y - 14, "label"),
        (x - width / 2, y + 26, "label"),
    ]
    boxes = [(px, py - 11, px + width, py + 3) for px, py, _ in places]
    clash = [
        sum(b[0] < t[2] and t[0] < b[2] and b[1] < t[3] and t[1] < b[3] for t in taken)
        + (b[0] < axes.box[0] or b[2] > axes.box[2] or b[1] < axes.box[1] or b[3] > axes.box[3])
        for b in boxes
    ]
    best = clash.index(min(clash))
    taken.append(boxes[best])
    weight = "strong" if dot.strong else ""
    return [
        _line(left, y, right, y, "whisker thin", paint),
        _line(x, low, x, high, "whisker thin", paint),
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{6 if dot.strong else 5}" {paint}/>',
        _text(places[best][0], places[best][1], dot.label, f"label {weight}"),
    ]


def _padded(low: float, high: float, share: float = 0.06) -> Point:
    gap = (high - low) * share or abs(high) * 0.05 or 0.5
    return low - gap, high + gap


def _figure(title: str, parts: Sequence[str], height: float) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str, more: str = "") -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {where} {more}/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str, tip: str = "") -> str:
    inner = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
        f'style="fill:{colour}">{inner}</rect>'
    )


def _attributes(attributes: Mapping[str, str]) -> str:
    return " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
