"""The reward as a reward manager of verl, registered as ``gtalign``; importing it loads verl."""

from pathlib import Path
from typing import Any

from verl.experimental.reward_loop.reward_manager import register
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

from gtalign.integrations.verl.reward import EDITED, Scoring
from gtalign.integrations.verl.rows import question_in


@register("gtalign")
class GTAlignRewardManager(RewardManagerBase):
    """Scores a sample by the run's configuration, with the tokenizer of the model.

    The configuration is the one that `compute_score` gets too, in
    ``reward.custom_reward_function.reward_kwargs.config``.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Any,
        compute_score: Any,
        reward_router_address: str | None = None,
        reward_model_tokenizer: Any = None,
    ) -> None:
        super().__init__(config, tokenizer, compute_score)
        named = config.reward.custom_reward_function.get("reward_kwargs") or {}
        if "config" not in named:
            raise ValueError(
                "the reward manager 'gtalign' needs the run's configuration: set"
                " +reward.custom_reward_function.reward_kwargs.config=FILE"
            )
        self.scoring = Scoring(Path(named["config"]), tokenizer, reward_router_address)

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Score the last sequence of a sample.

        Raises:
            GTAlignError: As for `Scoring.score`.
        """
        item = data[-1:][0]
        columns = item.non_tensor_batch
        ids = item.batch["responses"]
        written = int(item.batch["attention_mask"][-ids.shape[-1] :].sum())
        question, learned = question_in(
            columns["data_source"],
            columns["reward_model"]["ground_truth"],
            columns.get("extra_info") or {},
            columns.get("raw_prompt"),
        )
        completion = self.tokenizer.decode(ids[:written], skip_special_tokens=True)
        step = columns.get("global_steps")
        step = None if step is None else int(step)
        if (columns.get("tool_extra_fields") or {}).get(EDITED):
            found = await self.scoring.obeyed(question, completion, step=step)
        else:
            found = await self.scoring.score(question, completion, learned=learned, step=step)
        return {"reward_score": found["score"], "reward_extra_info": found}
