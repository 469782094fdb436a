"""Measured satisfaction in sentences and tables."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gtalign.drawing import NONE, fixed, interval, share
from gtalign.evaluation.crossed import Crossed
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet
from gtalign.evaluation.satisfaction.measures import Satisfaction
from gtalign.evaluation.satisfaction.prediction import MEASURE, METHODS, Predictor
from gtalign.evaluation.statistics import FEW, LEAST

SIMULATED: Final = (
    "SIMULATED annotators: a program rated these answers. Nothing here is about people."
)
PUBLISHED: Final = (
    "Published (arXiv 2510.08872): 4.15 for the mutual reward, 3.73 for SFT, 3.46 for the base "
    "model; W correlates with satisfaction at .771 (Pearson) and .805 (Spearman)."
)
BOTH: Final = (
    "Below each number: its 95% interval over other questions and other annotators "
    "(jackknife of both)."
)
ONE: Final = (
    "Below each number: its 95% interval over other questions. There is one annotator: nothing is "
    "known about another one."
)
_NAMES: Final = {"pearson": "Pearson", "spearman": "Spearman", "kendall": "Kendall"}


def satisfaction_report(found: Satisfaction) -> Report:
    """The sentences and the tables."""
    sheets = [
        sheet
        for sheet in (
            _models(found),
            _duels(found),
            _agreement(found),
            _predictors(found),
            _ahead(found),
            _annotators(found),
        )
        if sheet.rows
    ]
    title = "Satisfaction" + (" of SIMULATED annotators" if found.simulated else "")
    return Report("satisfaction", title, _sentences(found), sheets)


def _sentences(found: Satisfaction) -> list[str]:
    people = "simulated annotators" if found.simulated else "annotators"
    if len(found.annotators) == 1:
        people = people.removesuffix("s")
    ratings = sum(one.ratings for one in found.annotators)
    choices = sum(one.preferences for one in found.annotators)
    sentences = [SIMULATED] if found.simulated else []
    sentences.append(
        f"{len(found.annotators)} {people} gave {ratings:,} ratings and made {choices:,} choices "
        "between two answers."
    )
    sentences += [_mean(found, number) for number in range(len(found.models))][::-1]
    for duel in found.duels:
        sentences.append(
            f"{duel.one} is preferred to {duel.other} in {_share(duel.share)} of "
            f"{duel.wins + duel.losses + duel.ties:,} choices, ties counted half."
        )
    for one in found.agreement:
        if one.alpha.value is None:
            sentences.append(
                f"The agreement of the {one.what} is unknown: it needs answers that several "
                "annotators judged differently."
            )
            break
    else:
        listed = ", ".join(
            f"{_number(one.alpha, 2)} ({one.what}, {one.level})" for one in found.agreement
        )
        sentences.append(f"Krippendorff's alpha is {listed}.")
    return sentences + _predicting(found)


def _mean(found: Satisfaction, number: int) -> str:
    one = found.models[number]
    text = f"{one.model}: satisfaction {_number(one.mean, 2)}"
    if one.difference is None or one.difference.value is None:
        return f"{text}."
    apart = one.difference.ends is not None and not (
        one.difference.ends[0] <= 0 <= one.difference.ends[1]
    )
    side = "above" if one.difference.value > 0 else "below"
    said = (
        f"{found.reference} is {side} by"
        if apart
        else f"not distinguishable from {found.reference}:"
    )
    return f"{text}; {said} {_number(one.difference, 2, sign=True)}."


def _predicting(found: Satisfaction) -> list[str]:
    if not found.predictors:
        return ["W is the same for all rated answers, or unknown, so it predicts nothing."]
    first = found.predictors[0]
    listed = ", ".join(f"{_NAMES[m]} {_number(first.correlations[m], 3)}" for m in METHODS)
    sentences = [f"W and satisfaction correlate over {first.answers:,} answers: {listed}."]
    others = found.predictors[1:]
    for method in METHODS[:2]:
        by_side: dict[str, list[str]] = {}
        for one in others:
            by_side.setdefault(_side(one.ahead[method]), []).append(one.name)
        for side, names in sorted(by_side.items()):
            sentences.append(
                f"By {_NAMES[method]}, W predicts satisfaction {side} {_listed(names)}."
            )
    return sentences


def _side(ahead: Crossed) -> str:
    if ahead.ends is None or ahead.ends[0] <= 0 <= ahead.ends[1]:
        return "not distinguishably better or worse than"
    return "better than" if ahead.ends[0] > 0 else "worse than"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _models(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in reversed(found.models):
        rows.append(
            [
                (one.model,),
                (f"{one.ratings:,}",),
                _lines(one.mean, 2),
                () if one.difference is None else _lines(one.difference, 2, sign=True),
            ]
        )
        records.append(
            {"model": one.model, "simulated": found.simulated, "ratings": one.ratings}
            | one.mean.to_json()
            | _ends("difference", one.difference)
        )
    head = ["model", "ratings", "satisfaction, 1 to 5", f"{found.reference} minus this"]
    notes = [_notes(one.mean for one in found.models), PUBLISHED] if rows else []
    if any(one.mean.questions < LEAST for one in found.models):
        notes.insert(1, FEW)
    return Sheet("satisfaction", _title(found, "Satisfaction by model"), head, rows, records, notes)


def _duels(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for duel in found.duels:
        counts = (duel.wins, duel.losses, duel.ties)
        ends = () if duel.share.ends is None else (_percent(duel.share.ends),)
        rows.append(
            [
                (f"{duel.one} : {duel.other}",),
                *((f"{count:,}",) for count in counts),
                (share(duel.share.value or 0.0, 1), *ends),
            ]
        )
        records.append(
            {"one": duel.one, "other": duel.other, "simulated": found.simulated}
            | dict(zip(("wins", "losses", "ties"), counts, strict=True))
            | duel.share.to_json()
        )
    head = ["models", "first", "second", "neither", "first preferred, ties half"]
    return Sheet("preferences", _title(found, "Preferences"), head, rows, records)


def _agreement(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = [
        [(one.what,), (one.level,), (f"{one.units:,}",), _lines(one.alpha, 3)]
        for one in found.agreement
    ]
    records = [
        {"what": one.what, "level": one.level, "simulated": found.simulated, "units": one.units}
        | one.alpha.to_json()
        for one in found.agreement
    ]
    head = ["of", "level", "judged by several", "Krippendorff's alpha"]
    notes = [
        "1 is perfect agreement, 0 agreement by chance. The interval is over other questions, for "
        "these annotators."
    ]
    return Sheet("agreement", _title(found, "Agreement of annotators"), head, rows, records, notes)


def _predictors(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in found.predictors:
        chosen: Lines = (NONE,)
        if one.chosen is not None and one.chosen.value is not None:
            ends = () if one.chosen.ends is None else (_percent(one.chosen.ends),)
            chosen = (share(one.chosen.value, 1), *ends)
        rows.append(
            [
                (one.name,),
                (f"{one.answers:,}",),
                *(_lines(one.correlations[method], 3) for method in METHODS),
                chosen,
            ]
        )
        records.append(_record(found, one))
    head = ["measure", "answers", *(_NAMES[method] for method in METHODS), "the preferred has more"]
    notes = [
        "Correlation of a measure with the mean rating of an answer; Kendall's is tau-b. The last "
        "column: of two answers to one question, how often the preferred one has more of the "
        "measure, ties of the measure counted half."
    ]
    title = _title(found, "What predicts satisfaction")
    return Sheet("prediction", title, head, rows, records, notes)


def _ahead(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = []
    records: list[dict[str, Any]] = []
    for one in found.predictors[1:]:
        chosen: Lines = (NONE,)
        if one.chosen_ahead is not None and one.chosen_ahead.value is not None:
            chosen = _lines(one.chosen_ahead, 3, sign=True)
        rows.append(
            [
                (one.name,),
                *(_lines(one.ahead[method], 3, sign=True) for method in METHODS),
                chosen,
            ]
        )
        record: dict[str, Any] = {"measure": one.name, "simulated": found.simulated}
        for method in METHODS:
            record |= _ends(method, one.ahead[method])
        records.append(record | _ends("preferred", one.chosen_ahead))
    head = [f"{MEASURE} minus", *(_NAMES[method] for method in METHODS), "the preferred has more"]
    notes = [
        "How much better W predicts: the size of its correlation minus the size of the other's, on "
        "the same answers, and how much more often the preferred answer has more of W. Above 0, W "
        "predicts better. By chance alone, one interval in twenty excludes 0."
    ]
    title = _title(found, "W against each measure alone")
    return Sheet("prediction-ahead", title, head, rows, records, notes)


def _annotators(found: Satisfaction) -> Sheet:
    rows: list[list[Lines]] = [
        [
            (one.name,),
            (f"{one.ratings:,}",),
            (fixed(one.mean, 2),),
            (fixed(one.deviation, 2),),
            (f"{one.preferences:,}",),
            (NONE if one.first is None else share(one.first, 1),),
        ]
        for one in found.annotators
    ]
    records = [
        {
            "annotator": one.name,
            "simulated": found.simulated,
            "ratings": one.ratings,
            "mean": one.mean,
            "deviation": one.deviation,
            "choices": one.preferences,
            "first": one.first,
        }
        for one in found.annotators
    ]
    head = ["annotator", "ratings", "mean", "deviation", "choices", "for the first"]
    notes = [
        "A deviation of 0, or a share for the first answer far from one half, is a reason to look "
        "at what this annotator did."
    ]
    return Sheet("annotators", _title(found, "Annotators"), head, rows, records, notes)


def _record(found: Satisfaction, one: Predictor) -> dict[str, Any]:
    record: dict[str, Any] = {
        "measure": one.name,
        "simulated": found.simulated,
        "answers": one.answers,
    }
    for method in METHODS:
        record |= _ends(method, one.correlations[method])
    return record | _ends("preferred", one.chosen)


def _title(found: Satisfaction, title: str) -> str:
    return f"{title} (SIMULATED annotators)" if found.simulated else title


def _notes(numbers: Iterable[Crossed]) -> str:
    return BOTH if any(one.annotators > 1 for one in numbers) else ONE


def _lines(one: Crossed, digits: int, *, sign: bool = False) -> Lines:
    ends = () if one.ends is None else (interval(*one.ends, digits, sign=sign),)
    return (fixed(one.value, digits, sign=sign), *ends)


def _number(one: Crossed, digits: int, *, sign: bool = False) -> str:
    return " ".join(_lines(one, digits, sign=sign))


def _share(one: Crossed) -> str:
    ends = "" if one.ends is None else f" {_percent(one.ends)}"
    return f"{share(one.value or 0.0, 1)}{ends}"


def _percent(ends: tuple[float, float]) -> str:
    return f"[{share(ends[0], 1)}, {share(ends[1], 1)}]"


def _ends(name: str, one: Crossed | None) -> dict[str, float | None]:
    if one is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = one.ends or (None, None)
    return {name: one.value, f"{name}_low": low, f"{name}_high": high}
