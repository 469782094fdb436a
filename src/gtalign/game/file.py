"""Games as TOML files: the actions of both sides, and what is known of those of the LLM.

A file is found by its path, or by name if it comes with the package.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator

from gtalign.config import Config, beside, find, load
from gtalign.errors import ConfigError, GameError
from gtalign.game.form import USER_LLM, GameForm
from gtalign.game.signs import problems_of
from gtalign.game.traits import NO_TRAITS, Asks, Sign, TokenUse, Traits

__all__ = ["GameConfig", "GameSource", "form_from_json", "form_to_json", "load_game"]

KIND: Final = "games"
"""The folder of configurations that holds the games of the package."""

MOST: Final = 12
"""Most actions of a side in a file: a matrix of more is longer than models write without fault."""

_NAME: Final = 40  # characters
_LINE: Final = 300
_TEXT: Final = 200
_TEXTS: Final = 100
_PLAIN: Final = re.compile(rf"[A-Za-z0-9 _.-]{{0,{_NAME}}}")
_Count = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class SignConfig(Config):
    """How a response shows that it carries out an action; all that is given has to hold.

    Keys:
        asks: How its sentences ask: ``no``, ``only``, ``also`` (beside statements), or ``last``
            (the last sentence asks).
        first_line: One of these texts begins the first line, as a whole word and in any case.
        marker: One of these texts is in it, exactly as it is written here.
        words: One of these words or phrases is in it, outside code and quotations, in any case.
        without: None of these texts is in it, in any case.
    """

    asks: Asks | None = None
    first_line: tuple[str, ...] = ()
    marker: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.asks or self.first_line or self.marker or self.words or self.without):
            raise ValueError(f"a sign needs one of the keys {', '.join(Sign._fields)}")
        return self

    def sign(self) -> Sign:
        """Return what the rule reads."""
        return Sign(**self.model_dump())


class TokenConfig(Config):
    """How many tokens an action is expected to take; means, so they need not be whole.

    Keys:
        output: Tokens that the LLM writes in this turn, including its whole chain.
        turns: Further turns that the action causes.
        follow_up: Tokens that the LLM writes in each of those.
        reply: Tokens that the user writes in each of those.
    """

    output: _Count
    turns: _Count = 0.0
    follow_up: _Count = 0.0
    reply: _Count = 0.0


class ActionConfig(Config):
    """One action of the LLM; a text alone is its description.

    Keys:
        description: What it means, in a few words for people and models.
        sign: How a response shows it; None if no rule can read it.
        tokens: Tokens that it is expected to take, until enough answers are measured.
        counts_as: The action of the usual game that policies mean by it: ``DA`` (a full answer),
            ``CQ`` (a question) or ``AQ`` (both).
    """

    description: str
    sign: SignConfig | None = None
    tokens: TokenConfig | None = None
    counts_as: Literal["DA", "CQ", "AQ"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _described(cls, given: Any) -> Any:
        return {"description": given} if isinstance(given, str) else given

    def traits(self) -> Traits:
        """Return what is known of it."""
        return Traits(
            None if self.sign is None else self.sign.sign(),
            None if self.tokens is None else TokenUse(**self.tokens.model_dump()),
            self.counts_as,
        )


class UserActionConfig(Config):
    """One action of the user; a text alone is its description.

    Keys:
        description: What it means, in a few words for people and models.
        counts_as: The action of the usual game that policies mean by it: ``DQ`` (all that an answer
            needs is said) or ``VQ`` (something is left out).
    """

    description: str
    counts_as: Literal["DQ", "VQ"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _described(cls, given: Any) -> Any:
        return {"description": given} if isinstance(given, str) else given


class GameConfig(Config):
    """A game: the actions of the user, which are its rows, and of the LLM, its columns.

    Keys:
        name: Name of the game, by which records say what they are of.
        user: The user's actions, by name.
        llm: The LLM's actions, by name.
    """

    name: str = ""
    user: dict[str, UserActionConfig]
    llm: dict[str, ActionConfig]

    @model_validator(mode="after")
    def _is_a_game(self) -> Self:
        self.form()  # a GameError is a ValueError, and becomes part of the message
        return self

    def form(self) -> GameForm:
        """Return the form of the game."""
        return GameForm(
            {name: action.description for name, action in self.user.items()},
            {name: action.description for name, action in self.llm.items()},
            {name: action.traits() for name, action in self.llm.items()},
            self.name,
            {name: meant for name, action in self.user.items() if (meant := action.counts_as)},
        )


def load_game(source: str | Path | None) -> GameForm:
    """Return the game of a TOML file, or one that comes with the package.

    Args:
        source: The path or the name; None for the game of one assistant turn, ``USER_LLM``.

    Raises:
        ConfigError: There is no such file or name, or the file is wrong; the message names the key.
    """
    if source is None:
        return USER_LLM
    file = find(KIND, source)
    found = load(GameConfig, file)
    problem = next(_problems(found), None)
    if problem is not None:
        raise ConfigError(f"{file}: {problem}")
    return found.form()


def _problems(game: GameConfig) -> Iterator[str]:
    """What a file may not say, although a game of a program may: prompts and pages show it."""
    if not game.name:
        yield "missing key 'name'"
    if not _PLAIN.fullmatch(game.name):
        yield f"name: up to {_NAME} letters, digits, spaces and '_.-', not {game.name[:60]!r}"
    for action, sign in game.form().signs:
        if not all(text.isprintable() and len(text) <= _TEXT for text in sign.texts):
            yield f"llm.{action}.sign: each text is one line of 1 to {_TEXT} characters"
        if len(sign.texts) > _TEXTS:
            yield f"llm.{action}.sign: {len(sign.texts)} texts; a sign has up to {_TEXTS}"
    yield from problems_of(game.form().signs)
    user, llm = dict(game.form().user), dict(game.form().llm)
    for side, actions in (("user", user), ("llm", llm)):
        if len(actions) > MOST:
            yield f"{side}: {len(actions)} actions; a file has up to {MOST}"
        for name, told in actions.items():
            if len(name) > _NAME:
                yield f"{side}: the name {name[:60]!r} is longer than {_NAME} characters"
            if not told.strip() or len(told) > _LINE or not told.isprintable():
                yield f"{side}.{name}: a description is one line of 1 to {_LINE} characters"


def _source(source: str, info: ValidationInfo) -> str:
    file = find(KIND, beside(Path(source), info))
    load_game(file)
    return source if file.name != source and file.stem == source else str(file.resolve())


GameSource = Annotated[str, AfterValidator(_source)]
"""A game in a configuration: a name that comes with the package, or a file beside it."""


def form_to_json(form: GameForm) -> dict[str, Any]:
    """Return a form as an object, which `form_from_json` reads back equal."""
    pairs = zip(form.llm, form.traits, strict=True)
    llm = {name: _action(told, known) for (name, told), known in pairs}
    user = {
        name: told if meant is None else {"description": told, "counts_as": meant}
        for (name, told), meant in zip(form.user, form.user_counts_as, strict=True)
    }
    return {**({"name": form.name} if form.name else {}), "user": user, "llm": llm}


def _action(description: str, known: Traits) -> Any:
    if known == NO_TRAITS:
        return description
    found: dict[str, Any] = {"description": description}
    if known.sign is not None:
        sign = known.sign._asdict().items()
        found["sign"] = {k: list(v) if isinstance(v, tuple) else v for k, v in sign if v}
    if known.tokens is not None:
        found["tokens"] = known.tokens._asdict()
    if known.counts_as is not None:
        found["counts_as"] = known.counts_as
    return found


def form_from_json(given: Mapping[str, Any]) -> GameForm:
    """Read what `form_to_json` wrote; raises GameError that says what is wrong."""
    try:
        return GameConfig.model_validate(given).form()
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
        raise GameError(f"{place}: {message}" if place else message) from error
