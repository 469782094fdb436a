"""Answers of a model to files of questions, scored as they come; see `gtalign eval`."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Share
from gtalign.data.rows import read_rows
from gtalign.data.schema import given
from gtalign.endpoints import Endpoint, EndpointSettings
from gtalign.endpoints.reply import CUT_OFF
from gtalign.errors import DataError, TeacherError
from gtalign.judges import Judge, JudgesConfig
from gtalign.judges.batch import together
from gtalign.reward import Reward, RewardConfig
from gtalign.reward.judged import Failure, Failures, judged
from gtalign.tasks import Message, Question
from gtalign.training.memory import ModelSize
from gtalign.transcripts.transcript import Transcript, TranscriptWriter, read_transcripts


class EvalRun(Config):
    """A run of evaluation.

    Keys:
        questions: Files of questions.
        limit: Most questions of each file, from the beginning; all by default.
        model: Folder or name of a model to load here; or
        server: An OpenAI-compatible endpoint that serves one.
        tokenizer: Folder or name of the tokenizer by which lengths are counted; by default that of
            ``model``, and words for a server.
        name: Of the model in the transcripts; by default ``model`` or the server's.
        instruct: Whether the model is given our system message with the instruction for the chain.
        batch: Questions answered at once by a model loaded here.
        max_tokens: Longest answer of a model loaded here.
        max_prompt: Longest prompt in tokens, for the dry run's memory; longer ones are not cut.
        temperature: Its sampling; 0 takes the likeliest token.
        seed: Of its sampling; written into the transcripts.
        gpu: Whether it runs on a GPU.
        reward: By which answers are scored.
        judges: Who grades them.
        max_failed: Largest share of the latest ``window`` judged answers without a score, and at
            the end of all.
        window: Number of those answers.
        size: Sizes of a network loaded here, for the dry run.
    """

    questions: Annotated[tuple[Path, ...], Field(min_length=1)]
    limit: PositiveInt | None = None
    model: str | None = None
    server: EndpointSettings | None = None
    tokenizer: str | None = None
    name: str | None = None
    instruct: bool = True
    batch: PositiveInt = 32
    max_tokens: PositiveInt = 2048
    max_prompt: PositiveInt = 1024
    temperature: NonNegativeFloat = 1.0
    seed: NonNegativeInt = 0
    gpu: bool = False
    reward: RewardConfig = RewardConfig()
    judges: JudgesConfig = JudgesConfig()
    max_failed: Share = 0.5
    window: PositiveInt = 64
    size: ModelSize | None = None

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.model is None) == (self.server is None):
            raise ValueError("give model or server: one of the two answers the questions")
        return self

    @property
    def label(self) -> str:
        """Name of the model in the transcripts."""
        served = "" if self.server is None else self.server.model
        return self.name or self.model or served


def read_questions(config: EvalRun) -> Iterator[Question]:
    """Yield the questions of a run, file by file.

    Raises:
        DataError: A file is wrong, or two questions share an id.
    """
    seen: set[str] = set()
    for file in config.questions:
        for question in islice(read_rows(file), config.limit):
            if question.id in seen:
                raise DataError(f"{file}: two questions have the id {question.id!r}")
            seen.add(question.id)
            yield question


def prompt_of(config: EvalRun, question: Question) -> list[Message]:
    """Return what the model is given for a question."""
    return given(question.messages, instruct=config.instruct, chain=config.reward.chain)


class Answerer(Protocol):
    """Whoever answers the questions: a model here, or a server."""

    width: int
    """Questions that it takes at once."""

    async def answer(self, prompts: Sequence[Sequence[Message]], ids: Sequence[str]) -> list[str]:
        """Return a completion of each prompt.

        Raises:
            TeacherError: It failed; says on which question.
        """
        ...


class Local:
    """A model in this process.

    Args:
        write: Prompts and the ids of their questions in, completions out.
        width: Prompts in a batch.
    """

    def __init__(
        self, write: Callable[[Sequence[Any], Sequence[str]], list[str]], width: int
    ) -> None:
        self.write = write
        self.width = width

    async def answer(self, prompts: Sequence[Sequence[Message]], ids: Sequence[str]) -> list[str]:
        """Return a completion of each prompt."""
        return self.write(prompts, ids)


class Served:
    """A model behind an endpoint; what it is cut off at is its own answer, cut off."""

    width = 1

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def answer(self, prompts: Sequence[Sequence[Message]], ids: Sequence[str]) -> list[str]:
        """Return a completion of each prompt."""
        return [await self._text(p, name) for p, name in zip(prompts, ids, strict=True)]

    async def _text(self, prompt: Sequence[Message], name: str) -> str:
        about = f"model {self.endpoint.settings.model!r}, {name}"
        reply = await self.endpoint.complete(prompt, prompt, accepts=bool, about=about)
        if reply.problem not in (None, CUT_OFF):  # nothing that could be worth 0
            self.endpoint.forget(prompt, {}, 0)
            raise TeacherError(f"{about}: the reply is no answer: {reply.problem}", "no answer")
        return reply.text


async def evaluate(
    config: EvalRun,
    answerer: Answerer,
    reward: Reward,
    judge: Judge,
    file: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, str | None], None] | None = None,
) -> list[str]:
    """Answer and score every question that has no transcript yet.

    Answers of an earlier run that no judge has scored are judged again first. A batch is made of
    the same questions however often the run is interrupted, so that a model that is seeded by them
    answers as if it had not been; of a batch that was written in part, the rest is.

    Args:
        config: Of the run.
        answerer: Answers the questions.
        reward: Scores the answers.
        judge: Grades the responses; where it fails, the answer is unscored and says why.
        file: Of the transcripts, appended as they are made.
        workers: Batches under way at once.
        progress: Takes how many questions are done, and why one failed.

    Returns:
        For each question that could not be answered, why; the same run goes on with those.

    Raises:
        JudgeError: Too many answers could not be judged; what there is stays, and the same run
            goes on with the rest.
        StorageError: A transcript cannot be written.
    """
    failures = Failures(config.max_failed, config.window)
    await _judge_again(config, reward, judge, file, failures)
    failed: list[str] = []
    done = 0
    with TranscriptWriter(file) as writer:
        written = writer.ids()
        todo = read_questions(config)

        async def work() -> None:
            nonlocal done
            while batch := list(islice(todo, answerer.width)):
                if all(question.id in written for question in batch):
                    done += len(batch)
                    continue
                prompts = [prompt_of(config, question) for question in batch]
                problem = None
                try:
                    completions = await answerer.answer(prompts, [q.id for q in batch])
                except TeacherError as error:
                    problem = str(error)
                    failed.append(problem)
                else:
                    pairs = zip(batch, completions, prompts, strict=True)
                    left = [pair for pair in pairs if pair[0].id not in written]
                    made, outcomes = await _transcripts(config, reward, judge, left)
                    for transcript in made:
                        writer.write(transcript)
                    failures.add(outcomes)
                done += len(batch)
                if progress is not None:
                    progress(done, problem)

        await together([work() for _ in range(workers)])
    failures.end()
    return failed


async def _judge_again(
    config: EvalRun, reward: Reward, judge: Judge, file: Path, failures: Failures
) -> None:
    """Judge what has no score; the file is replaced as a whole."""
    if not file.is_file():
        return
    unscored = {t.id: t for t in read_transcripts(file) if _unscored(t)}
    if not unscored:
        return
    answers = [
        (question, old.completion, old.prompt)
        for question in read_questions(config)
        for old in [unscored.get(question.id)]
        if old is not None
    ]
    known: dict[str, Transcript] = {}
    try:
        for start in range(0, len(answers), config.window):
            block = answers[start : start + config.window]
            made, outcomes = await _transcripts(config, reward, judge, block)
            known |= {transcript.id: transcript for transcript in made}
            failures.add(outcomes)
    finally:
        beside = file.with_name(file.name + ".part")
        beside.unlink(missing_ok=True)
        with TranscriptWriter(beside) as writer:
            for transcript in read_transcripts(file):
                writer.write(known.get(transcript.id, transcript))
        beside.replace(file)


def _unscored(transcript: Transcript) -> bool:
    return any(verdict.score is None for verdict in transcript.verdicts)


async def _transcripts(
    config: EvalRun,
    reward: Reward,
    judge: Judge,
    answers: Sequence[tuple[Question, str, Sequence[Message]]],
) -> tuple[list[Transcript], list[Failure | None]]:
    """Judge and score answers, each a question with its completion and prompt."""
    questions = [question for question, _, _ in answers]
    completions = [completion for _, completion, _ in answers]
    found = await judged(reward, judge, questions, completions)
    transcripts = [
        Transcript.of(
            question,
            completion,
            score,
            [] if verdict is None else [verdict],
            model=config.label,
            seed=config.seed,
            plain=not config.reward.chain,
            prompt=prompt,
        )
        for (question, completion, prompt), score, verdict in zip(
            answers, found.scores, found.verdicts, strict=True
        )
    ]
    return transcripts, found.outcomes
