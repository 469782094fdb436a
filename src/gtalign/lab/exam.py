"""The test of an experiment: a model answers the test questions; its answers are judged and scored.

You can stop a test at any time; the same test resumes and ends with the same file.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gtalign.chain.grammar import Lengths, ebnf
from gtalign.chain.prompt import Style, prompt
from gtalign.judges import Judge
from gtalign.lab.rule import decide
from gtalign.models.pretrained import load_tokenizer
from gtalign.models.tokens import token_counter
from gtalign.reward import Reward, RewardConfig
from gtalign.tasks import Message, Question
from gtalign.transcripts import Scorer, Transcript, TranscriptWriter

LENGTHS = Lengths(thinking=400, analyze=400)
"""Most characters of the blocks of a model that is held to the grammar."""


@dataclass(frozen=True, slots=True)
class Exam:
    """How test questions are put to a model.

    Args:
        questions: The questions.
        judge: Grades the responses.
        reward: Scores the answers; it says whether they are chains.
        batch: Questions answered at once.
        max_tokens: Longest answer.
        temperature: Temperature of the sampling.
        dtype: Type of the model's weights.
        gpu: Whether the model answers on a GPU.
        instruct: The instruction that comes before a conversation; None for none.
        held: Whether answers are held to the grammar of a chain.
        rule: The rule that takes the decision (`gtalign.lab.rule`); None for the model's own.
    """

    questions: Sequence[Question]
    judge: Judge
    reward: RewardConfig
    batch: int
    max_tokens: int
    temperature: float
    dtype: str = "float32"
    gpu: bool = False
    instruct: Style | None = None
    held: bool = False
    rule: str | None = None

    def take(self, name: str, seed: int, model: str | Path, file: Path) -> None:
        """Let a model answer, and write the transcripts.

        Args:
            name: Name of the model in the transcripts.
            seed: Seed of the sampling.
            model: Folder or name of the model.
            file: Where the transcripts go.

        Raises:
            StorageError: A transcript cannot be written; earlier ones are kept.
        """
        reward = Reward(self.reward, token_counter(load_tokenizer(model)))
        scorer = Scorer(reward, self.judge, strict=True)
        with TranscriptWriter(file) as writer:
            for batch in self._answers(name, seed, model, writer.ids()):
                for scored in asyncio.run(scorer.score(batch)):
                    writer.write(scored.transcript)

    def _answers(
        self, name: str, seed: int, checkpoint: str | Path, written: Collection[str]
    ) -> Iterator[list[Transcript]]:
        """Yield the unscored transcripts of each batch of questions that is not written yet."""
        from gtalign.models.model import open_model

        model = open_model(checkpoint, dtype=self.dtype, gpu=self.gpu)
        grammar = ebnf(lengths=LENGTHS, concise=True) if self.held else None
        for number, start in enumerate(range(0, len(self.questions), self.batch)):
            batch = self.questions[start : start + self.batch]
            if all(question.id in written for question in batch):
                continue
            completions = model.generate(
                [self._asked(question) for question in batch],
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=1_000_000 * seed + number,
                grammar=grammar,
            )
            if self.rule is not None:
                completions = decide(
                    model,
                    batch,
                    completions,
                    rule=self.rule,
                    belief=self.reward.belief,
                    max_tokens=self.max_tokens,
                    temperature=self.temperature,
                )
            yield [
                Transcript.of(question, text, model=name, seed=seed, plain=not self.reward.chain)
                for question, text in zip(batch, completions, strict=True)
                if question.id not in written
            ]

    def _asked(self, question: Question) -> Sequence[Message]:
        if self.instruct is None:
            return question.messages
        return [
            Message(role="system", content=prompt(style=self.instruct)),
            *question.messages,
        ]
