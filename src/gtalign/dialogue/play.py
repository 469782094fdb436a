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
from gtalign.errors import ServiceError, SteeringError, UserError
from gtalign.tasks import Message
from gtalign.transcripts import Transcript


def count_words(text: str) -> int:
    """Return the number of words of a text: its tokens, where no tokenizer is known."""
    return len(text.split())


@dataclass(frozen=True, slots=True)
class Rules:
    """How conversations are played.

    Args:
        turns: Most answers of the assistant in a conversation.
        seconds: Most seconds that a user may take for a reply.
        count: Counts the tokens of a text.
        seed: Seed of users and answers.
    """

    turns: int = 4
    seconds: float = 600.0
    count: Callable[[str], int] = count_words
    seed: int = 0


@dataclass(frozen=True)
class Match:
    """A conversation to be played.

    Args:
        goal: What the user wants.
        user: Plays the user.
        name: Name of the user.
        persona: Who the user is.
        arm: The arm, or the cell that is forced (``VQ_CQ``).
        repeat: Number of the repetition; each meets other chances.
        force: The action of the first response; None for the assistant's own choice.
        detailed: Whether the question is asked with nothing left out.
    """

    goal: Goal
    user: User
    name: str
    persona: Persona
    arm: str
    repeat: int = 0
    force: str | None = None
    detailed: bool = False

    @classmethod
    def of(
        cls, goal: Goal, user: User, name: str, persona: Persona, arm: Arm, repeat: int = 0
    ) -> "Match":
        """Return the conversation of an arm."""
        return cls(goal, user, name, persona, arm, repeat, detailed=arm == "full")

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
    seen = Conversation(
        goal=_said_already(match.goal) if match.detailed else match.goal,
        persona=match.persona,
        messages=match.opening,
        turns=0,
        id=match.chance,
        seed=rules.seed,
    )
    turns: list[Turn] = []
    limit = 1 if match.arm == "baseline" else rules.turns
    last: tuple[Answer, tuple[Message, ...]] | None = None
    end: End = "turns"
    empty_handed, problem = False, None
    failed: Literal["user", "assistant"] | None = None
    while len(turns) < limit:
        force = match.force if not turns else None
        try:
            answer = await assistant.answer(
                seen.messages, id=match.id, seed=_seed(match, rules, len(turns)), force=force
            )
        except (ServiceError, SteeringError) as error:
            end, failed, problem = "failed", "assistant", str(error)
            break
        last = (answer, seen.messages)
        said = Message(role="assistant", content=answer.response)
        seen = replace(seen, messages=(*seen.messages, said), turns=len(turns) + 1)
        turns.append(_turn(seen, answer, rules.count))
        try:
            reply = await asked_of(match.user, seen, rules.seconds, match.id)
        except ServiceError as error:
            end, failed, problem = "failed", "user", str(error)
            break
        if not isinstance(reply, str):
            end = "satisfied" if isinstance(reply, Satisfied) else "left"
            empty_handed = isinstance(reply, Left) and reply.empty_handed
            break
        if len(turns) == limit:
            break  # nobody reads what the user would say
        told = seen.goal.told_by(reply, seen.told)
        turns[-1] = replace(
            turns[-1],
            reply=reply,
            written=rules.count(reply),
            told=told,
            leaks=leaks_of(seen, reply),
        )
        heard = (*seen.messages, Message(role="user", content=reply))
        seen = replace(seen, messages=heard, told=seen.told | set(told))
    played = Played(
        question=match.goal.question.id,
        arm=match.arm,
        user=match.name,
        persona=match.persona.model_dump(),
        missing=len(seen.goal.missing),
        turns=tuple(turns),
        end=end,
        empty_handed=empty_handed,
        problem=problem,
        failed=failed,
        forced=match.force,
    )
    return played, _transcript(match, played, last)


async def asked_of(user: User, seen: Conversation, seconds: float, about: str) -> Reply:
    """Return the reply of a user, once it is known to be one.

    Raises:
        UserError: The user takes too long or says what is no reply; names the conversation.
        ServiceError: The user failed.
    """
    try:
        async with asyncio.timeout(seconds):
            reply = await user.reply(seen)
    except TimeoutError:
        raise UserError(f"user, {about}: no reply in {seconds:g} s", "timeout") from None
    except OSError as error:
        raise UserError(f"user, {about}: {error}", "connection") from error
    return checked(reply, f"user, {about}")


def _said_already(goal: Goal) -> Goal:
    """The goal of a user who leaves nothing out."""
    return replace(goal, missing=())


def _seed(match: Match, rules: Rules, turn: int) -> int:
    """The seed of an answer: of a turn and a repetition, the same for every arm and user."""
    return (rules.seed * 1009 + match.repeat) * 101 + turn


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
    )


def _transcript(
    match: Match, played: Played, last: tuple[Answer, tuple[Message, ...]] | None
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
    )
