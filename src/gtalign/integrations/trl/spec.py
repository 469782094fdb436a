"""The specification of training on single answers."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets import Dataset

from gtalign.integrations.suite import Suite, load_suite
from gtalign.judges import Judges
from gtalign.models.tokens import counter_in
from gtalign.reward import Reward
from gtalign.training.reward import TRLReward
from gtalign.training.rl_run import disconnecting


class AnswerSpec:
    """Training on single answers.

    ``GRPOTrainer(model, args=..., train_dataset=spec.train_dataset,
    environment_factory=spec.environment_factory, reward_funcs=spec.reward_funcs)``

    Args:
        suite: The suite, or its TOML file.
        log: A JSON Lines file to append one transcript per completion to; None writes none.

    Attributes:
        environment_factory: None: a single answer has no environment.

    Raises:
        ConfigError: The file of the suite is wrong.
    """

    environment_factory = None

    def __init__(self, suite: Suite | Path | str, log: Path | None = None) -> None:
        self._suite = suite if isinstance(suite, Suite) else load_suite(suite)
        self._log = log

    @cached_property
    def train_dataset(self) -> Dataset:
        """The questions: column ``prompt`` for the model, ``question`` for the reward.

        Raises:
            DataError: A file of questions is wrong.
        """
        return Dataset.from_list(
            [
                {
                    "prompt": self._suite.prompt(question.messages),
                    "question": json.dumps(question.to_json()),
                }
                for question in self._suite.read()
            ]
        )

    @cached_property
    def reward_funcs(self) -> Any:
        """The reward, which logs every factor.

        An answer that the judge fails on has the reward None: TRL leaves it out of its group. Too
        many of them stop the run.
        """
        suite = self._suite
        judges = Judges(suite.judges)
        count = None if suite.tokenizer is None else counter_in(suite.tokenizer)
        scored = TRLReward(Reward(suite.reward, count), judges, self._log)
        rewarded = disconnecting(scored, judges)
        rewarded.__name__ = scored.__name__
        return rewarded
