"""What an endpoint took, in words."""

from typing import Any

import pytest

from gtalign.endpoints import Usage
from gtalign.endpoints.usage import in_words


@pytest.mark.parametrize(
    ("used", "saved", "cost", "words"),
    [
        (Usage(calls=1, completion_tokens=1), Usage(), None, "1 call, 1 token"),
        (
            Usage(calls=1200, prompt_tokens=1000, completion_tokens=500, unmetered=1, unread=1),
            Usage(),
            None,
            "1,200 calls, 1,500 tokens, 1 call without a count of tokens, 1 unusable reply",
        ),
        (Usage(failed=2), Usage(), 0.0, "0 calls, 0 tokens, 2 failed requests"),
        (
            Usage(calls=2, prompt_tokens=8),
            Usage(calls=1, prompt_tokens=4),
            0.25,
            "2 calls, 8 tokens, cost 0.25, 1 reply from the cache, which saved 4 tokens",
        ),
    ],
)
def test_an_account_in_words(used: Usage, saved: Usage, cost: float | None, words: str) -> None:
    account: dict[str, Any] = {"used": used.to_json(), "saved": saved.to_json(), "cost": cost}
    assert in_words(account) == words
