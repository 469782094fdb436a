"""Cold starts against a real server on loopback: written, scored, kept; failing and killed."""

import asyncio
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from forked import Forked
from gtalign.chain import acted, parse, work_out
from gtalign.cli import main
from gtalign.config import dump
from gtalign.data import read_rows
from gtalign.endpoints import Cache
from gtalign.errors import ConfigError, DataError, StorageError, TeacherError
from gtalign.files.run_directory import claim
from gtalign.game import USER_LLM
from gtalign.game.file import load_game
from gtalign.judges import Judges
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import load_policy, policy_line
from gtalign.synthesis import (
    Candidates,
    ChainWriter,
    ColdStart,
    ColdStartConfig,
    count_questions,
    finish,
    read_examples,
    read_preferences,
    write_candidates,
)
from gtalign.synthesis.run import plan, run
from judge_server import JudgeServer, serve
from teacher_server import Rules, cold_start, is_trial, part_of, write_questions
from train_parts import run_cli, start_cli, write


async def synthesise(config: ColdStartConfig, out: Path) -> ColdStart:
    """Do what the command does, inside a running loop."""
    cache = out / "replies.sqlite"
    judging = config.judges.model_copy(update={"cache": cache})
    with Candidates(out / "written.jsonl") as candidates:
        async with ChainWriter(config, Cache(cache)) as writer, Judges(judging) as judges:
            await write_candidates(config, candidates, writer, judges, Reward(config.reward))
        return finish(config, candidates, out)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def answered_parts(server: JudgeServer) -> Counter[str]:
    return Counter(part_of(body) for body in server.requests)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions-train.jsonl"
    write_questions(file, 4)
    return file


async def test_chains_are_written_part_by_part_and_the_best_is_kept(
    questions: Path, tmp_path: Path
) -> None:
    async with serve(Rules()) as server:
        config = cold_start(server, questions)
        done = await synthesise(config, tmp_path)
        asked = answered_parts(server)
        assert asked == {
            "thinking": 8,
            "payoff": 8,
            "analyze": 8,
            "response": 8,
            "judge": 9,
        }  # one is its trial
        again = await synthesise(config, tmp_path)
        assert again == done
        assert answered_parts(server) == asked  # nothing was asked for twice
    assert (done.questions, done.planned, done.finished, done.kept) == (4, 8, 8, 4)
    assert sum(done.fates.values()) == done.planned
    candidates = lines(tmp_path / "candidates.jsonl")
    assert [(c["id"], c["number"]) for c in candidates] == [
        (f"questions-train-{q}", n) for q in range(4) for n in range(2)
    ]
    for row, question in zip(lines(tmp_path / "kept.jsonl"), read_rows(questions), strict=True):
        same = [c for c in candidates if c["id"] == row["extra_info"]["source_id"]]
        best = max(same, key=lambda c: c["mutual_welfare"])
        assert row["completion"] == best["completion"]
        assert best["fate"] == "kept"
        assert {c["fate"] for c in same if c is not best} == {"another of its question is better"}
        assert parse(row["completion"]).response == best["chain"]["response"]
        assert row["prompt"][0]["role"] == "system"
        assert row["extra_info"]["chat_history"] == [dict(m) for m in question.messages]


async def test_lessons_in_obedience_ask_no_teacher(questions: Path, tmp_path: Path) -> None:
    async with serve(Rules()) as server:
        config = cold_start(server, questions, candidates=4, edits=0)
        none = await synthesise(config, tmp_path)
        asked = len(server.requests)
        more = config.model_copy(update={"edits": 12, "drills": 5})
        assert more.identity() == config.identity()
        done = await synthesise(more, tmp_path)
        again = await synthesise(more, tmp_path)
        assert len(server.requests) == asked
    assert (none.edited, none.pairs) == (0, 0)
    assert again == done and 0 < done.pairs <= done.edited <= 12 * done.kept
    written = {c["chain"]["response"] for c in lines(tmp_path / "candidates.jsonl")}
    edited = list(read_examples(tmp_path / "edited.jsonl"))
    assert len(edited) == done.edited
    for example in edited:
        chain = parse(example.completion)
        assert chain.response in written
        assert acted(chain.response, USER_LLM) == work_out(chain.payoff).action
        assert example.given.endswith("</payoff><analyze>")
    pairs = list(read_preferences(tmp_path / "pairs.jsonl"))
    assert len(pairs) == done.pairs
    for pair in pairs:
        right, wrong = parse(pair.chosen), parse(pair.rejected)
        assert right.payoff == wrong.payoff and right.thinking == wrong.thinking
        assert acted(wrong.response, USER_LLM) != work_out(wrong.payoff).action
        assert pair.prompt[0]["role"] == "system"
    drills = list(read_examples(tmp_path / "drills.jsonl"))
    assert len(drills) == 5 and len({one.completion for one in drills}) == 5
    assert json.loads((tmp_path / "edited.jsonl").read_text().split("\n")[0])["extra_info"]


async def test_policies_in_the_prompt_ask_no_teacher(questions: Path, tmp_path: Path) -> None:
    policies = []
    for points in (7, 8):  # for the one action that these teachers carry out
        policies.append(str(tmp_path / f"{points}.toml"))
        Path(policies[-1]).write_text(
            f'name = "a"\npayer = "nobody"\n[[adjust]]\naction = "AQ"\nuser = {points}\n'
        )
    policies.append("free")
    async with serve(Rules()) as server:
        config = cold_start(server, questions, candidates=4)
        none = await synthesise(config, tmp_path)
        asked = len(server.requests)
        more = config.model_copy(update={"policies": tuple(policies)})
        assert more.identity() == config.identity()
        done = await synthesise(more, tmp_path)
        assert len(server.requests) == asked
    assert none.told == 0 and done.told == 2 * done.kept > 0
    lines = {policy_line(load_policy(name)) for name in policies[:2]}
    told = list(read_examples(tmp_path / "told.jsonl"))
    assert len(told) == done.told
    for example in told:
        line, question = example.prompt[-1]["content"].split("\n", 1)
        chain = parse(example.completion)
        assert line in lines and question and not example.given
        assert acted(chain.response, USER_LLM) == work_out(chain.payoff).action == "AQ"
        assert example.prompt[0]["role"] == "system"
    assert {example.prompt[-1]["content"].split("\n")[0] for example in told} == lines


async def test_a_student_without_instruction_gets_bare_conversations(
    questions: Path, tmp_path: Path
) -> None:
    async with serve(Rules()) as server:
        config = cold_start(server, questions, candidates=1)
        await synthesise(config, tmp_path)
        asked = len(server.requests)
        bare = config.model_copy(update={"instruct": False})
        assert bare.identity() == config.identity()
        await synthesise(bare, tmp_path)
        assert len(server.requests) == asked  # the same chains
    rows = lines(tmp_path / "kept.jsonl")
    assert [row["prompt"] for row in rows] == [row["extra_info"]["chat_history"] for row in rows]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (401, "refuses requests without an API key"),
        (404, "no such address or model"),
        (400, "failed: Error code: 400"),
        (503, "failed"),
    ],
)
async def test_a_teacher_that_cannot_be_asked_is_found_out_by_one_request(
    questions: Path, tmp_path: Path, reply: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Rules()

    def answer(body: dict[str, Any]) -> Any:
        broken = body["model"] == "broken"
        return JSONResponse({"error": {"message": "no"}}, reply) if broken else rules(body)

    async with serve(answer) as server:
        config = cold_start(server, questions)
        good = config.teachers["local"]
        teachers = {"local": good, "matrix": good.model_copy(update={"model": "broken"})}
        config = config.model_copy(update={"teachers": teachers, "blocks": {"payoff": "matrix"}})
        file = write(tmp_path / "synth.toml", dump(config))
        out = tmp_path / "out"
        assert await run_cli("synth", "--config", file, "--out", str(out)) == 1
        asked = Counter(body["model"] for body in server.requests)
    said = capsys.readouterr().err
    assert "teacher 'matrix' cannot be asked" in said and says in said
    assert asked == {"rules": 1, "broken": 2 if reply == 503 else 1}  # and no candidate is begun
    assert lines(out / "written.jsonl") == []


async def test_a_finished_cold_start_needs_no_teacher(questions: Path, tmp_path: Path) -> None:
    down = False
    rules = Rules()

    def answer(body: dict[str, Any]) -> Any:
        return JSONResponse({"error": {"message": "no"}}, 404) if down else rules(body)

    async with serve(answer) as server:
        file = write(tmp_path / "synth.toml", dump(cold_start(server, questions)))
        command = ("synth", "--config", file, "--out", str(tmp_path / "out"))
        assert await run_cli(*command) == 0
        asked = answered_parts(server)
        assert asked["thinking"] == 9  # one of them is the trial
        down = True
        assert await run_cli(*command) == 0
        assert answered_parts(server) == asked


async def test_each_part_sees_those_before_it(questions: Path, tmp_path: Path) -> None:
    async with serve(Rules()) as server:
        await synthesise(cold_start(server, questions, limit=1, candidates=1), tmp_path)
        texts = {part_of(b): b["messages"][-1]["content"] for b in server.requests}
        schemas = [b for b in server.requests if part_of(b) == "payoff"]
    assert "The parts so far" not in texts["thinking"]
    for part, before in {"payoff": 1, "analyze": 2, "response": 3}.items():
        heads = [f"\n{name}:\n" in texts[part] for name in ("thinking", "payoff", "analyze")]
        assert heads == [True] * before + [False] * (3 - before)
    assert schemas[0]["response_format"]["json_schema"]["name"] == "payoff"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("json_schema", "response_format"),
        ("structured_outputs", "structured_outputs"),
        ("guided_json", "guided_json"),
        ("grammar", "grammar"),
        ("none", None),
    ],
)
async def test_the_payoff_is_held_to_its_form_as_the_server_has_it(
    kind: str, key: str | None, questions: Path, tmp_path: Path
) -> None:
    async with serve(Rules()) as server:
        config = cold_start(server, questions, limit=1, candidates=1)
        teacher = config.teachers["local"].model_copy(update={"payoff": kind})
        config = config.model_copy(update={"teachers": {"local": teacher}})
        done = await synthesise(config, tmp_path)
        [body] = [b for b in server.requests if part_of(b) == "payoff"]
    keys = {"response_format", "structured_outputs", "guided_json", "grammar"}
    assert keys & body.keys() == ({key} if key else set())
    assert done.kept == 1


@pytest.mark.parametrize(
    ("status", "words"), [(400, "no schemas here"), (500, "json_schema is not supported")]
)
async def test_a_server_that_refuses_the_schema_is_asked_in_words(
    status: int, words: str, questions: Path, tmp_path: Path
) -> None:
    rules = Rules()

    def answer(body: dict[str, Any]) -> Any:
        if part_of(body) == "payoff":
            if "response_format" in body:
                return JSONResponse({"error": {"message": words}}, status)
            return f"<think>hm</think>Here it is:\n```json\n{rules(body)}\n```\nThat is all."
        return rules(body)

    async with serve(answer) as server:
        done = await synthesise(cold_start(server, questions, workers=1), tmp_path)
        refused = [b for b in server.requests if part_of(b) == "payoff" and "response_format" in b]
    assert done.finished == 8
    assert len(refused) == 1


async def test_garbage_is_asked_for_again_and_counted(questions: Path, tmp_path: Path) -> None:
    rules = Rules()

    def answer(body: dict[str, Any]) -> Any:
        if part_of(body) != "judge" and rules.rng.random() < 0.3:
            return rules.rng.choice(["", "<response>", "<think>and so on", "{}</payoff>"])
        return rules(body)

    async with serve(answer) as server:
        config = cold_start(server, questions, candidates=4, max_failed=1.0)
        done = await synthesise(config, tmp_path)
        asked = answered_parts(server)
        records = lines(tmp_path / "candidates.jsonl")
        again = await synthesise(config, tmp_path)
        assert sum(answered_parts(server).values()) > sum(asked.values())  # tried again
        assert done.finished < again.finished
    failed = [r for r in records if r["failed"]]
    assert done.planned == 16 == done.finished + len(failed)
    assert failed
    for record in failed:
        assert record["failed"].startswith("teacher, unusable ")
        assert record["mutual_welfare"] is None
        assert record["unscored"]
        assert record["fate"] == f"failed: {record['failed']}"


async def test_a_judge_that_dies_costs_no_chain(questions: Path, tmp_path: Path) -> None:
    rules, dead = Rules(), True

    def answer(body: dict[str, Any]) -> Any:
        if part_of(body) == "judge" and dead and not is_trial(body):
            return JSONResponse({"error": {"message": "out of order"}}, 501)
        return rules(body)

    async with serve(answer) as server:
        config = cold_start(server, questions, limit=1, max_failed=1.0)
        endpoint = config.judges.endpoints["local"].model_copy(update={"attempts": 1})
        judges = config.judges.model_copy(update={"endpoints": {"local": endpoint}})
        config = config.model_copy(update={"judges": judges})
        first = await synthesise(config, tmp_path)
        assert (first.finished, first.kept) == (0, 0)
        assert first.fates == {"failed: judge, http 501": 2}
        for record in lines(tmp_path / "candidates.jsonl"):
            assert record["mutual_welfare"] is None  # unknown, not 0
            assert parse(record["completion"])
        dead = False
        before = answered_parts(server)
        second = await synthesise(config, tmp_path)
        after = answered_parts(server)
    assert (second.finished, second.kept) == (2, 1)
    assert after - before == {"judge": 3}  # with its trial


async def test_a_judge_that_says_nothing_stops_the_run_and_is_asked_again_by_the_next(
    questions: Path, tmp_path: Path
) -> None:
    rules, garbage = Rules(), True

    def answer(body: dict[str, Any]) -> Any:
        return "hm" if part_of(body) == "judge" and garbage and not is_trial(body) else rules(body)

    async with serve(answer) as server:
        config = cold_start(server, questions, workers=1, window=2, max_failed=0.5)
        with pytest.raises(TeacherError, match=r"2 of the latest 2 .* \(2 unscored\)"):
            await synthesise(config, tmp_path)
        assert answered_parts(server)["judge"] == 1 + 4  # the trial, and twice each
        garbage = False
        done = await synthesise(config, tmp_path)
    assert (done.planned, done.finished) == (8, 8)
    assert answered_parts(server)["judge"] == 2 + 4 + 8
    assert answered_parts(server)["thinking"] == 8


async def test_a_server_that_is_busy_for_a_while_is_waited_for(
    questions: Path, tmp_path: Path
) -> None:
    rules, refusals = Rules(), 3

    def answer(body: dict[str, Any]) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return JSONResponse({"error": {"message": "slow down"}}, 429, {"retry-after": "0"})
        return rules(body)

    async with serve(answer) as server:
        config = cold_start(server, questions, limit=1, candidates=1)
        teacher = config.teachers["local"].model_copy(update={"attempts": 5})
        config = config.model_copy(update={"teachers": {"local": teacher}})
        done = await synthesise(config, tmp_path)
    assert (done.finished, refusals) == (1, 0)


async def test_a_dead_teacher_stops_the_run_and_tells_why(questions: Path, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return JSONResponse({"error": {"message": "no such model"}}, 404)

    async with serve(answer) as server:
        config = cold_start(server, questions, window=3, workers=1)
        with pytest.raises(
            TeacherError, match=r"3 of the latest 3 candidates .*3 teacher, http 404"
        ):
            await synthesise(config, tmp_path)
        assert len(server.requests) == 3
    with Candidates(tmp_path / "written.jsonl") as candidates:
        done = finish(config, candidates, tmp_path)
    assert done.fates == {"not written": 5, "failed: teacher, http 404": 3}
    assert done.welfare == {"all": None, "kept": None}


async def test_a_teacher_that_stalls_times_out(questions: Path, tmp_path: Path) -> None:
    async with serve(Rules()) as server:
        server.held = asyncio.Event()
        config = cold_start(server, questions, limit=1, candidates=1, max_failed=1.0)
        teacher = config.teachers["local"].model_copy(update={"timeout": 0.2, "attempts": 1})
        config = config.model_copy(update={"teachers": {"local": teacher}})
        done = await synthesise(config, tmp_path)
    assert done.fates == {"failed: teacher, timeout": 1}


async def command(config: ColdStartConfig, out: Path, room: int = 0) -> Forked:
    """Start the command in a process of its own; it may write files of `room` bytes, 0 for any."""
    file = write(out.with_suffix(".toml"), dump(config))
    return await start_cli("synth", "--config", file, "--out", str(out), "--json", room=room)


@pytest.mark.early
async def test_a_killed_run_goes_on_without_repeating_or_losing(
    questions: Path, tmp_path: Path
) -> None:
    rules, killed = Rules(), asyncio.Event()
    seen: Counter[str] = Counter()

    def answer(body: dict[str, Any]) -> Any:
        said = rules(body)
        seen[part_of(body)] += not is_trial(body)
        if seen["judge"] == 3:
            killed.set()
        return said

    out = tmp_path / "run"
    async with serve(answer) as server:
        config = cold_start(server, questions, workers=2)
        process = await command(config, out)
        await killed.wait()
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        finished = lines(out / "written.jsonl")  # each line whole
        assert 1 <= len(finished) < 8
        before = answered_parts(server)
        process = await command(config, out)
        printed, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        after = answered_parts(server)
    summary = json.loads(printed)
    assert (summary["planned"], summary["finished"], summary["kept"]) == (8, 8, 4)
    assert lines(out / "written.jsonl")[: len(finished)] == finished
    assert len(lines(out / "written.jsonl")) == 8
    # Only what was in flight when the process died, one request a worker, is asked for again.
    parts = ("thinking", "payoff", "analyze", "response", "judge")
    trials = 4  # of teacher and judge, one by each run
    assert 40 <= sum(after[part] for part in parts) - trials <= 42
    assert sum(before.values()) > 10
    teacher, judge = summary["teachers"]["local"], summary["judges"]["local"]
    assert teacher["cached"]["calls"] == 4 * 8
    assert judge["cached"]["calls"] == 8
    used = teacher["used"]
    assert used["calls"] + judge["used"]["calls"] == sum((after - before).values())


@pytest.mark.early
async def test_a_full_disk_stops_the_run_and_keeps_what_is_written(
    questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    async with serve(Rules()) as server:
        config = cold_start(server, questions, candidates=6, workers=4)
        process = await command(config, out, 64 << 10)
        _, errors = await process.communicate()
        assert process.returncode in (1, 2)
        assert errors.decode().splitlines()[-1].startswith("gtalign: error: ")
        assert "Traceback" not in errors.decode()
        kept = lines(out / "written.jsonl")
        process = await command(config, out)
        printed, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(printed)["finished"] == 24
    assert lines(out / "written.jsonl")[: len(kept)] == kept


def test_what_does_not_fit_together_is_told(questions: Path, tmp_path: Path) -> None:
    server = JudgeServer(Rules())
    server.url = "http://127.0.0.1:9/v1"
    with pytest.raises(ValueError, match="no teacher 'other'; known are local"):
        cold_start(server, questions, blocks={"payoff": "other"})
    cold = {"url": server.url, "model": "m", "temperature": 0}
    with pytest.raises(ValueError, match="needs a teacher that varies"):
        cold_start(server, questions, teachers={"cold": cold})
    with pytest.raises(ValueError, match="what teachers write here are chains"):
        cold_start(server, questions, reward={"chain": False})
    with pytest.raises(DataError, match="two questions have the id 'questions-train-0'"):
        count_questions(cold_start(server, questions, questions=[questions, questions]))
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(DataError, match="it holds no question"):
        count_questions(cold_start(server, empty))
    (tmp_path / "written.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(DataError, match="line 1: no candidate"):
        Candidates(tmp_path / "written.jsonl")


def test_a_dry_run_counts_the_calls(questions: Path) -> None:
    server = JudgeServer(Rules())
    server.url = "http://127.0.0.1:9/v1"
    teacher = {"url": server.url, "model": "m"}
    config = cold_start(
        server,
        questions,
        teachers={"one": teacher, "two": teacher},
        blocks={"payoff": "two"},
        candidates=3,
    )
    found = plan(config)
    assert found["teacher_calls"] == {"one": 36, "two": 12}
    assert found["judge_calls"] == {"local": 12}
    assert found["calls"] == 60


def test_limits_may_change_between_runs_and_teachers_may_not(questions: Path) -> None:
    server = JudgeServer(Rules())
    server.url = "http://127.0.0.1:9/v1"
    config = cold_start(server, questions)
    slower = {"url": server.url, "model": "rules", "concurrency": 1, "attempts": 9}
    assert cold_start(server, questions, teachers={"local": slower}).identity() == config.identity()
    other = {"url": server.url, "model": "other"}
    assert cold_start(server, questions, teachers={"local": other}).identity() != config.identity()


def test_a_directory_of_another_run_is_refused(tmp_path: Path, questions: Path) -> None:
    server = JudgeServer(Rules())
    server.url = "http://127.0.0.1:9/v1"
    (tmp_path / "config.toml").write_text(dump(cold_start(server, questions, tokenizer="x")))
    with pytest.raises(ConfigError, match="began with another configuration"):
        run(cold_start(server, questions), tmp_path)


def test_a_directory_in_which_nothing_began_is_taken(tmp_path: Path) -> None:
    claim(tmp_path, RewardConfig())
    claim(tmp_path, RewardConfig(preset="paper"))
    (tmp_path / "metrics.jsonl").touch()
    claim(tmp_path, RewardConfig(preset="paper"))
    with pytest.raises(ConfigError, match="began with another configuration"):
        claim(tmp_path, RewardConfig())


async def test_the_command_tells_what_came_of_it(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(Rules()) as server:
        config = tmp_path / "run.toml"
        config.write_text(dump(cold_start(server, questions, limit=2)))
        command = ["synth", "--config", str(config), "--out", str(tmp_path / "run")]
        assert await asyncio.to_thread(main, [*command, "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert await asyncio.to_thread(main, command) == 0
        told = capsys.readouterr().out
        nothing = [*command, "--set", "selection.min_welfare=1.0"]
        assert await asyncio.to_thread(main, nothing) == 1
    assert "none of 4 candidates could be kept: 4 welfare below" in capsys.readouterr().err
    assert summary["teachers"]["local"]["used"]["calls"] == 17  # with its trial
    assert summary["judges"]["local"]["used"]["calls"] == 5  # with its trial
    assert summary["judges"]["local"]["cost"] is None
    assert "fates:\n    " in told
    assert "cost unknown" in told
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert written["fates"] == {"welfare below the minimum": 4}


async def test_the_command_writes_the_summary_of_a_run_that_stopped(
    questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []

    def answer(body: dict[str, Any]) -> Any:
        tried.append(part_of(body))
        gone = JSONResponse({"error": {"message": "no such model"}}, 404)
        return "fine" if len(tried) == 1 else gone  # it passes its trial

    async with serve(answer) as server:
        config = tmp_path / "run.toml"
        config.write_text(dump(cold_start(server, questions, limit=1)))
        command = ["synth", "--config", str(config), "--out", str(tmp_path / "run")]
        assert await asyncio.to_thread(main, command) == 1
    assert "2 of the latest 2 candidates were not finished" in capsys.readouterr().err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["fates"] == {"failed: teacher, http 404": 2}
    assert summary["teachers"]["local"]["used"]["failed"] == 2


async def test_a_disk_that_fills_is_no_failure_of_a_candidate(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Cache, key: str, reply: Any, source: str) -> None:
        raise StorageError(28, "No space left on device", "replies.sqlite")

    async with serve(Rules()) as server:
        with monkeypatch.context() as patch, pytest.raises(StorageError):
            patch.setattr(Cache, "put", full)
            await synthesise(cold_start(server, questions), tmp_path)
        assert lines(tmp_path / "written.jsonl") == []


class Coder(Rules):
    """A teacher of the coding assistant, and a judge."""

    def __call__(self, body: dict[str, Any]) -> str:
        cells = {cell: {"LLM": 1.0, "user": 1.0} for cell in load_game("coding").cells}
        cells["HO_ACT"] = {"LLM": 3.0, "user": 3.5}
        parts = {
            "thinking": "A clear order.",
            "payoff": json.dumps(cells),
            "analyze": "Choose HO_ACT.",
        }
        part = part_of(body)
        self.count += part == "response"
        return (
            super().__call__(body)
            if part == "judge"
            else parts.get(part, f"Done. Module {self.count} is renamed.")
        )


async def test_teachers_write_chains_of_another_game(questions: Path, tmp_path: Path) -> None:
    form = load_game("coding")
    async with serve(Coder()) as server:
        config = cold_start(server, questions, game="coding", limit=1, drills=1)
        judging = config.judges.model_copy(update={"cache": tmp_path / "replies.sqlite"})
        with Candidates(tmp_path / "written.jsonl") as candidates:
            async with ChainWriter(config) as writer, Judges(judging) as judges:
                reward = Reward(config.reward, form=form)
                await write_candidates(config, candidates, writer, judges, reward)
            done = finish(config, candidates, tmp_path)
        told = [m["content"] for body in server.requests for m in body["messages"]]
    assert done.kept == 1
    [row] = lines(tmp_path / "kept.jsonl")
    assert parse(row["completion"], form).payoff.form == form
    assert '- ACT: begin with "Done"; ask nothing.' in row["prompt"][0]["content"]
    assert any('- ACT: begin with "Done"' in text and '"response"' in text for text in told)
    assert not any("DQ_AQ" in text for text in told)
    assert lines(tmp_path / "drills.jsonl")[0]["given"].startswith('<payoff>{"HO_ACT"')
    assert {t["game"] for t in lines(tmp_path / "candidates.jsonl")} == {form.identity}
    assert "game" not in config.model_copy(update={"game": None}).identity()
    assert config.identity()["game"] == "coding"
