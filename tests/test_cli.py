import errno
import importlib
import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID

from gtalign import __version__, cli, errors
from gtalign.cli import COMMANDS, main
from gtalign.cli.show.progress import progress_bar


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., None]], None]:
    """Put a function in the place of the command `solve`."""

    def replace(function: Callable[..., None]) -> None:
        module = ModuleType("gtalign.cli.solve")
        module.command = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "gtalign.cli.solve", module)

    return replace


def failing(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_shows_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"gtalign.cli.{name.replace('-', '_')}")
    assert "Example" in (module.command.__doc__ or "")
    assert main([name, "--help"]) == 0
    assert f"gtalign {name}" in capsys.readouterr().out


def test_every_module_is_a_command() -> None:
    files = Path(cli.__file__).parent.glob("[!_]*.py")
    names = {file.stem.replace("_", "-") for file in files}
    assert names - {"engine", "extras", "failures", "layout", "options"} <= set(COMMANDS)


@pytest.mark.parametrize("args", [[], ["--help"]])
def test_help_lists_the_commands(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_help_imports_no_command() -> None:
    code = "import sys; from gtalign.cli import main; main(['--help']); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "gtalign.cli" in loaded
    assert not loaded & {f"gtalign.cli.{name.replace('-', '_')}" for name in COMMANDS}
    assert not loaded & {"numpy", "torch"}


def test_a_command_may_hold_as_many_connections_as_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        assert main(["--version"]) == 0
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gtalign {__version__}\n"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--wat"], "No such option: --wat (see gtalign --help)"),
        (["solv"], "Did you mean 'solve'?"),
        (["solve", "--wat"], "(see gtalign solve --help)"),
    ],
)
def test_usage_errors_take_one_line(
    args: list[str],
    part: str,
    install: Callable[[Callable[..., None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(lambda: None)
    assert main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gtalign: error: ")
    assert captured.err.count("\n") == 1
    assert part in captured.err


def test_a_command_gets_its_arguments(
    install: Callable[[Callable[..., None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def command(file: Path, *, json: bool = False) -> None:
        """Solve [one] matrix.

        Example:
            gtalign solve game.json --json
        """
        print(file, json)

    install(command)
    assert main(["solve", "game.json", "--json"]) == 0
    assert capsys.readouterr().out == "game.json True\n"
    assert main(["solve", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Solve [one] matrix." in out
    assert "gtalign solve game.json --json" in out


def test_a_bar_that_is_full_tells_no_time_left() -> None:
    shown = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(shown, "{task.percentage:>3.0f}%") as progress:
        bar = progress.add_task("work", total=2)
        progress.update(bar, completed=1)
        assert "left" in text_of(progress, bar)
        progress.update(bar, completed=2)
        assert "100%" in text_of(progress, bar)
        assert "left" not in text_of(progress, bar)


def text_of(progress: Progress, task: TaskID) -> str:
    """What each column says of a task."""
    columns = (c for c in progress.columns if not isinstance(c, str | BarColumn))
    return " ".join(str(column.render(progress.tasks[task])) for column in columns)


def test_an_exit_code_of_a_command_is_kept(install: Callable[[Callable[..., None]], None]) -> None:
    install(failing(typer.Exit(7)))
    assert main(["solve"]) == 7


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (errors.ConfigError("unknown key 'a'"), 2, "unknown key 'a'"),
        (errors.PayoffError("cell VQ_DA:\nmissing"), 2, "cell VQ_DA: missing"),
        (errors.ChainError("order", 3, "no"), 2, "no (rule 'order', character 3)"),
        (errors.DataError("row 3"), 2, "row 3"),
        (errors.StorageError("disk full"), 2, "disk full"),
        (errors.JudgeError("judge x on q1"), 1, "judge x on q1"),
        (errors.TrainingError("no chat template"), 1, "no chat template"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "a.json"),
            2,
            "a.json: No such file or directory",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), 2, "runs: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "the Python package 'torch' is not installed; it belongs to the extra 'train' (about"
            " 1.3 GB without CUDA, 5 GB and more with it): pip install 'gtalign[train]', or in a"
            " clone: pip install -e '.[train]'",
        ),
        (
            ModuleNotFoundError("No module named 'aiohttp.web'", name="tqdm.auto"),
            2,
            "the Python package 'tqdm.auto' is not installed; install it: pip install tqdm",
        ),
        (EOFError(), 1, "input ended"),
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes the run"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_take_one_line(
    error: BaseException,
    code: int,
    line: str,
    install: Callable[[Callable[..., None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(failing(error))
    assert main(["solve"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.lstrip("\n") == f"gtalign: error: {line}\n"


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        ModuleNotFoundError("No module named 'gtalign.x'", name="gtalign.x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_bug_keeps_its_traceback(
    error: Exception, install: Callable[[Callable[..., None]], None]
) -> None:
    install(failing(error))
    with pytest.raises(type(error)):
        main(["solve"])


def test_debug_shows_the_traceback(
    install: Callable[[Callable[..., None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(failing(errors.ConfigError("wrong")))
    with pytest.raises(errors.ConfigError):
        main(["--debug", "solve"])
    monkeypatch.setenv("GTALIGN_DEBUG", "1")
    with pytest.raises(errors.ConfigError):
        main(["solve"])


CHATTY = """
import sys
from types import ModuleType
from gtalign.cli import main

def command():
    for number in range(100_000):
        print(number)

module = ModuleType("gtalign.cli.solve")
module.command = command
sys.modules[module.__name__] = module
sys.exit(main(["solve"]))
"""


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-c", CHATTY], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert result.returncode == 1
    assert result.stderr == ""


def test_a_pipe_closed_under_a_command(
    install: Callable[[Callable[..., None]], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(failing(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["solve"]) == 1


def test_python_m_gtalign() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gtalign", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"gtalign {__version__}\n"


def test_threads_that_wait_for_each_other_sleep_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the user says how long they keep a core busy."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert main(["--version"]) == 0
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert main(["--version"]) == 0
    assert os.environ["GOMP_SPINCOUNT"] == "7"
