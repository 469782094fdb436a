"""The spans of one answer: its phases, decision, tokens and records."""

import asyncio
from time import perf_counter

from gtalign.gateway.store.record import AnswerLog
from gtalign.gateway.telemetry.tracing import current
from gtalign.steering import Decision
from gtalign.steering.stopwatch import Stopwatch


def trace_record(written: "asyncio.Future[None]", status: str) -> None:
    """Add a span when a record is written, or could not be."""
    trace, began = current(), perf_counter()

    def done(_: "asyncio.Future[None]") -> None:
        trace.part("record", began, perf_counter(), **{"gtalign.status": status})

    written.add_done_callback(done)


def trace_answer(decision: Decision, log: AnswerLog, watch: Stopwatch) -> None:
    """Tell of an answer and of its parts.

    Args:
        decision: About it.
        log: Events of the answer.
        watch: Stopwatch of its writing.
    """
    trace, writes, decided = current(), watch.stretches, log.decided
    tokens = [phase.tokens for phase in decision.phases]
    for number, (began, ended) in enumerate(writes):
        first = decided is None or ended <= decided
        wrote = tokens[number] if len(tokens) == len(writes) else None
        name = "phase one" if first else "phase two"
        if log.retried is not None and began >= log.retried:
            name = "retry"
        trace.part(name, began, ended, **{"gen_ai.usage.output_tokens": wrote})
    if decided is not None:
        began = max((end for _, end in writes if end <= decided), default=decided)
        trace.part("edit", began, decided)
    before, after = decision.before, decision.after
    read = next((p.prompt_tokens for p in decision.phases if p.prompt_tokens is not None), None)
    trace.about(
        {
            "gen_ai.response.finish_reasons": None if log.finish is None else [log.finish],
            "gen_ai.usage.input_tokens": read,
            "gen_ai.usage.output_tokens": sum(tokens) if tokens else None,
            "gtalign.mode": decision.mode,
            "gtalign.steered": decision.steered,
            "gtalign.before": None if before is None else before.action,
            "gtalign.after": None if after is None else after.action,
            "gtalign.flipped": decision.flipped,
            "gtalign.obeyed": decision.obeyed,
            "gtalign.served": None if decision.retry is None else decision.retry.served,
            "gtalign.added_ms": log.added_ms,
        }
    )
