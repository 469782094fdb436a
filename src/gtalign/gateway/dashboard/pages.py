"""Every page of the dashboard, a line each."""

from typing import Final

from gtalign.gateway.dashboard import (
    decision,
    decisions,
    identity,
    keys,
    overview,
    playground,
    policies,
    signin,
    whatif,
)
from gtalign.gateway.dashboard.visit import BACK, View

VIEWS: Final[tuple[View, ...]] = (
    View("", overview.show, nav="Overview"),
    View("/decisions", decisions.show, nav="Decisions"),
    View("/decisions/{id}", decision.show),
    View("/export", decisions.export),
    View(whatif.PATH, whatif.show, whatif.move, nav="What if", needs="read"),
    View(policies.PATH, policies.show, nav="Policies"),
    View(policies.NEW, policies.begin, policies.change, body=policies.BODY),
    View(policies.PATH + "/{name}", policies.edit, policies.change, body=policies.BODY),
    View(policies.PATH + "/{name}/delete", policies.confirm, policies.remove),
    View(playground.PATH, playground.show, playground.ask, nav="Playground", needs="chat"),
    View(playground.STREAM, post=playground.stream, needs="chat"),
    View(keys.PATH, keys.show, keys.create, nav="Keys"),
    View(keys.PATH + "/{id}/revoke", keys.confirm, keys.revoke),
    View(signin.SIGN_IN, signin.ask, signin.sign_in, open=True, body=signin.BODY, needs="read"),
    View(signin.PROVIDER, identity.begin, open=True),
    View(BACK, identity.back, open=True),
    View(signin.SIGN_OUT, post=signin.sign_out, needs="read"),
    View(signin.EVERYBODY, post=signin.sign_everybody_out),
)
"""In the order of the navigation."""
