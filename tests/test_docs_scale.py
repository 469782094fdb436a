"""The figures of docs/scale.md follow from its tables."""

import re
from pathlib import Path

import pytest

from gtalign.gateway.store.database import CONNECTIONS

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())


def row(begin: str) -> list[str]:
    """The cells of the one row of a table that begins so."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {begin} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def numbers(text: str) -> list[float]:
    return [float(word.replace(",", "")) for word in re.findall(r"\d[\d,]*\.?\d*", text)]


RATE = numbers(row("gateway, steered, against two calls of the engine")[2])[0]
PIECES = {
    "one worker, each row sent alone": 1.7,
    "two workers, each row sent alone": 3.5,
    "one worker, rows sent in blocks of 16": 1.4,
}


@pytest.mark.parametrize("name", PIECES)
def test_cores_in_use_are_all_work_over_the_busiest_process(name: str) -> None:
    *work, said = (numbers(cell) for cell in row(name)[1:])
    seconds = [second for cell in work for second in cell]
    assert said == [PIECES[name]]
    assert sum(seconds) / max(seconds) == pytest.approx(PIECES[name], abs=0.051)


def test_what_a_second_worker_brings() -> None:
    begun, rest = zip(
        *(
            [numbers(cell)[0] for cell in row(name)[1:3]]
            for name in ("without Ray (two helpers, one process)", "one worker", "two workers")
        ),
        strict=True,
    )
    start = (begun[1] + rest[1]) / (begun[2] + rest[2])
    assert f"{rest[1] / rest[2]:.2f} times as fast as one, and {start:.2f} times with" in FLAT
    assert f"| {rest[1] / rest[0]:.1f} times as long |" in PAGE
    assert f"comes {begun[2] - begun[0]:.1f} s later than without Ray" in FLAT
    assert f"took {rest[1] / 2:.1f} s for as many answers with one worker" in FLAT
    assert f"and {rest[2] / 2 + 1e-9:.1f} s with two" in FLAT
    work = [numbers(cell)[0] for cell in row("one worker, rows sent in blocks of 16")[1:4]]
    one, two, four = max(work), sum(work) / 2, max(max(work) / 2, sum(work) / 4)
    assert f"are {one} s with one worker" in FLAT and f"{sum(work):.1f} s of computing" in FLAT
    assert two == pytest.approx(7.1, abs=0.051) and "they are 7.1 s on two cores" in FLAT
    assert four == pytest.approx(5.1, abs=0.051) and "5.1 s on four" in FLAT
    assert f"differ by {one / two:.2f} times on two cores and {one / four:.1f} times on" in FLAT
    assert f"about {1200 / work[2]:.0f} rows a second" in FLAT


def test_what_a_second_worker_brings_where_a_worker_is_one_process() -> None:
    one, two = (
        [second for cell in row(f"{name}, long texts")[1:] for second in numbers(cell)]
        for name in ("one worker", "two workers")
    )
    ratios = [max(max(one), sum(one) / cores) / max(max(two), sum(two) / cores) for cores in (2, 4)]
    assert f"at most {ratios[0]:.2f} times as fast as one on two cores" in FLAT
    assert f"and {ratios[1]:.2f} times on four" in FLAT
    assert f"Long texts: {ratios[0]:.1f} times on two cores at most" in FLAT


def test_what_a_million_requests_cost() -> None:
    hours = 1e6 / RATE / 3600
    assert f"{hours:.1f} core-hours" in row("the gateway's processor time")[1]
    assert row("what sharing adds to that")[1].startswith(f"{hours / 10:.1f} to {hours / 5:.1f} ")
    size = numbers(row("records in PostgreSQL")[2])[0]
    assert numbers(row("records in PostgreSQL")[1])[0] == round(size)
    gpus = f"{1e6 * 300 / 3000 / 3600:.0f} GPU-hours"
    assert f"{gpus} for {hours * 1.1:.1f} to {hours * 1.2:.1f} core-hours of the gateway" in FLAT


def test_where_the_first_bottleneck_is() -> None:
    records, shared = (
        row(name)[1:]
        for name in ("records (one process does as much)", "what is shared, in addition")
    )
    alone, together = (
        [sum(pair) for pair in zip(numbers(a), numbers(b), strict=True)]
        for a, b in zip(records, shared, strict=True)
    )
    for rate, (statements, commits) in {
        "10": alone,
        "1,000": together,
        "100,000": together,
    }.items():
        count = numbers(rate)[0]
        said = f"{count * statements:,.0f} statements, {count * commits:,.0f} commits"
        assert row(rate)[2].startswith(said)
    assert row("10")[1] == f"{10 / RATE * 1.2:.0%} of a core".replace("%", " %")
    cores = 1000 / RATE * 1.1
    gateway = row("1,000")[1]
    needed, workers, left = (numbers(gateway)[i] for i in (0, 1, 2))
    assert needed == round(cores, 1) and "on three machines" in gateway
    assert left == workers * 2 / 3 and left > cores
    size = numbers(row("records in PostgreSQL")[2])[0] * 1000
    assert f"{size * 1000 / 1e6:.0f} MB a second" in row("1,000")[3]
    assert f"{round(size * 1000 * 86_400 / 1e10) * 10} GB a day" in row("1,000")[3]
    assert f"{workers * CONNECTIONS + 3:.0f} connections" in row("1,000")[4]
    assert row("100,000")[1] == f"{cores * 100:.0f} cores"
