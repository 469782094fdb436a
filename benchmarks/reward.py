"""Speed of the reward without a judge: completions a second on one core, and as a ratio to a peer.

    python benchmarks/reward.py [--completions 2000] [--profile]

The peer is the arithmetic of the released training code on the same completions, written from its
formulas: blocks by regular expression, `json.loads`, Python's floats; it reads no solution and
checks nothing. `json.loads` of the matrix alone is shown too: nobody who reads JSON goes below it.
Times are those of the processor, so that other processes count for little.
"""

import argparse
import cProfile
import json
import math
import pstats
import random
import re
import time
from collections.abc import Callable

from gtalign.chain import render
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import PRESETS, Reward, RewardConfig
from gtalign.tasks import Message, Question

QUESTION = Question("1", "math-hard", (Message(role="user", content="2+2?"),), "4", "1")
RIGHT = Verdict("given", 1.0, "right")
WORDS = ("the", "user", "asks", "for", "an", "answer", "that", "is", "short", "and", "says", "why")
FORMAT = re.compile(
    r"^<thinking>.*?</thinking>\s*<payoff>.*?</payoff>\s*<analyze>.*?</analyze>\s*"
    r"<response>.*?</response>$",
    re.DOTALL | re.MULTILINE,
)
PAYOFF = re.compile(r"<payoff>(.*?)</payoff>", re.DOTALL)
RESPONSE = re.compile(r"<response>(.*?)</response>", re.DOTALL)


def completions(count: int, rng: random.Random) -> list[str]:
    """Short chains that all differ: 40 words of thought, 30 of response."""

    def words(number: int) -> str:
        return " ".join(rng.choices(WORDS, k=number))

    found = []
    for _ in range(count):
        payoffs = [[[rng.randint(-50, 50) / 10 for _ in "ul"] for _ in range(3)] for _ in range(2)]
        cell = rng.choice(USER_LLM.cells)
        analyze = f"The frontier has {cell}, which pays both. I choose {cell}."
        game = Bimatrix(USER_LLM, payoffs)
        found.append(render(words(40), game, analyze, f"{words(30)}."))
    return found


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def window(n: int, low: float, high: float) -> float:
    return sigmoid(0.005 * (n - low)) * sigmoid(0.005 * (high - n))


def released(completion: str, quality: float) -> float:
    """W by the formulas of the released training code."""
    payoff, answer = PAYOFF.search(completion), RESPONSE.search(completion)
    if payoff is None or answer is None:
        return 0.0
    game = json.loads(payoff.group(1))
    distinct = 0.0
    for cell in game.values():
        user, llm = float(cell["user"]), float(cell["LLM"])
        distinct += (user != llm) / 12
        distinct += (abs(user - llm) > 0.1 * max(abs(user), abs(llm))) / 12
    kept = FORMAT.match(completion) is not None
    words = len(answer.group(1).split())
    latency = math.exp(-completion.index("<response>") / 500)
    user = 1e-4 + 0.5 * quality + 0.2 * window(words, 20, 500) + 0.3 * latency
    total = window(len(completion.split()), 500, 1000)
    llm = 1e-4 + 0.2 * kept + 0.2 * distinct + 0.4 * quality + 0.2 * total
    return math.sqrt(user * llm)


def rate(work: Callable[[str], object], texts: list[str], repeats: int = 5) -> float:
    """Texts a second: the best of some runs."""
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        for text in texts:
            work(text)
        best = min(best, time.process_time() - start)
    return len(texts) / best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--completions", type=int, default=2000)
    arguments.add_argument("--profile", action="store_true", help="where the time goes")
    given = arguments.parse_args()
    texts = completions(given.completions, random.Random(0))
    ours = Reward(RewardConfig(preset="released"))
    for text in texts:
        welfare = ours.score(QUESTION, text, RIGHT).mutual_welfare
        assert welfare is not None
        assert math.isclose(welfare, released(text, 1.0), abs_tol=1e-9)
    peer = rate(lambda text: released(text, 1.0), texts)
    matrices = [found.group(1) for text in texts if (found := PAYOFF.search(text))]
    print(f"{'':28}{'a second':>12}{'/ released code':>18}")
    print(f"{'json.loads of the matrix':28}{rate(json.loads, matrices):12,.0f}")
    print(f"{'released code, arithmetic':28}{peer:12,.0f}{1:18.2f}")
    for preset in PRESETS:
        reward = Reward(RewardConfig.model_validate({"preset": preset}))
        found = rate(lambda text: reward.score(QUESTION, text, RIGHT), texts)  # noqa: B023
        print(f"{'preset ' + preset:28}{found:12,.0f}{found / peer:18.2f}")
    if given.profile:
        reward = Reward()
        with cProfile.Profile() as profile:
            for text in texts:
                reward.score(QUESTION, text, RIGHT)
        pstats.Stats(profile).sort_stats("cumulative").print_stats("gtalign", 20)


if __name__ == "__main__":
    main()
