"""Reinforcement learning over conversations: what is sampled, masked, rewarded and compared."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from transformers import TrainerCallback

from gtalign.dialogue import Conversation, Left, Match, Played, Reply, Rules
from gtalign.dialogue.measures import welfare
from gtalign.errors import DataError, TrainingError, UserError
from gtalign.judges.failures import Failures
from gtalign.lab.desk.people import RULES, match_of
from gtalign.lab.desk.teacher import lessons
from gtalign.lab.desk.wishes import Wish, make_questions
from gtalign.lab.goals import known_goal
from gtalign.lab.tokenizer import train_tokenizer
from gtalign.models.chat import Chat
from gtalign.models.model import LocalModel
from gtalign.tasks import Question
from gtalign.training import RLSettings
from gtalign.training.conversations import conversation_spec, means, measure_reward
from gtalign.training.credit import turn_advantages
from gtalign.training.metrics import read_metrics
from gtalign.training.rl_run import RLRun, plan
from gtalign.training.talks import TalkSettings, matches
from gtalign.training.talks_run import run_talks
from gtalign.training.turns import train_turns
from gtalign.transcripts import read_transcripts
from small_lab import small_model

# The trainer complains of its own habits.
pytestmark = pytest.mark.filterwarnings("default")

QUESTIONS = [q for q in make_questions(0, 40, "train") if Wish.read(q.text).stated is None][:4]
TOKENIZER = train_tokenizer(
    [
        text
        for question in make_questions(0, 40, "train")
        for messages, answer in lessons(question, np.random.default_rng(0))
        for text in (messages[-1]["content"], answer)
    ],
    400,
)
SETTINGS = RLSettings(steps=2, questions=2, group=3, max_completion=12, save_steps=1)
GROUP = SETTINGS.group


class Scripted(LocalModel):
    """A model that asks first, and then answers with what it was told or with a cat."""

    def __init__(self, *, ends: bool = True) -> None:
        super().__init__(small_model(TOKENIZER), Chat(TOKENIZER))
        self.asked: list[list[int]] = []
        self.finishes = ends

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        temperature: float,
        grammar: str | None = None,
    ) -> list[list[int]]:
        self.asked += [list(prompt) for prompt in prompts]
        return [self._say(TOKENIZER.decode(prompt)) for prompt in prompts]

    def _say(self, text: str) -> list[int]:
        last = text.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
        said = f"here is {last}" if last.startswith("a ") else "which one?"
        if " i want a " in last:
            said = f"which {last.rpartition(' ')[2].removesuffix('.')}?"
        ids = list(TOKENIZER(said)["input_ids"])
        return [*ids, TOKENIZER.eos_token_id] if self.finishes else ids


def drawn(model: LocalModel, step: int = 0, **options: Any) -> dict[str, Any]:
    rules = options.pop("rules", RULES)
    match = options.pop("match", match_of)
    spec = conversation_spec(model, QUESTIONS, match, ["welfare"], SETTINGS, rules, **options)
    prompts = [row["prompt"] for row in spec["train_dataset"] for _ in range(GROUP)]
    trainer = SimpleNamespace(state=SimpleNamespace(global_step=step))
    found: dict[str, Any] = spec["rollout_func"](prompts, trainer)
    return found


@pytest.mark.parametrize("ends", [True, False], ids=["ends its turns", "is cut off"])
def test_a_conversation_is_one_sequence_as_the_template_writes_it(ends: bool) -> None:
    model = Scripted(ends=ends)
    found = drawn(model)
    long = [n for n, one in enumerate(found["played"]) if len(one.turns) > 1]
    assert long
    for n in long:
        played: Played = found["played"][n]
        messages = [*QUESTIONS[n // GROUP].messages]
        for turn in played.turns:
            messages.append({"role": "assistant", "content": turn.response})
            if turn.reply is not None:
                messages.append({"role": "user", "content": turn.reply})
        whole = TOKENIZER.apply_chat_template(messages, tokenize=False)
        text = TOKENIZER.decode(found["prompt_ids"][n] + found["completion_ids"][n])
        assert whole.startswith(text)
        assert whole[len(text) :] == ("\n" if ends else "<|im_end|>\n")


def test_only_what_the_model_wrote_is_trained_on() -> None:
    found = drawn(Scripted())
    for ids, mask, turns, played in zip(
        *(found[name] for name in ("completion_ids", "env_mask", "turns", "played")), strict=True
    ):
        assert mask == [int(turn > 0) for turn in turns]
        for number, turn in enumerate(played.turns, 1):
            own = [i for i, place in zip(ids, turns, strict=True) if place == number]
            assert TOKENIZER.decode(own, skip_special_tokens=True) == turn.response
        heard = TOKENIZER.decode([i for i, own in zip(ids, mask, strict=True) if not own])
        for turn in played.turns:
            assert turn.reply is None or turn.reply in heard


def test_the_people_of_a_group_differ_and_those_of_a_step_stay() -> None:
    def people(step: int) -> list[tuple[str, str]]:
        played = drawn(Scripted(), step)["played"]
        return [(one.user, "".join(turn.reply or "" for turn in one.turns)) for one in played]

    assert people(3) == people(3) != people(4)
    assert any(len(set(people(3)[head : head + GROUP])) > 1 for head in range(0, 12, GROUP))


class Gone:
    """A user that fails in some conversations, and leaves the others."""

    def __init__(self, share: float) -> None:
        self.share = share

    async def reply(self, conversation: Conversation) -> Reply:
        if conversation.rng().random() < self.share:
            raise UserError(f"user, {conversation.id}: it is gone", "connection")
        return Left()


def with_user(user: Any) -> Any:
    def match(question: Question, number: int) -> Match:
        return replace(match_of(question, number), user=user)

    return match


def test_a_failed_conversation_has_no_reward_and_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "transcripts.jsonl"
    found = drawn(Scripted(), match=with_user(Gone(0.5)), log=file)
    logged: dict[str, float] = {}
    paid = measure_reward("welfare")([], [], played=found["played"], log_metric=logged.__setitem__)
    failed = [one.end == "failed" for one in found["played"]]
    assert 0 < sum(failed) < len(failed)
    assert [reward is None for reward in asyncio.run(paid)] == failed
    assert logged["judge_failed/user"] == np.mean(failed)
    rows = list(read_transcripts(file))
    assert [row.unscored is not None for row in rows] == failed
    assert [row.mutual_welfare is None for row in rows] == failed


def test_too_many_failures_stop_the_run() -> None:
    failures = Failures(0.2, 12, "conversations failed", UserError)
    with pytest.raises(UserError, match=r"of the latest 12 conversations failed .*it is gone"):
        drawn(Scripted(), match=with_user(Gone(0.5)), failures=failures)
    with pytest.raises(UserError, match=r"all 12 conversations of a step failed: .*it is gone"):
        drawn(Scripted(), match=with_user(Gone(1.0)))


def test_a_conversation_that_fills_the_context_fails_alone() -> None:
    model = Scripted()
    lengths = [len(ids) for ids in drawn(model)["prompt_ids"]]
    model.network.config.max_position_embeddings = max(lengths) - 1 + SETTINGS.max_completion
    found = drawn(model)
    failed = [one.failed == "assistant" for one in found["played"]]
    silent = [not any(mask) for mask in found["env_mask"]]
    assert 0 < sum(silent) < len(silent)
    assert all(one for one, none in zip(failed, silent, strict=True) if none)
    assert all(found["completion_ids"])  # the trainer needs a token
    model.network.config.max_position_embeddings = 20
    with pytest.raises(TrainingError, match=r"all 12 conversations of a step failed: .*context"):
        drawn(model)


def test_rewards_are_the_measures_of_whole_conversations() -> None:
    played = drawn(Scripted())["played"]
    for name, place in (("user_welfare", 0), ("llm_welfare", 1), ("welfare", 2)):
        paid = asyncio.run(measure_reward(name)([], [], played=played))
        found = [welfare(one) for one in played]
        assert paid == [pytest.approx(one[place]) for one in found if one is not None]
    assert means(played)["conversation/turns"] == np.mean([len(one.turns) for one in played])


def test_advantages_by_turn() -> None:
    rewards = np.array([[1.0], [0.0], [0.6], [0.2], [np.nan], [3.0]])
    found = turn_advantages(rewards, [1, 2, 2, 1, 2, 2], 3, "none")
    third = 1.6 / 3
    assert found == pytest.approx(
        np.array(
            [
                [1 - third, 0],
                [-third, -0.3],
                [0.6 - third, 0.3],
                [0.2 - 1.6, 0],
                [0, 0],
                [3 - 1.6, 0],  # nobody else of whom anything is known came as far
            ]
        )
    )
    scaled = turn_advantages(rewards[:3], [1, 2, 2], 3, "group")
    assert scaled[:, 0].std(ddof=1) == pytest.approx(1, abs=1e-3)
    both = turn_advantages(np.hstack([rewards, 10 * rewards]), [1] * 6, 3, "group")
    assert both == pytest.approx(2 * turn_advantages(rewards, [1] * 6, 3, "group"), abs=1e-2)


@pytest.mark.parametrize(
    ("credit", "rewards"),
    [("conversation", ["user_welfare", "llm_welfare"]), ("turn", ["welfare"])],
)
def test_it_trains(tmp_path: Path, credit: Any, rewards: list[str]) -> None:
    lines = train(tmp_path, rewards, credit)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert all(f"rewards/{name}/mean" in lines[0] for name in rewards)


def train(
    folder: Path, rewards: list[str], credit: Any, *callbacks: TrainerCallback
) -> list[dict[str, float]]:
    model = LocalModel(small_model(TOKENIZER), Chat(TOKENIZER))
    spec = conversation_spec(model, QUESTIONS, match_of, rewards, SETTINGS, RULES)
    train_turns(model, spec, folder, SETTINGS, 1, credit=credit, callbacks=callbacks)
    return read_metrics(folder / "metrics.jsonl")


class Stop(TrainerCallback):
    """Stops training after its first step, once its checkpoint is written."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            raise KeyboardInterrupt


def test_a_stopped_stage_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", ["welfare"], "turn", Stop())
    whole, stopped = (train(tmp_path / name, ["welfare"], "turn") for name in ("whole", "stopped"))
    assert stopped == whole


def test_users_take_turns() -> None:
    config = TalkSettings.model_validate(
        {"users": {"one": {}, "two": {"persona": {"replies": 0.1}}}}
    )
    users = {name: one.open() for name, one in config.users.items()}
    match = matches(config, users, lambda q, seed: match_of(q, seed).goal, 0)
    found = [match(QUESTIONS[0], number) for number in range(4)]
    assert [one.name for one in found] == ["one", "two", "one", "two"]
    assert [one.persona.replies for one in found[:2]] == [0.9, 0.1]
    assert len({one.id for one in found}) == 4


@pytest.mark.parametrize("name", ["turns", "needless", "warmth"])
def test_only_what_is_good_can_be_maximised(name: str) -> None:
    with pytest.raises(ValidationError, match="no measure to maximise"):
        TalkSettings.model_validate({"rewards": [name]})


def test_rules_hold_in_training() -> None:
    found = drawn(Scripted(), rules=Rules(turns=1))
    assert {len(one.turns) for one in found["played"]} == {1}


ROW = {
    "prompt": [{"role": "user", "content": "i want a pet."}],
    "data_source": "ambig_qa",
    "reward_model": {
        "ground_truth": "multipleQAs###Meaning 1: a cat?; Answer 1: cat"
        " Meaning 2: a dog?; Answer 2: dog"
    },
}
UNKNOWN = {**ROW, "data_source": "math-hard", "reward_model": {"ground_truth": "5"}}


def run_on(tmp_path: Path, rows: list[dict[str, Any]], **dialogue: Any) -> dict[str, Any]:
    student, file = tmp_path / "student", tmp_path / "questions.jsonl"
    TOKENIZER.save_pretrained(student)
    small_model(TOKENIZER).save_pretrained(student)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = {
        "model": str(student),
        "questions": [str(file)],
        "instruct": False,
        "rl": {"steps": 1, "questions": 1, "group": 4, "max_completion": 6},
        "dialogue": dialogue,
    }
    return run_talks(RLRun.model_validate(table), tmp_path / "out", known_goal)


def test_a_run_trains_on_the_questions_whose_goal_is_known(tmp_path: Path) -> None:
    found = run_on(tmp_path, [ROW, UNKNOWN], turns=2, rewards=["welfare", "goal"], credit="turn")
    assert (found["questions"], found["left_out"]) == (1, 1)
    assert Path(found["checkpoint"], "model.safetensors").is_file()
    rows = list(read_transcripts(tmp_path / "out" / "transcripts.jsonl"))
    assert len(rows) == 4
    assert all(row.extra["step"] == 0 and row.conversation for row in rows)
    assert found["last"]["conversation/turns"] >= 1


def test_a_run_without_any_goal_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 1 questions has a goal"):
        run_on(tmp_path, [UNKNOWN])


def test_a_run_whose_user_is_dead_stops_and_names_it(tmp_path: Path) -> None:
    endpoint = {"url": "http://127.0.0.1:9/v1", "model": "person", "attempts": 1}
    users = {"person": {"kind": "endpoint", "endpoint": endpoint}}
    with pytest.raises(UserError, match=r"all 4 conversations of a step failed: .*person"):
        run_on(tmp_path, [ROW], users=users)


def test_the_dry_run_counts_conversations(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps(ROW) + "\n")
    table = {"model": "m", "questions": [str(file)], "rl": {"steps": 2}, "dialogue": {"turns": 3}}
    found = plan(RLRun.model_validate(table))
    assert (found["conversations"], found["turns"]) == (128, "up to 3")
    assert "judge_calls" not in found


@pytest.mark.parametrize("rl", [{"counterfactual": 0.5}, {"vllm": True, "hardware": {"gpu": True}}])
def test_conversations_are_drawn_by_transformers(rl: dict[str, Any]) -> None:
    table = {"model": "m", "questions": ["q.jsonl"], "rl": rl, "dialogue": {}}
    with pytest.raises(ValidationError, match="transformers draws conversations"):
        RLRun.model_validate(table)
