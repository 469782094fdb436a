"""Transcripts: a question, its completion and everything measured on it, one JSON object a line.

They are written as they are made and can be read after a crash. A measure that could not be taken
is null with a reason, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final

from gtalign.chain import reasoning_of, unanswered
from gtalign.data.schema import bare
from gtalign.judges import Verdict
from gtalign.reward import Score
from gtalign.tasks import Message, Question
from gtalign.transcripts.columns import check_chain, check_extra, read_column


@dataclass(frozen=True, slots=True)
class Transcript:
    """A question, its completion and everything measured on it.

    Args:
        id: Id of the question.
        task: Task of the question.
        split: ``train``, ``test`` or ``ood``.
        cluster: The question's source prompt.
        seed: Seed of the run that trained or sampled; None if unknown.
        model: Name of the model that answered.
        prompt: The messages that the model got.
        completion: The whole text that it wrote, reasoning included.
        ground_truth: Ground truth of the question.
        chain: The four blocks as an object, or None.
        chain_error: Why there is no chain; None if there is one or none was asked for.
        plain: No chain was asked for: the completion is the response.
        tokens: Number of tokens by block, ``before`` the response, and in ``total``.
        factors: Each factor of the reward, None if unknown.
        user_welfare, llm_welfare, mutual_welfare: U, L and sqrt(U L), None if unknown.
        answer_llm_welfare, answer_mutual_welfare: L and W without the chain's own terms.
        verdicts: Verdicts of the judges; the first one graded the response.
        unscored: Why the welfare is unknown.
        extra: Facts of the question, such as ``user_action`` and ``true_payoff``, and others.
        decision: The record of how the answer was steered; None if it was not.
        conversation: The record of a conversation with a simulated user, whose last answer the
            completion is (`gtalign.dialogue.Played`); None for a single answer.
        game: The game that its chain is about, as `gtalign.game.GameForm.identity` has it; empty
            for the usual game, and where nobody says.
    """

    id: str
    task: str
    completion: str
    split: str = ""
    cluster: str = ""
    seed: int | None = None
    model: str = ""
    prompt: tuple[Message, ...] = ()
    ground_truth: str = ""
    chain: Mapping[str, Any] | None = None
    chain_error: str | None = None
    plain: bool = False
    tokens: Mapping[str, int] = field(default_factory=dict)
    factors: Mapping[str, float | None] = field(default_factory=dict)
    user_welfare: float | None = None
    llm_welfare: float | None = None
    mutual_welfare: float | None = None
    answer_llm_welfare: float | None = None
    answer_mutual_welfare: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    unscored: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None
    conversation: Mapping[str, Any] | None = None
    game: str = ""

    @classmethod
    def of(
        cls,
        question: Question,
        completion: str,
        *,
        model: str,
        seed: int | None = None,
        split: str | None = None,
        plain: bool = False,
        prompt: Sequence[Message] | None = None,
    ) -> "Transcript":
        """Build the transcript of a completion that is not judged or scored yet.

        Args:
            question: The question.
            completion: The text that the model wrote.
            model: Name of the model.
            seed: Seed of the run.
            split: The split; by default the question's own (``extra["split"]``).
            plain: Whether no chain was asked for.
            prompt: The messages that the model got, if not the bare ones of the question.
        """
        return cls(
            id=question.id,
            task=question.task,
            completion=completion,
            split=str(question.extra.get("split", "")) if split is None else split,
            cluster=question.cluster,
            seed=seed,
            model=model,
            prompt=question.messages if prompt is None else tuple(prompt),
            ground_truth=question.ground_truth,
            plain=plain,
            extra=question.extra,
        )

    def scored(self, score: Score, verdicts: Sequence[Verdict] = ()) -> "Transcript":
        """Return the transcript with its measures.

        Args:
            score: The score of the reward.
            verdicts: The judges' verdicts, the one on the response first.
        """
        return replace(self, **score.to_json(), verdicts=tuple(verdicts))

    @property
    def question(self) -> Question:
        """The question that was asked, without our system message."""
        return Question(
            id=self.id,
            task=self.task,
            messages=bare(self.prompt),
            ground_truth=self.ground_truth,
            cluster=self.cluster,
            extra=self.extra,
        )

    @property
    def reasoning(self) -> str:
        """The reasoning in front of a plain answer, without its tags; empty without any."""
        return reasoning_of(self.completion) if self.plain else ""

    @property
    def unanswered(self) -> str | None:
        """Why a plain answer has no response that a judge could grade; None if it has one."""
        return unanswered(self.completion) if self.plain else None

    def to_json(self) -> dict[str, Any]:
        """Return the object of one line, which `from_json` reads back equal.

        It also holds the ``reasoning``, if there is any; the completion begins with it. A single
        answer has no ``conversation``.
        """
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.conversation is None:
            del record["conversation"]
        if not self.game:
            del record["game"]
        for name in ("tokens", "factors", "extra"):
            record[name] = dict(record[name])
        record["prompt"] = [dict(message) for message in self.prompt]
        record["verdicts"] = [verdict.to_json() for verdict in self.verdicts]
        if reasoning := self.reasoning:
            record["reasoning"] = reasoning
        return record

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Transcript":
        """Build a transcript from the object of one line; unknown fields are ignored.

        Raises:
            DataError: A field is missing or of the wrong type; the message names it.
        """
        known = {}
        for column in fields(cls):
            value = source.get(column.name)
            if value is not None or column.name in _NEEDED:
                known[column.name] = read_column(column.type, value, column.name)
        found = cls(**known)
        check_chain(found.chain)
        check_extra(found.extra)
        return found


_NEEDED: Final = {
    column.name
    for column in fields(Transcript)
    if column.default is MISSING and column.default_factory is MISSING
}
"""The columns without which a line is no transcript."""
