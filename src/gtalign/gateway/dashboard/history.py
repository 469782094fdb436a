"""Answers, flips, time added and tokens over time, as charts of the overview."""

from functools import partial
from typing import Final

from gtalign.drawing import Markup, join
from gtalign.drawing.times import Track, moment, time_chart
from gtalign.gateway.store.series import Series, Slot

_SECOND: Final = 1_000_000  # microseconds


def history_charts(series: Series) -> Markup:
    """One chart for each question that an operator asks; those without any answer are left out."""
    slots = series.slots
    begins, width = [slot.at // _SECOND for slot in slots], series.width // _SECOND

    chart = partial(time_chart, begins=begins, width=width)
    answered = Track("ended well", "c5", [float(slot.answers - slot.failed) for slot in slots])
    failed = Track("failed", "bad", [float(slot.failed) for slot in slots])
    flips = Track("of the decisions", "c0", [_flips(slot) for slot in slots])
    read = Track("read", "c1", [_counted(slot.prompt_tokens, slot) for slot in slots])
    written = Track("written", "c0", [_counted(slot.written_tokens, slot) for slot in slots])
    return join(
        chart("Answers", (answered, failed), stacked=True),
        chart("Flips", (flips,), unit="%", most=100.0),
        chart(
            "Added latency",
            (
                Track("p50: half waited no longer", "c0", [slot.added_p50 for slot in slots]),
                Track("p95: 95 of 100", "c2", [slot.added_p95 for slot in slots]),
            ),
            unit="ms",
        ),
        chart("Tokens", (written, read), stacked=True),
    )


def slot_time(slot: Slot, series: Series) -> str:
    """When a slot of a series begins."""
    return moment(slot.at // _SECOND, series.width // _SECOND)


def slot_length(series: Series) -> str:
    """How long the slots of a series are, in words."""
    minutes = series.width // (60 * _SECOND)
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}s" if count > 1 else f"one {unit}"
    raise AssertionError("no slot is shorter than a minute")


def _counted(tokens: int | None, slot: Slot) -> float | None:
    """The tokens of a slot; those of answers whose tokens nobody counted are unknown, not 0."""
    return None if tokens is None and slot.answers else float(tokens or 0)


def _flips(slot: Slot) -> float | None:
    return 100.0 * slot.flips / slot.decided if slot.decided else None
