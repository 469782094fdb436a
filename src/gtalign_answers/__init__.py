"""The taskset ``gtalign-answers`` of verifiers; see `gtalign.integrations.verifiers`."""

from gtalign.integrations.verifiers.answers import AnswersEnv, AnswersTaskset
from gtalign.integrations.verifiers.harness import ChatHarness

__all__ = ["AnswersEnv", "AnswersTaskset", "ChatHarness"]
