"""The reward for verl, without verl: rows, the judges' limits, and what a sample gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from chain_texts import VALID
from gtalign.config import dump
from gtalign.data.schema import system_prompt
from gtalign.errors import DataError, JudgeError
from gtalign.files.lines import read_lines
from gtalign.game import USER_LLM
from gtalign.integrations.verl import compute_score, reward
from gtalign.integrations.verl.reward import scoring_of, shared_judges
from gtalign.integrations.verl.rows import question_in, write_rows
from gtalign.judges import FakeJudge, Judge, JudgesConfig, Verdict
from gtalign.tasks import Message, Question
from gtalign.training.rl_run import RLRun
from gtalign.training.verl import VerlJudge, VerlSettings
from gtalign.transcripts import Scorer, read_transcripts

ASKED = Question(
    id="q-7",
    task="math-hard",
    messages=(Message(role="user", content="What is 17 and 25?"),),
    ground_truth="42",
    cluster="c",
    extra={"split": "train", "user_action": "DQ"},
)


def run(**changes: Any) -> RLRun:
    return RLRun.model_validate({"model": "m", "questions": ["q.jsonl"], **changes})


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose tokens are words."""

    def words(text: str, **_: Any) -> dict[str, list[str]]:
        return {"input_ids": text.split()}

    monkeypatch.setattr(reward, "_tokenizer", lambda model: words)
    file = tmp_path / "config.toml"
    file.write_text(dump(run(max_failed=0.5, window=2)), encoding="utf-8")
    return file


@pytest.mark.parametrize("instruct", [False, True])
def test_a_row_holds_the_prompt_of_the_run_and_the_whole_question(
    instruct: bool, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "rows.jsonl"
    write_rows(file, [ASKED, ASKED], run(instruct=instruct), USER_LLM, "train")
    rows = [row for _, row in read_lines(file)]
    roles = [message["role"] for message in rows[0]["prompt"]]
    assert roles == (["system", "user"] if instruct else ["user"])
    if instruct:
        assert rows[0]["prompt"][0]["content"] == system_prompt()
    assert [row["extra_info"]["index"] for row in rows] == [0, 1]
    row = rows[0]
    found = question_in(row["data_source"], "other", row["extra_info"])
    assert found == (ASKED, True)
    assert found[0].messages == ASKED.messages and found[0].extra == ASKED.extra


def test_a_published_row_is_read_as_it_is() -> None:
    info = {"index": 3, "single_turn_prompt": "What is 17 and 25?", "split": "test"}
    found, learned = question_in("math-hard", "42", info)
    assert (found.id, found.text, found.ground_truth, learned) == (
        "math-hard-3",
        "What is 17 and 25?",
        "42",
        False,
    )


@pytest.mark.parametrize("kept", [7, "{", "[]", "{}", {"id": "q"}])
def test_a_row_with_a_wrong_question_is_refused(kept: Any) -> None:
    with pytest.raises(DataError, match="question"):
        question_in("math-hard", "42", {"question": kept})


@pytest.mark.parametrize(
    ("workers", "allowed", "each"), [(1, 16, 16), (4, 16, 4), (3, 16, 5), (8, 8, 1)]
)
def test_the_workers_together_keep_a_judges_limits(workers: int, allowed: int, each: int) -> None:
    judge = {"url": "http://j/v1", "model": "j", "concurrency": allowed, "requests_per_minute": 60}
    judges = JudgesConfig.model_validate({"default": ["j"], "endpoints": {"j": judge}})
    found = shared_judges(judges, VerlSettings(reward_workers=workers)).endpoints["j"]
    assert found.concurrency == each
    assert found.concurrency * workers <= allowed
    assert found.requests_per_minute == pytest.approx(60 / workers)
    assert found.url == "http://j/v1"


def test_a_judge_that_verl_serves_is_asked_at_its_router() -> None:
    ends = {name: {"url": "http://j/v1", "model": "j"} for name in ("own", "other")}
    judges = JudgesConfig.model_validate({"default": ["own"], "endpoints": ends})
    settings = VerlSettings(judge=VerlJudge(endpoint="own"))
    found = shared_judges(judges, settings, "10.0.0.1:900").endpoints
    assert (found["own"].url, found["other"].url) == ("http://10.0.0.1:900/v1", "http://j/v1")
    assert shared_judges(judges, settings).endpoints["own"].url == "http://j/v1"


def judged_by(scoring: Any, judge: Judge) -> None:
    scoring._scorer = Scorer(scoring._scorer.reward, judge)


async def test_a_sample_is_scored_and_written_down(config: Path) -> None:
    info = {"split": "train", "question": json.dumps(ASKED.to_json())}
    texts = (VALID, "no chain", "")
    judged_by(scoring_of(config, None), FakeJudge(1.0))
    found = [
        await compute_score("math-hard", text, "42", info, config=str(config), more=1)
        for text in texts
    ]
    assert len({tuple(one) for one in found}) == 1
    assert "reward" not in found[0]
    assert [one["malformed"] for one in found] == [0.0, 1.0, 1.0]
    assert [one["question_id"] for one in found] == ["q-7"] * 3
    (file,) = (config.parent / "workers").iterdir()
    written = list(read_transcripts(file))
    assert [one.completion for one in written] == list(texts)
    assert [one.mutual_welfare for one in written] == [one["raw_score"] for one in found]
    assert (written[0].split, written[0].extra["user_action"]) == ("train", "DQ")


async def test_an_edited_sample_is_paid_for_obeying_and_judged_by_nobody(config: Path) -> None:
    judged_by(scoring_of(config, None), FakeJudge(JudgeError("must not be asked")))
    info = {"question": json.dumps(ASKED.to_json()), "edited": True}
    found = [
        await compute_score("math-hard", text, "42", info, config=str(config))
        for text in (VALID, "no chain")
    ]
    assert float(found[0]["score"]) > 0.0 == found[1]["score"]
    assert found[0]["user_welfare"] == found[0]["llm_welfare"] == found[0]["score"]
    (file,) = (config.parent / "workers").iterdir()
    assert [one.mutual_welfare for one in read_transcripts(file)] == [None, None]


async def test_a_judge_that_fails_gives_a_flag_and_then_stops_the_run(config: Path) -> None:
    class Broken:
        async def judge(self, question: Question, response: str) -> Verdict:
            raise JudgeError("no answer", "timeout")

    scoring = scoring_of(config, None)
    judged_by(scoring, Broken())
    found = await scoring.score(ASKED, VALID)
    assert (found["unscored"], found["score"]) == (1.0, 0.5)
    with pytest.raises(JudgeError, match="2 of the latest 2"):
        await scoring.score(ASKED, VALID)
    (file,) = (config.parent / "workers").iterdir()
    assert [one.mutual_welfare for one in read_transcripts(file)] == [None, None]
