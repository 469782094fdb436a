"""Conversations about other games: goals that rows tell, users by row, actions by their signs."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialogue_parts import SURE, SayingAssistant
from gtalign.chain import work_out
from gtalign.cli import main
from gtalign.data.rows import read_rows
from gtalign.dialogue import (
    Match,
    Persona,
    Played,
    Rules,
    ScriptedUser,
    SteeredAssistant,
    goal_of,
    play,
)
from gtalign.dialogue.measures import MEASURES
from gtalign.errors import DataError
from gtalign.evaluation.dialogue import Conversations, ConverseRun, agreements
from gtalign.evaluation.dialogue.run import matches
from gtalign.evaluation.paper import Study, table_named
from gtalign.evaluation.paper.conversations import conversations_report
from gtalign.game import USER_LLM, Bimatrix
from gtalign.game.file import load_game
from gtalign.steering import FakeBackend, SteeringSettings
from gtalign.tasks import Message, Question
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.games import game_of, noted_form
from standins.server import StandIn, serving_threads

CODING, SUPPORT = load_game("coding"), load_game("support")
GOAL: dict[str, Any] = {
    "wish": "You want the module utils renamed to text.",
    "answers": ["utils is now text"],
    "missing": [{"topic": ["name|call"], "reply": "Call it text."}],
    "ready": [{"topic": ["go|proceed"], "reply": "Yes, go on."}],
    "detailed": "Rename the module utils to text.",
}
DONE = "Done. The module utils is now text."
PLAN = "Plan: rename utils, then its imports. Shall I go on?"
ASK = "Which name should it get?"


def order(**changes: Any) -> Question:
    asked = (Message(role="user", content="Rename the module utils."),)
    return Question(
        id="o", task="coding", messages=asked, ground_truth="", cluster="o",
        extra={"goal": {**GOAL, **changes}},
    )  # fmt: skip


def told(*responses: str, persona: Persona = SURE, form: Any = CODING, **goal: Any) -> Played:
    """Play a conversation in which the assistant says these, the last again and again."""
    said = iter([*responses, *[responses[-1]] * 9])
    goal_ = goal_of(order(**goal))
    assert goal_ is not None
    match = Match(goal_, ScriptedUser(), "u", persona, "ask")
    assistant = SayingAssistant(lambda messages, force: next(said))
    return asyncio.run(play(match, assistant, Rules(form=form)))[0]


@pytest.mark.parametrize(
    ("responses", "actions", "end", "last"),
    [
        ([DONE], ["ACT"], "satisfied", None),
        ([PLAN, DONE], ["PLAN", "ACT"], "satisfied", "Yes, go on."),
        ([ASK, DONE], ["ASK", "ACT"], "satisfied", "Call it text."),
        (["I have moved it."], [None], "left", None),
        ([f"Plan: utils is now text. {ASK}"], ["PLAN"], "satisfied", None),
        (["Plan: utils is now text. Shall I go on?"], ["PLAN"], "satisfied", None),
        ([""], [None], "left", None),
    ],
)
def test_actions_are_those_of_the_game(
    responses: list[str], actions: list[str | None], end: str, last: str | None
) -> None:
    record = told(*responses)
    assert [turn.action for turn in record.turns] == actions
    assert record.end == end
    assert {turn.reply for turn in record.turns if turn.reply is not None} == (
        {last} if last else set()
    )
    assert Played.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_user_who_does_not_answer_leaves_a_plan() -> None:
    record = told(PLAN, DONE, persona=Persona(replies=0.0))
    assert (record.end, len(record.turns)) == ("left", 1)


@pytest.mark.parametrize(
    ("responses", "premature", "needless", "goal"),
    [([DONE], 1, 0, 1), ([PLAN, ASK, DONE], 0, 1, 1), (["Moved to lib."], 1, 0, 0)],
)
def test_measures_need_no_action_of_the_usual_game(
    responses: list[str], premature: float, needless: float, goal: float
) -> None:
    record = told(*responses)
    found = {name: MEASURES[name].of(record) for name in ("premature", "needless", "goal")}
    assert found == {"premature": (premature, 1), "needless": (needless, 1), "goal": (goal, 1)}


def test_without_answers_nobody_knows_what_is_right() -> None:
    record = told(DONE, answers=[])
    assert record.turns[0].quality is None and MEASURES["goal"].of(record) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wish": None}, "wish"),
        ({"wishes": "x"}, "did you mean 'wish'"),
        ({"answers": "x"}, "answers"),
        ({"missing": [{"topic": ["a"]}]}, "missing"),
        ({"ready": [{"topic": "go", "reply": "x"}]}, "ready"),
        ({"harmful": "perhaps"}, "harmful"),
        ({"answers": [float("nan")]}, "answers"),
        ({"answers": ["fine", "!!!"]}, "no response can hold '!!!'"),
        ({"answers": [" "]}, "is empty"),
        ({"answers": ["\ud800"]}, "unicode"),
        ({"wish": " \n"}, "is empty"),
        ({"detailed": ""}, "is empty"),
        ({"missing": [{"topic": ["a"], "reply": "..."}]}, "nothing is told by '...'"),
        ({"missing": [{"topic": ["a"], "reply": "\U0001f44d"}]}, "nothing is told by"),
        ({"missing": [{"topic": ["|"], "reply": "x"}]}, "no question can name ''"),
        ({"missing": [{"topic": ["name|"], "reply": "x"}]}, "no question can name ''"),
        ({"missing": [{"topic": ["new york"], "reply": "x"}]}, "no question can name 'new york'"),
        ({"ready": [{"topic": ["e-mail"], "reply": "x"}]}, "no question can name 'e-mail'"),
        ({"ready": [{"topic": ["go"], "reply": " "}]}, "is empty"),
    ],
)
def test_a_wrong_goal_names_question_and_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"question 'o'.*{message}"):
        goal_of(order(**changes))
    with pytest.raises(DataError, match="has to be an object"):
        goal_of(replace(order(), extra={"goal": "rename"}))


def test_a_topic_has_no_case_and_a_ready_reply_needs_no_words() -> None:
    ready = [{"topic": ["GO|Proceed"], "reply": "\U0001f44d"}]
    missing = [{"topic": ["Name"], "reply": "Call it text."}]
    record = told(PLAN, ASK, DONE, missing=missing, ready=ready)
    assert [turn.reply for turn in record.turns] == ["\U0001f44d", "Call it text.", None]
    assert record.end == "satisfied"


def test_rows_of_both_kinds_of_file_tell_goals(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    rows = [
        {
            "prompt": [{"role": "user", "content": "Rename utils."}],
            "data_source": "coding",
            "reward_model": {"ground_truth": None},
            "extra_info": {"goal": goal},
        }
        for goal in (GOAL, {"wish": "w"})
    ]
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(Table.from_pylist(rows), tmp_path / "b.parquet")
    for file in (lines, tmp_path / "b.parquet"):
        first, second = (goal_of(question) for question in read_rows(file))
        assert first is not None and second is not None
        assert [fact.reply for fact in first.missing] == ["Call it text."]
        assert (second.wish, second.missing, second.grade("x")) == ("w", (), None)


STATED = {
    "HO_ACT": (3.5, 3.0), "HO_PLAN": (1.5, 1.0), "HO_ASK": (0.5, 0.5),
    "RV_ACT": (1.0, 0.5), "RV_PLAN": (3.5, 2.5), "RV_ASK": (2.0, 1.5),
}  # fmt: skip
RESPONSES = {"ACT": DONE, "PLAN": PLAN, "ASK": ASK}


def writes(messages: Sequence[Message], begun: str) -> str:
    """State the matrix, and do what the matrix or the forced analysis says."""
    heard = messages[-1]["content"]
    if heard in ("Yes, go on.", "Call it text."):
        return f"<response>{DONE}</response>".removeprefix(begun)
    game = Bimatrix.from_json(
        {cell: dict(zip(("user", "LLM"), both, strict=True)) for cell, both in STATED.items()},
        CODING,
    )
    cell = work_out(game).cell
    for key in CODING.cells:
        if f"Choose {key}." in begun or f"choose {key}." in begun:
            cell = key
    head = f"<thinking>An order.</thinking>\n<payoff>{json.dumps(game.to_json())}</payoff>\n"
    tail = f"<response>{RESPONSES[cell.partition('_')[2]]}</response>"
    if "<analyze>" in begun:
        return f"</analyze>\n{tail}" if "</analyze>" not in begun else tail
    return f"{head}<analyze>Choose {cell}.</analyze>\n{tail}".removeprefix(begun)


def coding_run(**changes: Any) -> ConverseRun:
    users = {"hands-off": {"plays": "HO"}, "reviews": {"plays": "RV"}}
    return ConverseRun.model_validate(
        {"model": "m", "questions": ["q"], "game": "coding", "users": users, "matrix": 1, **changes}
    )


def test_each_user_plays_its_own_row() -> None:
    config = coding_run(plays=1, arms=["ask"])
    goal = goal_of(order())
    assert goal is not None
    users = {name: settings.open() for name, settings in config.users.items()}
    cells = [one.arm for one in matches(config, [goal], users) if one.force]
    assert cells == list(CODING.cells)
    assert not any(one.detailed for one in matches(config, [goal], users))


def test_matrices_are_played_in_the_game_of_the_run() -> None:
    config = coding_run(plays=1)
    assistant = SteeredAssistant(
        FakeBackend(writes), "m", SteeringSettings(instruct="none"), form=config.form
    )
    goal = goal_of(order())
    assert goal is not None
    users = {name: settings.open() for name, settings in config.users.items()}

    async def every() -> list[Transcript]:
        rules = Rules(form=config.form)
        return [
            replace((await play(one, assistant, rules))[1], model="m")
            for one in matches(config, [goal], users)
        ]

    rows = asyncio.run(every())
    assert {row.game for row in rows} == {CODING.identity}
    found = agreements(rows)
    assert [(one.user, one.form.cells) for one in found] == [
        ("hands-off", CODING.cells), ("reviews", CODING.cells),
    ]  # fmt: skip
    for one, row in zip(found, ("HO", "RV"), strict=True):
        [matrix] = one.matrices
        assert matrix.asked == row and matrix.carried == 1.0
        assert set(matrix.cells) == {f"{row}_{action}" for action in CODING.llm_actions}
        assert matrix.choice == "ACT" and matrix.regret >= 0
    report = conversations_report(Conversations.read(rows), found)
    [payoffs] = [sheet for sheet in report.sheets if sheet.name == "conversations-payoffs"]
    assert [row[0][0] for row in payoffs.rows] == list(CODING.cells)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": {"u": {}}}, "users.u: matrix needs to know .* one of HO, RV"),
        ({"users": {"u": {"plays": "LEA"}}}, "users.u.plays: 'LEA' is not one of HO, RV"),
        ({"game": None}, "is for another game"),
        ({"game": "codding"}, "did you mean 'coding'"),
    ],
)
def test_users_have_to_fit_the_game(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coding_run(**changes)


@pytest.mark.parametrize("form", [CODING, SUPPORT, USER_LLM])
def test_the_noted_game_is_read_back(form: Any) -> None:
    found = noted_form(game_of(form))
    assert (found.cells, found.llm_actions) == (form.cells, form.llm_actions)


@pytest.mark.parametrize("noted", ["coding", "g: A B", "g:  x A", "g: A A x B", "g: A_B x C"])
def test_a_note_of_no_game_is_refused(noted: str) -> None:
    with pytest.raises(DataError, match="names no game"):
        noted_form(noted)


class Support(StandIn):
    """A server that asks for the number of the order, and then answers."""

    def routes(self) -> dict[str, Any]:
        return {**super().routes(), "POST /v1/chat/completions": self.chat}

    async def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        known = "4711" in body["messages"][-1]["content"]
        said = "It comes on Tuesday." if known else "What is the number of your order?"
        message = {"role": "assistant", "content": said}
        return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_threads() as begin:
        yield begin(Support())


def test_the_command_takes_a_game(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = {
        "wish": "You want to know when order 4711 arrives.",
        "answers": ["Tuesday"],
        "missing": [{"topic": ["number|order"], "reply": "It is 4711."}],
        "detailed": "When does order 4711 arrive?",
    }
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Where is my parcel ({place})?"}],
            "data_source": "support",
            "reward_model": {"ground_truth": None},
            "extra_info": {"goal": goal},
        }
        for place in range(3)
    ]
    file, out = tmp_path / "complaints.jsonl", tmp_path / "run"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["converse", f"{url}/v1", str(file), "--game", "support", "--out", str(out)]
    assert main([*command, "--set", "users.scripted.persona.replies=1.0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["conversations-scripted"]
    goals = {row["arm"]: row["value"] for row in found if row["measure"] == "goal"}
    assert goals == {"baseline": 0.0, "full": 1.0, "ask": 1.0}
    read = list(read_transcripts(out / "transcripts.jsonl"))
    assert {one.game for one in read} == {SUPPORT.identity}
    talked = next(one.conversation for one in read if "[scripted, ask" in one.id)
    assert talked is not None
    assert [turn["action"] for turn in talked["turns"]] == ["ASK", "RES"]
    # Conversations of two games are not comparable.
    other = tmp_path / "other" / "transcripts.jsonl"
    other.parent.mkdir()
    with TranscriptWriter(other) as writer:
        for one in read:
            writer.write(replace(one, game=CODING.identity))
    with pytest.raises(DataError, match=r"several games: support: .* and coding: "):
        table_named("conversations", Study([out, other.parent]))
