"""How large the small world, its teachers' noise and its model are."""

from pydantic import NonNegativeInt, PositiveInt

from gtalign.config import Config


class WorldSettings(Config):
    """The world: same settings, same questions.

    ``train_items`` and ``test_items`` count the items of each task; each gives a vague and a
    detailed question.
    """

    seed: NonNegativeInt = 0
    train_items: PositiveInt = 600
    test_items: PositiveInt = 60


class ModelSettings(Config):
    """The network: tokens in its vocabulary, width, layers, and its longest sequence in tokens."""

    vocabulary: PositiveInt = 768
    width: PositiveInt = 128
    layers: PositiveInt = 4
    positions: PositiveInt = 1024


class PublishedSettings(Config):
    """Which of the published questions a run takes.

    At most ``train_questions`` and ``test_questions`` of each task, each cut to its last
    ``max_chars`` characters so that a small model can read it.
    """

    seed: NonNegativeInt = 0
    train_questions: PositiveInt = 1000
    test_questions: PositiveInt = 100
    max_chars: PositiveInt = 400
