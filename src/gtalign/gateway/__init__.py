"""The gateway: an OpenAI-compatible server that steers every answer and records every decision."""

from gtalign.gateway.settings import GatewayConfig

__all__ = ["GatewayConfig"]
