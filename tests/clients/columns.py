"""Each case of a client in two columns: at the engine itself, and through the gateway."""

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One case of one client.

    Args:
        client: Its script.
        case: The case.
        direct: Why it failed at the engine; empty if it passed.
        gateway: Why it failed through the gateway; empty if it passed.
    """

    client: str
    case: str
    direct: str
    gateway: str

    @property
    def lost(self) -> bool:
        """Whether the gateway takes something away."""
        return not self.direct and bool(self.gateway)


def rows_of(client: str, direct: str, gateway: str) -> list[Row]:
    """The rows of a client from what its script printed at both places."""
    first, second = _read(direct), _read(gateway)
    absent = "the script ended before this case"
    names = dict.fromkeys((*first, *second))
    return [Row(client, n, first.get(n, absent), second.get(n, absent)) for n in names]


def table(rows: Iterable[Row]) -> str:
    """A table in Markdown, and below it why cases failed."""
    rows = list(rows)
    lines = ["| client | case | at the engine | through the gateway |", "|---|---|---|---|"]
    lines += [f"| {r.client} | {r.case} | {_said(r.direct)} | {_said(r.gateway)} |" for r in rows]
    for row in rows:
        for place, why in (("engine", row.direct), ("gateway", row.gateway)):
            if why:
                lines.append(f"{row.client}, {row.case}, {place}: {why}")
    direct, gateway = sum(not r.direct for r in rows), sum(not r.gateway for r in rows)
    lines.append(f"{direct} of {len(rows)} cases pass at the engine, {gateway} through the gateway")
    return "\n".join(lines)


def _said(why: str) -> str:
    return "fails" if why else "passes"


def _read(printed: str) -> dict[str, str]:
    lines = (json.loads(line) for line in printed.splitlines() if line.startswith('{"case"'))
    return {line["case"]: line["why"] for line in lines}
