"""Speed of the chain's parsers, in MB/s and as ratios to peers measured in the same run.

    python benchmarks/chain.py [--megabytes 10]

The limit is one regular-expression pass that finds every tag of the same text, and nothing else;
`str.find` of the closing tag is what no parser can beat. For a payoff the peer is `json.loads`.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Callable

from gtalign.chain import StreamParser, chosen_cell, parse, render
from gtalign.chain.blocks import TAG
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, Bimatrix

GAME = Bimatrix(USER_LLM, [[[3, 3], [1, 0.5], [2, 4]], [[-1, 1.5], [2, 2.5], [1, 1]]])
WORDS = "The user asks about a place; x < y, and <b>both</b> readings are likely. "


def texts(length: int) -> dict[str, str]:
    """A valid chain of about `length` characters, and hostile texts as long."""

    def times(piece: str) -> str:
        return piece * (length // len(piece))

    start = "<thinking></thinking><payoff>"
    third = WORDS * (length // len(WORDS) // 3)
    return {
        "valid": render(third, GAME, third, third),
        "valid, no '<'": render(third.replace("<", ""), GAME, third.replace("<", ""), "a"),
        "open tags": times("<thinking>"),
        "'</' in a block": "<thinking>" + times("</"),
        "'<' in a block": "<thinking>" + times("<"),
        "'<think' in a block": "<thinking>" + times("<think"),
        "braces": start + times("{") + "</payoff>",
        "backslashes": start + '{"' + times("\\") + '"</payoff>',
        "digits": start + '{"DQ_AQ": {"LLM": ' + times("1") + "</payoff>",
        "spaces": times(" "),
    }


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The best of some runs; a broken chain is a result like any other."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        with contextlib.suppress(ChainError):
            work()
        best = min(best, time.perf_counter() - start)
    return best


def feed(text: str, size: int) -> None:
    parser = StreamParser()
    for start in range(0, len(text), size):
        parser.feed(text[start : start + size])
    parser.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--megabytes", type=float, default=10)
    length = int(arguments.parse_args().megabytes * 1e6)
    print(
        f"{'text':22}{'strict s':>10}{'MB/s':>9}{'/ tag pass':>12}{'/ find':>9}{'tolerant s':>12}"
    )
    for name, text in texts(length).items():
        size = len(text) / 1e6
        strict = seconds(lambda: parse(text))  # noqa: B023
        tolerant = seconds(lambda: parse(text, tolerant=True), 1)  # noqa: B023
        tags = seconds(lambda: sum(1 for _ in TAG.finditer(text)))  # noqa: B023
        find = seconds(lambda: text.find("</response>!"))  # noqa: B023
        print(
            f"{name:22}{strict:10.4f}{size / strict:9.0f}{strict / tags:12.2f}"
            f"{strict / find:9.2f}{tolerant:12.4f}"
        )

    text = texts(length // 10)["valid"]
    whole = seconds(lambda: parse(text))
    print(f"\nstream of {len(text) / 1e6:.1f} MB in slices, as a ratio to one strict parse")
    for size in (1, 4, 64, 4096, len(text)):
        taken = seconds(lambda: feed(text, size), 1)  # noqa: B023
        print(f"{size:10} characters{len(text) / 1e6 / taken:9.2f} MB/s{taken / whole:10.1f}")

    chain = render("Short thought.", GAME, "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.", "An answer.")
    payoff = json.dumps(GAME.to_json())

    def often(work: Callable[[], object]) -> float:
        return seconds(lambda: [work() for _ in range(2000)]) / 2000

    peer = often(lambda: json.loads(payoff))
    one = often(lambda: parse(chain))
    codec = often(lambda: Bimatrix.from_json(payoff, USER_LLM, -5, 5))
    choice = often(lambda: chosen_cell("Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.", USER_LLM))
    print(f"\none short chain: parse {one * 1e6:.0f} us, choice {choice * 1e6:.0f} us,")
    print(f"json.loads of its payoff {peer * 1e6:.1f} us, Bimatrix.from_json {codec * 1e6:.0f} us")
    print(f"parse / json.loads {one / peer:.1f}, parse / Bimatrix.from_json {one / codec:.2f}")


if __name__ == "__main__":
    main()
