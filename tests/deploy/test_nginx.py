"""`deploy/nginx.conf` under nginx, before a stand-in for the gateway."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    "GTALIGN_DEPLOY" not in os.environ or PROGRAM is None,
    reason="needs nginx: run `make test-deploy`, with Debian's package nginx",
)


class Echo(BaseHTTPRequestHandler):
    """Answers with the number of bytes that it got."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(len(body)).encode())

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx, which listens with TLS at all addresses of this machine."""
    tmp_path = tmp_path_factory.mktemp("nginx")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout privkey.pem"
    subprocess.run([*made.split(), "-out", "fullchain.pem"], cwd=tmp_path, check=True)
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as found:
        free: int = found.getsockname()[1]
    text = (DEPLOY / "nginx.conf").read_text()
    text = text.replace("127.0.0.1:8400", f"127.0.0.1:{behind.server_port}")
    text = text.replace("listen 443 ssl;", f"listen {free} ssl;")
    text = text.replace("/etc/ssl/gtalign", str(tmp_path))
    paths = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\nworker_processes 1;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"
    )
    assert PROGRAM is not None
    process = subprocess.Popen([PROGRAM, "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", free)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, (tmp_path / "error.log").read_text()
        yield free
    finally:
        process.terminate()
        process.wait()
        behind.shutdown()
        behind.server_close()


def ask(
    port: int,
    path: str,
    client: str = "127.0.0.1",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request from an address of this machine; returns status and body of the answer."""
    unknown = ssl.create_default_context()
    unknown.check_hostname, unknown.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, source_address=(client, 0), context=unknown
    )
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_the_gateway_takes_comes_through(port: int) -> None:
    recording = bytes(5 * 1024**2)
    sent = ask(port, "/v1/audio/transcriptions", body=recording)
    assert sent == (200, str(len(recording)).encode())
    assert ask(port, "/v1/audio/transcriptions", body=bytes(100 * 1024**2 + 1))[0] == 413
    assert ask(port, "/v1/models", headers={"X-Long": "x" * 30_000})[0] == 200


ADMIN = [
    *("/admin/keys", "/metrics", "/metrics/", "/dashboard", "/dashboard/keys", "//admin/keys"),
    *("/%61dmin/keys", "/%2Fdashboard", "/v1/../dashboard", "/./admin/export"),
]


@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_side_is_for_this_machine(port: int, path: str) -> None:
    assert ask(port, path, client="127.0.0.2")[0] == 403
    assert ask(port, path)[0] == 200
    assert ask(port, "/v1/models", client="127.0.0.2")[0] == 200
