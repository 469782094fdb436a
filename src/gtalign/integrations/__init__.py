"""Adapters to other people's frameworks, one module or package each, imported by its own name."""

__all__: list[str] = []  # each adapter needs a package that the others do not
