"""`gtalign sft`, `rl` and `eval` on a model that a test can train, and their dry runs."""

import json
from collections import Counter
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from starlette.responses import JSONResponse
from transformers import AutoModelForCausalLM, TrainerState

from gtalign.cli import main
from gtalign.config import find, load
from gtalign.data.rows import read_rows
from gtalign.data.schema import to_row
from gtalign.endpoints import Cache, Endpoint, EndpointSettings
from gtalign.errors import DataError, JudgeError, TeacherError
from gtalign.evaluation.answerer import Local, Served
from gtalign.evaluation.evaluate import evaluate
from gtalign.evaluation.evaluate import plan as plan_eval
from gtalign.evaluation.settings import EvalRun
from gtalign.judges import FakeJudge, Judges, JudgesConfig
from gtalign.models.chat import Chat
from gtalign.models.memory import ModelSize, generation
from gtalign.models.model import LocalModel
from gtalign.reward import Reward, RunningNormaliser, normalise
from gtalign.synthesis.examples import read_examples
from gtalign.tasks import Message, Question
from gtalign.training import LoRASettings, SFTSettings
from gtalign.training.held_out import HeldOut
from gtalign.training.lengths import keep_whole
from gtalign.training.memory import memory, trainable
from gtalign.training.metrics import read_metrics
from gtalign.training.rl_run import RLRun
from gtalign.training.rl_run import plan as plan_rl
from gtalign.training.sft import train_sft
from gtalign.training.sft_run import SFTRun
from gtalign.training.sft_run import plan as plan_sft
from gtalign.transcripts import read_transcripts
from judge_server import serve
from small_lab import small_model, small_tokenizer
from teacher_server import Rules, write_questions
from train_parts import CHAIN, make_student, run_cli, write

# The trainers complain of their own habits.
pytestmark = pytest.mark.filterwarnings("default")

CONVERSATION = (
    Message(role="system", content="Be kind."),
    Message(role="user", content="Who owns it?"),
)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "ambig-train.jsonl"
    write_questions(file, 3)
    return file


@pytest.fixture
def examples(tmp_path: Path, questions: Path) -> Path:
    rows = [
        to_row(question, index=0, source_prompt=None, split="train", system="Be kind.")
        | {"completion": CHAIN}
        for question in read_rows(questions)
    ]
    file = tmp_path / "kept.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_packing_and_parts_of_a_batch_learn_the_same(tmp_path: Path) -> None:
    tokenizer = small_tokenizer([CHAIN])
    lengths = ("a", "b c d e f g", "h i j")
    chat = Chat(tokenizer)
    lessons = [chat.lesson((CONVERSATION[1],), f"{CHAIN} {text}") for text in lengths]
    losses = {}
    cases: dict[str, dict[str, Any]] = {
        "plain": {},
        "packed": {"packing": True, "max_length": 2048},
        "parts": {"hardware": {"accumulation": 3}},
    }
    for name, changes in cases.items():
        given = {"batch": 3, "max_length": 1024, "save_steps": 1, **changes}
        settings = SFTSettings.model_validate(given)
        folder = tmp_path / name
        train_sft(LocalModel(small_model(tokenizer), chat), lessons, folder, settings, 0)
        losses[name] = json.loads((folder / "metrics.jsonl").read_text())["loss"]
    assert losses["packed"] == pytest.approx(losses["plain"], abs=1e-3)
    assert losses["parts"] == pytest.approx(losses["plain"], abs=1e-3)


def test_a_judge_that_fails_is_told_of_while_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = {"url": "http://127.0.0.1:9/v1", "model": "m", "attempts": 1}
    judges = Judges(
        JudgesConfig.model_validate({"default": ["m"], "endpoints": {"m": nobody}}), trial=False
    )
    asked = [Question(f"q{n}", "math-hard", (), "4", f"q{n}") for n in range(2)]
    file = tmp_path / "held_out.jsonl"
    held_out = HeldOut(asked, lambda model, qs: [CHAIN, "no chain"], Reward(), judges, file, 1)
    state: Any = TrainerState(global_step=1, max_steps=1)
    held_out.on_step_end(None, state, None, model=torch.nn.Linear(1, 1))
    [line] = read_metrics(file)
    assert line["judge_failed/connection"] == 1  # of those judged: nobody is asked about no chain
    assert line["unscored"] == line["malformed"] == 0.5
    assert "held out: 1 answers are unscored; the last: judge 'm', question 'q0'" in caplog.text


def test_sft_learns_evaluates_and_goes_on(
    student: Path, examples: Path, questions: Path, tmp_path: Path, capsys: Any
) -> None:
    config = write(
        tmp_path / "sft.toml",
        f"""
        model = "{student}"
        data = ["{examples}"]
        [sft]
        batch = 1
        max_length = 512
        save_steps = 1
        lora = {{ rank = 2 }}
        [held_out]
        questions = ["{questions}"]
        limit = 2
        every = 2
        max_tokens = 4
        """,
    )
    out = tmp_path / "run"
    command = ["sft", "--config", config, "--out", str(out), "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert [line["step"] for line in read_metrics(out / "held_out.jsonl")] == [2, 3]
    assert first["held_out"]["malformed"] == 1.0
    assert first["held_out"]["welfare/mutual_welfare"] == 0.0
    before = AutoModelForCausalLM.from_pretrained(student, dtype="float32").state_dict()
    after = AutoModelForCausalLM.from_pretrained(out / "checkpoint", dtype="float32").state_dict()
    assert before.keys() == after.keys()  # an ordinary checkpoint, updates merged
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert main([*command, "--set", "seed=1"]) == 2
    assert "began with another configuration" in capsys.readouterr().err


def run_of(folder: Path, student: Path, examples: Path, more: str) -> list[str]:
    """Return the command for a run of supervised training with a few settings."""
    file = folder / "sft.toml"
    text = f'model = "{student}"\ndata = ["{examples}"]\n[sft]\nbatch = 1\n{more}'
    return ["sft", "--config", write(file, text), "--json", "--out"]


def test_examples_that_are_too_long_are_left_out(
    student: Path, examples: Path, tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    rows = [json.loads(line) for line in examples.read_text().splitlines()]
    rows[1]["completion"] = CHAIN.replace(">t<", f">{'so ' * 300}<")
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = run_of(tmp_path, student, examples, "max_length = 512\nsave_steps = 10\n")
    assert main([*command, str(tmp_path / "run")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["examples"], result["too_long"]) == (2, 1)
    assert "1 of 3 examples are longer than sft.max_length = 512 tokens" in caplog.text
    assert "ambig-train-1" in caplog.text
    assert main([*command, str(tmp_path / "all"), "--set", "sft.max_length=16"]) == 2
    assert "all 3 examples are longer" in capsys.readouterr().err
    cut = ("--set", "sft.too_long=cut", "--set")
    assert main([*command, str(tmp_path / "cut"), *cut, "sft.max_length=100"]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 3
    assert main([*command, str(tmp_path / "none"), *cut, "sft.max_length=4"]) == 1
    assert "the prompts alone fill sft.max_length = 4" in capsys.readouterr().err


def test_examples_that_would_teach_something_else_are_named(
    student: Path, examples: Path, tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    rows = [json.loads(line) for line in examples.read_text().splitlines()]
    rows[1]["completion"] = "It is hers."
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = run_of(tmp_path, student, examples, "max_length = 512\nsave_steps = 10\n")
    assert main([*command, str(tmp_path / "run")]) == 0
    assert "1 of 3 examples are no chains that can be read" in caplog.text
    assert "the first, number 2" in caplog.text
    facts = json.loads((tmp_path / "run" / "model.json").read_text())
    assert facts["prompt"].endswith("<|im_start|>assistant\n")
    rows[2]["completion"] = CHAIN.replace("Which", "Which<|im_end|>")
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    assert main([*command, str(tmp_path / "refused")]) == 1
    error = capsys.readouterr().err
    assert "ambig-train-2" in error
    assert "holds <|im_end|>, which ends a turn" in error


def test_vllm_takes_no_gguf_file(questions: Path) -> None:
    given = {
        "model": "gguf:small.gguf",
        "questions": [questions],
        "rl": {"vllm": True, "hardware": {"gpu": True}},
    }
    with pytest.raises(ValueError, match=r"rl\.vllm loads the checkpoint folder"):
        RLRun.model_validate(given)
    RLRun.model_validate({**given, "model": "runs/sft/checkpoint"})


def test_an_example_that_just_fits_is_learned_whole(tmp_path: Path) -> None:
    tokenizer = small_tokenizer([CHAIN])
    chat = Chat(tokenizer)
    lesson = chat.lesson(CONVERSATION, CHAIN)
    length = len(lesson.ids)
    lessons = keep_whole([lesson], ["q"], SFTSettings(max_length=length))
    model, seen = small_model(tokenizer), []

    def forward(module: Any, args: Any, kwargs: Any) -> None:
        seen.append(tokenizer.decode(kwargs["labels"][0].clamp(min=0), skip_special_tokens=True))

    model.register_forward_pre_hook(forward, with_kwargs=True)
    settings = SFTSettings(batch=1, max_length=length)
    train_sft(LocalModel(model, chat), lessons, tmp_path, settings, 0)
    assert seen[0].rstrip().endswith("</response>")


def test_held_out_answers_come_out_alike_after_a_kill(
    student: Path,
    examples: Path,
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    held_out = f"""
        max_length = 512
        save_steps = 2
        [held_out]
        questions = ["{questions}"]
        limit = 2
        every = 1
        max_tokens = 8
        temperature = 1.0
        instruct = false
        """
    command = run_of(tmp_path, student, examples, held_out)
    whole, out = tmp_path / "whole", tmp_path / "run"
    assert main([*command, str(whole)]) == 0
    step_end = HeldOut.on_step_end

    def die(self: HeldOut, args: Any, state: Any, control: Any, **more: Any) -> None:
        step_end(self, args, state, control, **more)
        if state.global_step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HeldOut, "on_step_end", die)
        assert main([*command, str(out)]) == 130
    assert len(read_metrics(out / "held_out.jsonl")) == 3  # the third will be written again
    capsys.readouterr()
    assert main([*command, str(out)]) == 0
    for name in ("held_out.jsonl", "metrics.jsonl"):
        assert (out / name).read_text() == (whole / name).read_text()
    assert [line["step"] for line in read_metrics(out / "held_out.jsonl")] == [1, 2, 3]


def test_held_out_answers_are_unscored_where_the_judge_fails(tmp_path: Path) -> None:
    gone = {"url": "http://127.0.0.1:9/v1", "model": "m", "attempts": 1}
    judging = {"default": ["gone"], "endpoints": {"gone": gone}}
    question = Question("q", "ambig_qa", (CONVERSATION[1],), "multipleQAs###", "q")
    held_out = HeldOut(
        [question, question],
        lambda model, asked: [CHAIN, "no chain"],
        Reward(),
        Judges(JudgesConfig.model_validate(judging), trial=False),
        tmp_path / "held_out.jsonl",
        every=2,
    )
    state = SimpleNamespace(global_step=1, max_steps=2)
    for state.global_step in (1, 2):
        held_out.on_step_end(None, state, None, model=torch.nn.Linear(1, 1))
    [line] = read_metrics(tmp_path / "held_out.jsonl")
    assert (line["step"], line["unscored"], line["malformed"]) == (2, 0.5, 0.5)
    assert line["welfare/mutual_welfare"] == 0  # of the one that is known


def write_mixture(folder: Path) -> Path:
    """Write a mixture of two tasks of different sizes, in equal shares."""
    for task, count in (("ambig_qa", 8), ("abg-coqa", 4)):
        rows = [
            {
                "prompt": [{"role": "user", "content": f"What is {task} number {number}?"}],
                "data_source": task,
                "reward_model": {"ground_truth": f"singleAnswer###{number}"},
            }
            for number in range(count)
        ]
        file = folder / f"{task}-train.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = folder / "mix-train.jsonl"
    files = [str(folder / f"{task}-train.jsonl") for task in ("ambig_qa", "abg-coqa")]
    weights = ("--set", "weights.ambig_qa=1", "--set", "weights.abg-coqa=1")
    assert main(["data", "mix", *files, "--to", str(out), *weights]) == 0
    return out


@pytest.mark.parametrize("running", ["false", "true"])
def test_rl_on_a_mixture_learns_from_rewards_normalised_per_task(
    student: Path, tmp_path: Path, running: str, capsys: Any
) -> None:
    mixture = write_mixture(tmp_path)
    file = write(
        tmp_path / "rl.toml",
        f"""
        model = "{student}"
        questions = ["{mixture}"]
        instruct = false
        [rl]
        steps = 2
        questions = 4
        group = 4
        max_completion = 6
        [reward]
        preset = "paper"
        chain = false
        [reward.response_window]
        low = 1.0
        high = 4.0
        [reward.normalise]
        method = "shrinkage"
        running = {running}
        kappa = 2.0
        """,
    )
    out = tmp_path / "rl"
    assert main(["rl", "--config", file, "--out", str(out), "--json"]) == 0
    rows = list(read_transcripts(out / "transcripts.jsonl"))
    assert {row.task for row in rows} == {"ambig_qa", "abg-coqa"}
    assert Counter(question.task for question in read_rows(mixture)) == {
        "ambig_qa": 4,
        "abg-coqa": 4,
    }
    config = load(RLRun, Path(file)).reward.normalise
    assert config is not None
    memory = RunningNormaliser(config)
    for step, line in enumerate(read_metrics(out / "metrics.jsonl")):
        taken = [row for row in rows if row.extra["step"] == step]
        raw, tasks = [row.extra["reward"] for row in taken], [row.task for row in taken]
        used = memory(raw, tasks) if config.running else normalise(raw, tasks, config)
        assert line["raw_reward"] == pytest.approx(fmean(raw))
        known = [value for value in used if value is not None]
        assert len(known) == len(used)
        assert line["reward"] == pytest.approx(fmean(known), abs=1e-6)
        assert max(abs(a - b) for a, b in zip(raw, used, strict=True)) > 0.1


def test_normalised_rewards_are_not_divided_by_their_groups(
    student: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(
        "gtalign.training.rl.train_rl", lambda *args: seen.append(args) or tmp_path / "checkpoint"
    )
    file = write(tmp_path / "rl.toml", f'model = "{student}"\nquestions = ["{questions}"]\n')
    for number, options in enumerate(
        ([], ["reward.normalise.method=cdf"], ["reward.normalise={}", "rl.scale_rewards=batch"])
    ):
        sets = [part for option in options for part in ("--set", option)]
        # Nothing was written, so nothing was learned.
        assert main(["rl", "--config", file, "--out", str(tmp_path / str(number)), *sets]) == 1
    assert [args[4].scale_rewards for args in seen] == [None, "none", "batch"]


async def test_rl_and_eval_over_http(
    student: Path, questions: Path, tmp_path: Path, capsys: Any
) -> None:
    async with serve(Rules()) as server:
        judge = f"""
        [judges]
        default = ["local"]
        [judges.endpoints.local]
        url = "{server.url}"
        model = "rules"
        [reward]
        chain = false
        """
        learn = write(
            tmp_path / "rl.toml",
            f"""
            model = "{student}"
            questions = ["{questions}"]
            [rl]
            steps = 2
            questions = 2
            group = 2
            max_completion = 6
            [rl.hardware]
            accumulation = 2
            {judge}""",
        )
        out = tmp_path / "rl"
        # No answer of a model with random weights is worth anything: a failure, and it is said.
        assert await run_cli("rl", "--config", learn, "--out", str(out), "--json") == 1
        learned = json.loads(capsys.readouterr().out)
        assert learned["problem"].startswith("Nothing learned. The reward never varies")
        assert learned["judges"]["local"]["used"]["calls"] > 0
        assert len(list(read_transcripts(out / "transcripts.jsonl"))) == 8
        test = write(
            tmp_path / "eval.toml",
            f"""
            model = "{out / "checkpoint"}"
            questions = ["{questions}"]
            max_tokens = 6
            batch = 2
            {judge}""",
        )
        seen = tmp_path / "eval"
        command = ("eval", "--config", test, "--out", str(seen), "--json")
        assert await run_cli(*command) == 0
        result = json.loads(capsys.readouterr().out)
        asked = len(server.requests)
        assert await run_cli(*command) == 0
        again = json.loads(capsys.readouterr().out)
        assert len(server.requests) == asked
    assert (result["questions"], result["answered"], result["unscored"]) == (3, 3, 0)
    assert again["answered"] == 3
    assert (seen / "report.html").exists()
    for transcript in read_transcripts(seen / "transcripts.jsonl"):
        assert transcript.prompt[0]["role"] == "system"
        assert transcript.mutual_welfare is not None


async def test_eval_of_a_server_tells_what_it_took_and_saved(
    questions: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "eval"
    async with serve(lambda body: CHAIN) as server:
        text = f'questions = ["{questions}"]\n[server]\nurl = "{server.url}"\nmodel = "m"\n'
        file = write(tmp_path / "eval.toml", text)
        for calls, saved in ((3, 0), (0, 3)):
            assert await run_cli("eval", "--config", file, "--out", str(out), "--json") == 0
            told = json.loads(capsys.readouterr().out)["server"]
            assert (told["used"]["calls"], told["saved"]["calls"]) == (calls, saved)
            assert told["cost"] is None  # nobody named prices
            (out / "transcripts.jsonl").unlink()


async def test_eval_of_a_server_that_failed_says_so_and_goes_on(
    student: Path, questions: Path, tmp_path: Path, capsys: Any
) -> None:
    broken = True

    def answer(body: dict[str, Any]) -> Any:
        if broken and "number 1 " in body["messages"][-1]["content"]:
            return JSONResponse({"error": {"message": "gone"}}, 400)
        if broken and "number 2 " in body["messages"][-1]["content"]:
            message = {"role": "assistant", "content": None, "reasoning_content": "hm"}
            return JSONResponse({"choices": [{"message": message, "finish_reason": "stop"}]})
        return CHAIN

    out = tmp_path / "eval"
    async with serve(answer) as server:
        text = f'questions = ["{questions}"]\ntokenizer = "{student}"\n'
        text += f'[server]\nurl = "{server.url}"\nmodel = "m"\n'
        command = ("eval", "--config", write(tmp_path / "eval.toml", text), "--out", str(out))
        assert await run_cli(*command) == 1
        told = capsys.readouterr().err
        assert "2 of 3 questions were not answered; the same command asks again" in told
        assert "ambig-train-1" in told
        assert not (out / "report.html").exists()
        broken = False
        assert await run_cli(*command) == 0
        assert len(server.requests) == 3 + 2  # what was answered is not asked again
    rows = list(read_transcripts(out / "transcripts.jsonl"))
    # Lengths are those of the named tokenizer, not words.
    assert all(row.tokens["total"] > len(CHAIN.split()) for row in rows)


async def test_eval_of_a_server_goes_on_after_it_failed(questions: Path, tmp_path: Path) -> None:
    broken = True

    def answer(body: dict[str, Any]) -> Any:
        if broken and "number 1 " in body["messages"][-1]["content"]:
            return JSONResponse({"error": {"message": "gone"}}, 400)
        if broken and "number 2 " in body["messages"][-1]["content"]:
            message = {"role": "assistant", "content": None, "reasoning_content": "hm"}
            return JSONResponse({"choices": [{"message": message, "finish_reason": "stop"}]})
        return CHAIN

    config = EvalRun.model_validate(
        {"questions": [questions], "server": {"url": "http://x/v1", "model": "served"}}
    )
    file = tmp_path / "transcripts.jsonl"
    async with serve(answer) as server:
        settings = EndpointSettings(url=server.url, model="served")
        endpoint = Endpoint(settings, Cache(tmp_path / "replies.sqlite"), TeacherError)
        told: list[Any] = []

        async def go() -> list[str]:
            return await evaluate(
                config,
                Served(endpoint),
                Reward(),
                FakeJudge(1.0),
                file,
                workers=2,
                progress=lambda done, problem: told.append(problem),
            )

        failed = await go()
        assert len(failed) == 2
        told_of = "\n".join(failed)
        assert "ambig-train-1" in told_of
        assert "ambig-train-2: the reply is no answer: it holds no text" in told_of
        assert sum(problem is not None for problem in told) == 2
        broken = False
        assert await go() == []
        await endpoint.aclose()
    assert sorted(t.id for t in read_transcripts(file)) == [f"ambig-train-{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("message", "completion"),
    [
        ({"content": "", "reasoning_content": "Let me"}, "<think>\nLet me"),
        ({"content": None}, "<think>\n"),  # the server keeps its reasoning back
        ({"content": "It is"}, "It is"),
        ({"content": "It is", "reasoning": "Hm."}, "<think>\nHm.\n</think>\n\nIt is"),
    ],
)
async def test_an_answer_that_is_cut_off_before_its_first_word_was_still_reasoning(
    message: dict[str, Any], completion: str
) -> None:
    def answer(body: dict[str, Any]) -> JSONResponse:
        cut = {"message": {"role": "assistant", **message}, "finish_reason": "length"}
        return JSONResponse({"choices": [cut]})

    async with serve(answer) as server:
        settings = EndpointSettings(url=server.url, model="served")
        endpoint = Endpoint(settings, None, TeacherError)
        said = await Served(endpoint).answer([[Message(role="user", content="2+2?")]], ["q"])
        await endpoint.aclose()
    assert said == [completion]


async def test_what_a_judge_failed_on_is_judged_again(questions: Path, tmp_path: Path) -> None:
    config = EvalRun.model_validate({"questions": [questions], "model": "here"})
    file, written = tmp_path / "transcripts.jsonl", []

    def write(prompts: Any, ids: Any) -> list[str]:
        written.extend(ids)
        return [CHAIN for _ in prompts]

    def fail(question: Any, response: str) -> Any:
        return JudgeError("down") if question.id.endswith("-1") else 1.0

    broken, well = FakeJudge(fail), FakeJudge(1.0)
    assert await evaluate(config, Local(write, 2), Reward(), broken, file) == []
    first = {t.id: t for t in read_transcripts(file)}
    assert first["ambig-train-1"].mutual_welfare is None  # unknown, not 0
    assert "down" in str(first["ambig-train-1"].unscored)
    assert await evaluate(config, Local(write, 2), Reward(), well, file) == []
    second = {t.id: t for t in read_transcripts(file)}
    assert [question.id for question, _ in well.calls] == ["ambig-train-1"]
    assert well.calls[0][0].messages[0]["role"] == "user"  # what was asked, without instruction
    assert second["ambig-train-1"].mutual_welfare is not None
    assert second["ambig-train-1"].completion == CHAIN
    assert {k: v for k, v in second.items() if k != "ambig-train-1"} == {
        k: v for k, v in first.items() if k != "ambig-train-1"
    }
    assert written == [f"ambig-train-{n}" for n in range(3)]  # each once


def test_the_papers_runs_can_be_planned_without_weights(
    examples: Path, questions: Path, capsys: Any
) -> None:
    data = [f'questions=["{questions}"]']
    held_out = f'held_out.questions=["{questions}"]'
    sft = plan_sft(load(SFTRun, find("sft", "paper"), [f'data=["{examples}"]', held_out]))
    assert (sft["held_out_answers"], sft["judge_calls"]) == (3, 3)
    assert sft["steps"] == 6
    assert sft["memory_gib"]["weights"] == pytest.approx(3_085_938_688 * 4 / 2**30)
    assert sft["memory_gib"]["optimizer"] == 2 * sft["memory_gib"]["weights"]
    rl = plan_rl(load(RLRun, find("rl", "paper"), data))
    assert rl["completions"] == rl["judge_calls"] == 150 * 512
    assert rl["memory_gib"]["total"] < 80
    found = plan_eval(load(EvalRun, find("eval", "paper"), data))
    assert (found["questions"], found["judge_calls"]) == (3, {"judge": 3})
    assert found["memory_gib"]["weights"] == pytest.approx(3_085_938_688 * 2 / 2**30)
    assert found["memory_gib"]["total"] < 80
    override = f'questions=["{questions}"]'
    dry = ["synth", "--config", "paper", "--set", override, "--dry-run", "--json"]
    assert main(dry) == 0
    assert json.loads(capsys.readouterr().out)["teacher_calls"] == {"writer": 81, "structurer": 27}
    assert main(["rl", "--config", "paper", "--set", override, "--dry-run"]) == 0
    assert "memory_gib:" in capsys.readouterr().out


def test_memory_is_that_of_the_formula() -> None:
    size = ModelSize(parameters=1 << 30, layers=2, width=4, intermediate=8, vocabulary=16)
    full = memory(size, tokens=1 << 20)
    assert full["weights"] == full["gradients"] == 4
    assert full["optimizer"] == 8
    assert full["activations"] == pytest.approx(4 * 2 * 34 * 2 / 1024)
    assert full["total"] == pytest.approx(sum(v for k, v in full.items() if k != "total"))
    low = memory(size, tokens=1 << 20, lora=LoRASettings(rank=2), bf16=True, checkpointing=True)
    assert trainable(size, LoRASettings(rank=2)) == 2 * 2 * (32 + 36)
    assert low["activations"] == pytest.approx(4 * (4 + 34) / 1024)
    assert "reference" not in low
    assert memory(size, tokens=1, reference=True)["reference"] == 4
    assert generation(size, tokens=1 << 26, bf16=True) == {
        "weights": 2,
        "keys_and_values": 2,
        "total": 4,
    }
    shared = size.model_copy(update={"kv_width": 1})
    assert generation(shared, tokens=1 << 26)["keys_and_values"] == 1


SFT, RL = {"model": "m", "data": ["x"]}, {"model": "m", "questions": ["x"]}


@pytest.mark.parametrize(
    ("cls", "given", "problem"),
    [
        (SFTRun, SFT | {"sft": {"batch": 3, "hardware": {"accumulation": 2}}}, "a multiple of"),
        (SFTRun, SFT | {"sft": {"lora": {}, "matrix_learning_rate": 1}}, "learns by AdamW"),
        (RLRun, RL | {"rl": {"vllm": True}}, "needs a GPU"),
        (RLRun, RL | {"rl": {"group": 1}}, "at least 2"),
        (RLRun, RL | {"rl": {"hardware": {"accumulation": 3}}}, "a multiple of"),
        (EvalRun, {"questions": ["x"]}, "give model or server"),
    ],
)
def test_settings_that_do_not_fit_are_refused(cls: Any, given: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        cls.model_validate(given)


def test_files_without_anything_to_do_are_told(
    student: Path, tmp_path: Path, examples: Path, capsys: Any
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    sft = write(tmp_path / "sft.toml", f'model = "{student}"\ndata = ["{empty}"]\n')
    assert main(["sft", "--config", sft, "--out", str(tmp_path / "a")]) == 2
    assert "no example in" in capsys.readouterr().err
    rl = write(tmp_path / "rl.toml", f'model = "{student}"\nquestions = ["{empty}"]\n')
    assert main(["rl", "--config", rl, "--out", str(tmp_path / "b")]) == 2
    assert "it holds no question" in capsys.readouterr().err
    row = json.loads(examples.read_text().splitlines()[0])
    for broken, problem in ((row | {"completion": " "}, "'completion'"), ({}, "'prompt'")):
        empty.write_text(json.dumps(broken) + "\n")
        with pytest.raises(DataError, match=f"line 1: .*{problem}"):
            list(read_examples(empty))
