"""The baseline that asks if and only if a reply is worth more than it costs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dataset_rows import row, write
from gtalign.evaluation.answerer import Local
from gtalign.evaluation.asking import AsksIfWorth, same_text
from gtalign.evaluation.beliefs import calibrations
from gtalign.evaluation.evaluate import evaluate, plan
from gtalign.evaluation.settings import AskIfWorth, EvalRun
from gtalign.judges import FakeJudge
from gtalign.reward import Reward, RewardConfig
from gtalign.transcripts import read_transcripts


class Drafting(Local):
    """A model whose drafts of a question have as many readings as it is told."""

    def __init__(self, readings: dict[str, int]) -> None:
        super().__init__(self._write, 2)
        self.readings = readings
        self.asked: list[tuple[str, str]] = []

    def _write(self, prompts: Sequence[Any], ids: Sequence[str]) -> list[str]:
        found = []
        for prompt, name in zip(prompts, ids, strict=True):
            system, question = prompt[0]["content"], prompt[-1]["content"]
            self.asked.append((name, system.split()[0]))
            draft = int(name.partition("#")[2] or 0)
            count = self.readings[question]
            marks = ("The {}.", "{}", " the {}!")[draft % 3]
            found.append(
                marks.format(f"reading {draft % count}")
                if system.startswith("Answer the user's last message in as few")
                else "Which one?"
                if "exactly one short question" in system
                else "It is so."
            )
        return found


def config_of(file: Path, **changes: Any) -> EvalRun:
    given = {"questions": [file], "model": "here", "reward": {"chain": False}, "batch": 2}
    return EvalRun.model_validate({**given, "asking": {"drafts": 6}, **changes})


async def test_it_asks_where_its_drafts_differ_and_answers_where_they_agree(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "set-test.jsonl", [row("sure?"), row("two?"), row("six?")])
    model = Drafting({"sure?": 1, "two?": 2, "six?": 6})
    config = config_of(file)
    answerer = AsksIfWorth(model, AskIfWorth(drafts=6))
    out = tmp_path / "t.jsonl"
    reward = Reward(RewardConfig(chain=False))
    assert await evaluate(config, answerer, reward, FakeJudge(1.0), out) == []
    found = {t.prompt[-1]["content"]: t for t in read_transcripts(out)}
    assert {q: t.completion for q, t in found.items()} == {
        **{"sure?": "It is so.", "two?": "Which one?", "six?": "Which one?"},
    }
    assert found["two?"].extra["belief"] == {"DQ": 0.5, "VQ": 0.5}
    asking = found["six?"].extra["asking"]
    assert asking["asks"] and len(asking["drafts"]) == 5
    assert (asking["answering"], asking["asked"]) == (pytest.approx(1 / 6), pytest.approx(0.7))
    assert found["sure?"].extra["asking"]["drafts"] == {"reading 0": 1.0}
    assert len(model.asked) == 3 * 7
    assert len({name for name, _ in model.asked}) == 3 * 7, "every draft is drawn anew"
    labelled = [replace(t, extra={**t.extra, "user_action": "VQ"}) for t in found.values()]
    assert calibrations(labelled)[0].brier.n == 3


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        ({"cost": 0.0, "replies": 1.0}, True),
        ({"cost": 0.49, "replies": 1.0}, True),
        ({"cost": 0.5, "replies": 1.0}, False),
        ({"cost": 0.0, "replies": 0.5}, False),
        ({"cost": 0.0, "replies": 0.51}, True),
        ({"cost": 4.0, "replies": 1.0, "worth": 10.0}, True),
        ({"cost": 6.0, "replies": 1.0, "worth": 10.0}, False),
    ],
)
def test_the_price_decides(settings: dict[str, float], asks: bool) -> None:
    arm = AsksIfWorth(Drafting({}), AskIfWorth(drafts=4, **settings))
    found = arm.decide(["Paris", "paris.", "Rome", "Oslo"])
    assert found["asking"]["asks"] is asks
    assert arm.decide(["Paris"] * 4)["asking"]["asks"] is False


def test_equal_answers_are_found_in_unlike_texts() -> None:
    alike = ["The  Eiffel Tower!", "eiffel tower", "<think>a or b</think>an Eiffel-Tower"]
    arm = AsksIfWorth(Drafting({}), AskIfWorth())
    assert len(arm.decide(alike)["asking"]["drafts"]) == 1
    assert same_text("A theory") == "theory" and same_text("x" * 10**6) == "x" * 200
    empty = arm.decide(["", "the", "<think>never closed"])
    assert len(empty["asking"]["drafts"]) == 3 and empty["belief"]["VQ"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reward": {}}, "reward.chain has to be false"),
        ({"temperature": 0}, "all alike at a temperature of 0"),
        ({"asking": {"drafts": 1}}, "drafts"),
        ({"asking": {"worth": 0}}, "worth"),
        ({"asking": {"cost": -1}}, "cost"),
        ({"asking": {"cost": float("nan")}}, "cost"),
        ({"asking": {"replies": 2}}, "replies"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "set-test.jsonl", [row("1?")])
    with pytest.raises(ValidationError, match=told):
        config_of(file, **changes)


def test_the_plan_counts_every_draft(tmp_path: Path) -> None:
    file = write(tmp_path / "set-test.jsonl", [row("1?"), row("2?")])
    server = {"url": "http://127.0.0.1:9/v1", "model": "m", "temperature": 1.0}
    config = config_of(file, model=None, server=server)
    assert plan(config)["model_calls"] == 14
