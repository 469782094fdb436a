"""verl's own configuration, put together and checked by verl's own Hydra."""

from collections.abc import Sequence
from typing import Any

from gtalign.errors import ConfigError


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
