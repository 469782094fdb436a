"""Transcripts on disk: written line by line, readable after a crash."""

import errno
import json
import logging
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gtalign.chain import render
from gtalign.errors import DataError, StorageError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import Reward
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from one_score import score_one

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_AQ.", "Vier = four, ça va.")
VERDICT = Verdict("test", 1.0, "right", {"asked": 0.0})


def transcript(name: str = "q1", completion: str = CHAIN) -> Transcript:
    question = Question(
        name, "math-hard", (Message(role="user", content="2+2?"),), "4", "c1", {"split": "test"}
    )
    score = score_one(Reward(), question, completion, VERDICT)
    return Transcript.of(question, completion, model="m", seed=3).scored(score, [VERDICT])


def write(path: Path, *names: str) -> None:
    with TranscriptWriter(path) as writer:
        for name in names:
            writer.write(transcript(name))


def ids(path: Path) -> list[str]:
    return [t.id for t in read_transcripts(path)]


def test_it_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "transcripts.jsonl"
    with TranscriptWriter(path) as writer:
        writer.write(transcript("a"))
        writer.write(transcript("b", "no chain \ud800"))
        assert writer.ids() == {"a", "b"}
    first, second = read_transcripts(path)
    assert first == transcript("a")
    assert second == transcript("b", "no chain \ud800")
    assert first.split == "test"
    assert first.chain is not None
    assert first.chain["payoff"]["DQ_AQ"] == {"LLM": 3.0, "user": 3.0}
    assert second.chain_error is not None
    assert first.question.text == "2+2?"


def test_what_could_not_be_scored_is_null(tmp_path: Path) -> None:
    question = transcript().question
    verdict = Verdict("j", None, "down")
    score = score_one(Reward(), question, CHAIN, verdict)
    prompt = [Message(role="system", content="instruction")]
    given = Transcript.of(question, CHAIN, model="m", split="ood", prompt=prompt).scored(
        score, [verdict]
    )
    record = given.to_json()
    assert record["user_welfare"] is None
    assert record["factors"]["quality"] is None
    assert record["unscored"] == "judge j: down"
    assert record["split"] == "ood"
    assert record["prompt"] == prompt
    assert Transcript.from_json(json.loads(json.dumps(record))) == given


def test_how_it_was_steered_comes_back(tmp_path: Path) -> None:
    decision = {"model": "m", "acted": "CQ", "terms": [{"name": "output tokens"}], "chosen": None}
    steered = replace(transcript(), decision=decision)
    path = tmp_path / "t.jsonl"
    with TranscriptWriter(path) as writer:
        writer.write(steered)
        writer.write(transcript("b"))
    first, second = read_transcripts(path)
    assert first == steered
    assert first.decision == decision
    assert second.decision is None
    old = {key: value for key, value in steered.to_json().items() if key != "decision"}
    assert Transcript.from_json(old).decision is None


def test_a_resumed_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write(path, "a", "b")
    with TranscriptWriter(path) as writer:
        assert writer.ids() == {"a", "b"}
        writer.write(transcript("c"))
    assert ids(path) == ["a", "b", "c"]


@pytest.mark.parametrize("cut", [1, 20, 600])
def test_a_torn_last_line_is_cut_off(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.jsonl"
    write(path, "a", "b")
    whole = path.read_bytes()
    start_of_b = whole.index(b"\n") + 1
    path.write_bytes(whole[: start_of_b + cut])
    with caplog.at_level(logging.WARNING):
        assert ids(path) == ["a"]
    assert "torn" in caplog.text
    write(path, "c")
    assert ids(path) == ["a", "c"]


def test_a_file_that_is_one_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"id": "a", "' + b"x" * 200_000)
    write(path, "b")
    assert ids(path) == ["b"]


def test_a_last_line_without_its_break_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write(path, "a")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    write(path, "b")
    assert ids(path) == ["a", "b"]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write(path, "a")
    size = path.stat().st_size
    with TranscriptWriter(path) as writer:
        with file_size_limit(size + 100), pytest.raises(StorageError, match="are kept") as caught:
            writer.write(transcript("b"))
        assert caught.value.errno == errno.EFBIG
        assert path.stat().st_size == size  # no part of the line remains
        assert writer.ids() == {"a"}
        writer.write(transcript("c"))
    assert ids(path) == ["a", "c"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_from_the_start() -> None:
    with (
        pytest.raises(StorageError, match="No space left on device"),
        TranscriptWriter(Path("/dev/full")) as writer,
    ):
        writer.write(transcript())


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        TranscriptWriter(tmp_path / "file" / "t.jsonl")


def test_a_file_of_something_else_is_not_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("hello\nworld\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jsonl, line 1: not JSON"):
        TranscriptWriter(path)
    assert path.read_text(encoding="utf-8") == "hello\nworld\n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": 3}, "'id'"),
        ({"completion": None}, "'completion'"),
        ({"model": 3}, "'model'"),
        ({"chain": "x"}, "'chain'"),
        ({"factors": [1]}, "'factors'"),
        ({"decision": "x"}, "'decision'"),
        ({"decision": ["x"]}, "'decision'"),
        ({"user_welfare": "high"}, "'user_welfare'"),
        ({"user_welfare": True}, "'user_welfare'"),
        ({"prompt": 3}, "'prompt'"),
        ({"verdicts": "x"}, "'verdicts'"),
        ({"verdicts": [{"score": "x"}]}, "'score'"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = tmp_path / "t.jsonl"
    lines = [transcript().to_json(), {**transcript().to_json(), **change}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(DataError, match=rf"t\.jsonl, line 2: .*{named}"):
        list(read_transcripts(path))


@pytest.mark.parametrize("line", ["1", "{", '{"id": "\\ud800"}x'])
def test_lines_that_are_no_objects(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2: not "):
        list(read_transcripts(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        list(read_transcripts(tmp_path / "absent.jsonl"))


def test_validation_dumps_of_verl(tmp_path: Path) -> None:
    path = tmp_path / "150.jsonl"
    dumps = [
        {"input": "2+2?", "output": CHAIN, "gts": "4", "score": 0.5, "user_reward": 0.25,
         "llm_reward": 1, "step": 150},
        {"input": "2+2?", "output": "x", "gts": 4, "score": None, "data_source": "math-hard"},
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in dumps), encoding="utf-8")
    first, second = read_transcripts(path)
    assert (first.user_welfare, first.llm_welfare, first.mutual_welfare) == (0.25, 1, 0.5)
    assert first.id == "150-1"
    assert first.chain is not None
    assert first.prompt == ({"role": "user", "content": "2+2?"},)
    assert second.mutual_welfare is None
    assert second.unscored is not None
    assert second.plain and second.chain_error is None
    assert (second.task, second.ground_truth) == ("math-hard", "4")
    path.write_text('{"input": "", "output": 3, "gts": "", "score": 0}\n', encoding="utf-8")
    with pytest.raises(DataError, match="'output'"):
        list(read_transcripts(path))


def test_dumps_of_verl_with_our_reward_say_what_was_not_normalised(tmp_path: Path) -> None:
    path = tmp_path / "150.jsonl"
    ours: dict[str, Any] = {
        "user_welfare": 0.25,
        "llm_welfare": 1.0,
        "mutual_welfare": 0.5,
        "unscored": 0.0,
    }
    ours |= {"input": "2+2?", "output": CHAIN, "gts": "4", "score": -1.3, "raw_score": 0.5}
    ours |= {"question_id": "q7", "task": "math-hard", "malformed": 0.0}
    dumps = [ours, ours | {"question_id": "q8", "unscored": 1.0}]
    path.write_text("".join(json.dumps(line) + "\n" for line in dumps), encoding="utf-8")
    first, second = read_transcripts(path)
    assert (first.id, first.task, first.plain) == ("q7", "math-hard", False)
    assert (first.user_welfare, first.llm_welfare, first.mutual_welfare) == (0.25, 1, 0.5)
    assert (second.id, second.mutual_welfare, second.user_welfare) == ("q8", None, None)
    assert second.unscored is not None and "stand in" in second.unscored


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({"score": 1.0}, True),
        ({"score": 0.0}, True),
        ({"score": 0.0, "user_reward": 0.0, "llm_reward": 0.0}, False),
        ({"score": 0.6, "user_reward": 0.5, "llm_reward": 0.7}, True),
        ({"score": 0.0, "output": "<thinking>never closed"}, False),
        ({"score": 1.0, "output": "<payoff>{}</payoff>"}, False),
    ],
)
def test_outputs_of_a_dump_that_was_scored_without_a_chain_are_plain(
    tmp_path: Path, changes: dict[str, Any], plain: bool
) -> None:
    path = tmp_path / "1.jsonl"
    path.write_text(json.dumps({"input": "2+2?", "output": "4", "gts": "4"} | changes))
    (found,) = read_transcripts(path)
    assert found.plain is plain
    assert (found.chain_error is None) is plain
