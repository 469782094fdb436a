"""The admin interface, the metrics and the dashboard on a port of their own."""

import socket
from pathlib import Path

import pytest

from gateway_parts import MESSAGES, config_of, scripted, served
from gtalign.errors import ConfigError
from gtalign.gateway.gateway import opened
from gtalign.gateway.served import Models
from gtalign.gateway.server import serve
from gtalign.gateway.upstream import Upstream

CLIENTS = ["/v1/models", "/v1/decisions/x"]
ADMIN = ["/admin/keys", "/admin/decisions", "/metrics", "/dashboard", "/dashboard/keys"]
BOTH = ["/healthz", "/readyz", "/health"]


async def test_each_port_has_its_part_alone(tmp_path: Path) -> None:
    async with served(tmp_path, admin={"port": 0}) as gateway:
        pages = gateway.gateway.pages
        assert pages != gateway.address
        answer = await gateway.ask()

        async def there(address: str, path: str) -> bool:
            async with gateway.http.get(address + path) as found:
                text = await found.text()
                return found.status == 200 or "no decision" in text

        for own, other, paths in (
            (gateway.address, pages, CLIENTS),
            (pages, gateway.address, ADMIN),
        ):
            for path in paths:
                assert await there(own, path), path
                assert not await there(other, path), path
        for path in BOTH:
            assert await there(gateway.address, path) and await there(pages, path)
        # Nothing is asked for, or passed on, at the port of those who run it.
        body = {"model": "toy", "messages": MESSAGES}
        for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/chat/completions"):
            async with gateway.http.post(pages + path, json=body) as refused:
                assert refused.status == 404, path
        # Both see the same gateway.
        async with gateway.http.get(f"{pages}/admin/decisions") as found:
            assert [row["id"] for row in (await found.json())["data"]] == [answer.id]


async def test_without_a_port_of_its_own_everything_is_at_one(tmp_path: Path) -> None:
    async with served(tmp_path) as gateway:
        assert gateway.gateway.pages == gateway.address
        for path in (*ADMIN, *BOTH, "/v1/models"):
            async with gateway.http.get(gateway.address + path) as found:
                assert found.status == 200, path


async def test_an_admin_port_that_others_reach_needs_a_key_and_has_to_be_free(
    tmp_path: Path,
) -> None:
    models = Models.of_one(Upstream(scripted(), "toy", "toy"))
    config = config_of(tmp_path, admin={"host": "0.0.0.0", "port": 0})
    with pytest.raises(ConfigError, match=r"admin\.host: other machines can reach 0\.0\.0\.0"):
        async with opened(config, models):
            pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = config_of(tmp_path, admin={"port": taken.getsockname()[1]})
        with pytest.raises(ConfigError, match=r"admin\.host, admin\.port: cannot listen"):
            await serve(config, models)
