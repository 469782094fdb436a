"""The tokens of a message that is edited: what stays, and where it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from gtalign.steering.http.completions import Ledger
from standins import tokens

TEXTS = st.text(st.sampled_from("ab é\N{SNOWMAN}\N{THINKING FACE}>\n<"), max_size=24)


def written(text: str, salt: int) -> Ledger:
    """The ledger of a message, as its tokens came one by one."""
    ledger = Ledger()
    ids = tokens.encode(text, salt)
    for token, shown in zip(ids, tokens.texts(ids), strict=True):
        ledger.add(shown, [token])
    assert (ledger.text, ledger.ids, ledger.open) == (text, ids, False)
    return ledger


@given(TEXTS, st.integers(0, 3), st.data())
def test_keeps_the_tokens_before_an_edit_and_no_more(
    text: str, salt: int, data: st.DataObject
) -> None:
    ledger = written(text, salt)
    at = data.draw(st.integers(0, len(text)))
    edited = text[:at] + data.draw(TEXTS)
    before = list(ledger.ids)
    ledger.keep(edited)
    count = len(ledger.ids)
    assert ledger.ids == before[:count]
    assert tokens.decode(ledger.ids) == ledger.text
    assert edited.startswith(ledger.text) and text.startswith(ledger.text)
    # One more token with a whole character at its end would not lie before the edit.
    shown = tokens.texts(before)
    more = next((n for n in range(count, len(shown)) if shown[n]), None)
    assert more is None or not edited.startswith("".join(shown[: more + 1]))


@given(TEXTS, st.integers(0, 3))
def test_tokens_that_end_inside_a_character_wait_for_its_end(text: str, salt: int) -> None:
    ids = tokens.encode(text + "\N{SNOWMAN}", salt)
    ledger = Ledger()
    for token, shown in zip(ids[:-1], tokens.texts(ids)[:-1], strict=True):
        ledger.add(shown, [token])
    assert tokens.decode(ledger.ids) == ledger.text
    kept = ledger.text
    ledger.keep(kept)
    assert (ledger.text, ledger.open) == (kept, False)
