"""HTTP between clients and the gateway: bodies, replies, refusals, and the routes that run it."""
