"""Render pages as HTML: the templates, and the functions that all of them can use."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gtalign.drawing import matrix_legend
from gtalign.game.wording import legend, named, words_of
from gtalign.gateway.dashboard import show
from gtalign.gateway.dashboard.flow import flow_chart
from gtalign.gateway.dashboard.history import history_charts, slot_length, slot_time
from gtalign.gateway.dashboard.obeyed import obedience_charts
from gtalign.gateway.dashboard.plot import frontier_plot
from gtalign.gateway.dashboard.static import static_url
from gtalign.gateway.dashboard.strip import strip_chart
from gtalign.gateway.dashboard.visit import PREFIX, Page, View, Visit
from gtalign.steering.table import game_table


def templates_of(package: str) -> Environment:
    """The templates in a package's folder ``templates``; every value that they show is escaped."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def environment(root: str) -> Environment:
    """The templates of the dashboard, with the functions that they call.

    Args:
        root: The prefix of the gateway.
    """
    found = templates_of(__package__)
    found.globals |= {
        "static": partial(static_url, root),
        "root": root + PREFIX,
        "legend": matrix_legend,
    }
    drawings = (
        game_table,
        frontier_plot,
        flow_chart,
        strip_chart,
        history_charts,
        obedience_charts,
    )
    found.globals |= {draw.__name__: draw for draw in (*drawings, slot_length, slot_time)}
    found.filters |= show.FILTERS | {"named": named}
    return found


def render(visit: Visit, page: Page, views: Sequence[View]) -> str:
    """A page as HTML.

    A template can name what the page shows, and ``visit``, ``navigation`` and ``here``: the
    views in the navigation, and the one that this page belongs to; ``currency``, the unit of
    amounts of money; and ``actions_explained`` and ``words`` of the models' games.
    """
    navigation = [view for view in views if view.nav is not None]
    path = visit.url.path.removeprefix(PREFIX).rstrip("/")
    near = [v for v in navigation if path == v.path or (v.path and path.startswith(v.path + "/"))]
    forms = visit.gateway.models.forms
    shared: dict[str, Any] = {
        "visit": visit,
        "navigation": navigation,
        "here": near[0] if near else None,
        "currency": visit.gateway.config.dashboard.currency,
        "actions_explained": " ".join(legend(form) for form in forms),
        "words": defaultdict(str, words_of(forms)),
    }
    return environment(visit.root).get_template(page.template).render(shared | dict(page.shown))
