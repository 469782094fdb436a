"""Every error that the package raises.

    GTAlignError
    +-- ConfigError (ValueError)        a configuration file or an override is wrong
    +-- GameError (ValueError)          a game form or an array of payoffs is wrong
    |   +-- PayoffError                 one matrix, as text or mapping, is wrong
    +-- ChainError (ValueError)         a reasoning chain breaks a rule; says which and where
    +-- DrawingError (ValueError)       a number that is to be drawn is not finite
    +-- DataError (ValueError)          a dataset or transcript file is wrong; says row and column
    +-- ServiceError (RuntimeError)     a judge or another model failed; its cause is the kind
    |   +-- JudgeError                  a judge failed; says on which question
    |   |   +-- UnusableJudgeError      a judge cannot be asked at all; ends the work
    |   +-- TeacherError                a teacher or an evaluated model failed; says on what
    |   |   +-- UnusableTeacherError    a teacher cannot be asked at all; ends the work
    |   +-- UserError                   a simulated user failed; says in which conversation
    |   +-- WorkerLostError             the process that worked on an item died with it
    +-- TrainingError (RuntimeError)    a training stage cannot start or continue
    +-- SteeringError (RuntimeError)    an answer cannot be steered; says how far it came
    |   +-- UpstreamError               the engine behind a backend failed; names it
    |       +-- UnreachableError        no connection to its server
    |       +-- LateError               its server took longer than it may
    |       +-- RefusedError            its server answered with an error; says which
    |       +-- EndedError              its server ended an answer by itself; says why
    |       +-- OmittedError            its chat template leaves out a part of a conversation
    +-- StorageError (OSError)          a result cannot be written; what was written is kept
        +-- StoreError                  the gateway's audit store failed

One exception is no error: ``Terminated`` (KeyboardInterrupt) says that the process was asked to end
and has ended its work in order.

A caller at a boundary (a command, a server) catches ``GTAlignError``; code in between lets typed
errors pass.

Nine more classes of exception are signals inside one package: the package that raises one also
catches it, and none reaches a caller.

    APIError (gateway)          ends a request with the status and the message that it carries
    EngineRefusal (gateway)     an `APIError` that the engine behind the gateway gave
    BudgetError (gateway)       an `APIError` about a key whose budget of the month is spent
    Unsteerable (gateway)       an `APIError` about a request that an engine may take all the same
    Untranslatable (gateway)    an `Unsteerable` request of another API that no chat can express
    ClientGone (gateway)        the client has left; nobody is there to answer
    UnreadableReply (judges)    a judge's reply is no verdict; says why
    WorkerDied (judges)         the process that compared an answer was killed or died
    UnusableReply (synthesis)   a teacher's reply is no part of a chain; says why
"""

from collections.abc import Mapping
from typing import Any


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM), and what it has written resumes its work."""


class GTAlignError(Exception):
    """Base of all errors of the package; they travel between processes with all they carry."""

    def __reduce__(self) -> tuple[Any, ...]:
        made: tuple[Any, ...] = self.args
        if isinstance(self, OSError) and self.filename is not None:
            made = (self.errno, self.strerror, self.filename)
        return _restored, (type(self), made, self.__dict__)


def _restored(kind: type[GTAlignError], made: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Return an error as it was; its constructor, which may want other arguments, is not called."""
    error = kind.__new__(kind, *made)
    if not error.args:
        error.args = made
    error.__dict__.update(state)
    return error


class ConfigError(GTAlignError, ValueError):
    """A configuration is wrong; the message names the key and the nearest known one."""


class GameError(GTAlignError, ValueError):
    """A game form or an array of payoffs is wrong."""


class PayoffError(GameError):
    """A payoff matrix is wrong; the message names the cell."""


class ChainError(GTAlignError, ValueError):
    """A reasoning chain breaks a rule.

    Args:
        rule: Short name of the broken rule, stable across versions.
        position: Character offset in the text at which it is broken.
        message: What was wrong and what would be right.
    """

    def __init__(self, rule: str, position: int, message: str) -> None:
        super().__init__(f"{message} (rule {rule!r}, character {position})")
        self.rule = rule
        self.position = position


class DrawingError(GTAlignError, ValueError):
    """A number that is to be drawn is not finite, or an axis has no length."""


class DataError(GTAlignError, ValueError):
    """A dataset or transcript file is wrong; the message names file, row and column."""


class ServiceError(GTAlignError, RuntimeError):
    """A judge, a teacher, an evaluated model or a simulated user failed.

    Args:
        message: Names who failed and on what, and says what happened.
        cause: The kind of failure in a word or two, by which failures are counted, such as
            ``timeout``, ``connection`` or ``http 500``.
    """

    def __init__(self, message: str, cause: str = "failed") -> None:
        super().__init__(message)
        self.cause = cause


class JudgeError(ServiceError):
    """A judge failed; the message names it and the question's id."""


class UnusableJudgeError(JudgeError):
    """A judge cannot be asked, or gives no verdicts: every other question would fail as this one.

    Code that leaves single answers unscored lets it pass.
    """


class TeacherError(ServiceError):
    """A teacher or an evaluated model failed; the message names it and the question's id.

    Of a teacher it gives the candidate's number too.
    """


class UnusableTeacherError(TeacherError):
    """A teacher cannot be asked at all: every candidate would fail as this one.

    Code that leaves single candidates unwritten lets it pass.
    """


class UserError(ServiceError):
    """A simulated user failed, or gave no usable reply; the message names the conversation."""


class WorkerLostError(ServiceError):
    """The process that worked on an item died with it, each time that it was tried."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "worker died")


class TrainingError(GTAlignError, RuntimeError):
    """A training stage cannot start or continue."""


class SteeringError(GTAlignError, RuntimeError):
    """An answer cannot be steered, or not to its end."""


class UpstreamError(SteeringError):
    """The engine that writes for a backend failed.

    Args:
        upstream: What failed: an address, with the method used.
        problem: What it did and what would be right.
        text: What of the answer had been written.
        decision: The decision about the answer as JSON, if one had been made.

    Attributes:
        quotes: What of the message is the engine's own words, which may be those of a prompt.
        reply: The JSON in which the engine reports the failure, without its key; empty if it sends
            none.
    """

    quotes: tuple[str, ...] = ()
    reply = b""

    def __init__(
        self,
        upstream: str,
        problem: str,
        *,
        text: str = "",
        decision: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{upstream}: {problem}")
        self.upstream = upstream
        self.problem = problem
        self.text = text
        self.decision = decision


class UnreachableError(UpstreamError):
    """No connection to the server: every other request would fail as this one."""


class LateError(UpstreamError):
    """The server took longer than it may."""


class RefusedError(UpstreamError):
    """The server answered with an error, or with a redirect.

    Attributes:
        status: The status of its answer; 0 until it is known.
        wait: Seconds after which it asks to be asked again; None if it does not say.
    """

    status = 0
    wait: float | None = None


class EndedError(UpstreamError):
    """The server ended an answer neither at its end nor for its length: a filter cut it off.

    Attributes:
        finish: The reason, in the server's word.
    """

    finish = ""


class OmittedError(UpstreamError):
    """The model's chat template leaves out a part of a conversation: calls of tools, for one."""


class StorageError(GTAlignError, OSError):
    """A result could not be written; the parts written before are kept."""


class StoreError(StorageError):
    """The audit store failed.

    Args:
        what: What could not be done.
        reason: The database's own message, without the statement and its values.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"the audit store: {what}: {reason}")
        self.what = what
