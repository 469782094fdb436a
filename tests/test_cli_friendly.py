"""What a person meets first: one W a file, own criteria, judges that are down, files of no use."""

import asyncio
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from gtalign.cli import main
from gtalign.config import load
from gtalign.data.rows import read_rows
from gtalign.data.samples import copy_samples
from gtalign.errors import ConfigError, DataError, UnusableJudgeError
from gtalign.files.lines import torn_line
from gtalign.gateway.listening import check_address
from gtalign.gateway.settings import GatewayConfig
from gtalign.judges import FakeJudge, Judges, JudgesConfig, LabelledAnswer, Verdict, judge_all
from gtalign.reward import Reward, RewardConfig
from gtalign.reward.judged import judged
from gtalign.steering import Ask, FakeBackend, Session, Steering, SteeringSettings, load_policy
from gtalign.tasks import Quality, Question, Task, known_tasks, register, registry, task_named
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.learned import learned
from gtalign.transcripts.rewards import digest, note, reward_for
from gtalign.transcripts.summary import Summary
from judge_server import serve
from one_score import score_one

OWN = RewardConfig.model_validate(
    {"preset": "paper", "latency_scale": 40.0, "llm": {"format": 0.05}}
)
QUESTION = Question("q", "math-hard", ({"role": "user", "content": "2+2?"},), "4", "q")
CHATS = [
    {
        "id": name,
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}],
    }
    for name, text in (("a", "Hello."), ("b", "What can I do for you today?"), ("c", "Go away."))
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    return write(tmp_path / "chats.jsonl", CHATS)


def made_with(config: RewardConfig, path: Path) -> Path:
    """A file of plain answers that a reward scored, without a note of it."""
    reward = Reward(config.model_copy(update={"chain": False}))
    with TranscriptWriter(path) as writer:
        for number, text in enumerate(("Four.", "It is 4, as 2 and 2 make 4.", "No idea.")):
            verdict = Verdict("me", float(number < 2), "as it is")
            score = score_one(reward, QUESTION, text, verdict)
            answer = Transcript.of(QUESTION, text, model="m", plain=True)
            writer.write(answer.scored(score, [verdict]))
    return path


def mean_w(path: Path) -> float:
    found = [t.mutual_welfare for t in read_transcripts(path) if t.mutual_welfare is not None]
    return sum(found) / len(found)


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("table", ["reward", "experiment.reward"])
@pytest.mark.parametrize("below", [".", "seed-0/mutual"])
def test_a_runs_transcripts_keep_its_reward(
    table: str, below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    (run / below).mkdir(parents=True)
    file = made_with(OWN, run / below / "transcripts.jsonl")
    (run / "config.toml").write_text(
        f'[{table}]\npreset = "paper"\nlatency_scale = 40.0\nllm.format = 0.05\n'
    )
    assert reward_for(file).config == OWN
    assert main(["score", str(file)]) == 0
    told = "\n".join(shown(capsys))
    assert f"{mean_w(file):.3f}" in told
    assert "Reward: that of the run" in told
    assert "as the file recorded it" not in told
    # Another one only where it is asked for, and then both are told.
    assert main(["score", str(file), "--preset", "released"]) == 0
    told = "\n".join(shown(capsys))
    assert "Reward: preset released" in told
    assert f"W was {mean_w(file):.3f} as the file recorded it" in told


@pytest.mark.parametrize("named", ["config.toml", "."])
def test_a_run_is_a_configuration_of_its_reward(named: str, tmp_path: Path, chats: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[rl]\nsteps = 3\n[reward]\npreset = "paper"\nlatency_scale = 40.0\n'
        'llm.format = 0.05\n[reward.normalise]\nmethod = "zscore"\n'
    )
    assert main(["score", str(chats), "--config", str(tmp_path / named)]) == 1  # nobody was asked
    assert reward_for(chats, config=tmp_path / "config.toml").config == OWN


def test_scored_rows_say_with_which_reward(tmp_path: Path) -> None:
    file = made_with(OWN, tmp_path / "in.jsonl")
    own = tmp_path / "own.toml"
    own.write_text('preset = "paper"\nlatency_scale = 40.0\nllm.format = 0.05\n')
    out = tmp_path / "scored.jsonl"
    assert main(["score", str(file), "--config", str(own), "--out", str(out)]) == 0
    assert reward_for(out).config == OWN
    assert reward_for(out, overrides=["reward.latency_scale=9"]).config.latency_scale == 9
    assert reward_for(file).config == RewardConfig()
    assert "changed" not in note(RewardConfig(preset="released"))


@pytest.mark.parametrize("name", ["before.jsonl", "after.jsonl"])
def test_a_sample_keeps_the_reward_that_it_was_made_with(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_samples(tmp_path)
    assert main(["score", str(tmp_path / name)]) == 0
    told = "\n".join(shown(capsys))
    assert "Reward: the one that the file was scored with; " in told
    assert "by another reward" not in told
    assert f"{mean_w(tmp_path / name):.3f}" in told


def test_a_reward_of_another_version_is_not_replaced_by_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_with(OWN, tmp_path / "made.jsonl")
    rows = [json.loads(line) for line in made.read_text().splitlines()]
    for row in rows:
        row["extra"]["scored"] = {**note(OWN), "reward": "0" * 12, "tokens": "words"}
    file = write(tmp_path / "old.jsonl", rows)
    assert reward_for(file).config == OWN
    assert main(["score", str(file)]) == 0
    assert "scored with, as this version computes it" in "\n".join(shown(capsys))


def test_a_factor_without_weight_does_not_change_the_note_of_a_reward() -> None:
    plain = {key: value for key, value in OWN.llm.model_dump().items() if value != 0}
    fewer = OWN.model_copy(update={"llm": OWN.llm.model_construct(**plain)})
    assert digest(fewer) == digest(OWN)
    more = OWN.model_copy(update={"llm": OWN.llm.model_copy(update={"format": 0.06})})
    assert digest(more) != digest(OWN)
    believing = OWN.model_copy(update={"belief": True})
    assert len({digest(OWN), digest(believing)}) == 2


def test_an_experiment_without_a_reward_is_no_configuration_of_one(tmp_path: Path) -> None:
    own = tmp_path / "lab.toml"
    own.write_text("[experiment]\ncandidates = 2\n")
    with pytest.raises(ConfigError, match="names no reward"):
        reward_for(None, config=own)


CRITERION = """
default = ["local"]
[criteria.{task}]
prompt = "mine.txt"
scale = [1, 3, 5]
{more}
[endpoints.local]
url = "{url}"
model = "m"
attempts = 1
"""


def judges_of(folder: Path, url: str, task: str = "direct", more: str = "") -> Path:
    (folder / "mine.txt").write_text("1 is rude, 3 is dull, 5 is kind.")
    path = folder / "judges.toml"
    path.write_text(CRITERION.format(task=task, url=url, more=more))
    return path


@pytest.mark.parametrize(
    ("task", "more", "quality"),
    [("direct", "", 0.5), ("support", "quality = [0, 0.9, 1]", 0.9), ("haiku", "", 0.5)],
)
async def test_a_criterion_without_code(
    task: str, more: str, quality: float, chats: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    async with serve(lambda body: '{"reason": "so it is", "score": 3}') as server:
        # The trial has a scale of its own.
        server.answer = lambda body: (
            '{"reason": "fine", "score": 1}'
            if "legs" in json.dumps(body)
            else '{"reason": "dull", "score": 3}'
        )
        judges = judges_of(tmp_path, server.url, task, more)
        options = ["--judge", str(judges), "--task", task, "--out", str(out)]
        assert await asyncio.to_thread(main, ["score", str(chats), *options]) == 0
        asked = json.dumps(server.requests[-1])
    assert "1 is rude, 3 is dull, 5 is kind." in asked
    assert "1, 3, 5" in asked
    found = list(read_transcripts(out))
    assert [t.verdicts[0].score for t in found] == [quality] * 3
    assert [t.verdicts[0].details["graded"] for t in found] == [3.0] * 3
    assert [t.factors["quality"] for t in found] == [quality] * 3


async def test_models_grade_chats_that_name_no_task_by_helpfulness(
    chats: Path, tmp_path: Path
) -> None:
    out, judges = tmp_path / "out.jsonl", tmp_path / "j.toml"
    async with serve(lambda body: '{"reason": "good", "score": 1}') as server:
        judges.write_text(f'default = ["m"]\n[endpoints.m]\nurl = "{server.url}"\nmodel = "m"\n')
        options = ["--judge", str(judges), "--out", str(out)]
        assert await asyncio.to_thread(main, ["score", str(chats), *options]) == 0
    assert [t.factors["quality"] for t in read_transcripts(out)] == [0.25] * 3


def test_labels_are_on_the_scale_of_the_criterion(tmp_path: Path) -> None:
    panel = Judges(load(JudgesConfig, judges_of(tmp_path, "http://127.0.0.1:9/v1")))
    question = Question("q", "direct", QUESTION.messages, "", "q")
    assert [panel.graded(question, label) for label in (1, 3, 5)] == [0, 0.5, 1]
    assert panel.graded(QUESTION, 1.0) == 1.0
    with pytest.raises(DataError, match="label 2 is not a score of the criterion"):
        panel.graded(question, 2)
    assert LabelledAnswer(question, "Hello.", 5).label == 5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("scale = [1]", "scale"),
        ("scale = [1, 1]", "named twice"),
        ("scale = [1, 2]\nquality = [1]", "1 numbers for the 2 scores"),
        ("scale = [1, 2]\nquality = [0, 7]", "quality"),
        ("scale = [1, nan]", "scale"),
        ('scale = [1, 2]\nprompt = "absent.txt"', "absent.txt: cannot be read"),
    ],
)
def test_a_wrong_criterion_is_refused(change: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Grade.")
    prompt = "" if "prompt" in change else 'prompt = "mine.txt"\n'
    path = tmp_path / "judges.toml"
    path.write_text(f"[criteria.mine]\n{prompt}{change}\n")
    with pytest.raises(ConfigError, match=named):
        load(JudgesConfig, path)


def test_a_published_task_keeps_its_criterion(tmp_path: Path) -> None:
    path = judges_of(tmp_path, "http://127.0.0.1:9/v1", "medium")
    with pytest.raises(ConfigError, match="'medium' is a published task"):
        load(JudgesConfig, path)


@pytest.mark.parametrize("command", [["score"], ["judges", "check"]])
def test_an_unknown_task_names_the_known_ones(
    command: list[str], chats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(chats), "--task", "wildgard"]) == 2
    told = capsys.readouterr().err
    assert "unknown task 'wildgard'; did you mean 'wildguard'?" in told
    assert "ambig_qa" in told


def test_a_task_is_registered_by_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_OWN", {})

    def halved(question: Question, response: str, score: float) -> Quality:
        return Quality(score / 2, score / 2, score / 2)

    task = Task("haiku", top=2.0, paper=halved, released=halved)
    register("haiku-17", task)
    register("haiku-17", task)  # the same again changes nothing
    assert task_named("haiku-17") is task
    assert "haiku-17" in known_tasks()
    for name, other in (("haiku-17", Task("x", 1.0, halved, halved)), ("medium", task)):
        with pytest.raises(ConfigError):
            register(name, other)


def prose(body: dict[str, Any]) -> str:
    return "A fine answer, if you ask me."


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (lambda body: Response("who are you?", 401), "refuses"),
        (lambda body: Response("no such model", 404), "no such address or model"),
        (lambda body: Response("<html>", 200), "no chat completion"),
        (lambda body: Response("broken", 500), "failed"),
        (prose, "gives no verdicts, tried on a plain question"),
    ],
)
async def test_a_judge_of_no_use_is_found_out_before_row_one(
    answer: Any, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write(tmp_path / "many.jsonl", [{**CHATS[0], "id": str(n)} for n in range(200)])
    out, judges = tmp_path / "out.jsonl", tmp_path / "j.toml"
    async with serve(answer) as server:
        judges.write_text(
            f'default = ["m"]\n[endpoints.m]\nurl = "{server.url}"\nmodel = "m"\nattempts = 1\n'
        )
        options = ["--judge", str(judges), "--out", str(out)]
        assert await asyncio.to_thread(main, ["score", str(rows), *options]) == 1
        asked = len(server.requests)
    told = capsys.readouterr()
    assert "gtalign: error: judge 'm'" in told.err
    assert named in told.err
    assert told.out == ""
    assert asked <= 2  # a reply that is no verdict is asked for once more
    assert not out.exists()


async def test_an_unusable_judge_ends_other_work_too() -> None:
    judge = FakeJudge(UnusableJudgeError("gone"))
    judge.judge = _gone  # type: ignore[method-assign]
    with pytest.raises(UnusableJudgeError):
        await judge_all(judge, [(QUESTION, "4")] * 3)
    with pytest.raises(UnusableJudgeError):
        await judged(Reward(RewardConfig(chain=False)), judge, [QUESTION], ["4"])


async def _gone(question: Question, response: str) -> Verdict:
    raise UnusableJudgeError("gone")


@pytest.mark.parametrize("command", [["score"], ["judges", "check"], ["data", "inspect"]])
@pytest.mark.parametrize("content", [b"", b"\n \n", "{}".encode("utf-16"), b'{"messages": ['])
def test_a_file_of_no_use_is_bad_input(command: list[str], content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    assert main([*command, str(file)]) == 2


def test_a_torn_row_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made_with(RewardConfig(), tmp_path / "t.jsonl")
    assert torn_line(file) is None
    file.write_bytes(file.read_bytes()[:-40])
    assert torn_line(file) == 3
    assert main(["score", str(file)]) == 2
    first, second, *_ = shown(capsys)
    assert first == f"Line 3 of {file} is cut off in the middle and was left out."
    assert second.startswith("Average scores")


def test_a_mark_of_utf_8_is_no_fault(tmp_path: Path) -> None:
    file = made_with(RewardConfig(), tmp_path / "t.jsonl")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert main(["score", str(file)]) == 0


def answers(*scores: tuple[str, float | None, str | None]) -> list[Transcript]:
    return [
        Transcript(
            id=str(number),
            task="t",
            completion=text,
            mutual_welfare=welfare,
            chain_error=error,
            unscored=None if welfare is not None else "nobody knows",
        )
        for number, (text, welfare, error) in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "No answer was written"),
        (answers(("a", 0.0, "no"), ("b", 0.0, "no")), "All 2 answers are malformed"),
        (answers(("a", None, None), ("b", 0.0, "no")), "none of 1 answers got a verdict"),
        (answers(*((str(n), 0.25, None) for n in range(20))), "never varies: it is 0.250"),
        (answers(*((str(n), 0.25, None) for n in range(19))), None),
        (answers(*(("same", 0.25, None) for _ in range(20))), None),
        (answers(("a", 0.5, None), ("b", 0.5, None)), None),
        (answers(("a", 0.5, None), ("b", 0.0, "no")), None),
    ],
)
def test_failure_never_reads_as_success(found: list[Transcript], problem: str | None) -> None:
    said = Summary.of(found).problem(asked=True)
    assert said is None if problem is None else problem in (said or "")


def test_what_a_run_of_reinforcement_learning_gained(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    with TranscriptWriter(file) as writer:
        for answer in answers(*((str(n), n / 8, None) for n in range(8))):
            writer.write(answer)
    found = learned(file)
    assert found.problem is None
    ends = found.to_json()["mutual_welfare_by_part"]
    assert ends == {"first_quarter": 1 / 16, "last_quarter": 13 / 16}


@pytest.mark.parametrize("seeds", ["", ",", " , "])
def test_no_seeds_are_no_run(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--config", "smoke", "--seeds", seeds]) == 2
    assert "--seeds: seeds: " in capsys.readouterr().err


def test_text_is_accepted_where_a_path_is(tmp_path: Path) -> None:
    file = made_with(RewardConfig(), tmp_path / "t.jsonl")
    assert len(list(read_transcripts(str(file)))) == 3
    with TranscriptWriter(str(file)) as writer:
        assert writer.ids() == {"q"}
    own = tmp_path / "own.toml"
    own.write_text('preset = "paper"\n')
    assert load(RewardConfig, str(own)).preset == "paper"
    rows = tmp_path / "rows.jsonl"
    copied = next(file for file in copy_samples(tmp_path / "s") if file.name == "questions.jsonl")
    rows.write_bytes(copied.read_bytes())
    assert len(list(read_rows(str(rows)))) == 12


def test_a_steered_answer_prints_with_and_without_a_chain() -> None:
    for written, said in (
        ("Just an answer.", "response: "),
        ("<thinking>it broke off", "it broke off"),
    ):
        backend = FakeBackend(lambda messages, text, w=written: w[len(text) :])  # type: ignore[misc]
        steering = Steering(backend, load_policy("free"), SteeringSettings(mode="observe"))
        answer = asyncio.run(Session(steering, Ask(QUESTION.messages)).answer())
        assert str(answer).startswith("free: ")
        assert said in str(answer)


def test_an_address_is_tried_before_a_key_is_made() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = GatewayConfig.model_validate(
            {"upstream": {"address": "http://127.0.0.1:9/v1"}, "port": port}
        )
        with pytest.raises(ConfigError, match="is the port in use"):
            check_address(config)
    check_address(config)


def test_make_explains_every_target() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(["make", "-C", str(root)], capture_output=True, text=True, check=True)
    makefile = (root / "Makefile").read_text().replace("\\\n", " ")
    targets = makefile.partition(".PHONY: ")[2].partition("\n")[0].split()
    helped = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")}
    assert set(targets) - helped <= {"lint", "types", "pytest", "clean"}


def graded(*scores: float, judge: str = "mine", **details: float) -> list[Transcript]:
    return [
        Transcript(id=str(n), task="t", completion=str(n), mutual_welfare=n / 8).scored(
            score_one(Reward(), QUESTION, str(n), None), [Verdict(judge, one, "so", details)]
        )
        for n, one in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (graded(*[0.0] * 5), ["Judge 'mine' gave all 5 answers the score 0."]),
        (graded(*[0.0] * 5, graded=1.0), ["Judge 'mine' gave all 5 answers the score 1."]),
        (graded(*[0.5] * 7), ["Judge 'mine' gave all 7 answers the score 0.5."]),
        (graded(*[0.0] * 4), []),
        (graded(0.0, 0.0, 1.0, 0.0, 0.0), []),
        (graded(*[1.0] * 4) + graded(0.0, judge="other"), []),
        (graded(*[1.0] * 5) + graded(*[0.0] * 6, judge="other"), ["'mine' gave", "'other' gave"]),
        ([], []),
    ],
)
def test_a_judge_that_gives_one_score_to_all_is_named(
    found: list[Transcript], said: list[str]
) -> None:
    lines = Summary.of(found).alike()
    assert len(lines) == len(said)
    for line, part in zip(lines, said, strict=True):
        assert part in line and "`gtalign judges check`" in line


def test_one_score_for_all_is_said_after_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {**CHATS[0], "id": str(n), "task": "math-hard", "ground_truth": "4"}
        | {"messages": [CHATS[0]["messages"][0], {"role": "assistant", "content": f"It is {n}."}]}
        for n in range(5, 10)
    ]
    assert main(["score", str(write(tmp_path / "logs.jsonl", rows)), "--judge", "rules"]) == 0
    lines = shown(capsys)
    [place] = [n for n, line in enumerate(lines) if "gave all 5 answers the score 0." in line]
    assert place > max(n for n, line in enumerate(lines) if line.startswith("all"))
