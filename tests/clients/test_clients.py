"""Whatever a client can do at an engine, it can do through the gateway.

Each script runs twice: before llama.cpp's own server, and before the gateway in front of it. The
model is the lab's, as small as can be: what it says does not matter, and an engine that is held to
a grammar fills in any form. The gateway takes it for a model that never saw a chain.
"""

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.columns import Row, rows_of, table
from clients.conftest import CLIENTS
from engines.conftest import CHECKPOINT, ENGINE, Server, native_command, serving
from gateway_parts import Served, opened_before
from gtalign.config import load_table
from gtalign.gateway.settings import GatewayConfig

HERE = Path(__file__).parent
MODEL = "small"
CONTEXT = 4096
_STEERED = "steered"
WAIT = 1800.0  # seconds: a busy machine takes long
SCRIPTS = sorted(
    script.relative_to(HERE)
    for script in (*HERE.glob("python/*.py"), *HERE.glob("node/*.mjs"))
    if script.stem != "report"
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("gguf") / "lab.gguf"
    script = HERE.parent / "engines" / "to_gguf.py"
    subprocess.run([ENGINE, str(script), str(CHECKPOINT), str(file)], check=True)
    with serving(native_command(file, CONTEXT)) as server:
        yield server


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    found: list[Row] = []
    yield found
    print(f"\n{table(found)}")


def config_of(folder: Path, engine: str) -> GatewayConfig:
    """A configuration with small blocks, so that a chain and a response take few tokens."""
    settings = {
        "upstream": {"address": engine, "name": MODEL},
        "port": 0,
        "steering": {"blocks": {"response": 0.2, "longest": 16}},
        "audit": {"database": str(folder / "audit.db")},
        "timeouts": dict.fromkeys(("first", "idle", "total"), WAIT),
    }
    return load_table(GatewayConfig, settings, "test")


async def printed(script: Path, address: str) -> str:
    """What a script prints about an address."""
    if script.suffix == ".py":
        program, file = str(CLIENTS / "bin" / "python"), HERE / script
    else:  # beside its packages, where alone Node looks for them
        program, file = "node", CLIENTS / "node" / script.name
        for source in (HERE / "node").glob("*.mjs"):
            shutil.copy(source, file.parent)
    process = await asyncio.create_subprocess_exec(
        program, str(file), address, MODEL, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, "the script itself failed; see above"
    return out.decode()


async def outcomes(gateway: Served) -> Counter[str]:
    """How many answers were steered, and why others were not."""
    found = await gateway.records()
    return Counter(_STEERED if one["steered"] else one["reason"] or one["status"] for one in found)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("script", SCRIPTS, ids=str)
async def test_what_passes_at_the_engine_passes_through_the_gateway(
    script: Path, engine: Server, rows: list[Row], tmp_path: Path
) -> None:
    direct = await printed(script, engine.url.removesuffix("/v1"))
    async with opened_before(config_of(tmp_path, engine.url)) as gateway:
        through = await printed(script, gateway.address)
        count = await outcomes(gateway)
    found = rows_of(str(script), direct, through)
    rows += found
    print(f"\n{script}:", *(f"{number} {why}" for why, number in count.most_common()), sep="\n  ")
    assert count[_STEERED], f"no answer was steered: {dict(count)}"
    lost = [f"{row.case}: {row.gateway}" for row in found if row.lost]
    assert not lost, "\n".join(lost)
