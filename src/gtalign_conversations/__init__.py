"""The taskset ``gtalign-conversations`` of verifiers; see `gtalign.integrations.verifiers`."""

from gtalign.integrations.verifiers.conversations import ConversationsEnv, ConversationsTaskset
from gtalign.integrations.verifiers.harness import ChatHarness

__all__ = ["ChatHarness", "ConversationsEnv", "ConversationsTaskset"]
