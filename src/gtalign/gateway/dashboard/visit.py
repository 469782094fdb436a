"""A visit to a page: the visitor, the request and the response."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope

from gtalign.gateway.dashboard.session import Sessions, is_id, matches, new_id, signed, token
from gtalign.gateway.dashboard.vouching import IdentityProvider
from gtalign.gateway.errors import APIError
from gtalign.gateway.gateway import Gateway
from gtalign.gateway.http.client import read_body
from gtalign.gateway.keys import ANYONE, Key, KeyScope

PREFIX: Final = "/dashboard"
"""Under which all pages are."""

BACK: Final = "/sign-in/back"
"""Where an identity provider sends people back to."""

BODY: Final = 65_536
"""Most bytes that a form sends, 64 KiB, unless its view says otherwise."""

SESSION: Final = "gtalign_session"
VISITOR: Final = "gtalign_visitor"
"""Cookies: of who is signed in, and of who is not, whose forms are protected all the same."""

TOKEN: Final = "csrf"
TOKEN_HEADER: Final = "x-csrf-token"
_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS: Final = 200
_YEAR: Final = 31_536_000


@dataclass(frozen=True)
class Page:
    """What a handler returns: a template, and what it shows.

    Args:
        template: Its name in ``templates/``.
        shown: Values that the template can name.
        status: HTTP status.
        headers: More headers than those that all pages have.
    """

    template: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Visit(Request):
    """A request of a browser.

    Attributes:
        gateway: Gateway that the page shows.
        provider: Signs people in, beside keys; None if there is none.
        key: Who is signed in; `ANYONE` while the gateway has no keys; None if nobody is.
        sent: The fields of the form that was sent; empty for a GET.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        gateway: Gateway,
        sessions: Sessions,
        provider: IdentityProvider | None = None,
    ) -> None:
        super().__init__(scope, receive)
        self.gateway = gateway
        self.sessions = sessions
        self.provider = provider
        self.key: Key | None = None
        self.sent: ImmutableMultiDict[str, str] = ImmutableMultiDict()
        self._id = self.cookies.get(VISITOR, "")
        self._new = not is_id(self._id)
        if self._new:
            self._id = new_id()

    @property
    def root(self) -> str:
        """The prefix of the gateway, as browsers know it."""
        return self.gateway.config.root_path

    @property
    def csrf(self) -> str:
        """The token that forms of this session send."""
        return token(self._id)

    def signed(self, text: str) -> str:
        """A signature of a text for this visitor's cookie."""
        return signed(self._id, text)

    @property
    def fragment(self) -> bool:
        """Whether htmx asks, for a part of a page that is shown already."""
        return "hx-request" in self.headers

    @property
    def address(self) -> str:
        """Where the request came from."""
        return "" if self.client is None else self.client.host

    async def enter(self) -> None:
        """Find out who this is.

        Raises:
            APIError: There are no keys, and it does not come from this machine (403).
            StorageError: Sessions cannot be read.
        """
        gateway = self.gateway
        if not gateway.keys.required:
            self.key = gateway.caller(self.headers, "admin", self.address)
            return
        session = self.cookies.get(SESSION)
        if is_id(session) and session is not None:
            self.key = await self.sessions.find(session)
            if self.key is not None:
                self._id, self._new = session, False

    @property
    def from_elsewhere(self) -> bool:
        """Whether a link of another site led here, so that the browser held back the cookies."""
        return self._new and self.headers.get("sec-fetch-site") == "cross-site"

    @property
    def keyless(self) -> bool:
        """Whether nobody has to sign in."""
        return self.key is ANYONE

    async def read(self, limit: int = BODY) -> None:
        """Read the form that was sent, and see that a page of this session asked for it.

        Raises:
            APIError: It was sent by another site's page or an old one (403), is no form (415), or
                too large or slow (413, 408).
        """
        self._check_site()
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise APIError(415, f"a form is sent as {_FORM}", code="not_a_form")
        seconds = self.gateway.config.timeouts.body
        raw = await read_body(self.scope, self.receive, limit=limit, seconds=seconds)
        try:
            text = raw.decode("utf-8", "replace")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS)
        except ValueError:
            raise APIError(400, f"a form has {_FIELDS} fields at most") from None
        self.sent = ImmutableMultiDict((name, value.replace("\x00", "")) for name, value in pairs)
        given = self.headers.get(TOKEN_HEADER) or self.sent.get(TOKEN, "")
        if not matches(self._id, given):
            raise APIError(
                403,
                "this form belongs to an earlier session: load the page again and resend the form",
                code="wrong_token",
            )

    def go(self, path: str) -> Response:
        """Send the browser to another page of the dashboard, which it is to GET."""
        return RedirectResponse(self.root + PREFIX + path, 303)

    def keep(self, response: Response) -> None:
        """Give a visitor without a cookie one."""
        if self._new and not self.from_elsewhere:
            self.set_cookie(response, VISITOR, self._id, _YEAR)

    def set_cookie(self, response: Response, name: str, value: str, seconds: float) -> None:
        """Set a cookie that no script can read and no other site can make the browser send.

        With 0 seconds it is taken away.
        """
        response.set_cookie(
            name,
            value,
            max_age=int(seconds),
            path=self.root or "/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    @property
    def _secure(self) -> bool:
        origin = self.gateway.config.dashboard.origin or ""
        # A header that lies about https does so to its sender's cookies, no others.
        forwarded = self.headers.get("x-forwarded-proto", "")
        return "https" in (origin.partition(":")[0], self.url.scheme, forwarded.strip().lower())

    def _check_site(self) -> None:
        """Refuse what another site's page makes a browser send.

        Raises:
            APIError: It is that (403).
        """
        site, origin = self.headers.get("sec-fetch-site"), self.headers.get("origin")
        if site is not None:
            own = site in ("same-origin", "none")
        elif origin is not None:
            known = self.gateway.config.dashboard.origin
            host = origin.partition("://")[2]
            own = origin == known or (known is None and host == self.headers.get("host"))
        else:
            own = True  # no browser; the token decides
        if not own:
            message = "this was sent by a page of another site, or at another address"
            raise APIError(403, message, code="other_site")


Handler = Callable[[Visit], Awaitable[Page | Response]]


@dataclass(frozen=True)
class View:
    """A page at an address.

    Args:
        path: Below `PREFIX`, with parameters as in ``/keys/{id}``.
        get: Handler that shows the page.
        post: Handler of its form.
        nav: Its name in the navigation; None for none.
        open: Whether one need not be signed in.
        body: Most bytes that its form sends.
        needs: What the key of the person who sends its form has to allow.
    """

    path: str
    get: Handler | None = None
    post: Handler | None = None
    nav: str | None = None
    open: bool = False
    body: int = BODY
    needs: KeyScope = "admin"
