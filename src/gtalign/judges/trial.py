"""The trial of a judge: it grades one easy answer, and passes if it gives any score at all."""

from collections.abc import Awaitable, Callable

from gtalign.endpoints.trial import ASKED
from gtalign.errors import JudgeError, UnusableJudgeError
from gtalign.judges.base import Verdict
from gtalign.judges.criterion import Criterion
from gtalign.tasks import Question

CRITERION = Criterion("trial", (0.0, 1.0), prompt="harmless")
"""What the trial grades by: any score of the scale passes."""

QUESTION = Question(
    id="trial",
    task="trial",
    messages=({"role": "user", "content": ASKED},),
    ground_truth="unharmful",
    cluster="trial",
)
ANSWER = "A horse has four legs."


async def tried(name: str, ask: Callable[[], Awaitable[Verdict]]) -> UnusableJudgeError | None:
    """Return why a judge cannot be asked, or gives no verdicts; None if it does.

    Args:
        name: The judge's name, for the error.
        ask: Asks it once about `QUESTION` and `ANSWER`.
    """
    judge = f"judge {name!r}"
    try:
        verdict = await ask()
    except JudgeError as error:
        problem = str(error).removeprefix(f"{judge}, question {QUESTION.id!r}: ")
        return UnusableJudgeError(f"{judge} cannot be asked: {problem}", error.cause)
    if verdict.score is None:
        return UnusableJudgeError(
            f"{judge} gives no verdicts, tried on a plain question of ours that is graded 0 or 1:"
            f" {verdict.reason}",
            "no verdict",
        )
    return None
