"""Every exception class of the package is in the tree of `gtalign.errors`, or named there."""

import ast
import builtins
import pickle
import re
from functools import cache
from pathlib import Path

import pytest

from gtalign import errors
from gtalign.errors import GTAlignError

PACKAGE = Path(errors.__file__).parent
LINE = re.compile(r"^    ((?:[| ] {3})*)(?:\+-- )?(\w+Error)(?: \((\w+)\))?(?: {2,}(\S.*))?$")
DERIVED = re.compile(r"^\s*class \w+\(", re.MULTILINE)
SIGNAL = re.compile(r"^    (\w+) \((\w+)\) {2,}(\S.*)$")


def lines() -> list[str]:
    assert errors.__doc__ is not None
    return errors.__doc__.splitlines()


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Name of each class in the docstring's tree -> its parent there, its built-in base."""
    found: dict[str, tuple[str | None, str | None]] = {}
    above: list[str] = []
    for line in lines():
        match = LINE.match(line)
        if match is None or (not line.startswith("    GTAlignError") and "+--" not in line):
            continue
        depth = 0 if "+--" not in line else 1 + len(match[1]) // 4
        assert depth <= len(above), line
        above[depth:] = [match[2]]
        assert match[4] or not depth, f"{match[2]}: no word on what it means"
        found[match[2]] = (above[depth - 1] if depth else None, match[3])
    return found


def signals() -> set[tuple[str, str]]:
    """Name and package of each signal in the docstring."""
    matches = [SIGNAL.match(line) for line in lines() if "+--" not in line]
    return {(match[1], match[2]) for match in matches if match}


@cache
def defined() -> dict[str, str]:
    """Name of each class of exception in the source -> the module that it is in."""
    classes = [
        (node.name, [ast.unparse(base) for base in node.bases], module)
        for file in sorted(PACKAGE.rglob("*.py"))
        for module in [".".join(file.relative_to(PACKAGE).with_suffix("").parts)]
        for text in [file.read_text(encoding="utf-8")]
        if DERIVED.search(text)  # few files have one, and to parse all takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    ]
    known = {
        name
        for name, thing in vars(builtins).items()
        if isinstance(thing, type) and issubclass(thing, BaseException)
    }
    found: dict[str, str] = {}
    grown = True
    while grown:
        new = {
            name: module
            for name, bases, module in classes
            if name not in found and any(base.split(".")[-1] in known for base in bases)
        }
        found |= new
        known |= set(new)
        grown = bool(new)
    return found


def test_the_docstring_draws_the_tree() -> None:
    tree = drawn()
    assert len(tree) > 15
    assert {name for name, module in defined().items() if module == "errors"} == {
        *tree,
        "Terminated",  # no error, and said to be none
    }
    for name, (parent, built_in) in tree.items():
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        expected = [base for base in (parent or "Exception", built_in) if base is not None]
        assert bases == expected, name
        assert issubclass(getattr(errors, name), GTAlignError)


def test_what_is_no_error_of_the_tree_is_named_as_a_signal() -> None:
    elsewhere = {
        (name, module.split(".")[0]) for name, module in defined().items() if module != "errors"
    }
    assert elsewhere == signals()


@pytest.mark.parametrize(
    "error",
    [
        errors.ChainError("json", 7, "no JSON"),
        errors.JudgeError("judge 'j' failed", "timeout"),
        errors.WorkerLostError("gone"),
        errors.RefusedError("http://a", "said no", text="so far", decision={"a": 1}),
        errors.StorageError(28, "no room left", "/x"),
        errors.StorageError("cannot be read"),
        errors.StoreError("writing", "locked"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes_whole(error: GTAlignError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.args == error.args
    assert vars(found) == vars(error)
    assert getattr(found, "filename", None) == getattr(error, "filename", None)
