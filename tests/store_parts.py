"""An audit store, and records for it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway_parts import scripted
from gtalign.gateway.audit import Record
from gtalign.gateway.record import Facts, Outcome, record_of
from gtalign.gateway.settings import AuditSettings
from gtalign.gateway.store import open_store
from gtalign.steering import Ask, Decision, Steering, SteeringSettings, load_policy

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


async def decided() -> Decision:
    steering = Steering(scripted(), POLICY, SteeringSettings(instruct=False), model="toy")
    return (await steering.answer(Ask(({"role": "user", "content": "x"},)))).decision


def record(decision: Decision, id_: str, at: int = 1, **facts: Any) -> Record:
    known = {"request_id": "r", "key_id": "", "policy": POLICY, "stream": False, **facts}
    return record_of(decision, Facts(id=id_, at=at, **known), Outcome("done", answer="It is."))
