"""Answers to edited matrices: one thinking a question, continued from every edit of its matrix."""

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from gtalign.errors import SteeringError, UpstreamError
from gtalign.evaluation.faithfulness.begun import Begun
from gtalign.evaluation.faithfulness.edits import AS_WRITTEN, EDITS, EditRule, Grid
from gtalign.evaluation.faithfulness.settings import FaithfulnessSettings, Mode
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.judges.batch import together
from gtalign.steering import (
    ActionTokens,
    Ask,
    Backend,
    Decision,
    Policy,
    Sampling,
    Session,
    Steering,
    SteeringSettings,
    Term,
    load_policy,
    recommend,
)
from gtalign.steering.backend import Batching
from gtalign.steering.edit import PLAYERS
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, Transcript, TranscriptWriter, read_transcripts
from gtalign.transcripts.games import game_of

UNSTEERED: Final[Mode] = "advise"
"""The mode of the answer to the matrix as written that stands for an unsteered one."""

_MATRIX_ENDS: Final = "</payoff>"


def identity_of(question: str, edit: str, mode: Mode) -> str:
    """Id of the answer to an edit of a question's matrix."""
    return f"{question} [{edit}, {mode}]"


@dataclass(frozen=True)
class EditedByRule(Steering):
    """Steering that replaces the stated matrix by one that an edit has made.

    Its policy charges nothing. The record names the edit where it otherwise names a policy.

    Args:
        rule: The edit.
        replacement: The edited matrix; None keeps the stated one.
    """

    rule: EditRule = AS_WRITTEN
    replacement: Bimatrix | None = None

    def decide(self, *args: Any, **named: Any) -> Decision:
        """Return the decision with the edited matrix; see `Steering.decide`."""
        decision = super().decide(*args, **named)
        assert decision.stated is not None
        edited = self.replacement or decision.stated
        return replace(
            decision,
            policy=self.rule.name,
            policy_hash="",
            edited=edited,
            terms=_terms(decision.stated, edited, self.rule),
            after=recommend(edited, self.policy, low=self.settings.low, belief=decision.belief),
        )

    def undecided(self, *args: Any, **named: Any) -> Decision:
        """Return the record of an answer whose matrix is not known, under the name of the edit."""
        found = super().undecided(*args, **named)
        return replace(found, policy=self.rule.name, policy_hash="")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is to be measured.

    Args:
        backend: Writes its answers; it has to be able to continue an edited text.
        name: Its name in the transcripts.
        steering: How it is steered; the mode is set for each answer.
        policies: Pricing policies; each is a further edit.
        expected: Expected tokens of each LLM action, for the policies.
        scorer: Scores the answers to unedited matrices; None leaves them unscored.
        seed: Seed of the edits and of the sampling.
        form: The game.
    """

    backend: Backend
    name: str
    steering: SteeringSettings
    policies: Sequence[Policy] = ()
    expected: Mapping[str, ActionTokens] | None = None
    scorer: Scorer | None = None
    seed: int = 0
    form: GameForm = USER_LLM


async def answer_edits(
    subject: Subject,
    questions: Sequence[Question],
    settings: FaithfulnessSettings,
    file: Path,
    show: Callable[[int, int], None] | None = None,
) -> None:
    """Answer each question up to its matrix, and continue from each edit of that matrix.

    You can stop this at any time; the same call resumes it. Each answer is appended to the file
    when it is written. Its decision holds the matrix as stated and as edited, and names the edit
    where steering names the policy. The first answer to a question continues from its matrix as
    written. An answer whose matrix cannot be read stands for its question alone.

    Args:
        subject: The model.
        questions: The questions.
        settings: The edits, the modes and the sampling.
        file: File of transcripts.
        show: Takes the number of questions that are done, and their total.

    Raises:
        SteeringError: The backend cannot continue an edited text.
        UpstreamError: The engine failed.
        JudgeError: The judge failed.
        StorageError: An answer cannot be written.
    """
    firsts: dict[str, Transcript] = {}
    written: set[str] = set()
    if file.is_file():
        for transcript in read_transcripts(file):
            written.add(transcript.id)
            if transcript.id.endswith(identity_of("", AS_WRITTEN.name, UNSTEERED)):
                firsts[transcript.id] = transcript
    left, done = iter(questions), 0
    with TranscriptWriter(file, keep_ids=False) as writer:
        answering = _Answering(subject, settings, writer)
        # A quarter of a batch at a time: each question has many edits.
        while some := list(islice(left, max(1, settings.batch // 4))):
            first = [Case(question, None, UNSTEERED) for question in some]
            for found in await answering.all(c for c in first if c.identity not in written):
                firsts[found.id] = found
            cases = (
                case for begun in first for case in answering.cases(begun, firsts[begun.identity])
            )
            await answering.all(case for case in cases if case.identity not in written)
            done += len(some)
            if show is not None:
                show(done, len(questions))


@dataclass(frozen=True, slots=True)
class Case:
    """One answer that is to be written.

    Args:
        question: The question.
        edit: The edit of its matrix: by a rule, by a pricing policy, or None for none.
        mode: How the edited matrix is handed back.
        edited: The edited matrix of a rule.
        begun: The text up to the end of the matrix; empty if that is still to be written.
    """

    question: Question
    edit: EditRule | Policy | None
    mode: Mode
    edited: Bimatrix | None = None
    begun: str = ""

    @property
    def identity(self) -> str:
        """Id of the answer."""
        name = AS_WRITTEN.name if self.edit is None else self.edit.name
        return identity_of(self.question.id, name, self.mode)


class _Answering:
    """Writes the answers of one subject.

    Args:
        subject: The model.
        settings: The edits, the modes and the sampling.
        writer: Takes the answers.
    """

    def __init__(
        self, subject: Subject, settings: FaithfulnessSettings, writer: TranscriptWriter
    ) -> None:
        self._subject = subject
        self._settings = settings
        self._writer = writer
        self._free = load_policy("free")

    def cases(self, first: Case, answer: Transcript) -> Iterator[Case]:
        """Yield the further answers to a question; none if its matrix could not be read.

        Args:
            first: The case of the matrix as written.
            answer: Its answer.
        """
        decision = Decision.from_json(answer.decision or {})
        head, ends, _ = answer.completion.partition(_MATRIX_ENDS)
        if decision.stated is None or decision.decimals is None or not ends:
            return
        begun = replace(first, begun=head + ends)
        limits = self._subject.steering
        grid = Grid(decision.decimals, limits.low, limits.high)
        edits = []
        for name in self._settings.edits:
            # The same edit in every mode and after every interruption.
            seed = [
                self._subject.seed,
                zlib.crc32(f"{first.question.id} {name}".encode("utf-8", "surrogatepass")),
            ]
            edited = EDITS[name].apply(decision.stated, grid, np.random.default_rng(seed))
            if edited is not None:
                edits.append(replace(begun, edit=EDITS[name], edited=edited))
        edits += [replace(begun, edit=policy) for policy in self._subject.policies]
        for mode in self._settings.modes:
            if mode != first.mode:
                yield replace(begun, mode=mode)
            yield from (replace(case, mode=mode) for case in edits)

    async def all(self, cases: Iterable[Case]) -> list[Transcript]:
        """Write answers, many at once."""
        backend, calls = self._subject.backend, [self._write(case) for case in cases]
        if isinstance(backend, Batching):
            return await backend.together(calls)
        limit = asyncio.Semaphore(self._settings.batch)

        async def one(call: Coroutine[Any, Any, Transcript]) -> Transcript:
            async with limit:
                return await call

        return await together([one(call) for call in calls])

    async def _write(self, case: Case) -> Transcript:
        """Write one answer, score it if it is unsteered, and append it."""
        subject, question = self._subject, case.question
        steering = self._steering(case)
        sampling = Sampling(temperature=self._settings.temperature, seed=subject.seed)
        ask = Ask(question.messages, self._settings.max_tokens, sampling)
        text, decision = await written_or_why(steering, ask)
        found = replace(
            Transcript.of(question, text, model=subject.name, seed=subject.seed),
            id=case.identity,
            # Neither random nor dated: equal answers are equal lines.
            decision=replace(decision.timeless(), id=case.identity).to_json(),
            unscored="not judged",
            game=game_of(subject.form),
        )
        if subject.scorer is not None and case.edit is None and case.mode == UNSTEERED:
            [scored] = await subject.scorer.score([found])
            found = scored.transcript
        self._writer.write(found)
        return found

    def _steering(self, case: Case) -> Steering:
        subject = self._subject
        backend = Begun(subject.backend, case.begun) if case.begun else subject.backend
        settings = subject.steering.model_copy(update={"mode": case.mode})
        if isinstance(case.edit, Policy):
            return Steering(
                backend,
                case.edit,
                settings,
                model=subject.name,
                form=subject.form,
                prior=subject.expected,
            )
        return EditedByRule(
            backend,
            self._free,
            settings,
            model=subject.name,
            form=subject.form,
            prior=subject.expected,
            rule=case.edit or AS_WRITTEN,
            replacement=case.edited,
        )


async def written_or_why(steering: Steering, ask: Ask) -> tuple[str, Decision]:
    """Write an answer; where a question cannot be answered, no text and the reason.

    Raises:
        UpstreamError: The engine failed.
    """
    try:
        answer = await Session(steering, ask).answer()
    except UpstreamError:
        raise
    except SteeringError as error:  # of this question, such as one that fills the context
        return "", steering.undecided(str(error), used_tokens=ask.used_tokens)
    return answer.text, answer.decision


def _terms(stated: Bimatrix, edited: Bimatrix, rule: EditRule) -> tuple[Term, ...]:
    """The change of each player's payoffs, as terms of a decision."""
    terms = []
    for side, player in enumerate(PLAYERS):
        change = (edited.payoffs - stated.payoffs)[..., side].ravel().tolist()
        amounts = {c: v for c, v in zip(stated.form.cells, change, strict=True) if v}
        if amounts:
            terms.append(Term(rule.name, player, amounts, rule.says))
    return tuple(terms)
