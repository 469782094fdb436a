"""A game's matrix as a table that marks the cell a policy's rule chooses."""

from gtalign.drawing import Markup, matrix_table
from gtalign.game import Bimatrix, pareto_frontier, pure_nash
from gtalign.game.wording import meanings
from gtalign.steering import Recommendation


def game_table(game: Bimatrix, caption: str = "", found: Recommendation | None = None) -> Markup:
    """A matrix with its frontier and its equilibria in pure actions.

    Args:
        game: The matrix.
        caption: Title of the table.
        found: The choice in it, with the solutions on record; None for no choice.
    """
    form = game.form
    return matrix_table(
        meanings(form.user),
        meanings(form.llm),
        {key: game.cell(key) for key in form.cells},
        caption=caption,
        chosen=None if found is None else found.cell,
        frontier=form.where(pareto_frontier(game.payoffs)) if found is None else found.frontier,
        equilibria=form.where(pure_nash(game.payoffs)) if found is None else found.pure_nash,
    )
