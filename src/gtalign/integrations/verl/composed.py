"""verl's own configuration, put together and checked by verl's own Hydra."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from gtalign.errors import ConfigError

_NUMBERS: Final = {int, float, bool}


def compose(overrides: Sequence[str]) -> Any:
    """Return verl's configuration with some keys changed.

    Args:
        overrides: ``key=value`` as verl's command line takes them.

    Raises:
        ConfigError: verl knows no such key, or refuses a value; its own message is part of this.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_module("verl.trainer.config", version_base=None):
            return hydra_compose("ppo_trainer", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"verl refuses the configuration: {error}") from error


def checked(overrides: Sequence[str]) -> None:
    """Let verl check a configuration by its own schema and rules, as it does before it trains.

    Args:
        overrides: As for `compose`.

    Raises:
        ConfigError: verl refuses it.
    """
    from hydra.errors import HydraException
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    config = compose(overrides)
    if find_spec("vllm") is None:
        # verl asks vLLM which ranks of LoRA it takes, and fails where there is none.
        config.actor_rollout_ref.model.lora_rank = 0
    try:
        validate_config(
            config=config,
            use_reference_policy=need_reference_policy(config),
            use_critic=need_critic(config),
        )
        omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
        wrong = "; ".join(_texts_for_numbers(config))
        if wrong:
            raise ValueError(wrong)
    except (AssertionError, TypeError, ValueError, HydraException) as error:
        raise ConfigError(f"verl refuses the configuration: {error}") from error


def _texts_for_numbers(config: Any, place: str = "") -> Iterator[str]:
    """Yield what is a text where verl's schema has a number, which verl itself finds out late."""
    from hydra.utils import get_class
    from omegaconf import DictConfig

    named = config.get("_target_")
    schema = get_class(named) if named and "." in named else None
    if is_dataclass(schema):
        hints = get_type_hints(schema)
        for field in fields(schema):
            hint, value = hints[field.name], config.get(field.name)
            kinds = {*(get_args(hint) or (hint,))} - {NoneType}
            if isinstance(value, str) and kinds <= _NUMBERS:
                yield f"{place}{field.name}: {value!r} is no number"
    for name in config:
        part = config.get(name)
        if isinstance(part, DictConfig):
            yield from _texts_for_numbers(part, f"{place}{name}.")
