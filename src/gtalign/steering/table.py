"""A game's matrix as a table for people, with its solutions marked."""

from gtalign.drawing import Markup, matrix_table
from gtalign.game import Bimatrix, pareto_frontier, pure_nash
from gtalign.game.wording import meanings
from gtalign.steering.recommend import Recommendation


def game_table(
    game: Bimatrix,
    caption: str = "",
    found: Recommendation | None = None,
    *,
    chosen: str | None = None,
    played: str | None = None,
) -> Markup:
    """A matrix with its frontier and its equilibria in pure actions.

    Args:
        game: The matrix.
        caption: Title of the table.
        found: A policy's choice in it, whose cell and solutions on record are marked; None for no
            such choice.
        chosen: Key of the cell to mark where no policy chose one.
        played: The user's action that was really played.
    """
    form = game.form
    return matrix_table(
        meanings(form.user),
        meanings(form.llm),
        {key: game.cell(key) for key in form.cells},
        caption=caption,
        chosen=chosen if found is None else found.cell,
        frontier=form.where(pareto_frontier(game.payoffs)) if found is None else found.frontier,
        equilibria=form.where(pure_nash(game.payoffs)) if found is None else found.pure_nash,
        played=played,
    )
