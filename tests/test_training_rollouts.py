"""Groups of completions that go on from an edited matrix."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from gtalign.chain import parse, work_out
from gtalign.game import USER_LLM, Bimatrix
from gtalign.game.file import load_game
from gtalign.lab.judge import LabJudge
from gtalign.lab.teachers import candidate
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.reward import Reward, RewardConfig
from gtalign.synthesis.drills import compact
from gtalign.training import RLSettings
from gtalign.training.metrics import read_metrics
from gtalign.training.reward import TRLReward
from gtalign.training.rl import train_rl
from gtalign.training.rollouts import Rollouts, obedience, obedience_in, ordinary
from small_lab import SILENT, small_model, small_tokenizer, small_world

# The trainer complains of its own habits.
pytestmark = pytest.mark.filterwarnings("default")

TOKENIZER = small_tokenizer()
QUESTIONS = small_world().train[:4]
GROUP = 3


class Scripted(LocalModel):
    """A model that writes the same chain always, whole or from where it is in it."""

    def __init__(self, chain: str | None = None) -> None:
        super().__init__(small_model(TOKENIZER), Chat(TOKENIZER))
        self.chain = chain or candidate(QUESTIONS[0], np.random.default_rng(0), SILENT)
        self.asked: list[list[int]] = []

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        temperature: float,
        grammar: str | None = None,
    ) -> list[list[int]]:
        self.asked += [list(prompt) for prompt in prompts]
        return [self._rest(self.chat.text(prompt))[:max_tokens] for prompt in prompts]

    def _rest(self, text: str) -> list[int]:
        before, opened, _ = text.rpartition("<analyze")
        rest = (
            self.chain.partition("<analyze")[2] if opened and "</payoff>" in before else self.chain
        )
        return [*TOKENIZER(rest)["input_ids"], TOKENIZER.eos_token_id]


def rollouts(model: LocalModel, share: float, max_tokens: int = 400) -> Rollouts:
    return Rollouts(model, group=GROUP, share=share, max_tokens=max_tokens, temperature=1.0, seed=0)


def drawn(model: LocalModel, share: float, step: int = 0, max_tokens: int = 400) -> dict[str, Any]:
    prompts = [question.messages for question in QUESTIONS for _ in range(GROUP)]
    trainer = SimpleNamespace(state=SimpleNamespace(global_step=step))
    return rollouts(model, share, max_tokens)(prompts, trainer)


def test_a_group_goes_on_from_one_edited_matrix() -> None:
    model = Scripted()
    found = drawn(model, 1.0)
    texts = [model.chat.text(ids) for ids in found["completion_ids"]]
    assert found["given"] == [True] * len(texts)
    stated, edited = parse(model.chain).payoff, []
    for head in range(0, len(texts), GROUP):
        chains = [parse(text) for text in texts[head : head + GROUP]]
        assert len({compact(chain.payoff) for chain in chains}) == 1
        assert {chain.thinking for chain in chains} == {parse(model.chain).thinking}
        edited.append(chains[0].payoff)
    assert any(matrix != stated for matrix in edited)


def test_only_what_the_model_wrote_after_the_matrix_is_trained_on() -> None:
    model = Scripted()
    found = drawn(model, 1.0)
    for ids, mask in zip(found["completion_ids"], found["env_mask"], strict=True):
        assert mask == sorted(mask)
        handed = model.chat.text([i for i, own in zip(ids, mask, strict=True) if not own])
        assert handed.endswith("</payoff><analyze")


def test_what_is_given_ends_between_tokens_of_the_whole_chain() -> None:
    """After half of a token a model sees what no chain that it learned from holds."""
    rng = np.random.default_rng(1)
    chains = [candidate(q, rng, SILENT, worked_out=True) for q in small_world().train]
    tokenizer = train_tokenizer(chains, 500)
    assert tokenizer.tokenize("<analyze>DQ_DA 1+1=2")[1] != ">"
    for chain in chains:
        model = LocalModel(small_model(tokenizer), Chat(tokenizer))
        ids = tokenizer(chain, add_special_tokens=False)["input_ids"]
        given = rollouts(model, 1.0)._edited(ids, rng)
        assert given is not None
        text = tokenizer.decode(given)
        for rest in (">DQ_DA 1+1=2.", ">frontier: DQ_AQ.", "> choose VQ_DA."):
            whole = tokenizer(text + rest, add_special_tokens=False)["input_ids"]
            assert whole[: len(given)] == given


def test_the_other_groups_are_ordinary() -> None:
    model = Scripted()
    found = drawn(model, 0.0)
    assert found["given"] == [False] * (len(QUESTIONS) * GROUP)
    assert {model.chat.text(ids) for ids in found["completion_ids"]} == {model.chain}
    assert all(all(mask) for mask in found["env_mask"])
    assert len(model.asked) == len(QUESTIONS) * GROUP


def test_a_share_of_the_groups_and_of_each_group_all_or_none() -> None:
    shares = []
    for step in range(40):
        given = np.reshape(drawn(Scripted(), 0.5, step)["given"], (len(QUESTIONS), GROUP))
        assert (given.all(axis=1) | ~given.any(axis=1)).all()
        shares.append(given.mean())
    assert 0.35 < np.mean(shares) < 0.65


def test_the_same_step_draws_the_same_edits() -> None:
    assert drawn(Scripted(), 1.0, 3) == drawn(Scripted(), 1.0, 3)
    assert drawn(Scripted(), 1.0, 3) != drawn(Scripted(), 1.0, 4)


def test_a_chain_without_a_matrix_is_not_edited() -> None:
    model = Scripted("it is five.")
    found = drawn(model, 1.0)
    assert not any(found["given"])
    assert [model.chat.text(ids) for ids in found["completion_ids"]] == ["it is five."] * 12
    assert len(model.asked) == len(found["given"])  # none is written twice


def test_no_completion_is_longer_than_asked_for() -> None:
    found = drawn(Scripted(), 1.0, max_tokens=60)
    assert {len(ids) for ids in found["completion_ids"]} == {60}
    assert {len(mask) for mask in found["env_mask"]} == {60}


def written(game: Bimatrix, chosen: str, response: str) -> str:
    return (
        f"<thinking>so.</thinking><payoff>{compact(game)}</payoff>"
        f"<analyze>choose {chosen}.</analyze><response>{response}</response>"
    )


# Sums by action of the LLM, the best of both rows: DA 1, CQ 5, AQ 3.
GAME = Bimatrix.from_json(
    {
        cell: {
            "user": {"VQ_DA": 1.0, "VQ_CQ": 4.0, "DQ_AQ": 3.0}.get(cell, 0.0),
            "LLM": float(cell == "VQ_CQ"),
        }
        for cell in USER_LLM.cells
    }
)


@pytest.mark.parametrize(
    ("chosen", "response", "worth"),
    [
        ("VQ_CQ", "which one is it?", 1.0),
        ("VQ_DA", "which one is it?", 0.5),
        ("VQ_CQ", "it is five. which one is it?", 0.75),
        ("VQ_CQ", "it is five.", 0.5),
        ("VQ_DA", "it is five.", 0.0),
    ],
)
def test_obedience_pays_for_the_named_cell_and_the_action(
    chosen: str, response: str, worth: float
) -> None:
    assert work_out(GAME).cell == "VQ_CQ"
    text = written(GAME, chosen, response)
    assert asyncio.run(obedience([], [text], given=[True])) == [pytest.approx(worth)]


def test_obedience_is_paid_in_other_games_too() -> None:
    form = load_game("coding")
    game = Bimatrix(form, [[[3, 3], [1, 1], [0, 0]], [[1, 1], [2, 2], [0, 0]]])
    texts = [written(game, "HO_ACT", said) for said in ("Done. It is renamed.", "Which one?")]
    paid = obedience_in(form)([], [*texts, "none"], given=[True] * 3)
    assert asyncio.run(paid) == [1.0, 0.5, 0.0]
    assert asyncio.run(obedience([], texts, given=[True] * 2)) == [0.0, 0.0]  # no such cells


def test_obedience_says_nothing_of_ordinary_completions_and_pays_nothing_for_none() -> None:
    texts = [written(GAME, "VQ_CQ", "which?"), "no chain", ""]
    assert asyncio.run(obedience([], texts, given=[False, True, True])) == [None, 0.0, 0.0]


def test_conversations_are_read_too_and_the_mean_is_logged() -> None:
    logged: dict[str, float] = {}
    said = [{"role": "assistant", "content": written(GAME, "VQ_CQ", "which one?")}]
    found = obedience([], [said, "none"], given=[True, True], log_metric=logged.__setitem__)
    assert asyncio.run(found) == [1.0, 0.0]
    assert logged == {"obedience": 0.5}


def test_the_reward_sees_ordinary_completions_only() -> None:
    seen: list[Any] = []

    async def reward(
        prompts: Any, completions: Any, completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        seen.append((prompts, completions, columns))
        return [1.0, None]

    found = ordinary(reward)(
        ["p", "q", "r"],
        ["a", "b", "c"],
        given=[False, True, False],
        question=["x", "y", "z"],
        seed=1,
    )
    assert asyncio.run(found) == [1.0, None, None]
    assert seen == [(["p", "r"], ["a", "c"], {"question": ["x", "z"], "seed": 1})]


def test_the_reward_is_not_asked_about_nothing() -> None:
    async def reward(*_: Any, **__: Any) -> list[float | None]:
        raise AssertionError("asked")

    assert asyncio.run(ordinary(reward)([1], ["a"], given=[True])) == [None]


def test_it_trains(tmp_path: Path) -> None:
    config = RewardConfig(aggregate="cobb_douglas")
    reward = TRLReward(Reward(config, len), LabJudge())
    settings = RLSettings(
        steps=2, questions=4, group=2, max_completion=400, save_steps=2, counterfactual=0.5
    )
    train_rl(Scripted(), QUESTIONS, reward, tmp_path, settings, seed=1)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2]
    assert any("obedience" in line for line in lines)
    assert all(np.isfinite(line["loss"]) for line in lines)


def test_vllm_does_not_edit() -> None:
    with pytest.raises(ValidationError, match="leave out vllm"):
        RLSettings.model_validate({"vllm": True, "counterfactual": 0.5, "hardware": {"gpu": True}})
