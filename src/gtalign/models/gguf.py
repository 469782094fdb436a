"""GGUF files as ordinary models: float weights that can be trained and saved."""

import copy
from typing import TYPE_CHECKING

from gtalign.models.names import Place

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_gguf(place: Place, *, dtype: str = "float32") -> "PreTrainedModel":
    """Load the weights of a GGUF file, dequantised, into an ordinary model.

    transformers marks what it reads from GGUF as quantised, and then neither saves nor trains it,
    although its weights are floats. The weights go into a new model that carries no such mark.

    Args:
        place: Where the file lies.
        dtype: Type of the weights; ``auto`` is float32.

    Raises:
        ImportError: The package ``gguf`` is missing.
        OSError, ValueError: The file cannot be read.
    """
    from transformers import AutoModelForCausalLM, GenerationConfig

    kind = "float32" if dtype == "auto" else dtype
    read = AutoModelForCausalLM.from_pretrained(place.where, dtype=kind, **place.options)
    config = copy.deepcopy(read.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(read)(config)
    model.load_state_dict(read.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = GenerationConfig.from_model_config(config)
    return model.eval()
