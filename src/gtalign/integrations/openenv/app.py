"""Servers of the environments, for ``uvicorn --factory``; `SUITE` names the file of the suite."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from openenv.core.env_server import create_fastapi_app

from gtalign.errors import ConfigError
from gtalign.integrations.answers import Grader
from gtalign.integrations.conversations import ConversationRunner
from gtalign.integrations.openenv.answers import AnswerEnvironment
from gtalign.integrations.openenv.conversations import ConversationEnvironment
from gtalign.integrations.openenv.environment import QuestionEnvironment
from gtalign.integrations.openenv.words import About, Heard, Said
from gtalign.integrations.suite import Suite, load_suite

SUITE: Final = "GTALIGN_SUITE"
"""The variable of the environment that names the file of the suite."""

SESSIONS: Final = 512
"""Most episodes under way at once."""


def answers() -> Any:
    """Return the server of single answers.

    Raises:
        ConfigError: No suite is named, or it is wrong.
        DataError: A file of questions is wrong.
    """
    suite = _suite()
    grader = Grader(suite.reward, suite.judges, suite.tokenizer)
    return _app(partial(AnswerEnvironment, suite, grader))


def conversations() -> Any:
    """Return the server of conversations.

    Raises:
        ConfigError: No suite is named, or it is wrong.
        DataError: A file of questions is wrong, or the labels of none tell the user's goal.
    """
    suite = _suite()
    return _app(partial(ConversationEnvironment, suite, ConversationRunner(suite)))


def _suite() -> Suite:
    file = os.environ.get(SUITE)
    if not file:
        raise ConfigError(f"{SUITE} names no suite: set it to a TOML file")
    return load_suite(file)


def _app(environment: Callable[[], QuestionEnvironment]) -> Any:
    environment()  # what is wrong with the questions is said now, not in the first session
    return create_fastapi_app(
        environment, Said, Heard, max_concurrent_envs=SESSIONS, state_cls=About
    )
