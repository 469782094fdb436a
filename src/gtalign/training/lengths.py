"""Examples that are longer than a model is trained on.

What would be cut off is the end, and the end of a chain is its response: a model that learns from
chains without one learns not to answer.
"""

import logging
from collections.abc import Sequence
from typing import Final

from gtalign.errors import DataError
from gtalign.models.chat import Lesson
from gtalign.training.settings import SFTSettings

log = logging.getLogger(__name__)

_NAMED: Final = 5
"""So many of the examples that are too long are named in the warning."""


def keep_whole(
    examples: Sequence[Lesson], names: Sequence[str], settings: SFTSettings
) -> list[Lesson]:
    """Return the examples to learn from, and warn of those that are too long.

    Args:
        examples: The training examples.
        names: Name of each example in the warning.
        settings: ``max_length`` and what is done with a longer one, ``too_long``.

    Raises:
        DataError: All are too long, and would be left out.
    """
    limit, lengths = settings.max_length, [len(example.ids) for example in examples]
    over = [n for n, length in enumerate(lengths) if length > limit]
    if not over:
        return list(examples)
    longest = max(over, key=lambda n: lengths[n])
    about = f"longer than sft.max_length = {limit} tokens"
    worst = f"the longest, {names[longest]}, has {lengths[longest]}"
    if settings.too_long == "drop" and len(over) == len(examples):
        raise DataError(
            f"all {len(examples)} examples are {about} ({worst}); raise it, or cut them with"
            ' sft.too_long = "cut"'
        )
    told = ", ".join(names[n] for n in over[:_NAMED])
    more = f" and {len(over) - _NAMED} more" if len(over) > _NAMED else ""
    fate = "left out" if settings.too_long == "drop" else "cut: they lose the end of their response"
    log.warning(
        "%d of %d examples are %s and are %s (%s): %s%s",
        *(len(over), len(examples), about, fate, worst, told, more),
    )
    if settings.too_long == "cut":
        return list(examples)
    dropped = set(over)
    return [example for n, example in enumerate(examples) if n not in dropped]
