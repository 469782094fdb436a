"""The tokens of an answer, as OpenAI's interface counts them."""

from collections.abc import Sequence
from typing import Any

from gtalign.steering import Decision, Phase
from gtalign.steering.phase import PASSED


def usage_of(decision: Decision, instruction: int | None) -> dict[str, Any]:
    """All tokens of an answer.

    The details say how many the engine found in its cache, if it reports that, and how many
    are the gateway's doing: those of the instruction, those of a chain that failed, and those of
    the response that a retry left unserved.

    Args:
        decision: The decision about the finished answer.
        instruction: Tokens of the instruction; None if there is none, or nobody knows.
    """
    phases, unserved = decision.phases, decision.unserved
    usage: dict[str, Any] = tokens_of(phases)
    details: dict[str, int] = {}
    counted = _counted(phases)
    if counted is not None and counted.cached_tokens is not None:
        details["cached_tokens"] = counted.cached_tokens
    if instruction is not None:
        details["instruction_tokens"] = instruction
    if details:
        usage["prompt_tokens_details"] = details
    if decision.passed:
        failed = sum(phase.tokens for phase in phases if phase.name != PASSED)
        usage["completion_tokens_details"] = {"failed_chain_tokens": failed}
    elif unserved:
        left = sum(phase.tokens for phase in unserved)
        usage["completion_tokens_details"] = {"unserved_tokens": left}
    return usage


def tokens_of(phases: Sequence[Phase]) -> dict[str, int | None]:
    """The tokens that phases have read and written: the prompt once, and all that was written.

    Those of the prompt are None if the engine does not count them, and so is the sum.
    """
    counted = _counted(phases)
    read = None if counted is None else counted.prompt_tokens
    written = written_in(phases)
    total = None if read is None else read + written
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": total}


def written_in(phases: Sequence[Phase]) -> int:
    """The tokens that were written in all phases together."""
    return sum(phase.tokens for phase in phases)


def _counted(phases: Sequence[Phase]) -> Phase | None:
    """The first phase whose prompt the engine counted: it read the client's prompt."""
    return next((phase for phase in phases if phase.prompt_tokens is not None), None)
