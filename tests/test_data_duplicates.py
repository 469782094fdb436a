"""Exact and near duplicates, against the definition."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtalign.config import load
from gtalign.data.duplicates import (
    DuplicateConfig,
    Index,
    Match,
    jaccard,
    normalised,
    repeated,
    rows_per_band,
    shingles,
)
from gtalign.data.rows import read_rows
from gtalign.errors import ConfigError

TEXT = "The quick brown fox jumps over the lazy dog, and then it rests in the shade of a tree."
WORDS = ["one", "two", "three", "four", "five", "six"]
words = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


def test_the_normalised_form() -> None:
    assert normalised("  \ufb01ne\n\tSTRASSE\u00a0x ") == "fine strasse x"
    assert normalised("Straße") == normalised("STRASSE")
    assert normalised(" \n") == ""


def test_shingles_and_their_similarity() -> None:
    assert shingles("abcde", 3) == {"abc", "bcd", "cde"}
    assert shingles("ab", 3) == {"ab"}
    assert shingles("", 3) == set()
    assert jaccard({"a", "b"}, {"b", "c"}) == 1 / 3
    assert jaccard(set(), set()) == 1


def test_exact_and_near() -> None:
    near = TEXT.replace("lazy", "sleepy")
    similarity = jaccard(shingles(normalised(TEXT), 5), shingles(normalised(near), 5))
    assert 0.8 <= similarity < 1
    found = repeated(["Other.", TEXT, f" {TEXT.upper()} ", near, "Nothing like it at all"])
    assert found == {2: Match(1, 1.0, exact=True), 3: Match(1, similarity, exact=False)}


def test_an_index_is_asked_without_being_changed() -> None:
    index = Index()
    assert index.find(TEXT) is None
    assert index.add(7, TEXT) is None
    near = index.find(TEXT + "!")
    assert near is not None and (near.key, near.exact) == (7, False)
    assert near.similarity == pytest.approx(0.98, abs=0.01)
    assert index.find(TEXT) == Match(7, 1.0, exact=True)
    assert index.find("") is None
    assert len(index) == 1


def test_the_same_shingles_in_another_text_are_near_and_not_exact() -> None:
    assert repeated(["aaaaaaa", "aaaaaaaaa"])[1] == Match(0, 1.0, exact=False)


def test_empty_and_short_texts() -> None:
    found = repeated(["", "a", " ", "b", "A"])
    assert found == {2: Match(0, 1.0, exact=True), 4: Match(1, 1.0, exact=True)}


def test_texts_that_are_no_unicode() -> None:
    assert set(repeated(["\ud800 x", "\ud800 x", "\udfff y"])) == {1}


@settings(max_examples=200)
@given(st.lists(words, max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_what_is_reported_is_similar(texts: list[str], threshold: float) -> None:
    config = DuplicateConfig(threshold=threshold, shingle=3)
    plain = [normalised(text) for text in texts]
    found = repeated(texts, config)
    for number, match in found.items():
        assert match.key < number
        assert match.exact == (plain[match.key] == plain[number])
        similarity = jaccard(shingles(plain[match.key], 3), shingles(plain[number], 3))
        assert match.similarity == similarity >= threshold
    # Every exact duplicate is reported, none but the first of each is left.
    left = [text for n, text in enumerate(plain) if n not in found]
    assert len(left) == len(set(left))
    assert set(plain) >= set(left)


def test_the_estimate_is_near_the_truth() -> None:
    index = Index(DuplicateConfig(hashes=1024))
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefgh "))
    for changed in (0, 10, 40, 160):
        first = rng.choice(letters, 600)
        second = first.copy()
        second[rng.choice(600, changed, replace=False)] = "z"
        one, two = normalised("".join(first)), normalised("".join(second))
        truth = jaccard(shingles(one, 5), shingles(two, 5))
        estimate = np.mean(index.signature(one) == index.signature(two))
        assert estimate == pytest.approx(truth, abs=4 * (0.25 / 1024) ** 0.5)


def test_a_signature_does_not_depend_on_how_a_long_text_is_cut() -> None:
    index = Index(DuplicateConfig(hashes=16))
    text = normalised("".join(map(chr, np.random.default_rng(0).integers(97, 123, 20_000))))
    halves = [index.signature(text[:10_004]), index.signature(text[10_000:])]
    assert (index.signature(text) == np.minimum(*halves)).all()


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.8, 0.95, 1.0])
def test_bands_miss_one_pair_in_a_hundred_at_most(threshold: float) -> None:
    rows = rows_per_band(threshold, 128)
    missed = (1 - threshold**rows) ** (128 // rows)
    assert missed <= 0.01
    if rows < 128:
        assert (1 - threshold ** (rows + 1)) ** (128 // (rows + 1)) > 0.01
    assert rows_per_band(0.01, 4) == 1  # the best that four hashes can do


def test_thousands_from_one_template_are_all_found() -> None:
    texts = [f"{TEXT} This is the form with number {n}." for n in range(2000)]
    found = repeated(texts)
    assert set(found) == set(range(1, 2000))
    assert all(match.similarity >= 0.8 for match in found.values())


def test_the_seed_decides_the_hashes() -> None:
    def signature(seed: int) -> list[int]:
        found: list[int] = Index(DuplicateConfig(seed=seed)).signature(TEXT).tolist()
        return found

    assert signature(0) == signature(0) != signature(1)


def test_the_config() -> None:
    assert load(DuplicateConfig) == DuplicateConfig()
    with pytest.raises(ConfigError, match="threshold"):
        load(DuplicateConfig, overrides=["threshold=0"])


def test_against_brute_force_on_published_questions(shared: Path) -> None:
    """Every pair of a sample, compared by the definition: what is similar has been found."""
    rows = read_rows(shared / "data" / "wildguard-train.parquet")
    texts = [q.text for number, q in enumerate(rows) if number % 8 == 0]
    config = DuplicateConfig(threshold=0.5)
    sets = [shingles(normalised(text), 5) for text in texts]
    truth = {
        j
        for j in range(len(sets))
        if any(
            2 * min(len(sets[i]), len(sets[j])) >= max(len(sets[i]), len(sets[j]))
            and jaccard(sets[i], sets[j]) >= 0.5
            for i in range(j)
        )
    }
    assert truth
    assert set(repeated(texts, config)) == truth
