"""The record of one steered answer: everything that is needed to explain it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Final, Literal, get_args

from pydantic import ValidationError

from gtalign.chain import Repair
from gtalign.errors import DataError, GameError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.game.file import form_from_json, form_to_json
from gtalign.steering.edit import Term
from gtalign.steering.expected import ActionTokens
from gtalign.steering.fields import Fields
from gtalign.steering.phase import ASKED_AGAIN, FROM_MATRIX, PASSED, Phase, Retried
from gtalign.steering.recommend import Recommendation

Mode = Literal["observe", "advise", "enforce"]
"""What steering may do: only look, edit the matrix, or also hold the answer to the choice."""

Resume = Literal["splice", "reask", "none"]
"""How the model continued: from the edited matrix, asked once more, or without any change."""

_MODES: Final = get_args(Mode)
_RESUMES: Final = get_args(Resume)
_OWN_JSON: Final = ("stated", "edited", "before", "after", "retry")


@dataclass(frozen=True, slots=True)
class Decision:
    """How one answer was steered, or why it was not.

    Args:
        id: Id of the answer.
        created: Time of the answer, in ISO 8601, UTC.
        model: Name of the model.
        backend: Name of the backend that wrote.
        mode: What steering was allowed to do.
        resume: How the model continued after the matrix.
        policy: Name of the policy.
        policy_hash: `Policy.hash` of that policy.
        steered: Whether the model continued from an edited matrix.
        reason: Why it did not, or what was unusual; None if all went as planned.
        stated: The matrix as the model wrote it; None if there is none.
        edited: The matrix under the policy.
        terms: The terms that turn the stated matrix into the edited one.
        expected: Expected tokens by LLM action.
        sources: Source of the expected tokens, by LLM action.
        before: What the policy's rule chooses in the stated matrix.
        after: What it chooses in the edited one.
        chosen: The cell on which the model's analysis settled.
        acted: The LLM's action that the response carries out.
        cut: Whether the response ran out of tokens, so that a part of it may be missing.
        prompt_tokens: Tokens of the prompt; None if unknown.
        used_tokens: Tokens of the quota that were used before.
        phases: The phases of writing, in order.
        retries: How often the matrix was written again.
        retry: How the answer was written once more because it did not obey; None if it was not.
        repairs: What had to be repaired to read the chain.
        decimals: Decimals of the payoffs in the edited matrix; None if there is none, or in old
            records.
        belief: Probability of each action of the user, as the chain states it; None if it states
            none.
        decided_ms: Milliseconds that the decision took; None if there is none, or in old records.
        form: The game; that of the matrix, if there is one.
    """

    id: str
    created: str
    model: str
    backend: str
    mode: Mode
    resume: Resume
    policy: str
    policy_hash: str
    steered: bool
    reason: str | None = None
    stated: Bimatrix | None = None
    edited: Bimatrix | None = None
    terms: tuple[Term, ...] = ()
    expected: Mapping[str, ActionTokens] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    before: Recommendation | None = None
    after: Recommendation | None = None
    chosen: str | None = None
    acted: str | None = None
    cut: bool = False
    prompt_tokens: int | None = None
    used_tokens: int = 0
    phases: tuple[Phase, ...] = ()
    retries: int = 0
    retry: Retried | None = None
    repairs: tuple[Repair, ...] = ()
    decimals: int | None = None
    decided_ms: float | None = None
    belief: Mapping[str, float] | None = field(default=None, hash=False)
    form: GameForm = USER_LLM

    def __post_init__(self) -> None:
        game = self.stated or self.edited
        if game is not None:
            object.__setattr__(self, "form", game.form)

    @property
    def flipped(self) -> bool:
        """Whether the edit moved the choice to another action of the LLM."""
        if self.before is None or self.after is None:
            return False
        return self.before.action != self.after.action

    @property
    def obeyed(self) -> bool | None:
        """Whether the response of a steered answer carries out the chosen action.

        None if nobody can tell: the answer was not steered, no action can be read from the
        response, or it ran out of tokens before it did what was chosen.
        """
        if not self.steered or self.acted is None or self.after is None:
            return None
        if self.acted == self.after.action:
            return True
        return None if self.cut else False

    @property
    def passed(self) -> bool:
        """Whether the answer is the engine's own, because no chain came of it."""
        return any(phase.name == PASSED for phase in self.phases)

    @property
    def unserved(self) -> tuple[Phase, ...]:
        """The phases that wrote the response which a retry left unserved."""
        if self.retry is None:
            return ()
        if self.retry.served == "first":
            return tuple(phase for phase in self.phases if phase.again)
        return tuple(phase for phase in self.phases if phase.name in (FROM_MATRIX, ASKED_AGAIN))

    def timeless(self) -> "Decision":
        """The decision without its times, so that equal answers have equal decisions."""
        phases = tuple(replace(phase, ms=None) for phase in self.phases)
        return replace(self, created="", phases=phases, decided_ms=None)

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal.

        A game other than ``USER_LLM`` is written as ``form``, as a file of the game has it.
        """
        record = dict(zip(_FIELDS, _VALUES(self), strict=True))
        for name in _OWN_JSON:
            record[name] = None if record[name] is None else record[name].to_json()
        record["terms"] = [term.to_json() for term in self.terms]
        record["expected"] = {a: dict(vars(tokens)) for a, tokens in self.expected.items()}
        record["sources"] = dict(self.sources)
        record["phases"] = [phase.to_json() for phase in self.phases]
        record["repairs"] = [{"kind": r.kind, "position": r.position} for r in self.repairs]
        record["form"] = None if self.form == USER_LLM else form_to_json(self.form)
        return record

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "Decision":
        """Read what `to_json` wrote; unknown fields are ignored.

        Raises:
            DataError: A field is missing or of the wrong type; the message names it.
        """
        given = Fields(source)
        form = given.known("form", lambda name: _form(given.object(name))) or USER_LLM
        expected, sources = given.object("expected"), given.object("sources")
        return cls(
            id=given.text("id"),
            created=given.text("created"),
            model=given.text("model"),
            backend=given.text("backend"),
            mode=given.choice("mode", _MODES),
            resume=given.choice("resume", _RESUMES),
            policy=given.text("policy"),
            policy_hash=given.text("policy_hash"),
            steered=given.flag("steered"),
            reason=given.known("reason", given.text),
            stated=given.known("stated", lambda name: _game(given, name, form)),
            edited=given.known("edited", lambda name: _game(given, name, form)),
            terms=tuple(Term.from_json(term) for term in given.objects("terms")),
            expected={action: _tokens(expected, action) for action in expected.names()},
            sources={action: sources.text(action) for action in sources.names()},
            before=given.known("before", lambda n: Recommendation.from_json(given.object(n))),
            after=given.known("after", lambda n: Recommendation.from_json(given.object(n))),
            chosen=given.known("chosen", given.text),
            acted=given.known("acted", given.text),
            cut=given.known("cut", given.flag) or False,
            prompt_tokens=given.known("prompt_tokens", given.count),
            used_tokens=given.count("used_tokens"),
            phases=tuple(Phase.from_json(phase) for phase in given.objects("phases")),
            retries=given.count("retries"),
            retry=given.known("retry", lambda name: Retried.from_json(given.object(name))),
            repairs=tuple(
                Repair(repair.text("kind"), repair.count("position"))
                for repair in given.objects("repairs")
            ),
            decimals=given.known("decimals", given.count),
            decided_ms=given.known("decided_ms", given.number),
            form=form,
            belief=given.known("belief", given.shares),
        )


_FIELDS: Final = tuple(f.name for f in fields(Decision))
_VALUES: Final = attrgetter(*_FIELDS)


def _form(given: Fields) -> GameForm:
    try:
        return form_from_json(given.source)
    except GameError as error:
        raise DataError(f"'form' is no game: {error}") from error


def _game(given: Fields, name: str, form: GameForm) -> Bimatrix:
    try:
        return Bimatrix.from_json(given.object(name).source, form)
    except GameError as error:
        raise DataError(f"{name!r} is no payoff matrix: {error}") from error


def _tokens(expected: Fields, action: str) -> ActionTokens:
    try:
        return ActionTokens.model_validate(expected.object(action).source)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        message = f"'expected.{action}.{place}': {error.errors()[0]['msg']}"
        raise DataError(message.replace("\n", " ")) from error
