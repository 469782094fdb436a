"""Whole conversations with simulated users, as an agent loop of verl; importing it loads verl."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput, register

from gtalign.chain import response_of, unanswered
from gtalign.dialogue import Answer, Played, Rules, UserSettings, goal_of, play
from gtalign.dialogue.measures import MEASURES, welfare
from gtalign.errors import SteeringError
from gtalign.integrations.verl.ledger import SampleResult
from gtalign.integrations.verl.loops.course import Course
from gtalign.integrations.verl.reward import Scoring, part_of
from gtalign.integrations.verl.rows import HELD_OUT, LEARNED, question_in
from gtalign.judges.failures import Failure
from gtalign.steering.stop_strings import loose_response
from gtalign.tasks import Message
from gtalign.training.talks import matches
from gtalign.training.verl import VerlSettings
from gtalign.transcripts import Transcript


@register("gtalign_conversation")
class ConversationLoop(AgentLoopBase):
    """Plays a conversation for each sample: the model answers, a simulated user replies.

    All answers are one sample, and what the user says in between is masked. The reward is the sum
    of the measures that ``dialogue.rewards`` names. A conversation that failed gets neutral values.
    """

    async def run(self, sampling_params: dict[str, Any], **columns: Any) -> AgentLoopOutput:
        """Play the conversation of a sample.

        Args:
            sampling_params: How tokens are drawn.
            **columns: The row's columns.

        Raises:
            JudgeError: Too many conversations failed, over all processes.
            GTAlignError: As for `Scoring.settle`.
        """
        named = self.config.reward.custom_reward_function.reward_kwargs.config
        scoring, match = _opened(Path(named), self.tokenizer)
        run = scoring.run
        assert run.dialogue is not None
        question, learned = question_in(
            columns["data_source"],
            columns["reward_model"]["ground_truth"],
            columns.get("extra_info") or {},
            columns["raw_prompt"],
        )
        speaker = Speaker(Course(self, sampling_params), columns["raw_prompt"], run)
        # Each conversation draws what its user wants; those of one question are not all the same.
        number = uuid4().int % 1_000_003
        rules = Rules(run.dialogue.turns, run.dialogue.timeout, scoring.count, run.seed)
        played, transcript = await play(match(question, number), speaker, rules)
        step = columns.get("global_steps")
        outcome, transcript = _settled(played, transcript, run.dialogue.rewards, learned)
        found = await scoring.settle(transcript, outcome, None if step is None else int(step))
        return speaker.course.output(
            2 * len(played.turns),
            reward_score=found["score"],
            fields={"reward_extra_info": found},
        )


class Speaker:
    """The model that is trained, as the assistant of one conversation.

    Args:
        course: The tokens of the conversation.
        prompt: The messages that the model is given at the beginning.
        run: The run.
    """

    def __init__(self, course: Course, prompt: Sequence[Message], run: Any) -> None:
        self.course = course
        self._prompt = prompt
        self._most = run.rl.max_completion
        self._said: str | None = None

    async def answer(
        self, messages: Sequence[Message], *, id: str, seed: int, force: str | None = None
    ) -> Answer:
        """Return the answer to a conversation; see `gtalign.dialogue.Assistant.answer`.

        Raises:
            SteeringError: There is no room for an answer.
        """
        if self._said is None:
            await self.course.begin(self._prompt)
        else:
            await self.course.hear(self._said, messages[-1]["content"])
        if self.course.room < 1:
            raise SteeringError(f"{id}: the conversation has no room for an answer")
        ids = await self.course.write(self._most)
        tokenizer = self.course.tokenizer
        text = self._said = tokenizer.decode(ids, skip_special_tokens=True)
        said = None if unanswered(text) is not None else loose_response(response_of(text))
        return Answer(text, said or "", len(ids))


@cache
def _opened(config: Path, tokenizer: Any) -> tuple[Scoring, Any]:
    """The scoring of this process, and who talks about what."""
    scoring = Scoring(config, tokenizer)
    talks = scoring.run.dialogue
    assert talks is not None
    workers = (scoring.run.verl or VerlSettings()).reward_workers
    users = {name: _of_many(settings, workers).open() for name, settings in talks.users.items()}
    return scoring, matches(talks, users, goal_of, scoring.run.seed)


def _of_many(user: UserSettings, workers: int) -> UserSettings:
    """The user as one of several processes asks it."""
    if user.endpoint is None:
        return user
    return user.model_copy(update={"endpoint": part_of(user.endpoint, workers)})


def _settled(
    played: Played, transcript: Transcript, rewards: Sequence[str], learned: bool
) -> tuple[SampleResult, Transcript]:
    """What a conversation is worth, and its transcript with that."""
    split = LEARNED if learned else HELD_OUT
    failed = played.end == "failed"
    found = None if failed else welfare(played)
    failure = Failure(f"{played.failed}", played.problem or "failed", True) if failed else None
    named = replace(transcript, id=played.question, split=split)
    if found is None:
        return SampleResult(named.task, None, None, None, None, True, failure, learned), named
    parts = [MEASURES[name].of(played) for name in rewards]
    reward = None if None in parts else sum(top / bottom for top, bottom in filter(None, parts))
    user, llm, mutual = found
    scored = replace(
        named, user_welfare=user, llm_welfare=llm, mutual_welfare=mutual, unscored=None
    )
    return SampleResult(named.task, reward, user, llm, mutual, True, None, learned), scored
