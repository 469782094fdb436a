"""``gtalign score`` with judges and an output file: verdicts filled in, resumed, bounded."""

import asyncio
import json
import logging
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.responses import Response

from gtalign.chain import render
from gtalign.cli import main
from gtalign.errors import JudgeError
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import FakeJudge, Verdict
from gtalign.judges.failures import Failures
from gtalign.reward import Reward
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, read_transcripts
from gtalign.transcripts.rows import read
from gtalign.transcripts.scoring import AHEAD
from judge_server import JudgeServer, serve
from train_parts import start_cli

PAYOFF = Bimatrix(USER_LLM, [[[3, 3], [1, 2], [2, 1]], [[0, 1], [2, 4], [1, 1]]])
CHAIN = render("think", PAYOFF, "Choose DQ_DA.", "The answer is 4.")
ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": answer}]}
    | {"task": "math-hard", "ground_truth": "4"}
    for answer in ("The answer is 4.", "The answer is 5.", CHAIN, "<thinking>no chain")
]
ROWS.append({"input": "2+2?", "output": CHAIN, "gts": "4", "score": 0.5, "user_reward": 0.4})
ROWS[-1]["data_source"] = "math-hard"
GOOD = '{"reason": "equal", "score": 1}'
VERDICTS = [1.0, 0.0, 1.0, None, 1.0]
RULES = 'default = ["rule"]\n'


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write(tmp_path / "logs.jsonl", ROWS)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


def given(path: Path) -> list[float | None]:
    return [t.verdicts[0].score if t.verdicts else None for t in read_transcripts(path)]


def test_nobody_is_asked_without_judges(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["score", str(logs), "--out", str(out)]) == 1
    found = list(read_transcripts(out))
    assert [t.verdicts for t in found] == [()] * len(ROWS)
    reasons = ["no verdict", "no verdict", "no verdict", None, "no verdict"]
    assert [t.unscored for t in found] == reasons
    assert found[3].mutual_welfare == 0  # no chain can be read: that is a score
    assert found[0].plain
    assert not found[2].plain
    assert found[2].factors["format"] == 1
    assert {t.extra["scored"]["tokens"] for t in found} == {"words"}


def test_judges_fill_in_what_is_missing(
    logs: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["score", str(logs), "--judge", str(rules), "--out", str(out), "--json"]) == 0
    assert given(out) == VERDICTS
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["quality"] for line in lines] == [1, 0, 1, 0, 1]
    assert [t.mutual_welfare for t in read_transcripts(out)] == [
        line["mutual_welfare"] for line in lines
    ]
    # Scored again, everything is on record and nothing changes.
    again = tmp_path / "again.jsonl"
    assert main(["score", str(out), "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


async def test_it_tells_what_judging_took_and_saved(
    logs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judges = tmp_path / "judges.toml"
    caplog.set_level(logging.INFO, "gtalign")
    async with serve(lambda body: '{"reason": "seen", "score": 1}') as server:
        judges.write_text(
            f"""
            default = ["local"]
            cache = "{tmp_path / "replies.sqlite"}"
            [endpoints.local]
            url = "{server.url}"
            model = "m"
            prices = {{ prompt = 1.0, completion = 2.0 }}
            """
        )
        for _ in range(2):
            assert await asyncio.to_thread(main, ["score", str(logs), "--judge", str(judges)]) == 0
    # Of the four answers that can be read, three are the same; the first call is the trial.
    assert [record.getMessage() for record in caplog.records] == [
        "judge local: 3 calls, 330 tokens, cost 0.00036, 2 replies from the cache, which saved"
        " 220 tokens",
        "judge local: 0 calls, 0 tokens, 4 replies from the cache, which saved 440 tokens",
    ]


def test_a_second_run_goes_on_where_the_first_ends(
    logs: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    command_line = ["score", str(logs), "--judge", str(rules), "--out", str(out)]
    assert main(command_line) == 0
    table = capsys.readouterr().out
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    for torn in (b"", lines[0], lines[0] + lines[1][:40], b"".join(lines[:3])[:-1]):
        out.write_bytes(torn)
        assert main(command_line) == 0
        assert out.read_bytes() == whole
        assert capsys.readouterr().out == table  # of all rows, not only the new ones
    assert main([*command_line, "--json"]) == 0
    assert capsys.readouterr().out == ""  # nothing was left to score


def test_an_output_of_something_else_is_refused(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["score", str(logs), "--out", str(out)]) == 1
    kept = out.read_bytes()
    other = write(tmp_path / "other.jsonl", ROWS)
    for options, named in (
        ([str(other)], "where the input has 'other-1'"),
        ([str(logs), "--preset", "paper"], "preset robust) than is asked for now (preset paper)"),
        ([str(out)], "is the input itself"),
    ):
        assert main(["score", *options, "--out", str(out)]) == 2
        assert named in capsys.readouterr().err
        assert out.read_bytes() == kept
    logs.write_bytes(b"".join(logs.read_bytes().splitlines(keepends=True)[:2]))
    assert main(["score", str(logs), "--out", str(out)]) == 2
    assert "where the input has nothing" in capsys.readouterr().err
    write(tmp_path / "foreign.jsonl", ROWS[:1])
    assert main(["score", str(logs), "--out", str(tmp_path / "foreign.jsonl")]) == 2


def test_a_wrong_line_ends_the_work_after_those_before_it(
    logs: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    write(logs, [*ROWS, {"messages": []}, *ROWS])
    assert main(["score", str(logs), "--judge", str(rules), "--out", str(out)]) == 2
    assert "logs.jsonl, line 6: column 'messages'" in capsys.readouterr().err
    assert given(out) == VERDICTS


async def stream(file: Path, judge: FakeJudge, workers: int = 8, **keys: Any) -> list[Any]:
    scorer = Scorer(Reward(), judge=judge, workers=workers, **keys)
    return [scored async for scored in scorer.stream(read(file))]


async def test_a_judge_that_fails_leaves_a_row_unscored(logs: Path) -> None:
    scored = await stream(logs, FakeJudge(JudgeError("down")))
    assert [s.score.mutual_welfare for s in scored] == [None, None, None, 0, None]
    assert "down" in scored[0].score.unscored
    off_scale = await stream(logs, FakeJudge(7.0))
    assert "outside" in off_scale[0].score.unscored


async def test_too_many_failures_stop_the_work(logs: Path) -> None:
    with pytest.raises(JudgeError, match="2 of the latest 2"):
        await stream(logs, FakeJudge(JudgeError("down")), failures=Failures(0.5, 2))


async def test_verdicts_on_record_stand_and_unscored_ones_are_asked_again(tmp_path: Path) -> None:
    known = Verdict("j", 0.0, "wrong").to_json()
    unknown = Verdict("j", None, "down").to_json()
    rows = [
        {"id": str(i), "task": "other", "completion": CHAIN, "verdicts": [verdict]}
        | {"prompt": [{"role": "user", "content": "2+2?"}]}
        for i, verdict in enumerate((known, unknown))
    ]
    judge = FakeJudge(0.5)
    scored = await stream(write(tmp_path / "t.jsonl", rows), judge)
    assert [question.id for question, _ in judge.calls] == ["1"]
    assert [s.score.factors["quality"] for s in scored] == [0.0, 0.5]


def judged_by(server: JudgeServer, path: Path) -> Path:
    path.write_text(
        f"""
        default = ["m"]
        [endpoints.m]
        url = "{server.url}"
        model = "m"
        attempts = 1
        concurrency = 1
        """
    )
    return path


def down(body: dict[str, Any]) -> Response:
    return Response("down", 500)


async def test_what_a_dead_judge_left_is_asked_again_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 9
    answers = [f"It is {number}." for number in range(count)]
    question = ROWS[0]["messages"][0]
    rows = [
        {"messages": [question, {"role": "assistant", "content": answer}]}
        | {"task": "math-hard", "ground_truth": "4"}
        for answer in answers
    ]
    logs, out = write(tmp_path / "logs.jsonl", rows), tmp_path / "out.jsonl"

    def gives_up(body: dict[str, Any]) -> str | Response:
        return GOOD if len(server.requests) <= 4 else down(body)  # one of them is the trial

    async with serve(gives_up) as server:
        judges = judged_by(server, tmp_path / "judges.toml")
        options = ["score", str(logs), "--judge", str(judges), "--workers", "1", "--json"]

        async def score(path: Path, *more: str) -> tuple[int, int, str]:
            """Exit code, number of requests and what is on stderr."""
            before = len(server.requests)
            code = await asyncio.to_thread(main, [*options, "--out", str(path), *more])
            return code, len(server.requests) - before, capsys.readouterr().err

        code, asked, errors = await score(out)
        assert (code, asked) == (1, 10)
        assert (
            "6 of 9 judged answers have no score (6 http 500); the limit is 50%. The last failure: "
            in errors
        )
        assert given(out) == [1.0] * 3 + [None] * 6  # on disk, in order
        # No more failures than the limit: the work is done, and says so.
        server.requests.clear()
        code, asked, _ = await score(tmp_path / "lenient.jsonl", "--max-failed", "1")
        assert (code, asked) == (0, 10)
        # A judge that is down is found out by its trial, before anything else is asked.
        code, asked, errors = await score(out)
        assert (code, asked) == (1, 1)
        assert "judge 'm' cannot be asked" in errors
        assert given(out) == [1.0] * 3 + [None] * 6
        server.requests.clear()
        server.answer = lambda body: GOOD if len(server.requests) <= 5 else down(body)
        code, asked, _ = await score(out)
        assert (code, asked) == (0, 7)
        assert given(out) == [1.0] * 7 + [None] * 2
        # As a kill in the middle of asking again leaves it.
        beside = out.with_name("out.jsonl.again")
        lines = out.read_bytes().splitlines(keepends=True)
        answered = lines[7].replace(b'"score": null', b'"score": 1.0')
        beside.write_bytes(b"".join(lines[:7]) + answered + lines[8][:30])
        server.answer = lambda body: GOOD
        code, asked, errors = await score(out)
        assert (code, asked) == (0, 2)
        assert given(out) == [1.0] * count
        assert not beside.exists()
        code, asked, _ = await score(out)
        assert (code, asked) == (0, 0)
        await score(tmp_path / "whole.jsonl")
        assert [t.completion for t in read_transcripts(out)] == answers
    whole = (tmp_path / "whole.jsonl").read_bytes().splitlines()
    kept = out.read_bytes().splitlines()
    assert kept[:7] == whole[:7]
    assert kept[8:] == whole[8:]


async def test_rows_that_are_done_when_the_work_stops_are_kept(tmp_path: Path) -> None:
    """The first rows fail while the last ones are done already."""
    judge = FakeJudge(lambda question, response: 1.0 if "4" in response else JudgeError("down"))
    scorer = Scorer(Reward(), judge=judge, failures=Failures(0.5, 2), workers=8)
    rows = write(tmp_path / "logs.jsonl", [ROWS[1], ROWS[1], ROWS[0], ROWS[0]])
    seen = []
    with pytest.raises(JudgeError, match="2 of the latest 2"):
        async for scored in scorer.stream(read(rows)):
            seen.append(scored.score.unscored is None)
    assert seen == [False, False, True, True]


def test_a_log_without_tasks_is_given_one(
    tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {name: ROWS[0][name] for name in ("messages", "ground_truth")}
    dump = {name: value for name, value in ROWS[-1].items() if name != "data_source"}
    logs, out = write(tmp_path / "logs.jsonl", [row, dump]), tmp_path / "out.jsonl"
    options = ["score", str(logs), "--out", str(out), "--judge", str(rules)]
    assert main(options) == 1
    assert "for task 'direct'" in capsys.readouterr().out
    assert main([*options, "--task", "math-hard"]) == 2
    assert "scored as of the task 'direct', which is 'math-hard' now" in capsys.readouterr().err
    out.unlink()
    assert main([*options, "--task", "math-hard"]) == 0
    assert given(out) == [1.0, 1.0]


class SlowToFast:
    """A judge whose first answers take the longest."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.busy = self.busiest = 0

    async def judge(self, question: Question, response: str) -> Verdict:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        self.left -= 1
        for _ in range(self.left):
            await asyncio.sleep(0)
        self.busy -= 1
        return Verdict("slow", 1.0, question.id)


async def test_many_are_under_way_and_come_in_order(tmp_path: Path) -> None:
    workers = 3
    file = write(tmp_path / "many.jsonl", ROWS[:1] * (workers * AHEAD * 3))
    judge = SlowToFast(workers * AHEAD * 3)
    scorer = Scorer(Reward(), judge=judge, workers=workers)
    found = [s.transcript.id async for s in scorer.stream(read(file))]
    assert found == [f"many-{number + 1}" for number in range(workers * AHEAD * 3)]
    assert judge.busiest == workers


@pytest.mark.early
async def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    count = 12
    file = write(tmp_path / "logs.jsonl", ROWS[:1] * count)
    out, judges = tmp_path / "out.jsonl", tmp_path / "judges.toml"

    def hold_after_five(body: dict[str, Any]) -> str:
        if len(server.requests) == 5:
            server.arrived.clear()
            server.held = asyncio.Event()
        return GOOD

    server: JudgeServer
    async with serve(hold_after_five) as server:
        judges.write_text(
            f'default = ["m"]\n[endpoints.m]\nurl = "{server.url}"\nmodel = "m"\n', encoding="utf-8"
        )
        options = ["score", str(file), "--judge", str(judges), "--out", str(out), "--workers", "1"]
        process = await start_cli(*options)
        while server.held is None:
            await server.arrived.wait()
            await asyncio.sleep(0)
        await server.arrived.wait()  # the sixth is under way, and will not be answered
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        assert process.returncode == 130
        assert b"the same command resumes the run" in errors
        kept = out.read_bytes()
        assert kept.endswith(b"\n")
        assert 1 <= len(kept.splitlines()) <= 5
        server.held.set()
        server.answer = lambda body: GOOD
        server.held = None
        process = await start_cli(*options)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors
        assert errors.startswith(b"INFO gtalign.transcripts.score: judge m: ")
    assert out.read_bytes().startswith(kept)
    found = list(read_transcripts(out))
    assert [t.id for t in found] == [f"logs-{number + 1}" for number in range(count)]
    assert given(out) == [1.0] * count


PEAKS = """
import json, os, re, sys
import gtalign.cli.score, gtalign.judges, gtalign.reward
from gtalign.cli import main
for words in json.loads(sys.argv[1]):
    if os.fork() == 0:
        code = main(words)
        found = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
        print("peak", found[1], flush=True)
        os._exit(code)
    assert os.wait()[1] == 0
"""


def peaks(*commands: list[str]) -> list[int]:
    """Return the peak in bytes of each command, done in turn by forks that have imported it."""
    script = [sys.executable, "-c", PEAKS, json.dumps(commands)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    return [int(found) * 1024 for found in re.findall(r"^peak (\d+)$", done.stdout, re.MULTILINE)]


@pytest.mark.early
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path, rules: Path) -> None:
    row = json.dumps(
        {
            "messages": [
                ROWS[0]["messages"][0],
                {"role": "assistant", "content": "so " * 50_000 + "the answer is 4"},
            ]
        }
        | {"task": "math-hard", "ground_truth": "4"}
    )
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    small.write_text(f"{row}\n" * 30, encoding="utf-8")
    large.write_text(f"{row}\n" * 160, encoding="utf-8")
    growth = large.stat().st_size - small.stat().st_size
    options = ["--judge", str(rules), "--workers", "2", "--out"]
    again = ["score", str(large), *options, str(tmp_path / "b.jsonl")]
    first, second, resumed = peaks(
        ["score", str(small), *options, str(tmp_path / "a.jsonl")], again, again
    )
    assert growth > 19e6
    assert max(second, resumed) - first < growth / 3


def test_a_tokenizer_counts_anew(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    monkeypatch.setenv("COLUMNS", "120")
    folder = tmp_path / "letters"
    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    out = tmp_path / "out.jsonl"
    assert main(["score", str(logs), "--tokenizer", str(folder), "--out", str(out)]) == 1
    first = next(iter(read_transcripts(out)))
    assert first.tokens["total"] == len("The answer is 4.")
    # Scored again without it, the counts on record stand, and so does their unit.
    again = tmp_path / "again.jsonl"
    assert main(["score", str(out), "--out", str(again)]) == 1  # nobody was asked
    assert next(iter(read_transcripts(again))).extra["scored"]["tokens"] == "tokens of letters"
    assert "without a score: no verdict" in capsys.readouterr().out
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert main(["score", str(logs), "--tokenizer", str(folder)]) == 2
    assert main(["score", str(logs), "--tokenizer", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "cannot be read as a tokenizer" in errors[0]
    assert "no tokenizer.json" in errors[1]


def test_counts_of_others_are_as_recorded(tmp_path: Path) -> None:
    row = {"id": "1", "task": "other", "completion": CHAIN, "tokens": {"total": 9}}
    row["tokens"] = {"before": 5, "response": 4, "total": 9}
    out = tmp_path / "out.jsonl"
    assert main(["score", str(write(tmp_path / "t.jsonl", [row])), "--out", str(out)]) == 1
    assert next(iter(read_transcripts(out))).extra["scored"]["tokens"] == "as recorded"


def test_the_suite_of_attacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gtalign.lab.attack_report.ITEMS", 1)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["score", "--attack", "--json", "--preset", "robust"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["attack"] == "honest mediocre answer"
    assert lines[0]["of_honest"] == 1
    assert all(line["of_honest"] <= 1 for line in lines)
    assert main(["score", "--attack"]) == 0
    rows = capsys.readouterr().out.splitlines()
    equal = next(row for row in rows if "all cells equal" in row)
    assert equal.count("*") == 3
    assert "*" not in equal.split("equal")[1].split()[0]  # robust comes first


@pytest.mark.parametrize(
    ("options", "named"),
    [([], "name a FILE"), (["--attack", "x.jsonl"], "leave out the FILE")],
)
def test_file_or_attack(options: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", *options]) == 2
    assert named in capsys.readouterr().err


def test_progress_where_somebody_looks(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert Console(stderr=True).is_terminal
    assert main(["score", str(logs), "--json"]) == 1
    assert "5/5" in capsys.readouterr().err


@pytest.mark.parametrize("held", [None, "", "row"])
async def test_a_failed_trial_leaves_no_file_that_was_not_there(
    held: str | None, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    if held == "row":
        assert await asyncio.to_thread(main, ["score", str(logs), "--out", str(out)]) == 1
    elif held is not None:
        out.write_text(held)
    before = out.read_bytes() if out.exists() else None
    async with serve(down) as server:
        command = ["score", str(logs), "--judge", str(judged_by(server, tmp_path / "j.toml"))]
        assert await asyncio.to_thread(main, [*command, "--out", str(out)]) == 1
    assert "cannot be asked" in capsys.readouterr().err
    assert (out.read_bytes() if out.exists() else None) == before
