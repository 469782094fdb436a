"""Chains that go on from an edited matrix, as an agent loop of verl; importing it loads verl."""

from pathlib import Path
from typing import Any

import numpy as np
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput, register

from gtalign.config import load
from gtalign.game.file import load_game
from gtalign.integrations.verl.loops.course import Course
from gtalign.integrations.verl.reward import EDITED
from gtalign.integrations.verl.rows import HELD_OUT
from gtalign.models.tokens import continuing_tokens
from gtalign.training.rl_run import RLRun
from gtalign.training.rollouts import with_another_matrix


@register("gtalign_counterfactual")
class CounterfactualLoop(AgentLoopBase):
    """Lets some samples go on from an edited matrix, and all others be.

    The model writes a chain, its matrix is edited, and it goes on from there: what was given is
    masked, and the reward is how well the rest obeys the edited matrix. All samples of a question
    are edited in a step, or none, so that a group compares like with like; each edits the matrix
    that it has written itself.
    """

    async def run(self, sampling_params: dict[str, Any], **columns: Any) -> AgentLoopOutput:
        """Draw one sample.

        Args:
            sampling_params: How tokens are drawn.
            **columns: The row's columns.
        """
        run = load(RLRun, Path(self.config.reward.custom_reward_function.reward_kwargs.config))
        info = columns.get("extra_info") or {}
        course = Course(self, sampling_params)
        await course.begin(columns["raw_prompt"])
        written = await course.write(course.room)
        # Of seed, step and question alone: all samples of a group draw the same.
        drawn = (run.seed, int(columns.get("global_steps") or 0), int(info.get("index", 0)))
        rng = np.random.default_rng(drawn)
        chosen = info.get("split") != HELD_OUT and rng.random() < run.rl.counterfactual
        given = self._given(written, rng, run) if chosen else None
        if given is None or len(given) >= self.rollout_config.response_length:
            return course.output(2, fields={EDITED: False})
        anew = Course(self, sampling_params)
        await anew.begin(columns["raw_prompt"])
        anew.give(given)
        await anew.write(anew.room)
        return anew.output(2, fields={EDITED: True})

    def _given(self, ids: list[int], rng: np.random.Generator, run: RLRun) -> list[int] | None:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        prefix = with_another_matrix(text, rng, load_game(run.game))
        return None if prefix is None else continuing_tokens(self.tokenizer, prefix)
