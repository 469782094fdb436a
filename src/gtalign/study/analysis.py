"""The analysis of a study: what people said, or else what simulated annotators said."""

import logging

from gtalign.errors import DataError
from gtalign.evaluation.satisfaction import (
    Preference,
    Rated,
    RatedAnswer,
    Rating,
    Satisfaction,
    measure_satisfaction,
)
from gtalign.study.annotator import RatingFile, rating_files
from gtalign.study.folder import StudyFolder

log = logging.getLogger(__name__)


def analyse(
    study: StudyFolder, *, reference: str | None = None, simulated: bool = False
) -> Satisfaction:
    """Measure what the annotators of a study said.

    People and simulated annotators are never mixed. Where there are ratings of both, it is people
    who count.

    Args:
        study: The study, with its key.
        reference: The model that the others are compared with.
        simulated: Whether the simulated annotators count instead.

    Raises:
        DataError: There are no ratings, or a file is wrong.
    """
    return measure_satisfaction(read_ratings(study, simulated=simulated), reference)


def read_ratings(study: StudyFolder, *, simulated: bool = False) -> Rated:
    """What one kind of annotators said; see `analyse`.

    Raises:
        DataError: A file is wrong.
    """
    keys = study.keys
    files = [file for file in rating_files(study) if file.values()]
    people = [file for file in files if not file.annotator.simulated]
    programs = [file for file in files if file.annotator.simulated]
    chosen = programs if simulated or not people else people
    if people and programs:
        left = people if chosen is programs else programs
        log.info(
            "%d %s left out: people and simulated annotators are not mixed",
            len(left),
            "people" if left is people else "simulated annotators",
        )
    return Rated(
        answers={
            name: RatedAnswer(key.model, key.cluster, key.measures) for name, key in keys.items()
        },
        ratings=[one for file in chosen for one in _said(study, file) if isinstance(one, Rating)],
        preferences=[
            one for file in chosen for one in _said(study, file) if isinstance(one, Preference)
        ],
        simulated=chosen is programs and bool(programs),
    )


def _said(study: StudyFolder, file: RatingFile) -> list[Rating | Preference]:
    found: list[Rating | Preference] = []
    for name, value in file.values().items():
        answers = [one.id for one in study.items[name].answers]
        if unknown := [one for one in answers if one not in study.keys]:
            raise DataError(f"{study.path}: the key lacks answer {unknown[0]!r}")
        who = file.annotator.name
        if len(answers) == 1:
            found.append(Rating(who, answers[0], value))
        else:
            found.append(Preference(who, answers[0], answers[1], value))
    return found
