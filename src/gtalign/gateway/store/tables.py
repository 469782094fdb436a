"""The tables of the audit store."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from gtalign.gateway.store import spread

metadata: Final = MetaData()

versions: Final = Table("store", metadata, Column("version", Integer, primary_key=True))

changes: Final = Table(
    "changes",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How often keys and policies were changed: what other processes on the database look at."""

decisions: Final = Table(
    "decisions",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("at", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("request_id", String(128), nullable=False),
    Column("key_id", String(32), nullable=False),  # empty where no key is needed
    Column("status", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("policy", String(80), nullable=False),
    Column("policy_hash", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("resume", String(16), nullable=False),
    Column("backend", Text, nullable=False),
    Column("steered", Boolean, nullable=False),
    Column("reason", Text),
    Column("before_cell", Text),
    Column("before_action", Text),
    Column("after_cell", Text),
    Column("after_action", Text),
    Column("chosen", Text),
    Column("acted", Text),
    Column("flipped", Boolean, nullable=False),
    Column("obeyed", Boolean),  # None where nobody can tell
    Column("retry", String(8)),  # which of two writings was served; None if there was one
    Column("user_payoff", Float),  # of the edited matrix, in the cell chosen
    Column("llm_payoff", Float),
    Column("saved_tokens", Float),  # expected to be written less, for the flip
    Column("saved_money", Float),  # expected, in currency units
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("written_tokens", Integer),
    Column("read_characters", BigInteger),
    Column("written_characters", BigInteger),
    Column("spent_tokens", BigInteger),  # of budgets, with estimates; None before the end
    Column("spent_money", Float),  # the price of these, in currency units
    Column("estimated", Boolean),  # whether what was spent is estimated, or a part of it
    Column("retries", Integer, nullable=False),
    Column("repairs", Integer, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("finish", String(16)),
    Column("first_ms", Float),  # to the first text
    Column("total_ms", Float),
    Column("added_ms", Float),  # of which the gateway's own
    Column("error", Text),
    Column("process", String(16)),  # that answered; None before gtalign noted it
    Column("decision", Text, nullable=False),  # `Decision.to_json`
    Index("decisions_key", "key_id", "at", "id"),
    Index("decisions_policy", "policy", "at", "id"),
    Index("decisions_flipped", "flipped", "at", "id"),
    Index("decisions_status", "status", "at", "id"),
    Index("decisions_acted", "acted", "at", "id"),
)
"""One row an answer, written before any of it reaches the client and completed at its end."""

GROUPS: Final = (
    *("policy", "policy_hash", "mode", "status", "before_action", "after_action"),
    *("acted", "flipped", "steered", "obeyed"),
)
"""Columns that the hourly sums are grouped by: every filter except the key."""

SIEVE: Final = Index(
    "decisions_sieve",
    *(decisions.c[name] for name in ("at", "id", "key_id", *GROUPS)),
)
"""Every column that decisions are filtered by, in order of time. A query filters by this index, and
reads the rows, which are many times larger, only for the decisions that it shows."""


SPENDING: Final = Index(
    "decisions_spending",
    *(
        decisions.c[name]
        for name in (
            *("at", "key_id", "policy", "policy_hash", "status", "spent_tokens", "spent_money"),
            *("estimated", "prompt_tokens", "written_tokens"),
        )
    ),
)
"""Every column that budgets are counted from: the month is counted every minute."""


def _sums(name: str, *more: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("hour", BigInteger, nullable=False),  # its beginning, in microseconds since 1970
        *more,
        *(Column(name, decisions.c[name].type) for name in GROUPS),
        Column("n", BigInteger),
        *(Column(name, Float) for name in ("user", "llm", "saved_tokens", "saved_money", "added")),
        *(Column(name, BigInteger) for name in ("paid", "prompt", "written", "timed", "mended")),
        Column("money", Float),
        *(Column(name, BigInteger) for name in ("read_known", "written_known", "estimated")),
        *(Column(name, BigInteger) for name in spread.NAMES),  # of the times that were added
        Index(f"{name}_hour", "hour"),
    )


hours: Final = _sums("hours")
"""Sums over the decisions of an hour, one row a group."""

key_hours: Final = _sums("key_hours", Column("key_id", decisions.c.key_id.type, nullable=False))
"""The same of each key: many more rows, of which one key has few."""

Index("key_hours_key", key_hours.c.key_id, key_hours.c.hour)

dry_runs: Final = Table(
    "dry_runs",
    metadata,
    Column("id", String(80), primary_key=True),  # of the decision
    Column("policy", String(80), primary_key=True),  # that was tried
    Column("policy_hash", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),  # of the decision
    Column("live", String(80), nullable=False),  # the policy in force
    Column("live_action", Text),
    Column("cell", Text),  # that the policy would have chosen; None without a matrix
    Column("action", Text),
    Column("differs", Boolean),  # None where nothing can be compared
    Column("live_money", Float),  # price of the answer under the policy in force ...
    Column("money", Float),  # ... and under the one that was tried
    Index("dry_runs_at", "policy", "at", "id"),
)
"""What policies would have chosen that were tried on live answers, one row for each of both."""

rolled: Final = Table(
    "rolled",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("sums", Integer),  # `hours.SUMS` of the gtalign that summed it; None before it had any
)
"""The hours that `hours` and `key_hours` hold, whether they had decisions or not."""

texts: Final = Table(
    "texts",
    metadata,
    Column("id", String(80), primary_key=True),  # of the decision
    Column("until", BigInteger, nullable=False),  # when it is deleted
    Column("prompt", Text, nullable=False),  # JSON
    Column("answer", Text),
    Column("unserved", Text),  # of two writings the one that is not the answer
    Index("texts_until", "until"),
)
"""Prompts and answers, where they are kept."""

keys: Final = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", String(80), nullable=False),
    Column("policy", String(80)),
    Column("group_name", String(80)),
    Column("limits", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # of the value of its cookie
    Column("key_id", String(32), nullable=False),  # of a key, or of a person
    Column("name", String(80), nullable=False),
    Column("scopes", String(80), nullable=False),
    Column("vouching", String(64)),  # hash of the provider's settings; None for a key
    Column("until", BigInteger, nullable=False),  # microseconds since 1970
)
"""Who is signed in to the dashboard."""

sign_ins: Final = Table(
    "sign_ins",
    metadata,
    Column("hash", String(64), primary_key=True),  # of the state
    Column("until", BigInteger, nullable=False),  # when the state is good no more
)
"""Sign-ins with an identity provider that have come back, which each does once."""

uses: Final = Table(
    "uses",
    metadata,
    Column("owner", String(90), primary_key=True),  # `key:ID` or `policy:NAME`
    Column("month", Integer, nullable=False),  # of what is spent, as 202611
    Column("tokens", BigInteger, nullable=False),
    Column("money", Float, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("requests_left", Float),  # of a minute's, at the time below
    Column("tokens_left", Float),
    Column("at", Float, nullable=False),  # seconds since 1970 by the database's clock
    Column("running", Text, nullable=False),  # JSON: requests in flight by process
)
"""What each key and policy takes, over all processes on a PostgreSQL: a process that locks a row
knows all that is shared of its owner, and no other process changes it meanwhile."""

processes: Final = Table(
    "processes",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("beat", Float, nullable=False),  # when it was last heard of, by the database's clock
)
"""The processes that share limits."""

policies: Final = Table(
    "policies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("hash", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("origin", String(8), nullable=False),  # file or admin
    Column("created", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Index("policies_name", "name", "active"),
    Index("policies_hash", "hash"),
)
"""Every version of every policy; a record's hash names one. At most one of a name is active."""
