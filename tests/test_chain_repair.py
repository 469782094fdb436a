"""The tolerant parser: what it puts right, that it says so, and what it refuses."""

import pytest
from hypothesis import given, settings

from chain_texts import PAYOFF, VALID, mutated, valid
from gtalign.chain import Repair, parse
from gtalign.errors import ChainError

JSON = VALID[VALID.index("{") : VALID.index("</payoff>")]


def kinds(text: str) -> list[str]:
    chain = parse(text, tolerant=True)
    assert chain.payoff == PAYOFF
    assert chain.response == "Which one?"
    return list(dict.fromkeys(repair.kind for repair in chain.repairs))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VALID, []),
        (VALID.replace('"', "'"), ["single-quotes"]),
        (VALID.replace('"DQ_AQ"', "\u201cDQ_AQ\u201d"), ["typographic-quotes"]),
        (VALID.replace('"user"', "\u00abuser\u00bb"), ["typographic-quotes"]),
        (VALID.replace('"user"', "\u2018user'"), ["typographic-quotes"]),
        (VALID.replace("}}", ",\n},}"), ["trailing-comma"]),
        (VALID.replace(JSON, f"```json\n{JSON}\n```"), ["code-fence"]),
        (VALID.replace(JSON, f"\n`{JSON}` "), ["code-fence"]),
        (f"```xml\n{VALID}\n```", ["code-fence"]),
        (VALID.replace("</payoff>", "</payoff>\n```\n```"), ["code-fence"]),
        (VALID.replace("<payoff>", "< payoff >").replace("</payoff>", "< / payoff\n>"), ["tag"]),
        (VALID.replace("response>", "Response>"), ["tag"]),
        ("Sure.\n" + VALID, ["text-before"]),
        (VALID.replace("</payoff>", "</payoff>, then"), ["text-between"]),
        (VALID + "\n<|im_end|>", ["text-after"]),
        (
            f"Here:\n```\n{VALID}\n```\nDone.".replace('"', "'"),
            ["text-before", "single-quotes", "text-after"],
        ),
    ],
)
def test_repairs(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


def test_each_repair_says_where() -> None:
    text = "Sure.\n" + VALID.replace('"DQ_AQ"', "'DQ_AQ'").replace("}}", "},}") + " bye"
    assert parse(text, tolerant=True).repairs == (
        Repair("text-before", 0),
        Repair("single-quotes", text.index("'DQ_AQ'")),
        Repair("trailing-comma", text.index(",}")),
        Repair("text-after", text.index("bye")),
    )


def test_spans_are_those_of_the_original_text() -> None:
    text = f"Sure.\n{VALID}".replace("<thinking>", "< thinking >")
    chain = parse(text, tolerant=True)
    assert {name: text[slice(*span)].strip() for name, span in chain.spans.items()} == {
        "thinking": chain.thinking,
        "payoff": JSON,
        "analyze": chain.analyze,
        "response": chain.response,
    }


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "missing"),
        ("nothing", "missing"),
        (VALID.replace("<payoff>", ""), "order"),
        (VALID.replace("</payoff>", ""), "nested"),
        (VALID.replace("</response>", ""), "unclosed"),
        (VALID + VALID, "duplicate"),
        (VALID.replace("What", "< ANALYZE >") + ".", "nested"),
        (VALID.replace("Which one?", " ") + ".", "empty-response"),
        (VALID.replace("3.0", "NaN") + ".", "payoff-finite"),
        (VALID.replace("3.0", "true") + ".", "payoff-number"),
        (VALID.replace("3.0", "'3.0'") + ".", "payoff-syntax"),
        (VALID.replace("3.0", "3,0") + ".", "payoff-syntax"),
        (VALID.replace("3.0", "3.0.0") + ".", "payoff-syntax"),
        (VALID.replace("3.0", "\u22123.0") + ".", "payoff-syntax"),
        (VALID.replace("3.0", "5.01") + ".", "payoff-range"),
        (VALID.replace("VQ_DA", "VQ_CQ") + ".", "payoff-duplicate"),
        (VALID.replace("VQ_DA", "VQ_DA!") + ".", "payoff-key"),
        (VALID.replace('"VQ_DA"', "'VQ_DA!'") + ".", "payoff-syntax"),
        (VALID.replace("}}", ",,}}"), "payoff-syntax"),
        (VALID.replace(JSON, f"```{JSON}"), "payoff-syntax"),
        (VALID.replace(JSON, "{,}"), "payoff-syntax"),
    ],
)
def test_what_cannot_be_put_right(text: str, rule: str) -> None:
    with pytest.raises(ChainError) as caught:
        parse(text, tolerant=True)
    assert caught.value.rule == rule


@given(valid())
@settings(max_examples=50)
def test_a_strict_chain_needs_no_repair(text: str) -> None:
    assert parse(text, tolerant=True) == parse(text)


@given(valid())
@settings(max_examples=50)
def test_repairs_never_touch_a_number(text: str) -> None:
    spoiled = "Sure: " + text.replace('"', "\u201d").replace("}", ",}")
    assert parse(spoiled, tolerant=True).payoff == parse(text).payoff


@given(mutated())
@settings(max_examples=100)
def test_tolerant_takes_whatever_strict_takes(text: str) -> None:
    try:
        strict = parse(text)
    except ChainError:
        try:
            assert parse(text, tolerant=True).repairs
        except ChainError:
            return
    else:
        assert parse(text, tolerant=True) == strict
