"""How much the result depends on the weights: each moved by 0.1, without asking a judge again."""

from typing import Final

import numpy as np

from gtalign.drawing import fixed, interval, share
from gtalign.errors import DataError
from gtalign.evaluation.columns import Column, Columns
from gtalign.evaluation.paper.rescore import Move, Rescorer
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.pareto import coverage
from gtalign.evaluation.statistics import Floats
from gtalign.evaluation.variation import Variation
from gtalign.reward.welfare import mutual_welfare

BY: Final = 0.1
"""What is added to a weight, and taken off it."""

PUBLISHED: Final = (0.521, 0.590)
"""Range of the Pareto coverage under such moves in arXiv 2510.08872."""


def sensitivity(study: Study) -> Report:
    """The table of the moves."""
    scores = Rescorer(study.by_file)
    every = scores.moves(BY)
    sheets, sentences = [], []
    for group in (group for group in study.groups if group.task is None):
        columns = study.columns(group)
        found = {move: _of_move(study, columns, *scores.welfares(move)) for move in every}
        sheets.append(_sheet(study, group.name, f"sensitivity-{group.split or 'all'}", found))
        sentences += _sentences(study, group.name, found)
    if not sheets:
        raise DataError("there is no group of questions to compare")
    title = f"Every weight moved by {BY}"
    return Report("sensitivity", title, sentences, sheets)


class _Moved:
    """The result under one move: W of each model, differences, and coverage of the reference."""

    def __init__(
        self,
        welfare: dict[str, Variation],
        differences: dict[str, Variation],
        covered: float | None,
    ) -> None:
        self.welfare = welfare
        self.differences = differences
        self.covered = covered


def _of_move(study: Study, columns: Columns, user: Floats, llm: Floats) -> _Moved:
    welfare = Column(mutual_welfare(user, llm), range=(0, 1))
    models = [model for model in study.models if model in columns.models()]
    rng = study.rng()
    differences = {}
    if study.reference in models:
        for baseline in (model for model in models if model != study.reference):
            _, differences[baseline] = columns.contrast(study.reference, baseline, welfare, rng)
    return _Moved(
        {model: columns.estimate(model, welfare) for model in models},
        differences,
        _covered(study, columns, models, user, llm),
    )


def _covered(
    study: Study, columns: Columns, models: list[str], user: Floats, llm: Floats
) -> float | None:
    """Share of the questions of all models on which the reference is undominated."""
    questions = study.rows.question
    count = int(questions.max()) + 1
    points = np.empty((count, len(models), 2))
    for place, model in enumerate(models):
        mine = columns.inside & (study.rows.model == model) & ~np.isnan(user + llm)
        n = np.bincount(questions[mine], minlength=count).astype(np.float64)
        n[n == 0] = np.nan
        for side, values in enumerate((user, llm)):
            sums = np.bincount(questions[mine], weights=values[mine], minlength=count)
            points[:, place, side] = sums / n
    shared = points[~np.isnan(points).any(axis=(1, 2))]
    if study.reference not in models or not len(shared) or len(models) < 2:
        return None
    return float(coverage(shared)[models.index(study.reference)])


def _sheet(study: Study, title: str, name: str, found: dict[Move, _Moved]) -> Sheet:
    baselines = [m for m in study.baselines if any(m in one.differences for one in found.values())]
    rows: list[list[Lines]] = []
    records = []
    for move, one in found.items():
        own = one.welfare.get(study.reference, Variation(None))
        cells: list[Lines] = [(fixed(own.value),)]
        for baseline in baselines:
            difference = one.differences.get(baseline, Variation(None))
            lines = [fixed(difference.value, sign=True)]
            if difference.questions is not None:
                lines.append(interval(*difference.questions, sign=True))
            if difference.both is not None:
                lines.append(f"runs {interval(*difference.both, sign=True)}")
            cells.append(tuple(lines))
            records.append(
                {
                    "move": move.label,
                    "reference": study.reference,
                    "baseline": baseline,
                    "welfare": own.value,
                    "undominated": one.covered,
                    **{f"difference_{k}": v for k, v in difference.to_json().items()},
                }
            )
        if not baselines:
            records.append({"move": move.label, "model": study.reference, **own.to_json()})
        covered = "" if one.covered is None else share(one.covered, 1)
        rows.append([(move.label,), *cells, (covered,)])
    heads = [f"less {baseline}" for baseline in baselines]
    notes = [
        f"W of {study.reference}, and W less that of each baseline, with 95% intervals over other "
        "questions (then over other questions and training runs, where there are several).",
        "The other weights of the side are scaled so that their sum stays; no weight goes below 0.",
        "Undominated: share of questions on which no baseline dominates the reference; published "
        f"under such moves: {share(PUBLISHED[0], 1)} to {share(PUBLISHED[1], 1)}.",
    ]
    head = ["weight", f"W of {study.reference}", *heads, "undominated"]
    return Sheet(name, f"{title}: every weight moved by {BY}", head, rows, records, notes)


def _sentences(study: Study, title: str, found: dict[Move, _Moved]) -> list[str]:
    """In how many moves the difference keeps its sign, and in how many its interval excludes 0."""
    sentences = []
    for baseline in study.baselines:
        held = [
            one.differences[baseline]
            for move, one in found.items()
            if move.side is not None and baseline in one.differences
        ]
        values = [one.value for one in held if one.value is not None]
        if not values:
            continue
        above = sum(one.ends is not None and one.ends[0] > 0 for one in held)
        below = sum(one.ends is not None and one.ends[1] < 0 for one in held)
        over = "questions and training runs" if any(one.both for one in held) else "questions"
        sentences.append(
            f"{title}, {study.reference} less {baseline}: W differs by "
            f"{fixed(min(values), sign=True)} to {fixed(max(values), sign=True)} over "
            f"{len(values)} moves; the interval over {over} is above 0 in {above} and "
            f"below 0 in {below}."
        )
    covered = [one.covered for one in found.values() if one.covered is not None]
    if covered:
        sentences.append(
            f"{title}: {study.reference} is undominated on {share(min(covered), 1)} to "
            f"{share(max(covered), 1)} of the questions."
        )
    return sentences
