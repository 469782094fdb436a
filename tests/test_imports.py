"""Imports point down one list of modules, and cheap modules stay cheap."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
PACKAGE = SRC / "gtalign"

# Each may import those before it, and itself.
ORDER = (
    "errors",
    "config",
    "files",
    "drawing",
    "game",
    "tasks",
    "chain",
    "models",
    "endpoints",
    "judges",
    "reward",
    "data",
    "transcripts",
    "steering",
    "dialogue",
    "synthesis",
    "training",
    "evaluation",
    "lab",
    "gateway",
    "study",
    "integrations",
    "cli",
    "__main__",
)
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "transformers", "trl", "datasets", "starlette", "uvicorn", "aiohttp"}


def module_name(file: Path) -> str:
    parts = file.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the modules of the package that a file imports, at its top, lazily or for types."""
    return frozenset(_imported(file))


def _imported(file: Path) -> Iterator[str]:
    name = module_name(file)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("gtalign."))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            if base.split(".")[0] != "gtalign":
                continue
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES else base


def part(module: str) -> str:
    """Return the part of the package that a module belongs to; the root itself is ''."""
    return [*module.split("."), ""][1]


def test_every_part_has_its_place() -> None:
    assert {part(module) for module in MODULES} - {""} <= set(ORDER)


def test_imports_point_down() -> None:
    """One test for all files: pytest takes longer for a test than this one for a file."""
    up: dict[str, set[str]] = {}
    for file in FILES:
        own = part(module_name(file))
        targets = {part(module) for module in imported(file)} - {own, ""}
        allowed = set(ORDER[: ORDER.index(own)]) if own else set()  # the root imports nothing
        if own != "cli":
            allowed.discard("lab")  # the lab is a client of the package, known by its command alone
        if targets - allowed:
            up[str(file.relative_to(PACKAGE))] = targets - allowed
    assert up == {}


@pytest.mark.parametrize("file", sorted((PACKAGE / "steering").rglob("*.py")), ids=lambda f: f.name)
def test_steering_imports_nothing_that_measures(file: Path) -> None:
    """Not even lazily: an answer is steered without judges, rewards, data and transcripts."""
    targets = {part(module) for module in imported(file)} - {""}
    known = {"errors", "config", "drawing", "game", "tasks", "chain", "models", "steering"}
    assert targets <= known


def test_no_cycle_between_modules() -> None:
    graph = {
        module: {target for target in imported(file) if target in MODULES and target != module}
        for module, file in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def loaded_by(statement: str) -> set[str]:
    """Return the modules in memory after a statement, in a fresh interpreter."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_import_gtalign_loads_nothing_else() -> None:
    assert loaded_by("import gtalign") == {"gtalign"}


def test_light_parts_load_no_machine_learning_and_no_web() -> None:
    loaded = loaded_by("import gtalign.cli, gtalign.config, gtalign.game, gtalign.chain")
    assert {"gtalign.cli", "gtalign.game", "gtalign.chain", "numpy"} <= loaded
    assert not loaded & HEAVY
    assert not loaded & {"gtalign.reward", "gtalign.lab", "gtalign.training"}


def test_steering_knows_nothing_of_measuring() -> None:
    loaded = loaded_by("import gtalign.steering")
    parts = {part(module) for module in loaded if module.startswith("gtalign.")}
    assert parts <= {"errors", "config", "drawing", "game", "tasks", "chain", "steering"}
    assert not loaded & (HEAVY | {"openai", "scipy", "sqlalchemy", "typer"})


def test_the_game_needs_numpy_only() -> None:
    loaded = loaded_by("import gtalign.game")
    assert not loaded & (HEAVY | {"scipy", "pydantic", "typer", "rich"})


def test_judges_load_no_client_and_no_algebra_before_they_are_asked() -> None:
    loaded = loaded_by("import gtalign.judges")
    assert not loaded & (
        HEAVY | {"openai", "stamina", "math_verify", "sympy", "sacrebleu", "scipy"}
    )


HELP = """
import contextlib, io, sys

class OnlyBase:  # finds nothing of what only the extras bring
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

EXTRAS = set(sys.argv[1:])
sys.meta_path.insert(0, OnlyBase())
from gtalign.cli import COMMANDS, main
with contextlib.redirect_stdout(io.StringIO()):
    codes = {name: main([name, "--help"]) for name in COMMANDS}
print(codes)
sys.exit(any(codes.values()))
"""
EXTRAS = HEAVY | {
    *("accelerate", "peft", "tokenizers"),  # train
    *("openai", "stamina", "math_verify", "sympy", "sacrebleu"),  # judge
    *("scipy", "moocore", "pyarrow"),  # eval
    *("orjson", "jinja2", "jsonschema", "sqlalchemy", "aiosqlite", "uvloop", "httptools"),  # serve
    *("asyncpg", "opentelemetry"),
}


def test_help_of_every_command_needs_the_base_dependencies_only() -> None:
    command = [sys.executable, "-c", HELP, *EXTRAS]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_lab_refuses_a_wrong_setting_without_waiting_for_torch() -> None:
    assert not loaded_by("import gtalign.cli.lab") & {"torch", "transformers", "trl", "datasets"}
