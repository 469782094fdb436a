from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from gtalign.config import Config, dump, load
from gtalign.errors import ConfigError


class Window(Config):
    low: int = 20
    high: int = 500

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if self.low > self.high:
            raise ValueError("Low must not exceed high")
        return self


class Reward(Config):
    aggregate: Literal["cobb_douglas", "linear"] = "cobb_douglas"
    window: Window = Window()
    optional: Window | None = None
    weights: dict[str, float] = Field(default_factory=dict)
    tables: dict[str, Window] = Field(default_factory=dict)
    windows: tuple[Window, ...] = ()


class Run(Config):
    name: str = "run"
    steps: Annotated[int, Field(ge=1)] = 10
    rate: float = 1e-4
    rho: float | None = None
    seeds: tuple[int, ...] = (0, 1)
    out: Path = Path("runs")
    reward: Reward = Reward()


class Strict(Config):
    name: str


class Doubtful(Config):
    rho: float | None = 1.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def explain(cls: type[Config], file: Path | None = None, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        load(cls, file, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults() -> None:
    assert load(Run) == Run()


def test_file_then_overrides(file: Path) -> None:
    file.write_text('steps = 3\nname = "a"\n[reward]\naggregate = "linear"\n')
    run = load(Run, file, ["name=b", "reward.window.low=7", "rate=1e-3", "seeds=[4, 5]"])
    assert run.steps == 3
    assert run.name == "b"
    assert run.rate == 1e-3
    assert run.seeds == (4, 5)
    assert run.reward == Reward(aggregate="linear", window=Window(low=7))


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("name=plain", "plain"),
        ('name="quoted"', "quoted"),
        ("name = spaced ", "spaced"),
        ("name=a=b", "a=b"),
        ("name=", ""),
        ("name=x]", "x]"),
        ('name="a"\nsteps = 3', '"a"\nsteps = 3'),
    ],
)
def test_override_values(override: str, name: str) -> None:
    assert load(Run, overrides=[override]) == Run(name=name)


def test_an_override_opens_a_table_that_has_no_default() -> None:
    assert load(Run, overrides=["reward.optional.low=1"]).reward.optional == Window(low=1)
    assert load(Run, overrides=["reward.weights.quality=0.5"]).reward.weights == {"quality": 0.5}


def test_options_come_before_overrides_and_are_named_in_errors(file: Path) -> None:
    file.write_text('name = "of the file"')
    given = {"name": ("--name", 'a "name"'), "reward.aggregate": ("--by", None)}
    assert load(Run, file, options=given).name == 'a "name"'
    assert load(Run, file, ["name=other"], given).name == "other"
    with pytest.raises(ConfigError, match=r"^--name: name: input should be .*, got \[3\]$"):
        load(Run, options={"name": ("--name", [3])})
    with pytest.raises(ConfigError, match=r"^--deep: name is a value, not a table of keys$"):
        load(Run, options={"name": ("--name", "x"), "name.deep": ("--deep", 1)})


@pytest.mark.parametrize("override", ["name", "=3", "a b=3", ".name=3", "reward.=3", ""])
def test_malformed_override(override: str) -> None:
    message = explain(Run, overrides=(override,))
    assert repr(override) in message
    assert "key=value" in message


def test_override_through_a_value(file: Path) -> None:
    file.write_text("reward = 3\n")
    message = explain(Run, file, ("reward.window.low=3",))
    assert "reward is a value, not a table" in message


def test_unknown_key_names_key_file_and_nearest(file: Path) -> None:
    file.write_text("[reward]\nagregate = 'linear'\n")
    message = explain(Run, file)
    expected = f"{file}: unknown key 'reward.agregate'; did you mean 'reward.aggregate'?"
    assert message == expected


def test_unknown_key_of_an_optional_table() -> None:
    message = explain(Run, overrides=("reward.optional.hihg=3",))
    assert "did you mean 'reward.optional.high'?" in message


def test_unknown_key_beside_tables_that_are_no_configuration() -> None:
    message = explain(Run, overrides=("reward.weights.quality.deep=1",))
    assert "reward.weights.quality: " in message
    message = explain(Run, overrides=("reward.tables.first.middle=1",))
    assert message.endswith("known keys are reward.tables.first.low, reward.tables.first.high")


def test_unknown_key_of_a_table_by_name_names_the_nearest() -> None:
    message = explain(Run, overrides=("reward.tables.first.hihg=1",))
    assert message.endswith("did you mean 'reward.tables.first.high'?")


def test_unknown_key_of_a_table_in_a_list(file: Path) -> None:
    file.write_text("[[reward.windows]]\n[[reward.windows]]\nlwo = 1\n", encoding="utf-8")
    message = explain(Run, file)
    assert f"{file}: unknown key 'reward.windows.1.lwo'" in message
    assert "did you mean 'reward.windows.low'?" in message


def test_unknown_key_that_lives_in_another_table() -> None:
    message = explain(Run, overrides=("aggregate=linear",))
    expected = "override 'aggregate=linear': unknown key 'aggregate'"
    assert message == f"{expected}; did you mean 'reward.aggregate'?"


def test_unknown_key_like_no_other_lists_the_known_ones() -> None:
    message = explain(Run, overrides=("reward.window.qqq=1",))
    assert message.endswith("known keys are reward.window.low, reward.window.high")


def test_wrong_type_names_key_and_what_would_be_right(file: Path) -> None:
    file.write_text('steps = "many"\n')
    message = explain(Run, file)
    assert message.startswith(f"{file}: steps: ")
    assert "valid integer" in message
    assert "'many'" in message


def test_wrong_choice_lists_the_choices() -> None:
    message = explain(Run, overrides=("reward.aggregate=mean",))
    assert message.startswith("override 'reward.aggregate=mean': reward.aggregate: ")
    assert "'cobb_douglas' or 'linear'" in message


def test_out_of_range() -> None:
    assert "greater than or equal to 1, got 0" in explain(Run, overrides=("steps=0",))


def test_every_problem_is_named(file: Path) -> None:
    file.write_text("steps = 0\nstep = 3\n")
    message = explain(Run, file, ("rate=fast",))
    assert "steps: " in message
    assert "unknown key 'step'; did you mean 'steps'?" in message
    assert "override 'rate=fast': rate: " in message


def test_rule_over_several_keys(file: Path) -> None:
    file.write_text("low = 9\nhigh = 3\n")
    assert explain(Window, file) == f"{file}: low must not exceed high"
    nested = explain(Run, overrides=("reward.window.low=900",))
    assert "reward.window: low must not exceed high" in nested


def test_missing_key(file: Path) -> None:
    file.write_text("")
    assert explain(Strict, file) == f"{file}: missing key 'name'"
    assert explain(Strict) == "defaults: missing key 'name'"


def test_missing_file(tmp_path: Path) -> None:
    message = explain(Run, tmp_path / "absent.toml")
    assert str(tmp_path / "absent.toml") in message
    assert "No such file" in message


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in explain(Run, tmp_path)


def test_broken_toml_names_the_line(file: Path) -> None:
    file.write_text("steps = 3\nrate = = 4\n")
    message = explain(Run, file)
    assert str(file) in message
    assert "line 2" in message


def test_binary_file(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in explain(Run, file)


def test_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        Run().steps = 4  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Run(stepz=4)  # type: ignore[call-arg]


def test_dump_is_complete() -> None:
    text = dump(Run())
    for key in ("name", "steps", "rate", "seeds", "out", "[reward]", "[reward.window]"):
        assert key in text


def test_dump_leaves_out_none_in_tables_by_name(tmp_path: Path) -> None:
    class Inner(Config):
        low: float | None = None
        high: float = 1.0

    class Outer(Config):
        tables: dict[str, Inner] = {}  # noqa: RUF012

    copy = tmp_path / "copy.toml"
    config = Outer(tables={"a": Inner(), "b": Inner(low=0.5)})
    copy.write_text(dump(config), encoding="utf-8")
    assert load(Outer, copy) == config


def test_dump_refuses_a_none_that_would_not_come_back() -> None:
    with pytest.raises(ConfigError, match="rho"):
        dump(Doubtful(rho=None))


windows = st.builds(Window, low=st.integers(-9, 9), high=st.integers(9, 99))
rewards = st.builds(
    Reward,
    aggregate=st.sampled_from(["cobb_douglas", "linear"]),
    window=windows,
    optional=st.none() | windows,
    weights=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False), max_size=3),
    windows=st.lists(windows, max_size=2).map(tuple),
)
runs = st.builds(
    Run,
    name=st.text(st.characters(exclude_categories=["Cs"])),
    steps=st.integers(1, 2**60),
    rate=st.floats(allow_nan=False),
    rho=st.none() | st.floats(allow_nan=False),
    seeds=st.lists(st.integers(0, 9)).map(tuple),
    out=st.sampled_from([Path("runs"), Path("/tmp/ä b")]),
    reward=rewards,
)


@settings(max_examples=50)
@given(runs)
def test_load_reads_back_what_dump_wrote(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    file = tmp_path_factory.mktemp("config") / "run.toml"
    file.write_text(dump(run), encoding="utf-8")
    assert load(Run, file) == run


def test_files_that_toml_cannot_hold_are_refused_by_name(file: Path) -> None:
    file.write_text("seeds = " + "[" * 100_000, encoding="utf-8")
    assert explain(Run, file) == f"{file}: nested too deeply for a configuration"
    file.write_text("steps = " + "1" * 5_000, encoding="utf-8")
    assert f"{file}: not valid TOML: " in explain(Run, file)


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5_000])
def test_overrides_that_toml_cannot_hold_are_texts(value: str) -> None:
    assert "override" in explain(Run, None, (f"steps={value}",))
    assert load(Run, None, (f"name={value}",)).name == value


def test_a_key_is_told_from_its_twin_in_the_same_table_and_its_namesake_elsewhere() -> None:
    class Hardware(Config):
        gpu: bool = False

    class Cluster(Config):
        gpus: int = 1

    class Both(Config):
        hardware: Hardware = Hardware()
        cluster: Cluster = Cluster()

    with pytest.raises(ConfigError, match=r"did you mean 'hardware\.gpu' or 'cluster\.gpus'"):
        load(Both, None, ["cluster.gpu=4"])
