"""Rows that are judged again: written as they are made, and the file replaced however it ends."""

from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from gtalign.errors import DataError, JudgeError
from gtalign.judges import FakeJudge, Judge, Verdict
from gtalign.judges.failures import Failures
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.transcripts import Scored, Scorer, Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.again import complete, judge_again

PLAIN = Reward(RewardConfig(chain=False))
DOWN = Verdict("j", None, "down")


def row(name: str, verdict: Verdict = DOWN) -> Transcript:
    question = Question(name, "math-hard", (Message(role="user", content="2+2?"),), "4", name)
    return replace(Transcript.of(question, "4", model="m", plain=True), verdicts=(verdict,))


def write(path: Path, *rows: Transcript) -> Path:
    path.unlink(missing_ok=True)
    with TranscriptWriter(path) as writer:
        for found in rows:
            writer.write(found)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in which every row but `b` lacks a verdict."""
    return write(tmp_path / "t.jsonl", row("a"), row("b", Verdict("j", 0.0, "wrong")), row("c"))


@pytest.fixture
def beside(file: Path) -> Path:
    return file.with_name("t.jsonl.again")


def verdicts(file: Path) -> list[float | None]:
    return [found.verdicts[0].score for found in read_transcripts(file)]


async def again(file: Path, judge: Judge, most: float = 1.0) -> list[Scored]:
    scorer = Scorer(PLAIN, judge, Failures(most, 1), workers=1)
    return [scored async for scored in judge_again(scorer, file)]


async def test_only_rows_without_a_verdict_are_judged(file: Path, beside: Path) -> None:
    judge = FakeJudge(1.0)
    found = await again(file, judge)
    assert [question.id for question, _ in judge.calls] == ["a", "c"]
    assert [scored.asked for scored in found] == [True, False, True]
    assert [scored.transcript for scored in found] == list(read_transcripts(file))
    assert verdicts(file) == [1.0, 0.0, 1.0]
    assert not beside.exists()


async def test_another_transcript_may_be_written_for_a_result(file: Path) -> None:
    def noted(scored: Scored) -> Transcript:
        return replace(scored.transcript, extra={"asked": scored.asked})

    async for scored in judge_again(Scorer(PLAIN, FakeJudge(1.0)), file, noted):
        assert "asked" not in scored.transcript.extra
    assert [t.extra["asked"] for t in read_transcripts(file)] == [True, False, True]


async def test_too_many_failures_keep_what_was_judged(file: Path, beside: Path) -> None:
    judge = FakeJudge(lambda question, _: 1.0 if question.id == "a" else JudgeError("gone"))
    write(file, row("a"), row("b"), row("c"), row("d"))
    with pytest.raises(JudgeError, match="1 of the latest 1"):
        await again(file, judge, most=0.0)
    assert verdicts(file) == [1.0, None, None, None]
    assert [t.verdicts[0].reason for t in read_transcripts(file)][2:] == ["down", "down"]
    assert not beside.exists()


@pytest.mark.parametrize("stop", [ValueError("a bug"), KeyboardInterrupt()])
async def test_whatever_ends_the_work_keeps_what_was_judged(
    stop: BaseException, file: Path, beside: Path
) -> None:
    async with aclosing(judge_again(Scorer(PLAIN, FakeJudge(1.0)), file)) as rows:
        with pytest.raises(type(stop)):
            async for _ in rows:
                raise stop
    assert verdicts(file) == [1.0, 0.0, None]
    assert not beside.exists()


@pytest.mark.parametrize("judged", [0, 1, 2, 3])
def test_what_a_kill_left_is_completed(judged: int, file: Path, beside: Path) -> None:
    held = list(read_transcripts(file))
    write(beside, *(replace(t, verdicts=(Verdict("j", 0.5, "now"),)) for t in held[:judged]))
    with beside.open("ab") as torn:
        torn.write(b'{"id": "c", "ta')
    complete(file)
    assert verdicts(file) == [0.5] * judged + [None, 0.0, None][judged:]
    assert [t.id for t in read_transcripts(file)] == ["a", "b", "c"]
    assert not beside.exists()


def test_what_belongs_to_other_rows_is_refused(file: Path, beside: Path) -> None:
    held = file.read_bytes()
    write(beside, row("z"))
    with pytest.raises(DataError, match="holds 'z' where the input has 'a'"):
        complete(file)
    assert file.read_bytes() == held


def test_what_was_left_of_a_file_that_is_gone_goes_too(file: Path, beside: Path) -> None:
    write(beside, row("a"))
    file.unlink()
    complete(file)
    assert not beside.exists()
    assert not file.exists()
