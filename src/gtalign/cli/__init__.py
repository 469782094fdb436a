"""The command line: ``gtalign COMMAND``.

Each command lives in a module of its own, ``gtalign.cli.<name>`` (an underscore for a hyphen), as a
function ``command`` whose docstring is its help and holds an example. Only the module of the
command that runs is imported, so that ``gtalign --help`` and ``gtalign solve`` never wait for
torch.

Results go to stdout, logs and errors to stderr. Exit codes: 0 done, or ended in order when asked
to (SIGTERM), 1 the work failed, 2 bad input, 130 interrupted.
"""

import contextlib
import importlib
import inspect
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from gtalign import __version__
from gtalign.cli.failures import FAILED, INTERRUPTED, complain, diagnose
from gtalign.errors import Terminated

__all__: list[str] = []  # a program: nothing here is called from Python

# The line of each command in `gtalign --help`, in this order.
COMMANDS = {
    "lab": "Train a small model offline, compare it with others, and report.",
    "steer": "Answer questions under pricing policies and steer each answer.",
    "faithful": "Measure whether a model's payoff matrix causes its answer.",
    "serve": "Run a steering gateway in front of a model server; record every decision.",
    "solve": "Solve a payoff matrix from a file or stdin.",
    "audit-policy": "Show whether a pricing policy pays for padding and needless turns.",
    "data": "Build, inspect, check and mix files of questions.",
    "synth": "Let teacher models write training chains, and keep the best.",
    "sft": "Train a model on chains that teachers wrote.",
    "dpo": "Train a model to prefer the better of two answers.",
    "rl": "Train a model for mutual welfare by reinforcement learning.",
    "eval": "Let a model answer questions, score the answers and report.",
    "converse": "Let simulated users talk with a model; measure the conversations.",
    "score": "Score transcripts, dumps and chat logs; ask judges for missing verdicts.",
    "judges": "Check judges against people's labels: agreement, error rates, position bias.",
    "compare": "Compare runs, with confidence intervals.",
    "study": "Let people rate answers without knowing who wrote them, and analyse it.",
    "calibration": "Show whether the beliefs that chains state about the user are right.",
    "conflict": "Show whether the interests of user and LLM differ in scored answers.",
    "runs": "List the runs in a folder: state, last step, best W and size.",
    "examples": "List the sample files and configurations, or copy them into a folder.",
}


def load(name: str) -> Any:
    """Import a command's module and return the command, ready to parse its arguments.

    A module with an ``app`` is a group of commands; its ``command`` is the group itself.
    """
    module = importlib.import_module(f"gtalign.cli.{name.replace('-', '_')}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    function = module.command
    single = typer.Typer(add_completion=False)
    # Escaped: a docstring is text, and its brackets are no markup.
    single.command(name, help=escape(inspect.getdoc(function) or ""))(function)
    return typer.main.get_command(single)


class Commands(TyperGroup):
    """The root: lists the commands without importing them and maps errors to exit codes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the listed entry by the real command, importing its module now."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error becomes one line on stderr and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # so that a closed pipe is found here and not at interpreter exit
        except Terminated as stop:
            print(f"gtalign: {stop}", file=sys.stderr)
            raise typer.Exit from None
        except KeyboardInterrupt:
            complain("interrupted; the same command resumes the run")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader has enough. What is still buffered has nowhere to go at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except Exception as error:
            diagnosis = None if ctx.params["debug"] else diagnose(error)
            if diagnosis is None:
                raise
            code, message = diagnosis
            complain(message)
            raise typer.Exit(code) from error
        return result


def _allow_connections() -> None:
    """Raise the limit of open connections to its maximum; most systems begin with 1,024."""
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has one that it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _share_cores() -> None:
    """Let threads of torch that wait for each other sleep soon, in this process and in its workers.

    By default they keep their cores busy while they wait. Beside other work that takes the time of
    the one they wait for: two threads beside two busy processes took twenty times as long for a
    step of the lab as with nothing beside them. Sums come out the same, to the last bit.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gtalign {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="GTALIGN_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Train, steer and measure LLM assistants for mutual welfare.

    Example:
        gtalign lab
    """
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("gtalign").setLevel(logging.DEBUG if debug else logging.INFO)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        args: The arguments without the program's name; those of the process if None.
    """
    args = list(sys.argv[1:] if args is None else args) or ["--help"]
    _allow_connections()
    _share_cores()
    # A file's name may hold what no terminal shows; stderr escapes it in any case.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        with contextlib.suppress(OSError):  # some pipes cannot be told so
            sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = typer.main.get_command(app).main(args, prog_name="gtalign", standalone_mode=False)
    except typer.TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", "gtalign")
        complain(f"{error.format_message()} (see {path} --help)")
        return error.exit_code
    except typer.Abort:
        complain("input ended")
        return FAILED
    # Typer hands back the code of an Exit; a command's own result is of no use to a shell.
    return result if isinstance(result, int) else 0
