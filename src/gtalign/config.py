"""Configurations: small frozen models, read from TOML files and ``key=value`` overrides.

A configuration is data alone; other modules build models and judges from it. A run writes its
complete configuration into its directory. An unknown key is an error that names the nearest one.
"""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from gtalign.errors import ConfigError

__all__ = [
    "CONFIGS",
    "Beside",
    "Config",
    "Files",
    "Name",
    "Share",
    "beside",
    "dump",
    "find",
    "load",
    "load_table",
    "merge",
    "read_table",
    "shipped",
    "shown",
    "unknown_keys",
    "visible",
]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_JOINERS = "\u200c\u200d"  # between letters of some scripts, and in emoji
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of Unicode
_USER: Final = re.compile(
    r"(?<=//)[^\s/?#@'\"]+@|(?<![^\s'\"=,(\[{])[^\s/@:'\"=,(\[{]+:[^\s/@'\"]+@"
)
"""The user information of an address, with a scheme or without."""

_MOST_PROBLEMS = 20  # that one message tells of
CONFIGS = Path(__file__).with_name("configs")
"""The folder of what comes with the package."""


class Config(BaseModel):
    """Base of every configuration: frozen, and closed to keys it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys that a configuration of this class may have."""
        return tuple(cls.model_fields)


C = TypeVar("C", bound=Config)

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A setting between 0 and 1."""


def visible(name: str) -> str:
    """Return a name that people can read.

    Raises:
        ValueError: It is blank, begins or ends with a space, or holds control characters or those
            that set a direction of writing.
    """
    kinds = [unicodedata.category(c) for c in name if c not in _JOINERS]
    if all(kind[0] in "ZC" for kind in kinds):
        raise ValueError("a name has a character that can be seen")
    if name != name.strip():
        raise ValueError("a name has no space at its beginning or end")
    if not _HIDDEN.isdisjoint(kinds):
        raise ValueError("a name has no control characters and none that set a direction")
    return name


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(visible)]
"""A name that people read in lists, of 80 characters at most."""

Files = Annotated[tuple[Path, ...], Field(min_length=1)]
"""One file or more."""


def beside(path: Path, info: ValidationInfo) -> Path:
    """Return a file that a configuration names: the one beside the configuration, if it is there.

    Args:
        path: The path as it was written.
        info: Holds the configuration's folder; without one, the path stays as it is.
    """
    folder = (info.context or {}).get("folder")
    return found if folder is not None and (found := folder / path).is_file() else path


Beside = Annotated[Path, AfterValidator(beside)]
"""A file that is looked for in the folder of the configuration, then in the current folder."""


def shipped(kind: str) -> dict[str, Path]:
    """Return the configurations that come with the package, by name.

    Args:
        kind: What they configure: a command (``lab``, ``eval``, ...), ``judges``, ``reward`` or
            ``policies``.
    """
    return {file.stem: file for file in sorted((CONFIGS / kind).glob("*.toml"))}


def find(kind: str, source: str | Path) -> Path:
    """Return the file of a configuration: a path, or the name of one that comes with the package.

    A text that ends in ``.toml`` or has a folder in it is a path. A run directory stands for its
    ``config.toml``.

    Args:
        kind: What it configures, as for `shipped`.
        source: The path or the name.

    Raises:
        ConfigError: There is no such file or name; the message lists the names.
    """
    path, known = Path(source), shipped(kind)
    if path.is_dir() and (path / "config.toml").is_file():
        return path / "config.toml"
    if path.suffix != ".toml" and path.name == str(source) and not path.is_file():
        if str(source) in known:
            return known[str(source)]
        near = difflib.get_close_matches(str(source), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else _names(known)
        raise ConfigError(f"no configuration {str(source)!r}; {advice}")
    if not path.exists():
        advice = f"did you mean the name {path.stem!r}?" if path.stem in known else _names(known)
        raise ConfigError(f"{path}: no such file; {advice}")
    return path


def _names(known: Mapping[str, Path]) -> str:
    return f"name a TOML file, or one that comes with the package: {', '.join(known)}"


def load(
    cls: type[C],
    file: Path | str | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> C:
    """Build a configuration from its defaults, a TOML file, options and overrides, in that order.

    Args:
        cls: The configuration's class.
        file: A TOML file; without one, the defaults are the start.
        overrides: ``key=value`` strings. A key may name a nested table (``reward.aggregate``), a
            value is read as a TOML value and, where it is none, taken as the text it is.
        options: Options of a command line, by key: the name of the option and its value. A value
            of None was not given.

    Raises:
        ConfigError: The file cannot be read, is no TOML (the message names the line), or a key is
            unknown, missing or of the wrong type (the message names the key, where it came from,
            and what would be right).
    """
    file = None if file is None else Path(file)
    table = {} if file is None else read_table(file)
    sources = {} if file is None else {key: str(file) for key in _leaves(table)}
    for key, (option, value) in options.items():
        if value is not None:
            _insert(table, key, value, option)
            sources[key] = option
    for override in overrides:
        key, value = _split(override)
        sources[key] = f"override {_withheld(override)!r}"
        _insert(table, key, value, sources[key])
    return _validated(cls, table, file, sources, None if file is None else file.parent)


def load_table(cls: type[C], table: Mapping[str, Any], origin: str) -> C:
    """Build a configuration from a table that was read elsewhere.

    Args:
        cls: The configuration's class.
        table: Its keys.
        origin: Where it came from, for messages.

    Raises:
        ConfigError: A key is unknown, missing or of the wrong type; the message names it.
    """
    return _validated(cls, table, origin, {})


def unknown_keys(cls: type[Config], table: Mapping[str, Any], origin: str) -> list[str]:
    """Return what is wrong with each key of a table that a configuration does not know.

    What is missing, or of the wrong type, does not count.

    Args:
        cls: The configuration's class.
        table: Its keys.
        origin: Where it came from, for messages.
    """
    try:
        cls.model_validate(table)
    except ValidationError as error:
        unknown = [e for e in error.errors(include_url=False) if e["type"] == "extra_forbidden"]
        places = (list(map(str, e["loc"])) for e in unknown)
        return [
            f"{origin}: unknown key {'.'.join(place)!r}{_suggest(cls, place)}" for place in places
        ]
    return []


def _validated(
    cls: type[C],
    table: Mapping[str, Any],
    file: Path | str | None,
    sources: Mapping[str, str],
    folder: Path | None = None,
) -> C:
    try:
        return cls.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(_explain(cls, error, file, sources)) from error


def dump(config: Config) -> str:
    """Return the configuration as TOML text, complete; ``load`` reads it back equal.

    TOML has no null: keys that are None are left out, so None has to be their default.

    Raises:
        ConfigError: A key is None although its default is another value.
    """
    return tomli_w.dumps(_plain(config, ()))


def _plain(config: Config, path: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a configuration as TOML knows them, scalars before tables."""
    scalars: dict[str, Any] = {}
    tables: dict[str, Any] = {}  # and arrays of tables
    values = config.model_dump(mode="json")
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if value is None:
            if field.is_required() or field.get_default(call_default_factory=True) is not None:
                key = ".".join((*path, name))
                raise ConfigError(f"{key}: None cannot be written as TOML; it is not the default")
        elif isinstance(value, Config):
            tables[name] = _plain(value, (*path, name))
        elif isinstance(value, tuple) and any(isinstance(item, Config) for item in value):
            tables[name] = [
                _plain(item, (*path, name, str(index))) for index, item in enumerate(value)
            ]
        elif isinstance(value, Mapping) and any(isinstance(v, Config) for v in value.values()):
            tables[name] = {key: _plain(v, (*path, name, key)) for key, v in value.items()}
        else:
            scalars[name] = values[name]
    return scalars | (config.model_extra or {}) | tables


def merge(base: Mapping[str, Any], given: Any) -> Any:
    """Return a table with the given values in place of its own, table by table.

    Anything but a table takes the place of the whole.
    """
    if not isinstance(given, Mapping):
        return given
    merged = {**base, **given}
    for key in base.keys() & given.keys():
        if isinstance(base[key], Mapping):
            merged[key] = merge(base[key], given[key])
    return merged


def read_table(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: It cannot be read, or is no TOML; the message names the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{file}: cannot read this configuration: {reason}") from error
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also a number of more digits than Python reads
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply for a configuration") from None


def _leaves(table: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the dotted names of all keys of a table, those of nested tables included."""
    names = []
    for key, value in table.items():
        name = f"{path}{key}"
        names.append(name)
        if isinstance(value, Mapping):
            names.extend(_leaves(value, f"{name}."))
    return names


def _split(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not _BARE_KEY.fullmatch(key):
        raise ConfigError(
            f"override {_withheld(override)!r}: expected key=value, as in reward.aggregate=linear"
        )
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return key, text
    # A text with line breaks could smuggle in further keys; it is then no TOML value.
    return key, parsed["value"] if parsed.keys() == {"value"} else text


def _insert(table: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *parents, last = key.split(".")
    for depth, parent in enumerate(parents, start=1):
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            name = ".".join(key.split(".")[:depth])
            raise ConfigError(f"{origin}: {name} is a value, not a table of keys")
    table[last] = value


def _withheld(text: str) -> str:
    """A text without the user information of the addresses in it, which may hold a password."""
    return _USER.sub("[withheld]@", text)


def shown(value: Any) -> str:
    """A value of any type, as messages show it."""
    try:
        return repr(value)
    except (RecursionError, ValueError):  # lists in lists, or a number of thousands of digits
        return f"a value of type {type(value).__name__} that is too large to show"


def _explain(
    cls: type[Config], error: ValidationError, file: Path | str | None, sources: Mapping[str, str]
) -> str:
    """Return one line that says what is wrong with which key, and what would be right."""
    problems = []
    details = error.errors(include_url=False)
    wrong = {detail["loc"][:-1] for detail in details}
    # pydantic also reports a list all of whose parts are wrong as too short.
    details = [d for d in details if d["type"] != "too_short" or d["loc"] not in wrong]
    for detail in details[:_MOST_PROBLEMS]:
        location = [str(part) for part in detail["loc"]]
        key = ".".join(location)
        origin = _origin(location, sources) or (str(file) if file else "defaults")
        if detail["type"] == "extra_forbidden":
            problem = f"{origin}: unknown key {key!r}{_suggest(cls, location)}"
        elif detail["type"] == "missing":
            problem = f"{origin}: missing key {key!r}"
        else:
            # Of a whole table the message names the keys; its values would bury them.
            whole = not location or isinstance(detail["input"], Mapping)
            given = "" if whole else f", got {shown(detail['input'])}"
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            if detail["type"] == "too_short":
                least = detail["ctx"]["min_length"]
                message = f"has to hold {least} {'value' if least == 1 else 'values'} or more"
            message = message[:1].lower() + message[1:]
            problem = f"{origin}: {key}: {message}{given}" if key else f"{origin}: {message}"
        problems.append(problem.replace("\n", " "))
    return _withheld("; ".join(problems))


def _origin(location: Sequence[str], sources: Mapping[str, str]) -> str | None:
    """Return where a key came from: the longest known prefix of its location decides."""
    for length in range(len(location), 0, -1):
        source = sources.get(".".join(location[:length]))
        if source is not None:
            return source
    return None


def _suggest(cls: type[Config], location: Sequence[str]) -> str:
    """Return advice on an unknown key: the nearest known key, or the list of known ones."""
    *parents, unknown = location
    parents = [parent for parent in parents if not parent.isdigit()]  # places in a list
    owner: type[Config] | None = cls
    keyed: type[Config] | None = None  # of a table whose keys are names of the user's
    for parent in parents:
        if keyed is not None:
            owner, keyed = keyed, None
            continue
        annotation = owner.model_fields[parent].annotation if owner else None
        owner = _model_of(annotation)
        if get_origin(annotation) is dict:
            keyed = _model_of(get_args(annotation)[1])
    if owner is None:
        return ""
    prefix = "".join(f"{parent}." for parent in parents)
    known = owner.known_keys()
    # The very name in another table ("aggregate" for "reward.aggregate") beats all but a twin here.
    elsewhere = [name for name in _paths(cls) if name.rpartition(".")[2] == unknown]
    cutoff = 0.8 if elsewhere else 0.6
    here = [prefix + name for name in difflib.get_close_matches(unknown, known, cutoff=cutoff)]
    candidates = [*elsewhere[:1], *here[:1]]
    if candidates:
        return f"; did you mean {' or '.join(map(repr, candidates))}?"
    return f"; known keys are {', '.join(prefix + name for name in known)}"


def _paths(cls: type[Config], prefix: str = "") -> list[str]:
    """Return the dotted names of all keys that a configuration knows."""
    names = []
    for name in cls.known_keys():
        names.append(prefix + name)
        field = cls.model_fields.get(name)
        nested = None if field is None else _model_of(field.annotation)
        if nested is not None:
            names.extend(_paths(nested, f"{prefix}{name}."))
    return names


def _model_of(annotation: Any) -> type[Config] | None:
    """Return the configuration class in an annotation, as of ``X | None`` or ``tuple[X, ...]``."""
    if get_origin(annotation) in (Union, UnionType, tuple):
        found = [model for part in get_args(annotation) if (model := _model_of(part))]
        return found[0] if len(found) == 1 else None
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    return None
