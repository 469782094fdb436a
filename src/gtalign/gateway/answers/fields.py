"""The fields of a request for a chat: those that steering reads, drops, or leaves to the engine."""

from collections.abc import Mapping
from typing import Any, Final

from gtalign.gateway.errors import Unsteerable
from gtalign.steering.http import OWNED

READ: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "n", "temperature", "top_p", "top_k"),
        *("seed", "stop", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"),
    }
)
"""Fields with a place of their own in a steered request."""

# What changes no answer here: who asks, what for, and fields that say "as always".
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"),
        *("parallel_tool_calls", "tool_choice", "function_call", "tools", "functions"),
        *("response_format", "modalities", "reasoning_effort", "verbosity"),
    }
)

_ENGINES: Final = OWNED | {
    # what comes beside the text, or instead of it
    *("prompt_logprobs", "n_probs", "return_hidden_states", "return_tokens_as_token_ids"),
    *("return_progress", "post_sampling_probs", "audio", "image_data", "web_search_options"),
    *("verbose", "return_tokens"),
    # how the conversation is rendered
    *("chat_template", "documents", "truncate_prompt_tokens", "mm_processor_kwargs", "prediction"),
    # how the text is searched for, or where it ends
    *("use_beam_search", "length_penalty", "allowed_token_ids", "logits_processors"),
    *("t_max_predict_ms", "n_indent", "response_fields"),
}
"""Fields that a steered answer cannot follow; the engine alone can."""

NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "min_p", "dynatemp_range"), (0,)),
    **dict.fromkeys(("xtc_probability", "dry_multiplier", "mirostat", "mirostat_mode"), (0,)),
    **dict.fromkeys(("repetition_penalty", "repeat_penalty", "typical_p", "typical"), (1,)),
    **dict.fromkeys(("length_penalty", "tfs_z", "tfs"), (1,)),
    **dict.fromkeys(("logit_bias", "lora", "bad_words", "vllm_xargs"), ({}, [])),
    **dict.fromkeys(("chat_template_kwargs", "mm_processor_kwargs", "prediction"), ({},)),
    **dict.fromkeys(("stop_token_ids", "stop_regex", "documents", "response_fields"), ([], "")),
    **dict.fromkeys(("allowed_token_ids", "logits_processors", "image_data"), ([],)),
    **dict.fromkeys(("best_of", "n_cmpl"), (0, 1)),
    **dict.fromkeys(("min_tokens", "n_probs", "n_keep", "n_discard", "n_indent", "min_keep"), (0,)),
    **dict.fromkeys(("ignore_eos", "echo", "use_beam_search", "continue_final_message"), (False,)),
    **dict.fromkeys(("include_stop_str_in_output", "no_stop_trim", "return_token_ids"), (False,)),
    **dict.fromkeys(("return_hidden_states", "return_tokens_as_token_ids"), (False,)),
    **dict.fromkeys(("return_progress", "post_sampling_probs", "timings_per_token"), (False,)),
    **dict.fromkeys(("thinking_forced_open", "logprobs", "verbose", "return_tokens"), (False,)),
    **dict.fromkeys(("add_generation_prompt", "skip_special_tokens", "cache_prompt"), (True,)),
    **dict.fromkeys(("spaces_between_special_tokens", "include_reasoning"), (True,)),
    **dict.fromkeys(("separate_reasoning", "stream_reasoning", "parse_tool_calls"), (True,)),
    "add_special_tokens": (False,),
    **dict.fromkeys(("suffix", "grammar", "ebnf", "regex", "json_schema", "chat_template"), ("",)),
    **dict.fromkeys(("guided_grammar", "guided_regex", "guided_json"), ("",)),
    "guided_choice": ([],),
    **dict.fromkeys(("structured_outputs", "session_params", "kv_transfer_params"), ({},)),
    **dict.fromkeys(("n_predict", "id_slot"), (-1,)),
    "t_max_predict_ms": (0, -1),
    "priority": (0,),
}
"""The values of a field that leave an answer as it is without the field, as does null."""


def extra_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The further parameters of a request, which the engine gets as they are.

    Raises:
        Unsteerable: One of them has a value that a steered answer cannot follow.
    """
    dropped = READ | _WITHOUT_EFFECT
    extra = {key: v for key, v in body.items() if key not in dropped and v is not None}
    for name in sorted(_ENGINES.intersection(extra)):
        if not is_neutral(name, extra.pop(name)):
            raise Unsteerable(
                name,
                f"{name!r} cannot be set for a steered answer: steering decides how its parts are"
                " written; leave it out, or ask the model server itself",
                param=name,
            )
    return extra


def telling(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Those parameters that say something, for a model that refuses all that it does not know."""
    return {name: value for name, value in extra.items() if not is_neutral(name, value)}


def is_neutral(name: str, value: Any) -> bool:
    """Whether a field with this value says nothing."""
    return value is None or value in NEUTRAL.get(name, ())
