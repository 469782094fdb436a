"""How many tokens each action of the LLM is expected to take: a prior, then what was measured."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from gtalign.config import Config
from gtalign.errors import DataError, SteeringError
from gtalign.game import GameForm
from gtalign.steering.fields import Fields
from gtalign.steering.units import Amounts

_MOST: Final = 2**53  # up to here sums of whole numbers are exact

_Means = dict[str, dict[str, tuple[int, float]]]  # model -> action -> answers, tokens
_Told = tuple[dict[str, "ActionTokens"], dict[str, str]]  # what is expected, and where it is from
_ANSWERS: Final = ("answers", "tokens")
_FOLLOW_UPS: Final = ("follow_ups", "follow_up_tokens")

Tokens = Annotated[float, Field(ge=0, le=_MOST, allow_inf_nan=False)]


class ActionTokens(Config):
    """Expected tokens of one action of the LLM; means, so they need not be whole.

    Keys:
        output: Tokens that the LLM writes in this turn, including its whole chain.
        turns: Further turns that the action causes.
        follow_up: Tokens that the LLM writes in each of those.
        reply: Tokens that the user writes in each of those.
    """

    output: Tokens
    turns: Tokens = 0.0
    follow_up: Tokens = 0.0
    reply: Tokens = 0.0

    def written(self) -> float:
        """Tokens that the LLM writes, in this turn and in those that it causes."""
        return self.output + self.turns * self.follow_up

    def read(self, prompt_tokens: float) -> float:
        """Tokens that the model reads in the further turns: prompt, answer and reply again.

        The model reads the prompt of this turn under every action, so it is left out. A second
        further turn would also read the first one; this is left out too, as `turns` is about 1 or
        less.

        Args:
            prompt_tokens: Tokens of this turn's prompt.
        """
        return self.turns * (prompt_tokens + self.output + self.reply)

    def amounts(self, prompt_tokens: float, characters_per_token: float) -> Amounts:
        """What the action takes in this turn and in those that it causes, in every unit of a price.

        Args:
            prompt_tokens: Tokens of this turn's prompt.
            characters_per_token: `Policy.characters_per_token`.
        """
        written, read = self.written(), self.read(prompt_tokens)
        return Amounts(
            input=read,
            output=written,
            input_characters=read * characters_per_token,
            output_characters=written * characters_per_token,
            answer=1.0 + self.turns,
        )


_ANSWER: Final = 1000.0
_ASKING: Final = 500.0
_QUESTION: Final = 40.0
_REPLY: Final = 40.0

PRIOR: Final[Mapping[str, ActionTokens]] = {
    "DA": ActionTokens(output=_ANSWER),
    "CQ": ActionTokens(output=_ASKING, turns=1.0, follow_up=_ANSWER, reply=_REPLY),
    "AQ": ActionTokens(output=_ANSWER + _QUESTION, turns=0.5, follow_up=_ANSWER, reply=_REPLY),
}
"""Assumed tokens of the actions of ``USER_LLM``, used before any are measured.

An answer, with the chain before it, takes 1,000 tokens: the published model needs 1,638 on math,
its longest task (GTAlign, arXiv 2510.08872). A clarifying question takes 500, nearly all of them
for the chain (a payoff block alone is over 100), and always brings one more turn with a full
answer. An answer with a question is longer by the two lines of the question, and users reply to it
half the time. Replies are as short as questions. These are round numbers of the right order of
magnitude, not measurements: `TokenHistory` replaces `output` and `follow_up` as soon as it has
enough answers.
"""

FULL: Final = "DA"
"""The action of a full answer, as which `PRIOR` counts a follow-up."""

UNKNOWN: Final = PRIOR["DA"]
"""Assumed tokens of an action that `PRIOR` lacks: those of an answer that ends the exchange. They
are the same for all such actions, so no guess favours one of them."""


def prior_for(form: GameForm) -> dict[str, ActionTokens]:
    """The prior of every LLM action.

    As the form has it, else `PRIOR` by the action's name, else by what it counts as, else
    `UNKNOWN`.
    """
    found = {}
    for action, traits in zip(form.llm_actions, form.traits, strict=True):
        if traits.tokens is not None:
            found[action] = ActionTokens(**traits.tokens._asdict())
        else:
            found[action] = PRIOR.get(action) or PRIOR.get(traits.counts_as or "", UNKNOWN)
    return found


class TokenHistory:
    """Measured output tokens, by model and action of the LLM, and those of follow-ups.

    It keeps sums and counts, so it stays small however many answers it has seen.
    """

    def __init__(self) -> None:
        self._seen: _Means = {}
        self._followed: _Means = {}
        self._latest: dict[tuple[str, GameForm, int], _Told] = {}

    def add(self, model: str, action: str, output: float, *, after: str | None = None) -> None:
        """Count one answer.

        Args:
            model: Name of the model that wrote it.
            action: The LLM's action that it carried out.
            output: Number of tokens written, including the whole chain.
            after: The LLM's action in the turn before, where this answer follows one up.

        Raises:
            DataError: `output` is negative, not finite, absurdly large or no number.
        """
        real = isinstance(output, int | float) and not isinstance(output, bool)
        if not real or not 0 <= output <= _MOST:
            raise DataError(f"{model}, {action}: that is not a number of tokens, 0 to 2**53")
        self._latest.clear()
        for means, about in ((self._seen, action), (self._followed, after)):
            if about is not None:
                count, total = means.setdefault(model, {}).get(about, (0, 0.0))
                means[model][about] = (count + 1, total + output)

    def count(self, model: str, action: str) -> int:
        """Number of answers of this action by this model that were measured."""
        return self._seen.get(model, {}).get(action, (0, 0.0))[0]

    def expected(
        self,
        model: str,
        form: GameForm,
        prior: Mapping[str, ActionTokens] | None = None,
        enough: int = 20,
    ) -> dict[str, ActionTokens]:
        """Expected tokens of every LLM action of a form.

        Once there are `enough` answers of an action, their mean replaces the prior's `output`; once
        there are enough answers to replies to it, theirs replaces its `follow_up`. Before that, a
        follow-up takes as many tokens as the full answers that were measured, unless a prior is
        given. The number of further turns and the length of replies stay those of the prior.

        Args:
            model: Name of the model whose answers count.
            form: The game.
            prior: Expected tokens by action; by default `prior_for` the form.
            enough: Least number of answers, at least 1.

        Raises:
            SteeringError: The prior lacks an action.
        """
        return dict(self._told(model, form, prior, enough)[0])

    def sources(
        self,
        model: str,
        form: GameForm,
        prior: Mapping[str, ActionTokens] | None = None,
        enough: int = 20,
    ) -> dict[str, str]:
        """Where `expected` has each action's tokens from.

        ``prior``, or ``measured (n=57)``; where the action causes further turns, with what is said
        of those, as in ``prior, follow-ups measured (n=23)`` or ``prior, follow-ups as DA (n=57)``.
        """
        return dict(self._told(model, form, prior, enough)[1])

    def _told(
        self,
        model: str,
        form: GameForm,
        prior: Mapping[str, ActionTokens] | None,
        enough: int,
    ) -> _Told:
        """What `expected` and `sources` return; it stays the same until an answer is added."""
        key = model, form, enough
        if prior is None and key in self._latest:
            return self._latest[key]
        assumed = prior_for(form) if prior is None else prior
        expected, sources = {}, {}
        for action in form.llm_actions:
            tokens = tokens_of(assumed, action)
            output = _mean(self._seen, model, action, enough)
            measured = {} if output is None else {"output": output[1]}
            source = "prior" if output is None else f"measured (n={output[0]})"
            if tokens.turns:
                full = next(iter(form.meant_by(FULL)), None) if prior is None else None
                follow_up = self._follow_up(model, action, enough, full)
                if follow_up is not None:
                    count, measured["follow_up"], how = follow_up
                    source = f"{source}, follow-ups {how} (n={count})"
                elif output is not None:
                    source = f"{source}, follow-ups prior"
            expected[action] = tokens.model_copy(update=measured) if measured else tokens
            sources[action] = source
        if prior is None:
            self._latest[key] = expected, sources
        return expected, sources

    def _follow_up(
        self, model: str, action: str, enough: int, full: str | None
    ) -> tuple[int, float, str] | None:
        """Number and mean tokens of the answers that follow an action up, and which they are."""
        own = _mean(self._followed, model, action, enough)
        if own is not None:
            return *own, "measured"
        other = _mean(self._seen, model, full, enough) if full is not None else None
        return None if other is None else (*other, f"as {full}")

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back: model -> action -> answers, tokens.

        Follow-ups are beside the answers of the action that they follow up.
        """
        found: dict[str, Any] = {}
        for means, (answers, tokens) in ((self._seen, _ANSWERS), (self._followed, _FOLLOW_UPS)):
            for model, actions in means.items():
                for action, (count, total) in actions.items():
                    own = found.setdefault(model, {}).setdefault(action, {})
                    own |= {answers: count, tokens: total}
        return found

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "TokenHistory":
        """Read what `to_json` wrote.

        Raises:
            DataError: A field is missing or of the wrong type; the message names it.
        """
        history = cls()
        models = Fields(source)
        for model in models.names():
            actions = models.object(model)
            for action in actions.names():
                record = actions.object(action)
                own = [(history._seen, _ANSWERS), (history._followed, _FOLLOW_UPS)]
                own = [pair for pair in own if pair[1][0] in record.names()] or own[:1]
                for means, (answers, tokens) in own:
                    count, total = record.count(answers), record.number(tokens)
                    if total < 0 or (total > 0 and not count):
                        record.refuse(tokens, "the sum of that many answers, 0 or more")
                    means.setdefault(model, {})[action] = (count, total)
        return history


def _mean(means: _Means, model: str, action: str, enough: int) -> tuple[int, float] | None:
    """Number and mean of the tokens of an action; None if there are not enough."""
    count, total = means.get(model, {}).get(action, (0, 0.0))
    return (count, total / count) if count >= max(enough, 1) else None


def tokens_of(expected: Mapping[str, ActionTokens], action: str) -> ActionTokens:
    """The expected tokens of one action.

    Raises:
        SteeringError: The action has none.
    """
    if action not in expected:
        known = ", ".join(expected) or "no action"
        raise SteeringError(f"expected tokens are given for {known}, not for {action!r}")
    return expected[action]
