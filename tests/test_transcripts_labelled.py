"""Answers that people have labelled, as judges are checked against them."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from evaluation_samples import plain, transcript
from gtalign.chain import render
from gtalign.errors import DataError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.transcripts.labelled import read_labelled

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("t", PAYOFF, "Choose VQ_CQ.", "Which one?")
CHAT = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "Four."}]


def labelled(folder: Path, *records: dict[str, Any]) -> Path:
    file = folder / "labelled.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def test_the_response_of_a_chain_is_what_was_labelled(tmp_path: Path) -> None:
    record = {**transcript(completion=CHAIN).to_json(), "label": 1}
    (found,) = read_labelled(labelled(tmp_path, record))
    assert (found.response, found.label) == ("Which one?", 1.0)
    assert (found.question.id, found.question.task) == ("q1", "names")


def test_a_plain_answer_is_its_own_response(tmp_path: Path) -> None:
    (found,) = read_labelled(labelled(tmp_path, {**plain().to_json(), "label": 0.5}))
    assert (found.response, found.label) == ("Which library do you mean?", 0.5)


def test_chats_and_dumps_are_read_under_the_task_that_is_given(tmp_path: Path) -> None:
    dump = {"input": "2+2?", "output": CHAIN, "gts": "4", "score": None}
    file = labelled(tmp_path, {"messages": CHAT, "label": 1}, {**dump, "label": 0})
    chat, dumped = read_labelled(file, "math-hard")
    assert (chat.question.task, chat.response, chat.label) == ("math-hard", "Four.", 1.0)
    assert (dumped.question.task, dumped.response, dumped.label) == ("math-hard", "Which one?", 0.0)
    assert dumped.question.ground_truth == "4"


@pytest.mark.parametrize("label", [{}, {"label": None}])
def test_an_answer_without_a_label_has_none_and_not_0(
    tmp_path: Path, label: dict[str, None]
) -> None:
    (found,) = read_labelled(labelled(tmp_path, {"messages": CHAT, **label}))
    assert found.label is None


def test_what_is_no_chain_has_nothing_to_judge_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {**transcript(completion="<thinking>no end").to_json(), "label": 0}
    file = labelled(tmp_path, broken, {"messages": CHAT, "label": 1}, broken)
    with caplog.at_level(logging.WARNING):
        (found,) = read_labelled(file)
    assert found.label == 1
    assert "2 of 3 answers have no response: left out" in caplog.text


@pytest.mark.parametrize("said", ["<think>hm", "<think>hm</think>", "<tool_call>{}</tool_call>"])
def test_a_plain_answer_without_a_response_is_left_out(tmp_path: Path, said: str) -> None:
    chat = [CHAT[0], {"role": "assistant", "content": said}]
    (found,) = read_labelled(labelled(tmp_path, {"messages": chat}, {"messages": CHAT}))
    assert found.response == "Four."


@pytest.mark.parametrize("label", [True, "good", [1], {"score": 1}, 10**400])
def test_a_label_that_is_no_number_is_refused_by_its_place(tmp_path: Path, label: Any) -> None:
    file = labelled(tmp_path, {"messages": CHAT, "label": 1}, {"messages": CHAT, "label": label})
    with pytest.raises(DataError, match=r"labelled\.jsonl, line 2: column 'label' has to be a num"):
        read_labelled(file)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labelled\.jsonl: empty: it holds no answer"):
        list(read_labelled(labelled(tmp_path)))
