"""Teachers: they write a chain part by part, and see the parts written before."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

from gtalign.chain import BLOCKS, gbnf, json_schema, render
from gtalign.chain.prompt import fill, placeholders, written
from gtalign.endpoints import Cache, Usage, open_endpoint, response_format
from gtalign.endpoints.failures import refuses_part
from gtalign.endpoints.trial import ASKED, ATTEMPTS, Trial
from gtalign.errors import TeacherError, UnusableTeacherError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.file import load_game
from gtalign.synthesis.blocks import UnusableReply, read_payoff, read_text
from gtalign.synthesis.settings import ColdStartConfig, TeacherSettings
from gtalign.tasks import Message, Question

LOW: Final = -5.0
HIGH: Final = 5.0

_TRIAL: Final = Question(
    id="trial",
    task="trial",
    messages=(Message(role="user", content=ASKED),),
    ground_truth="",
    cluster="trial",
)
_TRIES: Final = 1_000_000  # numbers of samples kept apart for the tries of one candidate


def constraint(kind: str, form: GameForm = USER_LLM) -> dict[str, Any]:
    """Return the parameters that constrain the form of a payoff; see `TeacherSettings`."""
    schema = json_schema(form, low=LOW, high=HIGH)
    if kind == "json_schema":
        return response_format("payoff", schema)
    if kind == "structured_outputs":
        return {"extra_body": {"structured_outputs": {"json": schema}}}
    if kind == "guided_json":
        return {"extra_body": {"guided_json": schema}}
    if kind == "grammar":
        return {"extra_body": {"grammar": gbnf(form, low=LOW, high=HIGH, part="payoff")}}
    return {}


def instructions(
    block: str, question: Question, before: Mapping[str, str], form: GameForm = USER_LLM
) -> list[Message]:
    """Return the messages to a teacher for one part.

    Args:
        block: The part to write.
        question: The question that the chain answers.
        before: Contents of the parts before it, in order.
        form: The game.
    """
    cells = ", ".join(f'"{cell}": {{"LLM": number, "user": number}}' for cell in form.cells)
    values = {
        "user_actions": _list(form.user),
        "llm_actions": _list(form.llm),
        "count": str(len(form.cells)),
        "cells": ", ".join(form.cells),
        "payoff": "{" + cells + "}",
        "low": f"{LOW:g}",
        "high": f"{HIGH:g}",
        "written": written(form),
        "conversation": "\n\n".join(f"{m['role']}: {m['content']}" for m in question.messages),
        "before": "\n\n".join(f"{name}:\n{content}" for name, content in before.items()),
    }
    return [
        Message(role="system", content=_filled("frame", values)),
        Message(role="user", content=_filled(block, values)),
    ]


@cache
def _template(name: str) -> str:
    return files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


def _filled(name: str, values: Mapping[str, str]) -> str:
    template = _template(name)
    return fill(template, {key: values[key] for key in placeholders(template)})


def _list(actions: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {description}" for name, description in actions)


class Teacher:
    """Writes parts of chains.

    Args:
        name: Name in errors and reports.
        settings: Configuration of its endpoint.
        cache: Cache of its replies, so no request is sent twice.
        trial: Is passed before a request is sent that the cache does not know.
        form: The game.

    Attributes:
        endpoint: The endpoint that gets the requests and counts their usage.
    """

    def __init__(
        self,
        name: str,
        settings: TeacherSettings,
        cache: Cache | None = None,
        trial: Trial | None = None,
        form: GameForm = USER_LLM,
    ) -> None:
        self.name = name
        self.form = form
        self._trial = trial
        self.settings = settings
        self.endpoint = open_endpoint(settings, cache, TeacherError, f"teacher {name}")
        self._constraint = "json_schema" if settings.payoff == "auto" else settings.payoff

    async def text(
        self, block: str, question: Question, before: Mapping[str, str], number: int
    ) -> str:
        """Write a part that is text.

        Args:
            block: Name of the part.
            question: The question that the chain answers.
            before: Contents of the parts before it.
            number: Number of the candidate; another number is another sample.

        Raises:
            TeacherError: The endpoint failed, or every reply was unusable (cause ``unusable``).
        """
        reply = await self._ask(block, question, before, number)
        return read_text(reply, block)

    async def payoff(self, question: Question, before: Mapping[str, str], number: int) -> Bimatrix:
        """Write the payoffs; see `text`."""
        if self.settings.payoff == "auto" and self._constraint == "json_schema":
            try:
                return self._read(await self._ask("payoff", question, before, number))
            except TeacherError as error:
                if not refuses_part(error.cause):
                    raise
            reply = await self._ask("payoff", question, before, number, "none")
            self._constraint = "none"  # it was the schema that the server did not take
            return self._read(reply)
        return self._read(await self._ask("payoff", question, before, number))

    def _read(self, reply: str) -> Bimatrix:
        return read_payoff(reply, self.form)

    async def try_out(self) -> UnusableTeacherError | None:
        """Ask for a part about a plain question, past the cache; return why that fails, or None.

        Any reply will do.
        """
        attempts = min(ATTEMPTS, self.settings.attempts)
        settings = self.settings.model_copy(update={"attempts": attempts})
        fresh = open_endpoint(settings, None, TeacherError, f"teacher {self.name}")
        asked = instructions("thinking", _TRIAL, {}, self.form)
        about = f"teacher {self.name!r}"
        try:
            await fresh.complete(asked, asked, accepts=bool, about=about)
        except TeacherError as error:
            problem = str(error).removeprefix(f"{about}: ")
            return UnusableTeacherError(f"{about} cannot be asked: {problem}", error.cause)
        finally:
            await fresh.aclose()
            self.endpoint.used += fresh.used
            self.endpoint.learn(fresh)
        return None

    async def _ask(
        self,
        block: str,
        question: Question,
        before: Mapping[str, str],
        number: int,
        held_by: str | None = None,
    ) -> str:
        """Return the first reply that can be read as the part."""
        about = f"teacher {self.name!r}, question {question.id!r}, candidate {number}, {block}"
        messages = instructions(block, question, before, self.form)
        body = constraint(held_by or self._constraint, self.form) if block == "payoff" else {}
        problem = ""
        for tried in range(self.settings.tries):
            sample = number + tried * _TRIES
            if self._trial is not None and not self.endpoint.known(messages, body, sample):
                await self._trial.pass_or_raise()
            reply = await self.endpoint.complete(
                messages,
                messages,
                accepts=partial(_is_part, block=block, form=self.form),
                about=about,
                body=body,
                sample=sample,
            )
            problem = reply.problem or _problem(reply.text, block, self.form)
            if not problem:
                return reply.text
        tries = self.settings.tries
        for tried in range(tries):  # which the next run tries again
            self.endpoint.forget(messages, body, number + tried * _TRIES)
        raise TeacherError(
            f"{about}: nothing usable in {tries} tries; the last reply: {problem}",
            f"unusable {block}",
        )


def _is_part(reply: str, block: str, form: GameForm) -> bool:
    return not _problem(reply, block, form)


def _problem(reply: str, block: str, form: GameForm) -> str:
    """Return why a reply cannot be the part; empty if it can."""
    try:
        if block == "payoff":
            read_payoff(reply, form, low=LOW, high=HIGH)
        else:
            read_text(reply, block)
    except UnusableReply as error:
        return str(error)
    return ""


class ChainWriter(AbstractAsyncContextManager["ChainWriter"]):
    """Writes whole chains with the teachers of a configuration. Close it, or use ``async with``.

    Args:
        config: Configuration of the cold start.
        cache: Cache of all replies.
        trial: Whether one request to each teacher finds out first whether they can be asked at all.

    Attributes:
        teachers: The teachers by name.
    """

    def __init__(
        self, config: ColdStartConfig, cache: Cache | None = None, *, trial: bool = False
    ) -> None:
        every, form = Trial(self._try_out) if trial else None, load_game(config.game)
        self.teachers = {
            name: Teacher(name, settings, cache, every, form)
            for name, settings in config.teachers.items()
        }
        self._of = {block: self.teachers[config.teacher_of(block)] for block in BLOCKS}

    async def write(self, question: Question, number: int) -> str:
        """Write one candidate, which parses strictly.

        Raises:
            TeacherError: A teacher failed; the parts written so far stay in the cache.
            UnusableTeacherError: A teacher did not pass its trial.
        """
        before: dict[str, str] = {}
        before["thinking"] = await self._of["thinking"].text("thinking", question, before, number)
        payoff = await self._of["payoff"].payoff(question, before, number)
        before["payoff"] = json.dumps(payoff.to_json())
        for block in ("analyze", "response"):
            before[block] = await self._of[block].text(block, question, before, number)
        return render(before["thinking"], payoff, before["analyze"], before["response"])

    async def _try_out(self) -> UnusableTeacherError | None:
        """Try every teacher that writes a part, at once."""
        used = dict.fromkeys(self._of.values())
        found = await asyncio.gather(*(teacher.try_out() for teacher in used))
        return next((error for error in found if error is not None), None)

    @property
    def usage(self) -> Mapping[str, Usage]:
        """The requests, tokens and time of each teacher so far."""
        return {name: teacher.endpoint.used for name, teacher in self.teachers.items()}

    @property
    def saved(self) -> Mapping[str, Usage]:
        """The usage that the cache saved for each teacher so far."""
        return {name: teacher.endpoint.saved for name, teacher in self.teachers.items()}

    def account(self) -> dict[str, Any]:
        """Return the usage of each teacher, the usage that the cache saved, and the known cost."""
        return {name: teacher.endpoint.account() for name, teacher in self.teachers.items()}

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the cache; both open again on use."""
        for teacher in self.teachers.values():
            await teacher.endpoint.aclose()
