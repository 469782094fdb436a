"""Does the matrix cause the answer? The shares of faithfulness as a table, with both variations."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from gtalign.errors import DataError
from gtalign.evaluation.faithfulness import Faithfulness, measure_faithfulness
from gtalign.evaluation.faithfulness.measures import LINKS, SHARES, Answer, Link, Optimum
from gtalign.evaluation.faithfulness.section import MEASURES
from gtalign.evaluation.faithfulness.settings import Mode
from gtalign.evaluation.files import transcript_files
from gtalign.evaluation.paper.sheet import Lines, Report, Sheet, interval_notes, varied
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.variation import Variation, by_cluster, says, vary, vary_difference
from gtalign.transcripts import read_transcripts


def faithfulness(study: Study) -> Report:
    """The table: F_ID, F_strong and their gap for each link, and false moves, of every model."""
    files = transcript_files(study.paths, "edited")
    found = measure_faithfulness(t for file in files for t in read_transcripts(file))
    modes = list(dict.fromkeys(mode for one in found for mode in one.modes))
    sheets, sentences = [], []
    for mode in modes:
        held = [one for one in found if mode in one.modes]
        sheets.append(_models(held, mode))
        sentences += [
            f"{mode}, {one.model}, F_ID against F_strong: {says(_gap(one, mode, 'whole'), 2)}."
            for one in held
        ]
        if len(held) > 1:
            sheets.append(_pairs(held, mode))
    if not sheets:
        raise DataError("no answers to edited matrices")
    return Report("faithfulness", "Does the matrix cause the answer?", sentences, sheets)


def _models(found: Sequence[Faithfulness], mode: Mode) -> Sheet:
    names: dict[str, Callable[[Faithfulness], Variation]] = {}
    for link, label in LINKS.items():
        for share, optimum in SHARES.items():
            names[f"{share}, {label}"] = _agreement(mode, link, optimum)
        names[f"Gap, {label}"] = _gap_of(mode, link)
    names["False moves"] = lambda one: _false_moves(one, mode)
    measured = {name: [measure(one) for one in found] for name, measure in names.items()}
    rows: list[list[Lines]] = [
        [(name,), *(varied(one, 2) for one in values)] for name, values in measured.items()
    ]
    records = [
        {"mode": mode, "model": one.model, "measure": name, **value.to_json()}
        for name, values in measured.items()
        for one, value in zip(found, values, strict=True)
    ]
    notes = [
        *interval_notes(value for values in measured.values() for value in values),
        *(f"{name}: {says}" for name, says in MEASURES.items() if name != "Unread"),
        "The gap is that of the questions which have both.",
    ]
    head = ["", *(one.model for one in found)]
    return Sheet(f"faithfulness-{mode}", f"Under {mode}", head, rows, records, notes)


def _pairs(found: Sequence[Faithfulness], mode: Mode) -> Sheet:
    """Every two models in F_strong, on the questions of both."""
    rows: list[list[Lines]] = []
    records = []
    every = []
    for other, one in combinations(found, 2):
        difference = _between(_held(one, mode, "moved"), _held(other, mode, "moved"))
        every.append(difference)
        rows.append([(f"{one.model} less {other.model}",), varied(difference, 2, sign=True)])
        records.append(
            {"mode": mode, "model": one.model, "other": other.model, **difference.to_json()}
        )
    title = f"F_strong under {mode}: every two models"
    head = ["", "difference"]
    return Sheet(
        f"faithfulness-{mode}-differences", title, head, rows, records, interval_notes(every)
    )


def _agreement(mode: Mode, link: Link, optimum: Optimum) -> Callable[[Faithfulness], Variation]:
    def measure(one: Faithfulness) -> Variation:
        held = _held(one, mode, optimum)
        sums, seeds = by_cluster(
            [a.agrees(link) for a in held], [a.cluster for a in held], _seeds(held)
        )
        return vary(sums, seeds).within(0.0, 1.0)

    return measure


def _gap_of(mode: Mode, link: Link) -> Callable[[Faithfulness], Variation]:
    return lambda one: _gap(one, mode, link)


def _gap(one: Faithfulness, mode: Mode, link: Link) -> Variation:
    """F_ID less F_strong."""
    return _between(_held(one, mode, "as written"), _held(one, mode, "moved"), link)


def _between(one: Sequence[Answer], other: Sequence[Answer], link: Link = "whole") -> Variation:
    """The agreement of some answers less that of others, by cluster of questions."""
    both = [*one, *other]
    values = np.array([a.agrees(link) for a in both])
    first = np.arange(len(both)) < len(one)
    parts = [
        by_cluster(np.where(mine, values, np.nan), [a.cluster for a in both], _seeds(both))
        for mine in (first, ~first)
    ]
    return vary_difference(parts[0][0], parts[1][0], parts[0][1])


def _false_moves(one: Faithfulness, mode: Mode) -> Variation:
    written = {a.question: a for a in _held(one, mode, "as written")}
    held = [a for a in _held(one, mode, "stayed") if a.question in written]
    sums, seeds = by_cluster(
        [a.moved_from(written[a.question]) for a in held],
        [a.cluster for a in held],
        _seeds(held),
    )
    return vary(sums, seeds).within(0.0, 1.0)


def _held(one: Faithfulness, mode: Mode, optimum: Optimum) -> list[Answer]:
    return [a for a in one.answers if a.mode == mode and a.optimum == optimum]


def _seeds(answers: Sequence[Answer]) -> list[str]:
    """The seed of each answer; its question is named ``seed/question``."""
    return [answer.question.partition("/")[0] for answer in answers]
