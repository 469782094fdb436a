"""The gateway as a program: open the engine, make an admin key, serve, and shut down in order."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gtalign.config import load, load_table
from gtalign.errors import ConfigError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.addresses import check_passes
from gtalign.gateway.keys import KeyRequest, Keys
from gtalign.gateway.listening import check_address
from gtalign.gateway.policies import read_policies
from gtalign.gateway.served import Models, forms_of
from gtalign.gateway.server import run, serve
from gtalign.gateway.settings import GatewayConfig
from gtalign.gateway.store.database import open_store
from gtalign.gateway.worker import Worker
from gtalign.gateway.workers import Workers, check_workers

Ready = Callable[[Models, str, str], None]
"""Takes the models, the gateway's address and the dashboard's, once requests are taken."""


def load_gateway(
    file: Path | None,
    overrides: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> GatewayConfig:
    """Read the settings of a gateway, and its policies, before anything is opened.

    Args:
        file: A TOML file; None for none.
        overrides: ``key=value`` strings.
        options: Options of a command line, as `gtalign.config.load` takes them.

    Raises:
        ConfigError: Nothing to serve is named, or a setting or a policy is wrong.
    """
    named = options.get("upstream.address", ("", None))[1] is not None
    set_ = any(change.startswith(("upstream", "models")) for change in overrides)
    if not named and file is None and not set_:
        raise ConfigError(
            "nothing to serve; name the address of a model server or a checkpoint: as MODEL_OR_URL,"
            " as address of [upstream] in the file of --config, or by --set upstream.address=...;"
            " or several models in tables [models.NAME] of the file"
        )
    config = load(GatewayConfig, file, overrides, options)
    check_workers(config)
    check_passes(config)
    read_policies(config.policies, forms_of(config))
    return config


def run_gateway(
    config: GatewayConfig,
    ready: Ready,
    *,
    key: str | None = None,
    show_key: Callable[[str], None] = lambda secret: None,
    beside: Callable[[Gateway], Coroutine[Any, Any, None]] | None = None,
    read: Callable[[], GatewayConfig] | None = None,
) -> int:
    """Serve in as many processes as the configuration names until a signal ends them.

    With several, each is a fork of this one, which looks after them and returns when all have
    ended. The arguments and errors are those of `serve_configured`.

    Returns:
        The exit code of the program.
    """
    worker = None
    if config.workers > 1:
        parent = Workers(config)
        worker = parent.run()
        if worker is None:
            return parent.code
    run(
        serve_configured(
            config, ready, key=key, show_key=show_key, beside=beside, read=read, worker=worker
        )
    )
    return 0


async def serve_configured(
    config: GatewayConfig,
    ready: Ready,
    *,
    key: str | None = None,
    show_key: Callable[[str], None] = lambda secret: None,
    beside: Callable[[Gateway], Coroutine[Any, Any, None]] | None = None,
    read: Callable[[], GatewayConfig] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until a signal ends the process; every record is written by then.

    Args:
        config: Configuration of the gateway.
        ready: Called once requests are taken.
        key: Name of an admin key to make before that; None makes none.
        show_key: Takes the new key. It is shown once and stored as a hash alone.
        beside: Work that runs beside the server; it is cancelled when the server ends.
        read: Reads the configuration again when the process gets SIGHUP; None leaves that signal.
        worker: What this process is of several, of which the first alone makes a key, shows
            anything and works beside; None if it is the only one.

    Raises:
        ConfigError: The configuration is wrong, the address cannot be listened at, or there is a
            key of this name.
        SteeringError: An engine cannot continue an edited text, and no fallback is configured.
        StorageError: The store cannot be opened or written.
    """
    alone = worker is None or worker.first
    # A key is shown once, so nothing may fail after it.
    if key is not None and config.port and worker is None:
        check_address(config)
    models = Models.of(config)
    try:
        await models.open()
        if key is not None and alone:
            show_key(await make_admin_key(config, key))
    except BaseException:
        await models.aclose()
        raise
    tasks: list[asyncio.Task[None]] = []

    def begun(gateway: Gateway, address: str) -> None:
        if alone:
            ready(models, address, gateway.pages)
        if beside is not None and alone:
            tasks.append(asyncio.create_task(beside(gateway)))

    try:
        await serve(config, models, begun, read, worker)
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def make_admin_key(config: GatewayConfig, name: str) -> str:
    """Make an admin key in the store and return it.

    Raises:
        ConfigError: It is no name of a key, or a valid key has it. Otherwise each start of the
            gateway by the same command would leave one more key behind.
        StorageError: The store cannot be opened or written.
    """
    wanted = load_table(KeyRequest, {"name": name, "scopes": ("chat", "admin")}, "--key")
    store = await open_store(config.audit)
    try:
        keys = await Keys.open(store)
        _, secret = await keys.create(wanted)
    except ConfigError as error:
        raise ConfigError(f"--key: {error}, or leave --key out") from error
    finally:
        await store.dispose()
    return secret
