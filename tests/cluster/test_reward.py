"""The reward under verl's real reward managers and reward loop, on a real cluster of Ray."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from verl.experimental.reward_loop import RewardLoopManager
from verl.trainer.ppo.reward import load_reward_manager
from verl.utils import hf_tokenizer
from verl_parts import JudgeServer, batch, chain, composed, question, run_config

from gtalign.transcripts import read_transcripts

KEYS = {
    "score",
    "raw_score",
    "user_welfare",
    "llm_welfare",
    "mutual_welfare",
    "unscored",
    "malformed",
    "question_id",
    "task",
}


def alone(config: Any, tokenizer: Any, rows: Any, **given: Any) -> list[dict[str, Any]]:
    """What a reward manager in this process says of each row."""
    manager = load_reward_manager(config, tokenizer, **given)
    data = batch(tokenizer, rows)

    async def one(n: int) -> Any:
        return await manager.run_single(data[n : n + 1])

    async def every() -> list[Any]:
        return list(await asyncio.gather(*map(one, range(len(rows)))))

    return manager.loop.run_until_complete(every())


ROWS = [
    (question(1), chain("It is 42. [score 1]")),
    (question(2), "no chain at all"),
    (question(3), chain("It is 41. [score 0]")),
    (question(4, "wildguard", "harmful"), chain("I will not. [score 0.5]")),
]


@pytest.mark.parametrize("manager", ["naive", "gdpo", "gtalign"])
def test_every_manager_gets_the_same_keys_for_every_sample(
    manager: str, checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    config = composed(run_config(checkpoint, tmp_path, judge), manager=manager)
    found = alone(config, hf_tokenizer(str(checkpoint)), ROWS)
    assert all(set(one["reward_extra_info"]) == KEYS for one in found)
    assert [one["reward_score"] for one in found] == [
        one["reward_extra_info"]["score"] for one in found
    ]
    right, broken, wrong, refusal = (one["reward_extra_info"] for one in found)
    assert broken["score"] == 0.0 and broken["malformed"] == 1.0
    assert right["score"] > wrong["score"] == 0.0
    assert right["mutual_welfare"] == pytest.approx(
        (right["user_welfare"] * right["llm_welfare"]) ** 0.5
    )
    assert refusal["task"] == "wildguard" and refusal["question_id"] == "wildguard-4"
    (file,) = (tmp_path / "workers").glob("train-*.jsonl")
    assert len(list(read_transcripts(file))) == len(ROWS)
    assert judge.asked == 4  # three answers, and a plain question first


def test_workers_score_a_batch_and_assemble_it(
    cluster: Any, checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    config = composed(run_config(checkpoint, tmp_path, judge))
    loop = RewardLoopManager(config)
    data = batch(hf_tokenizer(str(checkpoint)), [*ROWS, *ROWS])
    found = loop.compute_rm_score(data)
    assert set(found.meta_info["reward_extra_keys"]) == KEYS
    sums = found.batch["rm_scores"].sum(dim=1).tolist()
    assert sums == pytest.approx(found.non_tensor_batch["score"].tolist())
    assert sums[:4] == pytest.approx(sums[4:])
    files = list((tmp_path / "workers").glob("train-*.jsonl"))
    assert len(files) == 2
    assert sum(len(list(read_transcripts(file))) for file in files) == 8
