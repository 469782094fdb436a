"""One conversation, played to its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from gtalign.dialogue.assistant import Answer, Assistant
from gtalign.dialogue.goal import Goal
from gtalign.dialogue.leaks import leaks_of
from gtalign.dialogue.persona import Persona
from gtalign.dialogue.played import Arm, End, Played, Turn
from gtalign.dialogue.user import Conversation, Left, Reply, Satisfied, User, checked
from gtalign.dialogue.words import is_unicode
from gtalign.errors import (
    ServiceError,
    SteeringError,
    StorageError,
    TeacherError,
    UserError,
    WorkerLostError,
)
from gtalign.game import USER_LLM, GameForm
from gtalign.models import count_words
from gtalign.tasks import Message
from gtalign.transcripts import Transcript
from gtalign.transcripts.games import game_of


@dataclass(frozen=True, slots=True)
class Rules:
    """How conversations are played.

    Args:
        turns: Most answers of the assistant in a conversation.
        seconds: Most seconds that a user may take for a reply.
        count: Counts the tokens of a text.
        seed: Seed of users and answers.
        form: The game whose actions the answers carry out.
    """

    turns: int = 4
    seconds: float = 600.0
    count: Callable[[str], int] = count_words
    seed: int = 0
    form: GameForm = USER_LLM


@dataclass(frozen=True)
class Match:
    """A conversation to be played.

    Args:
        goal: What the user wants.
        user: Plays the user; None on the way to another process, which opens its own.
        name: Name of the user.
        persona: Who the user is.
        arm: The arm, or the cell that is forced (``VQ_CQ``).
        repeat: Number of the repetition; each meets other chances.
        force: The action of the first response; None for the assistant's own choice.
        detailed: Whether the question is asked with nothing left out.
        kind: Kind of the user, for the record.
    """

    goal: Goal
    user: User | None
    name: str
    persona: Persona
    arm: str
    repeat: int = 0
    force: str | None = None
    detailed: bool = False
    kind: str = ""

    @classmethod
    def of(
        cls,
        goal: Goal,
        user: User,
        name: str,
        persona: Persona,
        arm: Arm,
        repeat: int = 0,
        kind: str = "",
    ) -> "Match":
        """Return the conversation of an arm."""
        return cls(goal, user, name, persona, arm, repeat, detailed=arm == "full", kind=kind)

    @property
    def id(self) -> str:
        """Id of the conversation, and of its transcript."""
        return f"{self.goal.question.id} [{self.name}, {self.arm}, {self.repeat}]"

    @property
    def chance(self) -> str:
        """What arms and users of one question share, so that they meet the same chances."""
        return f"{self.goal.question.id} {self.repeat}"

    @property
    def opening(self) -> tuple[Message, ...]:
        """The messages with which the conversation begins."""
        return self.goal.detailed or self.goal.opening if self.detailed else self.goal.opening


async def play(match: Match, assistant: Assistant, rules: Rules) -> tuple[Played, Transcript]:
    """Play a conversation.

    A user or an assistant that fails ends this conversation, which says so, and nothing else.

    Args:
        match: The conversation.
        assistant: Answers the user.
        rules: How it is played.

    Returns:
        The record, and the unscored transcript of the last answer that holds it.
    """
    course = _Course(match, assistant, rules)
    alone = match.arm == "baseline"  # nobody replies, so no user is asked, and none can fail
    limit = 1 if alone else rules.turns
    while course.end is None and len(course.turns) < limit:
        await course.answered()
        if course.end is None and not alone:
            await course.replied(unread=len(course.turns) == limit)
    played = course.record()
    return played, _transcript(match, played, course.last, rules.form)


def lost(match: Match, rules: Rules, error: WorkerLostError) -> tuple[Played, Transcript]:
    """Return the record and the transcript of a conversation whose process died with it."""
    course = _Course(match, None, rules)
    course.fail("assistant", error)
    played = course.record()
    return played, _transcript(match, played, None, rules.form)


class _Course:
    """A conversation under way.

    Attributes:
        turns: The turns so far.
        last: The last answer, and the messages that it answers.
        end: How the conversation ended; None while it goes on.
    """

    def __init__(self, match: Match, assistant: Assistant | None, rules: Rules) -> None:
        self.turns: list[Turn] = []
        self.last: tuple[Answer, tuple[Message, ...]] | None = None
        self.end: End | None = None
        self._match, self._assistant, self._rules = match, assistant, rules
        self._empty_handed = False
        self._failed: Literal["user", "assistant"] | None = None
        self._problem: str | None = None
        self._seen = Conversation(
            goal=replace(match.goal, missing=()) if match.detailed else match.goal,
            persona=match.persona,
            messages=match.opening,
            turns=0,
            id=match.chance,
            seed=rules.seed,
            form=rules.form,
        )

    async def answered(self) -> None:
        """Let the assistant answer."""
        match, seen, turn = self._match, self._seen, len(self.turns)
        seed = (self._rules.seed * 1009 + match.repeat) * 101 + turn  # the same in every arm
        force = None if turn else match.force
        assert self._assistant is not None
        try:
            answer = await self._assistant.answer(
                seen.messages, id=match.id, seed=seed, force=force
            )
        except (ServiceError, SteeringError) as error:
            self.fail("assistant", error)
            return
        if not is_unicode(answer.response):  # no user can be blamed for not reading it
            why = f"assistant, {match.id}: the response holds a lone surrogate"
            self.fail("assistant", TeacherError(why, "nonsense"))
            return
        self.last = (answer, seen.messages)
        said = Message(role="assistant", content=answer.response)
        self._seen = replace(seen, messages=(*seen.messages, said), turns=turn + 1)
        self.turns.append(_turn(self._seen, answer, self._rules.count))

    async def replied(self, *, unread: bool) -> None:
        """Let the user reply; what it says is dropped if nobody will read it."""
        seen, rules = self._seen, self._rules
        try:
            assert self._match.user is not None
            reply = await asked_of(self._match.user, seen, rules.seconds, self._match.id)
        except ServiceError as error:
            self.fail("user", error)
            return
        if not isinstance(reply, str):
            self.end = "satisfied" if isinstance(reply, Satisfied) else "left"
            self._empty_handed = isinstance(reply, Left) and reply.empty_handed
            return
        if unread:
            return
        told = seen.goal.told_by(reply, seen.told)
        self.turns[-1] = replace(
            self.turns[-1],
            reply=reply,
            written=rules.count(reply),
            told=told,
            leaks=leaks_of(seen, reply),
        )
        heard = (*seen.messages, Message(role="user", content=reply))
        self._seen = replace(seen, messages=heard, told=seen.told | set(told))

    def record(self) -> Played:
        """The record of the conversation."""
        match = self._match
        return Played(
            question=match.goal.question.id,
            arm=match.arm,
            user=match.name,
            persona=match.persona.model_dump(),
            missing=len(self._seen.goal.missing),
            turns=tuple(self.turns),
            end=self.end or "turns",
            empty_handed=self._empty_handed,
            problem=self._problem,
            failed=self._failed,
            forced=match.force,
            kind=match.kind,
        )

    def fail(self, who: Literal["user", "assistant"], error: Exception) -> None:
        """End the conversation, because the user or the assistant failed."""
        self.end, self._failed, self._problem = "failed", who, str(error)


async def asked_of(user: User, seen: Conversation, seconds: float, about: str) -> Reply:
    """Return the reply of a user, once it is known to be one.

    Raises:
        UserError: The user takes too long or says what is no reply; names the conversation.
        ServiceError: The user failed.
        StorageError: Its replies cannot be kept.
    """
    try:
        async with asyncio.timeout(seconds):
            reply = await user.reply(seen)
    except TimeoutError:
        raise UserError(f"user, {about}: no reply in {seconds:g} s", "timeout") from None
    except StorageError:  # an OSError that is not the user's
        raise
    except OSError as error:
        raise UserError(f"user, {about}: {error}", "connection") from error
    return checked(reply, f"user, {about}")


def _turn(seen: Conversation, answer: Answer, count: Callable[[str], int]) -> Turn:
    tokens = count(answer.completion) if answer.tokens is None else answer.tokens
    return Turn(
        response=answer.response,
        action=seen.action,
        questions=len(seen.questions),
        hits=seen.wanted,
        quality=seen.quality,
        tokens=tokens,
        read=count(answer.response),
        completion="" if answer.completion == answer.response else answer.completion,
        stated=None if answer.stated is None else answer.stated.to_json(),
        states=seen.said.states,
    )


def _transcript(
    match: Match,
    played: Played,
    last: tuple[Answer, tuple[Message, ...]] | None,
    form: GameForm,
) -> Transcript:
    answer, prompt = last or (Answer("", ""), match.opening)
    decision = answer.decision
    total = sum(turn.tokens for turn in played.turns)
    return replace(
        Transcript.of(match.goal.question, answer.completion, model="", prompt=prompt),
        id=match.id,
        plain=answer.stated is None,
        tokens={"total": total},
        unscored=played.problem or "not judged",
        decision=None if decision is None else decision.timeless().to_json(),
        conversation=played.to_json(),
        game=game_of(form),
    )
