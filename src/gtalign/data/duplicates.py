"""Find duplicate texts: exact ones by their normalised form, near ones by their shingles.

A text is normalised by Unicode NFKC, case folding and one space for each run of whitespace. Its
shingles are all runs of ``shingle`` characters of the result, or the whole text if it is shorter.
MinHash (Broder, 1997) with banding (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets,
section 3.4) proposes pairs; the exact Jaccard similarity of their sets of shingles then decides. So
every reported pair is similar. A similar pair is missed with a probability of at most 1% at the
threshold, and less above it.

A band takes at most 64 texts. Otherwise, thousands of texts from one template would take time that
grows with the square of their number. Each such text is still matched with one of the 64.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveInt

from gtalign.config import Config

Hashes = npt.NDArray[np.uint64]

_MISSED = 0.01
_ERRORS = 4.0  # standard errors below the threshold at which an estimate rules a pair out
_CROWD = 64
_BLOCK = 4096  # shingles hashed at once, so that a long text takes little memory


class DuplicateConfig(Config):
    """What counts as a near duplicate.

    Keys:
        threshold: Lowest Jaccard similarity of two near duplicates, in (0, 1].
        shingle: Length of a shingle in characters.
        hashes: Number of hash functions of a signature.
        seed: Seed of the hash functions.
    """

    threshold: float = Field(default=0.8, gt=0, le=1)
    shingle: PositiveInt = 5
    hashes: PositiveInt = Field(default=128, le=4096)
    seed: NonNegativeInt = 0


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier text that another one repeats.

    Args:
        key: What the earlier text was added as.
        similarity: Exact Jaccard similarity of their shingles; 1 of an exact duplicate.
        exact: Whether the normalised texts are equal.
    """

    key: int
    similarity: float
    exact: bool


def normalised(text: str) -> str:
    """Return the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles(text: str, length: int) -> set[str]:
    """Return the shingles of a normalised text; none of an empty one."""
    if len(text) <= length:
        return {text} if text else set()
    return {text[i : i + length] for i in range(len(text) - length + 1)}


def jaccard(first: set[str], second: set[str]) -> float:
    """Return the size of the intersection over that of the union; 1 for two empty sets."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def rows_per_band(threshold: float, hashes: int) -> int:
    """Return the most rows a band may have for a pair at the threshold to be found nearly always.

    With b bands of r rows, a pair of similarity s shares a band with probability
    1 - (1 - s^r)^b. More rows give fewer pairs to check.
    """
    fitting = [
        rows
        for rows in range(1, hashes + 1)
        if (1 - threshold**rows) ** (hashes // rows) <= _MISSED
    ]
    return max(fitting, default=1)


class Index:
    """Texts that were added, to be asked for one that resembles another.

    Memory grows by the text, 8 bytes for each hash and one entry for each band.

    Args:
        config: What counts as a near duplicate.
    """

    def __init__(self, config: DuplicateConfig | None = None) -> None:
        self.config = config or DuplicateConfig()
        rng = np.random.default_rng(self.config.seed)
        shape, top = (self.config.hashes, 1), np.iinfo(np.uint64).max
        # Odd factors permute the 64-bit numbers.
        self._factors = rng.integers(0, top, shape, np.uint64, endpoint=True) | np.uint64(1)
        self._terms = rng.integers(0, top, shape, np.uint64, endpoint=True)
        self._rows = rows_per_band(self.config.threshold, self.config.hashes)
        spread = self.config.threshold * (1 - self.config.threshold) / self.config.hashes
        self._least = self.config.threshold - _ERRORS * spread**0.5
        self._keys: list[int] = []
        self._texts: list[str] = []
        self._signatures = np.empty((64, self.config.hashes), np.uint64)
        self._exact: dict[str, int] = {}
        self._bands: dict[bytes, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Match | None:
        """Return the text that this one repeats exactly, else one that it nearly repeats.

        Of several near ones, it is the one with the highest estimate that the check confirms.
        """
        return self._find(normalised(text), None)

    def add(self, key: int, text: str) -> Match | None:
        """Look for a text as `find` does, then add it unless an equal one is there."""
        text = normalised(text)
        if text in self._exact:
            return Match(self._exact[text], 1.0, exact=True)
        signature = self.signature(text)
        match = self._find(text, signature)
        place = len(self._keys)
        if place == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
        self._keys.append(key)
        self._texts.append(text)
        self._signatures[place] = signature
        self._exact[text] = key
        for band in self._bands_of(signature):
            if len(self._bands[band]) < _CROWD:
                self._bands[band].append(place)
        return match

    def signature(self, text: str) -> Hashes:
        """Return the least value of each hash function over the shingles of a normalised text."""
        least = np.full(self.config.hashes, np.iinfo(np.uint64).max, np.uint64)
        codes = _codes(text, self.config.shingle)
        for start in range(0, len(codes), _BLOCK):
            block = codes[start : start + _BLOCK]
            np.minimum(least, (self._factors * block + self._terms).min(axis=1), out=least)
        return least

    def _find(self, text: str, signature: Hashes | None) -> Match | None:
        if text in self._exact:
            return Match(self._exact[text], 1.0, exact=True)
        if signature is None:
            signature = self.signature(text)
        found = {place for band in self._bands_of(signature) for place in self._bands.get(band, ())}
        if not found or not text:
            return None
        places = np.array(sorted(found))
        estimates = (self._signatures[places] == signature).mean(axis=1)
        own = shingles(text, self.config.shingle)
        for i in np.argsort(-estimates, kind="stable"):
            if estimates[i] < self._least:
                break
            place = int(places[i])
            similarity = jaccard(own, shingles(self._texts[place], self.config.shingle))
            if similarity >= self.config.threshold:
                return Match(self._keys[place], similarity, exact=False)
        return None

    def _bands_of(self, signature: Hashes) -> list[bytes]:
        return [
            start.to_bytes(2) + signature[start : start + self._rows].tobytes()
            for start in range(0, len(signature) - self._rows + 1, self._rows)
        ]


def repeated(texts: Iterable[str], config: DuplicateConfig | None = None) -> dict[int, Match]:
    """Return which texts repeat an earlier one, by their number from 0.

    Leaving them all out leaves no exact duplicate.
    """
    index = Index(config)
    found = ((number, index.add(number, text)) for number, text in enumerate(texts))
    return {number: match for number, match in found if match is not None}


def _codes(text: str, shingle: int) -> Hashes:
    """Hash every shingle to 64 bits."""
    if not text:
        return np.empty(0, np.uint64)
    points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
    points = points.astype(np.uint64)
    count = max(1, len(points) - shingle + 1)
    codes = np.zeros(count, np.uint64)
    for offset in range(min(shingle, len(points))):
        codes = _mix(codes ^ points[offset : offset + count])
    return np.unique(codes)


def _mix(x: Hashes) -> Hashes:
    """Scatter 64-bit numbers (the finaliser of SplitMix64: Steele, Lea and Flood, 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
