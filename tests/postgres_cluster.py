"""A throwaway PostgreSQL: a cluster on a Unix socket, owned by a user without rights."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
OWNER = "nobody"  # what root becomes, from whom initdb refuses to be started


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where there is no PostgreSQL."""
    found = shutil.which("initdb")
    folders = [*([Path(found).resolve().parent] if found else []), *PLACES]
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


class Cluster:
    """A cluster that runs, and can be stopped and started."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._run("initdb", "-U", "gtalign", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    def url(self, name: str) -> str:
        """Address of a database."""
        return f"postgresql+asyncpg://gtalign@/{name}?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        """End it at once, with its connections."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        data = str(self._folder / "data")
        subprocess.run(
            [str(self._programs / program), "-D", data, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **self._user,  # type: ignore[call-overload]
        )


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    # Not below pytest's own folder, into which nobody else may look.
    folder = Path(tempfile.mkdtemp(prefix="gtalign-postgres-"))
    try:
        found = Cluster(folder, programs)
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


FOUND = programs()
needs_postgres = pytest.mark.skipif(FOUND is None, reason="no PostgreSQL here (initdb, pg_ctl)")


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    assert FOUND is not None
    with cluster(FOUND) as found:
        yield found


@pytest.fixture
async def database(server: Cluster, request: pytest.FixtureRequest) -> str:
    """Address of a new database."""
    name = f"d{abs(hash(request.node.nodeid))}"
    engine = create_async_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
    await engine.dispose()
    return server.url(name)
