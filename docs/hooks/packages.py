"""Draws the packages and their imports, read from the sources each time the site is built.

A row is a level: a package imports only from levels below its own. The arrows that follow from
others are left out (what a package imports through another is not drawn twice), so that the figure
can be read; the table under it has every import.
"""

import ast
import graphlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[2] / "src" / "gtalign"
MARK = "<!-- packages -->"

BOX_WIDTH, BOX_HEIGHT = 112, 32
GAP_X, GAP_Y = 24, 44
MARGIN = 12


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put figure and table in the place of the mark; mkdocs calls this for every page."""
    if MARK not in markdown:
        return markdown
    imports = read_imports(SOURCES)
    return markdown.replace(MARK, f"{figure(imports)}\n\n{table(imports)}")


def read_imports(sources: Path) -> dict[str, set[str]]:
    """Return the packages that each package imports, at the top of a file, lazily or for types.

    Args:
        sources: The folder of the root package.
    """
    root = sources.name
    names = {path.stem for path in sources.iterdir() if _is_package(path)}
    imports: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for file in sorted(sources.rglob("*.py")):
        owner = Path(file.relative_to(sources).parts[0]).stem
        if owner not in names:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            imports[owner] |= {name for name in _imported(node, root) if name in names}
        imports[owner].discard(owner)
    return imports


def levels(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the packages by level: those of the first import nothing, the others what is below."""
    level: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(imports).static_order():
        level[name] = 1 + max((level[below] for below in imports[name]), default=-1)
    return [[name for name in level if level[name] == i] for i in range(max(level.values()) + 1)]


def direct(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports that do not follow from others."""
    reached: dict[str, set[str]] = {}
    for name in graphlib.TopologicalSorter(imports).static_order():
        below = imports[name]
        reached[name] = below.union(*(reached[other] for other in below))
    return {
        name: below - set().union(*(reached[other] for other in below))
        for name, below in imports.items()
    }


def figure(imports: Mapping[str, set[str]]) -> str:
    """Return the packages as an SVG drawing, the lowest level at the bottom."""
    rows = levels(imports)[::-1]
    width = 2 * MARGIN + max(len(row) for row in rows) * (BOX_WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + len(rows) * (BOX_HEIGHT + GAP_Y) - GAP_Y
    places = {}
    for y, row in enumerate(rows):
        left = (width - len(row) * (BOX_WIDTH + GAP_X) + GAP_X) / 2
        for x, name in enumerate(row):
            places[name] = (left + x * (BOX_WIDTH + GAP_X), MARGIN + y * (BOX_HEIGHT + GAP_Y))
    lines = [
        f'<line x1="{places[name][0] + BOX_WIDTH / 2:g}" y1="{places[name][1] + BOX_HEIGHT:g}"'
        f' x2="{places[below][0] + BOX_WIDTH / 2:g}" y2="{places[below][1]:g}"'
        f' data-from="{name}" data-to="{below}"/>'
        for name, targets in direct(imports).items()
        for below in sorted(targets)
    ]
    boxes = [
        f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + BOX_WIDTH / 2:g}" y="{y + BOX_HEIGHT / 2 + 4:g}">{escape(name)}</text>'
        for name, (x, y) in places.items()
    ]
    return (
        f'<svg class="packages" viewBox="0 0 {width:g} {height:g}" role="img"'
        ' aria-label="The packages of gtalign; each imports those below it"'
        ' xmlns="http://www.w3.org/2000/svg">'
        '<g stroke="currentColor" stroke-opacity="0.45" fill="none">' + "".join(lines) + "</g>"
        '<g fill="currentColor" stroke="currentColor">'
        "<style>.packages rect{fill:var(--md-default-bg-color,#fff)}"
        ".packages text{font-size:13px;text-anchor:middle;stroke:none}</style>"
        + "".join(boxes)
        + "</g></svg>"
    )


def table(imports: Mapping[str, set[str]]) -> str:
    """Return every import as a Markdown table, the highest level first."""
    order = [name for row in levels(imports)[::-1] for name in row]
    rows = [
        f"| `{name}` | {', '.join(f'`{below}`' for below in sorted(imports[name])) or 'nothing'} |"
        for name in order
    ]
    return "\n".join(["| package | imports |", "|---|---|", *rows])


def _is_package(path: Path) -> bool:
    if path.name.startswith("__"):
        return False
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _imported(node: ast.AST, root: str) -> list[str]:
    """Return the packages under the root that a statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # `from gtalign import game` names the package behind the root itself.
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return []
    parts = [name.split(".") for name in names]
    return [part[1] for part in parts if part[0] == root and len(part) > 1]
