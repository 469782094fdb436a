"""``gtalign serve``: run the steering gateway."""

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
            help="A checkpoint directory, gguf:FILE, package:NAME, or the address of a model server"
            " such as http://127.0.0.1:8000/v1. Not needed if the configuration names it.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the settings of the gateway.")
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="A policy file, or the name of a built-in policy; repeatable. The first is the"
            " default.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address on which to listen.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on which to listen; 0 takes a free one.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Database of the decisions: a file or a URL.")
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(
            help="Give the model no instruction for the chain; for models trained without it."
        ),
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="Make a new admin key with this name, and show it once.")
    ] = None,
    demo: Annotated[
        int,
        typer.Option(
            min=0, help="At the start, ask this many of the lab's questions under every policy."
        ),
    ] = 0,
    overrides: Annotated[list[str] | None, changes("audit.texts=true")] = None,
) -> None:
    r"""Serve steered answers over OpenAI's interface; record every decision.

    GTALIGN_UPSTREAM_KEY holds the API key of the model server. As long as the
    gateway has no keys of its own, it answers only this machine. Give --key at
    the first start to make an admin key; leave it out later.

    Example:
        gtalign serve http://127.0.0.1:8000/v1 --policy per-token \
            --policy subscription
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
    read_policies(settings.policies)  # report their errors before anything is opened
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
    """Ask the lab's questions under every policy, as a client would."""
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
