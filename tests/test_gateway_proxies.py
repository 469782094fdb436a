"""Behind a reverse proxy: whose word is taken on where a request came from."""

from pathlib import Path

import pytest

from dashboard_parts import Visitor
from gateway_parts import config_of, served
from gtalign.gateway.attempts import ATTEMPTS
from gtalign.gateway.keys import KeyRequest, Keys
from store_parts import stored


async def keyed(folder: Path) -> None:
    """Make a key before the gateway starts."""
    async with stored(config_of(folder).audit.database) as engine:
        await (await Keys.open(engine)).create(KeyRequest(name="root", scopes=("admin",)))


@pytest.mark.parametrize(
    ("proxies", "said", "seen"),
    [
        ((), ["203.0.113.7"], "127.0.0.1"),
        (("203.0.113.7",), ["203.0.113.7"], "127.0.0.1"),
        (("127.0.0.1",), ["203.0.113.7"], "203.0.113.7"),
        (("127.0.0.1",), ["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        (("127.0.0.1",), ["198.51.100.1, 203.0.113.7:4711"], "203.0.113.7"),
        (("127.0.0.1",), ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (("127.0.0.0/8", "10.0.0.0/8"), ["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (("127.0.0.1",), [], "127.0.0.1"),
    ],
)
async def test_a_proxy_says_where_a_request_came_from_and_nobody_else_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    proxies: tuple[str, ...],
    said: list[str],
    seen: str,
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # what uvicorn reads where it is told nothing
    await keyed(tmp_path)
    async with served(tmp_path, proxies=proxies) as gateway:
        headers = [("X-Forwarded-For", value) for value in said]
        url = f"{gateway.address}/dashboard/sign-in"
        with caplog.at_level("INFO", logger="gtalign.gateway.access"):
            async with gateway.http.get(url, headers=headers) as answer:
                assert answer.status == 200
        logged = [record for record in caplog.records if record.name == "gtalign.gateway.access"]
        assert [record.fields["client"] for record in logged] == [seen]  # type: ignore[attr-defined]


async def test_people_behind_one_proxy_are_told_apart(tmp_path: Path) -> None:
    await keyed(tmp_path)
    async with served(tmp_path, proxies=["127.0.0.1"]) as gateway, Visitor(gateway) as visitor:

        async def tried(address: str) -> int:
            headers = {"X-Forwarded-For": address}
            return (await visitor.post("/sign-in", {"key": "x"}, headers=headers)).status

        assert {await tried("198.51.100.1, 203.0.113.7") for _ in range(ATTEMPTS)} == {401}
        assert await tried("198.51.100.2, 203.0.113.7") == 429
        assert await tried("203.0.113.8") == 401
