"""Who rates, in which order, and what was said: a file of ratings that survives a crash.

Every rating is on disk before the annotator sees the next item. A later one of the same item takes
the place of an earlier one; both stay in the file.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from gtalign.errors import DataError
from gtalign.files import LineWriter, read_lines
from gtalign.study.folder import StudyFolder
from gtalign.study.item import VALUES, Item

SIMULATED: Final = "simulated"
"""The names of simulated annotators begin with it, and no person's name does."""

_LONGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person or a program that rates.

    Attributes:
        name: The name, as it was typed first.
        simulated: Whether it is a program.
    """

    name: str
    simulated: bool = False

    def same(self, other: "Annotator") -> bool:
        """Whether two are one: their names differ at most by capitals and the forms of letters."""
        return self.simulated == other.simulated and _folded(self.name) == _folded(other.name)

    @property
    def slug(self) -> str:
        """The name as a part of an address, and of a file."""
        plain = unicodedata.normalize("NFKD", self.name.lower())
        kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in plain if c.isprintable())
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:8]
        return "-".join(filter(None, (*kept.split("-"), digest)))


def person(name: str) -> Annotator:
    """The annotator of a name that somebody typed.

    Raises:
        DataError: It is empty, too long or no text, or the name of a simulated annotator.
    """
    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    if not plain or len(plain) > _LONGEST or not plain.isprintable():
        raise DataError(f"a name has 1 to {_LONGEST} characters")
    if _reserved(plain):
        raise DataError(f"the names of simulated annotators begin with {SIMULATED!r}; take another")
    return Annotator(plain)


def known(study: StudyFolder, annotator: Annotator) -> Annotator:
    """The annotator of a study who is the same as one that was named; if there is none, that one.

    Raises:
        DataError: A file does not say whose it is.
    """
    same = [file.annotator for file in rating_files(study) if file.annotator.same(annotator)]
    return same[0] if same else annotator


def _folded(name: str) -> str:
    """A name without what only changes how its letters look: capitals, width, ligatures."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _reserved(name: str) -> bool:
    """Whether a name is that of a simulated annotator, accents and other marks left out."""
    letters = unicodedata.normalize("NFKD", _folded(name))
    return "".join(c for c in letters if unicodedata.category(c) != "Mn").startswith(SIMULATED)


class RatingFile:
    """The ratings of one annotator.

    Args:
        study: The study.
        annotator: Who rates.
    """

    def __init__(self, study: StudyFolder, annotator: Annotator) -> None:
        self._study = study
        self.annotator = annotator
        self.path = study.ratings / f"{annotator.slug}.jsonl"

    def values(self) -> dict[str, int]:
        """What was said last of each item, in the order of the first time.

        Raises:
            DataError: The file is wrong, or belongs to another study; the message names the line.
        """
        if not self.path.exists():
            return {}
        said = {}
        for number, record in read_lines(self.path):
            place = f"{self.path}, line {number}"
            if not (who := _annotator(record, place)).same(self.annotator):
                raise DataError(f"{place}: a rating of {who.name!r} among those of {self._name!r}")
            if "item" in record:
                item, value = _rating(record, self._study.items, place)
                said[item] = value
        return said

    @property
    def _name(self) -> str:
        return self.annotator.name

    def begin(self) -> None:
        """Make the file, so that the annotator is known.

        Raises:
            StorageError: It cannot be written.
        """
        if not self.path.exists():
            self.add({})

    def add(self, values: Mapping[str, int]) -> None:
        """Write what was said of some items; it is on disk when this returns.

        Raises:
            StorageError: It cannot be written.
        """
        who = {"annotator": self.annotator.name, "simulated": self.annotator.simulated}
        with LineWriter(self.path) as lines:
            if not self.path.stat().st_size:
                lines.write(who | {"began": _now()})
            for item, value in values.items():
                lines.write(who | {"item": item, "value": value, "at": _now()})
            lines.sync()


def rating_files(study: StudyFolder) -> list[RatingFile]:
    """The files of all annotators, by name.

    Raises:
        DataError: A file does not say whose it is.
    """
    found: list[RatingFile] = []
    for path in sorted(study.ratings.glob("*.jsonl")):
        first = next((record for _, record in read_lines(path)), None)
        if first is None:
            continue  # a crash came before its first line
        file = RatingFile(study, _annotator(first, f"{path}, line 1"))
        file.path = path
        if any(file.annotator.same(other.annotator) for other in found):
            raise DataError(f"{path}: there is another file of {file.annotator.name!r}; join them")
        found.append(file)
    return sorted(found, key=lambda file: (file.annotator.simulated, file.annotator.name))


def order_of(study: StudyFolder, annotator: Annotator) -> list[Item]:
    """The items in the order in which one annotator sees them.

    It depends on the study and the name alone. Ratings come before choices. Rounds come in a random
    order, and their items too, so that models are balanced at any time and answers to one question
    are far apart.
    """
    digest = hashlib.sha256(f"{study.about.seed} {annotator.name}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    rounds: dict[tuple[str, int], list[Item]] = {}
    for item in study.items.values():
        rounds.setdefault((item.kind, item.round), []).append(item)
    names = sorted(rounds)
    mixed = [names[place] for place in rng.permutation(len(names))]
    mixed.sort(key=lambda name: name[0] == "pair")
    return [rounds[name][place] for name in mixed for place in rng.permutation(len(rounds[name]))]


def first_open(order: Sequence[Item], values: Mapping[str, int], start: int = 0) -> int | None:
    """Place of the next item without a rating, from a place on and then from the beginning."""
    places = [*range(start, len(order)), *range(start)]
    return next((place for place in places if order[place].id not in values), None)


def _rating(record: Mapping[str, Any], items: Mapping[str, Item], place: str) -> tuple[str, int]:
    """The item of a line, and what was said of it."""
    name = record["item"]
    item = items.get(name) if isinstance(name, str) else None
    if item is None:
        raise DataError(f"{place}: item {str(name)[:40]!r} is not of this study")
    value = record.get("value")
    if type(value) is not int or value not in VALUES[item.kind]:
        allowed = ", ".join(map(str, VALUES[item.kind]))
        raise DataError(f"{place}: value {str(value)[:40]!r} of a {item.kind}; allowed: {allowed}")
    return item.id, value


def _annotator(record: Mapping[str, Any], place: str) -> Annotator:
    """Whose line it is."""
    name, simulated = record.get("annotator"), record.get("simulated")
    if not isinstance(name, str) or not name or not isinstance(simulated, bool):
        raise DataError(f"{place}: it does not say whose rating it is ('annotator', 'simulated')")
    if _reserved(name) != simulated:
        raise DataError(
            f"{place}: the names of simulated annotators, and no others, begin with {SIMULATED!r};"
            f" {name[:40]!r} has 'simulated': {str(simulated).lower()}"
        )
    return Annotator(name, simulated)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
