"""Synthetic transcripts of several models, with everything that real ones can have."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gtalign.game import USER_LLM, Bimatrix
from gtalign.judges import Verdict
from gtalign.reward import FACTORS
from gtalign.tasks import Message
from gtalign.transcripts.transcript import Transcript

TASKS = {"arithmetic": "test", "writing": "test", "names": "test", "dialogue": "ood"}
SKILL = {"base": 0.35, "sft": 0.55, "user": 0.6, "mutual": 0.75, "plain": 0.7}
QUESTION = "Where is the <library> & how do I get there?"


def matrix(rng: np.random.Generator) -> Bimatrix:
    return Bimatrix(USER_LLM, np.round(rng.uniform(-5, 5, (2, 3, 2)), 1))


def measured(*, chain: bool, **known: float | None) -> dict[str, float | None]:
    """What a transcript holds of each factor that the tables name: 0.5 where nothing is known.

    Args:
        chain: Whether it has a chain, which some factors measure.
        known: What is known.
    """
    named = (name for name, factor in FACTORS.items() if factor.label and chain >= factor.chain)
    return {**dict.fromkeys(named, 0.5), **known}


def transcript(**changes: Any) -> Transcript:
    """One well-formed, scored answer; any field can be changed."""
    payoff = matrix(np.random.default_rng(1)).to_json()
    chain = {
        "thinking": "The question is vague.",
        "payoff": payoff,
        "analyze": "The Pareto frontier is VQ_CQ, DQ_AQ. I choose VQ_CQ.",
        "response": "Which library do you mean?",
    }
    given = Transcript(
        id="q1",
        task="names",
        completion="text",
        split="test",
        cluster="c1",
        seed=0,
        model="mutual",
        prompt=(Message(role="user", content=QUESTION),),
        ground_truth="CQ",
        chain=chain,
        tokens={"thinking": 20, "payoff": 60, "analyze": 20, "response": 25, "total": 125},
        factors=measured(chain=True, quality=1.0, format=1.0, solution=1.0, latency=0.5),
        user_welfare=0.81,
        llm_welfare=0.64,
        mutual_welfare=0.72,
        answer_llm_welfare=0.49,
        answer_mutual_welfare=0.63,
        verdicts=(Verdict("rules", 1.0, "asked when vague", {"right_action": 1.0}),),
        extra={"user_action": "VQ", "true_payoff": payoff},
    )
    return replace(given, **changes)


def malformed(**changes: Any) -> Transcript:
    fields: dict[str, Any] = {
        "completion": "<thinking>no end",
        "chain": None,
        "chain_error": "block thinking is not closed (rule 'unclosed', character 0)",
        "tokens": {"total": 40},
        "factors": {"quality": 0.0, "format": 0.0, "solution": 0.0},
        **dict.fromkeys(
            (
                "user_welfare",
                "llm_welfare",
                "mutual_welfare",
                "answer_llm_welfare",
                "answer_mutual_welfare",
            ),
            0.0,
        ),
        "verdicts": (),
    }
    return transcript(**(fields | changes))


def unscored(**changes: Any) -> Transcript:
    fields: dict[str, Any] = {
        "factors": {"quality": None, "format": 1.0, "solution": 1.0},
        **dict.fromkeys(
            (
                "user_welfare",
                "llm_welfare",
                "mutual_welfare",
                "answer_llm_welfare",
                "answer_mutual_welfare",
            )
        ),
        "verdicts": (Verdict("rules", None, "the judge timed out"),),
        "unscored": "judge rules: the judge timed out",
    }
    return transcript(**(fields | changes))


def plain(**changes: Any) -> Transcript:
    fields: dict[str, Any] = {
        "model": "plain",
        "completion": "Which library do you mean?",
        "chain": None,
        "plain": True,
        "tokens": {"response": 25, "total": 25},
        "factors": measured(chain=False, quality=1.0, format=None, latency=1.0),
        "llm_welfare": 0.49,
        "mutual_welfare": 0.63,
    }
    return transcript(**(fields | changes))


def world(
    questions: int = 30,
    seeds: int = 3,
    models: Mapping[str, float] = SKILL,
    seed: int = 0,
) -> list[Transcript]:
    """Answers of all models to the same questions; better models are better in everything."""
    rng = np.random.default_rng(seed)
    found = []
    for task, split in TASKS.items():
        for number in range(questions):
            true = matrix(rng)
            action = "VQ" if number % 2 else "DQ"
            ease = rng.normal(0, 0.1)
            for model, skill in models.items():
                for run in range(1 if model == "base" else seeds):
                    found.append(
                        _answer(rng, model, skill + ease, run, task, split, number, true, action)
                    )
    return found


def _answer(
    rng: np.random.Generator,
    model: str,
    skill: float,
    run: int,
    task: str,
    split: str,
    number: int,
    true: Bimatrix,
    action: str,
) -> Transcript:
    common: dict[str, Any] = {
        "id": f"{task}-{number}",
        "task": task,
        "split": split,
        "cluster": f"{task}-{number // 2}",
        "seed": run,
        "model": model,
        "prompt": (Message(role="user", content=f"{task} question {number}: {QUESTION}"),),
    }
    extra = {"user_action": action, "true_payoff": true.to_json()}
    if rng.random() < (0.4 if model == "base" else 0.02) and model != "plain":
        return malformed(**common, extra=extra)
    if rng.random() < 0.01 and model != "plain":
        return unscored(**common, extra=extra)
    stated = np.clip(
        np.round(true.payoffs + rng.normal(0, 4 * max(0.1, 1 - skill), (2, 3, 2)), 1), -5, 5
    )
    game = Bimatrix(USER_LLM, stated)
    sums = stated.sum(axis=2)[USER_LLM.user_actions.index(action)]
    choice = f"{action}_{USER_LLM.llm_actions[int(sums.argmax())]}"
    right = float(rng.random() < skill)
    quality = float(np.clip(rng.normal(skill, 0.2), 0, 1)) * (0.4 + 0.6 * right)
    user = float(np.clip(0.5 * quality + 0.45 * rng.random(), 0, 1))
    llm = float(np.clip(0.4 * quality + 0.5 * rng.random(), 0, 1))
    answer = float(np.clip(llm - 0.05, 0, 1))
    response = int(rng.integers(20, 60))
    length = {"thinking": int(rng.integers(15, 40)), "payoff": 62, "analyze": 25}
    if model == "plain":
        return plain(
            **common,
            tokens={"response": response, "total": response},
            factors=measured(chain=False, quality=quality, format=None),
            user_welfare=user,
            llm_welfare=answer,
            mutual_welfare=float(np.sqrt(user * answer)),
            answer_llm_welfare=answer,
            answer_mutual_welfare=float(np.sqrt(user * answer)),
            verdicts=(Verdict("rules", quality, "graded", {"right_action": right}),),
            extra=extra,
        )
    return transcript(
        **common,
        chain={
            "thinking": f"A {'vague' if action == 'VQ' else 'detailed'} question.",
            "payoff": game.to_json(),
            "analyze": f"Frontier: {', '.join(USER_LLM.cells[:2])}. I choose {choice}.",
            "response": "The library is in Elm Street, beside the <b>bakery</b>. " * 2,
        },
        tokens={**length, "response": response, "total": response + sum(length.values())},
        factors=measured(
            chain=True, quality=quality, format=1.0, solution=float(rng.random() < 0.8)
        ),
        user_welfare=user,
        llm_welfare=llm,
        mutual_welfare=float(np.sqrt(user * llm)),
        answer_llm_welfare=answer,
        answer_mutual_welfare=float(np.sqrt(user * answer)),
        verdicts=(Verdict("rules", quality, "graded by rule", {"right_action": right}),),
        extra=extra,
    )
