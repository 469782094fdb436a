"""What each package offers: declared, documented, importable, and no more than is listed here."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gtalign

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gtalign"
LIST = Path(__file__).with_name("public_names.txt")
DECLARES = re.compile(r"^__all__ = ", re.MULTILINE)
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
    packages = {f"gtalign.{file.parent.name}" for file in PACKAGE.glob("*/__init__.py")}
    assert packages - {"gtalign.cli"} <= set(DECLARED)  # commands are not called from Python


def test_the_list_names_all_that_is_public() -> None:
    """A name that comes or goes is a decision: write it down in the list too."""
    names = [f"{package}.{name}" for package in DECLARED for name in public(package)]
    assert sorted(names) == LIST.read_text(encoding="utf-8").split()


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


@pytest.mark.parametrize("name", [name for name in gtalign.__all__ if name != "__version__"])
def test_each_part_has_a_page_of_the_reference(name: str) -> None:
    text = (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert re.search(rf"^::: gtalign\.{name}$", text, re.MULTILINE)


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
