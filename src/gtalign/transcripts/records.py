"""Read the objects of a file of answers, whatever form and packing it comes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtalign.data.rows import read_parquet
from gtalign.files.lines import read_objects
from gtalign.transcripts.inspect_log import is_log, read_log


def read_records(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield place, name and object of each answer of a file.

    A file is JSON Lines or a JSON array, either of them compressed with gzip or not, parquet (named
    ``.parquet``), or a log of Inspect. The place is for errors, and the name for answers without an
    id.

    Raises:
        DataError: The file cannot be read, or a line is no JSON object; names file and line.
        ModuleNotFoundError: The package that reads parquet or logs of Inspect is not installed.
    """
    stem = Path(path.name.removesuffix(".gz")).stem
    if is_log(path):
        for place, record in read_log(path):
            yield place, stem, record
        return
    if path.suffix == ".parquet":
        for number, row in enumerate(read_parquet(path, None)):
            yield f"{path}, row {number}", f"{stem}-{number}", row
        return
    for line in read_objects(path):
        yield line.place, f"{stem}-{line.number}", line.value
