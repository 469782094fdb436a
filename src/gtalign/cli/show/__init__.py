"""How commands print results, tables and progress."""
