"""Requests to OpenAI-compatible endpoints of judges and teachers, with their limits and cost."""

from gtalign.endpoints.cache import Cache
from gtalign.endpoints.opening import open_endpoint
from gtalign.endpoints.settings import EndpointSettings, Prices
from gtalign.endpoints.transport import Endpoint, response_format
from gtalign.endpoints.usage import Usage

__all__ = [
    "Cache",
    "Endpoint",
    "EndpointSettings",
    "Prices",
    "Usage",
    "open_endpoint",
    "response_format",
]
