"""Two gateways behind nginx, restarted and killed under load.

`make test-scale` runs this. Without it, or without nginx, these tests are skipped.
"""

import os
import shutil
from pathlib import Path

import pytest

from postgres_cluster import FOUND, database, server

__all__ = ["database", "server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why = None
    if "GTALIGN_SCALE" not in os.environ:
        why = "takes minutes: run `make test-scale`"
    elif shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        why = "no nginx here (Debian's package nginx)"
    elif FOUND is None:
        why = "no PostgreSQL here (initdb, pg_ctl)"
    for item in items:
        if why is not None and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=why))
