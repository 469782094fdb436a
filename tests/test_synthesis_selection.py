"""Which candidates are kept."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.synthesis.blocks import LONGEST, UnusableReply, read_payoff, read_text
from gtalign.synthesis.selection import KEPT, Entry, select
from gtalign.synthesis.settings import SelectionSettings

OPEN = SelectionSettings(min_welfare=0, min_quality=0, action_share=1)


def entry(number: int, welfare: float, action: str | None = "DA", quality: float = 1.0) -> Entry:
    return Entry(number, welfare, quality, action)


def test_the_best_is_kept_and_of_equals_the_first() -> None:
    fates = select({"q": [entry(0, 0.5), entry(1, 0.9), entry(2, 0.9)]}, OPEN)
    better = "another of its question is better"
    assert fates == {("q", 0): better, ("q", 1): KEPT, ("q", 2): better}


def test_what_is_too_bad_is_dropped_with_the_reason() -> None:
    settings = SelectionSettings(min_welfare=0.3, min_quality=0.5, action_share=1)
    candidates = [
        entry(0, 0.29),
        entry(1, 0.9, quality=0.4),
        entry(2, 0.9, None),
        Entry(3, None, None, None, "failed: teacher, timeout"),
        Entry(4, None, None, "DA"),
        entry(5, 0.3, quality=0.5),
    ]
    assert list(select({"q": candidates}, settings).values()) == [
        "welfare below the minimum",
        "quality below the minimum",
        "the analysis chooses no action",
        "failed: teacher, timeout",
        "no score",
        KEPT,
    ]


def test_an_action_above_its_share_gives_way_where_that_costs_least() -> None:
    candidates = {
        "a": [entry(0, 0.9, "CQ"), entry(1, 0.8, "DA")],
        "b": [entry(0, 0.9, "CQ"), entry(1, 0.5, "DA")],
        "c": [entry(0, 0.9, "CQ")],
        "d": [entry(0, 0.9, "AQ")],
    }
    settings = OPEN.model_copy(update={"action_share": 0.5})
    fates = select(candidates, settings)
    kept = {key for key, fate in fates.items() if fate == KEPT}
    assert kept == {("a", 1), ("b", 0), ("c", 0), ("d", 0)}
    assert fates["a", 0] == "too many choose CQ"


def test_without_an_exchange_the_worst_are_dropped() -> None:
    candidates = {f"q{n}": [entry(0, n / 10, "CQ")] for n in range(1, 5)}
    candidates["other"] = [entry(0, 0.1, "DA")]
    fates = select(candidates, OPEN.model_copy(update={"action_share": 0.5}))
    kept = {question for (question, _), fate in fates.items() if fate == KEPT}
    assert kept == {"q4", "other"}


ACTIONS = st.sampled_from(["DA", "CQ", "AQ"])
CANDIDATES = st.lists(st.tuples(st.floats(0, 1), ACTIONS), min_size=1, max_size=4)


@given(st.lists(CANDIDATES, max_size=20), st.floats(0.34, 1))
def test_every_candidate_has_a_fate_and_no_action_too_much(
    drawn: list[list[tuple[float, str]]], share: float
) -> None:
    entries = {
        f"q{n}": [entry(i, w, action) for i, (w, action) in enumerate(found)]
        for n, found in enumerate(drawn)
    }
    fates = select(entries, OPEN.model_copy(update={"action_share": share}))
    assert fates.keys() == {(q, e.number) for q, found in entries.items() for e in found}
    kept = [key for key, fate in fates.items() if fate == KEPT]
    assert len({question for question, _ in kept}) == len(kept)
    counts = Counter(entries[question][number].action for question, number in kept)
    assert all(count <= share * len(kept) + 1e-6 for count in counts.values())
    if len({e.action for found in entries.values() for e in found}) == 1 and share == 1:
        assert len(kept) == len(entries)


def test_a_part_is_taken_from_its_dress() -> None:
    assert read_text("<think>hm</think>\n<thinking> a > b </thinking>", "thinking") == "a > b"
    assert read_text("reasoning that a template opened</think> fine", "analyze") == "fine"
    assert read_text("[THINK]hm[/THINK] fine", "analyze") == "fine"
    assert read_text("<reasoning>hm</reasoning><analyze>fine</analyze>", "analyze") == "fine"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("  ", "is empty"),
        ("<think>no end", "never ends"),
        ("<|START_THINKING|>no end", "never ends"),
        ("a <payoff> b", "holds the tag <payoff>"),
        ("x" * (LONGEST + 1), "longer than"),
    ],
)
def test_a_part_that_would_break_the_chain_is_refused(reply: str, problem: str) -> None:
    with pytest.raises(UnusableReply, match=problem):
        read_text(reply, "response")


def test_a_payoff_is_read_tolerantly_and_rounded() -> None:
    cells = ("DQ_AQ", "DQ_CQ", "DQ_DA", "VQ_AQ", "VQ_CQ", "VQ_DA")
    text = ", ".join(f"'{cell}': {{'LLM': -0.04, 'user': 2.26}}" for cell in cells)
    read = read_payoff(f"Sure:\n{{{text},}}\nDone.").to_json()
    assert read["DQ_AQ"] == {"LLM": 0.0, "user": 2.3}
    with pytest.raises(UnusableReply, match="no JSON object"):
        read_payoff("nothing")
    with pytest.raises(UnusableReply, match="must be finite"):
        read_payoff(f"{{{text.replace('2.26', 'NaN')}}}")
