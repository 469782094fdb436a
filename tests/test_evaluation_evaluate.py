"""An evaluation by itself: what it plans, which batches a model gets, and what is written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dataset_rows import row, write
from gtalign.data.schema import system_prompt
from gtalign.errors import DataError, TeacherError
from gtalign.evaluation.answerer import Local
from gtalign.evaluation.evaluate import evaluate, plan, prompt_of
from gtalign.evaluation.settings import EvalRun
from gtalign.judges import FakeJudge
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, read_transcripts
from train_parts import CHAIN

PLAIN = Reward(RewardConfig(chain=False))
SIZE = {"parameters": 1 << 30, "layers": 2, "width": 4, "intermediate": 8, "vocabulary": 16}
JUDGES = {
    "default": ["cheap"],
    "tasks": {"math-hard": ["cheap", "dear"]},
    "endpoints": {
        name: {"url": "http://127.0.0.1:9/v1", "model": name} for name in ("cheap", "dear")
    },
}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write(tmp_path / "set-test.jsonl", [row(f"{n}+1?") for n in range(5)])


def config_of(*files: Path, **changes: Any) -> EvalRun:
    return EvalRun.model_validate({"questions": list(files), "model": "here", **changes})


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "https://a:b@models.example"])
def test_an_address_is_no_model_to_load(address: str, questions: Path) -> None:
    with pytest.raises(ValidationError, match=r"give it as server\.url") as refused:
        config_of(questions, model=address)
    assert "a:b" not in refused.value.errors()[0]["msg"]


class Batches(Local):
    """A model in this process that notes which questions it gets together.

    Args:
        width: Number of prompts in a batch.
        fails: Whether the model fails on a question.
    """

    def __init__(self, width: int, fails: Callable[[str], bool] = lambda name: False) -> None:
        super().__init__(self._write, width)
        self.fails = fails
        self.seen: list[list[str]] = []

    def _write(self, prompts: Sequence[Any], ids: Sequence[str]) -> list[str]:
        self.seen.append([name.rpartition("-")[2] for name in ids])
        if any(map(self.fails, ids)):
            raise TeacherError(f"model 'here', {ids[0]}: gone", "no answer")
        return [f"answer to {name} beside {len(ids) - 1}" for name in ids]


async def answered(
    config: EvalRun, model: Local, file: Path, judge: FakeJudge | None = None, **options: Any
) -> list[Transcript]:
    """Evaluate; returns all transcripts on disk."""
    failed = await evaluate(config, model, PLAIN, judge or FakeJudge(1.0), file, **options)
    assert failed == []
    return list(read_transcripts(file))


async def test_questions_come_in_batches_and_the_last_is_what_is_left(
    questions: Path, tmp_path: Path
) -> None:
    model, shown = Batches(2), []
    config = config_of(questions, reward={"chain": False})
    found = await answered(
        config, model, tmp_path / "t.jsonl", progress=lambda *told: shown.append(told)
    )
    assert model.seen == [["0", "1"], ["2", "3"], ["4"]]
    assert shown == [(2, None), (4, None), (5, None)]
    assert [t.id for t in found] == [f"set-test-{n}" for n in range(5)]
    assert {(t.model, t.seed, t.plain) for t in found} == {("here", 0, True)}


@pytest.mark.parametrize("kept", [1, 2, 3, 5])
async def test_a_run_that_is_resumed_asks_the_same_batches_and_writes_the_rest(
    questions: Path, tmp_path: Path, kept: int
) -> None:
    config = config_of(questions, reward={"chain": False})
    whole = await answered(config, Batches(2), tmp_path / "whole.jsonl")
    file = tmp_path / "t.jsonl"
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:kept]))
    model, judge = Batches(2), FakeJudge(0.0)
    assert [t.completion for t in await answered(config, model, file, judge)] == [
        t.completion for t in whole
    ]
    # A batch that is written in part is asked as a whole: its answers depend on each other.
    assert model.seen == [["0", "1"], ["2", "3"], ["4"]][kept // 2 if kept < 5 else 3 :]
    assert [question.id for question, _ in judge.calls] == [t.id for t in whole[kept:]]


async def test_a_batch_that_fails_leaves_the_others_and_its_reason(
    questions: Path, tmp_path: Path
) -> None:
    config, file = config_of(questions, reward={"chain": False}), tmp_path / "t.jsonl"
    model, shown = Batches(2, lambda name: name.endswith("-3")), []
    failed = await evaluate(
        config, model, PLAIN, FakeJudge(1.0), file, progress=lambda *told: shown.append(told)
    )
    assert failed == ["model 'here', set-test-2: gone"]
    assert [done for done, _ in shown] == [2, 4, 5]
    assert [problem for _, problem in shown] == [None, failed[0], None]
    assert [t.id for t in read_transcripts(file)] == ["set-test-0", "set-test-1", "set-test-4"]
    well = Batches(2)
    await answered(config, well, file)
    assert well.seen == [["2", "3"]]


async def test_the_limit_counts_over_all_files(questions: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other-test.jsonl", [row("a?"), row("b?")])
    model = Batches(9)
    config = config_of(other, questions, limit=4, reward={"chain": False})
    found = await answered(config, model, tmp_path / "t.jsonl")
    assert [t.id for t in found] == ["other-test-0", "other-test-1", "set-test-0", "set-test-1"]
    assert plan(config)["questions"] == 4


async def test_an_answer_that_is_no_chain_is_not_judged_where_one_is_wanted(
    questions: Path, tmp_path: Path
) -> None:
    judge, file = FakeJudge(1.0), tmp_path / "t.jsonl"
    texts = iter([CHAIN, "no chain", CHAIN, "", "<thinking>"])
    model = Local(lambda prompts, ids: [next(texts) for _ in ids], 1)
    assert await evaluate(config_of(questions), model, Reward(), judge, file) == []
    found = list(read_transcripts(file))
    assert [t.chain is None for t in found] == [False, True, False, True, True]
    assert len(judge.calls) == 2
    assert [t.mutual_welfare for t in found if t.chain is None] == [0.0, 0.0, 0.0]
    assert all(t.chain_error for t in found if t.chain is None)


@pytest.mark.parametrize(
    ("changes", "roles", "said"),
    [
        ({}, ["system", "user"], system_prompt()),
        ({"reward": {"chain": False}}, ["system", "user"], system_prompt(chain=False)),
        ({"instruct": False}, ["user"], "2+1?"),
    ],
)
def test_the_model_is_told_what_its_answer_has_to_look_like(
    changes: dict[str, Any], roles: list[str], said: str
) -> None:
    question = Question("q", "math-hard", (Message(role="user", content="2+1?"),), "3", "c")
    prompt = prompt_of(config_of(Path("x"), **changes), question)
    assert [message["role"] for message in prompt] == roles
    assert prompt[0]["content"] == said
    assert prompt[-1]["content"] == "2+1?"


def test_the_plan_counts_what_each_judge_is_asked(questions: Path, tmp_path: Path) -> None:
    more = write(tmp_path / "more-test.jsonl", [row("Which?", "ambig_qa")] * 2)
    found = plan(config_of(questions, more, judges=JUDGES))
    assert found["questions"] == 7
    assert found["tasks"] == {"math-hard": 5, "ambig_qa": 2}
    assert found["judge_calls"] == {"cheap": 5 + 2, "dear": 5}
    assert found["model_calls"] == 0  # the model is here
    assert "memory_gib" not in found
    server = {"url": "http://127.0.0.1:9/v1", "model": "m"}
    served = plan(config_of(questions, more, model=None, server=server, size=SIZE))
    assert (served["model"], served["model_calls"]) == ("m", 7)
    assert "memory_gib" not in served  # its memory is not ours


def test_the_plan_tells_the_memory_of_a_batch(questions: Path) -> None:
    sizes = {"batch": 4, "max_prompt": 100, "max_tokens": 28, "size": SIZE}
    here, there = (plan(config_of(questions, gpu=gpu, **sizes))["memory_gib"] for gpu in (0, 1))
    assert here["weights"] == 4.0
    assert here["keys_and_values"] == pytest.approx(4 * 2 * (4 * 128) * 2 * 4 / 2**30)
    assert {name: 2 * size for name, size in there.items()} == pytest.approx(here)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"model": "runs/rl/checkpoint"}, "runs/rl/checkpoint"),
        ({"name": "mutual"}, "mutual"),
        ({"model": None, "server": {"url": "http://h/v1", "model": "served"}}, "served"),
    ],
)
def test_the_model_is_called_by_its_name_else_by_where_it_is(
    changes: dict[str, Any], label: str
) -> None:
    assert config_of(Path("x"), **changes).label == label


@pytest.mark.parametrize("server", [None, {"url": "http://h/v1", "model": "m"}])
def test_one_model_answers_and_not_two_or_none(server: Any) -> None:
    model = None if server is None else "here"
    with pytest.raises(ValidationError, match="give model or server: one of the two"):
        config_of(Path("x"), model=model, server=server)


def test_a_file_of_questions_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl"):
        plan(config_of(tmp_path / "absent.jsonl"))
