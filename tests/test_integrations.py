"""What every adapter to another framework shares: suites, single answers and conversations."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from gtalign.config import dump, load
from gtalign.data import RowWriter
from gtalign.data.samples import copy_samples
from gtalign.data.schema import to_row
from gtalign.dialogue import Answer, Conversation
from gtalign.errors import ConfigError, DataError, JudgeError, UserError
from gtalign.integrations.answers import Grader
from gtalign.integrations.conversations import ConversationRunner, measured
from gtalign.integrations.suite import Suite, load_suite
from gtalign.judges import JudgesConfig, Verdict
from gtalign.reward import RewardConfig
from gtalign.tasks import Message, Question
from gtalign.training.reward import earned

TRUTH = (
    "multipleQAs###Meaning 1: Is it red?; Answer 1: It is red. Meaning 2: Is it new?; Answer 2: No."
)
VAGUE = Question("a", "ambig_qa", (Message(role="user", content="Is it?"),), TRUTH, "a")
PLAIN = RewardConfig(chain=False)


class Asks:
    """It asks which is meant, then says both answers."""

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        return Answer.of("Which do you mean?" if len(messages) == 1 else "It is red. No.")


def test_a_suite_is_read_written_and_changed(tmp_path: Path) -> None:
    copy_samples(tmp_path)
    file = tmp_path / "suite.toml"
    file.write_text('questions = ["none.jsonl"]\nlimit = 9\n[reward]\nchain = false\n')
    suite = load_suite(file, tmp_path / "questions.jsonl", 2)
    assert len(suite.read()) == 2
    file.write_text(dump(suite))
    assert load(Suite, file) == load_suite(file) == suite


@pytest.mark.parametrize("wrong", ["", "questions = []", "questions = ['a']\nturns = 0"])
def test_a_wrong_suite_is_refused(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text(wrong)
    with pytest.raises(ConfigError):
        load_suite(file)


def test_the_prompt_asks_for_the_chain_that_the_reward_reads() -> None:
    files = (Path("a.jsonl"),)
    chain, plain = Suite(questions=files), Suite(questions=files, reward=PLAIN)
    assert "<payoff>" in chain.prompt(VAGUE.messages)[0]["content"]
    assert "<payoff>" not in plain.prompt(VAGUE.messages)[0]["content"]
    bare = Suite(questions=files, instruct=False)
    assert bare.prompt(VAGUE.messages) == list(VAGUE.messages)


async def test_an_answer_is_scored_and_its_reasoning_is_no_part_of_it() -> None:
    async with Grader(PLAIN, JudgesConfig()) as grader:
        scored = await grader.grade(VAGUE, "Which one?", "Hm.")
        silent = await grader.grade(VAGUE, "", "Hm.")
    assert scored.response == "Which one?" and scored.score.factors["quality"] == 1.0
    assert scored.transcript.tokens["before"] > 0
    assert silent.score.reward is None and earned(silent) == 0.0


async def test_a_judge_that_fails_leaves_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(question: Question, response: str) -> Verdict:
        raise JudgeError("judge 'x', question 'a': gone", "connection")

    async with Grader(PLAIN, JudgesConfig()) as grader:
        monkeypatch.setattr(grader.judges, "judge", fails)
        scored = await grader.grade(VAGUE, "Which one?")
    assert scored.score.reward is None and earned(scored) is None
    assert "gone" in (scored.score.unscored or "")


def suite_of(tmp_path: Path, *questions: Question) -> Suite:
    file = tmp_path / "rows.jsonl"
    with RowWriter(file) as rows:
        for number, question in enumerate(questions):
            rows.write(to_row(question, index=number, source_prompt=None, split="", system=None))
    return load_suite(questions=file)


async def test_a_conversation_is_played_and_measured(tmp_path: Path) -> None:
    runner = ConversationRunner(suite_of(tmp_path, VAGUE))
    (question,) = runner.questions()
    played = await runner.play(runner.match(question), Asks())
    found = measured(played)
    assert found["goal"] == 1.0 and found["turns"] == 2.0 and found["ask_f1"] == 1.0


async def test_a_user_that_fails_leaves_no_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(conversation: Conversation) -> str:
        raise UserError("user: gone", "connection")

    runner = ConversationRunner(suite_of(tmp_path, VAGUE))
    match = runner.match(VAGUE)
    monkeypatch.setattr(match.user, "reply", fails, raising=False)
    played = await runner.play(match, Asks())
    assert played.problem == "user: gone" and measured(played) == {}


def test_questions_without_a_goal_cannot_be_talked_about(tmp_path: Path) -> None:
    unknown = Question("b", "medium", VAGUE.messages, "text", "b")
    runner = ConversationRunner(suite_of(tmp_path, unknown))
    with pytest.raises(DataError, match="none of 1 questions"):
        runner.questions()
    with pytest.raises(DataError, match="'b'"):
        runner.match(unknown)
