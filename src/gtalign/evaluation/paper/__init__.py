"""The paper's tables, by name: each from the transcripts of runs, in five forms."""

from collections.abc import Callable, Mapping
from typing import Final

from gtalign.errors import ConfigError
from gtalign.evaluation.paper.ablation import ablation
from gtalign.evaluation.paper.behaviour import behaviour
from gtalign.evaluation.paper.conversations import conversations
from gtalign.evaluation.paper.faithful import faithfulness
from gtalign.evaluation.paper.plane import pareto
from gtalign.evaluation.paper.policies import policies
from gtalign.evaluation.paper.scores import main, ood
from gtalign.evaluation.paper.sensitivity import sensitivity
from gtalign.evaluation.paper.sheet import Report, Sheet
from gtalign.evaluation.paper.steered import steering
from gtalign.evaluation.paper.study import Study
from gtalign.evaluation.paper.users import users

__all__ = ["TABLES", "Report", "Sheet", "Study", "table_named"]

TABLES: Final[Mapping[str, Callable[[Study], Report]]] = {
    "main": main,
    "behaviour": behaviour,
    "ablation": ablation,
    "pareto": pareto,
    "ood": ood,
    "sensitivity": sensitivity,
    "steering": steering,
    "faithfulness": faithfulness,
    "policies": policies,
    "conversations": conversations,
    "users": users,
}
"""The tables by name; each takes the runs and returns its sheets."""


def table_named(name: str, study: Study) -> Report:
    """Make a table.

    Args:
        name: One of `TABLES`.
        study: The runs.

    Raises:
        ConfigError: There is no such table.
        DataError: A file is wrong, or has nothing for this table.
    """
    if name not in TABLES:
        raise ConfigError(f"there is no table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name](study)
