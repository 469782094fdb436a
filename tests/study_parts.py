"""Small studies, and annotators that say what a test wants."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gtalign.study import About, StudyFolder, draw, write_study
from gtalign.study.annotator import RatingFile, person
from gtalign.transcripts import Transcript

MODELS = ("base", "sft", "mutual")
WELFARE = {"base": 0.2, "sft": 0.5, "mutual": 0.8}
CHROMIUM = shutil.which("chromium")


def answers(
    questions: int = 6, models: Sequence[str] = MODELS, text: str = "answer", tasks: int = 1
) -> list[Transcript]:
    """Plain answers of some models; W grows with the model, and a little with the question."""
    return [
        Transcript(
            id=f"q{number}",
            task=f"task{number % tasks}",
            cluster=f"c{number}",
            completion=f"{text} {number} {'so ' * models.index(model)}",
            model=model,
            plain=True,
            prompt=({"role": "user", "content": f"question {number}?"},),
            user_welfare=WELFARE[model],
            llm_welfare=1 - number / 100,
            mutual_welfare=WELFARE[model] + number / 100,
            factors={"quality": WELFARE[model], "format": 1.0, "latency": None},
        )
        for number in range(questions)
        for model in models
    ]


def study(folder: Path, transcripts: Sequence[Transcript] | None = None) -> StudyFolder:
    sample = draw(answers() if transcripts is None else transcripts, rng=np.random.default_rng(0))
    write_study(folder, About("A study"), sample.items, sample.keys)
    return StudyFolder(folder)


def rate(found: StudyFolder, name: str, values: Mapping[str, int], noise: int = 0) -> None:
    """Let a person rate every answer by its model, and prefer the model with the higher value."""
    rng = np.random.default_rng(noise)
    said = {}
    for item in found.items.values():
        models = [found.keys[one.id].model for one in item.answers]
        felt = [values[m] + (int(rng.integers(-1, 2)) if noise else 0) for m in models]
        if item.kind == "rating":
            said[item.id] = min(max(felt[0], 1), 5)
        else:
            said[item.id] = 0 if felt[0] == felt[1] else 1 if felt[0] > felt[1] else 2
    RatingFile(found, person(name)).add(said)
