"""Recipe: every knob that decides what one training computes, each spelt once, with range, default, unit and source.

Each knob says at its field when it has an effect (see `study.knobs`). A knob without an effect is refused by its name.
What needs torch or the data to be known is refused by `study.engine.check` in the same words.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Annotated, Any, Literal, Self, cast

# isort: off
# One name per line would take a tenth of the file.
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializationInfo, SerializerFunctionWrapHandler
from pydantic import model_serializer, model_validator

from study.knob_rules import clash_of
from study.knobs import ACTIVATIONS, ADAM_FAMILY, INITS, LOSSES, MODELS, OPTIMIZERS, SCHEDULES, STEPPED
from study.knobs import ALWAYS, ALWAYS_WRITTEN, IMPORT_PATH, Choice, File, Window, changed
from study.knobs import only_with
from study.objectives import ALL_METRICS, metrics_of
# isort: on

Probability = Annotated[float, Field(ge=0, lt=1)]
Arguments = dict[str, JsonValue]
Weights = tuple[Annotated[float, Field(ge=0)], ...]
IMAGES = only_with(kind=("image",))
OWN = (IMPORT_PATH,)
PATH = "an import path such as mypackage.parts:Mine"
ARGUMENTS = "arguments for the import path, by name"


SPLIT = "split_seed"  # the knob that decides the split
SEEDS = {"seed", SPLIT}  # what differs between repetitions on new splits


class Recipe(BaseModel):
    """One training, complete: the same recipe gives the same epochs, to the bit, on the same machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    # Data
    dataset: Annotated[str, ALWAYS] = Field(
        default="cifar10",
        min_length=1,
        description=f"name of a known or an imported data set, or {PATH} of a function that gives tensors",
    )
    train_size: Annotated[int | None, ALWAYS] = Field(
        default=None, ge=2, description="number of training examples, stratified by class; all if unset"
    )
    val_fraction: Annotated[float, ALWAYS] = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of the training split held out for validation, stratified by class; 0 trains on all of it. "
        "A data set that brings validation examples validates on those",
    )
    split_seed: Annotated[int, ALWAYS] = Field(
        default=0, ge=0, description="seed that decides which examples are held out"
    )
    normalize: Annotated[bool, IMAGES] = Field(
        default=False,
        description="subtract the training mean and divide by the standard deviation, per channel (LeCun et al. 1998, "
        "Efficient BackProp, 4.3); otherwise pixels are in pixel_range. Tables are always normalized.",
    )
    pixel_range: Annotated[Literal["unit", "symmetric"], only_with(without=("normalize",), kind=("image",))] = Field(
        default="unit", description="pixels as [0, 1] or [-1, 1] when normalize is off"
    )
    augment_flip: Annotated[bool, IMAGES] = Field(default=False, description="mirror half of the images, left to right")
    augment_crop: Annotated[int, IMAGES] = Field(
        default=0, ge=0, le=64, description="largest shift in pixels, in each direction, filled with zeros"
    )
    augment_rotate: Annotated[float, IMAGES] = Field(
        default=0.0, ge=0, le=180, description="largest rotation in degrees, in each direction"
    )
    augment_cutout: Annotated[int, IMAGES] = Field(
        default=0,
        ge=0,
        le=256,
        description="side in pixels of a square set to zero (DeVries and Taylor 2017, arXiv 1708.04552)",
    )
    augment: Annotated[str | None, Choice(()), ALWAYS] = Field(
        default=None, description=f"augmentation of your own, after those above: {PATH}"
    )
    batch_size: Annotated[Annotated[int, Field(ge=1)] | Literal["full"], ALWAYS] = Field(
        default=64, description="examples per step; 'full' is the whole training split (gradient descent)"
    )

    sampling: Annotated[Literal["shuffled", "balanced"], ALWAYS] = Field(
        default="shuffled", description="balanced draws as many examples with replacement, each class equally often"
    )

    # Network
    model: Annotated[str, Choice(MODELS), ALWAYS] = Field(
        default="cnn3", min_length=1, description=f"mlp, logistic, cnn3, cnn2, torchvision:NAME, or {PATH}"
    )
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], only_with(model=("mlp",))] = Field(
        default=(100,), description="units of each hidden layer of an mlp"
    )
    activation: Annotated[str, Choice(ACTIVATIONS), only_with(model=("mlp", "cnn2", "cnn3"))] = Field(
        default="relu", description=f"after each hidden layer, by name or {PATH}; softmax is over the features"
    )
    init: Annotated[str, Choice(INITS, own=False), ALWAYS] = Field(
        default="default", description="distribution of the initial weights; biases keep torch's own initialization"
    )
    init_scale: Annotated[float | None, only_with(init=("normal", "uniform"))] = Field(
        default=None, gt=0, description="standard deviation of init=normal, bound of init=uniform; 1 if unset"
    )
    weights: Annotated[str | None, File(), ALWAYS] = Field(
        default=None,
        min_length=1,
        description="safetensors file of weights to start from, under the network's names; its last layer may differ",
    )
    freeze: Annotated[tuple[str, ...], ALWAYS] = Field(
        default=(), description="patterns of the names of weights that are not trained, such as features.*"
    )
    batch_norm: Annotated[bool, only_with(model=("mlp", "cnn2", "cnn3"))] = Field(
        default=False, description="batch normalization before each activation"
    )
    dropout_conv: Annotated[Probability, only_with(model=("cnn2", "cnn3"))] = Field(
        default=0.0, description="probability of zeroing a value after each convolutional block"
    )
    dropout_dense: Annotated[Probability, only_with(model=("mlp", "cnn2", "cnn3"))] = Field(
        default=0.0, description="probability of zeroing a value after each hidden dense layer"
    )
    dropout_at_test: Annotated[bool, only_with("dropout_conv", "dropout_dense")] = Field(
        default=False, description="keep dropout on during evaluation, as some scripts do"
    )

    # Loss
    loss: Annotated[str, Choice(LOSSES), ALWAYS] = Field(
        default="cross_entropy",
        description="cross_entropy; bce, binary cross-entropy of two classes on one output, or of several labels; mse, "
        f"mae or huber of numbers, which are standardised by the training examples; or {PATH}",
    )
    huber_delta: Annotated[float, only_with(loss=("huber",))] = Field(
        default=1.0, gt=0, description="error, in standard deviations of the numbers, above which huber is linear"
    )
    class_weight: Annotated[Weights | Literal["balanced"] | None, only_with(loss=("cross_entropy", "bce"))] = Field(
        default=None,
        description="weight of each class in the training's loss, of each label's presence; balanced is n / (classes * "
        "n_of_class), as scikit-learn has it",
    )
    label_smoothing: Annotated[float, only_with(loss=("cross_entropy",))] = Field(
        default=0.0, ge=0, lt=1, description="share of a label spread over all classes (arXiv 1512.00567)"
    )
    l1: Annotated[float, ALWAYS] = Field(
        default=0.0, ge=0, description="adds l1 times the sum of |w| over all weights to the loss"
    )
    l2: Annotated[float, ALWAYS] = Field(
        default=0.0, ge=0, description="adds l2 times the sum of w squared over all weights to the loss"
    )
    grad_clip: Annotated[float | None, ALWAYS] = Field(
        default=None, gt=0, description="largest norm of the whole gradient"
    )

    # Optimizer: names are torch's, and an unset knob has torch's own default
    optimizer: Annotated[str, Choice(OPTIMIZERS), ALWAYS] = Field(
        default="adam", description=f"of torch.optim, or {PATH}; sgd with batch_size=full is gradient descent"
    )
    lr: Annotated[float, ALWAYS] = Field(
        default=1e-3, gt=0, description="learning rate; the peak of schedule one_cycle, the base of cyclic"
    )
    lr_factors: Annotated[dict[str, Annotated[float, Field(gt=0)]], ALWAYS] = Field(
        default={}, description="factors of the learning rate by pattern of the weights' names; 1 for all others"
    )
    momentum: Annotated[float | None, only_with(optimizer=("sgd", "rmsprop"))] = Field(
        default=None, ge=0, lt=1, description="of sgd and rmsprop"
    )
    dampening: Annotated[float | None, only_with("momentum", optimizer=("sgd",))] = Field(
        default=None, ge=0, le=1, description="of sgd's momentum"
    )
    nesterov: Annotated[bool, only_with("momentum", optimizer=("sgd",))] = Field(
        default=False, description="Nesterov's momentum for sgd"
    )
    beta1: Annotated[float | None, only_with(optimizer=ADAM_FAMILY)] = Field(
        default=None, ge=0, lt=1, description="decay rate of the mean of gradients, of the Adam family"
    )
    beta2: Annotated[float | None, only_with(optimizer=ADAM_FAMILY)] = Field(
        default=None, ge=0, lt=1, description="decay rate of the mean of squared gradients"
    )
    eps: Annotated[float | None, only_with(optimizer=(*ADAM_FAMILY, "adagrad", "adadelta", "rmsprop"))] = Field(
        default=None, gt=0, description="added to a denominator"
    )
    amsgrad: Annotated[bool, only_with(optimizer=("adam", "adamw"))] = Field(
        default=False, description="of adam and adamw (Reddi et al. 2018)"
    )
    momentum_decay: Annotated[float | None, only_with(optimizer=("nadam",))] = Field(
        default=None, ge=0, description="of nadam"
    )
    rho: Annotated[float | None, only_with(optimizer=("adadelta",))] = Field(
        default=None, ge=0, lt=1, description="decay rate of squared gradients, of adadelta"
    )
    alpha: Annotated[float | None, only_with(optimizer=("rmsprop",))] = Field(
        default=None, ge=0, lt=1, description="smoothing constant of rmsprop"
    )
    centered: Annotated[bool, only_with(optimizer=("rmsprop",))] = Field(
        default=False, description="rmsprop divides by an estimate of the variance"
    )
    lr_decay: Annotated[float | None, only_with(optimizer=("adagrad",))] = Field(
        default=None, ge=0, description="of adagrad, per step"
    )
    initial_accumulator_value: Annotated[float | None, only_with(optimizer=("adagrad",))] = Field(
        default=None, ge=0, description="of adagrad"
    )
    weight_decay: Annotated[float, only_with(optimizer=tuple(name for name in OPTIMIZERS if name != "rprop"))] = Field(
        default=0.0,
        ge=0,
        description="coupled L2 (added to the gradient); decoupled with adamw (Loshchilov and Hutter 2019)",
    )

    l1_epochs: Annotated[Window | None, only_with("l1")] = Field(
        default=None, description="first and last epoch in which l1 acts, such as 11, 20; all if unset"
    )
    l2_epochs: Annotated[Window | None, only_with("l2")] = Field(
        default=None, description="first and last epoch in which l2 acts; all if unset"
    )
    weight_decay_epochs: Annotated[Window | None, only_with("weight_decay")] = Field(
        default=None, description="first and last epoch in which weight_decay acts; all if unset"
    )

    # Schedule: most names are those of torch.optim.lr_scheduler
    schedule: Annotated[str, Choice(SCHEDULES), ALWAYS] = Field(
        default="constant", description=f"how the learning rate changes over the training, by name or {PATH}"
    )
    schedule_interval: Annotated[Literal["epoch", "batch"], only_with(schedule=STEPPED)] = Field(
        default="epoch", description="how often the schedule is stepped"
    )
    warmup_epochs: Annotated[float, ALWAYS] = Field(
        default=0.0, ge=0, description="epochs of linear warm-up from 0, stepped per batch, before the schedule"
    )
    gamma: Annotated[
        float | None,
        only_with(schedule=("step", "exponential", "plateau"), required_by=("step", "exponential")),
    ] = Field(default=None, gt=0, lt=1, description="factor of step and exponential, and of plateau (0.1 if unset)")
    step_size: Annotated[int | None, only_with(schedule=("step",), required_by=("step",))] = Field(
        default=None, ge=1, description="intervals between two steps of schedule step"
    )
    t_max: Annotated[int | None, only_with(schedule=("cosine",))] = Field(
        default=None, ge=1, description="intervals of half a cosine; the whole training if unset"
    )
    eta_min: Annotated[float | None, only_with(schedule=("cosine", "warm_restarts", "plateau"))] = Field(
        default=None, ge=0, description="smallest learning rate of cosine, warm_restarts and plateau"
    )
    t_0: Annotated[int | None, only_with(schedule=("warm_restarts",), required_by=("warm_restarts",))] = Field(
        default=None, ge=1, description="intervals to the first warm restart"
    )
    t_mult: Annotated[int | None, only_with(schedule=("warm_restarts",))] = Field(
        default=None, ge=1, description="factor of the time to the next warm restart; 1 if unset"
    )
    max_lr: Annotated[float | None, only_with(schedule=("cyclic",), required_by=("cyclic",))] = Field(
        default=None, gt=0, description="highest learning rate of schedule cyclic, whose base is lr"
    )
    step_size_up: Annotated[int | None, only_with(schedule=("cyclic",))] = Field(
        default=None, ge=1, description="intervals of the rising half of a cycle; 2000 if unset"
    )
    cycle_mode: Annotated[Literal["triangular", "triangular2"], only_with(schedule=("cyclic",))] = Field(
        default="triangular", description="of schedule cyclic"
    )
    cycle_momentum: Annotated[bool, only_with(schedule=("cyclic", "one_cycle"))] = Field(
        default=True,
        description="cyclic and one_cycle move momentum (or beta1) against the learning rate, if there is one",
    )
    total_steps: Annotated[int | None, only_with(schedule=("one_cycle",))] = Field(
        default=None, ge=1, description="intervals of one_cycle; the whole training if unset"
    )
    pct_start: Annotated[float | None, only_with(schedule=("one_cycle",))] = Field(
        default=None, gt=0, lt=1, description="rising share of one_cycle; 0.3 if unset"
    )
    patience: Annotated[int | None, only_with(schedule=("plateau",))] = Field(
        default=None, ge=0, description="epochs without a better val_loss before plateau acts; 10 if unset"
    )

    # Length, seed, precision
    epochs: Annotated[int | None, ALWAYS] = Field(
        default=None, ge=1, le=1_000_000, description="passes over the training split; 10 if steps is unset"
    )
    steps: Annotated[int | None, ALWAYS] = Field(
        default=None, ge=1, le=10**9, description="steps of the optimizer, instead of epochs"
    )
    seed: Annotated[int, ALWAYS] = Field(
        default=0, ge=0, lt=2**63, description="decides initial weights, order, dropout and augmentation"
    )
    precision: Annotated[Literal["float32", "bfloat16", "float64"], ALWAYS] = Field(
        default="float32",
        description="of the computation; bfloat16 is torch.autocast over float32 weights; float32 on NVIDIA GPUs since "
        "Ampere is TF32 in convolutions, not in matrix products, which is torch's default",
    )

    # Your own parts: arguments for the import paths above, and a further metric
    model_args: Annotated[Arguments, only_with(model=OWN)] = Field(default={}, description=ARGUMENTS)
    augment_args: Annotated[Arguments, only_with(augment=OWN)] = Field(default={}, description=ARGUMENTS)
    activation_args: Annotated[Arguments, only_with(activation=OWN)] = Field(default={}, description=ARGUMENTS)
    loss_args: Annotated[Arguments, only_with(loss=OWN)] = Field(default={}, description=ARGUMENTS)
    optimizer_args: Annotated[Arguments, only_with(optimizer=OWN)] = Field(default={}, description=ARGUMENTS)
    schedule_args: Annotated[Arguments, only_with(schedule=OWN)] = Field(default={}, description=ARGUMENTS)
    metric: Annotated[str | None, Choice(ALL_METRICS), ALWAYS] = Field(
        default=None,
        description=f"a further metric: of scikit-learn's such as f1_macro, told as val_f1_macro; or {PATH}",
    )
    metric_args: Annotated[Arguments, only_with(metric=OWN)] = Field(default={}, description=ARGUMENTS)

    @model_validator(mode="before")
    @classmethod
    def _default_length(cls, data: Any) -> Any:
        """Default to 10 epochs unless steps are given."""
        if not isinstance(data, dict):
            return data
        knobs = cast("dict[str, Any]", data)
        return {**knobs, "epochs": 10} if knobs.get("epochs") is None and knobs.get("steps") is None else knobs

    @model_validator(mode="after")
    def _knobs_have_an_effect(self) -> Self:
        if clash := clash_of(self):
            raise ValueError(clash)
        return self

    @model_serializer(mode="wrap")
    def _as_dict(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Leave knobs out of JSON that are younger than the first results and unset, so that fingerprints last."""
        knobs = handler(self)
        if info.mode == "python" or (info.context or {}).get("every_knob"):
            return knobs
        younger = Recipe.model_fields.keys() - ALWAYS_WRITTEN
        return {knob: value for knob, value in knobs.items() if knob not in younger or changed(self, knob)}

    def __hash__(self) -> int:
        return hash(to_json(self))


def computing(recipe: Recipe, metric: str) -> Recipe:
    """Let a recipe compute the metric that its study is judged by, if it is one of scikit-learn's and none is set."""
    name = str(metric).removeprefix("val_")
    if recipe.metric is not None or name == metric or name not in ALL_METRICS or metric in metrics_of(recipe):
        return recipe
    return Recipe.model_validate({**recipe.model_dump(), "metric": name})


def to_json(recipe: BaseModel) -> str:
    """Write a recipe (ours, or any frozen pydantic model) as JSON, in the order of its fields."""
    return recipe.model_dump_json(indent=2) + "\n"


def fingerprint(recipe: BaseModel) -> str:
    """Hash a recipe to 16 hex digits of a sha256: equal recipes have equal fingerprints."""
    canonical = json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()[:16]
