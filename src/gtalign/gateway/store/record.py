"""The status of an answer, and its row in the audit store."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from gtalign.gateway.spent import Spent
from gtalign.gateway.store.writer import Record
from gtalign.gateway.text import to_json, without_surrogates
from gtalign.steering import Decision, Policy
from gtalign.steering.units import money_of

Status = Literal["writing", "done", "failed", "gone", "passed", "lost"]
"""The status of an answer: being written, finished, ended by a failure, left by its client, passed
through untouched, or lost with the process that wrote it."""

STATUSES: Final = get_args(Status)


@dataclass(slots=True)
class AnswerLog:
    """The events of one answer, as they happen: records, metrics and traces read it.

    Args:
        id: The answer's id.
        at: When it was asked for, in microseconds since 1970.
        request_id: The request's id.
        key_id: The key's id; empty where no key is needed.
        policy: The policy in force.
        stream: Whether the answer is streamed.
        prompt: The messages as JSON, where texts are kept; else None.
        until: When kept texts are deleted, in microseconds since 1970.
        began: Time of the start by `perf_counter`, in seconds.
        decided: Time of the decision by `perf_counter`; None if there is none.
        status: Status of the answer.
        finish: As `Steered.finish`; None if it did not come to its end.
        first_ms: Milliseconds to the first text.
        total_ms: Milliseconds to the end.
        added_ms: How many of them the gateway itself took.
        error: Why it failed.
        answer: The whole text.
        unserved: The whole text of the writing that is not the answer; None if there was one.
        retried: Time when the second writing began by `perf_counter`; None if there is none.
        chain: Whether the answer is a chain, from whose response an action can be read.
        spent: What it took of budgets; None before its end.
        read_characters: Characters of the question; None if it is no text.
        written_characters: Characters of the whole text; None if they are unknown.
        dry_runs: Rows of `tables.dry_runs`: the policies that were tried on it.
        process: The process that answers; None if that is unknown.
    """

    id: str
    at: int
    request_id: str
    key_id: str
    policy: Policy
    stream: bool
    prompt: str | None = None
    until: int = 0
    began: float = 0.0
    decided: float | None = None
    status: Status = "writing"
    finish: str | None = None
    first_ms: float | None = None
    total_ms: float | None = None
    added_ms: float | None = None
    error: str | None = None
    answer: str | None = None
    unserved: str | None = None
    retried: float | None = None
    chain: bool = False
    spent: Spent | None = None
    read_characters: int | None = None
    written_characters: int | None = None
    dry_runs: tuple[Mapping[str, Any], ...] = ()
    process: str | None = None


def record_of(decision: Decision, log: AnswerLog) -> Record:
    """The record of an answer, as it stands."""
    before, after = decision.before, decision.after
    payoffs = None
    if decision.edited is not None and after is not None:
        payoffs = decision.edited.to_json()[after.cell]
    phases = [phase for phase in decision.phases if not phase.shadow]
    saved = _saved(decision, log.policy)
    spent = None if log.status == "writing" else log.spent  # more may follow
    row: dict[str, Any] = {
        "id": log.id,
        "at": log.at,
        "request_id": log.request_id,
        "key_id": log.key_id,
        "status": log.status,
        "model": _text(decision.model),
        "policy": decision.policy,
        "policy_hash": decision.policy_hash,
        "mode": decision.mode,
        "resume": decision.resume,
        "backend": _text(decision.backend),
        "steered": decision.steered,
        "reason": _text(decision.reason),
        "before_cell": None if before is None else before.cell,
        "before_action": None if before is None else before.action,
        "after_cell": None if after is None else after.cell,
        "after_action": None if after is None else after.action,
        "chosen": decision.chosen,
        "acted": decision.acted if log.chain else None,
        "flipped": decision.flipped,
        "obeyed": decision.obeyed,
        "retry": None if decision.retry is None else decision.retry.served,
        "user_payoff": None if payoffs is None else payoffs["user"],
        "llm_payoff": None if payoffs is None else payoffs["LLM"],
        "saved_tokens": None if saved is None else saved[0],
        "saved_money": None if saved is None else saved[1],
        "prompt_tokens": decision.prompt_tokens,
        "cached_tokens": _sum(phase.cached_tokens for phase in phases),
        "written_tokens": sum(phase.tokens for phase in phases) if phases else None,
        "read_characters": log.read_characters,
        "written_characters": log.written_characters,
        "spent_tokens": None if spent is None else spent.tokens,
        "spent_money": None if spent is None else spent.money,
        "estimated": None if spent is None else spent.estimated > 0,
        "retries": decision.retries,
        "repairs": len(decision.repairs),
        "stream": log.stream,
        "finish": log.finish,
        "first_ms": log.first_ms,
        "total_ms": log.total_ms,
        "added_ms": log.added_ms,
        "error": _text(log.error),
        "process": log.process,
        "decision": to_json(decision.to_json()).decode(),
    }
    kept = None
    if log.prompt is not None:
        kept = {
            "id": log.id,
            "until": log.until,
            "prompt": log.prompt,
            "answer": _text(log.answer),
            "unserved": _text(log.unserved),
        }
    return Record(row, kept, log.dry_runs)


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _saved(decision: Decision, policy: Policy) -> tuple[float, float] | None:
    """Tokens and money that the flip is expected to save: those of the one action less the other.

    Money is at the policy's price, whether the user or the provider pays; a quota is left out.
    """
    if decision.before is None or decision.after is None:
        return None
    was, is_ = (decision.expected.get(r.action) for r in (decision.before, decision.after))
    if was is None or is_ is None:
        return None
    prompt, ratio = decision.prompt_tokens or 0, policy.characters_per_token
    saved = was.amounts(prompt, ratio) - is_.amounts(prompt, ratio)
    return saved.output, money_of(policy.price, saved)


def _sum(counts: Any) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _text(text: str | None) -> str | None:
    """A text that every database takes: without NUL and lone surrogates."""
    if text is None:
        return None
    return without_surrogates(text.replace("\x00", "\N{REPLACEMENT CHARACTER}"))
