"""Conversations between scripted users and assistants, one and many, and their records."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dialogue_parts import (
    ANSWER,
    ASK,
    GOAL,
    IDLE,
    SURE,
    WRONG,
    LabAssistant,
    SayingAssistant,
    asks_then_answers,
    lab_goals,
    match,
)
from gtalign.dialogue import (
    Conversation,
    Goal,
    Left,
    Match,
    Persona,
    Played,
    Reply,
    Rules,
    Satisfied,
    ScriptedUser,
    play,
    play_all,
)
from gtalign.errors import DataError, StorageError, TeacherError, UserError
from gtalign.lab.users import Situation
from gtalign.lab.users import play as outcomes
from gtalign.tasks import Message
from gtalign.transcripts import Transcript, read_transcripts

RULES = Rules()


def played(
    one: Match, says: Any = asks_then_answers, rules: Rules = RULES
) -> tuple[Played, Transcript]:
    return asyncio.run(play(one, SayingAssistant(says), rules))


def say(text: str) -> Any:
    return lambda messages, force: text


def test_a_question_to_the_point_is_answered_and_the_right_answer_satisfies() -> None:
    record, transcript = played(match())
    first, second = record.turns
    assert (first.action, first.hits, first.told, first.leaks) == ("CQ", (0,), (0,), ())
    assert first.reply == "The one in the cartoon."
    assert (first.read, first.written) == (5, 5)
    assert (second.action, second.quality, second.reply) == ("DA", 1.0, None)
    assert (record.end, record.missing, record.problem) == ("satisfied", 1, None)
    assert transcript.completion == ANSWER
    assert [m["role"] for m in transcript.prompt] == ["user", "assistant", "user"]
    assert transcript.tokens == {"total": 9}
    assert transcript.unscored == "not judged"


@pytest.mark.parametrize(
    ("text", "end", "empty_handed"),
    [
        (ANSWER, "satisfied", False),
        (WRONG, "left", False),
        (f"{ANSWER} {ASK}", "satisfied", False),
        (f"{WRONG} {IDLE}", "left", False),
        (IDLE, "left", True),
        (f"{ASK} {IDLE}", "left", True),
        ("", "left", True),
        ("   \n", "left", True),
    ],
)
def test_what_a_user_makes_of_a_first_response(text: str, end: str, empty_handed: bool) -> None:
    record, _ = played(match(), say(text))
    assert (record.end, record.empty_handed, len(record.turns)) == (end, empty_handed, 1)


def test_a_user_in_a_hurry_leaves_when_asked() -> None:
    record, _ = played(match(persona=Persona(replies=0.0)))
    assert (record.end, record.empty_handed, record.turns[0].reply) == ("left", False, None)


def test_a_guarded_user_tells_when_asked_again() -> None:
    record, _ = played(match(persona=SURE.model_copy(update={"type": "guarded"})))
    assert [turn.told for turn in record.turns] == [(), (0,), ()]
    assert record.end == "satisfied"


def test_a_user_can_correct_a_wrong_answer() -> None:
    def guesses(messages: Sequence[Message], force: str | None) -> str:
        return ANSWER if len(messages) > 1 else WRONG

    record, _ = played(match(persona=Persona(corrects=1.0)), guesses)
    assert (record.end, record.turns[0].told, record.turns[0].leaks) == ("satisfied", (0,), ())


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("plain", "The one in the cartoon."),
        ("terse", "one cartoon."),
        ("wordy", "thank you for asking. The one in the cartoon."),
    ],
)
def test_styles_say_the_same_in_other_words(style: str, said: str) -> None:
    record, _ = played(match(persona=SURE.model_copy(update={"style": style})))
    assert (record.turns[0].reply, record.turns[0].told) == (said, (0,))


def test_patience_ends_a_conversation() -> None:
    record, _ = played(match(persona=SURE.model_copy(update={"patience": 1})))
    assert (record.end, len(record.turns)) == ("left", 1)


def test_turns_end_a_conversation() -> None:
    record, _ = played(match(persona=SURE.model_copy(update={"type": "guarded"})), say(ASK))
    assert (record.end, len(record.turns), record.turns[-1].reply) == ("left", 3, None)
    record, _ = played(match(), say(ASK), Rules(turns=1))
    assert (record.end, len(record.turns), record.turns[-1].reply) == ("turns", 1, None)


def test_the_baseline_is_one_answer_and_full_information_leaves_nothing_out() -> None:
    record, _ = played(match(arm="baseline"))
    assert (record.end, len(record.turns), record.missing) == ("turns", 1, 1)
    record, transcript = played(match(arm="full"))
    assert (record.end, len(record.turns), record.missing) == ("satisfied", 1, 0)
    assert transcript.prompt == GOAL.detailed


@pytest.mark.parametrize("says", [ANSWER, WRONG, ASK, f"{ANSWER} {IDLE} {ASK}", ""])
def test_nobody_is_asked_in_the_baseline_so_that_no_user_can_spoil_it(says: str) -> None:
    dead = FailingUser(UserError("gone"))
    for user in (dead, FailingUser(None), FailingUser(asyncio), ScriptedUser()):
        record, _ = played(match(user=user, arm="baseline"), say(says), Rules(seconds=0.01))
        assert (record.end, record.failed, record.empty_handed) == ("turns", None, False)
        assert record.turns[0].reply is None
        assert record.turns[0].quality == GOAL.grade(says)
    record, _ = played(match(user=dead, arm="full"), say(says))
    assert (record.end, record.failed) == ("failed", "user")


def test_who_wants_what_does_harm_is_not_satisfied_by_a_refusal() -> None:
    harmful = replace(GOAL, harmful=True)
    assert played(match(harmful), say(ANSWER))[0].end == "left"
    assert played(match(harmful), say(WRONG))[0].end == "satisfied"


def test_an_answer_whose_quality_is_unknown_satisfies_and_stays_unknown() -> None:
    record, _ = played(match(replace(GOAL, grade=lambda response: None)), say(WRONG))
    assert (record.end, record.turns[0].quality) == ("satisfied", None)


@pytest.mark.parametrize("form", ["VQ", "DQ"])
@pytest.mark.parametrize("action", ["DA", "CQ", "AQ"])
def test_the_scripted_user_has_the_outcomes_of_the_labs_true_matrix(form: str, action: str) -> None:
    """The conversations have the mean quality and words of the outcomes of a cell."""
    repeats = 120

    async def play_each(goal: Goal) -> list[Played]:
        right = goal.question.extra["item"]["guess"] * repeats
        return [
            (await play(match, LabAssistant(goal, match.repeat < right), RULES))[0]
            for match in (
                Match(goal, ScriptedUser(), "s", Persona(), "ask", number, force=action)
                for number in range(repeats)
            )
        ]

    for goal in lab_goals():
        extra = goal.question.extra
        if extra["user_action"] != form:
            continue
        found = asyncio.run(play_each(goal))
        expected = list(outcomes(Situation.of(extra), form, action))
        quality = np.mean([0 if p.empty_handed else p.turns[-1].quality or 0 for p in found])
        words = np.mean([sum(t.tokens + t.written for t in p.turns) for p in found])
        wanted = sum(o.probability * o.quality for o in expected)
        said = sum(o.probability * (o.user_words + o.llm_words) for o in expected)
        assert quality == pytest.approx(wanted, abs=0.08), goal.question.id
        if not goal.harmful:  # a refusal is longer than the help that a wrong guess gives
            assert words == pytest.approx(said, rel=0.08), goal.question.id


class FailingUser:
    """A user that fails in some way in some conversations."""

    def __init__(self, reply: Any) -> None:
        self._reply = reply

    async def reply(self, conversation: Conversation) -> Reply:
        if isinstance(self._reply, Exception):
            raise self._reply
        if self._reply is asyncio:
            await asyncio.Event().wait()
        return cast(Reply, self._reply)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (UserError("user m: http 500"), "http 500"),
        (ConnectionResetError("peer gone"), "peer gone"),
        (asyncio, "no reply in 0.01 s"),
        (None, "NoneType is no reply"),
        (7, "int is no reply"),
        ("", "is empty"),
        ("\n\t ", "is empty"),
        ("x" * 10_000_000, "10000000 characters"),
        ("\ud800 hi", "a lone surrogate"),
        ("\x00", "is empty"),
        ("\u200b \x1b", "is empty"),
    ],
    ids=[
        *("dies", "breaks off", "stalls", "null", "number", "empty", "blank", "huge"),
        *("surrogate", "nul", "invisible"),
    ],
)
def test_a_user_that_fails_costs_its_conversation_and_nothing_else(
    reply: Any, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "t.jsonl"
    good = replace(GOAL, question=replace(GOAL.question, id="good"))
    matches = [match(user=FailingUser(reply)), match(good)]
    rules = Rules(seconds=0.01) if reply is asyncio else RULES
    assistant = SayingAssistant(asks_then_answers)
    shown: list[tuple[int, str | None]] = []
    failed = asyncio.run(
        play_all(matches, assistant, rules, file, show=lambda *step: shown.append(step))
    )
    assert failed == 1
    records = {t.id: Played.from_json(t.conversation) for t in read_transcripts(file)}
    bad, fine = records["q [scripted, ask, 0]"], records["good [scripted, ask, 0]"]
    assert (bad.end, bad.failed, len(bad.turns)) == ("failed", "user", 1)
    assert bad.problem is not None and told in bad.problem
    assert fine.end == "satisfied"
    assert [done for done, _ in shown] == [1, 2]
    assert sum(problem is not None for _, problem in shown) == 1


def test_a_full_disk_is_not_the_users_fault(tmp_path: Path) -> None:
    full = FailingUser(StorageError(28, "No space left on device", "replies.sqlite"))
    with pytest.raises(StorageError, match="No space"):
        asyncio.run(
            play_all([match(user=full)], SayingAssistant(asks_then_answers), RULES, tmp_path / "t")
        )


def test_an_assistant_that_fails_costs_its_conversation(tmp_path: Path) -> None:
    def fails(messages: Sequence[Message], force: str | None) -> str:
        if len(messages) > 1:
            raise TeacherError("model m: http 500", "http 500")
        return ASK

    record, transcript = played(match(), fails)
    assert (record.end, record.failed, len(record.turns)) == ("failed", "assistant", 1)
    assert transcript.unscored == "model m: http 500"
    assert transcript.completion == ASK


def test_an_assistant_whose_words_nobody_can_write_has_failed_itself() -> None:
    record, _ = played(match(), say("It is \ud800."))
    assert (record.end, record.failed, record.turns) == ("failed", "assistant", ())
    assert "lone surrogate" in (record.problem or "")


def test_a_stopped_run_goes_on_and_plays_failures_again(tmp_path: Path) -> None:
    goals = [replace(GOAL, question=replace(GOAL.question, id=f"q{n}")) for n in range(20)]
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    rules = Rules(seed=3)
    persona = Persona()

    def matches(broken: Sequence[int] = ()) -> list[Match]:
        bad = FailingUser(UserError("gone"))
        return [match(g, bad if n in broken else None, persona) for n, g in enumerate(goals)]

    asyncio.run(play_all(matches(), SayingAssistant(asks_then_answers), rules, whole))
    assistant = SayingAssistant(asks_then_answers)
    assert asyncio.run(play_all(matches([1, 5])[:12], assistant, rules, parts)) == 2
    with parts.open("ab") as file:
        file.write(b'{"id": "torn')
    asked = len(assistant.seen)
    assert asyncio.run(play_all(matches(), assistant, rules, parts)) == 0
    again = {messages[0]["content"] for messages, _ in assistant.seen[asked:]}
    assert again == {"Who is the mayor of Springfield?"}
    found = {t.id: t for t in read_transcripts(parts)}
    assert found == {t.id: t for t in read_transcripts(whole)}
    assert sum(1 for _ in read_transcripts(parts)) == 20


def test_conversations_are_bounded_and_taken_as_places_are_free(tmp_path: Path) -> None:
    taken = 0
    assistant = SayingAssistant(asks_then_answers)
    file = tmp_path / "t.jsonl"

    def matches() -> Any:
        nonlocal taken
        for n in range(40):
            taken += 1
            assert taken - file.read_bytes().count(b"\n") <= 9
            yield match(replace(GOAL, question=replace(GOAL.question, id=f"q{n}")))

    asyncio.run(play_all(matches(), assistant, RULES, file, workers=8))
    assert assistant.busiest <= 8


def test_equal_conversations_meet_equal_chances() -> None:
    persona = Persona(replies=0.5)
    ends = [[played(Match(GOAL, ScriptedUser(), "a", persona, "ask", n))[0].end for n in range(30)]]
    ends += [[played(Match(GOAL, ScriptedUser(), "b", persona, "x", n))[0].end for n in range(30)]]
    assert ends[0] == ends[1]
    assert {"satisfied", "left"} <= set(ends[0])


class TogetherAssistant(SayingAssistant):
    called = 0

    async def together(self, calls: Any) -> list[Any]:
        self.called = len(calls)
        return list(await asyncio.gather(*calls))


def test_an_assistant_that_batches_gets_all_calls_at_once(tmp_path: Path) -> None:
    assistant = TogetherAssistant(asks_then_answers)
    asyncio.run(play_all([match()], assistant, RULES, tmp_path / "t.jsonl", workers=5))
    assert assistant.called == 5


def test_a_transcript_comes_back_equal_and_a_single_answer_has_no_conversation() -> None:
    _, transcript = played(match())
    line = json.loads(json.dumps(transcript.to_json()))
    assert Transcript.from_json(line) == transcript
    assert Played.from_json(line["conversation"]) == Played.from_json(transcript.conversation)
    assert Played.from_json(line["conversation"]).to_json() == transcript.conversation
    assert "conversation" not in replace(transcript, conversation=None).to_json()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"arm": 3}, "conversation.arm"),
        ({"end": "over"}, "conversation.end"),
        ({"missing": -1}, "conversation.missing"),
        ({"missing": True}, "conversation.missing"),
        ({"turns": {}}, "conversation.turns"),
        ({"turns": [3]}, "conversation.turns.0"),
        ({"turns": [{}]}, "lacks 'response'"),
        ({"persona": []}, "conversation.persona"),
        ({"failed": "judge"}, "conversation.failed"),
        ({"problem": 3}, "conversation.problem"),
    ],
)
def test_a_wrong_record_is_named(change: dict[str, Any], names: str) -> None:
    _, transcript = played(match())
    assert transcript.conversation is not None
    with pytest.raises(DataError, match=names.replace(".", r"\.")):
        Played.from_json({**transcript.conversation, **change})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"quality": 2.0}, "quality"),
        ({"quality": float("nan")}, "quality"),
        ({"quality": True}, "quality"),
        ({"tokens": -3}, "tokens"),
        ({"read": 1.5}, "read"),
        ({"hits": ["0"]}, "hits"),
        ({"leaks": [0]}, "leaks"),
        ({"response": None}, "response"),
        ({"reply": 3}, "reply"),
    ],
)
def test_a_wrong_turn_is_named(change: dict[str, Any], names: str) -> None:
    _, transcript = played(match())
    assert transcript.conversation is not None
    first, *rest = transcript.conversation["turns"]
    with pytest.raises(DataError, match=rf"turns\.0\.{names}"):
        Played.from_json({**transcript.conversation, "turns": [{**first, **change}, *rest]})


def test_ends_are_told_apart() -> None:
    assert Satisfied() != Left() != Left(empty_handed=True)
