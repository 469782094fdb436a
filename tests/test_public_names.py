"""What each package offers: declared, documented, importable, and no more than is listed here."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import gtalign

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gtalign"
LIST = Path(__file__).with_name("public_names.txt")
EXAMPLES = sorted(
    file for file in (ROOT / "examples").rglob("*") if file.suffix in (".py", ".ipynb", ".md")
)
IMPORT = re.compile(r"^\s*from (gtalign[\w.]*) import (\([^)]*\)|.+)$", re.MULTILINE)
DECLARES = re.compile(r"^__all__\b", re.MULTILINE)
DECLARED = sorted(
    ".".join(file.parent.relative_to(PACKAGE.parent).parts)
    for file in PACKAGE.rglob("__init__.py")
    if file.parent != PACKAGE and DECLARES.search(file.read_text(encoding="utf-8"))
)


def public(package: str) -> list[str]:
    names = importlib.import_module(package).__all__
    assert isinstance(names, list)
    return names


def test_every_package_declares_what_it_offers() -> None:
    packages = {
        ".".join(file.parent.relative_to(PACKAGE.parent).parts)
        for file in PACKAGE.glob("*/**/__init__.py")
    }
    assert {"gtalign.gateway.dashboard", "gtalign.cli", "gtalign.cli.show"} <= packages
    assert packages <= set(DECLARED)


def test_the_list_names_all_that_is_public() -> None:
    """A name that comes or goes is a decision: write it down in the list too."""
    names = [f"{package}.{name}" for package in DECLARED for name in public(package)]
    assert sorted(names) == LIST.read_text(encoding="utf-8").split()


def test_a_public_name_has_one_home() -> None:
    homes = defaultdict(list)
    for package, _, name in (line.rpartition(".") for line in LIST.read_text("utf-8").split()):
        homes[name].append(package)
    assert not {name: found for name, found in homes.items() if len(found) > 1}


def test_no_two_classes_of_a_package_share_a_name() -> None:
    homes = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[f"{place.parts[0]}: {node.name}"].append(str(place))
    assert not {name: found for name, found in homes.items() if len(found) > 1}


@pytest.mark.parametrize("package", DECLARED)
def test_public_names_exist_and_say_what_they_are(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    assert len(set(public(package))) == len(public(package))
    for name in public(package):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{package}.{name} has no docstring"
            own = not (inspect.isclass(thing) and thing.__doc__.startswith(f"{name}("))
            assert own, f"{package}.{name} has the docstring of a dataclass without one"


SHOWN = sorted(
    {name for name in gtalign.__all__ if name != "__version__"}
    | {package.removeprefix("gtalign.") for package in DECLARED if public(package)}
)


@pytest.mark.parametrize("name", SHOWN)
def test_each_part_has_a_page_of_the_reference(name: str) -> None:
    page = f"reference/{name.replace('.', '-')}.md"
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert re.search(rf"^::: gtalign\.{re.escape(name)}$", text, re.MULTILINE)
    assert page in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def shown_imports() -> Iterator[tuple[str, str, str]]:
    """Yield place, module and name of each import that documentation and examples show."""
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *EXAMPLES):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".ipynb":
            text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
        for module, names in IMPORT.findall(text):
            for name in names.strip("()").split(","):
                if bare := name.partition("#")[0].partition(" as ")[0].strip():
                    yield str(file.relative_to(ROOT)), module, bare


def offered_by(module: str) -> set[str]:
    """Return the names in the ``__all__`` of a module, which is not imported: some are heavy."""
    base = PACKAGE.parent.joinpath(*module.split("."))
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.exists():
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    return set(ast.literal_eval(node.value))
    return set()


def test_documentation_and_examples_import_what_is_public() -> None:
    shown = list(shown_imports())
    assert len({place for place, _, _ in shown}) > 15
    wrong = [
        f"{place}: from {module} import {name}"
        for place, module, name in shown
        if name not in offered_by(module) and not offered_by(f"{module}.{name}")
    ]
    assert not wrong


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda f: f.name)
def test_benchmarks_import_what_is_there(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gtalign"):
            module = importlib.import_module(node.module)
            missing = [one.name for one in node.names if not hasattr(module, one.name)]
            assert not missing, f"{node.module} has no {', '.join(missing)}"


@pytest.mark.parametrize("module", sorted({m for _, m, _ in shown_imports()} - {"gtalign"}))
def test_modules_that_are_imported_from_are_in_the_reference(module: str) -> None:
    folder, name = ROOT / "docs" / "reference", module.removeprefix("gtalign.").replace(".", "-")
    own = folder / f"{name}.md"
    page = own if own.is_file() else folder / f"{name.partition('-')[0]}.md"
    text = page.read_text(encoding="utf-8")
    assert re.search(rf"^::: {re.escape(module)}$", text, re.MULTILINE)


def test_the_root_shows_every_part_but_the_command_line() -> None:
    parts = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    parts |= {file.stem for file in PACKAGE.glob("[!_]*.py")}
    assert set(gtalign.__all__) == (parts - {"cli"}) | {"__version__"}
    assert dir(gtalign) == sorted(gtalign.__all__)


def test_parts_are_loaded_when_they_are_touched() -> None:
    code = (
        "import sys, gtalign\n"
        "assert 'gtalign.game' not in sys.modules\n"
        "print(gtalign.game.solve.__name__, 'gtalign.game' in sys.modules)\n"
        "print(gtalign.nothing)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "solve True\n"
    assert "module 'gtalign' has no attribute 'nothing'" in result.stderr
