"""Configurations: small frozen models, read from TOML files and ``key=value`` overrides.

A configuration is data alone; other modules build models and judges from it. A run writes its
complete configuration into its directory. An unknown key is an error that names the nearest one.
"""

from gtalign.config.base import Beside, Config, Files, Name, Share, beside, visible
from gtalign.config.folder import CONFIGS, find, shipped
from gtalign.config.problems import shown
from gtalign.config.reading import load, load_table, merge, unknown_keys
from gtalign.config.toml import dump, read_table

__all__ = [
    "CONFIGS",
    "Beside",
    "Config",
    "Files",
    "Name",
    "Share",
    "beside",
    "dump",
    "find",
    "load",
    "load_table",
    "merge",
    "read_table",
    "shipped",
    "shown",
    "unknown_keys",
    "visible",
]
