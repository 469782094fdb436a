"""Payoff matrices from play: force each action, play it out, average; and what a model states.

The row of a cell is the question as asked (``VQ`` if it leaves something out, else ``DQ``) or with
nothing left out (``DQ``); in another game it is the action that the user plays. The column is the
action that the first answer was made to carry out. The payoffs are the discounted welfare of both
sides (`gtalign.dialogue.measures.welfare`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from gtalign.dialogue.measures import welfare
from gtalign.errors import PayoffError
from gtalign.evaluation.dialogue.held import record_of, within
from gtalign.evaluation.statistics import Floats, Interval, mean_ci
from gtalign.game import TOLERANCE, USER_LLM, Bimatrix, GameForm, social_optimum
from gtalign.transcripts.games import noted_form
from gtalign.transcripts.transcript import Transcript

Cells = Mapping[str, tuple[float, float]]
"""Payoffs of user and LLM by cell."""


@dataclass(frozen=True, slots=True)
class PlayedMatrix:
    """The matrix of one question, played and stated.

    Args:
        question: Id of the question.
        cluster: Its source.
        asked: The row that was played without change of the question: in the game of one
            assistant turn ``VQ`` or ``DQ``, in another the one that the user plays.
        cells: Mean payoffs of the cells that were played.
        plays: Conversations behind each cell.
        stated: Mean payoffs that the model states; None if it stated no matrix.
        truth: The true payoffs, where the world knows them.
        carried: Share of the forced answers that carried out the action; the others are left out.
        form: The game.
    """

    question: str
    cluster: str
    asked: str
    cells: Cells
    plays: Mapping[str, int]
    stated: Cells | None
    truth: Cells | None
    carried: float
    form: GameForm = USER_LLM

    def correlation(self, other: Cells | None, side: int | None = None) -> float:
        """Spearman's rank correlation with another matrix over the cells that were played.

        Args:
            other: The other matrix.
            side: 0 for the user's payoffs, 1 for the LLM's, None for their sums.

        Returns:
            A number in [-1, 1]; not-a-number where there is no other matrix, or a side is constant.
        """
        if other is None:
            return float("nan")
        others = {cell: other[cell] for cell in self.cells}
        return rank_correlation(_numbers(self.cells, side), _numbers(others, side))

    @property
    def choice(self) -> str | None:
        """The action of the optimum of the model's own matrix; None if it stated none."""
        if self.stated is None:
            return None
        form = self.form
        payoffs = np.array([self.stated[cell] for cell in form.cells])
        cell = form.cells[int(social_optimum(payoffs.reshape(*form.shape, 2)))]
        return form.llm_actions[form.index(cell)[1]]

    @property
    def regret(self) -> float:
        """What its choice loses in the sum of both payoffs, in the row of the question as asked.

        Not-a-number where there is no choice, or a cell of the row was not played.
        """
        row = {action: f"{self.asked}_{action}" for action in self.form.llm_actions}
        if self.choice is None or not set(row.values()) <= self.cells.keys():
            return float("nan")
        sums = {action: sum(self.cells[cell]) for action, cell in row.items()}
        return max(sums.values()) - sums[self.choice]


@dataclass(frozen=True, slots=True)
class MatrixAgreement:
    """How the matrices that a model states agree with those that were played with one user.

    Args:
        model: Name of the model.
        user: Name of the user.
        matrices: The matrices, one for each question.
        form: The game.
    """

    model: str
    user: str
    matrices: tuple[PlayedMatrix, ...]
    form: GameForm = USER_LLM

    @property
    def questions(self) -> int:
        """Number of questions."""
        return len(self.matrices)

    def correlation(self, side: int | None = None) -> Interval:
        """Mean rank correlation of stated and played payoffs; ``side`` as for one matrix."""
        return self._mean([one.correlation(one.stated, side) for one in self.matrices], -1, 1)

    @property
    def truth(self) -> Interval:
        """Mean rank correlation of the true and the played sums, where the truth is known."""
        return self._mean([one.correlation(one.truth) for one in self.matrices], -1, 1)

    @property
    def regret(self) -> Interval:
        """Mean loss of the model's choice in the sum of both payoffs."""
        return self._mean([one.regret for one in self.matrices], 0)

    @property
    def carried(self) -> Interval:
        """Share of the forced answers that carried out the action."""
        return self._mean([one.carried for one in self.matrices], 0, 1)

    def mean(self, cell: str, side: int) -> Interval:
        """Mean payoff of a side in a cell, over the questions in which it was played."""
        return self._mean(
            [one.cells[cell][side] if cell in one.cells else float("nan") for one in self.matrices]
        )

    def _mean(self, values: list[float], least: float = -inf, most: float = inf) -> Interval:
        found = mean_ci(values, [one.cluster for one in self.matrices])
        return within(found, least, most)


def agreements(transcripts: Iterable[Transcript]) -> list[MatrixAgreement]:
    """Return the agreement of each model with each user, from conversations that were forced.

    Conversations that failed, and those whose quality is unknown, are left out, and those whose
    first answer carried out another action.

    Raises:
        DataError: The record of a conversation is wrong.
    """
    found: dict[tuple[str, str, GameForm], dict[str, _Sums]] = defaultdict(dict)
    for transcript in transcripts:
        played = record_of(transcript)
        if played is None or played.forced is None or played.end == "failed":
            continue
        worth = welfare(played)
        if worth is None:
            continue
        form = noted_form(transcript.game)
        sums = found[transcript.model, played.user, form].setdefault(
            played.question, _Sums(transcript.cluster or played.question, transcript.extra, form)
        )
        first = played.turns[0]
        sums.play(played.arm.partition("_")[0])
        if first.action == played.forced:  # another action says nothing about this cell
            sums.payoffs[played.arm].append(worth[:2])
        if first.stated is not None and (cells := _cells(first.stated, form)) is not None:
            sums.stated.append(cells)
        sums.carried.append(first.action == played.forced)
    return [
        MatrixAgreement(
            model, user, tuple(sums.matrix(question) for question, sums in held.items()), form
        )
        for (model, user, form), held in found.items()
    ]


class _Sums:
    """What was played of one question."""

    def __init__(self, cluster: str, extra: Mapping[str, Any], form: GameForm) -> None:
        self.cluster = cluster
        self.form = form
        self.payoffs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.stated: list[Cells] = []
        self.carried: list[bool] = []
        self._asked = ""
        truth = extra.get("true_payoff")
        self._truth = _cells(truth, form) if isinstance(truth, Mapping) else None

    def play(self, row: str) -> None:
        """Note that a row was played."""
        if self._asked != "VQ":  # a vague question is also asked in detail
            self._asked = row

    def matrix(self, question: str) -> PlayedMatrix:
        """The matrix of the question."""
        cells = {cell: _mean(played) for cell, played in self.payoffs.items()}
        stated = None
        if self.stated:
            stated = {cell: _mean([one[cell] for one in self.stated]) for cell in self.form.cells}
        return PlayedMatrix(
            question=question,
            cluster=self.cluster,
            asked=self._asked,
            cells=cells,
            plays={cell: len(played) for cell, played in self.payoffs.items()},
            stated=stated,
            truth=self._truth,
            carried=sum(self.carried) / len(self.carried),
            form=self.form,
        )


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation, ties with their mean rank; NaN where a side is constant.

    Payoffs that differ by no more than the tolerance of ties are equal.
    """
    from scipy.stats import rankdata  # of the extra `eval`

    if len(one) < 2:
        return float("nan")
    x, y = (rankdata(np.round(side / TOLERANCE)) for side in (one, other))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")


def _numbers(cells: Cells, side: int | None) -> Floats:
    payoffs = np.array(list(cells.values()), dtype=np.float64).reshape(-1, 2)
    numbers: Floats = payoffs.sum(axis=1) if side is None else payoffs[:, side]
    return numbers


def _mean(payoffs: list[tuple[float, float]]) -> tuple[float, float]:
    user, llm = np.mean(np.array(payoffs), axis=0)
    return float(user), float(llm)


def _cells(matrix: Mapping[str, Any], form: GameForm) -> Cells | None:
    """The payoffs of a matrix in JSON form; None for another game."""
    try:
        game = Bimatrix.from_json(matrix, form)
    except PayoffError:
        return None
    return {cell: game.cell(cell) for cell in form.cells}
