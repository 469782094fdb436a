"""HTTP between clients and the gateway: bodies, replies, refusals, and the routes that run it."""

__all__: list[str] = []  # the gateway alone uses what is here
