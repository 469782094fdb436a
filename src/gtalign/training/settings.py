"""Settings of the stages of training; reading them loads no torch."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from gtalign.config import Config, Share


class LoRASettings(Config):
    """Low-rank updates of all linear layers in place of the whole network (peft).

    Keys:
        rank: Rank of the updates.
        alpha: The updates are multiplied by ``alpha`` / ``rank``.
        dropout: Share of the inputs of an update that are set to 0 in training.
    """

    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class HardwareSettings(Config):
    """Where and how a stage computes; the defaults are a CPU's.

    Keys:
        gpu: Whether to compute on a GPU.
        bf16: Whether to compute in bfloat16; the weights stay in 32 bits.
        gradient_checkpointing: Whether to compute the activations inside a layer again, which takes
            less memory and more time.
        accumulation: Number of parts of a batch that are computed one after the other.
    """

    gpu: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    accumulation: PositiveInt = 1

    def check(self, what: str, size: int) -> None:
        """Raise ValueError if a batch of this size has no equal parts."""
        if size % self.accumulation:
            raise ValueError(
                f"{what} ({size}) has to be a multiple of hardware.accumulation"
                f" ({self.accumulation})"
            )


class SFTSettings(Config):
    """Settings of supervised training; lengths in tokens.

    Keys:
        epochs: How often training goes through all examples.
        batch: Examples in one step.
        learning_rate: Learning rate of AdamW.
        matrix_learning_rate: Learning rate of Muon, which then trains the matrices; by default
            AdamW trains all weights.
        warmup: Steps in which the learning rate rises, before it falls as a cosine.
        max_length: Longest example.
        too_long: What happens to longer examples: ``drop`` leaves them out with a warning, ``cut``
            cuts them at the end, so that they lose the response.
        completion_only: Whether to leave the prompt out of the loss. Set it to false for a model
            from scratch, which sees no other language than its prompts and completions.
        save_steps: Steps between two checkpoints.
        checkpoints: Address that gets a copy of the newest checkpoint, such as ``s3://bucket/run``;
            a run whose folder is gone resumes from there. By default there are no copies.
        packing: Whether to fill each row of a batch with several examples, kept apart by their
            positions.
        report_to: Trackers that also get the metrics, as transformers knows them: ``wandb``,
            ``tensorboard``, ``trackio``.
        lora: Low-rank updates; by default the whole network learns.
        hardware: Where and how to compute: `HardwareSettings`.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 32
    learning_rate: PositiveFloat = 3e-3
    matrix_learning_rate: PositiveFloat | None = None
    warmup: NonNegativeInt = 20
    max_length: PositiveInt = 512
    too_long: Literal["drop", "cut"] = "drop"
    completion_only: bool = True
    save_steps: PositiveInt = 100
    checkpoints: str | None = None
    packing: bool = False
    report_to: tuple[str, ...] = ()
    lora: LoRASettings | None = None
    hardware: HardwareSettings = HardwareSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.hardware.check("batch", self.batch)
        if self.lora is not None and self.matrix_learning_rate is not None:
            raise ValueError("lora learns by AdamW; leave out matrix_learning_rate")
        return self


class DPOSettings(Config):
    """Settings of training on preferences; lengths in tokens.

    Keys:
        epochs: How often training goes through all pairs.
        batch: Pairs in one step.
        learning_rate: Learning rate of AdamW.
        beta: How strongly the model is held to what it was at the start.
        likelihood: Weight of the likelihood of the better answers, which are learned beside the
            preferences. Without it a model may lose the better answer together with the worse one
            (arXiv 2404.19733).
        max_length: Longest prompt with an answer. Pairs with a longer one are left out with a
            warning: what would be cut off is where the two differ.
        save_steps: Steps between two checkpoints.
        checkpoints: Address that gets a copy of the newest checkpoint, such as ``s3://bucket/run``;
            a run whose folder is gone resumes from there. By default there are no copies.
        report_to: Trackers that also get the metrics, as transformers knows them: ``wandb``,
            ``tensorboard``, ``trackio``.
        lora: Low-rank updates; by default the whole network learns, beside a copy of the start.
        hardware: Where and how to compute: `HardwareSettings`.
    """

    epochs: PositiveInt = 1
    batch: PositiveInt = 16
    learning_rate: PositiveFloat = 1e-5
    beta: PositiveFloat = 0.1
    likelihood: NonNegativeFloat = 1.0
    max_length: PositiveInt = 1536
    save_steps: PositiveInt = 100
    checkpoints: str | None = None
    report_to: tuple[str, ...] = ()
    lora: LoRASettings | None = None
    hardware: HardwareSettings = HardwareSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.hardware.check("batch", self.batch)
        return self


class GuardSettings(Config):
    """When reinforcement learning counts as diverged and stops itself; means over some steps.

    Keys:
        window: Number of logged steps in a mean.
        welfare: Stops if W falls below this share of its best mean so far; 0 never stops.
        malformed: Stops if the share of answers that are no chain rises by more than this above
            its lowest mean so far; 1 never stops.
        tokens: Stops if an answer has more than this many times the tokens of the lowest mean so
            far; ``inf`` never stops.
        kl: Stops if the KL divergence from the start is larger, in nats; ``inf`` never stops. It is
            known where ``rl.beta`` is not 0.
    """

    window: PositiveInt = 10
    welfare: Share = 0.5
    malformed: Share = 0.5
    tokens: Annotated[float, Field(gt=1)] = 3.0
    kl: PositiveFloat = 10.0


class RLSettings(Config):
    """Settings of reinforcement learning; lengths in tokens.

    Keys:
        steps: Number of steps.
        questions: Questions in one step.
        group: Completions that a step draws for each question.
        learning_rate: Learning rate of AdamW.
        temperature: Sampling temperature of the completions.
        beta: Weight of the divergence from the model at the start; 0 keeps no copy of it.
        max_completion: Longest completion.
        scale_rewards: What TRL divides the advantages of a group by: the deviation of its rewards
            (``group``), that of all rewards of the step (``batch``), or nothing (``none``). By
            default ``none`` if rewards are normalised per task, else ``group``.
        save_steps: Steps between two checkpoints.
        checkpoints: Address that gets a copy of the newest checkpoint, such as ``s3://bucket/run``;
            a run whose folder is gone resumes from there. By default there are no copies.
        lora: Low-rank updates; by default the whole network learns.
        hardware: Where and how to compute: `HardwareSettings`.
        report_to: Trackers that also get the metrics, as transformers knows them: ``wandb``,
            ``tensorboard``, ``trackio``.
        vllm: Whether vLLM draws the completions; without ``vllm_server``, in the same processes
            (TRL's colocate mode).
        vllm_memory: Share of the GPU's memory for vLLM in the same processes.
        vllm_server: Address of a vLLM server on GPUs of its own, as `trl vllm-serve` starts it.
        counterfactual: Share of the groups whose matrix is edited before the model goes on; they
            are rewarded for obeying the edited matrix.
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
    checkpoints: str | None = None
    lora: LoRASettings | None = None
    hardware: HardwareSettings = HardwareSettings()
    report_to: tuple[str, ...] = ()
    vllm: bool = False
    vllm_memory: Annotated[float, Field(gt=0, lt=1)] = 0.3
    vllm_server: str | None = None
    counterfactual: Share = 0.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.hardware.check("questions * group", self.questions * self.group)
        if self.vllm and not self.hardware.gpu:
            raise ValueError("vllm needs a GPU: set hardware.gpu")
        if self.vllm_server is not None and not self.vllm:
            raise ValueError("vllm_server is the address for vllm = true: set it")
        if self.vllm and self.counterfactual:
            raise ValueError("counterfactual groups are drawn by transformers; leave out vllm")
        return self
