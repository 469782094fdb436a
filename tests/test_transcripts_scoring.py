"""The loop that judges and scores whatever was answered: once read, in order, each failure told."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gtalign.chain import parse_batch, render
from gtalign.cli import main
from gtalign.data.schema import given
from gtalign.errors import DataError, JudgeError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import FakeJudge, Judge, Verdict
from gtalign.judges.failures import Failures, raise_broken
from gtalign.reward import Reward, RewardConfig
from gtalign.reward import score as reward_module
from gtalign.reward.judged import judged
from gtalign.tasks import Message, Question
from gtalign.transcripts import Scored, Scorer, Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.scoring import BLOCK, SENT, Row, Scoring

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Four.")
GOOD = Verdict("known", 1.0, "right")
PLAIN = Reward(RewardConfig(chain=False))


def ask(name: str = "q1", task: str = "math-hard") -> Question:
    return Question(name, task, (Message(role="user", content="2+2?"),), "4", "c1")


def answered(name: str, completion: str = CHAIN, **keys: Any) -> Transcript:
    return replace(Transcript.of(ask(name), completion, model="m"), **keys)


def rows(*transcripts: Transcript) -> list[Row]:
    return [Row(found, f"f, line {n}") for n, found in enumerate(transcripts, start=1)]


async def streamed(scorer: Scorer, some: Sequence[Row]) -> list[Scored]:
    return [scored async for scored in scorer.stream(some)]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were parsed for a reward, each time."""
    texts: list[str] = []

    def counted(some: Sequence[str], *rest: Any, **keys: Any) -> Any:
        texts.extend(some)
        return parse_batch(some, *rest, **keys)

    monkeypatch.setattr(reward_module, "parse_batch", counted)
    return texts


# --- read once ---------------------------------------------------------------------------------


async def test_a_text_is_parsed_once(parsed: list[str]) -> None:
    texts = [CHAIN, "broken", CHAIN + " "]
    await judged(Reward(), FakeJudge(1.0), [ask()] * 3, texts)
    assert parsed == texts


def test_the_command_parses_each_text_once(tmp_path: Path, parsed: list[str]) -> None:
    rules, file, out = tmp_path / "rules.toml", tmp_path / "t.jsonl", tmp_path / "out.jsonl"
    rules.write_text('default = ["rule"]\n')
    texts = [CHAIN.replace("Four.", f"It is {number}.") for number in range(5)] + ["broken"]
    with TranscriptWriter(file) as writer:
        for number, text in enumerate(texts):
            writer.write(answered(str(number), text))
    command = ["score", str(file), "--judge", str(rules), "--out", str(out), "--json"]
    assert main(command) == 0
    assert parsed == texts
    parsed.clear()
    assert main(command) == 0  # what is there is read once more, for the means
    assert parsed == texts


# --- who is asked ------------------------------------------------------------------------------


async def test_only_missing_verdicts_are_asked_for() -> None:
    unknown = Verdict("known", None, "down")
    judge = FakeJudge(0.0)
    found = await judged(
        Reward(),
        judge,
        [ask(name) for name in "abcd"],
        [CHAIN, CHAIN, CHAIN, "broken"],
        [GOOD, unknown, None, None],
    )
    assert [question.id for question, _ in judge.calls] == ["b", "c"]
    assert [verdict and verdict.score for verdict in found.verdicts] == [1.0, 0.0, 0.0, None]
    assert found.failures == {1: None, 2: None}
    assert found.readings.responses == ["Four.", "Four.", "Four.", None]
    assert list(found.scores.unscored) == []


@pytest.mark.parametrize("text", ["<think>It is", "<reasoning>x</reasoning>", "[TOOL_CALLS][{}]"])
async def test_nobody_is_asked_about_an_answer_without_a_response(text: str) -> None:
    judge = FakeJudge(1.0)
    scorer = Scorer(Reward(), judge)
    some = [answered("a", text, plain=True), answered("b", "Four.", plain=True)]
    first, second = await scorer.score(some)
    assert [response for _, response in judge.calls] == ["Four."]
    assert (first.asked, first.failure, first.transcript.mutual_welfare) == (False, None, None)
    assert str(first.transcript.unscored).startswith("no response")
    assert second.transcript.mutual_welfare is not None
    assert not scorer.asks_again(first.transcript)  # there is nothing to ask
    found = await streamed(scorer, rows(*some))
    assert [scored.transcript for scored in found] == [first.transcript, second.transcript]


async def test_a_chain_whose_response_says_nothing_is_graded() -> None:
    judge = FakeJudge(0.0)
    empty = CHAIN.replace("Four.", "<think>not yet")
    (found,) = await Scorer(Reward(), judge).score([answered("a", empty)])
    assert [response for _, response in judge.calls] == [""]
    assert found.transcript.unscored is None


async def test_without_a_judge_nobody_is_asked() -> None:
    found = await judged(Reward(), None, [ask()] * 2, [CHAIN, CHAIN], [GOOD, None])
    assert found.failures == {}
    assert found.scores.unscored == {1: "no verdict"}


async def test_a_row_has_one_of_each() -> None:
    for questions, verdicts in (([ask()], None), ([ask()] * 2, [GOOD])):
        with pytest.raises(ValueError, match="zip"):
            await judged(Reward(), FakeJudge(1.0), questions, [CHAIN, CHAIN], verdicts)


@pytest.mark.parametrize("lie", [7.0, -1.0, math.nan, math.inf])
async def test_a_judge_that_lies_is_no_low_score(lie: float) -> None:
    found = await judged(Reward(), FakeJudge(lie), [ask()], [CHAIN])
    failure, verdict = found.failures[0], found.verdicts[0]
    assert failure is not None
    assert failure.broken
    assert verdict is not None
    assert verdict.score is None
    score = found.scores[0]
    assert (score.mutual_welfare, score.reward, score.factors["quality"]) == (None, None, None)
    assert "outside" in (score.unscored or "")
    with pytest.raises(JudgeError, match="outside"):
        raise_broken(found.failures.values())


async def test_an_unscored_answer_is_no_failure_of_the_judge() -> None:
    found = await judged(Reward(), FakeJudge(None), [ask()], [CHAIN])
    assert found.failures[0] is not None
    raise_broken(found.failures.values())


class Hangs:
    """A judge that never answers; knows how many it was asked about, and how many were given up."""

    def __init__(self) -> None:
        self.asked = self.given_up = 0

    async def judge(self, question: Question, response: str) -> Verdict:
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        raise AssertionError


async def test_what_is_under_way_is_cancelled() -> None:
    judge = Hangs()
    task = asyncio.create_task(judged(Reward(), judge, [ask()] * 3, [CHAIN] * 3))
    while judge.asked < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert judge.given_up == 3


# --- batches -----------------------------------------------------------------------------------


async def test_plain_answers_and_chains_come_in_order() -> None:
    some = [answered("a"), answered("b", "Four.", plain=True), answered("c", "broken")]
    found = await Scorer(Reward(), FakeJudge(1.0)).score(some)
    assert [scored.transcript.id for scored in found] == ["a", "b", "c"]
    assert [scored.asked for scored in found] == [True, True, False]
    solutions = [scored.transcript.factors["solution"] for scored in found]
    assert solutions == [1.0, None, 0.0]
    assert found[2].transcript.verdicts == ()
    assert found[0].transcript == some[0].scored(
        found[0].score, [Verdict("fake", 1.0, "as prepared")]
    )


class Counts:
    """A judge that counts how many answers it grades at the same time."""

    def __init__(self) -> None:
        self.busy = self.busiest = 0

    async def judge(self, question: Question, response: str) -> Verdict:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        for _ in range(3):
            await asyncio.sleep(0)
        self.busy -= 1
        return GOOD


@pytest.mark.parametrize(("workers", "count"), [(1, 4), (3, 10), (8, 5)])
async def test_a_batch_has_a_limit_on_judgements_at_once(workers: int, count: int) -> None:
    judge = Counts()
    found = await Scorer(Reward(), judge, workers=workers).score([answered("a")] * count)
    assert all(scored.asked for scored in found)
    assert judge.busiest == min(workers, count)


async def test_a_result_holds_the_text_that_was_graded() -> None:
    thought = "<think>hm</think>Four."
    some = [answered("a"), answered("b", thought, plain=True), answered("c", "broken")]
    found = await Scorer(Reward(), FakeJudge(1.0)).score(some)
    assert [scored.response for scored in found] == ["Four.", "Four.", None]


async def test_a_batch_is_written_before_too_many_failures_stop_the_work(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    scorer = Scorer(PLAIN, FakeJudge(JudgeError("down")), Failures(0.5, 2))
    with (
        TranscriptWriter(file) as writer,
        pytest.raises(JudgeError, match="2 of the latest 2") as caught,
    ):
        await scorer.score(
            [answered(name, "Four.", plain=True) for name in "abc"],
            lambda scored: writer.write(scored.transcript),
        )
    assert caught.value.cause == "failed"
    assert [found.unscored is not None for found in read_transcripts(file)] == [True] * 3


async def test_a_judge_sees_the_question_without_our_instruction() -> None:
    seen = []

    def grade(question: Question, response: str) -> float:
        seen.append(question.messages)
        return 1.0

    theirs = Message(role="system", content="Be kind.")
    for messages in (ask().messages, (theirs, *ask().messages)):
        for chain in (True, False):
            prompt = given(messages, instruct=True, chain=chain)
            some = Transcript.of(ask(), CHAIN, model="m", prompt=prompt)
            assert some.prompt[0]["role"] == "system"
            await Scorer(Reward(), FakeJudge(grade)).score([some])
            assert seen.pop() == messages


# --- streams -----------------------------------------------------------------------------------


async def test_rows_with_verdicts_are_scored_by_the_block(parsed: list[str]) -> None:
    count = 2 * BLOCK + 3
    some = [answered(str(number), verdicts=(GOOD,)) for number in range(count)]
    some[BLOCK // 2] = replace(some[BLOCK // 2], verdicts=())
    judge = FakeJudge(0.0)
    found = await streamed(Scorer(Reward(), judge, workers=BLOCK), rows(*some))
    assert [scored.transcript.id for scored in found] == [str(n) for n in range(count)]
    assert [question.id for question, _ in judge.calls] == [str(BLOCK // 2)]
    assert len(parsed) == count
    alone = await Scorer(Reward()).score(some[:1])
    assert found[0] == alone[0]


@pytest.mark.parametrize("judge", [None, FakeJudge(1.0)])
async def test_a_verdict_on_record_that_no_task_knows_names_its_place(judge: Judge | None) -> None:
    wrong = answered("b", verdicts=(Verdict("known", 9.0, "?"),))
    seen = []
    with pytest.raises(DataError, match=r"f, line 2: .*outside"):
        async for scored in Scorer(Reward(), judge, workers=2).stream(
            rows(answered("a", verdicts=(GOOD,)), wrong, answered("c", verdicts=(GOOD,)))
        ):
            seen.append(scored.transcript.id)
    assert seen == ["a"]


async def test_a_stream_that_is_closed_gives_up_what_is_under_way() -> None:
    judge = Hangs()
    some = rows(answered("a", verdicts=(GOOD,)), answered("b"), answered("c"))
    stream = Scorer(Reward(), judge, workers=8).stream(some)
    assert (await anext(stream)).transcript.id == "a"
    while judge.asked < 2:
        await asyncio.sleep(0)
    await stream.aclose()
    assert judge.given_up == 2


class Elsewhere:
    """Scores rows as another process does, and counts those that are under way at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.running = self.most = 0
        self._scoring = Scoring(Reward(), FakeJudge(1.0))

    async def __call__(self, some: Sequence[Row]) -> list[Scored]:
        self.sizes.append(len(some))
        self.running += len(some)
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= len(some)
        return await self._scoring(some)


@pytest.mark.parametrize(("workers", "size"), [(1, 1), (7, 1), (8, 2), (64, SENT), (1000, SENT)])
async def test_rows_are_sent_elsewhere_in_blocks_that_stay_below_the_limit(
    workers: int, size: int
) -> None:
    some = rows(*(answered(str(number)) for number in range(4 * SENT + 3)))
    judge, there = FakeJudge(1.0), Elsewhere()
    found = await streamed(Scorer(Reward(), judge, workers=workers, elsewhere=there), some)
    assert found == await streamed(Scorer(Reward(), FakeJudge(1.0)), some)
    assert not judge.calls
    assert (max(there.sizes), sum(there.sizes)) == (size, len(some))
    assert size <= there.most <= workers


@pytest.mark.parametrize("there", [None, Elsewhere()])
@pytest.mark.parametrize("bad", [0, 1, SENT, SENT + 5])
async def test_the_rows_before_a_wrong_one_are_scored_wherever_that_is(
    there: Elsewhere | None, bad: int
) -> None:
    some = rows(*(answered(str(number)) for number in range(3 * SENT)))
    some[bad] = replace(some[bad], transcript=replace(some[bad].transcript, game="chess"))
    seen = []
    with pytest.raises(DataError, match=f"f, line {bad + 1}: .*chess"):
        async for scored in Scorer(Reward(), FakeJudge(1.0), elsewhere=there).stream(some):
            seen.append(scored.transcript.id)
    assert seen == [str(number) for number in range(bad)]


async def test_a_bug_of_the_judge_ends_the_stream() -> None:
    with pytest.raises(KeyError):
        await streamed(Scorer(Reward(), FakeJudge(KeyError("bug"))), rows(answered("a")))
