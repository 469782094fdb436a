"""OpenAI's Responses API, by which its newer clients ask."""

from gtalign.gateway.answers.responses.translation import ResponsesTranslation

__all__ = ["ResponsesTranslation"]
