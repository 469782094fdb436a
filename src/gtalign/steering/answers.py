"""Several answers to one request, written at once."""

from gtalign.steering.answer import Ask, Steered, fan_out
from gtalign.steering.observing import has_shadow
from gtalign.steering.session import Session
from gtalign.steering.shadow import Shadow
from gtalign.steering.steering import Steering
from gtalign.steering.together import at_once


async def answers(steering: Steering, ask: Ask, count: int) -> list[Steered]:
    """Write several answers to one request at once, each with a matrix of its own.

    Their seeds follow that of the request. The first failure ends them all, and its error is raised
    as it is. An answer that is only observed may have a `Shadow`.
    """

    async def one(asked: Ask) -> Steered:
        answer = await Session(steering, asked).answer()
        key = f"{asked.sampling.seed} {asked.messages[-1]['content']}"
        if has_shadow(answer, steering.settings, key):
            answer = await Shadow(steering, asked, answer).answer()
        return answer

    return await at_once([one(asked) for asked in fan_out(ask, count)])
