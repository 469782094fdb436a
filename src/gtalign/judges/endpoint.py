"""A judge behind an OpenAI-compatible endpoint."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from gtalign.chain import response_of, unanswered
from gtalign.endpoints.cache import Cache
from gtalign.endpoints.failures import refuses_part
from gtalign.endpoints.opening import open_endpoint
from gtalign.endpoints.transport import response_format
from gtalign.endpoints.trial import ATTEMPTS, Trial
from gtalign.endpoints.usage import Usage
from gtalign.errors import JudgeError
from gtalign.judges.base import Verdict
from gtalign.judges.criterion import Criterion, criterion_of
from gtalign.judges.prompt import Prompt, prompt_of, random_nonce
from gtalign.judges.reading import Form, ReplyReading, read_verdict, schema
from gtalign.judges.settings import JudgeSettings
from gtalign.judges.trial import ANSWER, CRITERION, QUESTION, tried
from gtalign.tasks import Question, task_named

_FORMS: tuple[Form, ...] = ("json_schema", "tagged")
_LONGEST_REASON = 2000


class EndpointJudge(AbstractAsyncContextManager["EndpointJudge"]):
    """Asks a model for verdicts, by the criterion of each question's task.

    If a reply has no readable verdict, the judge is asked once more, with the error; if that fails
    too, the answer is unscored, with the reason.

    Args:
        settings: Configuration of the endpoint.
        cache: Cache of replies.
        name: Name in verdicts and errors; the model's by default.
        criteria: Gives the criterion of a question, or None to leave it unscored.
        nonce: Draws the code of a fence; a model must not be able to guess it.
        trial: Whether one request finds out first whether the judge can be asked at all.

    Attributes:
        endpoint: The endpoint that gets the requests.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        cache: Cache | None = None,
        *,
        name: str | None = None,
        criteria: Callable[[Question], Criterion | None] = criterion_of,
        nonce: Callable[[], str] = random_nonce,
        trial: bool = False,
    ) -> None:
        self.name = settings.model if name is None else name
        self.endpoint = open_endpoint(settings, cache, source=f"judge {self.name}")
        self._criteria = criteria
        self._nonce = nonce
        self._settings = settings
        self._form: Form | None = None if settings.structured == "auto" else settings.structured
        self._trial = Trial(lambda: tried(self.name, self._try)) if trial else None

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and the cache; both open again on use."""
        await self.endpoint.aclose()

    @property
    def usage(self) -> Usage:
        """The usage of the endpoint so far; ``unread`` counts replies without a verdict."""
        return self.endpoint.used

    @property
    def saved(self) -> Usage:
        """The usage that the cache saved so far."""
        return self.endpoint.saved

    async def judge(self, question: Question, response: str) -> Verdict:
        """Grade a response.

        It is unscored if its task has no criterion, or the criterion needs a ground truth and there
        is none, or if the answer has no response.
        """
        return await self.sample(question, response, 0)

    async def sample(self, question: Question, response: str, index: int) -> Verdict:
        """Grade a response once more; each index is a verdict of its own, also in the cache."""
        criterion = self._criteria(question)
        needed = (
            criterion.reference if criterion is not None else task_named(question.task).reference
        )
        if needed and not question.referenced:
            return Verdict(self.name, None, "the question has no ground truth")
        if criterion is None:
            return Verdict(self.name, None, f"no criterion for task {question.task!r}")
        missing = unanswered(response)
        if missing is not None:
            return Verdict(self.name, None, missing)
        return await self.grade(criterion, question, {"answer": response_of(response)}, index)

    async def grade(
        self, criterion: Criterion, question: Question, material: Mapping[str, str], index: int = 0
    ) -> Verdict:
        """Grade any material by any criterion.

        Args:
            criterion: The criterion.
            question: The question of the material; the judge sees its conversation.
            material: Texts to grade, by the names that the criterion's instructions use.
            index: Number of the sample.

        Raises:
            JudgeError: The endpoint failed; the message names the judge and the question.
            UnusableJudgeError: The judge did not pass its trial.
            ConfigError: There is no API key.
            StorageError: The cache failed.
        """
        prompt = prompt_of(criterion, question, material, self._settings.max_chars)
        about = f"judge {self.name!r}, question {question.id!r}"
        problem = None
        reading = await self._ask(prompt, about, index, problem)
        if reading.score is None:
            problem = reading.reason
            reading = await self._ask(prompt, about, index, problem)
        if reading.score is None:
            self._forget(prompt, index, (None, problem))
            reason = f"no verdict, asked twice; the last reply: {reading.reason}"
            return Verdict(self.name, None, reason)
        details = {}
        if criterion.right_from is not None:
            details["right_action"] = float(reading.score >= criterion.right_from)
        score = criterion.graded(reading.score)
        if criterion.quality is not None:
            details["graded"] = reading.score
        return Verdict(self.name, score, reading.reason[:_LONGEST_REASON], details)

    async def _try(self) -> Verdict:
        """Ask about a plain question, past the trial and the cache, and only a few times."""
        attempts = min(ATTEMPTS, self._settings.attempts)
        fresh = EndpointJudge(
            self._settings.model_copy(update={"attempts": attempts}),
            name=self.name,
            nonce=self._nonce,
        )
        try:
            verdict = await fresh.grade(CRITERION, QUESTION, {"answer": ANSWER})
        finally:
            await fresh.aclose()
            self.endpoint.used += fresh.usage
            self.endpoint.learn(fresh.endpoint)
        self._form = fresh._form
        return verdict

    async def _ask(
        self, prompt: Prompt, about: str, index: int, problem: str | None
    ) -> ReplyReading:
        """Ask once, in the form that the server takes, and read the reply."""
        if self._form is not None:
            return await self._ask_in(self._form, prompt, about, index, problem)
        for form in _FORMS if self.endpoint.cache is not None else ():
            if self._is_known(form, prompt, index, problem):
                return await self._ask_in(form, prompt, about, index, problem)
        try:
            return await self._ask_in("json_schema", prompt, about, index, problem)
        except JudgeError as error:
            if not refuses_part(error.cause):
                raise
        reading = await self._ask_in("tagged", prompt, about, index, problem)
        self._form = "tagged"  # it was the schema that the server did not take
        return reading

    async def _ask_in(
        self, form: Form, prompt: Prompt, about: str, index: int, problem: str | None
    ) -> ReplyReading:
        scale = prompt.criterion.scale
        if self._trial is not None and not self._is_known(form, prompt, index, problem):
            await self._trial.pass_or_raise()
            form = self._form or form
        reply = await self.endpoint.complete(
            prompt.messages(form, prompt.draw(self._nonce), problem),
            prompt.messages(form, "", problem),
            accepts=lambda text: read_verdict(text, scale, form).score is not None,
            about=about,
            body=_body(form, scale),
            sample=index,
        )
        if reply.problem is not None:
            return ReplyReading(None, reply.problem)
        return read_verdict(reply.text, scale, form)

    def _is_known(self, form: Form, prompt: Prompt, index: int, problem: str | None) -> bool:
        body = _body(form, prompt.criterion.scale)
        return self.endpoint.known(prompt.messages(form, "", problem), body, index)

    def _forget(self, prompt: Prompt, index: int, problems: Sequence[str | None]) -> None:
        """Forget the cached replies, so that a resumed run asks again."""
        for form in _FORMS:
            body = _body(form, prompt.criterion.scale)
            for problem in problems:
                self.endpoint.forget(prompt.messages(form, "", problem), body, index)


def _body(form: Form, scale: Sequence[float]) -> dict[str, Any]:
    """Parameters of a request for a verdict in a form."""
    return response_format("verdict", schema(scale)) if form == "json_schema" else {}
