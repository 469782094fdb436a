"""The effects of steering as a table, from the steered answers of the runs."""

from collections.abc import Iterator, Mapping

from gtalign.errors import DataError
from gtalign.evaluation.files import transcript_files
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.steering.effects import EFFECTS, Trial, measure_trial
from gtalign.evaluation.steering.section import CONTRASTED, CONTRASTS, SHOWN
from gtalign.evaluation.variation import Sums, Variation, by_cluster, says, vary, vary_difference
from gtalign.transcripts import Transcript, read_transcripts


def steering(study: Study) -> Report:
    """The table: every way of steering under every policy, and their differences."""
    trial = measure_trial(_steered(study))
    policies: dict[str, list[str]] = {}
    for arm in trial.arms:
        policies.setdefault(arm.rpartition(", ")[0], []).append(arm)
    sheets, sentences = [], []
    for number, (policy, arms) in enumerate(policies.items()):
        sheets.append(_arms(trial, f"steering-{number + 1}", policy or "Steering", arms))
        pairs = [
            (one, other)
            for one, other in CONTRASTS
            if {f"{policy}, {one}", f"{policy}, {other}"} <= set(arms)
        ]
        if pairs:
            sheets.append(_pairs(trial, f"steering-{number + 1}-differences", policy, pairs))
        for one, other in pairs:
            found = _difference(trial, f"{policy}, {one}", f"{policy}, {other}", "followed")
            if found.value is not None:
                sentences.append(
                    f"Under {policy}, {one} carries out changed actions against {other}: "
                    f"{says(found, 2)}."
                )
    return Report("steering", "Effects of steering", sentences, sheets)


def _steered(study: Study) -> Iterator[Transcript]:
    found = False
    for file in transcript_files(study.paths, "steered"):
        for transcript in read_transcripts(file):
            if transcript.decision is not None:
                found = True
                yield transcript
    if not found:
        raise DataError("no answer has the record of a decision: nothing was steered")


def _arms(trial: Trial, name: str, title: str, arms: list[str]) -> Sheet:
    ways = [arm.rpartition(", ")[2] for arm in arms]
    held = {(arm, effect): _mean(trial, arm, effect) for arm in arms for effect in SHOWN}
    rows: list[list[Lines]] = [
        [
            (EFFECTS[effect].label,),
            *(varied(held[arm, effect], EFFECTS[effect].digits) for arm in arms),
        ]
        for effect in SHOWN
    ]
    records = [
        {"arm": arm, "effect": effect, **one.to_json()} for (arm, effect), one in held.items()
    ]
    return Sheet(name, title, ["", *ways], rows, records, interval_notes(held.values()))


def _pairs(trial: Trial, name: str, policy: str, pairs: list[tuple[str, str]]) -> Sheet:
    held = {
        (pair, effect): _difference(trial, f"{policy}, {pair[0]}", f"{policy}, {pair[1]}", effect)
        for pair in pairs
        for effect in CONTRASTED
    }
    rows: list[list[Lines]] = [
        [
            (EFFECTS[effect].label,),
            *(varied(held[pair, effect], EFFECTS[effect].digits, sign=True) for pair in pairs),
        ]
        for effect in CONTRASTED
    ]
    records = [
        {"policy": policy, "way": one, "other": other, "effect": effect, **found.to_json()}
        for ((one, other), effect), found in held.items()
    ]
    heads = [f"{one} less {other}" for one, other in pairs]
    notes = ["On the same questions.", *interval_notes(held.values())]
    return Sheet(name, f"{policy}: differences", ["", *heads], rows, records, notes)


def _mean(trial: Trial, arm: str, effect: str) -> Variation:
    values = {question: found[effect] for question, found in trial.rows[arm].items()}
    sums, seeds = _sums(trial, values)
    found = vary(sums, seeds)
    return found.within(0.0, 1.0) if EFFECTS[effect].share else found


def _difference(trial: Trial, one: str, other: str, effect: str) -> Variation:
    """One arm less another; the difference of each question is a value of its own."""
    a, b = trial.rows[one], trial.rows[other]
    paired = {q: a[q][effect] - b[q][effect] for q in a if q in b}
    sums, seeds = _sums(trial, paired)
    if effect == "followed":  # each arm has its own flips: two means, not a mean of differences
        both = [{q: rows[q][effect] for q in paired} for rows in (a, b)]
        (first, seeds), (second, _) = (_sums(trial, values) for values in both)
        return vary_difference(first, second, seeds)
    return vary(sums, seeds)


def _sums(trial: Trial, values: Mapping[str, float]) -> tuple[Sums, list[int]]:
    """Sums by cluster and seed; questions of a trial are named ``seed/question``."""
    return by_cluster(
        list(values.values()),
        [trial.clusters[question] for question in values],
        [question.partition("/")[0] for question in values],
    )
