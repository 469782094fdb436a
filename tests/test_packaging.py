import re
import tomllib
from pathlib import Path

import gtalign
from gtalign.cli.extras import advice

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gtalign"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)
    cited = re.search(r"^version: (.*)$", citation, re.MULTILINE)
    assert newest is not None
    assert cited is not None
    assert PYPROJECT["project"]["version"] == gtalign.__version__
    assert newest[1] == gtalign.__version__
    assert cited[1] == gtalign.__version__


def test_every_file_of_the_package_is_shipped() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["gtalign"]
    shipped = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    files = {file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".py"}
    data = {file for file in files if "__pycache__" not in file.parts}
    assert PACKAGE / "py.typed" in data
    assert data <= shipped


def test_every_folder_with_code_is_a_package() -> None:
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_extras_are_those_of_the_documentation() -> None:
    extras = set(PYPROJECT["project"]["optional-dependencies"])
    assert extras == {
        "train",
        "judge",
        "eval",
        "serve",
        "postgres",
        "oidc",
        "otel",
        "ray",
        "verl",
        "verifiers",
        "openenv",
        "inspect",
        "docs",
        "dev",
    }


def test_every_dependency_of_an_extra_is_named_when_it_is_missing() -> None:
    imported = {"math-verify": "math_verify"}
    for name, needs in PYPROJECT["project"]["optional-dependencies"].items():
        for need in needs if name not in ("docs", "dev", "verl") else ():
            package = re.split(r"[\[<>=]", need)[0]
            module = imported.get(package, package.replace("-", "_"))
            if name == "otel":
                module = "opentelemetry.sdk"
            assert "it belongs to the extra" in advice(module), need
    assert "'judge' (about" in advice("openai.types")
    assert "'serve' (about" in advice("starlette")


def test_torch_is_bounded() -> None:
    assert "torch>=2.8,<2.14" in PYPROJECT["project"]["optional-dependencies"]["train"]
