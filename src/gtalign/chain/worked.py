"""The solution of a matrix, written out as an analysis.

A small model that names the optimum straight after its matrix recites what it knows of the
question. Sums that it writes one by one, with the best so far, let the choice follow from the
numbers.
"""

from dataclasses import dataclass

import numpy as np

from gtalign.game import TOLERANCE, Bimatrix


@dataclass(frozen=True, slots=True)
class Solved:
    """The solution of a matrix.

    Args:
        cell: The cell that the published rule chooses.
        action: The LLM's action of the cell.
        sums: The sum of every cell, and the best so far.
    """

    cell: str
    action: str
    sums: str

    @property
    def text(self) -> str:
        """The sums and the choice, as an analyze block."""
        return f"{self.sums} choose {self.cell}."


def work_out(game: Bimatrix) -> Solved:
    """Solve a matrix by the published rule, and write down every step.

    The rule is the highest sum of payoffs; of equal sums the one with the highest payoff of the
    user, then the first cell (GTAlign, arXiv 2510.08872). The text holds the sum of every cell,
    the LLM's payoff first, as a chain writes it, and repeats the name of a cell that is better
    than all before it: ``DQ_DA 4+3=7 best DQ_DA. DQ_CQ 1+2=3. ... choose DQ_DA.``
    """
    form, steps = game.form, []
    best, best_sum, best_user = form.cells[0], -np.inf, -np.inf
    for cell in form.cells:
        user, llm = game.cell(cell)
        total = user + llm
        step = f"{cell} {llm:g}+{user:g}={round(total, 9):g}"
        tied = abs(total - best_sum) <= TOLERANCE
        if user > best_user + TOLERANCE if tied else total > best_sum:
            best, best_sum, best_user = cell, total, user
            step += f" best {cell}"
        steps.append(f"{step}.")
    action = form.llm_actions[form.index(best)[1]]
    return Solved(best, action, " ".join(steps))
