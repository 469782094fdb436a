"""How the tokens of an answer are shared out among the blocks of its chain."""

from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from gtalign.chain import Lengths
from gtalign.config import Config
from gtalign.game import GameForm

CHARACTERS: Final = 4
"""Characters of a token of English, about."""

LEAST: Final = 12
"""Fewest tokens in which a block of text says anything."""

_DENSE: Final = 1.25  # characters of a token in JSON, where many tokens are a single mark
_TRAINED: Final = (0.5, 0.2)  # shares of thinking and analysis: a trained model ends them itself

Share = Annotated[float, Field(gt=0, lt=1)]


class BlockSettings(Config):
    """How the tokens of an answer are shared out, if the model was not trained on chains.

    The matrix takes what it needs, and the thinking and the analysis share what is left.

    Keys:
        thinking: Largest share of ``max_tokens`` for the thinking.
        analyze: Largest share of ``max_tokens`` for the analysis.
        response: Share of ``max_tokens`` that is kept for the response.
        longest: Most tokens of the thinking, and of the analysis, whatever their shares.
    """

    thinking: Share = 0.15
    analyze: Share = 0.1
    response: Share = 0.5
    longest: Annotated[int, Field(ge=LEAST)] = 80

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        total = self.thinking + self.analyze + self.response
        if total >= 1:
            raise ValueError(
                f"thinking, analyze and response are {total:g} together; they have to be less than"
                " 1, because the matrix takes tokens too"
            )
        return self


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """The most tokens of each block of one answer.

    Args:
        thinking: Of the thinking.
        payoff: Of the matrix, tags included, and of the belief if the chain states one.
        analyze: Of the analysis.
        response: What is kept for the response, at least.
    """

    thinking: int
    payoff: int
    analyze: int
    response: int

    @property
    def after_matrix(self) -> int:
        """What is kept for all that follows the matrix."""
        return self.analyze + self.response

    @property
    def lengths(self) -> Lengths:
        """The most characters of thinking and analysis."""
        return _lengths(self.thinking, self.analyze)


def share_out(
    max_tokens: int, settings: BlockSettings, form: GameForm, belief: bool = False
) -> TokenBudget | None:
    """Return the budget of an answer; None if it has no room for a chain and a response."""
    payoff, response = matrix_tokens(form, belief), int(settings.response * max_tokens)
    free = max_tokens - payoff - response
    if free < 2 * LEAST or response < LEAST:
        return None
    thinking, analyze = (
        max(LEAST, min(settings.longest, int(share * max_tokens)))
        for share in (settings.thinking, settings.analyze)
    )
    if thinking + analyze > free:
        shared = free * thinking // (thinking + analyze)
        thinking = min(max(shared, LEAST), free - LEAST)
        analyze = free - thinking
    return TokenBudget(thinking, payoff, analyze, response)


def least_tokens(settings: BlockSettings, form: GameForm, belief: bool = False) -> int:
    """The smallest ``max_tokens`` with room for a chain and a response."""
    free = matrix_tokens(form, belief) + 2 * LEAST
    return next(
        n for n in range(free, 100 * free) if share_out(n, settings, form, belief) is not None
    )


def matrix_tokens(form: GameForm, belief: bool = False) -> int:
    """The tokens that a matrix and its tags take, at most, in a common vocabulary.

    Args:
        form: The game.
        belief: Whether the chain states a belief before the matrix, whose tokens are counted too.
    """
    cell = len('"": {"LLM": -1.5, "user": -1.5}, ')
    characters = sum(len(key) + cell for key in form.cells)
    tokens = 16 + int(characters / _DENSE)
    if belief:
        tokens += 16 + int(sum(len(f'"{name}": 0.15, ') for name in form.user_actions) / _DENSE)
    return tokens


def lengths_of_trained(max_tokens: int) -> Lengths:
    """The most characters of thinking and analysis where a trained model shares its tokens out."""
    thinking, analyze = (int(share * max_tokens) for share in _TRAINED)
    return _lengths(thinking, analyze)


def _lengths(thinking: int, analyze: int) -> Lengths:
    return Lengths(_rounded(thinking * CHARACTERS), _rounded(analyze * CHARACTERS))


def _rounded(number: int) -> int:
    """Round down to two significant bits and a half: engines keep the grammars that they know."""
    unit = 1 << max(number.bit_length() - 3, 0)
    return max(number // unit * unit, 1)
