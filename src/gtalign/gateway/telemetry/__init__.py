"""Logs, metrics and traces of the gateway."""

__all__: list[str] = []  # the gateway alone uses what is here
