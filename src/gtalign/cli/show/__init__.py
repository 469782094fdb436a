"""How commands print results, tables and progress."""

__all__: list[str] = []  # a program: nothing here is called from Python
