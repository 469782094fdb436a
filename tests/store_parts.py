"""An audit store, and records for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_parts import scripted
from gtalign.errors import ConfigError
from gtalign.gateway.keys import Key, KeyRequest, Keys
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store.database import open_store
from gtalign.gateway.store.record import AnswerLog, record_of
from gtalign.gateway.store.writer import Record
from gtalign.steering import Ask, Decision, Session, Steering, SteeringSettings, load_policy

POLICY = load_policy("per-token", ["utility_of_money=700"])


@asynccontextmanager
async def stored(where: str | Path, **settings: Any) -> AsyncGenerator[AsyncEngine, None]:
    """A store at an address, or in a file of a folder."""
    database = where if isinstance(where, str) else str(where / "audit.db")
    engine = await open_store(AuditSettings(database=database, **settings))
    try:
        yield engine
    finally:
        await engine.dispose()


async def last_admin_stays(*engines: AsyncEngine) -> None:
    """Revoke as many admins as there are, each over another engine, and see that one is left."""
    for turn in range(10):
        sides = [await Keys.open(engine) for engine in engines]
        wanted = [
            KeyRequest(name=f"root {turn} {number}", scopes=("admin",))
            for number, _ in enumerate(engines)
        ]
        made = [(await sides[0].create(one))[0] for one in wanted]
        spare = [key for key in sides[0].all() if key.revoked is None and key not in made]
        for key in spare:
            await sides[0].revoke(key.id)
        revoking = (side.revoke(key.id) for side, key in zip(sides, made, strict=True))
        done = await asyncio.gather(*revoking, return_exceptions=True)
        assert sum(isinstance(told, ConfigError) for told in done) == 1
        assert sum(isinstance(told, Key) for told in done) == len(engines) - 1
        await sides[0].reload()
        assert sum(key.revoked is None for key in sides[0].all()) == 1


async def decided() -> Decision:
    steering = Steering(scripted(), POLICY, SteeringSettings(instruct="none"), model="toy")
    return (await Session(steering, Ask(({"role": "user", "content": "x"},))).answer()).decision


def record(decision: Decision, id_: str, at: int = 1, **facts: Any) -> Record:
    known = {"request_id": "r", "key_id": "", "policy": POLICY, "stream": False, **facts}
    log = AnswerLog(id=id_, at=at, status="done", answer="It is.", **known)
    return record_of(decision, log)
