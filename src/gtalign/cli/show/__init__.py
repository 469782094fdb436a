"""How commands print: results, tables and progress, and the things that a package computes."""
