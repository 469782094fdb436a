"""The models that a server lists, as ``GET /v1/models`` of OpenAI's interface names them."""

from typing import Any


def listed(answer: Any) -> list[dict[str, Any]]:
    """Return what a server says about each of its models; a model without a name is left out.

    Args:
        answer: The server's answer, as it was read from JSON.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    cards = data if isinstance(data, list) else []
    named = (card for card in cards if isinstance(card, dict))
    return [card for card in named if isinstance(card.get("id"), str) and card["id"]]
