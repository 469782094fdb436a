"""Backends over HTTP: model servers that can continue a message begun elsewhere.

    backend = await connect("http://127.0.0.1:8000/v1")

finds out which engine the server runs and how it continues messages; the backend then has the best
method that really works.
"""

from gtalign.steering.http.backend import METHODS, OWNED, HTTPBackend, Method, MethodTrial
from gtalign.steering.http.completions import Render
from gtalign.steering.http.draft import HTTPDraft
from gtalign.steering.http.engines import Engine
from gtalign.steering.http.exchange import Timeouts
from gtalign.steering.http.probe import connect

__all__ = [
    "METHODS",
    "OWNED",
    "Engine",
    "HTTPBackend",
    "HTTPDraft",
    "Method",
    "MethodTrial",
    "Render",
    "Timeouts",
    "connect",
]
