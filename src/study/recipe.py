"""Recipe: every knob that decides what one training computes, each spelt once, with range, default, unit and source.

A knob that would change nothing for the chosen model, optimizer, schedule or loss is refused by its name. What needs
torch to be known (a model by import path, the kind of a data set) is refused by `study.engine.check` in the same words.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.errors import RecipeError

Activation = Literal[
    "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus",
    "relu6", "hardswish", "identity",
]  # fmt: skip
Init = Literal[
    "default", "zero", "normal", "uniform", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
    "orthogonal",
]  # fmt: skip
Optimizer = Literal[
    "sgd", "adam", "adamw", "nadam", "radam", "adamax", "adagrad", "adadelta", "adafactor", "rmsprop", "rprop", "asgd",
]  # fmt: skip
Schedule = Literal["constant", "step", "exponential", "cosine", "warm_restarts", "cyclic", "one_cycle", "plateau"]
Probability = Annotated[float, Field(ge=0, lt=1)]
Window = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]  # epochs, counted from 1, both included

# Which knobs a choice makes use of. A knob that any choice of its group uses is refused with the others.
USED_BY: dict[str, dict[str, frozenset[str]]] = {
    "model": {
        "mlp": frozenset({"hidden", "activation", "dropout_dense", "batch_norm"}),
        "logistic": frozenset(),
        "cnn2": frozenset({"activation", "dropout_conv", "dropout_dense", "batch_norm"}),
        "cnn3": frozenset({"activation", "dropout_conv", "dropout_dense", "batch_norm"}),
    },
    "optimizer": {
        "sgd": frozenset({"momentum", "dampening", "nesterov", "weight_decay"}),
        "adam": frozenset({"beta1", "beta2", "eps", "amsgrad", "weight_decay"}),
        "adamw": frozenset({"beta1", "beta2", "eps", "amsgrad", "weight_decay"}),
        "nadam": frozenset({"beta1", "beta2", "eps", "momentum_decay", "weight_decay"}),
        "radam": frozenset({"beta1", "beta2", "eps", "weight_decay"}),
        "adamax": frozenset({"beta1", "beta2", "eps", "weight_decay"}),
        "adagrad": frozenset({"lr_decay", "initial_accumulator_value", "eps", "weight_decay"}),
        "adadelta": frozenset({"rho", "eps", "weight_decay"}),
        "adafactor": frozenset({"weight_decay"}),
        "rmsprop": frozenset({"alpha", "momentum", "centered", "eps", "weight_decay"}),
        "rprop": frozenset(),
        "asgd": frozenset({"weight_decay"}),
    },
    "schedule": {
        "constant": frozenset(),
        "step": frozenset({"step_size", "gamma", "schedule_interval"}),
        "exponential": frozenset({"gamma", "schedule_interval"}),
        "cosine": frozenset({"t_max", "eta_min", "schedule_interval"}),
        "warm_restarts": frozenset({"t_0", "t_mult", "eta_min", "schedule_interval"}),
        "cyclic": frozenset({"max_lr", "step_size_up", "cycle_mode", "cycle_momentum", "schedule_interval"}),
        "one_cycle": frozenset({"total_steps", "pct_start", "cycle_momentum", "schedule_interval"}),
        "plateau": frozenset({"gamma", "patience", "eta_min"}),
    },
    "loss": {
        "cross_entropy": frozenset({"label_smoothing"}),
        "bce": frozenset(),
    },
    "init": {
        **dict.fromkeys(
            ["default", "zero", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"],
            frozenset[str](),
        ),
        "normal": frozenset({"init_scale"}),
        "uniform": frozenset({"init_scale"}),
    },
}
NEEDS = {  # a schedule for which torch knows no sensible default
    "step": ("step_size", "gamma"),
    "exponential": ("gamma",),
    "warm_restarts": ("t_0",),
    "cyclic": ("max_lr",),
}


class Recipe(BaseModel):
    """One training, complete: the same recipe gives the same epochs, to the bit, on the same machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    # Data
    dataset: str = Field(
        default="cifar10", min_length=1, description="a known data set, or the name of one that was imported"
    )
    train_size: int | None = Field(
        default=None, ge=2, description="train on so many examples only, stratified; None is all"
    )
    val_fraction: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the training split held out for validation, stratified by class; "
        "0 trains on all, for a final figure",
    )
    split_seed: int = Field(default=0, ge=0, description="which examples are held out")
    normalize: bool = Field(
        default=False,
        description="subtract the training mean and divide by the standard deviation, per channel (LeCun et al. 1998, "
        "Efficient BackProp, 4.3); without it pixels lie in pixel_range. Tables always are.",
    )
    pixel_range: Literal["unit", "symmetric"] = Field(
        default="unit", description="pixels as [0, 1] or [-1, 1] when normalize is off"
    )
    augment_flip: bool = Field(default=False, description="mirror half of the images, left to right")
    augment_crop: int = Field(
        default=0, ge=0, le=64, description="shift by up to so many pixels either way, filling with zero"
    )
    augment_rotate: float = Field(default=0.0, ge=0, le=180, description="rotate by up to so many degrees either way")
    augment_cutout: int = Field(
        default=0,
        ge=0,
        le=256,
        description="side in pixels of a square set to zero (DeVries and Taylor 2017, arXiv 1708.04552)",
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["full"] = Field(
        default=64, description="examples a step; 'full' is the whole training split, gradient descent proper"
    )

    # Network
    model: str = Field(
        default="cnn3",
        min_length=1,
        description="mlp, logistic, cnn3, cnn2, torchvision:NAME, or an import path such as mypackage.nets:WideNet",
    )
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(100,), description="units of each hidden layer of an mlp"
    )
    activation: Activation = Field(
        default="relu", description="after each hidden layer; softmax runs over its features"
    )
    init: Init = Field(default="default", description="how weights are drawn; biases keep torch's own initialization")
    init_scale: float | None = Field(
        default=None, gt=0, description="standard deviation of init=normal, bound of init=uniform; None is 1"
    )
    batch_norm: bool = Field(default=False, description="batch normalization before each activation")
    dropout_conv: Probability = Field(default=0.0, description="probability of zeroing a value after each conv block")
    dropout_dense: Probability = Field(
        default=0.0, description="probability of zeroing a value after each hidden dense layer"
    )
    dropout_at_test: bool = Field(default=False, description="keep dropout on when evaluating, as some scripts do")

    # Loss
    loss: Literal["cross_entropy", "bce"] = Field(
        default="cross_entropy", description="bce: binary cross-entropy on one output, for two classes"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of a label spread over all (arXiv 1512.00567)"
    )
    l1: float = Field(default=0.0, ge=0, description="adds l1 times the sum of |w| over all weights to the loss")
    l2: float = Field(default=0.0, ge=0, description="adds l2 times the sum of w squared over all weights to the loss")
    grad_clip: float | None = Field(default=None, gt=0, description="largest norm of the whole gradient")

    # Optimizer: torch's names; None is torch's own default
    optimizer: Optimizer = Field(
        default="adam", description="of torch.optim; sgd with batch_size full is gradient descent"
    )
    lr: float = Field(
        default=1e-3, gt=0, description="learning rate; the peak of schedule one_cycle, the base of cyclic"
    )
    momentum: float | None = Field(default=None, ge=0, lt=1, description="of sgd and rmsprop")
    dampening: float | None = Field(default=None, ge=0, le=1, description="of sgd's momentum")
    nesterov: bool = Field(default=False, description="Nesterov's momentum for sgd")
    beta1: float | None = Field(
        default=None, ge=0, lt=1, description="decay of the mean of gradients, of the Adam family"
    )
    beta2: float | None = Field(default=None, ge=0, lt=1, description="decay of the mean of squared gradients")
    eps: float | None = Field(default=None, gt=0, description="added to a denominator")
    amsgrad: bool = Field(default=False, description="of adam and adamw (Reddi et al. 2018)")
    momentum_decay: float | None = Field(default=None, ge=0, description="of nadam")
    rho: float | None = Field(default=None, ge=0, lt=1, description="decay of squared gradients, of adadelta")
    alpha: float | None = Field(default=None, ge=0, lt=1, description="smoothing constant of rmsprop")
    centered: bool = Field(default=False, description="rmsprop by an estimate of the variance")
    lr_decay: float | None = Field(default=None, ge=0, description="of adagrad, a step")
    initial_accumulator_value: float | None = Field(default=None, ge=0, description="of adagrad")
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="coupled L2 (added to the gradient); decoupled with adamw (Loshchilov and Hutter 2019)",
    )

    l1_epochs: Window | None = Field(
        default=None, description="first and last epoch in which l1 acts, such as 11, 20; None is all"
    )
    l2_epochs: Window | None = Field(default=None, description="first and last epoch in which l2 acts")
    weight_decay_epochs: Window | None = Field(
        default=None, description="first and last epoch in which weight_decay acts"
    )

    # Schedule: torch.optim.lr_scheduler's names
    schedule: Schedule = Field(default="constant", description="how the learning rate goes over the training")
    schedule_interval: Literal["epoch", "batch"] = Field(
        default="epoch", description="how often the schedule is stepped"
    )
    warmup_epochs: float = Field(
        default=0.0, ge=0, description="linear warm-up from 0 over so many epochs, per batch, before it"
    )
    gamma: float | None = Field(
        default=None, gt=0, lt=1, description="factor of step and exponential, and of plateau (0.1)"
    )
    step_size: int | None = Field(default=None, ge=1, description="intervals between two steps of schedule step")
    t_max: int | None = Field(default=None, ge=1, description="intervals of half a cosine; None is the whole training")
    eta_min: float | None = Field(
        default=None, ge=0, description="smallest learning rate of cosine, warm_restarts and plateau"
    )
    t_0: int | None = Field(default=None, ge=1, description="intervals to the first warm restart")
    t_mult: int | None = Field(default=None, ge=1, description="factor of the time to the next warm restart; None is 1")
    max_lr: float | None = Field(default=None, gt=0, description="top of schedule cyclic, whose base is lr")
    step_size_up: int | None = Field(
        default=None, ge=1, description="intervals of the rising half of a cycle; None is 2000"
    )
    cycle_mode: Literal["triangular", "triangular2"] = Field(default="triangular", description="of schedule cyclic")
    cycle_momentum: bool = Field(
        default=True,
        description="cyclic and one_cycle move momentum (or beta1) against the learning rate, where there is one",
    )
    total_steps: int | None = Field(
        default=None, ge=1, description="intervals of one_cycle; None is the whole training"
    )
    pct_start: float | None = Field(default=None, gt=0, lt=1, description="rising share of one_cycle; None is 0.3")
    patience: int | None = Field(
        default=None, ge=0, description="epochs without a better val_loss before plateau acts; 10"
    )

    # Length, seed, precision
    epochs: int | None = Field(
        default=None, ge=1, description="passes over the training split; 10 when steps is not given"
    )
    steps: int | None = Field(default=None, ge=1, description="steps of the optimizer, instead of epochs")
    seed: int = Field(default=0, ge=0, lt=2**63, description="decides initial weights, order, dropout and augmentation")
    precision: Literal["float32", "bfloat16", "float64"] = Field(
        default="float32", description="of the computation; bfloat16 is torch.autocast over float32 weights"
    )

    @model_validator(mode="before")
    @classmethod
    def _default_length(cls, data: Any) -> Any:
        """Without steps, epochs are 10: the default must not clash with steps."""
        if not isinstance(data, dict):
            return data
        knobs = cast("dict[str, Any]", data)
        return {**knobs, "epochs": 10} if knobs.get("epochs") is None and knobs.get("steps") is None else knobs

    @model_validator(mode="after")
    def _knobs_have_an_effect(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("epochs and steps exclude each other: give one")
        for group, used_by in USED_BY.items():
            self.refuse_unused(group, used_by)
        for knob in NEEDS.get(self.schedule, ()):
            if getattr(self, knob) is None:
                raise ValueError(f"schedule={self.schedule} needs {knob}")
        if self.schedule == "plateau" and not self.val_fraction:
            raise ValueError("schedule=plateau needs validation examples: val_fraction above 0")
        for knob in ("nesterov", "dampening"):
            if getattr(self, knob) and not self.momentum:
                raise ValueError(f"{knob} has no effect without momentum")
        if self.nesterov and self.dampening:
            raise ValueError("nesterov excludes dampening")
        if self.normalize and self.pixel_range != "unit":
            raise ValueError("pixel_range has no effect with normalize")
        if self.dropout_at_test and not (self.dropout_conv or self.dropout_dense):
            raise ValueError("dropout_at_test has no effect without dropout")
        if not self.cycle_momentum and not (self.momentum or "beta1" in USED_BY["optimizer"][self.optimizer]):
            raise ValueError(f"cycle_momentum has no effect: optimizer={self.optimizer} has no momentum here")
        if self.beta1 is not None and self.schedule in {"cyclic", "one_cycle"} and self.cycle_momentum:
            raise ValueError(f"beta1 has no effect with schedule={self.schedule} unless cycle_momentum is off")
        if self.optimizer == "rprop" and self.schedule != "constant":
            raise ValueError(f"schedule={self.schedule} has no effect with optimizer=rprop, which finds its own steps")
        if self.max_lr is not None and self.max_lr <= self.lr:
            raise ValueError("max_lr must be above lr")
        for penalty in ("l1", "l2", "weight_decay"):
            self._refuse_idle_window(penalty)
        return self

    def _refuse_idle_window(self, penalty: str) -> None:
        """Refuse the epochs of a penalty in which nothing would act."""
        knob = f"{penalty}_epochs"
        window: Window | None = getattr(self, knob)
        if window is None:
            return
        if not getattr(self, penalty):
            raise ValueError(f"{knob} has no effect without {penalty}")
        if window[0] > window[1]:
            raise ValueError(f"{knob}: {window[1]}, the last epoch, is before the first, {window[0]}")
        if self.epochs is not None and window[0] > self.epochs:
            raise ValueError(f"{knob} has no effect: {window[0]}, the first epoch, is after the last, {self.epochs}")

    def refuse_unused(self, group: str, used_by: dict[str, frozenset[str]]) -> None:
        """Refuse, by name, a knob of the group that differs from its default but that the choice does not use.

        Args:
            group: the field that chooses, such as "optimizer".
            used_by: for each choice, the knobs that it uses; a choice not listed is not judged.

        Raises:
            ValueError: the knob, its value and the choices that do use it.

        """
        choice = getattr(self, group)
        if choice not in used_by:
            return
        for knob in sorted(frozenset[str]().union(*used_by.values()) - used_by[choice]):
            value = getattr(self, knob)
            if value != type(self).model_fields[knob].default:
                users = ", ".join(name for name, knobs in used_by.items() if knob in knobs)
                raise ValueError(f"{knob}={value} has no effect with {group}={choice} (only with {users})")


def has_own_model(recipe: Recipe) -> bool:
    """Tell whether the network is a person's own, by import path: it may be another one tomorrow."""
    return ":" in recipe.model and not recipe.model.startswith("torchvision:")


def within(window: Window | None, epoch: int) -> bool:
    """Tell whether an epoch, counted from 1, lies in a window; None is the whole training."""
    return window is None or window[0] <= epoch <= window[1]


def to_json(recipe: BaseModel) -> str:
    """Write a recipe (ours, or any frozen pydantic model) as JSON, all knobs in the order of their fields."""
    return recipe.model_dump_json(indent=2) + "\n"


def fingerprint(recipe: BaseModel) -> str:
    """First 16 hex digits of the sha256 of the recipe: equal recipes, equal fingerprints."""
    canonical = json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()[:16]


def explain(error: ValidationError) -> RecipeError:
    """Turn pydantic's report into one line that names each knob and what is wrong with it."""
    parts: list[str] = []
    for item in error.errors():
        knob = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            parts.append(f"unknown knob {knob!r}")
        elif item["type"] == "value_error":
            parts.append(str(item["ctx"]["error"]) if "ctx" in item else item["msg"])
        else:
            parts.append(f"{knob}={item['input']!r}: {item['msg'][:1].lower()}{item['msg'][1:]}")
    return RecipeError("; ".join(dict.fromkeys(parts)))
