"""Build the files of a public set: read it through `datasets`, sample it, split it, write it."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gtalign.data.rows import cluster_of
from gtalign.data.schema import RowWriter, system_prompt, to_row
from gtalign.data.sources import SOURCES, Item, Source
from gtalign.errors import DataError
from gtalign.models.names import is_url
from gtalign.tasks import Question

_BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json"}


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a build.

    Args:
        name: Name of the set.
        files: Rows of each file that was written.
        read: Rows of the source.
        left_out: How many of them were not taken, by reason.
    """

    name: str
    files: Mapping[Path, int]
    read: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as an object."""
        files = {str(path): rows for path, rows in self.files.items()}
        return {
            "set": self.name,
            "read": self.read,
            "files": files,
            "left_out": dict(self.left_out),
        }


def build(
    source: Source,
    folder: Path,
    *,
    location: str | None = None,
    size: int | None = None,
    test_share: float = 0.1,
    seed: int = 0,
    suffix: str = ".parquet",
    chain: bool = True,
) -> Built:
    """Write ``NAME-train`` and ``NAME-test`` (or the latter alone) into a folder.

    A source prompt is in one of the two files only, with all of its turns. Which ones are taken,
    and which of them are tested on, is decided by a hash of the seed and the prompt: the same
    seed gives the same files for any order of the source. The rows that are kept are in
    memory until they are written.

    Args:
        source: One of `gtalign.data.sources.SOURCES`.
        folder: Where the files go; it is made if need be.
        location: A name on the hub, a URL, a file or a folder, in place of the source's address.
        size: Most source prompts; by default the source's own size.
        test_share: Share of source prompts in the test file, in (0, 1); unused for sets that are
            only tested on.
        seed: Seed of the sample and the split.
        suffix: ``.parquet`` or ``.jsonl``.
        chain: Whether the system message asks for the chain.

    Raises:
        DataError: The source cannot be read, has no row to take, or a row is wrong; the message
            names source, row and column.
        StorageError: A file cannot be written.
    """
    if not 0 < test_share < 1:
        raise DataError(f"the test share is {test_share:g}; it has to be between 0 and 1")
    left: Counter[str] = Counter()
    read, kept = _sample(source, location, size or source.size, seed, left)
    if not kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left.items())
        raise DataError(f"{source.name}: none of {read} rows can be taken ({reasons or 'none'})")
    ranked = sorted(kept, key=lambda cluster: _rank(seed, "split", cluster))
    tested = len(ranked) if source.tested_only else max(1, round(test_share * len(ranked)))
    parts = {"test": set(ranked[:tested])}
    if not source.tested_only:
        parts = {"train": set(ranked[tested:]), **parts}
    system = system_prompt(chain=chain)
    files = {}
    for split, clusters in parts.items():
        rows = sorted(row for cluster in clusters for row in kept[cluster])
        with RowWriter(folder / f"{source.name}-{split}{suffix}") as writer:
            for number, item in rows:
                question = Question(
                    id=f"{source.name}-{number}",
                    task=source.task,
                    messages=item.messages,
                    ground_truth=item.ground_truth,
                    cluster="",
                )
                row = to_row(
                    question,
                    index=writer.rows,
                    source_prompt=item.source_prompt,
                    split="ood" if source.tested_only else split,
                    system=system,
                )
                writer.write(row)
        files[writer.path] = writer.rows
    return Built(source.name, files, read, dict(left))


def build_sets(
    names: Sequence[str],
    folder: Path,
    *,
    location: str | None,
    size: int | None,
    test_share: float,
    seed: int,
    suffix: str,
    chain: bool,
) -> Iterator[Built]:
    """Build several sets by name, and yield the result of each; see `build`.

    Raises:
        DataError: There is no set of a name, there is one location for several sets, or as for
            `build`.
        StorageError: A file cannot be written.
    """
    for name in names:
        if name not in SOURCES:
            raise DataError(f"no set {name!r}; the sets are {', '.join(SOURCES)}")
    if location is not None and len(names) > 1:
        raise DataError(f"--source is the place of one set, but {len(names)} sets are named")
    for name in names:
        yield build(
            SOURCES[name],
            folder,
            location=location,
            size=size,
            test_share=test_share,
            seed=seed,
            suffix=suffix,
            chain=chain,
        )


def items(source: Source, location: str | None = None) -> Iterator[Item | str]:
    """Yield each row of a source as an item, or the reason why it is left out.

    Raises:
        DataError: The source cannot be read, or a row is wrong; the message names source, row and
            column.
    """
    place = location or source.address
    for number, row in enumerate(_rows(source, place)):
        try:
            yield source.read(row)
        except DataError as error:
            raise DataError(f"{place}, row {number}: {error}") from error


_Numbered = list[tuple[int, Item]]


def _sample(
    source: Source, location: str | None, size: int | None, seed: int, left: Counter[str]
) -> tuple[int, dict[str, _Numbered]]:
    """Read a source once, keeping the rows of the source prompts that rank lowest.

    Returns:
        How many rows were read, and the items with their row numbers by cluster.
    """
    kept: dict[str, _Numbered] = {}
    worst: list[tuple[int, str]] = []  # a heap with the highest rank at its top
    known: set[bytes] = set()
    read = 0
    for number, item in enumerate(items(source, location)):
        read += 1
        if isinstance(item, str):
            left[item] += 1
            continue
        digest = _digest(item)
        if digest in known:
            left["the same conversation again"] += 1
            continue
        known.add(digest)
        cluster = cluster_of(source.task, item.source_prompt)
        if cluster in kept:
            kept[cluster].append((number, item))
            continue
        rank = _rank(seed, "sample", cluster)
        if size is not None and len(kept) == size:
            if rank > -worst[0][0]:
                left["not sampled"] += 1
                continue
            _, dropped = heapq.heappop(worst)
            left["not sampled"] += len(kept.pop(dropped))
        heapq.heappush(worst, (-rank, cluster))
        kept[cluster] = [(number, item)]
    return read, kept


def _rank(seed: int, purpose: str, cluster: str) -> int:
    key = f"{seed}/{purpose}/{cluster}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())


def _digest(item: Item) -> bytes:
    text = repr([(m["role"], m["content"]) for m in item.messages])
    return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=16).digest()


def _rows(source: Source, place: str) -> Iterator[dict[str, Any]]:
    """Stream the rows of a source; nothing is cached but what the hub's client keeps."""
    from datasets import load_dataset  # of the extra `train`

    url = is_url(place)
    local = Path(place)
    suffix = Path(place).suffix
    named = suffix in _BUILDERS or len(local.parts) > 2 or place.startswith((".", "/", "~"))
    if named and not url and not local.exists():  # on the hub it would be NAME or OWNER/NAME
        raise DataError(f"{place}: no such file or folder")
    with _told(source, place):
        if (url or local.is_file()) and suffix not in _BUILDERS:
            known = ", ".join(_BUILDERS)
            raise DataError(f"{place}: a file has to end with one of {known}")
        if url or local.is_file():
            options = {"field": source.field} if source.field and suffix == ".json" else {}
            yield from load_dataset(
                _BUILDERS[suffix], data_files=place, split="train", streaming=True, **options
            )
        else:
            config = None if local.is_dir() else source.config
            yield from load_dataset(place, config, split=source.split, streaming=True)


@contextmanager
def _told(source: Source, place: str) -> Iterator[None]:
    """Turn any error of `datasets` about a source into one line that names the source."""
    from datasets.exceptions import DatasetsError
    from pyarrow import ArrowException

    try:
        yield
    except DataError:
        raise
    except StopIteration as error:
        raise DataError(f"{place}: cannot be read as {source.name}: it is empty") from error
    except (LookupError, TypeError) as error:
        # What `datasets` runs into where a file's outermost value is not what it expects.
        where = f" under {source.field!r}" if source.field else ""
        what = f"it has no list of rows{where}"
        raise DataError(f"{place}: cannot be read as {source.name}: {what}") from error
    except (OSError, ValueError, ArrowException, DatasetsError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        advice = f"; {source.note}" if source.note and place == source.address else ""
        raise DataError(f"{place}: cannot be read as {source.name}: {why[:300]}{advice}") from error
