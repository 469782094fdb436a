"""How large the small world, its teachers' noise and its model are."""

from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from gtalign.config import Config, Share


class WorldSettings(Config):
    """The world: same settings, same questions.

    Keys:
        language: How it is told: ``terse``, in few words that a network from scratch learns soon,
            or ``english``, in plain English with real names, for a pretrained model.
        seed: Seed of the people, places and numbers of the world.
        train_items: Items of each task to learn from; each gives a vague and a detailed question.
        test_items: Items of each task to be tested on, likewise.
        ood: Whether to test out of distribution too.
        valid_items: Items of each task to choose settings by, likewise; no model learns from them.
        conflict: How far the interests of user and LLM differ: 0 not at all; at 1 the terms of a
            service alone decide both payoffs. Above 0 each prompt names the terms.
        worked_out: Whether the teachers' analyses write out the sum of every cell.
        belief: Whether the teachers' chains state how likely it is that the question is vague: the
            belief that is right by all that it shows.
        hedged: Share of the items whose wording leaves this open, in a known proportion
            (`gtalign.lab.hedges`); for the terse language.
    """

    language: Literal["terse", "english"] = "terse"
    seed: NonNegativeInt = 0
    train_items: PositiveInt = 600
    test_items: PositiveInt = 60
    ood: bool = True
    valid_items: NonNegativeInt = 0
    conflict: Share = 0.0
    worked_out: bool = False
    belief: bool = False
    hedged: Share = 0.0

    @model_validator(mode="after")
    def _hedges_in_its_language(self) -> Self:
        if self.hedged and self.language != "terse":
            raise ValueError("hedged: only the terse language has hedges")
        return self


class ModelSettings(Config):
    """The network: a small transformer from scratch, or a pretrained model.

    Keys:
        pretrained: Name of a pretrained model to begin with: a folder, a name on a hub,
            ``gguf:FILE``, or ``package:NAME``. The sizes below are then its own.
        dtype: Type of the weights of the model that answers the test questions.
        gpu: Whether models answer on a GPU; the ``hardware`` of each training says where it runs.
        vocabulary: Number of tokens that it knows.
        width: Width of its layers.
        layers: Number of its layers.
        positions: Longest sequence, in tokens.
    """

    pretrained: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    gpu: bool = False
    vocabulary: PositiveInt = 768
    width: PositiveInt = 128
    layers: PositiveInt = 4
    positions: PositiveInt = 1024


class PublishedSettings(Config):
    """Which of the published questions a run takes.

    Keys:
        seed: Seed of the sample.
        train_questions: Most questions of each task to learn from.
        test_questions: Most questions of each task to be tested on.
        max_chars: Longest question in characters; of a longer one the end is kept, so that a small
            model can read it.
    """

    seed: NonNegativeInt = 0
    train_questions: PositiveInt = 1000
    test_questions: PositiveInt = 100
    max_chars: PositiveInt = 400
