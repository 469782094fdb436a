"""The users that ship: a model behind an endpoint, recorded people, goals from labels, leaks."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dialogue_parts import ANSWER, ASK, GOAL, IDLE, SURE, WRONG, SayingAssistant, asks_then_answers
from gtalign.config import load_table
from gtalign.dialogue import (
    Conversation,
    EndpointUser,
    Goal,
    Left,
    Match,
    Missing,
    Persona,
    Played,
    Recorded,
    RecordedUser,
    Reply,
    Rules,
    Satisfied,
    ScriptedUser,
    UserSettings,
    goal_of,
    play,
    play_all,
    read_recorded,
)
from gtalign.dialogue.endpoint import messages_for
from gtalign.dialogue.leaks import leaks_of
from gtalign.dialogue.persona import Costs
from gtalign.endpoints import Cache, Endpoint, EndpointSettings
from gtalign.errors import ConfigError, DataError, UserError
from gtalign.tasks import Message, Question
from gtalign.transcripts import read_transcripts
from judge_server import completion, serve


def seen(response: str = ASK, persona: Persona = SURE, goal: Goal = GOAL) -> Conversation:
    said = Message(role="assistant", content=response)
    return Conversation(goal, persona, (*goal.opening, said), turns=1, id="q 0")


async def asked(answer: Any, conversation: Conversation, cache: Path | None = None) -> Any:
    """What a user behind a real server replies, and the requests that the server got."""
    async with serve(lambda body: answer) as server:
        settings = EndpointSettings(url=server.url, model="m", attempts=1)
        kept = None if cache is None else Cache(cache)
        user = EndpointUser(Endpoint(settings, kept, UserError, "user"))
        try:
            return await user.reply(conversation), server.requests
        finally:
            await user.aclose()


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("The one in the cartoon.", "The one in the cartoon."),
        ("You: the cartoon one", "the cartoon one"),
        ("<think>They ask which.</think>The cartoon.", "The cartoon."),
        ("[SATISFIED]", Satisfied()),
        ("Thanks! [satisfied]", Satisfied()),
        ("[LEAVE]", Left()),
        ("(SATISFIED)", Satisfied()),
        ("**SATISFIED**", Satisfied()),
        ("[ SATISFIED ]", Satisfied()),
        ("\\[SATISFIED\\].", Satisfied()),
        ("<LEAVE/>", Left()),
        ("**You:** `[LEAVE]`", Left()),
        ("LEAVE", Left()),
        ("\u3010LEAVE\u3011", Left()),
        ("Thank you so much [SATISFIED]", Satisfied()),
        ("That helps a lot\n\n**[SATISFIED]**", Satisfied()),
        ("Great \U0001f44d [SATISFIED]", Satisfied()),
        ("leave", "leave"),
        ("I want to LEAVE the cartoon", "I want to LEAVE the cartoon"),
        ("A note: the cartoon.", "A note: the cartoon."),
        ("\U0001f44d", "\U0001f44d"),
        ("This is a waste of time. [LEAVE]\n[LEAVE]", Left()),
    ],
)
def test_a_model_plays_a_person(text: str, reply: Reply) -> None:
    found, requests = asyncio.run(asked(text, seen()))
    assert found == reply
    system, conversation = (message["content"] for message in requests[0]["messages"])
    assert GOAL.wish in system and "8 messages" in system and "{{" not in system
    assert conversation.endswith(f"Assistant: {ASK}\n\nYour next message:")


def test_the_persona_is_told() -> None:
    persona = Persona(about="You are Ann, a nurse.", style="terse", type="guarded", patience=3)
    _, requests = asyncio.run(asked("x", seen(persona=persona)))
    system = requests[0]["messages"][0]["content"]
    for words in ("Ann, a nurse", "a few words", "asked again", "3 messages"):
        assert words in system


CHANGES: dict[str, Any] = {
    "type": "guarded",
    "style": "terse",
    "about": "You are Ann, a nurse.",
    "replies": 0,
    "stays": 0,
    "corrects": 0,
    "patience": 2,
    "costs.turn": 0.06,
    "costs.read": 0.001,
    "costs.written": 0.001,
    "costs.discount": 0.5,
}


def instruction(**keys: Any) -> str:
    given: dict[str, Any] = {"replies": 1, "stays": 1, "corrects": 1, **keys}
    return messages_for(seen(persona=Persona.model_validate(given)))[0]["content"]


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_of_the_persona_changes_the_instruction(field: str) -> None:
    name, _, inner = field.partition(".")
    value = {inner: CHANGES[field]} if inner else CHANGES[field]
    usual, changed = (text.splitlines() for text in (instruction(), instruction(**{name: value})))
    assert len(usual) == len(changed)
    assert sum(one != other for one, other in zip(usual, changed, strict=True)) == 1


def test_no_field_of_the_persona_is_left_out() -> None:
    fields = {name for name in Persona.model_fields if name != "costs"}
    fields |= {f"costs.{name}" for name in Costs.model_fields}
    assert fields - CHANGES.keys() == {"costs.llm"}  # which the user does not bear


def test_shares_of_the_persona_are_drawn_by_the_seed() -> None:
    some = Persona(replies=0.7, stays=0.5, corrects=0.2)
    texts = [
        messages_for(replace(seen(persona=some), id=f"q {n}", seed=3))[0]["content"]
        for n in range(400)
    ]
    for share, yes in (
        (0.7, "give exactly that detail"),
        (0.5, "do not mind"),
        (0.2, "say in one short message what you meant"),
    ):
        assert abs(sum(yes in text for text in texts) / 400 - share) < 0.1
    again = messages_for(replace(seen(persona=some), id="q 7", seed=3))[0]["content"]
    assert again == texts[7]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("", "nonsense"),
        ("  \n ", "nonsense"),
        ("<think>only thoughts", "nonsense"),
        ("[SATISFIED] or [LEAVE]", "nonsense"),
        ("[SATISFIED] [LEAVE]", "nonsense"),
        ("I am not [SATISFIED] yet, tell me the blue one.", "nonsense"),
        ("I am not [SATISFIED]", "nonsense"),
        ("Don't write [LEAVE]; the one at Hastings", "nonsense"),
        ("Shall I write <LEAVE>?", "nonsense"),
        ("What now? [LEAVE]", "nonsense"),
        ("The one in the cartoon. [SATISFIED]", "nonsense"),
        ("[SATISFIED]. No, wait.", "nonsense"),
        ("Hastings\n\nAssistant: It is 1066.\n\nYou: [SATISFIED]", "nonsense"),
        ("Assistant: It was in 1066. You: thanks", "nonsense"),
        ("**AI:** It was in 1066.", "nonsense"),
        ("The cartoon. Assistant: It is Joe.", "nonsense"),
        ("The cartoon.\nHuman: and which year?", "nonsense"),
        (Response(json.dumps(completion("\ud800 hi"))), "nonsense"),
        (Response(json.dumps(completion("hi \udfff"))), "nonsense"),
        ("\x00", "nonsense"),
        ("\u200b\ufeff \x07", "nonsense"),
        (ASK, "nonsense"),
        ("y" * 30_000, "nonsense"),
        (JSONResponse({"choices": []}), "no completion"),
        (JSONResponse({"error": "boom"}, 500), "http 500"),
        (JSONResponse([1, 2]), "no completion"),
        (PlainTextResponse("<html>busy</html>"), "no completion"),
    ],
)
def test_a_reply_that_is_none_is_an_error_with_its_cause(answer: Any, cause: str) -> None:
    with pytest.raises(UserError) as failed:
        asyncio.run(asked(answer, seen()))
    assert failed.value.cause == cause
    assert "user 'm', q 0" in str(failed.value)


def test_what_could_not_be_read_is_asked_again(tmp_path: Path) -> None:
    cache = tmp_path / "replies.sqlite"
    with pytest.raises(UserError):
        asyncio.run(asked("", seen(), cache))
    assert asyncio.run(asked("The cartoon.", seen(), cache))[0] == "The cartoon."


def test_an_endpoint_that_dies_costs_its_conversations_alone(tmp_path: Path) -> None:
    """Two of three requests fail; the run ends, and a second one plays what failed."""
    counted, dying = 0, True

    def answer(body: Any) -> Any:
        nonlocal counted
        counted += 1
        return JSONResponse({"error": "boom"}, 500) if dying and counted % 3 else "Cartoon."

    goals = [replace(GOAL, question=replace(GOAL.question, id=f"q{n}")) for n in range(6)]

    async def run() -> int:
        async with serve(answer) as server:
            settings = EndpointSettings(url=server.url, model="m", attempts=1)
            user = EndpointUser(Endpoint(settings, None, UserError))
            matches = [Match(goal, user, "llm", SURE, "ask") for goal in goals]
            assistant = SayingAssistant(asks_then_answers)
            try:
                return await play_all(matches, assistant, Rules(turns=2), file, workers=2)
            finally:
                await user.aclose()

    file = tmp_path / "t.jsonl"
    assert asyncio.run(run()) > 0
    dying = False
    assert asyncio.run(run()) == 0
    records = [Played.from_json(t.conversation) for t in read_transcripts(file)]
    assert len(records) == 6 and not any(record.problem for record in records)


def says(text: str) -> Any:
    class Says:
        async def reply(self, conversation: Conversation) -> Reply:
            return text if conversation.turns == 1 else Satisfied()

    return Says()


@pytest.mark.parametrize(
    ("response", "text", "leaks"),
    [
        (ASK, "The one in the cartoon.", ()),
        (ASK, "It is Joe Quimby, I believe.", ("answer",)),
        (ASK, "joe QUIMBY!", ("answer",)),
        (ANSWER, "Is Joe Quimby right?", ()),
        (IDLE, "I mean the one in the cartoon.", ("unasked",)),
        (IDLE, "Yes.", ()),
        (ASK, "you want to know who is the mayor of the Springfield in the cartoon", ("wish",)),
        (ANSWER, "I mean the one in the cartoon.", ("unasked",)),
        (WRONG, "No, the one in the cartoon.", ("unasked",)),
        (f"{WRONG} {IDLE}", "No, the one in the cartoon.", ("unasked",)),
    ],
)
def test_leaks_are_found(response: str, text: str, leaks: tuple[str, ...]) -> None:
    assert leaks_of(seen(response), text) == leaks
    match = Match(GOAL, says(text), "m", SURE, "ask")
    record, _ = asyncio.run(play(match, SayingAssistant(lambda m, f: response), Rules()))
    assert record.turns[0].leaks == leaks


@pytest.mark.parametrize("response", [WRONG, f"{WRONG} {IDLE}"])
def test_a_persona_that_corrects_may_say_what_was_meant_after_a_wrong_answer(response: str) -> None:
    corrects = Persona(corrects=0.5)
    assert leaks_of(seen(response, corrects), "No, the one in the cartoon.") == ()
    assert leaks_of(seen(ANSWER, corrects), "The one in the cartoon.") == ("unasked",)
    assert leaks_of(seen(IDLE, corrects), "The one in the cartoon.") == ("unasked",)


BATTLE = replace(
    GOAL,
    wish="x",
    answers=("14 October 1066, a Saturday", "Saint Calixtus' day", "5", "no, never", "AB, or so"),
    missing=(
        Missing(("battle",), "The one at Hastings.", frozenset({"the", "one"})),
        Missing(("calendar",), "In the Julian calendar.", frozenset({"in", "the"})),
        Missing(("side",), "At Hastings, the English side.", frozenset({"the"})),
    ),
)


@pytest.mark.parametrize(
    ("response", "text", "leaks"),
    [
        ("Which battle?", "Was it 14 October 1066?", ("answer",)),
        ("Which battle?", "On Saint Calixtus' Day.", ("answer",)),
        ("Which battle?", "Is it 5? The one at Hastings.", ("answer",)),
        ("Which battle?", "I think (5), at Hastings.", ("answer",)),
        ("Which battle?", "Perhaps ab.", ("answer",)),
        ("Which battle?", "The one of 5 brothers, at Hastings.", ()),
        ("Which battle?", "no idea, the one at Hastings.", ()),
        ("Which battle?", "No, the one at Hastings.", ()),
        ("Was it 14 October 1066, the battle?", "Yes, 14 October 1066, at Hastings", ()),
        ("Which battle?", "The one at Hastings.", ()),
        ("Which battle?", "The one at Hastings, in the Julian calendar.", ("unasked",)),
        ("Which battle? Which calendar?", "At Hastings, in the Julian calendar.", ()),
        ("Which side?", "At Hastings, the English side.", ()),
        ("Which battle, at Hastings or York?", "At Hastings. English side", ("unasked",)),
        ("Is it the one at Hastings that you like?", "Yes, at Hastings.", ()),
        ("It was in June.", "At Hastings, in the Julian calendar.", ("unasked",)),
        ("", "At Hastings, in the Julian calendar.", ("unasked",)),
        # What stays unseen: a part of an answer, a paraphrase, a number in words.
        ("Which battle?", "1066, at Hastings", ()),
        ("Which battle?", "Five, I think.", ()),
        ("Which battle?", "When William beat Harold.", ()),
    ],
)
def test_every_answer_and_every_fact_that_is_not_asked_for_can_leak(
    response: str, text: str, leaks: tuple[str, ...]
) -> None:
    assert leaks_of(seen(response, goal=BATTLE), text) == leaks


RECORDS = [
    Recorded("", "Which city do you mean?", "Springfield, Illinois."),
    Recorded("", "Do you want the cartoon or the real city?", "The cartoon."),
    Recorded("", "How old are you?", None),
]


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        ("Is it the city or the cartoon that you want?", "The cartoon."),
        ("Which city is meant?", "Springfield, Illinois."),
        ("And how old are you?", Left()),
        ("Zzz qqq?", Left()),
        (ANSWER, Satisfied()),
        (WRONG, Left()),
        (f"{ANSWER} Which city do you mean?", Satisfied()),
        ("", Left(empty_handed=True)),
    ],
)
def test_a_recorded_person_answers_the_nearest_question(response: str, reply: Reply) -> None:
    assert asyncio.run(RecordedUser(RECORDS).reply(seen(response))) == reply


def test_what_was_said_about_the_same_question_comes_first() -> None:
    own = Recorded("who is the mayor of Springfield", "Which one?", "Mine.")
    user = RecordedUser([Recorded("", ASK, "Another's."), own])
    assert asyncio.run(user.reply(seen("Which one do you mean?"))) == "Mine."
    assert asyncio.run(user.reply(seen("Zzz?"))) == Left()


def test_an_answer_that_is_part_of_the_missing_fact_is_no_leak() -> None:
    fact = replace(GOAL.missing[0], reply="The one of Joe Quimby.")
    assert leaks_of(seen(goal=replace(GOAL, missing=(fact,))), "The one of Joe Quimby.") == ()


def test_recorded_replies_are_read_from_lines_and_chats(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    chat = [("user", "Hi"), ("assistant", "Which?"), ("user", "That."), ("assistant", "Done.")]
    chat += [("user", " "), ("assistant", "Still there?")]
    rows = [
        {"asked": "Why?", "reply": None},
        {"question": "Q", "asked": "When?", "reply": "Now."},
        {"messages": [{"role": role, "content": text} for role, text in chat]},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_recorded(file) == [
        Recorded("", "Why?", None),
        Recorded("Q", "When?", "Now."),
        Recorded("Hi", "Which?", "That."),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"asked": 3, "reply": "x"}', "line 1: a recorded reply has text 'asked'"),
        ('{"asked": "x"}', "line 1: a recorded reply has 'reply'"),
        ('{"asked": "x", "reply": 4}', "line 1: a recorded reply has 'reply'"),
        ('{"asked": "x", "reply": ""}', "'reply' is empty; a person who left has null"),
        ('{"asked": "x", "reply": " \\u0000"}', "'reply' is empty"),
        ('{"asked": "x", "reply": "a \\ud800"}', "'reply' holds a lone surrogate"),
        ('{"messages": 4}', "line 1: field 'messages'"),
        ("[1]", "not a JSON object"),
        ("", "no reply of a user"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "no reply of a user"),
    ],
)
def test_wrong_recorded_replies_are_named(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=r"said\.jsonl") as refused:
        read_recorded(file)
    assert told in str(refused.value)


def question(truth: str, task: str = "ambig_qa") -> Question:
    asked = Message(role="user", content="Who won the race this year?")
    return Question("r", task, (asked,), truth, "r")


READINGS = (
    "multipleQAs###There are multiple meanings of the question."
    "Meaning 0: Who won the race in 2016?; Answer 0: Ann Bo, runner\n"
    "Meaning 1: Who won the race in 2015?; Answer 1: 12\n"
)


def test_an_ambiguous_question_has_one_of_its_readings_as_the_goal() -> None:
    found = (goal_of(question(READINGS), seed) for seed in range(20))
    drawn = {goal.answers[0]: goal for goal in found if goal is not None}
    assert drawn.keys() == {"Ann Bo, runner", "12"}
    goal = drawn["Ann Bo, runner"]
    for response, right in [("Ann Bo, a runner", 0), ("It was ann bo (runner).", 1), ("12", 0)]:
        assert goal.grade(response) == right, response
    assert drawn["12"].grade("It took 120 minutes.") == 0
    [fact] = goal.missing
    assert fact.reply == "I mean: Who won the race in 2016?"
    assert goal.detailed[-1]["content"] == "Who won the race in 2016?"
    assert fact.asked_in("In which year?") and fact.asked_in("The 2015 one?")
    assert not fact.asked_in("Do you like sports?")
    match = Match(goal, ScriptedUser(), "s", SURE, "ask")

    def assistant(messages: Any, force: Any) -> str:
        return "It was Ann Bo, runner." if "2016" in messages[-1]["content"] else "Which year?"

    record, _ = asyncio.run(play(match, SayingAssistant(assistant), Rules()))
    assert (record.end, record.turns[0].told) == ("satisfied", (0,))


@pytest.mark.parametrize(
    ("truth", "task"),
    [
        ("", "ambig_qa"),
        ("singleAnswer###", "ambig_qa"),
        ("multipleQAs###", "ambig_qa"),
        ("singleAnswer###!!!", "ambig_qa"),
        ("multipleQAs###Meaning 0: Who?; Answer 0: A\nMeaning 1: What?; Answer 1: ...", "ambig_qa"),
        ("multipleQAs###Meaning 0: Who?; Answer 0: A", "ambig_qa"),
        ("ambiguous", "abg-coqa"),
        ("342", "math-hard"),
    ],
)
def test_labels_that_do_not_say_it_give_no_goal(truth: str, task: str) -> None:
    assert goal_of(question(truth, task)) is None


def test_a_clear_question_misses_nothing() -> None:
    goal = goal_of(question("singleAnswer###Ann Bo"))
    assert goal is not None and goal.missing == () and goal.grade("Ann Bo!") == 1


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"kind": "robot"}, "no kind of user 'robot'; there are scripted, endpoint, recorded"),
        ({"kind": "endpoint"}, "needs 'endpoint'"),
        ({"kind": "recorded"}, "needs 'file'"),
        ({"file": "x"}, "'file' is for a user of kind 'recorded'"),
        ({"persona": {"replies": 2}}, "replies"),
        ({"persona": {"patience": 0}}, "patience"),
        ({"persona": {"costs": {"turn": float("nan")}}}, "turn"),
        ({"persona": {"costs": {"discount": 0}}}, "discount"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_table(UserSettings, table, "here")
    assert told in str(refused.value)


def test_each_kind_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"asked": "x", "reply": "y"}\n')
    assert isinstance(UserSettings().open(), ScriptedUser)
    assert isinstance(UserSettings(kind="recorded", file=file).open(), RecordedUser)
    where = EndpointSettings(url="http://127.0.0.1:9/v1", model="m")
    assert isinstance(UserSettings(kind="endpoint", endpoint=where).open(), EndpointUser)
