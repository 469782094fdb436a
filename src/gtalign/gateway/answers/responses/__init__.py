"""OpenAI's Responses API, by which its newer clients ask."""

__all__: list[str] = []  # the gateway alone uses what is here
