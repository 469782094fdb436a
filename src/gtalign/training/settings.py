"""Settings of the stages of training; reading them loads no torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from gtalign.config import Config


class LoRASettings(Config):
    """Low-rank updates of all linear layers in place of the whole network (peft)."""

    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class HardwareSettings(Config):
    """Where and how a stage computes; the defaults are a CPU's.

    ``accumulation`` splits each batch into as many parts that are computed one after the other.
    """

    gpu: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    accumulation: PositiveInt = 1


class SFTSettings(Config):
    """Settings of supervised training; lengths in tokens.

    ``completion_only`` leaves the prompt out of the loss. Set it to false for a model from scratch,
    which sees no other language than its prompts and completions. With a
    ``matrix_learning_rate``, Muon trains the matrices; without one, AdamW trains all weights.
    ``packing`` fills each row of a batch with several examples, kept apart by their positions.
    Examples of more than ``max_length`` tokens are left out with a warning (``too_long = "drop"``)
    or are cut at the end, so that they lose the response (``"cut"``). ``report_to`` names trackers
    that also get the metrics, as transformers knows them: ``wandb``, ``tensorboard``, ``trackio``.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 32
    learning_rate: PositiveFloat = 3e-3
    matrix_learning_rate: PositiveFloat | None = None
    max_length: PositiveInt = 512
    too_long: Literal["drop", "cut"] = "drop"
    completion_only: bool = True
    save_steps: PositiveInt = 100
    packing: bool = False
    report_to: tuple[str, ...] = ()
    lora: LoRASettings | None = None
    hardware: HardwareSettings = HardwareSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.batch % self.hardware.accumulation:
            raise ValueError(
                f"batch ({self.batch}) has to be a multiple of hardware.accumulation"
                f" ({self.hardware.accumulation})"
            )
        if self.lora is not None and self.matrix_learning_rate is not None:
            raise ValueError("lora learns by AdamW; leave out matrix_learning_rate")
        return self


class RLSettings(Config):
    """Settings of reinforcement learning; lengths in tokens.

    One step draws ``group`` completions for each of ``questions`` questions. With ``vllm`` they are
    drawn by vLLM in the same process (TRL's colocate mode), which gets the share ``vllm_memory`` of
    the GPU. ``scale_rewards`` is TRL's: what the advantages of a group are divided by, the
    deviation of its rewards (``group``), that of the batch's, or ``none``. By default it is
    ``none`` where rewards are normalised per task, and else ``group``. ``report_to`` names trackers
    as in `SFTSettings`.
    """

    steps: PositiveInt = 80
    questions: PositiveInt = 8
    group: PositiveInt = 8
    learning_rate: PositiveFloat = 1e-3
    temperature: PositiveFloat = 1.0
    beta: NonNegativeFloat = 0.0
    max_completion: PositiveInt = 240
    scale_rewards: Literal["group", "batch", "none"] | None = None
    save_steps: PositiveInt = 20
    lora: LoRASettings | None = None
    hardware: HardwareSettings = HardwareSettings()
    report_to: tuple[str, ...] = ()
    vllm: bool = False
    vllm_memory: Annotated[float, Field(gt=0, lt=1)] = 0.3

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.questions * self.group % self.hardware.accumulation:
            raise ValueError(
                f"questions * group ({self.questions * self.group}) has to be a multiple of"
                f" hardware.accumulation ({self.hardware.accumulation})"
            )
        if self.vllm and not self.hardware.gpu:
            raise ValueError("vllm needs a GPU: set hardware.gpu")
        return self
