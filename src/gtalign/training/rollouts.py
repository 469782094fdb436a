"""Completions for reinforcement learning, some of them from an edited matrix on.

In a share of the groups the model writes one chain up to its matrix, the matrix is edited, and all
completions of the group go on from there. What they are paid for is the edited game
(`obedience`), and only the tokens after the matrix are trained on.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gtalign.chain import acted, chosen_cell, parse, work_out
from gtalign.errors import ChainError
from gtalign.game import TOLERANCE, USER_LLM, GameForm
from gtalign.models.model import LocalModel
from gtalign.models.tokens import continuing_tokens
from gtalign.steering.splice import decimals_of, splice
from gtalign.synthesis.counterfactuals import edited
from gtalign.tasks import Message
from gtalign.training.reward import completion_text

_NEXT: Final = "<analyze"
"""What the model goes on from, without the mark at its end: tokenizers join marks with what follows
them, and after a mark alone a model sees a text that it was never trained on."""


class Rollouts:
    """A rollout function for TRL's GRPO trainer.

    It returns what the trainer asks for, and the column ``given``, which the rewards take:
    whether a completion goes on from an edited matrix.

    Args:
        model: The model that is trained.
        group: Completions of a group.
        share: Share of the groups that go on from an edited matrix.
        max_tokens: Longest completion, in tokens, with what is given of it.
        temperature: Sampling temperature.
        seed: Seed of the choice of groups and of the edits.
        rank: Number of this process among those of the run, which draws for itself.
        form: The game that chains are about.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        group: int,
        share: float,
        max_tokens: int,
        temperature: float,
        seed: int,
        rank: int = 0,
        form: GameForm = USER_LLM,
    ) -> None:
        self.model = model
        self.group = group
        self.share = share
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.seed = seed
        self.rank = rank
        self.form = form

    def __call__(self, prompts: Sequence[Sequence[Message]], trainer: Any) -> dict[str, Any]:
        """Return completions of prompts, which come in whole groups."""
        # Of the seed and the step alone: a resumed run draws what the stopped one would have drawn.
        step = int(trainer.state.global_step)
        rng = np.random.default_rng([self.seed, step, *[self.rank] * bool(self.rank)])
        heads = range(0, len(prompts), self.group)
        changed = {head for head in heads if rng.random() < self.share}
        asked = [self.model.chat.ids(prompt) for prompt in prompts]
        first = [n for n in range(len(prompts)) if n // self.group * self.group not in changed]
        first += sorted(changed)
        written = self._sample({n: asked[n] for n in first})
        given: dict[int, list[int]] = {}
        for head in sorted(changed):
            prefix = self._edited(written[head], rng)
            if prefix is not None:
                given |= dict.fromkeys(range(head, head + self.group), prefix)
        left = [n for n in range(len(prompts)) if n in given or n not in written]
        written |= self._sample({n: asked[n] + given.get(n, []) for n in left})
        completions = [
            [*given.get(n, []), *written[n]][: self.max_tokens] for n in range(len(prompts))
        ]
        handed = [len(given.get(n, [])) for n in range(len(prompts))]
        return {
            "prompt_ids": asked,
            "completion_ids": completions,
            "logprobs": None,
            "env_mask": [
                [int(n >= start) for n in range(len(ids))]
                for ids, start in zip(completions, handed, strict=True)
            ],
            "given": [n in given for n in range(len(prompts))],
        }

    def _sample(self, prompts: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
        if not prompts:
            return {}
        rows = self.model.sample(
            list(prompts.values()), max_tokens=self.max_tokens, temperature=self.temperature
        )
        return dict(zip(prompts, rows, strict=True))

    def _edited(self, ids: Sequence[int], rng: np.random.Generator) -> list[int] | None:
        """Return a completion up to its analysis, with another matrix; None if it has no matrix."""
        prefix = with_another_matrix(self.model.chat.text(ids), rng, self.form)
        return None if prefix is None else continuing_tokens(self.model.chat.tokenizer, prefix)


def with_another_matrix(
    text: str, rng: np.random.Generator, form: GameForm = USER_LLM
) -> str | None:
    """Return a chain up to its analysis, with an edited matrix; None if it is no chain.

    Args:
        text: The chain.
        rng: Decides how the matrix is edited.
        form: The game that it is about.
    """
    try:
        chain = parse(text, form)
    except ChainError:
        return None
    span = chain.spans["payoff"]
    decimals = decimals_of(text[slice(*span)])
    block = splice(text, span, edited(chain.payoff, rng), decimals=decimals)
    resumed = text.index(_NEXT, span[1]) + len(_NEXT)
    return f"{text[: span[0]]}{block}{text[span[1] : resumed]}"


RewardFunction = Callable[..., Coroutine[Any, Any, list[float | None]]]


def ordinary(reward: RewardFunction) -> RewardFunction:
    """Return a reward of the ordinary completions; None for those from an edited matrix on."""

    async def rewarded(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        given: Sequence[bool],
        **columns: Any,
    ) -> list[float | None]:
        kept = [n for n, handed in enumerate(given) if not handed]
        found: list[float | None] = [None] * len(given)
        if not kept:
            return found

        def taken(column: Any) -> Any:
            whole = isinstance(column, list) and len(column) == len(given)
            return [column[n] for n in kept] if whole else column

        rewards = await reward(
            taken(prompts),
            taken(completions),
            taken(completion_ids),
            **{name: taken(column) for name, column in columns.items()},
        )
        for n, value in zip(kept, rewards, strict=True):
            found[n] = value
        return found

    rewarded.__name__ = getattr(reward, "__name__", "reward")
    return rewarded


async def obedience(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    given: Sequence[bool],
    form: GameForm = USER_LLM,
    log_metric: Callable[[str, float], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Reward completions from an edited matrix on (`obeyed`); None for the ordinary ones."""
    worths = [
        obeyed(completion_text(completion), form) if handed else None
        for completion, handed in zip(completions, given, strict=True)
    ]
    known = [worth for worth in worths if worth is not None]
    if log_metric is not None and known:
        log_metric("obedience", float(np.mean(known)))
    return worths


def obedience_in(form: GameForm) -> RewardFunction:
    """`obedience` for chains about a game, as the trainer takes it."""

    async def rewarded(*texts: Any, **columns: Any) -> list[float | None]:
        return await obedience(*texts, form=form, **columns)

    rewarded.__name__ = obedience.__name__
    return rewarded


def obeyed(text: str, form: GameForm = USER_LLM) -> float:
    """Return how well a chain obeys its own matrix, from 0 to 1.

    Half of it is paid if the analysis names the cell that the matrix recommends (`work_out`). The
    other half is the welfare that the response's action can reach in the game: the highest sum of
    payoffs in its column, scaled so that the best action gets 1 and the worst 0. What is no chain
    is worth 0.
    """
    try:
        chain = parse(text, form)
    except ChainError:
        return 0.0
    game = chain.payoff
    named = chosen_cell(chain.analyze, game).cell == work_out(game).cell
    action = acted(chain.response, game.form)
    if action is None:
        return named / 2
    reached = game.payoffs.sum(axis=-1).max(axis=0)
    spread = np.ptp(reached)
    gained = reached[game.form.llm_actions.index(action)] - reached.min()
    return float(named + (gained / spread if spread > TOLERANCE else 1.0)) / 2
