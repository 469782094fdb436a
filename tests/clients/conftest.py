"""Real clients, in environments of their own, which `make test-clients` makes.

Without these, the tests are skipped: nothing else needs the clients.
"""

import os
from pathlib import Path

import pytest

CLIENTS = Path(os.environ.get("GTALIGN_CLIENTS", ""))
"""The folder of ``bin/python`` for the clients in Python, and ``node`` for those in JavaScript."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "GTALIGN_CLIENTS" in os.environ:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs clients: run `make test-clients`"))
