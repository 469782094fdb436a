"""A run handed over by Ray's own client, to a stand-in that takes jobs."""

import json
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.dashboard.modules.version import CURRENT_VERSION
from verl_parts import run_config

from gtalign.cli import main

Jobs = tuple[str, list[dict[str, Any]]]


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """The address where jobs are taken, and the jobs."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def say(self, body: dict[str, Any]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def do_GET(self) -> None:
            known = {"ray_version": ray.__version__, "ray_commit": "", "session_name": ""}
            self.say({"version": CURRENT_VERSION, **known})

        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.say({"job_id": "raysubmit_1", "submission_id": "raysubmit_1"})

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
    finally:
        server.shutdown()
        server.server_close()


def test_a_job_is_the_same_command_on_the_cluster(
    jobs: Jobs, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, taken = jobs
    file, out = run_config(checkpoint, tmp_path / "from", None), tmp_path / "a run"
    command = ["rl", "--engine", "verl", "--config", str(file), "--out", str(out), "--json"]
    assert main([*command, "--submit", address]) == 0
    assert json.loads(capsys.readouterr().out)["job"] == "raysubmit_1"
    (job,) = taken
    asked = shlex.split(job["entrypoint"])
    assert asked[:4] == ["gtalign", "rl", "--engine", "verl"]
    assert asked[4:] == ["--config", str(out / "config.toml"), "--out", str(out)]
    assert (out / "verl" / "train.jsonl").exists()
    # What the job will check first: the same run, as the folder has it.
    assert main([*asked[1:], "--dry-run", "--json"]) == 0


def test_an_address_where_nobody_takes_jobs_is_an_error(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run_config(checkpoint, tmp_path / "from", None)
    command = ["rl", "--engine", "verl", "--config", str(file), "--out", str(tmp_path / "run")]
    assert main([*command, "--submit", "http://127.0.0.1:9"]) == 2
    assert "--submit http://127.0.0.1:9" in capsys.readouterr().err
