import numpy as np
import pytest
from hypothesis import given, settings

from games import batches, random_games
from gtalign.errors import GameError
from gtalign.game import (
    TOLERANCE,
    best_responses,
    deviation_gains,
    equilibria,
    equilibrium_welfare,
    misread_loss,
    price_of_anarchy,
    pure_nash,
    social_optimum,
    stackelberg,
    welfare_gap,
)
from gtalign.game.diagnostics import price

DILEMMA = np.array([[[3, 3], [0, 0], [0, 4]], [[4, 0], [0, 0], [1, 1]]], float)


@given(batches())
@settings(max_examples=40)
def test_gains_and_losses_follow_their_definitions(games):
    _, m, n, _ = games.shape
    cells = social_optimum(games)
    gains, losses = deviation_gains(games, cells), misread_loss(games, cells)
    best = best_responses(games).reshape(len(games), m * n, 2)
    assert np.array_equal(best[np.arange(len(games)), cells], gains <= TOLERANCE)
    for game, cell, gain, loss in zip(games, cells, gains, losses, strict=True):
        row, column = divmod(int(cell), n)
        assert gain[0] == max(game[i, column, 0] - game[row, column, 0] for i in range(m))
        assert gain[1] == max(game[row, j, 1] - game[row, column, 1] for j in range(n))
        welfare = game.sum(axis=-1)
        assert loss.tolist() == [max(welfare[i]) - welfare[i, column] for i in range(m)]
        assert loss[row] <= TOLERANCE
        assert np.array_equal(deviation_gains(game, cell), gain)
        assert np.array_equal(misread_loss(game, cell), loss)


def stability_of(games):
    """Welfare of the optimum over that of the best equilibrium."""
    return price(games.sum(axis=-1).max(axis=(-2, -1)), equilibrium_welfare(games)[..., 1])


@given(batches())
@settings(max_examples=30)
def test_prices_follow_their_definitions(games):
    gap, anarchy, stability = (f(games) for f in (welfare_gap, price_of_anarchy, stability_of))
    for number, game in enumerate(games):
        found, welfare = equilibria(game), game.sum(axis=-1)
        values = [user @ welfare @ llm for user, llm in zip(found.user, found.llm, strict=True)]
        assert gap[number] == pytest.approx(welfare.max() - min(values), abs=1e-8)
        assert equilibrium_welfare(game)[1] == pytest.approx(max(values), abs=1e-8)
        assert np.isnan(anarchy[number]) == (min(values) <= TOLERANCE)
        if min(values) > 1e-6:
            assert anarchy[number] == pytest.approx(welfare.max() / min(values))
            assert 1 - 1e-9 <= stability[number] <= anarchy[number] * (1 + 1e-9)
            assert price_of_anarchy(game) == pytest.approx(anarchy[number])


def test_the_price_of_the_dilemma():
    assert price_of_anarchy(DILEMMA) == stability_of(DILEMMA) == 3
    assert welfare_gap(DILEMMA) == 4
    assert deviation_gains(DILEMMA, 0).tolist() == [1, 1]
    assert np.isnan(price_of_anarchy(DILEMMA - 2)) and welfare_gap(DILEMMA - 2) == 4


def test_without_a_pure_equilibrium_only_mixed_ones_have_a_price():
    pennies = np.stack([np.eye(2), 1 - np.eye(2)], axis=-1) * 2
    assert np.isnan(equilibrium_welfare(pennies, pure=True)).all()
    assert np.isnan(welfare_gap(pennies, pure=True))
    assert np.isnan(price_of_anarchy(pennies, pure=True))
    assert price_of_anarchy(pennies) == stability_of(pennies) == 1


def test_equilibria_at_hand_are_used():
    games = random_games(20)
    assert np.array_equal(
        equilibrium_welfare(games, found=equilibria(games)), equilibrium_welfare(games)
    )


def test_an_empty_batch():
    nothing, none = np.zeros((0, 2, 3, 2)), np.zeros(0, int)
    assert deviation_gains(nothing, none).shape == (0, 2)
    assert misread_loss(nothing, none).shape == (0, 2)
    assert price_of_anarchy(nothing).shape == (0,)


@pytest.mark.parametrize("cells", [6, -1, 0.0, True, [0]])
def test_wrong_cell_numbers_are_refused(cells):
    for function in (deviation_gains, misread_loss):
        with pytest.raises(GameError, match="cell numbers"):
            function(DILEMMA, cells)


def test_payoffs_that_are_not_finite_are_refused():
    for function in (deviation_gains, misread_loss):
        with pytest.raises(GameError, match="not a finite number"):
            function(np.full((2, 3, 2), np.inf), 0)


def test_the_published_facts_about_random_games():
    games = random_games(20_000)
    cells = social_optimum(games)
    leaves = deviation_gains(games, cells) > TOLERANCE
    assert leaves[:, 0].mean() == pytest.approx(0.17, abs=0.01)
    assert leaves[:, 1].mean() == pytest.approx(0.30, abs=0.015)
    loss = misread_loss(games, cells)[np.arange(len(games)), 1 - cells // 3]
    assert (loss > TOLERANCE).mean() == pytest.approx(0.66, abs=0.015)
    worst = equilibrium_welfare(games, pure=True)[:, 0]
    some = ~np.isnan(worst)
    assert (worst[some] <= TOLERANCE).mean() == pytest.approx(0.125, abs=0.01)
    assert (np.isnan(price_of_anarchy(games, pure=True)) >= ~some).all()
    # Mixed play is worse still.
    assert (equilibrium_welfare(games)[:, 0] <= TOLERANCE).mean() > 0.18


def test_a_leader_may_do_better_than_in_equilibrium():
    games = random_games(20_000)
    nash = pure_nash(games).reshape(-1, 6)
    llm = games[..., 1].reshape(-1, 6)
    led = llm[np.arange(len(games)), stackelberg(games, "llm")]
    settled = np.where(nash, llm, -np.inf).max(axis=1)
    assert (led >= settled - TOLERANCE).all()
    some = nash.any(axis=1)
    assert 0.05 < (led[some] > settled[some] + TOLERANCE).mean() < 0.09
