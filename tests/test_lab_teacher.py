"""The example server with a model of the lab as the teacher."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gtalign.synthesis.teacher import instructions
from gtalign.tasks import Message, Question
from small_lab import small_model, small_tokenizer
from teacher_server import local_server

MESSAGES = (
    Message(role="user", content="Who owns it?\n\nThe bank."),
    Message(role="assistant", content="Which one?"),
    Message(role="user", content="user: the old one"),
)
QUESTION = Question("q", "ambig_qa", MESSAGES, "multipleQAs###", "c")
PAYOFF = json.dumps(local_server.payoff(True, random.Random(0)).to_json())


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    assert local_server.__file__ is not None
    monkeypatch.syspath_prepend(str(Path(local_server.__file__).parent))
    from lab_teacher import LabTeacher

    tokenizer = small_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    small_model(tokenizer).save_pretrained(tmp_path)
    return LabTeacher(tmp_path, batch=2)


def asked(block: str, before: dict[str, str]) -> str:
    return instructions(block, QUESTION, before)[-1]["content"]


def test_a_part_goes_on_with_the_chain_as_the_lab_writes_it(teacher: Any) -> None:
    from lab_teacher import ASKED

    found = ASKED.match(asked("thinking", {}))
    opened = teacher.tokenizer.apply_chat_template(
        list(MESSAGES), tokenize=False, add_generation_prompt=True
    )
    assert teacher.prompt(found) == f"{opened}<thinking"
    found = ASKED.match(asked("analyze", {"thinking": "a\n\nb", "payoff": PAYOFF}))
    compact = json.dumps(json.loads(PAYOFF), separators=(",", ":")).replace(".0", "")
    assert teacher.prompt(found) == (
        f"{opened}<thinking>a\n\nb</thinking><payoff>{compact}</payoff><analyze"
    )


def test_a_part_ends_at_its_tag(teacher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_teacher.LONGEST", 12)
    texts = teacher.go_on(["<thinking", "a longer beginning <thinking"], "thinking")
    assert len(texts) == 2
    monkeypatch.setattr(
        teacher.tokenizer, "batch_decode", lambda *_, **__: [">vague.</thinking><p"]
    )
    assert teacher.go_on(["<thinking"], "thinking") == ["vague."]


def test_it_is_served_and_the_judge_stays_the_rules(
    teacher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_teacher.LONGEST", 4)
    written: list[int] = []
    go_on = type(teacher).go_on

    def watch(self: Any, prompts: list[str], part: str) -> list[str]:
        written.append(len(prompts))
        return [str(text) for text in go_on(self, prompts, part)]

    monkeypatch.setattr(type(teacher), "go_on", watch)
    with TestClient(local_server.application(0.0, 8, 0, tmp_path)) as client:

        def say(text: str) -> str:
            body = {"model": "m", "messages": [{"role": "user", "content": text}]}
            answer = client.post("/v1/chat/completions", json=body)
            return str(answer.json()["choices"][0]["message"]["content"])

        say(asked("thinking", {}))
        assert written == [1]
        assert say("hello") == "I am not a model."
        assert say('Write the part "thinking"').startswith("I write parts of chains")
    assert written == [1]


async def test_requests_that_wait_are_answered_together(
    teacher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, int]] = []

    def count(prompts: list[str], part: str) -> list[str]:
        written.append((part, len(prompts)))
        return [f"{part} {n}" for n in range(len(prompts))]

    monkeypatch.setattr(teacher, "go_on", count)
    thinking, analyze = asked("thinking", {}), asked("analyze", {"thinking": "a"})
    texts = await asyncio.gather(*map(teacher.write, (thinking, analyze, thinking, thinking)))
    assert texts == ["thinking 0", "analyze 0", "thinking 1", "thinking 0"]
    assert sorted(written) == [("analyze", 1), ("thinking", 1), ("thinking", 2)]
    assert await teacher.write(analyze) == "analyze 0"  # it begins again
