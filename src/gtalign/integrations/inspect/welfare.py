"""The scorer of single answers: welfare of both sides, judged and scored as everywhere."""

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any, Final

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from gtalign.config import load_table
from gtalign.integrations.answers import Grader
from gtalign.integrations.inspect.chat import question_of, written
from gtalign.judges import JudgesConfig
from gtalign.reward import RewardConfig
from gtalign.reward.scores import WELFARE
from gtalign.transcripts import Scored

MEASURED: Final = ("reward", *WELFARE[::-1], "quality")


@scorer(metrics={name: [mean(), stderr(cluster="cluster")] for name in MEASURED})
def welfare(
    reward: Mapping[str, Any] | None = None,
    judges: Mapping[str, Any] | None = None,
    tokenizer: str | None = None,
) -> Scorer:
    """Score an answer by the welfare of user and LLM.

    An answer that a judge could not grade is unscored, with the reason: it counts in no mean.

    Args:
        reward: The reward, as the table ``[reward]`` of a suite.
        judges: The judges, as the table ``[judges]`` of a suite.
        tokenizer: Folder of a tokenizer that counts tokens; by default words are counted.

    Raises:
        ConfigError: A table is wrong.
    """
    grader = Grader(
        load_table(RewardConfig, reward or {}, "reward"),
        load_table(JudgesConfig, judges or {}, "judges"),
        None if tokenizer is None else Path(tokenizer),
    )

    async def score(state: TaskState, target: Target) -> Score:
        text, reasoning = written(state.output)
        return _score(await grader.grade(question_of(state.metadata), text, reasoning))

    return score


def _score(scored: Scored) -> Score:
    found = scored.score
    facts = {
        "answer": scored.response,
        "metadata": {
            "factors": {name: value for name, value in found.factors.items() if value is not None},
            "tokens": dict(found.tokens),
            "chain_error": found.chain_error,
            "verdicts": [verdict.to_json() for verdict in scored.transcript.verdicts],
        },
    }
    if found.mutual_welfare is None:
        return Score.unscored(reason=_reason(scored), explanation=found.unscored, **facts)
    values = {name: getattr(found, name) for name in ("reward", *WELFARE)}
    values["quality"] = found.factors["quality"]
    reasons = [verdict.reason for verdict in scored.transcript.verdicts]
    return Score(
        value={name: nan if values[name] is None else values[name] for name in MEASURED},
        explanation=found.chain_error or "\n".join(reasons),
        **facts,
    )


def _reason(scored: Scored) -> str:
    """Why there is no score, in Inspect's words."""
    if scored.transcript.unanswered is not None:
        return "no_response"
    return "scoring_failed" if scored.failure is None else "grader_failed"
