"""What came of the questions: each answer is a line of a file, so that a run can be split.

``python tests/engines/tally.py FILE`` prints the table of a file.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Final


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, asked in one way.

    Args:
        engine: What serves the model.
        way: How answers were steered.
        most: ``max_tokens`` of the request.
        question: Number of the question.
        finish: Why the answer ended.
        empty: Whether the client got no text.
        closed: Whether an answer that was cut ends with a sentence.
        matrix: Whether there is a matrix that can be read.
        steered: Whether the response was written under the edited matrix.
        flipped: Whether the edit changes the recommended action.
        obeyed: Whether the response carries the recommended action out.
        written: Tokens written, without those of a shadow.
        read: Tokens of the prompt; None where the engine does not count them.
        cached: How many of those the engine had in its cache; None likewise.
        instruction: Tokens of the instruction.
        seconds: How long the client waited.
        lined: Whether an answer that was cut ends with a whole line that is no sentence.
    """

    engine: str
    way: str
    most: int
    question: int
    finish: str
    empty: bool
    closed: bool
    matrix: bool
    steered: bool
    flipped: bool
    obeyed: bool
    written: int
    read: int | None
    cached: int | None
    instruction: int | None
    seconds: float
    lined: bool = False

    @property
    def complete(self) -> bool:
        """Whether it came to its own end and says something."""
        return self.finish == "stop" and not self.empty


class Tally:
    """The answers in a file; new ones are appended.

    Args:
        file: The file; None keeps the answers in memory alone.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        lines = file.read_text().splitlines() if file is not None and file.exists() else []
        self.answers = [Answer(**json.loads(line)) for line in lines]

    def of(self, engine: str, way: str, most: int) -> dict[int, Answer]:
        """The answers of one way, by the number of the question."""
        wanted = (engine, way, most)
        return {a.question: a for a in self.answers if (a.engine, a.way, a.most) == wanted}

    def add(self, answer: Answer) -> None:
        """Append an answer."""
        self.answers.append(answer)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.write(json.dumps(asdict(answer)) + "\n")


COLUMNS: Final = (
    "complete",
    "cut",
    "of these after a sentence",
    "after a line",
    "empty",
    "matrices",
    "steered",
    "flipped",
    "obeyed",
    "tokens written",
    "prompt tokens",
    "of these cached",
    "instruction",
    "seconds",
)


def table(answers: Iterable[Answer]) -> str:
    """A table in Markdown: a row for each engine and way, counts and means."""
    groups: dict[tuple[str, str, int], list[Answer]] = {}
    for answer in answers:
        groups.setdefault((answer.engine, answer.way, answer.most), []).append(answer)
    head = ["engine", "way", "max_tokens", *COLUMNS]
    rows = [head, ["---"] * len(head)]
    for key, found in groups.items():
        rows.append([*map(str, key), *_row(found)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(answers: Sequence[Answer]) -> list[str]:
    asked = len(answers)
    return [
        f"{sum(a.complete for a in answers)} of {asked}",
        str(sum(a.finish == "length" for a in answers)),
        str(sum(a.closed for a in answers)),
        str(sum(a.lined for a in answers)),
        str(sum(a.empty for a in answers)),
        str(sum(a.matrix for a in answers)),
        str(sum(a.steered for a in answers)),
        str(sum(a.flipped for a in answers)),
        str(sum(a.obeyed for a in answers)),
        _mean(a.written for a in answers),
        _mean(a.read for a in answers),
        _mean(a.cached for a in answers),
        _mean(a.instruction for a in answers),
        f"{mean(a.seconds for a in answers):.1f}",
    ]


def _mean(numbers: Iterable[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return f"{mean(known):.0f}" if known else ""


if __name__ == "__main__":
    print(table(Tally(Path(sys.argv[1])).answers))
