"""The desk: a world of conversations whose best policy is known exactly.

A clerk knows how many of ten people who ask alike want which thing, how patient the one who asks
is, and what a turn costs. What this one wants, and whether it tells at once, is hidden.
"""

from gtalign.lab.desk.clerks import CLERKS, Clerk
from gtalign.lab.desk.optimum import best_move, value_of
from gtalign.lab.desk.people import match_of
from gtalign.lab.desk.wishes import Wish, make_questions

__all__ = [
    "CLERKS",
    "Clerk",
    "Wish",
    "best_move",
    "make_questions",
    "match_of",
    "value_of",
]
