"""The gateway: an OpenAI-compatible server that steers every answer and records every decision."""
