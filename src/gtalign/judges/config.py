"""Configuration of all judges of a run, and the panel that it builds."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gtalign.config import Config
from gtalign.endpoints.cache import Cache
from gtalign.endpoints.usage import Usage
from gtalign.errors import ConfigError, DataError
from gtalign.judges.base import Judge, Verdict
from gtalign.judges.criterion import Criterion, criterion_of
from gtalign.judges.endpoint import EndpointJudge
from gtalign.judges.mathematics import MathJudge
from gtalign.judges.panel import FirstOf, Panel
from gtalign.judges.repeated import Repeated, Vote
from gtalign.judges.rule import RuleJudge
from gtalign.judges.settings import CriterionSettings, JudgeSettings
from gtalign.tasks import TASKS, Question, known_tasks, task_named

BUILT_IN = ("rule", "mathematics")
"""Judges that need no endpoint: rules by kind of task, and math-verify."""

Names = Annotated[list[str], Field(min_length=1)]


class JudgesConfig(Config):
    """The judges of each task.

    Keys:
        default: Judges of every task without judges of its own, by name. They are asked in this
            order; the next one is asked only if the one before leaves the answer unscored. Names
            are ``rule``, ``mathematics`` and those of ``endpoints``.
        tasks: Judges by the name of a task or of a kind of task (``math``, ``writing``,
            ``ambiguity``, ``safety``, ``direct``), as for ``default``.
        endpoints: Endpoints by names that you choose.
        criteria: Criteria of your own for the models behind endpoints, by the name of the task:
            that of ``data_source`` or ``--task``, or ``direct`` for chats that name none.
        cache: File that keeps the endpoints' replies; none by default.
        times: Number of verdicts that an endpoint gives on each answer.
        vote: How several verdicts become one: ``majority`` or ``mean``.
        math_seconds: Longest time for one comparison of mathematical answers.
        math_workers: Number of processes that compare mathematical answers.
    """

    default: Names = Field(default=["rule"])
    tasks: dict[str, Names] = Field(default_factory=dict)
    endpoints: dict[str, JudgeSettings] = Field(default_factory=dict)
    criteria: dict[str, CriterionSettings] = Field(default_factory=dict)
    cache: Path | None = None
    times: Annotated[int, Field(gt=0)] = 1
    vote: Vote = "majority"
    math_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    math_workers: Annotated[int, Field(gt=0)] = 2

    @model_validator(mode="after")
    def _criteria_have_names_of_their_own(self) -> Self:
        taken = set(TASKS) & set(self.criteria)
        if taken:
            raise ValueError(f"criteria: {min(taken)!r} is a published task with its own criterion")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        taken = set(BUILT_IN) & set(self.endpoints)
        if taken:
            raise ValueError(f"endpoints: {min(taken)!r} is the name of a judge that is built in")
        known = [*BUILT_IN, *self.endpoints]
        for place, names in (("default", self.default), *self.tasks.items()):
            for name in names:
                if name not in known:
                    raise ValueError(f"{place}: no judge {name!r}; known are {', '.join(known)}")
        if self.times > 1:
            for name, endpoint in self.endpoints.items():
                if endpoint.temperature == 0:
                    raise ValueError(
                        f"times = {self.times} needs an endpoint that varies; {name!r} has"
                        " temperature 0"
                    )
        return self

    def cached_at(self, file: Path) -> "JudgesConfig":
        """The same judges with a cache in a file, unless they name one of their own."""
        return self if self.cache is not None else self.model_copy(update={"cache": file})

    def check_task(self, name: str, origin: str) -> None:
        """Refuse a task that nothing here knows.

        Args:
            name: Name of the task.
            origin: Who named it, for the message.

        Raises:
            ConfigError: It is neither a task of the package, nor registered, nor has a criterion.
        """
        known = dict.fromkeys((*known_tasks(), *self.criteria))
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}? Known" if near else "known"
            raise ConfigError(
                f"{origin}: unknown task {name!r}; {advice} are {', '.join(known)}, and those"
                " with a table [criteria.NAME] in the file of --judge"
            )

    def calls_for(self, answers: Mapping[str, int]) -> Counter[str]:
        """Return the most verdicts that each endpoint gives on some answers.

        The second request for a reply that cannot be read is not counted here.

        Args:
            answers: Number of answers by task.
        """
        found: Counter[str] = Counter()
        for task, count in answers.items():
            names = self.tasks.get(task, self.tasks.get(task_named(task).kind, self.default))
            found.update({name: count * self.times for name in names if name in self.endpoints})
        return found


class Judges(AbstractAsyncContextManager["Judges"]):
    """The judges of a configuration, as one judge. Close them by ``aclose`` or ``async with``.

    Args:
        config: The judges of each task.
        trial: Whether a plain question finds out first whether each endpoint can be asked at all;
            without it, a dead judge costs each answer its score and nothing else.

    Attributes:
        endpoints: The endpoint judges by name.
    """

    def __init__(self, config: JudgesConfig, *, trial: bool = True) -> None:
        self.config = config
        cache = None if config.cache is None else Cache(config.cache)
        self._own = {task: own.criterion(task) for task, own in config.criteria.items()}
        self.endpoints: Mapping[str, EndpointJudge] = {
            name: EndpointJudge(settings, cache, name=name, criteria=self._criterion, trial=trial)
            for name, settings in config.endpoints.items()
        }
        self._math = MathJudge(config.math_seconds, config.math_workers)
        self._judges: dict[str, Judge] = {"rule": RuleJudge(), "mathematics": self._math}
        for name, judge in self.endpoints.items():
            repeated = config.times > 1
            self._judges[name] = (
                Repeated(judge, config.times, config.vote, self._criterion) if repeated else judge
            )
        tasks = {task: self._chain(names) for task, names in config.tasks.items()}
        self._panel = Panel(self._chain(config.default), tasks)

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections, the cache and the processes; all open again on use."""
        self._math.close()
        for judge in self.endpoints.values():
            await judge.aclose()

    async def judge(self, question: Question, response: str) -> Verdict:
        """Grade a response by the judges of the question's task."""
        return await self._panel.judge(question, response)

    @property
    def usage(self) -> Mapping[str, Usage]:
        """The requests, tokens and time of each endpoint so far."""
        return {name: judge.usage for name, judge in self.endpoints.items()}

    @property
    def saved(self) -> Mapping[str, Usage]:
        """The usage that the cache saved for each endpoint so far."""
        return {name: judge.saved for name, judge in self.endpoints.items()}

    def account(self) -> dict[str, Any]:
        """Return the usage of each endpoint, the usage that the cache saved, and the known cost."""
        return {name: judge.endpoint.account() for name, judge in self.endpoints.items()}

    def graded(self, question: Question, label: float) -> float:
        """Return the verdict's score for a person's score on the scale of the question's task.

        Raises:
            DataError: The label is no score of a criterion that turns scores into quality.
        """
        criterion = self._criterion(question)
        if criterion is None or criterion.quality is None:
            return label
        if label not in criterion.scale:
            scale = ", ".join(f"{score:g}" for score in criterion.scale)
            raise DataError(
                f"question {question.id!r}: label {label:g} is not a score of the criterion"
                f" {criterion.name!r}: {scale}"
            )
        return criterion.graded(label)

    def _criterion(self, question: Question) -> Criterion | None:
        return self._own.get(question.task) or criterion_of(question)

    def _chain(self, names: Sequence[str]) -> Judge:
        judges = [self._judges[name] for name in names]
        return judges[0] if len(judges) == 1 else FirstOf(judges)
