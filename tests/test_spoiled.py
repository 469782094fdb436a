"""Records from outside in which any member can be of any kind: read, or refused by name."""

import asyncio
import contextlib
import inspect
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from at_once import at_once
from dataset_rows import row
from evaluation_samples import plain, transcript
from gtalign.config import Config, load, load_table
from gtalign.data.inspect import inspect_rows
from gtalign.data.rows import question_of, read_rows
from gtalign.data.sources import SOURCES, Item
from gtalign.data.validate import problems_of, validate
from gtalign.endpoints.reply import Reply, reply_of
from gtalign.endpoints.usage import Usage
from gtalign.errors import ConfigError, GTAlignError
from gtalign.evaluation.metrics import measure
from gtalign.game import Bimatrix
from gtalign.gateway.answers.request import read_chat, read_completion
from gtalign.gateway.errors import APIError
from gtalign.gateway.keys import KeyRequest
from gtalign.gateway.settings import GatewayConfig
from gtalign.judges import Verdict
from gtalign.judges.config import JudgesConfig
from gtalign.judges.reading import Form, read_verdict
from gtalign.reward import Reward, RewardConfig
from gtalign.steering.decision import Decision
from gtalign.steering.http import Engine, pieces, probe
from gtalign.steering.http.transport import Transport
from gtalign.steering.policy import Policy, load_policy
from gtalign.steering.replay import Past
from gtalign.synthesis.candidates import Candidates
from gtalign.synthesis.examples import read_examples
from gtalign.synthesis.selection import Entry, select
from gtalign.synthesis.settings import ColdStartConfig, SelectionSettings
from gtalign.tasks import Question
from gtalign.transcripts import Scored, Scorer, read_transcripts
from gtalign.transcripts.forms import transcript_of
from gtalign.transcripts.labelled import read_labelled
from gtalign.transcripts.rows import read, row_of
from gtalign.transcripts.scoring import Row
from spoiled import spoiled, spoiled_records
from test_steering_decision import decided

# --- readers of one object -------------------------------------------------------------------


def written(record: Any) -> str:
    """The JSON of a record, as a file or a request has it."""
    return json.dumps(record)


def _row(record: Any) -> None:
    """A row without problems is one that makes a question."""
    if not isinstance(record, dict):
        return  # the reader of lines refuses it
    problems = list(problems_of(record, 0, "x"))
    written([problem.to_json() for problem in problems])
    if not problems:
        question_of(record, "x-0", "x").to_json()


def _question(record: Any) -> None:
    if isinstance(record, dict) and {"data_source", "reward_model", "prompt"} <= record.keys():
        question_of(record, "x-0", "x").to_json()


def _transcript(record: Any) -> None:
    """A transcript that was read can be written, scored anew and compared."""
    if not isinstance(record, dict):
        return
    found = transcript_of(record, "x-0")
    written(found.to_json())
    written([one.transcript.to_json() for one in _scored([Row(found, "here")])])
    measure(found)


def _vector(record: Any) -> None:
    if isinstance(record, dict):
        _scored([row_of(record, "x-0", "here")])


def _scored(rows: Iterable[Row]) -> list[Scored]:
    async def work() -> list[Scored]:
        return [scored async for scored in Scorer(Reward(), workers=1).stream(rows)]

    return asyncio.run(work())


def _source(name: str) -> Callable[[Any], None]:
    def read(record: Any) -> None:
        if isinstance(record, dict):
            found = SOURCES[name].read(record)
            assert isinstance(found, Item | str)

    return read


def _in_file(read: Callable[[Path], object]) -> Callable[[Any, Path], None]:
    def of(record: Any, folder: Path) -> None:
        file = folder / "x.jsonl"
        file.write_text(written(record) + "\n", encoding="utf-8")
        read(file)

    return of


def _candidates(file: Path) -> None:
    with Candidates(file) as found:
        entries: dict[str, list[Entry]] = {}
        for (question, _), entry in found.entries.items():
            entries.setdefault(question, []).append(entry)
        select(entries, SelectionSettings())


def _chat(record: Any) -> None:
    read_chat(written(record).encode(), max_tokens=100, choices=4)


def _completion(record: Any) -> None:
    read_completion(written(record).encode(), max_tokens=100, choices=4)


def _upstream(record: Any, read: Callable[[Any], pieces.EnginePiece]) -> None:
    with contextlib.suppress(ValueError):  # which names what is wrong; the caller names the engine
        read(record)


def _past(record: Any) -> None:
    if isinstance(record, dict):
        Past.from_json(record)


def _judged(record: Any) -> None:
    reading = read_verdict(written(record), (0.0, 0.5, 1.0), "json_schema")
    assert reading.score in (None, 0.0, 0.5, 1.0)


class Server:
    """An engine that answers every question alike."""

    api = "http://engine/v1"

    def __init__(self, answer: Any) -> None:
        self._answer = json.loads(written(answer))

    async def ask(self, path: str, body: Any = None, *, upstream: str) -> Any:
        return self._answer


def _models(record: Any) -> None:
    for model in (None, "m"):
        at_once(probe._model(cast(Transport, Server(record)), model))


def _kind_of_server(record: Any) -> None:
    assert isinstance(at_once(probe._engine(cast(Transport, Server(record)), "")), Engine)


def _table(config: type[Config]) -> Callable[[Any], None]:
    def read(record: Any) -> None:
        if isinstance(record, dict):
            load_table(config, record, "here")

    return read


TEXT = transcript()
CANDIDATE = {**TEXT.to_json(), "number": 0, "action": "CQ", "reward": 0.7, "failed": None}
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "2+2?"}]
CHOICE = {"index": 0, "text": "a", "token_ids": [1], "finish_reason": "stop"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
DELTA = {"delta": {"content": "a"}, "message": None, "index": 0, "finish_reason": None}
LLAMA = {"prompt_n": 1, "cache_n": 2, "predicted_n": 3}
PAIRS = {"type": "multipleQAs", "qaPairs": [{"question": "q", "answer": ["a"]}]}
STORY = {
    "story": "s",
    "ambiguity": "ambiguous",
    "target_turn": {"question": "q"},
    "history_turns": [{"question": "q", "answer": "a"}],
}

COLD_START = {
    "questions": ["a.jsonl"],
    "teachers": {"a": {"model": "m", "url": "http://127.0.0.1:1/v1"}},
    "blocks": {"payoff": "a"},
    "selection": {"min_quality": 0.5},
}
GATEWAY = {
    "upstream": {"url": "http://127.0.0.1:1/v1"},
    "proxies": ["127.0.0.1"],
    "steering": {"mode": "advise"},
    "limits": {"body_bytes": 4096},
}

READERS: dict[str, tuple[Any, Callable[..., object]]] = {
    "row": (row("2+2?", turns=3), _row),
    "row of a question": (row("x", "ambig_qa", split="test"), _question),
    "question": (TEXT.question.to_json(), lambda record: _to(Question, record)),
    "verdict": (TEXT.verdicts[0].to_json(), lambda record: _to(Verdict, record)),
    "transcript": (TEXT.to_json(), _transcript),
    "plain transcript": (plain().to_json(), _transcript),
    "dump": (
        {"input": "i", "output": "o", "gts": "g", "score": 0.5, "user_reward": 1, "llm_reward": 1},
        _transcript,
    ),
    "chat": (
        {
            "id": 1,
            "task": "direct",
            "messages": [
                *MESSAGES,
                {"role": "assistant", "content": [{"type": "text", "text": "4"}]},
            ],
        },
        _transcript,
    ),
    "vector": (
        {"id": "1", "task": "minerva", "completion": "c", "ground_truth": "g", "judge_score": 1}
        | {"pareto_score": 0.5},
        _vector,
    ),
    "example": (
        {"prompt": MESSAGES, "completion": "c", "extra_info": {"source_id": "x"}},
        _in_file(lambda file: list(read_examples(file))),
    ),
    "candidate": (CANDIDATE, _in_file(_candidates)),
    "decision": (decided().to_json(), lambda record: _to(Decision, record)),
    "past decision": (decided().to_json(), _past),
    "matrix": (TEXT.extra["true_payoff"], lambda record: Bimatrix.from_json(record)),
    "conversation": (
        {"prompt": MESSAGES, "single_turn_prompt": "a", "single_turn_completion": "b"},
        _source("math-hard"),
    ),
    "problem": ({"level": "Level 5", "problem": "p", "solution": "b"}, _source("math-level-5")),
    "readings": ({"question": "q", "annotations": [PAIRS]}, _source("ambig_qa")),
    "harm": (
        {"prompt": "p", "adversarial": False, "prompt_harm_label": "harmful"},
        _source("wildguard"),
    ),
    "passage": (STORY, _source("abg_coqa")),
    "steered request": (
        {"model": "m", "messages": MESSAGES, "stream": True, "stream_options": {}, "seed": 1}
        | {"stop": ["a"], "n": 1, "temperature": 1.0, "top_k": 1, "max_tokens": 5, "other": 1},
        _chat,
    ),
    "request with tools": (
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
        | {"tools": [], "response_format": {"type": "text"}, "modalities": ["text"]},
        _chat,
    ),
    "completion": ({"model": "m", "prompt": "p", "n": 1, "best_of": 1}, _completion),
    "event of a completion": (
        {"choices": [CHOICE], "usage": USAGE},
        lambda record: _upstream(record, pieces.read_completion),
    ),
    "event of a chat": (
        {"choices": [DELTA], "timings": LLAMA},
        lambda record: _upstream(record, pieces.read_chat),
    ),
    "judgement": ({"score": 1, "reason": "r"}, _judged),
    "cached reply": (
        {"text": "t", "problem": None, "usage": Usage(calls=1).to_json()},
        lambda record: Reply.from_text(written(record)),
    ),
    "labelled answer": (
        {**plain().to_json(), "label": 1},
        _in_file(lambda file: read_labelled(file)),
    ),
    "reply of an endpoint": (
        {"choices": [{"message": {"content": "a", "refusal": None}, "finish_reason": "stop"}]}
        | {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        reply_of,
    ),
    "models of a server": ({"data": [{"id": "m", "owned_by": "vllm"}]}, _models),
    "kind of a server": ({"models": [], "version": "1"}, _kind_of_server),
    "request for a key": ({"name": "n", "scopes": ["chat"], "limits": {}}, _table(KeyRequest)),
    "policy": (load_policy("per-token").model_dump(mode="json"), _table(Policy)),
    "adjusted policy": (
        {"name": "n", "payer": "user", "quota": {"tokens": 1, "price": {"input": 1}}}
        | {"adjust": [{"action": "CQ", "user": 1}]},
        _table(Policy),
    ),
    "reward": (RewardConfig().model_dump(mode="json"), _table(RewardConfig)),
    "cold start": (COLD_START, _table(ColdStartConfig)),
    "gateway": (GATEWAY, _table(GatewayConfig)),
    "judges": (
        {"default": ["a"], "tasks": {"math": ["rule"]}, "endpoints": {"a": {"model": "m"}}},
        _table(JudgesConfig),
    ),
}


def _to(kind: Any, record: Any) -> None:
    """Read an object; what was read can be written."""
    if isinstance(record, dict):
        written(kind.from_json(record).to_json())


@cache
def _from_a_file(name: str) -> bool:
    return "folder" in inspect.signature(READERS[name][1]).parameters


def reads(name: str, record: Any, folder: Path) -> None:
    """Read a record; an error is one of ours, and names something."""
    read = READERS[name][1]
    try:
        read(record, folder) if _from_a_file(name) else read(record)
    except (GTAlignError, APIError) as error:
        assert str(error)


@pytest.mark.parametrize("name", READERS)
def test_a_member_of_any_kind_is_read_or_refused(name: str, tmp_path: Path) -> None:
    record = READERS[name][0]
    reads(name, record, tmp_path)
    for at, wrong in spoiled(record):
        try:
            reads(name, wrong, tmp_path)
        except Exception as error:
            raise AssertionError(f"{name} with {at} spoiled: {error!r}") from error


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=20)
@given(data=st.data())
def test_several_members_of_any_kind_are_read_or_refused(name: str, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        reads(name, data.draw(spoiled_records(READERS[name][0])), Path(folder))


# --- files of any bytes ----------------------------------------------------------------------

LINES = st.lists(
    st.binary(max_size=20)
    | spoiled_records(row("2+2?")).map(lambda record: written(record).encode())
    | spoiled_records(TEXT.to_json()).map(lambda record: written(record).encode()),
    max_size=3,
).map(b"\n".join)

FILES: dict[str, Callable[[Path], object]] = {
    "rows": lambda file: list(read_rows(file)),
    "checked rows": lambda file: [problem.to_json() for problem in validate(file).problems],
    "counted rows": lambda file: [one.to_json() for one in inspect_rows(file).values()],
    "transcripts": lambda file: list(read_transcripts(file)),
    "scored": lambda file: _scored(read(file)),
    "examples": lambda file: list(read_examples(file)),
    "candidates": _candidates,
    "labelled": read_labelled,
}


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=20)
@given(content=LINES)
@example(b"[" * 100_000)
@example(b'{"id": ' + b"1" * 5_000 + b"}\n")
@example(
    b'{"prompt": [{"role": "user", "content": "Question: 2+2?"}], "data_source": "\\ud800",'
    b' "reward_model": {"ground_truth": "4", "style": "rule"}, "extra_info":'
    b' {"chat_history": [{"role": "user", "content": "2+2?"}], "single_turn_prompt": "2+2?"}}'
)
def test_a_file_of_any_bytes_is_read_or_refused(name: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.jsonl")
        file.write_bytes(content)
        with contextlib.suppress(GTAlignError):
            FILES[name](file)


@given(st.text() | st.sampled_from(["seeds = [[[", "a.b = 1\n[a]\n", "x = 1e999", "[[x]]\n[x]"]))
def test_a_configuration_of_any_text_is_read_or_refused(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.toml")
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        for config in (RewardConfig, Policy, JudgesConfig, GatewayConfig):
            with contextlib.suppress(ConfigError):
                load(config, file)


@given(st.text(), st.sampled_from(["preset", "user.quality", "aggregate", "x", "", "."]))
def test_an_override_of_any_text_is_read_or_refused(value: str, key: str) -> None:
    with contextlib.suppress(ConfigError):
        load(RewardConfig, None, [f"{key}={value}"])


@given(st.binary(max_size=200))
def test_a_request_of_any_bytes_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(APIError):
        read_chat(raw, max_tokens=100, choices=4)


@given(st.text(max_size=200), st.sampled_from(["json_schema", "tagged"]))
def test_a_reply_of_any_text_is_a_verdict_or_none(reply: str, form: Form) -> None:
    assert read_verdict(reply, (0.0, 0.5, 1.0), form).score in (None, 0.0, 0.5, 1.0)
