"""TRL: a trainer takes the spec, and rewards its own answers as `gtalign score` does."""

import json

import pytest

from gtalign.files.lines import read_lines
from gtalign.integrations.suite import load_suite
from integrations.conftest import Case
from train_parts import make_student


async def rewards_of(case: Case) -> dict[str, float | None]:
    from gtalign.integrations.trl import AnswerSpec

    suite = load_suite(case.folder / "suite.toml", case.folder / "houses.jsonl")
    spec = AnswerSpec(suite)
    rows = list(spec.train_dataset)
    said = [case.say({"messages": row["prompt"]}) for row in rows]
    completions = [[{"role": "assistant", "content": text}] for text in said]
    columns = {"question": [row["question"] for row in rows]}
    found = await spec.reward_funcs([row["prompt"] for row in rows], completions, **columns)
    names = [json.loads(row["question"])["id"] for row in rows]
    return dict(zip(names, found, strict=True))


async def test_answers_have_the_rewards_of_score(case: Case) -> None:
    found = await rewards_of(case)
    expected = case.scored()
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row["mutual_welfare"] or 0.0, abs=1e-9)


async def test_a_judge_that_fails_leaves_answers_without_a_reward(failing: Case) -> None:
    found = await rewards_of(failing)
    unknown = [name for name, reward in found.items() if reward is None]
    assert 0 < len(unknown) < len(found)


def test_a_trainer_takes_the_spec(case: Case) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from gtalign.integrations.trl import AnswerSpec

    student = make_student(case.folder / "student")
    log = case.folder / "transcripts.jsonl"
    spec = AnswerSpec(load_suite(case.folder / "suite.toml", case.folder / "houses.jsonl"), log)
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(student),
        args=GRPOConfig(
            output_dir=str(case.folder / "out"),
            max_steps=1,
            per_device_train_batch_size=4,
            num_generations=2,
            max_completion_length=8,
            report_to="none",
            use_cpu=True,
            bf16=False,
        ),
        processing_class=AutoTokenizer.from_pretrained(student),
        train_dataset=spec.train_dataset,
        environment_factory=spec.environment_factory,
        reward_funcs=spec.reward_funcs,
    )
    trainer.train()
    logged = [row for row in trainer.state.log_history if "reward" in row]
    written = [row["reward"] for _, row in read_lines(log)]
    assert len(written) == 4 and None not in written
    assert logged[0]["reward"] == pytest.approx(sum(written) / 4, abs=1e-6)
