"""Answers that other frameworks have scored, in every form that is read."""

import gzip
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gtalign.cli import main
from gtalign.errors import DataError
from gtalign.transcripts import Transcript, read_transcripts
from gtalign.transcripts.given import given_scores, number, with_score


def wrote(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def only(path: Path) -> Transcript:
    (found,) = read_transcripts(path)
    return found


# --- packings ------------------------------------------------------------------------------------

CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "Four."}]
}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.bin"])
@pytest.mark.parametrize("array", [False, True])
def test_a_compressed_file_is_read_whatever_its_name(
    tmp_path: Path, name: str, array: bool
) -> None:
    rows = [{**CHAT, "id": "1"}, {**CHAT, "id": "2"}]
    text = json.dumps(rows) if array else "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()))
    assert [t.id for t in read_transcripts(path)] == ["1", "2"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", ["", "\n  "])
def test_a_json_array_is_read(tmp_path: Path, indent: int | None, before: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(before + json.dumps([CHAT, CHAT], indent=indent), encoding="utf-8")
    assert [t.id for t in read_transcripts(path)] == ["a-1", "a-2"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'[{"messages": [', "not a JSON array"),
        (b"[1]", "item 1: not a JSON object"),
        (b"[" * 100_000, "not a JSON array"),
        (gzip.compress(b'[{"a": 1}]\n', mtime=0)[:-9], "damaged or ends early"),
        (b"\x1f\x8bnothing of the kind", "damaged or ends early"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jsonl") as caught:
        list(read_transcripts(path))
    assert says in str(caught.value)


# --- answers without ids -------------------------------------------------------------------------


def dump(asked: str, said: str = "4", score: float = 1.0) -> dict[str, Any]:
    return {"input": asked, "output": said, "gts": "4", "score": score}


@pytest.mark.parametrize(
    "rows",
    [
        [dump("2+2?"), dump("2+2?", "5", 0.0), dump("3+3?")],
        [CHAT, CHAT, {"messages": [{"role": "user", "content": "3?"}, CHAT["messages"][1]]}],
        [
            {"prompt": "2+2?", "completion": "4"},
            {"prompt": [{"role": "user", "content": "2+2?"}], "completion": "5"},
            {"prompt": "3?", "completion": "6"},
        ],
    ],
)
def test_answers_to_one_prompt_share_a_cluster(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    first, second, third = read_transcripts(wrote(tmp_path / "a.jsonl", *rows))
    assert first.cluster == second.cluster != third.cluster
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.parametrize(
    "record", [{"question": "2+2?", "answer": "4"}, {"text": "hello"}, {}, {"score": 1}]
)
def test_an_unknown_form_is_refused_with_those_that_are_known(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl, line 1: .*unknown form") as caught:
        list(read_transcripts(wrote(tmp_path / "a.jsonl", record)))
    for name in (
        "verl",
        "chats",
        "lm-evaluation-harness",
        "verifiers",
        "TRL",
        "Inspect",
        "id, task",
    ):
        assert name in str(caught.value)
    for column in record:
        assert repr(column) in str(caught.value)


# --- lm-evaluation-harness -----------------------------------------------------------------------


def sample(**changes: Any) -> dict[str, Any]:
    return {
        "doc_id": 3,
        "doc": {"question": "2+2?"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": "Q: 2+2?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [["It is 4."]],
        "filtered_resps": ["4"],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
        "exact_match": 1.0,
    } | changes


def test_a_sample_of_the_harness(tmp_path: Path) -> None:
    found = only(wrote(tmp_path / "m" / "samples_gsm8k_cot_2026-01-02T03-04-05.6.jsonl", sample()))
    assert (found.id, found.task, found.ground_truth) == ("3", "gsm8k_cot", "4")
    assert found.prompt == ({"role": "user", "content": "Q: 2+2?\nA:"},)
    assert (found.completion, found.plain) == ("It is 4.", True)
    assert found.factors == {"score": 1.0, "quality": 1.0}
    assert found.verdicts[0].judge == "lm-evaluation-harness: exact_match,strict-match"
    assert found.unscored is None


@pytest.mark.parametrize(
    ("changes", "score", "completion"),
    [
        ({"arguments": [["Q", {"until": []}]]}, 1.0, "It is 4."),  # as written before 0.4.3
        ({"metrics": None, "filter": None, "exact_match": 0}, 0.0, "It is 4."),
        ({"filter": "none", "exact_match": True}, 1.0, "It is 4."),
        ({"metrics": ["inst"], "inst": [True, False, True, True]}, 0.75, "It is 4."),
        (
            {
                "arguments": {f"gen_args_{i}": {"arg_0": "Q", "arg_1": f" {c}"} for i, c in
                              enumerate("ABC")},
                "resps": [[["-4.0", "False"]], [["-1.5", "True"]], [["-9", "False"]]],
                "metrics": ["acc", "acc_norm"], "acc": 0.0, "acc_norm": 1.0,
            },
            0.0,
            "B",
        ),
        ({"exact_match": None}, None, "It is 4."),
        ({"exact_match": float("nan")}, None, "It is 4."),
        ({"resps": [[]]}, 1.0, ""),
    ],
)  # fmt: skip
def test_samples_of_several_kinds(
    tmp_path: Path, changes: dict[str, Any], score: float | None, completion: str
) -> None:
    found = only(wrote(tmp_path / "samples_x.jsonl", sample(**changes)))
    assert found.factors.get("quality") == score
    assert (found.unscored is None) == (score is not None)
    assert found.completion == completion


@pytest.mark.parametrize(
    ("changes", "names"), [({"doc_id": None}, "'doc_id'"), ({"resps": "x"}, "'resps'")]
)
def test_a_wrong_sample_is_named(tmp_path: Path, changes: dict[str, Any], names: str) -> None:
    with pytest.raises(DataError, match=names):
        only(wrote(tmp_path / "samples_x.jsonl", sample(**changes)))


# --- verifiers -----------------------------------------------------------------------------------


def trace(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "id": "9f",
        "task": {
            "type": "T",
            "key": "k1",
            "hash": "h1",
            "data": {"idx": 4, "prompt": "2+2?", "answer": "4"},
        },
        "agent": {"config": {"model": "m"}, "name": "agent"},
        "nodes": [
            {"message": {"role": "system", "content": "Add."}, "sampled": False},
            {"parent": 0, "message": {"role": "user", "content": "2+2?"}, "sampled": False},
            {"parent": 1, "message": {"role": "assistant", "content": "Five"}, "sampled": True},
            {"parent": 1, "message": {"role": "assistant", "content": "Four"}, "sampled": True},
        ],
        "calls": [{"usage": {"prompt_tokens": 9, "completion_tokens": 5}}],
        "rewards": {"right": {"score": 1.0, "weight": 0.5}, "short": {"score": 0.5}},
        "metrics": {},
        "errors": [],
    } | changes


def test_a_trace_of_verifiers(tmp_path: Path) -> None:
    found = only(wrote(tmp_path / "traces.jsonl", trace()))
    assert (found.id, found.model, found.ground_truth) == ("k1", "m", "4")
    assert [turn["content"] for turn in found.prompt] == ["Add.", "2+2?"]
    assert (found.completion, found.plain) == ("Four", True)
    assert found.tokens == {"response": 5, "total": 5}
    assert found.factors["quality"] == 1.0, "0.5 times 1, and 0.5"
    assert found.extra["scores"] == {"reward": 1.0, "right": 1.0, "short": 0.5}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"task": {"data": {"idx": 4}, "hash": "h1"}}, "h1"),
        ({"task": {"data": {"idx": 4}}}, "4"),
        ({"task": {"idx": 5, "prompt": "2+2?"}}, "5"),
    ],
)
def test_a_task_is_named_by_key_hash_or_number(
    tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    assert only(wrote(tmp_path / "traces.jsonl", trace(**changes))).id == name


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rewards": {"right": None}}, "gives no score"),
        (
            {"rewards": {"right": None}, "errors": [{"type": "Late", "message": "60 s"}]},
            "Late: 60 s",
        ),
        ({"rewards": {}}, "gives no score"),
        ({"rewards": {"right": 0.0}, "errors": [{"type": "Late", "message": "60 s"}]}, "Late"),
        ({"rewards": {"right": 0.0}, "error": {"error": "ModelError"}}, "verifiers: ModelError"),
    ],
)
def test_a_trace_without_a_reward_is_unscored(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    found = only(wrote(tmp_path / "traces.jsonl", trace(**changes)))
    assert found.factors == {}
    assert why in str(found.unscored)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"task": "x"}, "'task'"),
        ({"nodes": [3]}, "'nodes'"),
        ({"nodes": [{"message": {"role": 3}}]}, "'nodes.0.message'"),
        ({"rewards": [1]}, "'rewards'"),
        ({"rewards": {"a": {"score": 1, "weight": "x"}}}, "'rewards.a.weight'"),
    ],
)
def test_a_wrong_trace_is_named(tmp_path: Path, changes: dict[str, Any], names: str) -> None:
    with pytest.raises(DataError, match=names):
        only(wrote(tmp_path / "traces.jsonl", trace(**changes)))


def test_results_of_earlier_verifiers(tmp_path: Path) -> None:
    record = {
        "example_id": 7,
        "prompt": [{"role": "user", "content": "2+2?"}],
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": "4"}]}],
        "answer": "4",
        "task": "sums",
        "reward": 0.5,
        "metrics": {"right": 1.0},
    }
    texts = {**record, "prompt": "2+2?", "completion": "4", "metrics": None}
    late = {**record, "reward": None, "error": "timed out"}
    first, second, third = read_transcripts(wrote(tmp_path / "r.jsonl", record, texts, late))
    assert (first.id, first.task, first.completion) == ("7", "sums", "4")
    assert (second.completion, second.prompt) == (first.completion, first.prompt)
    assert first.factors["quality"] == 0.5
    assert first.extra["scores"] == {"reward": 0.5, "right": 1.0}
    assert third.unscored == "verifiers: timed out"


@pytest.mark.parametrize("error", ["ModelError", {"error": "ModelError", "stop": "has_error"}])
def test_a_rollout_that_failed_is_unscored_though_verifiers_gives_it_0(
    tmp_path: Path, error: Any
) -> None:
    record = {"example_id": 0, "completion": [], "reward": 0.0, "error": error}
    found = only(wrote(tmp_path / "r.jsonl", record))
    assert (found.unscored, found.factors) == ("verifiers: ModelError", {})


def test_a_rollout_that_went_on_after_an_error_keeps_its_reward(tmp_path: Path) -> None:
    record = {"example_id": 0, "completion": "4", "reward": 0.5, "error": "a tool was away"}
    found = only(wrote(tmp_path / "r.jsonl", record))
    assert (found.unscored, found.factors["quality"]) == (None, 0.5)


# --- TRL -----------------------------------------------------------------------------------------


def logged(**changes: Any) -> dict[str, Any]:
    row = {"step": 10, "prompt": "2+2?", "completion": "4", "accuracy_reward": 1.0}
    return {**row, "format_reward": 0.25, "advantage": 0.7, **changes}


def parquet(path: Path, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


WRITERS = [("jsonl", wrote), ("parquet", parquet)]
Writer = Callable[..., Path]


@pytest.mark.parametrize(("ending", "write"), WRITERS)
@pytest.mark.parametrize("talk", [False, True])
def test_completions_that_trl_logged(
    tmp_path: Path, ending: str, write: Writer, talk: bool
) -> None:
    asked: Any = [{"role": "user", "content": "2+2?"}] if talk else "2+2?"
    said: Any = [{"role": "assistant", "content": "4"}] if talk else "4"
    row = logged(prompt=asked, completion=said, source="sums", lengths=[1, 2])
    path = write(tmp_path / f"a.{ending}", row, {**row, "accuracy_reward": 0.0})
    first, second = read_transcripts(path)
    assert first.prompt == ({"role": "user", "content": "2+2?"},)
    assert (first.completion, first.plain) == ("4", True)
    assert first.extra["scores"] == {"accuracy_reward": 1.0, "format_reward": 0.25}
    assert (first.factors["quality"], second.factors["quality"]) == (1.0, 0.0)
    assert first.verdicts[0].judge == "TRL: accuracy_reward"
    assert first.cluster == second.cluster != ""
    assert first.id != second.id


@pytest.mark.parametrize("unknown", [None, math.nan])
@pytest.mark.parametrize(("ending", "write"), WRITERS)
def test_a_reward_that_left_an_answer_out_is_unknown(
    tmp_path: Path, ending: str, write: Writer, unknown: float | None
) -> None:
    rows = (logged(), logged(accuracy_reward=unknown))
    _, found = read_transcripts(write(tmp_path / f"a.{ending}", *rows))
    assert (found.unscored, found.factors) == ("TRL gives no score", {})
    assert with_score(found, "format_reward").factors["quality"] == 0.25


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"prompt": 3}, "'prompt'"), ({"completion": None}, "'completion'"), ({"prompt": []}, "'pro")],
)
def test_a_wrong_completion_is_named(tmp_path: Path, changes: dict[str, Any], names: str) -> None:
    with pytest.raises(DataError, match=f"line 1: column {names}"):
        only(wrote(tmp_path / "a.jsonl", logged(**changes)))


@pytest.mark.parametrize("lacks", ["step", "advantage"])
def test_other_answers_with_numbers_are_not_trls(tmp_path: Path, lacks: str) -> None:
    row = {name: value for name, value in logged().items() if name != lacks}
    assert "scores" not in only(wrote(tmp_path / "a.jsonl", row)).extra


# --- parquet -------------------------------------------------------------------------------------


def test_other_forms_are_read_as_parquet_too(tmp_path: Path) -> None:
    rows = [{**CHAT, "id": "1"}, {**CHAT, "id": None}]
    assert [t.id for t in read_transcripts(parquet(tmp_path / "a.parquet", *rows))] == ["1", "a-1"]
    found = only(parquet(tmp_path / "b.parquet", dump("2+2?", score=0.5)))
    assert (found.completion, found.mutual_welfare) == ("4", 0.5)


def test_a_wrong_parquet_file_is_named(tmp_path: Path) -> None:
    wrong = parquet(tmp_path / "a.parquet", logged(), logged(prompt=""), {"step": 1})
    with pytest.raises(DataError, match=r"a\.parquet, row 2: column 'prompt'"):
        list(read_transcripts(wrong))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"b\.parquet: not a parquet file"):
        list(read_transcripts(tmp_path / "b.parquet"))
    with pytest.raises(DataError, match=r"absent\.parquet: cannot be read: No such file"):
        list(read_transcripts(tmp_path / "absent.parquet"))


@pytest.mark.parametrize("command", ["compare", "score"])
def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    path = parquet(tmp_path / "a.parquet", logged())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main([command, str(path)]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "pyarrow" in said
    assert "extra 'eval'" in said


# --- scores that other frameworks gave -----------------------------------------------------------


@pytest.mark.parametrize("value", [-0.5, 3.0, 87.5])
def test_a_score_on_another_scale_is_no_quality(value: float) -> None:
    fields = given_scores({"points": value}, "them")
    assert fields["factors"] == {"score": value}
    assert "verdicts" not in fields


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, 1.0), (0, 0.0), ([1, 0], 0.5), ([], None), ("1", None), ({}, None), (10**400, None)],
)
def test_numbers_of_other_frameworks(value: Any, expected: float | None) -> None:
    assert number(value) == expected


def test_another_score_can_count(tmp_path: Path) -> None:
    rows = sample(metrics=["acc", "acc_norm"], acc=0.0, acc_norm=1.0, filter="none")
    found = only(wrote(tmp_path / "samples_x.jsonl", rows))
    other = with_score(found, "acc_norm")
    assert (found.factors["quality"], other.factors["quality"]) == (0.0, 1.0)
    assert list(other.extra["scores"]) == ["acc_norm", "acc"]
    assert "no score 'f1'" in str(with_score(found, "f1").unscored)


# --- Inspect -------------------------------------------------------------------------------------


def checked(answers: list[Transcript]) -> None:
    by_id: dict[str, list[Transcript]] = {}
    for answer in answers:
        by_id.setdefault(answer.id, []).append(answer)
    first = by_id["1"][0]
    assert (first.task, first.model) == ("sums", "them/m")
    assert (first.completion, first.ground_truth, first.plain) == ("4", "4", True)
    assert first.prompt == by_id["1"][1].prompt == ({"role": "user", "content": "2+2?"},)
    assert first.tokens == {"response": 3, "total": 3}
    assert {name: [t.factors.get("quality") for t in held] for name, held in by_id.items()} == {
        "1": [1.0, 0.5],  # epochs are answers to one question
        "2": [0.0],
        "3": [None],
    }
    assert first.verdicts[0].reason == "it is 4"
    assert first.extra["scores"] == {"match": 1.0, "style/short": 1.0, "style/kind": 0.25}
    assert by_id["2"][0].ground_truth == "4\nfour"
    assert by_id["3"][0].unscored == "Inspect: the model was late"


def test_a_log_of_inspect(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="of the extra `inspect`")
    checked(list(read_transcripts(inspect_log(tmp_path / "log.eval"))))


def test_a_log_as_inspect_hands_it_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without the package, which is an extra."""
    usage = SimpleNamespace(output_tokens=3)
    style = SimpleNamespace(value={"short": True, "kind": 0.25}, explanation=None)

    thought = {
        "content": [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "4"}]
    }
    said = SimpleNamespace(model_dump=lambda: thought)

    def answer(name: int, epoch: int, value: str, error: str | None = None) -> Any:
        choices = [SimpleNamespace(message=said)] if epoch == 2 else []
        return SimpleNamespace(
            id=name,
            epoch=epoch,
            input="2+2?" if epoch == 1 else [SimpleNamespace(role="user", text="2+2?")],
            target="4" if name == 1 else ["4", "four"],
            output=SimpleNamespace(completion="4", usage=usage, choices=choices),
            scores=None
            if error
            else {"match": SimpleNamespace(value=value, explanation="it is 4"), "style": style},
            error=None if error is None else SimpleNamespace(message=error),
        )

    log = SimpleNamespace(
        eval=SimpleNamespace(task="sums", model="them/m"),
        samples=[
            answer(1, 1, "C"),
            answer(1, 2, "0.5"),
            answer(2, 1, "0"),
            answer(3, 1, "", "the model was late"),
        ],
    )
    package, logs, scorer = (ModuleType(f"inspect_ai{end}") for end in ("", ".log", ".scorer"))
    logs.read_eval_log = lambda path: log  # type: ignore[attr-defined]
    scorer.value_to_float = lambda: {"C": 1.0}.__getitem__  # type: ignore[attr-defined]
    for module in (package, logs, scorer):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "log.eval").touch()
    found = list(read_transcripts(tmp_path / "log.eval"))
    checked(found)
    assert [transcript.reasoning for transcript in found] == ["", "Hm.", "", ""]


def inspect_log(path: Path) -> Path:
    """Write a log with inspect_ai itself."""
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalError,
        EvalLog,
        EvalSample,
        EvalSpec,
        write_eval_log,
    )
    from inspect_ai.model import ChatMessageUser, ModelOutput, ModelUsage
    from inspect_ai.scorer import Score

    def answer(name: int, epoch: int, value: str, error: str | None = None) -> Any:
        output = ModelOutput.from_content("them/m", "4")
        output.usage = ModelUsage(input_tokens=5, output_tokens=3, total_tokens=8)
        style = Score(value={"short": True, "kind": 0.25})
        return EvalSample(
            id=name,
            epoch=epoch,
            input="2+2?" if epoch == 1 else [ChatMessageUser(content="2+2?")],
            target="4" if name == 1 else ["4", "four"],
            output=output,
            scores=None
            if error
            else {"match": Score(value=value, explanation="it is 4"), "style": style},
            error=None
            if error is None
            else EvalError(message=error, traceback="", traceback_ansi=""),
        )

    log = EvalLog(
        eval=EvalSpec(
            created="2026-01-01T00:00:00+00:00",
            task="sums",
            dataset=EvalDataset(),
            model="them/m",
            config=EvalConfig(),
        ),
        samples=[
            answer(1, 1, "C"),
            answer(1, 2, "P"),
            answer(2, 1, "I"),
            answer(3, 1, "", "the model was late"),
        ],
    )
    write_eval_log(log, str(path))
    return path


def test_a_log_of_inspect_in_json(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="of the extra `inspect`")
    assert len(list(read_transcripts(inspect_log(tmp_path / "log.json")))) == 4


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"{}"])
def test_what_is_no_log_of_inspect_is_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("inspect_ai", reason="of the extra `inspect`")
    path = tmp_path / "log.eval"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"log\.eval: not a log of Inspect"):
        list(read_transcripts(path))
    with pytest.raises(DataError, match="No such file"):
        list(read_transcripts(tmp_path / "absent.eval"))
