"""The parts of an experiment that come from its world: the small one, or published questions."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gtalign.judges import RuleJudge
from gtalign.lab.config import LabConfig
from gtalign.lab.experiment import Lesson, Workshop
from gtalign.lab.handling import HANDLING
from gtalign.lab.languages import LANGUAGES
from gtalign.lab.policies import draw
from gtalign.lab.published import read_published
from gtalign.lab.published_teachers import TEMPLATES, published_candidate, published_lesson
from gtalign.lab.settings import ModelSettings
from gtalign.lab.teachers import candidate, lesson_of, priced_lesson_of
from gtalign.lab.world import make_world
from gtalign.steering import PRIOR, with_policy_line
from gtalign.tasks import Question

__all__ = ["workshop"]


def workshop(settings: LabConfig) -> Workshop:
    """Build the parts that an experiment needs, from the small world or from published files.

    Raises:
        DataError: A published file is missing or lacks a column.
    """
    common: dict[str, Any] = {
        "make_tokenizer": partial(_make_tokenizer, settings.model),
        "make_model": partial(_make_model, settings.model),
        "pretrained": settings.model.pretrained,
        "dtype": settings.model.dtype,
        "gpu": settings.model.gpu,
    }
    if settings.data is not None:
        how: dict[str, Any] = {
            "worked_out": settings.world.worked_out,
            "said": TEMPLATES[settings.world.language],
        }
        published = read_published(settings.data, **settings.published.model_dump())
        return Workshop(
            train=published.train,
            test=published.test,
            valid=(),
            judge=RuleJudge(HANDLING),
            write=partial(published_candidate, **how),
            edit=partial(published_lesson, **how),
            told=_nothing,
            **common,
        )
    small, objective = settings.world, settings.experiment.objective
    language = LANGUAGES[small.language]
    world = make_world(
        small.seed,
        small.train_items,
        small.test_items,
        small.language,
        valid_items=small.valid_items,
        conflict=small.conflict,
        hedged=small.hedged,
    )
    return Workshop(
        train=world.train,
        test=[*world.test, *world.ood] if small.ood else world.test,
        valid=world.valid,
        judge=language.judge if objective is None else language.judge.stating_episodes(),
        write=partial(
            candidate,
            worked_out=small.worked_out,
            belief=small.belief,
            speech=language.speech,
        ),
        edit=partial(lesson_of, worked_out=small.worked_out, speech=language.speech),
        told=partial(_told, settings, world.train),
        **common,
    )


def _told(
    settings: LabConfig, questions: Sequence[Question], rng: np.random.Generator
) -> list[Lesson]:
    """Write a chain with a policy in the prompt for a share of the questions."""
    lines, found = settings.policy_lines, list[Lesson]()
    speech = LANGUAGES[settings.world.language].speech
    for question in questions if lines.share else ():
        if rng.random() < lines.share:
            policy = draw(lines, rng, settings.steering.worth)
            one = priced_lesson_of(
                question,
                policy,
                settings.steering.expected or PRIOR,
                rng,
                prompt_tokens=lines.prompt_tokens,
                speech=speech,
            )
            asked = with_policy_line(question.messages, one.line)
            found.append((question.id, asked, one.text, ""))
    return found


def _nothing(rng: np.random.Generator) -> list[Lesson]:
    return []


# Only a stage that makes a tokenizer or a model loads torch.
def _make_tokenizer(size: ModelSettings, texts: Sequence[str]) -> Any:
    if size.pretrained is not None:
        from gtalign.models.chat import open_chat

        return open_chat(size.pretrained).tokenizer
    from gtalign.lab.tokenizer import train_tokenizer

    return train_tokenizer(texts, size.vocabulary)


def _make_model(size: ModelSettings, tokenizer: Any, seed: int) -> Any:
    from gtalign.lab.model import make_model

    return make_model(
        tokenizer, seed=seed, width=size.width, layers=size.layers, positions=size.positions
    )
