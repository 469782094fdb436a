"""The Pareto measures of the models as tables, with the curves under a constraint as pictures."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gtalign.drawing import COLOURS, Markup, Series, fixed, join, line_chart
from gtalign.errors import DataError
from gtalign.evaluation.columns import Columns
from gtalign.evaluation.comparison import Group
from gtalign.evaluation.fronts import EPSILON, MEANINGS, MEASURES, Fronts, measure_fronts
from gtalign.evaluation.markup import legend, plots
from gtalign.evaluation.paper.ablation import welfares
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.variation import says

LABELS = {
    "undominated": f"Undominated within {EPSILON} ↑",
    "regret": "Regret to the joint frontier ↓",
    "preference_regret": "Regret over preferences ↓",
    "hypervolume": "Hypervolume ↑",
    "covered": f"Joint frontier covered within {EPSILON} ↑",
    "epsilon": "Additive epsilon ↓",
}
MOST = 1000  # resamples


def pareto(study: Study) -> Report:
    """The table of the Pareto measures."""
    sheets, sentences, charts = [], [], []
    colours = {
        model: COLOURS[place % len(COLOURS)] for place, model in enumerate(reversed(study.models))
    }
    for group in (group for group in study.groups if group.task is None):
        found = fronts_of(study, group)
        if found is None:
            continue
        name = f"pareto-{group.split or 'all'}"
        sheets += [_models(found, name, group.name), _duels(found, f"{name}-duels", group.name)]
        sheets.append(_curves(found, f"{name}-curves", group.name))
        charts += _charts(found, group.name, colours)
        sentences += [
            f"{group.name}: {found.reference} dominates {duel.model} {duel.wins} times and is "
            f"dominated {duel.losses} times. Share of wins less share of losses: {says(duel.net)}."
            for duel in found.duels
        ]
        if found.left_out:
            sentences.append(
                f"{group.name}: {found.left_out} questions are left out, since some model has no "
                "score there."
            )
    if not sheets:
        raise DataError("no question has a known welfare of both sides for every model")
    title = f"Both welfares at once: {study.reference} and its baselines"
    return Report("pareto", title, sentences, sheets, join(legend(colours), plots(charts)))


def fronts_of(study: Study, group: Group) -> Fronts | None:
    """The measures of the models that have the welfare of both sides; None if none has."""
    columns = study.columns(group)
    user, llm = welfares(study.rows)
    known = columns.inside & ~np.isnan(user + llm)
    models = [model for model in study.models if (known & (study.rows.model == model)).any()]
    if not models:
        return None
    seeds = columns.seeds(*models)
    runs = seeds if len(seeds) > 1 else ()
    questions = np.unique(study.rows.question[columns.inside])
    points = np.stack(
        [
            np.stack(
                [_points(columns, user, llm, model, run, questions) for model in models], axis=1
            )
            for run in (runs or (None,))
        ]
    )
    if np.isnan(points).any(axis=(0, 2, 3)).all():
        return None
    return measure_fronts(
        points,
        models,
        study.rows.cluster_q[questions].tolist(),
        rng=study.rng(),
        reference=study.reference if study.reference in models else None,
        seeds=runs,
        count=min(study.resamples, MOST),
    )


def _points(
    columns: Columns,
    user: Floats,
    llm: Floats,
    model: str,
    run: int | None,
    questions: NDArray[np.intp],
) -> Floats:
    """Mean U and L of a model's answers to each question, shape [Q, 2]; not-a-number where none."""
    rows = columns.rows
    mine = columns.inside & (rows.model == model) & ~np.isnan(user + llm)
    if run is not None:
        mine &= rows.seed == run
    places = np.searchsorted(questions, rows.question[mine])
    counts = np.bincount(places, minlength=len(questions)).astype(np.float64)
    counts[counts == 0] = np.nan
    return np.stack(
        [
            np.bincount(places, weights=side[mine], minlength=len(questions)) / counts
            for side in (user, llm)
        ],
        axis=1,
    )


def _models(found: Fronts, name: str, title: str) -> Sheet:
    rows: list[list[Lines]] = [
        [(LABELS[measure],), *(varied(front.measures[measure]) for front in found.fronts)]
        for measure in MEASURES
    ]
    records = [
        {"model": front.model, "measure": measure, **front.measures[measure].to_json()}
        for front in found.fronts
        for measure in MEASURES
    ]
    notes = [
        f"{found.questions} questions that every model answered, {found.clusters} clusters.",
        *interval_notes(one for front in found.fronts for one in front.measures.values()),
        *(f"{LABELS[measure]}: {MEANINGS[measure]}" for measure in MEASURES),
    ]
    return Sheet(
        name, f"{title}: each model", ["", *(f.model for f in found.fronts)], rows, records, notes
    )


def _duels(found: Fronts, name: str, title: str) -> Sheet:
    models = [duel.model for duel in found.duels]
    rows: list[list[Lines]] = [
        [
            ("dominates : is dominated : neither",),
            *((f"{d.wins} : {d.losses} : {d.neither}",) for d in found.duels),
        ],
        [("share of wins less losses",), *(varied(d.net, sign=True) for d in found.duels)],
    ]
    rows += [
        [(LABELS[measure],), *(varied(d.differences[measure], sign=True) for d in found.duels)]
        for measure in MEASURES
    ]
    records = [
        {
            "reference": found.reference,
            "model": duel.model,
            "wins": duel.wins,
            "losses": duel.losses,
            "neither": duel.neither,
            "measure": measure,
            **one.to_json(),
        }
        for duel in found.duels
        for measure, one in {"net": duel.net, **duel.differences}.items()
    ]
    notes = interval_notes(one for d in found.duels for one in d.differences.values())
    heading = f"{title}: {found.reference} less each model"
    return Sheet(name, heading, ["", *models], rows, records, notes)


def _curves(found: Fronts, name: str, title: str) -> Sheet:
    rows: list[list[Lines]] = []
    records = []
    levels = [point.level for point in found.fronts[0].user_given]
    for place, level in enumerate(levels):
        cells: list[Lines] = []
        for front in found.fronts:
            for side, curve in (("user", front.user_given), ("llm", front.llm_given)):
                point = curve[place]
                cells.append((fixed(point.best),))
                low, high = point.ends or (None, None)
                records.append(
                    {
                        "model": front.model,
                        "best_of": side,
                        "other_at_least": level,
                        "value": point.best,
                        "low": low,
                        "high": high,
                    }
                )
        rows.append([(fixed(level, 2),), *cells])
    heads = [f"{f.model}, {what}" for f in found.fronts for what in ("U if L ≥ t", "L if U ≥ t")]
    notes = ["The best welfare of one side among the answers that give the other at least t."]
    return Sheet(name, f"{title}: the best under a constraint", ["t", *heads], rows, records, notes)


def _charts(found: Fronts, title: str, colours: Mapping[str, str]) -> list[Markup]:
    drawn = []
    for what, side in (
        ("U if L is at least t", "user_given"),
        ("L if U is at least t", "llm_given"),
    ):
        series = [
            Series(
                front.model,
                colours[front.model],
                [(p.level, p.best) for p in getattr(front, side) if p.best is not None],
            )
            for front in found.fronts
        ]
        drawn.append(line_chart(f"{title}: best {what}", series, "t", shown=(0.0, 1.0)))
    return drawn
