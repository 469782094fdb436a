"""What both tasksets share: the suite in their settings, and the question in their data."""

import asyncio
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import verifiers.v1 as vf
from pydantic import Field

from gtalign.errors import ConfigError
from gtalign.integrations.answers import Grader
from gtalign.integrations.suite import Suite, load_suite
from gtalign.tasks import Message, Question


class SuiteConfig(vf.TaskConfig):
    """Settings of a task.

    Keys:
        suite: A TOML file; see `gtalign.integrations.suite.Suite`.
    """

    suite: Path | None = None

    def load(self) -> Suite:
        """Return the suite.

        Raises:
            ConfigError: None is named, or the file is wrong.
        """
        if self.suite is None:
            raise ConfigError("name a suite: --env.taskset.task.suite FILE")
        return load_suite(self.suite)


class QuestionsConfig(vf.TasksetConfig):
    """Settings of a taskset.

    Keys:
        task: Settings of its tasks: the suite.
    """

    task: SuiteConfig = SuiteConfig()


class QuestionData(vf.TaskData):
    """The data of a task.

    Args:
        question: The question as JSON; see `Question.to_json`.
    """

    question: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, question: Question, prompt: list[Message]) -> "QuestionData":
        """Return the data of a question."""
        return cls(id=question.id, prompt=prompt, question=question.to_json())


class ModelConfig(vf.EnvConfig):
    """Settings of an environment with one model.

    Keys:
        agent: The model under evaluation or training. It is asked from this machine, in this
            process.
    """

    agent: vf.AgentConfig = vf.AgentConfig(runtime={"type": "subprocess"})


_GRADERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, Grader]] = WeakKeyDictionary()
"""Connections belong to an event loop, and a process of verifiers runs one."""


def grader_of(config: SuiteConfig) -> Grader:
    """Return the grader of a suite, the same for all tasks of this process."""
    graders = _GRADERS.setdefault(asyncio.get_running_loop(), {})
    key = config.suite or Path()
    if key not in graders:
        suite = config.load()
        graders[key] = Grader(suite.reward, suite.judges, suite.tokenizer)
    return graders[key]


async def close_graders() -> None:
    """Close the graders of this event loop."""
    for grader in _GRADERS.pop(asyncio.get_running_loop(), {}).values():
        await grader.aclose()
