"""Anthropic's Messages API: messages, and the tokens that they take."""

from gtalign.gateway.answers.anthropic.count import CountTranslation
from gtalign.gateway.answers.anthropic.translation import MessagesTranslation

__all__ = ["CountTranslation", "MessagesTranslation"]
