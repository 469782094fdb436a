"""Anthropic's Messages API: messages, and the tokens that they take."""

__all__: list[str] = []  # the gateway alone uses what is here
