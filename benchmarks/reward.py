"""Speed of the reward without a judge: completions a second on one core, and as a ratio to a peer.

    python benchmarks/reward.py [--completions 2000] [--profile]

The peer is the arithmetic of the released training code on the same completions, written from its
formulas: blocks by regular expression, `json.loads`, Python's floats; it reads no solution and
checks nothing. `json.loads` of the matrix alone is shown too. Once all completions answer questions
of mathematics, and once questions in the published mixture of tasks, where writing takes a BLEU
against a reference: over characters in the peer and the released presets, over words in the others.
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
from collections import Counter
from collections.abc import Callable

import numpy as np

from gtalign.chain import render
from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import PRESETS, Reward, RewardConfig, Scores
from gtalign.tasks import Message, Question, task_named

QUESTION = Question("1", "math-hard", (Message(role="user", content="2+2?"),), "4", "1")
RIGHT = Verdict("given", 1.0, "right")
WORDS = ("the", "user", "asks", "for", "an", "answer", "that", "is", "short", "and", "says", "why")
MIXTURE = {"medium": 1, "math-hard": 2, "ambig_qa": 3, "wildguard": 3}  # thousands
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


def released(completion: str, to_user: float, to_llm: float) -> float:
    """W by the formulas of the released training code, given the two qualities."""
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
    user = 1e-4 + 0.5 * to_user + 0.2 * window(words, 20, 500) + 0.3 * latency
    total = window(len(completion.split()), 500, 1000)
    llm = 1e-4 + 0.2 * kept + 0.2 * distinct + 0.4 * to_llm + 0.2 * total
    return math.sqrt(user * llm)


def character_bleu(text: str, reference: str) -> float:
    """BLEU-4 over characters, without smoothing, by the formula."""
    if not text:
        return 0.0
    logs = 0.0
    for n in range(1, 5):
        found = Counter(text[i : i + n] for i in range(len(text) - n + 1))
        wanted = Counter(reference[i : i + n] for i in range(len(reference) - n + 1))
        shared = sum(min(times, wanted[gram]) for gram, times in found.items())
        if not shared:
            return 0.0
        logs += math.log(shared / (len(text) - n + 1)) / 4
    return math.exp(logs + min(0.0, 1 - len(reference) / len(text)))


def released_item(question: Question, completion: str) -> float:
    """W by the released formulas, with the qualities of the question's task at top verdicts."""
    if question.task != "medium":
        return released(completion, 1.0, 1.0)
    answer = RESPONSE.search(completion)
    likeness = character_bleu(answer.group(1), question.ground_truth) if answer else 0.0
    return released(completion, likeness, 1.0)


def mixture(count: int) -> tuple[list[Question], list[Verdict]]:
    """Questions in the published mixture of tasks, each with the verdict that helped most."""
    asked = (Message(role="user", content="2+2?"),)
    reference = " ".join(WORDS * 3)
    truths = {"math-hard": "4", "medium": reference, "ambig_qa": "singleAnswer###4"}
    tasks = [task for task, share in MIXTURE.items() for _ in range(share)]
    questions = [
        Question(str(i), task, asked, truths.get(task, "unharmful"), str(i))
        for i, task in enumerate(tasks[i % len(tasks)] for i in range(count))
    ]
    return questions, [Verdict("given", task_named(q.task).top, "right") for q in questions]


def whole(
    reward: Reward, questions: list[Question], texts: list[str], verdicts: list[Verdict]
) -> Scores:
    """Read completions and score them."""
    return reward.score(questions, reward.read(texts), verdicts)


def one_by_one(reward: Reward, texts: list[str]) -> list[Scores]:
    """The same, each completion alone."""
    return [whole(reward, [QUESTION], [text], [RIGHT]) for text in texts]


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Processor time of a piece of work: the best of some runs."""
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--completions", type=int, default=2000)
    arguments.add_argument("--profile", action="store_true", help="where the time goes")
    given = arguments.parse_args()
    count = given.completions
    texts = completions(count, random.Random(0))
    matrices = [found.group(1) for text in texts if (found := PAYOFF.search(text))]
    alone = ([QUESTION] * count, [RIGHT] * count)
    mixed = mixture(count)
    ours = Reward(RewardConfig(preset="released"))
    for questions, verdicts in (alone, mixed):
        found = whole(ours, questions, texts, verdicts).mutual_welfare
        wanted = [released_item(q, text) for q, text in zip(questions, texts, strict=True)]
        assert np.allclose(found, wanted, rtol=0, atol=1e-9)

    def tell(name: str, took: float, peer: float, number: int = count) -> None:
        each, other = took / number, peer / count
        print(f"{name:40}{1 / each:12,.0f}{other / each:18.2f}{each * 1e6:12.1f}")

    print(f"{'':40}{'a second':>12}{'/ released code':>18}{'us each':>12}")
    loaded = seconds(lambda: [json.loads(matrix) for matrix in matrices])
    for title, (questions, verdicts) in (("mathematics", alone), ("mixture of tasks", mixed)):
        pairs = list(zip(questions, texts, strict=True))
        peer = seconds(lambda: [released_item(*pair) for pair in pairs])  # noqa: B023
        print(title)
        if questions is alone[0]:
            tell("  json.loads of the matrix", loaded, peer)
        tell("  released code, arithmetic", peer, peer)
        for preset in PRESETS:
            reward = Reward(RewardConfig.model_validate({"preset": preset}))
            took = seconds(lambda: whole(reward, questions, texts, verdicts))  # noqa: B023
            tell(f"  preset {preset}", took, peer)
            if preset == "robust" and questions is alone[0]:
                some = texts[:200]
                took = seconds(lambda: one_by_one(reward, some))  # noqa: B023
                tell("  the same, one by one", took, peer, len(some))
    if given.profile:
        reward = Reward()
        with cProfile.Profile() as profile:
            whole(reward, alone[0], texts, alone[1])
        pstats.Stats(profile).sort_stats("cumulative").print_stats("gtalign", 20)


if __name__ == "__main__":
    main()
