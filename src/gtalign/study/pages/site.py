"""The addresses of a study, and who may use them.

/                       who rates; takes the secret of the link as ``?key=``
/by/ANNOTATOR           the next item of an annotator, or the end
/by/ANNOTATOR/NUMBER    one item; its form sends a rating
/static/NAME            a file
"""

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from gtalign.errors import DataError, StorageError
from gtalign.gateway.dashboard.site import HEADERS
from gtalign.gateway.errors import APIError
from gtalign.gateway.http.client import ClientGone, read_body
from gtalign.study.annotator import (
    Annotator,
    RatingFile,
    first_open,
    known,
    order_of,
    person,
    rating_files,
)
from gtalign.study.folder import StudyFolder
from gtalign.study.item import VALUES, Item
from gtalign.study.pages.render import render, static_files

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

_BODY: Final = 16_384  # bytes of a form
_SECONDS: Final = 30.0  # that it may take
_YEAR: Final = 31_536_000
_DIGITS: Final = 9  # of the number of an item
_FORM: Final = "application/x-www-form-urlencoded"
_WORDS: Final = {
    1: "very dissatisfied",
    2: "dissatisfied",
    3: "neither",
    4: "satisfied",
    5: "very satisfied",
}


class Site:
    """Answers requests.

    Ratings are read from the files each time, so that nothing is known here that a crash could
    lose, and two servers can run beside each other.

    Args:
        study: The study.
        secret: What the link to it holds; nobody without it sees a page.
    """

    def __init__(self, study: StudyFolder, secret: str) -> None:
        self._study = study
        self._secret = secret
        self._cookie = f"gtalign_study_{hashlib.sha256(secret.encode()).hexdigest()[:8]}"

    def app(self) -> Starlette:
        """The application."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/", self._start),
            ("POST", "/", self._begin),
            ("GET", "/by/{slug}", self._next),
            ("GET", "/by/{slug}/{number}", self._item),
            ("POST", "/by/{slug}/{number}", self._rate),
            ("GET", "/static/{name}", self._file),
        ]
        routes = [Route(path, self._guarded(run), methods=[how]) for how, path, run in table]
        routes.append(Route("/{rest:path}", self._guarded(_nothing), methods=["GET", "POST"]))
        return Starlette(routes=routes)

    def _guarded(self, handler: Handler) -> Handler:
        """Run a handler for those who have the link; what goes wrong is a page as well."""

        async def answer(request: Request) -> Response:
            try:
                self._admit(request)
                response = await handler(request)
            except ClientGone:
                response = Response(status_code=400)
            except APIError as error:
                response = self._problem(error.status, error.message)
            except StorageError as error:
                log.warning("a rating cannot be written: %s", error)
                response = self._problem(
                    507, "this could not be saved, since the disk failed; all before it is saved"
                )
            except DataError as error:
                log.warning("%s", error)
                response = self._problem(500, f"the study is damaged: {error}")
            for name, value in HEADERS.items():
                response.headers[name] = value
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return answer

    def _admit(self, request: Request) -> None:
        """Let in browsers that bring the secret, in the link or in a cookie of this site."""
        given = request.query_params.get("key", "") if request.url.path == "/" else ""
        known = given or request.cookies.get(self._cookie, "")
        if not secrets.compare_digest(known.encode(), self._secret.encode()):
            raise APIError(403, "open the whole link that `gtalign study rate` printed")
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        foreign = site not in ("same-origin", "none") if site else origin not in (None, own)
        if request.method == "POST" and foreign:
            raise APIError(403, "this form was sent by the page of another site")

    async def _start(self, request: Request) -> Response:
        response = self._welcome()
        if "key" in request.query_params:
            response.set_cookie(
                self._cookie, self._secret, max_age=_YEAR, httponly=True, samesite="strict"
            )
        return response

    async def _begin(self, request: Request) -> Response:
        name = (await _form(request)).get("name", "")
        try:
            annotator = known(self._study, person(name))
        except DataError as error:
            return self._welcome(422, problem=str(error), name=name[:80])
        RatingFile(self._study, annotator).begin()
        return RedirectResponse(f"/by/{annotator.slug}", 303)

    async def _next(self, request: Request) -> Response:
        file = self._file_of(request)
        order, values = order_of(self._study, file.annotator), file.values()
        place = first_open(order, values)
        if place is not None:
            return RedirectResponse(f"{request.url.path}/{place + 1}", 303)
        return self._page("done.jinja", annotator=file.annotator, total=len(order))

    async def _item(self, request: Request) -> Response:
        file = self._file_of(request)
        order = order_of(self._study, file.annotator)
        number = _number(request, order)
        item, values = order[number - 1], file.values()
        return self._page(
            "item.jinja",
            annotator=file.annotator,
            item=item,
            number=number,
            total=len(order),
            done=len(values),
            said=values.get(item.id),
            choices=VALUES[item.kind],
            words=_WORDS,
        )

    async def _rate(self, request: Request) -> Response:
        file = self._file_of(request)
        order = order_of(self._study, file.annotator)
        number = _number(request, order)
        item, sent = order[number - 1], await _form(request)
        allowed = {str(value): value for value in VALUES[item.kind]}
        if sent.get("item") != item.id or sent.get("value") not in allowed:
            raise APIError(422, "this is no rating of this page: load it again")
        file.add({item.id: allowed[sent["value"]]})
        place = first_open(order, file.values(), number)
        path = f"/by/{file.annotator.slug}"
        return RedirectResponse(path if place is None else f"{path}/{place + 1}", 303)

    async def _file(self, request: Request) -> Response:
        file = static_files().get(request.path_params["name"])
        if file is None:
            raise APIError(404, "there is no such file")
        return Response(file[0], media_type=file[1], headers={"Cache-Control": "no-cache"})

    def _file_of(self, request: Request) -> RatingFile:
        """The ratings of the annotator that the address names."""
        slug = request.path_params["slug"]
        for file in rating_files(self._study):
            if file.annotator.slug == slug and not file.annotator.simulated:
                return file
        raise APIError(404, "there is no such annotator: begin with your name")

    def _welcome(self, status: int = 200, *, problem: str = "", name: str = "") -> Response:
        pairs = any(item.kind == "pair" for item in self._study.items.values())
        shown = {"annotators": self._progress(), "pairs": pairs, "problem": problem, "name": name}
        return self._page("start.jinja", status, **shown)

    def _progress(self) -> list[tuple[Annotator, int, int]]:
        """Each annotator, how many items are done, and how many there are."""
        total = len(self._study.items)
        return [(f.annotator, len(f.values()), total) for f in rating_files(self._study)]

    def _problem(self, status: int, message: str) -> Response:
        return self._page("problem.jinja", status, message=message[:1].upper() + message[1:])

    def _page(self, template: str, status: int = 200, **shown: Any) -> Response:
        return HTMLResponse(render(template, about=self._study.about, **shown), status)


def _number(request: Request, order: list[Item]) -> int:
    text = request.path_params["number"]
    # Not by the router, whose whole numbers have any number of digits.
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
    if not 1 <= number <= len(order):
        raise APIError(404, f"there are pages 1 to {len(order)}")
    return number


async def _form(request: Request) -> dict[str, str]:
    """The fields of the form that was sent."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise APIError(415, f"a form is sent as {_FORM}")
    raw = await read_body(request.scope, request.receive, limit=_BODY, seconds=_SECONDS)
    try:
        fields = parse_qs(raw.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        raise APIError(400, "this form has too many fields") from None
    return {name: values[-1] for name, values in fields.items()}


async def _nothing(request: Request) -> Response:
    raise APIError(404, "there is no such page")
