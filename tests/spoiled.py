"""Records with something in them that does not belong there, as files and replies may have it."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

HOSTILE: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**70, 10**400, 0.5, float("nan"), float("inf")),
    *("", "x", "\ud800", "\0"),
    *([], [[]], ["x"], [None], {}, {"x": []}, {"": {}}),
)
"""Some JSON values of each kind: hashable or not, within the range of floats or beyond it."""

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(record: Any, at: Place = ()) -> list[Place]:
    """Every place of a record, itself first."""
    found = [at]
    if isinstance(record, dict):
        inner: Iterator[tuple[str | int, Any]] = iter(record.items())
    elif isinstance(record, list | tuple):
        inner = iter(enumerate(record))
    else:
        return found
    for key, value in inner:
        found += places(value, (*at, key))
    return found


def put(record: Any, at: Place, value: Any) -> Any:
    """The record with another value at a place; the record itself stays as it is."""
    if not at:
        return value
    key, *rest = at
    if isinstance(record, dict):
        return {**record, key: put(record[key], tuple(rest), value)}
    assert isinstance(key, int)
    return [*record[:key], put(record[key], tuple(rest), value), *record[key + 1 :]]


def without(record: Any, at: Place) -> Any:
    """The record without what is at a place."""
    key, *rest = at
    if rest:
        return put(record, (key,), without(record[key], tuple(rest)))
    if isinstance(record, dict):
        return {name: value for name, value in record.items() if name != key}
    return [value for number, value in enumerate(record) if number != key]


def spoiled(record: Any) -> Iterator[tuple[Place, Any]]:
    """Yield the record with one place taken away or replaced, for every place and value."""
    for at in places(record):
        for value in HOSTILE:
            yield at, put(record, at, value)
        if at:
            yield at, without(record, at)


@st.composite
def spoiled_records(draw: st.DrawFn, record: Any) -> Any:
    """A record with up to three places replaced or taken away."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(places(record)))
        taken = draw(st.booleans())
        if at and taken:
            record = without(record, at)
        else:
            record = put(record, at, draw(st.sampled_from(HOSTILE) | json_values))
    return record
