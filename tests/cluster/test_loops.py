"""Conversations and edited matrices under verl's real worker of agent loops."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from verl.experimental.agent_loop.agent_loop import AgentLoopWorker
from verl.trainer.ppo.reward import load_reward_manager
from verl.utils import hf_tokenizer
from verl.workers.rollout.replica import TokenOutput
from verl_parts import JudgeServer, batch, chain, composed, question, run_config

from gtalign.tasks import Question
from gtalign.transcripts import read_transcripts

TRUTH = (
    "multipleQAs###Meaning 1: Who plays Harry as a boy?; Answer 1: Tom Low"
    " Meaning 2: Who plays Harry as a man?; Answer 2: Ann High"
)
VAGUE = Question(
    id="vague-1",
    task="ambig_qa",
    messages=({"role": "user", "content": "Who plays Harry?"},),
    ground_truth=TRUTH,
    cluster="c",
    extra={"split": "train"},
)


class Server:
    """A stand-in for verl's server: what it says depends on the text before.

    Attributes:
        given: The texts that it was to continue.
    """

    def __init__(self, tokenizer: Any, say: Callable[[str], str]) -> None:
        self.tokenizer, self.say = tokenizer, say
        self.given: list[str] = []
        self.most: list[int] = []

    async def generate(
        self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        before = self.tokenizer.decode(prompt_ids)
        self.given.append(before)
        self.most.append(sampling_params["max_tokens"])
        ids = [*self.tokenizer(self.say(before))["input_ids"], self.tokenizer.eos_token_id]
        ids = ids[: sampling_params["max_tokens"]]
        number = len(self.given)
        versions = {"min_global_steps": number, "max_global_steps": number}
        return TokenOutput(token_ids=ids, log_probs=[-0.5] * len(ids), extra_fields=versions)


class Handle:
    """A reward worker in this process, as an agent loop asks one."""

    def __init__(self, manager: Any) -> None:
        class Method:
            async def remote(self, data: Any) -> Any:
                return await manager.run_single(data)

        self.compute_score = Method()


def drawn(config: Any, server: Server, rows: Any, split: str = "train") -> Any:
    """What the worker makes of rows, with the reward of a real manager."""
    manager = load_reward_manager(config, server.tokenizer)
    worker = AgentLoopWorker(config, server, reward_loop_worker_handles=[Handle(manager)])
    prompts = batch(server.tokenizer, rows, split=split)
    prompts.meta_info = {"global_steps": 1, "validate": split != "train"}
    return asyncio.run(worker.generate_sequences(prompts))


def parts(tokenizer: Any, found: Any, row: int) -> list[tuple[int, str]]:
    """The text after the prompt, cut where the mask changes."""
    ids, mask = found.batch["responses"][row], found.batch["response_mask"][row]
    width = ids.shape[0]
    length = int(found.batch["attention_mask"][row, -width:].sum())
    pieces: list[tuple[int, list[int]]] = []
    for token, kept in zip(ids[:length].tolist(), mask[:length].tolist(), strict=True):
        if not pieces or pieces[-1][0] != kept:
            pieces.append((kept, []))
        pieces[-1][1].append(token)
    return [(kept, tokenizer.decode(some)) for kept, some in pieces]


def talking(checkpoint: Path, folder: Path, loop: str, **changes: Any) -> Any:
    file = run_config(checkpoint, folder, None, **changes)
    return composed(
        file,
        "actor_rollout_ref.rollout.name=vllm",
        f"actor_rollout_ref.rollout.agent.default_agent_loop={loop}",
        "data.max_prompt_length=256",
        f"data.max_response_length={changes.pop('room', 1500)}",
    )


def test_what_the_user_says_is_masked_and_the_conversation_is_paid(
    checkpoint: Path, tmp_path: Path
) -> None:
    tokenizer = hf_tokenizer(str(checkpoint))

    def say(before: str) -> str:
        if "I mean:" not in before:
            return "Which one do you mean?"
        return "It is Tom Low." if "as a boy" in before else "It is Ann High."

    server = Server(tokenizer, say)
    config = talking(checkpoint, tmp_path, "gtalign_conversation", dialogue={"turns": 3})
    found = drawn(config, server, [(VAGUE, ""), (VAGUE, "")])
    for row in range(2):
        pieces = parts(tokenizer, found, row)
        assert [kept for kept, _ in pieces] == [1, 0, 1]
        assert "Which one" in pieces[0][1] and "Harry" in pieces[1][1]
        assert pieces[2][1].startswith("It is")
        sequence = tokenizer.decode(found.batch["input_ids"][row], skip_special_tokens=False)
        last = [given for given in server.given if given in sequence]
        assert last  # what is trained on is what was given, token for token
    scores = found.batch["rm_scores"].sum(dim=1).tolist()
    assert all(0 < score <= 1 for score in scores)
    assert found.non_tensor_batch["unscored"].tolist() == [0.0, 0.0]
    assert found.non_tensor_batch["question_id"].tolist() == ["vague-1"] * 2
    assert found.batch["rollout_log_probs"].shape == found.batch["responses"].shape
    first, last = (found.non_tensor_batch[f"{end}_global_steps"] for end in ("min", "max"))
    assert (first <= last).all() and (first != last).any()
    (file,) = (tmp_path / "workers").glob("train-*.jsonl")
    played = [one.conversation for one in read_transcripts(file)]
    assert [len(one["turns"]) for one in played if one is not None] == [2, 2]
    assert [one["end"] for one in played if one is not None] == ["satisfied"] * 2


def test_an_answer_that_is_cut_off_is_ended_before_the_user_speaks(
    checkpoint: Path, tmp_path: Path
) -> None:
    tokenizer = hf_tokenizer(str(checkpoint))
    server = Server(tokenizer, lambda before: "Which one do you mean? " * 40)
    config = talking(
        checkpoint,
        tmp_path,
        "gtalign_conversation",
        dialogue={"turns": 2},
        rl={"max_completion": 24},
    )
    found = drawn(config, server, [(VAGUE, "")])
    assert server.most[0] == 24
    kept, text = parts(tokenizer, found, 0)[0]
    assert kept == 1 and tokenizer.eos_token not in text


def test_a_user_that_fails_gives_neutral_values(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = hf_tokenizer(str(checkpoint))
    gone = {"url": "http://127.0.0.1:9/v1", "model": "u", "attempts": 1, "concurrency": 4}
    dialogue = {"users": {"person": {"kind": "endpoint", "endpoint": gone}}}
    config = talking(
        checkpoint, tmp_path, "gtalign_conversation", dialogue=dialogue, max_failed=1.0
    )
    found = drawn(config, Server(tokenizer, lambda before: "Which?"), [(VAGUE, "")])
    assert found.non_tensor_batch["unscored"].tolist() == [1.0]
    assert found.batch["rm_scores"].sum().item() == 0.5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_edited_matrix_is_masked_and_obeying_it_is_paid(
    share: float, checkpoint: Path, judge: JudgeServer, tmp_path: Path
) -> None:
    tokenizer = hf_tokenizer(str(checkpoint))
    whole = chain("It is 42.")

    def say(before: str) -> str:
        """A chain, or the rest of one."""
        _, marked, rest = whole.partition("<analyze")
        return rest if before.rstrip().endswith(marked) else whole

    server = Server(tokenizer, say)
    file = run_config(checkpoint, tmp_path, judge, rl={"counterfactual": share})
    config = composed(
        file,
        "actor_rollout_ref.rollout.name=vllm",
        "actor_rollout_ref.rollout.agent.default_agent_loop=gtalign_counterfactual",
        "data.max_prompt_length=128",
        "data.max_response_length=700",
    )
    rows = [(question(n), "") for n in range(8)]
    found = drawn(config, server, rows)
    for row in range(8):
        pieces = parts(tokenizer, found, row)
        if not share:
            assert [kept for kept, _ in pieces] == [1]
            continue
        assert [kept for kept, _ in pieces] == [0, 1]
        assert pieces[0][1].endswith("<analyze") and "<payoff>" in pieces[0][1]
    if share:  # another matrix, though not in every draw
        given = {parts(tokenizer, found, row)[0][1] for row in range(8)}
        assert len(given) > 2
    assert found.non_tensor_batch["edited"].tolist() == [bool(share)] * 8
    assert judge.asked == (0 if share else 9)  # a plain question first
    scores = found.batch["rm_scores"].sum(dim=1).tolist()
    assert all(0 <= score <= 1 for score in scores)
    held_out = drawn(config, server, rows, split="test")
    assert held_out.non_tensor_batch["edited"].tolist() == [False] * 8
