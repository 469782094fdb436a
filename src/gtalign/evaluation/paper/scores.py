"""The main table, and that of questions out of distribution: scores and their differences."""

from collections.abc import Sequence
from typing import Final

from gtalign.drawing import change, fixed, interval
from gtalign.errors import DataError
from gtalign.evaluation.columns import Column, metric_columns
from gtalign.evaluation.comparison import Group
from gtalign.evaluation.contrast import Contrast
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.tables import label, p_value
from gtalign.evaluation.variation import Variation, says

SHOWN: Final = (
    "mutual_welfare",
    "user_welfare",
    "llm_welfare",
    "quality",
    "quality_per_100_tokens",
    "right_action",
    "format",
    "solution",
    "tokens",
    "answer_mutual_welfare",
    "score",
)
"""The metrics of the table, in its order."""

UNCORRECTED: Final = (
    "p: of the differences over questions, each by itself; it is not corrected for the number of "
    "comparisons."
)


def main(study: Study) -> Report:
    """The main table: all questions but those out of distribution, by set and task."""
    return _scores(study, "main", "Main results", study.split("test"))


def ood(study: Study) -> Report:
    """The same of the questions out of distribution."""
    groups = study.split("ood")
    if not groups:
        raise DataError("no answers to questions out of distribution (split 'ood')")
    return _scores(study, "ood", "Out of distribution", groups)


def _scores(study: Study, name: str, title: str, groups: Sequence[Group]) -> Report:
    if not groups:
        raise DataError("all answers are to questions out of distribution: --table ood shows them")
    columns = metric_columns(study.rows)
    sheets: list[Sheet] = []
    sentences: list[str] = []
    for group in groups:
        named = f"{name}-{_plain(group.name)}"
        held = {metric: columns[metric] for metric in SHOWN}
        labels = {metric: label(metrics()[metric]) for metric in held}
        digits = {metric: metrics()[metric].digits for metric in held}
        shown, found = side_by_side(study, group, held, labels, digits, named)
        sheets += shown
        if group.task is None:
            sentences += words(study, found, group.name, "mutual_welfare", "W")
    return Report(name, f"{title}: {study.reference} and its baselines", sentences, sheets)


def estimates(
    study: Study,
    group: Group | None,
    columns: dict[str, Column],
    labels: dict[str, str],
    digits: dict[str, int],
    name: str,
    title: str,
) -> Sheet:
    """The numbers of every model, a row for each measure that some model has."""
    held = study.columns(group)
    models = [model for model in study.models if model in held.models()]
    rows: list[list[Lines]] = []
    records = []
    every: list[Variation] = []
    for measure, column in columns.items():
        found = {model: held.estimate(model, column) for model in models}
        if all(one.value is None for one in found.values()):
            continue
        every += found.values()
        rows.append([(labels[measure],), *(varied(v, digits[measure]) for v in found.values())])
        records += [
            {"model": model, "group": title, "measure": measure, **one.to_json()}
            for model, one in found.items()
        ]
    return Sheet(name, title, ["", *models], rows, records, interval_notes(every))


def differences(
    study: Study,
    group: Group | None,
    columns: dict[str, Column],
    labels: dict[str, str],
    digits: dict[str, int],
    name: str,
    title: str,
) -> tuple[Sheet, dict[tuple[str, str], Variation]]:
    """The reference less every baseline, on the questions that both answered.

    Returns:
        The sheet, and the variation of each difference by measure and baseline.
    """
    held, rng = study.columns(group), study.rng()
    rows: list[list[Lines]] = []
    records = []
    found: dict[tuple[str, str], Variation] = {}
    for measure, column in columns.items():
        shown = labels[measure]
        for baseline in study.baselines:
            contrast, variation = held.contrast(study.reference, baseline, column, rng)
            if contrast.value is None:
                continue
            found[measure, baseline] = variation
            rows.append([(shown,), (baseline,), *_cells(contrast, variation, digits[measure])])
            records.append(
                {
                    "reference": study.reference,
                    "baseline": baseline,
                    "group": title,
                    "measure": measure,
                    **variation.to_json(),
                    "p": contrast.p,
                    "relative": contrast.relative,
                    "detectable": contrast.detectable,
                }
            )
            shown = ""
    head = [
        *("", "baseline", "difference", "over questions", "over runs", "over both"),
        *("sd of runs", "p", "gain"),
    ]
    runs = len(held.seeds(study.reference, *study.baselines))
    notes = [
        "Paired by question; 95% intervals over other questions, other training runs, and both.",
        UNCORRECTED,
        f"{runs} training runs." if runs > 1 else "One training run: nothing is known of another.",
    ]
    heading = f"{title}: {study.reference} less each baseline"
    return Sheet(name, heading, head, rows, records, notes), found


def side_by_side(
    study: Study,
    group: Group,
    columns: dict[str, Column],
    labels: dict[str, str],
    digits: dict[str, int],
    name: str,
) -> tuple[list[Sheet], dict[tuple[str, str], Variation]]:
    """The estimates of a group, and the differences to the baselines if there are any.

    Returns:
        The sheets, and the variation of each difference by measure and baseline.
    """
    given = (study, group, columns, labels, digits)
    sheets = [estimates(*given, name, group.name)]
    if not study.baselines:
        return sheets, {}
    sheet, found = differences(*given, f"{name}-differences", group.name)
    return [*sheets, sheet], found


def _cells(contrast: Contrast, found: Variation, digits: int) -> list[Lines]:
    ends = (found.questions, found.training, found.both)
    reaches = [("" if end is None else interval(*end, digits, sign=True),) for end in ends]
    spread = None if found.spread is None else found.spread.training
    return [
        (fixed(contrast.value, digits, sign=True),),
        *reaches,
        (fixed(spread, digits),),
        (p_value(contrast.p),),
        (change(contrast.relative),),
    ]


def words(
    study: Study,
    found: dict[tuple[str, str], Variation],
    group: str,
    measure: str,
    label: str,
    digits: int = 3,
) -> list[str]:
    """A sentence for each baseline, which says no more than the intervals do."""
    return [
        f"{group}, {label}: {study.reference} against {baseline}: "
        f"{says(found[measure, baseline], digits)}."
        for baseline in study.baselines
        if (measure, baseline) in found
    ]


def _plain(name: str) -> str:
    """A name of a file."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return "-".join(filter(None, kept.split("-"))) or "all"
