"""A study on disk: the items, the key, and a file of ratings for each annotator.

    study.json         its title, its question to annotators, and how it was drawn
    items.jsonl        what annotators see
    key.jsonl          who wrote what; only the analysis reads it
    ratings/           a file for each annotator, written as the ratings are made

To have people rate on another machine, copy the folder without ``key.jsonl`` and bring their files
of ``ratings/`` back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from gtalign.errors import ConfigError, DataError, StorageError
from gtalign.files import LineWriter, read_lines
from gtalign.files.json_text import to_json
from gtalign.files.replace import replacing
from gtalign.steering.fields import Fields
from gtalign.study.item import Item, Key

T = TypeVar("T")

ABOUT: Final = "study.json"
ITEMS: Final = "items.jsonl"
KEY: Final = "key.jsonl"
RATINGS: Final = "ratings"

TITLE: Final = "Rate answers"
ASKED: Final = "How satisfied would you be with this answer, if you had asked?"


@dataclass(frozen=True, slots=True)
class About:
    """What a study is about.

    Attributes:
        title: Its title, for annotators.
        asked: What annotators are asked of each answer.
        seed: Seed of its draws.
    """

    title: str = TITLE
    asked: str = ASKED
    seed: int = 0


class StudyFolder:
    """A study that `write_study` has written.

    Args:
        path: Its folder.

    Raises:
        DataError: There is no study in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / ITEMS).is_file():
            raise DataError(f"{path}: no study: it has no {ITEMS}; `gtalign study export` makes it")

    @cached_property
    def about(self) -> About:
        """What it is about.

        Raises:
            DataError: The file is wrong.
        """
        file = self.path / ABOUT
        found = Fields(next((record for _, record in read_lines(file)), {}))
        try:
            return About(found.text("title"), found.text("asked"), found.count("seed"))
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    @cached_property
    def items(self) -> dict[str, Item]:
        """The items by id.

        Raises:
            DataError: The file is wrong; the message names the line.
        """
        file = self.path / ITEMS
        items = _read(file, Item.from_json)
        if not items:
            raise DataError(f"{file}: no items: the file is empty")
        return {item.id: item for item in items}

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Who wrote each answer, by the id of the answer.

        Raises:
            DataError: The file is wrong, or is not here.
        """
        return {key.answer: key for key in _read(self.path / KEY, Key.from_json)}

    @property
    def ratings(self) -> Path:
        """Folder with a file for each annotator."""
        return self.path / RATINGS


def write_study(path: Path, about: About, items: Sequence[Item], keys: Sequence[Key]) -> None:
    """Write a study into a folder of its own.

    Raises:
        ConfigError: The folder holds a study.
        StorageError: It cannot be written.
    """
    if (path / ITEMS).exists() or (path / RATINGS).exists():
        raise ConfigError(f"{path}: there is a study in this folder; choose another --out")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with replacing(path / KEY) as beside, LineWriter(beside) as lines:
            for key in keys:
                lines.write(key.to_json())
        with replacing(path / ABOUT) as beside:
            beside.write_bytes(to_json(asdict(about)))
        with (
            replacing(path / ITEMS) as beside,
            LineWriter(beside) as lines,
        ):  # last: now it is whole
            for item in items:
                lines.write(item.to_json())
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"{error.strerror}", str(path)) from error


def _read(file: Path, build: Callable[[Mapping[str, Any]], T]) -> list[T]:
    found = []
    for number, record in read_lines(file):
        try:
            found.append(build(record))
        except DataError as error:
            raise DataError(f"{file}, line {number}: {error}") from error
    return found
