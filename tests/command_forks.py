"""Commands and scripts as forks of one process that has imported the package.

    python command_forks.py SOCKET          the process that is forked; it ends with its input
    python command_forks.py SOCKET WORDS    a fork that does what the words say

The words are those of a ``gtalign`` command, or ``python`` and a script, whose warnings are errors.
Folder, environment and standard files are those of the process that asks. Most commands take longer
to import the package than to do their work.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import types
import warnings
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

_IMPORTED: Final = [
    *(f"gtalign.cli.{name}" for name in ("audit_policy", "compare", "conflict", "data")),
    *(f"gtalign.cli.{name}" for name in ("examples", "judges", "score", "solve")),
    *("gtalign.judges", "gtalign.reward", "gtalign.steering", "gtalign.tasks"),
]
_COMMAND: Final = "import sys; from gtalign.cli import main; sys.exit(main())"


def ask(
    address: str, words: Sequence[str], folder: str, env: Mapping[str, str], files: Sequence[int]
) -> int:
    """Have words done in a fork; returns its exit code, negative for a signal."""
    given = json.dumps({"words": words, "folder": folder, "env": dict(env)}).encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        socket.send_fds(client, [len(given).to_bytes(8, "big")], files)
        client.sendall(given)
        return int(b"".join(iter(lambda: client.recv(64), b"")))


def serve(address: str) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # forks look at none of it again, and copy none of it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            client, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(client)
            client.close()


def _answer(client: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as sent:
        given = json.loads(sent.read(int.from_bytes(size, "big")))
    worker = os.fork()
    if worker:
        _, status = os.waitpid(worker, 0)
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    client.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ.update(given["env"])
    command, *args = given["words"]
    if command == "python":
        warnings.simplefilter("error")
        script, sys.argv = args[0], ["-c"]
    else:
        script, sys.argv = _COMMAND, [command, *args]
    sys.path[0] = given["folder"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(script, "<string>", "exec"), vars(main))
    raise SystemExit


if __name__ == "__main__":
    address, *words = sys.argv[1:]
    if words:
        sys.exit(ask(address, words, os.getcwd(), os.environ, (0, 1, 2)))
    serve(address)
