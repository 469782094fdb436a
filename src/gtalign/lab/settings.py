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
