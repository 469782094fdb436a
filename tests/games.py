"""Games for tests: hypothesis strategies and seeded random batches."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def random_games(count, m=2, n=3, seed=0, high=50):
    """Payoffs ``[count, m, n, 2]`` in [-high/10, high/10] on a 0.1 grid."""
    rng = np.random.default_rng(seed)
    return rng.integers(-high, high + 1, (count, m, n, 2)) / 10


@st.composite
def batches(draw, shapes=((2, 3), (3, 2), (2, 2), (2, 4), (1, 3), (3, 3)), high=None):
    """A batch of a few games of one shape, with few or many ties."""
    m, n = draw(st.sampled_from(shapes))
    high = high or draw(st.sampled_from([1, 3, 50]))
    count = draw(st.integers(1, 4))
    tenths = arrays(np.int64, (count, m, n, 2), elements=st.integers(-high, high))
    return draw(tenths) / 10
