"""``gtalign serve``: run the steering gateway."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gtalign.cli import options


def command(
    upstream: Annotated[str | None, options.ModelOrURL] = None,
    config: Annotated[Path | None, options.settings_of("gateway")] = None,
    policies: Annotated[list[str] | None, options.Policies] = None,
    host: Annotated[str | None, typer.Option(help="Address on which to listen.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on which to listen; 0 takes a free one.")
    ] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path under which a proxy shows the gateway, such as /llm.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes, over one PostgreSQL.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Database of the decisions: a file or a URL.")
    ] = None,
    game: options.Game = None,
    bare: options.Bare = False,
    key: Annotated[
        str | None, typer.Option(help="Make a new admin key with this name, and show it once.")
    ] = None,
    demo: Annotated[
        int,
        typer.Option(
            min=0, help="At the start, ask this many of the lab's questions under every policy."
        ),
    ] = 0,
    overrides: Annotated[list[str] | None, options.changes("audit.texts=true")] = None,
) -> None:
    r"""Serve steered answers over OpenAI's interface; record every decision.

    GTALIGN_UPSTREAM_KEY holds the API key of the model server. As long as the
    gateway has no keys of its own, it answers requests from this machine only.
    Give --key at the first start to make an admin key; leave it out later.
    SIGHUP makes it read its configuration again.
    --workers runs several processes, which share limits and budgets; they need
    PostgreSQL, and a port for the dashboard (--set admin.port=8401).
    With --set steering.verify=retry, an answer that does not carry out the
    chosen action is written once more, unless it is streamed.

    Example:
        gtalign serve http://127.0.0.1:8000/v1 --policy per-token \
            --policy subscription
    """
    # The web frameworks are imported when they are used.
    from gtalign.cli.show.served import show_key, show_ready, show_written
    from gtalign.gateway.demo import demo_of
    from gtalign.gateway.program import load_gateway, run_gateway
    from gtalign.gateway.telemetry.logs import log_to
    from gtalign.lab.world import first_questions

    given = {
        "upstream.address": ("MODEL_OR_URL", upstream),
        "upstream.game": ("--game", game),
        "host": ("--host", host),
        "port": ("--port", port),
        "root_path": ("--root-path", root_path),
        "workers": ("--workers", workers),
        "audit.database": ("--database", database),
        "policies": ("--policy", policies or None),
        "steering.instruct": ("--bare", False if bare else None),
    }
    read = partial(load_gateway, config, overrides or (), given)
    settings = read()
    log_to()
    asked = [question.messages for question in first_questions(demo)]
    beside = demo_of(asked, show_written) if demo else None
    ready = partial(show_ready, settings.steering)
    raise typer.Exit(
        run_gateway(settings, ready, key=key, show_key=show_key, beside=beside, read=read)
    )
