"""TRL: a trainer takes the spec, and rewards its own answers as `gtalign score` does."""

import asyncio
import json

import pytest

from gtalign.files.lines import read_lines
from integrations.conftest import Case

pytestmark = pytest.mark.filterwarnings("default")  # the trainer complains of its own habits


def rewards_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> dict[str, float | None]:
    from gtalign.integrations.trl import AnswerSpec  # here, since it loads a large library

    monkeypatch.chdir(case.folder)
    spec = AnswerSpec("suite.toml")
    rows = list(spec.train_dataset)
    said = [case.say({"messages": row["prompt"]}) for row in rows]
    completions = [[{"role": "assistant", "content": text}] for text in said]
    columns = {"question": [row["question"] for row in rows]}
    prompts = [row["prompt"] for row in rows]
    found = asyncio.run(spec.reward_funcs(prompts, completions, **columns))
    names = [json.loads(row["question"])["id"] for row in rows]
    return dict(zip(names, found, strict=True))


def test_answers_have_the_rewards_of_score(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rewards_of(case, monkeypatch)
    expected = case.scored()
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row["mutual_welfare"] or 0.0, abs=1e-9)


def test_a_judge_that_fails_leaves_answers_without_a_reward(
    failing: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rewards_of(failing, monkeypatch)
    unknown = [name for name, reward in found.items() if reward is None]
    assert 0 < len(unknown) < len(found)


def test_a_trainer_takes_the_spec(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    from gtalign.integrations.trl import AnswerSpec
    from train_parts import make_student

    student = make_student(case.folder / "student")
    log = case.folder / "transcripts.jsonl"
    monkeypatch.chdir(case.folder)
    spec = AnswerSpec("suite.toml", log)
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
    written = [row["extra"]["reward"] for _, row in read_lines(log)]
    assert len(written) == 4 and None not in written
    assert logged[0]["reward"] == pytest.approx(sum(written) / 4, abs=1e-6)
