"""The files of ``deploy/``: nginx with TLS before a gateway, the unit, and the container file."""

import asyncio
import io
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway_parts import MESSAGES, Held, config_of, opened_before
from gtalign.gateway.keys import KeyRequest, Keys
from gtalign.gateway.served import Models
from gtalign.gateway.settings import TimeoutSettings
from gtalign.gateway.upstream import Upstream
from store_parts import stored

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"

needs_nginx = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="needs nginx and openssl"
)


@asynccontextmanager
async def nginx(folder: Path, gateway: str, port: int) -> AsyncGenerator[str, None]:
    """nginx with the file that ships, but for its addresses, before a gateway."""
    names = {name: folder / name for name in ("fullchain.pem", "privkey.pem")}
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(names["privkey.pem"]), "-out", str(names["fullchain.pem"])),
        ],
        check=True,
        capture_output=True,
    )
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for before, after in (
        ("server 127.0.0.1:8400", f"server {gateway.removeprefix('http://')}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/gtalign/", f"{folder}/"),
    ):
        assert before in site
        site = site.replace(before, after)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        *("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while True:  # until it listens
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                assert process.returncode is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.02)
        yield f"https://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@needs_nginx
async def test_nginx_with_tls_stands_before_a_gateway(tmp_path: Path, unused_tcp_port: int) -> None:
    backend = Held()
    models = Models.of_one(Upstream(backend, "toy", "toy-1"))
    origin = f"https://127.0.0.1:{unused_tcp_port}"
    config = config_of(
        tmp_path, dashboard={"origin": origin}, show="reasoning", proxies=["127.0.0.1"]
    )
    async with stored(config.audit.database) as engine:
        wanted = KeyRequest(name="root", scopes=("chat", "admin"))
        _, secret = await (await Keys.open(engine)).create(wanted)
    untrusting = ssl.create_default_context()
    untrusting.check_hostname, untrusting.verify_mode = False, ssl.CERT_NONE
    async with (
        opened_before(config, models) as gateway,
        nginx(tmp_path, gateway.address, unused_tcp_port) as address,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=untrusting),
            headers={"Authorization": f"Bearer {secret}"},
        ) as http,
    ):
        async with http.get(f"{address}/v1/models") as answer:
            assert (await answer.json())["data"][0]["id"] == "toy"
        body = {"model": "toy:costly", "messages": MESSAGES, "stream": True}
        async with http.post(f"{address}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            # The engine still writes: what comes was not held back on its way.
            while b"reasoning_content" not in await answer.content.readline():
                pass
            assert backend.reached.is_set() and not backend.closed.is_set()
        await backend.closed.wait()  # the client left, and so the engine was stopped
        async with http.get(f"{address}/dashboard") as page:
            assert page.status == 200
            assert any(cookie["secure"] for cookie in page.cookies.values())
        async with http.get(f"{address}/metrics") as numbers:
            assert numbers.status == 200
        async with http.post(
            f"{address}/v1/chat/completions", data=io.BytesIO(b"x" * (5 << 20))
        ) as large:
            assert large.status == 413


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd")
    unit = tmp_path / "gtalign.service"
    text = (DEPLOY / "gtalign.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/gtalign/bin/gtalign", "/bin/true"))  # it is not installed
    found = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "gtalign.service" not in found.stderr, found.stderr


def test_the_container_file_copies_what_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name
    extras = re.search(r"\.\[([\w,]+)\]", text)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras is not None
    assert all(re.search(rf"^{name} = \[", project, re.MULTILINE) for name in extras[1].split(","))


def test_whatever_stops_the_gateway_waits_until_it_has_drained() -> None:
    drain = TimeoutSettings().drain
    unit = (DEPLOY / "gtalign.service").read_text(encoding="utf-8")
    waits = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert waits is not None and float(waits[1]) > drain
