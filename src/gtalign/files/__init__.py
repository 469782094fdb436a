"""Files on disk: JSON that holds any text, JSON Lines that survive a crash, a run's directory."""

from gtalign.files.json_text import to_json
from gtalign.files.lines import LineWriter, read_lines
from gtalign.files.replace import replacing, write_json

__all__ = ["LineWriter", "read_lines", "replacing", "to_json", "write_json"]
