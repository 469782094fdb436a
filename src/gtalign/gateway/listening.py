"""Where the gateway listens: whether an address can be had, and sockets that processes share."""

import socket
from typing import Final

from gtalign.errors import ConfigError
from gtalign.gateway.settings import AdminSettings, GatewayConfig

_BACKLOG: Final = 2048  # connections that wait until a worker accepts them


def check_address(config: GatewayConfig) -> None:
    """Refuse an address at which nobody can listen.

    Raises:
        ConfigError: The port is in use, or the address is not one of this machine.
    """
    for wanted in (config, config.admin):
        if wanted is None:
            continue
        try:
            places = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, place in places:
                with socket.socket(family, kind, protocol) as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(place)
        except OSError as error:
            raise no_listening(wanted) from error


def listening(place: GatewayConfig | AdminSettings) -> socket.socket:
    """A socket that listens at an address, for several processes.

    Raises:
        ConfigError: The port is in use, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        family, _, _, _, where = found
        return socket.create_server(where[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise no_listening(place) from error


def no_listening(config: GatewayConfig | AdminSettings) -> ConfigError:
    """The error for an address that cannot be listened at, with the keys that name it."""
    keys = "admin.host, admin.port" if isinstance(config, AdminSettings) else "host, port"
    return ConfigError(f"{keys}: cannot listen on {config.host}:{config.port}; is the port in use?")
