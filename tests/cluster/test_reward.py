"""The reward under verl's real reward managers and reward loop, on a real cluster of Ray."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verl.experimental.reward_loop import RewardLoopManager
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.trainer.ppo.reward import load_reward_manager
from verl.utils import hf_tokenizer
from verl_parts import JudgeServer, batch, chain, composed, question, run_config

from gtalign.integrations.verl.composed import compose
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


def test_gdpo_normalises_u_and_l_that_the_reward_loop_returned(
    cluster: Any, checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    config = composed(
        run_config(checkpoint, tmp_path, judge),
        "algorithm.adv_estimator=gdpo",
        "+algorithm.gdpo_reward_keys=[user_welfare,llm_welfare]",
    )
    data = batch(hf_tokenizer(str(checkpoint)), [*ROWS, *ROWS])
    data = data.union(RewardLoopManager(config).compute_rm_score(data))
    data.batch["token_level_rewards"] = data.batch["rm_scores"]
    width = data.batch["responses"].shape[1]
    data.batch["response_mask"] = data.batch["attention_mask"][:, -width:]
    data.non_tensor_batch["uid"] = np.array(["one"] * 8, dtype=object)
    found = compute_advantage(data, "gdpo", config=config.algorithm)
    right, broken, wrong, refusal, *again = found.batch["advantages"][:, 0].tolist()
    assert right > refusal > min(broken, wrong)
    assert again == pytest.approx([right, broken, wrong, refusal])


def test_workers_share_statistics_limits_and_the_stop(
    cluster: Any, checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    """Two workers normalise as one would, ask no more at once than allowed, and stop together."""
    file = run_config(
        checkpoint,
        tmp_path,
        judge,
        limits={"concurrency": 4},
        max_failed=0.5,
        window=8,
        reward={"normalise": {"method": "centre"}},
    )
    loop = RewardLoopManager(composed(file))
    tokenizer = hf_tokenizer(str(checkpoint))
    judge.seconds = 0.2
    rows = [
        (question(n, task, truth), chain(f"It is {n}. [score {n % 2}]"))
        for task, truth in (("math-hard", "42"), ("minerva", "1"))
        for n in range(8)
    ]
    found = loop.compute_rm_score(batch(tokenizer, rows)).non_tensor_batch
    assert 2 <= judge.busiest <= 4
    assert (found["unscored"] == 0).all()
    raw, score = found["raw_score"], found["score"]
    assert not np.allclose(raw, score)
    judge.seconds = 0.0
    again = loop.compute_rm_score(batch(tokenizer, rows)).non_tensor_batch
    for task in ("math-hard", "minerva"):  # all samples of a task are in the statistics by now
        of_task = again["task"] == task
        assert again["score"][of_task].mean() == pytest.approx(0.0, abs=0.05)

    held_out = loop.compute_rm_score(batch(tokenizer, rows, split="test")).non_tensor_batch
    assert held_out["score"] == pytest.approx(held_out["raw_score"])

    bad = [(question(n), chain("[fail]")) for n in range(4)]
    neutral = loop.compute_rm_score(batch(tokenizer, bad)).non_tensor_batch
    assert (neutral["unscored"] == 1).all()
    assert neutral["raw_score"] == pytest.approx(raw[:8].mean(), abs=0.1)
    with pytest.raises(Exception, match="of the latest 8 judged answers have no score"):
        loop.compute_rm_score(batch(tokenizer, bad))
    with pytest.raises(Exception, match="of the latest 8"):
        loop.compute_rm_score(batch(tokenizer, ROWS))


def test_a_judge_that_verl_serves_is_asked_through_its_router(
    checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    limits = {"url": "http://127.0.0.1:9/v1"}  # where nobody answers
    file = run_config(
        checkpoint, tmp_path, judge, limits=limits, verl={"judge": {"endpoint": "judge"}}
    )
    tokenizer = hf_tokenizer(str(checkpoint))
    for manager in ("naive", "gtalign"):
        found = alone(
            composed(file, manager=manager), tokenizer, ROWS, reward_router_address=judge.address
        )
        assert [one["reward_extra_info"]["unscored"] for one in found] == [0.0] * 4


def test_the_manager_without_a_configuration_says_what_to_set(checkpoint: Path) -> None:
    config = compose(
        ["reward.reward_manager.name=gtalign", f"actor_rollout_ref.model.path={checkpoint}"]
    )
    with pytest.raises(ValueError, match=r"reward_kwargs\.config=FILE"):
        load_reward_manager(config, hf_tokenizer(str(checkpoint)))
