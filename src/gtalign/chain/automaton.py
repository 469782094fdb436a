"""Automata that read a text from left to right, made of the trees of `gtalign.chain.regex`.

The states are those of the subset construction. A text may have to fulfil several expressions, and
an expression may look ahead: so a state is a set of places, each with the states of what else the
rest of the text has to fulfil from there, or must not.

Where readers differ in which characters a class holds, a text is accepted only if all accept it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from gtalign.chain import regex
from gtalign.chain.regex import (
    ANY,
    LAST,
    SURROGATES,
    Alternation,
    Edge,
    Look,
    Ranges,
    Repeat,
    Set,
    Tree,
)
from gtalign.errors import DataError

_NODES: Final = 6000
_STATES: Final = 4000
_NONE: Final = (LAST + 1, LAST + 1)  # behind all characters


class Budget:
    """How much work may go into the automata of one request; a hostile schema needs more.

    Args:
        steps: The work, in moves that are looked at.

    Attributes:
        spent: How much has been done.
    """

    def __init__(self, steps: int = 400_000) -> None:
        self.spent = 0
        self._steps = steps

    def spend(self, steps: int) -> None:
        """Count some work.

        Raises:
            DataError: There was not so much left.
        """
        self.spent += steps
        if self.spent > self._steps:
            raise DataError("the patterns of the schema take too much work")


@dataclass(frozen=True, slots=True)
class Automaton:
    """An automaton from each of whose states a text can still be accepted.

    Args:
        moves: For each state, the first of which is state 0, the characters that lead to others.
        accepting: The states in which a text may end.
    """

    moves: tuple[dict[int, Ranges], ...]
    accepting: frozenset[int]

    def accepts(self, text: str) -> bool:
        """Whether it accepts a text."""
        state = 0
        for char in map(ord, text):
            for target, ranges in self.moves[state].items():
                if any(low <= char <= high for low, high in ranges):
                    state = target
                    break
            else:
                return False
        return state in self.accepting


class _Need(NamedTuple):
    """What the rest of a text has to fulfil, or if not `positive` must not."""

    positive: bool
    places: "frozenset[_Place]"


class _Place(NamedTuple):
    """A node that reading has reached, and what the rest has to fulfil from there."""

    node: int
    needs: frozenset[_Need]


_Places = frozenset[_Place]
_END, _ALL = 0, 1  # nodes: at the end of an expression, and where any rest will do
_EVERYTHING: Final[_Places] = frozenset({_Place(_ALL, frozenset())})


def automaton(all_of: Sequence[Tree], budget: Budget) -> Automaton:
    """The automaton of the texts in which each of these expressions matches somewhere.

    Raises:
        DataError: There is no such text, or the automaton would be too large.
    """
    return _Construction(budget).of(all_of)


class _Construction:
    """The nodes of some expressions, and the states that reading goes through.

    Args:
        budget: How much work it may take.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._sets: dict[Ranges, int] = {}
        self._moves: list[list[tuple[int, int]]] = [[], []]  # of each node: (number of a set, node)
        self._free: list[list[tuple[str | bool, int]]] = [[], [("", _END)]]
        self._moves[_ALL].append((self._set(ANY.sure), _ALL))
        self._symbols: list[frozenset[int]] = []  # the sets that hold the characters of one kind

    def of(self, all_of: Sequence[Tree]) -> Automaton:
        """The automaton of expressions that all match."""
        starts = [self._searched(tree, certain=True) for tree in all_of]
        kinds = self._kinds()
        self._symbols = list(kinds)
        needs = [_Need(True, self._closed({_Place(n, frozenset())}, first=True)) for n in starts]
        places = self._closed({_Place(_ALL, frozenset(needs))}, first=True)
        found = {(True, places): 0}
        moves: list[dict[int, list[int]]] = []
        accepting = set()
        for (first, places), state in (waiting := list(found.items())):
            if self._accepted(places, first):
                accepting.add(state)
            moves.append({})
            for symbol, sets in enumerate(self._symbols):
                following = self._after(places, sets)
                if not following:
                    continue
                target = found.setdefault((False, following), len(found))
                if target == len(waiting):
                    if target >= _STATES:
                        raise DataError(f"the pattern takes more than {_STATES} states")
                    waiting.append(((False, following), target))
                moves[state].setdefault(target, []).append(symbol)
        characters = list(kinds.values())
        return _useful(
            [
                {
                    target: regex.union(tuple(pair for one in symbols for pair in characters[one]))
                    for target, symbols in each.items()
                }
                for each in moves
            ],
            accepting,
        )

    def _node(self) -> int:
        if len(self._moves) >= _NODES:
            raise DataError(f"the pattern takes more than {_NODES} places")
        self._moves.append([])
        self._free.append([])
        return len(self._moves) - 1

    def _set(self, ranges: Ranges) -> int:
        return self._sets.setdefault(ranges, len(self._sets))

    def _searched(self, tree: Tree, *, certain: bool) -> int:
        """The node from which an expression is looked for anywhere in the text."""
        node = self._node()
        self._moves[node].append((self._set(ANY.sure), node))
        self._free[node].append(("", self._before(tree, _ALL, certain)))
        return node

    def _before(self, tree: Tree, after: int, certain: bool) -> int:
        """The node from which an expression leads to another node.

        Args:
            tree: The expression.
            after: The node behind it.
            certain: Whether a set stands for the characters that every reader takes, and not for
                those that one may take.
        """
        self._budget.spend(1)
        match tree:
            case Set():
                node = self._node()
                ranges = tree.sure if certain else tree.possible
                self._moves[node].append((self._set(ranges), after))
            case regex.Sequence():
                node = after
                for part in reversed(tree.parts):
                    node = self._before(part, node, certain)
            case Alternation():
                node = self._node()
                self._free[node] = [("", self._before(o, after, certain)) for o in tree.options]
            case Repeat():
                node = self._repeated(tree, after, certain)
            case Edge():
                node = self._node()
                self._free[node].append(("^" if tree.beginning else "$", after))
                if not tree.beginning and not certain:  # for Python also before a last newline
                    last = self._node()
                    self._moves[node].append((self._set(((10, 10),)), last))
                    self._free[last].append(("$", after))
            case Look():
                node = self._node()
                ahead = self._before(tree.part, _ALL, certain is tree.positive)
                self._free[node] += [(tree.positive, ahead), ("", after)]
        return node

    def _repeated(self, tree: Repeat, after: int, certain: bool) -> int:
        node = after
        if tree.high is None:
            node = self._node()
            self._free[node] = [("", after), ("", self._before(tree.part, node, certain))]
        else:
            for _ in range(tree.high - tree.low):
                optional = self._node()
                part = self._before(tree.part, node, certain)
                self._free[optional] = [("", after), ("", part)]
                node = optional
        for _ in range(tree.low):
            node = self._before(tree.part, node, certain)
        return node

    def _kinds(self) -> dict[frozenset[int], Ranges]:
        """The characters, by the sets that hold them."""
        cuts = {0, _NONE[0], SURROGATES[0], SURROGATES[1] + 1}
        for ranges in self._sets:
            for low, high in ranges:
                cuts |= {low, high + 1}
        edges = sorted(cuts)
        self._budget.spend(len(edges) * len(self._sets))
        kinds: dict[frozenset[int], list[tuple[int, int]]] = {}
        held = [iter(ranges) for ranges in self._sets]
        current = [next(ranges, _NONE) for ranges in held]
        for low, after in pairwise(edges):
            if low == SURROGATES[0]:
                continue
            for number, following in enumerate(held):
                while current[number][1] < low:
                    current[number] = next(following, _NONE)
            sets = frozenset(n for n, (begin, _) in enumerate(current) if begin <= low)
            kinds.setdefault(sets, []).append((low, after - 1))
        return {sets: tuple(ranges) for sets, ranges in kinds.items()}

    def _closed(self, places: set[_Place], *, first: bool = False, last: bool = False) -> _Places:
        """The places, and those that are reached from them without reading a character."""
        found = set(places)
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            free = self._free[place.node]
            self._budget.spend(1 + len(free))
            needs = place.needs
            for kind, node in free:
                if (kind == "^" and not first) or (kind == "$" and not last):
                    continue
                if isinstance(kind, bool):  # the node behind it is the next of this list
                    ahead = self._closed({_Place(node, frozenset())}, first=first, last=last)
                    needs = needs | {_Need(kind, ahead)}
                    continue
                reached = _Place(node, needs)
                if reached not in found:
                    found.add(reached)
                    waiting.append(reached)
        return _EVERYTHING if found >= _EVERYTHING else frozenset(found)

    def _after(self, places: _Places, sets: frozenset[int]) -> _Places:
        """The places behind one more character, which these sets hold."""
        reached = set()
        for place in places:
            targets = [node for number, node in self._moves[place.node] if number in sets]
            self._budget.spend(1)
            if not targets:
                continue
            needs = self._needed(place.needs, sets)
            if needs is not None:
                reached |= {_Place(node, needs) for node in targets}
        return self._closed(reached)

    def _needed(self, needs: frozenset[_Need], sets: frozenset[int]) -> frozenset[_Need] | None:
        """What is still needed behind one more character; None if that cannot be had."""
        left = set()
        for positive, places in needs:
            following = self._after(places, sets)
            settled = following == _EVERYTHING or not following
            if settled and bool(following) != positive:
                return None
            if not settled:
                left.add(_Need(positive, following))
        return frozenset(left)

    def _accepted(self, places: _Places, first: bool) -> bool:
        return any(
            place.node in (_END, _ALL)
            and all(self._accepted(need.places, first) == need.positive for need in place.needs)
            for place in self._closed(set(places), first=first, last=True)
        )


def _useful(moves: Sequence[dict[int, Ranges]], accepting: set[int]) -> Automaton:
    """The automaton of the states from which a text can still be accepted."""
    back: list[list[int]] = [[] for _ in moves]
    for state, each in enumerate(moves):
        for target in each:
            back[target].append(state)
    useful, waiting = set(accepting), list(accepting)
    while waiting:
        new = {state for state in back[waiting.pop()] if state not in useful}
        useful |= new
        waiting += new
    if 0 not in useful:
        raise DataError("no text follows the pattern")
    number = {state: at for at, state in enumerate(sorted(useful))}
    return Automaton(
        tuple(
            {number[target]: ranges for target, ranges in moves[state].items() if target in useful}
            for state in number
        ),
        frozenset(number[state] for state in accepting),
    )
