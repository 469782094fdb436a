"""The arms at several degrees of conflict in sentences, tables and pictures."""

from collections.abc import Sequence

from gtalign.drawing import COLOURS, NONE, Markup, Series, fixed, join, line_chart, share
from gtalign.evaluation.conflict.dial import (
    COMPARED,
    MEASURES,
    REFERENCE,
    START,
    STRONG,
    Point,
    point_json,
)
from gtalign.evaluation.markup import legend, model_colour, plots
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.variation import says


def dial_report(points: Sequence[Point]) -> Report:
    """The sentences, a table for each degree of conflict, and W and min(U, L) against the dial.

    Args:
        points: As `measure_dial` returns them.
    """
    single = [point for point in points if point.conflict is not None]
    sheets = [_degrees(single)]
    sheets += [_arms(point) for point in single]
    sheets += [_differences(point) for point in points if point.differences]
    return Report(
        "dial",
        "From which degree of conflict on does the reward matter?",
        _sentences(points),
        sheets,
        _pictures(single),
    )


def _sentences(points: Sequence[Point]) -> list[str]:
    """What the reference gains over the best other arm, at each degree and over the strong ones."""
    found = []
    for point in points:
        if point.conflict is None:
            where = f"Over all degrees of {STRONG:g} or more"
        else:
            found.append(
                f"At conflict {point.conflict:g}, U and L correlate at"
                f" {fixed(point.correlation, 2)} over {point.answers:,} answers of {START}."
            )
            where = f"At {point.conflict:g}"
        for name in COMPARED:
            known = {
                arm: difference[name]
                for arm, difference in point.differences.items()
                if difference[name].value is not None
            }
            if known:
                arm = min(known, key=lambda one: known[one].value or 0.0)
                label = MEASURES[name]
                found.append(
                    f"{where}, {label} of {REFERENCE} against that of the best other arm, {arm}:"
                    f" {says(known[arm])}."
                )
    return found


def _degrees(points: Sequence[Point]) -> Sheet:
    head = ["conflict", "U, L correlate", "W by U", "by L", "by U + L", "by W"]
    head += ["min by U + L", "by W", "W and sum differ"]
    rows: list[list[Lines]] = []
    for point in points:
        ceiling, cells = point.ceiling, [fixed(point.correlation, 2)]
        if ceiling is None:
            cells += [NONE] * 7
        else:
            cells += [fixed(value) for value in ceiling.welfare.values()]
            cells += [fixed(ceiling.least[name]) for name in ("total", "welfare")]
            cells.append(share(ceiling.moved, 1))
        rows.append([(f"{point.conflict:g}",), *((cell,) for cell in cells)])
    notes = [
        f"U and L correlate over the answers of {START}. The other columns are what a rule that"
        " knows the true payoffs gets, in W and in min(U, L), if it takes the best of the three"
        " actions for U, for L, for their sum or for W; and in how many questions the last two"
        " differ."
    ]
    records = [point_json(point) for point in points]
    return Sheet("dial", "The degrees of conflict", head, rows, records, notes)


def _arms(point: Point) -> Sheet:
    rows: list[list[Lines]] = []
    records = []
    for arm, measures in point.arms.items():
        rows.append([(arm,), *(varied(measures[name]) for name in MEASURES)])
        records += [
            {"conflict": point.conflict, "arm": arm, "measure": name, **found.to_json()}
            for name, found in measures.items()
        ]
    every = [found for measures in point.arms.values() for found in measures.values()]
    name = f"dial-arms-{point.conflict:g}"
    head = ["arm", *MEASURES.values()]
    title = f"Arms at conflict {point.conflict:g}"
    return Sheet(name, title, head, rows, records, interval_notes(every))


def _differences(point: Point) -> Sheet:
    rows: list[list[Lines]] = []
    records = []
    for arm, measures in point.differences.items():
        rows.append([(arm,), *(varied(measures[name], sign=True) for name in COMPARED)])
        records += [
            {"conflict": point.conflict, "arm": arm, "measure": name, **found.to_json()}
            for name, found in measures.items()
        ]
    all_strong = point.conflict is None
    named = "strong" if all_strong else f"{point.conflict:g}"
    where = f"conflict of {STRONG:g} or more" if all_strong else f"conflict {named}"
    every = [found for measures in point.differences.values() for found in measures.values()]
    title = f"{REFERENCE} less each other arm at {where}"
    head = ["arm", *(MEASURES[name] for name in COMPARED)]
    return Sheet(f"dial-differences-{named}", title, head, rows, records, interval_notes(every))


def _pictures(points: Sequence[Point]) -> Markup | None:
    """W and min(U, L) against the dial, of the arms that every degree has."""
    every = dict.fromkeys(arm for point in points for arm in point.arms)
    names = [arm for arm in every if all(arm in point.arms for point in points)]
    others = [arm for arm in names if arm != REFERENCE]
    colours = {arm: model_colour(place) for place, arm in enumerate(others)}
    if REFERENCE in names:
        colours = {REFERENCE: COLOURS[0], **colours}
    charts = [
        line_chart(
            f"{MEASURES[measure]} against the conflict",
            [
                Series(
                    arm,
                    colours[arm],
                    [
                        (float(point.conflict or 0.0), value)
                        for point in points
                        if (value := point.arms[arm][measure].value) is not None
                    ],
                )
                for arm in names
            ],
            "conflict",
            MEASURES[measure],
            dots=True,
        )
        for measure in COMPARED
    ]
    drawn = plots(charts)
    return None if drawn is None else join(legend(colours), drawn)
