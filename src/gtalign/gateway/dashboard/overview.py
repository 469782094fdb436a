"""The overview."""

from gtalign.gateway.dashboard.visit import Page, Visit


async def show(visit: Visit) -> Page:
    """What the gateway has done lately."""
    return Page("overview.jinja")
