"""``gtalign serve``: the gateway."""

import logging
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gtalign.cli import changes
from gtalign.config import load
from gtalign.errors import ConfigError, GTAlignError

log = logging.getLogger(__name__)


def command(
    upstream: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL_OR_URL",
            help="A checkpoint directory, or the address of a model server such as"
            " http://127.0.0.1:8000/v1. Not needed where the configuration names it.",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", help="A policy file, or the name of one that ships; the first is default."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; 0 for a free one.")] = None,
    database: Annotated[
        str | None, typer.Option(help="Where decisions are kept: a file or a URL.")
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(help="Give no instruction for the chain: the model was trained without one."),
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="Make a new admin key of this name, and show it once.")
    ] = None,
    demo: Annotated[
        int, typer.Option(min=0, help="Ask this many of the lab's questions under every policy.")
    ] = 0,
    overrides: Annotated[list[str] | None, changes("audit.texts=true")] = None,
) -> None:
    """Serve steered answers in OpenAI's form, with every decision on record.

    The key of the model server is read from GTALIGN_UPSTREAM_KEY. Without a key of its own, the
    gateway answers this machine alone; make one with --key, which later starts leave out.

    Example:
        gtalign serve http://127.0.0.1:8000/v1 --policy per-token --policy subscription
    """
    # The web frameworks are imported when they are used.
    from gtalign.gateway.policies import read_policies
    from gtalign.gateway.program import serve_configured
    from gtalign.gateway.server import run
    from gtalign.gateway.settings import GatewayConfig
    from gtalign.gateway.telemetry.logs import log_to

    changed = overrides or ()
    if upstream is None and config is None and not any(c.startswith("upstream") for c in changed):
        raise ConfigError(
            "nothing to serve; name the address of a model server or a checkpoint: as MODEL_OR_URL,"
            " as address of [upstream] in the file of --config, or by --set upstream.address=..."
        )
    options = {
        "upstream.address": ("MODEL_OR_URL", upstream),
        "host": ("--host", host),
        "port": ("--port", port),
        "audit.database": ("--database", database),
        "policies": ("--policy", policies or None),
        "steering.instruct": ("--bare", False if bare else None),
    }
    settings = load(GatewayConfig, config, changed, options)
    read_policies(settings.policies)  # what is wrong with them is told before anything is opened
    log_to()

    def ready(server: Any, address: str) -> None:
        _tell(f"gateway at {address}, model {server.name}, {server.backend.name}")
        _tell(f"dashboard at {address}/dashboard")

    def show_key(secret: str) -> None:
        _tell(f"the admin key {key!r}, shown this once:")
        print(secret, flush=True)

    beside = partial(_demo, count=demo) if demo else None
    run(serve_configured(settings, ready, key=key, show_key=show_key, beside=beside))


async def _demo(gateway: Any, count: int) -> None:
    """Ask questions of the small world under every policy, as a client would."""
    from gtalign.gateway.demo import ask_all
    from gtalign.lab.world import make_world

    questions = make_world(0, 1, count).test[:count]
    try:
        written = await ask_all(gateway, [question.messages for question in questions])
    except GTAlignError as error:
        log.warning("the demo ended early: %s", error)
        return
    _tell(f"{written} decisions are on record; the dashboard shows them")


def _tell(text: str) -> None:
    print(f"gtalign: {text}", file=sys.stderr, flush=True)
