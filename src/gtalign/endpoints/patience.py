"""How often an endpoint is asked again, and after which waits.

A passing failure (a timeout, a broken connection, 408, 409, 429, 5xx) is retried after a jittered,
growing wait, or after the wait that the server asks for. A lasting failure (a wrong key, an unknown
model, a form of replies that the server does not know) is raised at once.
"""

import logging
import random
from collections.abc import AsyncIterable, Callable
from contextlib import AbstractContextManager
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from gtalign.endpoints.dialect import TOO_MANY, refuses_form
from gtalign.endpoints.failures import explain, said
from gtalign.endpoints.settings import EndpointSettings

if TYPE_CHECKING:  # of the extra `judge`, and slow to import
    from stamina import Attempt
    from stamina.instrumentation import RetryDetails, RetryHook

log = logging.getLogger(__name__)

LONGEST_WAIT: Final = 60.0
"""Most seconds between two attempts, even if the server asks for more."""

_FIRST_WAIT: Final = 0.5
_JITTER: Final = 1.0
_PASSING: Final = frozenset({408, 409, TOO_MANY})
_RETRIED: Final = "gtalign.endpoints"
"""Name of our requests among all that stamina retries in a process."""


def attempts(settings: EndpointSettings, about: str) -> "AsyncIterable[Attempt]":
    """Yield the attempts of one request, each a context; one that fails waits for the next.

    Args:
        settings: Of the endpoint; they say how many attempts there are.
        about: Who is asked and about what, for the log.
    """
    import stamina

    _tell_of_retries()
    contexts = stamina.retry_context(
        on=before_retry(),
        attempts=settings.attempts,
        timeout=None,
        wait_initial=_FIRST_WAIT,
        wait_max=LONGEST_WAIT / 2,
        wait_jitter=_JITTER,
    )
    asked = {"about": about, "settings": settings}
    return contexts.with_name(_RETRIED, (), asked)


def before_retry() -> Callable[[Exception], bool | float]:
    """Return what decides for one request whether a failure is worth another attempt.

    It returns that, or, where the server names a wait, seconds: no fewer than those named, and no
    fewer than would be waited otherwise. A server under load that always names one second would
    else be asked no longer than a few, and by everybody at once.
    """
    waits = count()

    def decide(error: Exception) -> bool | float:
        import openai

        own: float = min(_FIRST_WAIT * 2 ** next(waits), LONGEST_WAIT / 2)
        if isinstance(error, openai.APIStatusError):
            if error.status_code not in _PASSING and error.status_code < 500:
                return False
            if refuses_form(said(error)):
                return False  # for good, whatever the status says
            try:
                asked = float(error.response.headers.get("retry-after", ""))
            except ValueError:
                return True  # not named, or named as a date
            if not asked >= 0:
                return True
            named = min(asked, LONGEST_WAIT)
            return max(named, own) + random.uniform(0, _JITTER)
        # A body that is not JSON is an interrupted reply.
        return isinstance(error, openai.APIConnectionError | TimeoutError | ValueError)

    return decide


@cache
def _tell_of_retries() -> None:
    """Log each of our retries in a line that names the endpoint, the cause and the wait.

    Once in a process; the hooks that are there stay in force for all that others retry.
    """
    from stamina import instrumentation

    def tell(details: "RetryDetails") -> None:
        if details.name == _RETRIED:
            about: Any = details.kwargs["about"]
            settings: Any = details.kwargs["settings"]
            _, what = explain(details.caused_by, settings)
            again = f"attempt {details.retry_num + 1} of {settings.attempts}"
            log.warning("%s: %s; %s in %.1f s", about, what, again, details.wait_for)

    def of_others(hook: "RetryHook") -> "RetryHook":
        def told(details: "RetryDetails") -> AbstractContextManager[None] | None:
            return None if details.name == _RETRIED else hook(details)

        return told

    hooks = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([*map(of_others, hooks), tell])
