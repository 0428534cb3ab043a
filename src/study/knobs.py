"""What a knob of the Recipe is made of: its choices, and when it has an effect.

A knob says both at its field, by a `Choice` and an `Effect` within `Annotated`; `idle_knob` reads them. So a new knob
says in one place what gives it no effect, and a knob that forgets to fails tests/engine/test_knobs.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from pydantic_core import PydanticSerializationError, core_schema, to_jsonable_python

from study.errors import RecipeError
from study.formatting import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
    from pydantic_core import ErrorDetails

IMPORT_PATH = "an import path"  # the choice of a class or function of one's own, as messages name it
TORCHVISION = "torchvision:"  # prefix of a network of torchvision; it looks like an import path and is none
SCIKIT_LEARN = "scikit-learn:"  # prefix of a data set that is imported
KIND = "kind"  # the group of knobs that need images or a table; the data set decides, no field of the recipe

MODELS = ("mlp", "logistic", "cnn2", "cnn3")
ACTIVATIONS = (
    "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus",
    "relu6", "hardswish", "identity",
)  # fmt: skip
INITS = (
    "default", "zero", "normal", "uniform", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
    "orthogonal",
)  # fmt: skip
LOSS_OF_NUMBERS = ("mse", "mae", "huber")
LOSSES = ("cross_entropy", "bce", *LOSS_OF_NUMBERS)
OPTIMIZERS = (
    "sgd", "adam", "adamw", "nadam", "radam", "adamax", "adagrad", "adadelta", "adafactor", "rmsprop", "rprop", "asgd",
)  # fmt: skip
ADAM_FAMILY = ("adam", "adamw", "nadam", "radam", "adamax")
SCHEDULES = ("constant", "step", "exponential", "cosine", "warm_restarts", "cyclic", "one_cycle", "plateau")
STEPPED = (*SCHEDULES[1:-1], IMPORT_PATH)  # schedules that are stepped by epoch or by batch, as one chooses
Window = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]  # epochs, counted from 1, both included
# Written to JSON at their default too: results from before the other knobs existed keep their fingerprints.
ALWAYS_WRITTEN = frozenset(
    """
    dataset train_size val_fraction split_seed normalize pixel_range augment_flip augment_crop augment_rotate
    augment_cutout batch_size model hidden activation init init_scale batch_norm dropout_conv dropout_dense
    dropout_at_test loss label_smoothing l1 l2 grad_clip optimizer lr momentum dampening nesterov beta1 beta2 eps
    amsgrad momentum_decay rho alpha centered lr_decay initial_accumulator_value weight_decay l1_epochs l2_epochs
    weight_decay_epochs schedule schedule_interval warmup_epochs gamma step_size t_max eta_min t_0 t_mult max_lr
    step_size_up cycle_mode cycle_momentum total_steps pct_start patience epochs steps seed precision
    """.split()  # noqa: SIM905 - a list of this length would fill the file
)


@dataclass(frozen=True)
class Choice:
    """The choices of a knob, by name.

    Args:
        names: what the program has of its own.
        own: whether an import path such as `mypackage.parts:Mine` is a choice too.

    """

    names: tuple[str, ...]
    own: bool = True

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic check a value of the field."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: str | None) -> str | None:
        if value is None or value in self.names or (self.own and has_import_path(value)):
            return value
        if not self.names:
            raise ValueError("not an import path. Write it as package.module:name.")
        hint = nearest(value, self.names)
        raise ValueError(f"there is no such choice. {hint}{' Or give an import path.' if self.own else ''}")


@dataclass(frozen=True)
class File:
    """A knob that names a file, whose content may change between two trainings."""


@dataclass(frozen=True)
class Effect:
    """When a knob has an effect on a training.

    Args:
        choices: for each group, which is a field such as "optimizer" or KIND, the choices that use the knob; all of
            the groups must agree. IMPORT_PATH among them: whatever a class or function of one's own names in its
            signature. Without it, such a class uses the knob where its signature names it.
        any_of: other knobs of which one at least must be set, if given.
        without: other knobs that must not be set.
        required_by: choices of the groups that cannot do without the knob.

    """

    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    any_of: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    required_by: tuple[str, ...] = ()


ALWAYS = Effect()


def only_with(
    *any_of: str, without: tuple[str, ...] = (), required_by: tuple[str, ...] = (), **choices: tuple[str, ...]
) -> Effect:
    """Make an `Effect`: `only_with("momentum", optimizer=("sgd",))`."""
    return Effect(choices, any_of, without, required_by)


@lru_cache
def effects(recipe_type: type[BaseModel]) -> dict[str, Effect]:
    """Find what each knob says of its effect; a knob that says nothing is left out."""
    found = {
        knob: [each for each in field.metadata if isinstance(each, Effect)]
        for knob, field in recipe_type.model_fields.items()
    }
    return {knob: said[0] for knob, said in found.items() if said}


def choices_of(recipe_type: type[BaseModel], knob: str) -> Choice | None:
    """Find the choices that a knob has by name; None for a knob that is a number, a flag or a free text."""
    return next((each for each in recipe_type.model_fields[knob].metadata if isinstance(each, Choice)), None)


def used_by(recipe_type: type[BaseModel], group: str) -> dict[str, frozenset[str]]:
    """For each choice of a group, by name, the knobs that make sense with it alone or with some others."""
    choice = choices_of(recipe_type, group)
    assert choice is not None
    said = effects(recipe_type)
    return {
        name: frozenset(knob for knob, effect in said.items() if name in effect.choices.get(group, ()))
        for name in choice.names
    }


def knobs_of(recipe_type: type[BaseModel], group: str) -> tuple[str, ...]:
    """List the knobs whose effect depends on the choice of a group."""
    return tuple(knob for knob, effect in effects(recipe_type).items() if group in effect.choices)


def plain(value: Any) -> Any:
    """Write a value as JSON holds it, as everything is that is stored: a tuple as a list, an Enum as its value.

    Raises:
        RecipeError: JSON cannot hold it.

    """
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError) as error:
        raise RecipeError(f"{value!r} cannot be stored ({error})") from error


def changed(recipe: BaseModel, knob: str) -> bool:
    """Tell whether a knob differs from its default."""
    return getattr(recipe, knob) != type(recipe).model_fields[knob].get_default(call_default_factory=True)


def has_import_path(value: str) -> bool:
    """Tell whether a choice is spelt `module:name`, torchvision's networks included."""
    place, _, name = value.rpartition(":")
    return bool(place and name)


def is_own(value: str | None) -> bool:
    """Tell whether a choice is a class or function of a person's own, by import path."""
    return value is not None and has_import_path(value) and not value.startswith(TORCHVISION)


def short_name(path: str) -> str:
    """Name what an import path leads to: `f1` for `mypackage.metrics:f1`."""
    return path.rpartition(":")[2].rpartition(".")[2]


def own_parts(recipe: BaseModel) -> tuple[str, ...]:
    """List the import paths of a person's own classes and functions in a recipe."""
    fields = type(recipe).model_fields
    values = [getattr(recipe, knob) for knob in fields if (choice := choices_of(type(recipe), knob)) and choice.own]
    return tuple(value for value in values if is_own(value))


def has_own_code(recipe: BaseModel) -> bool:
    """Tell whether a recipe names a class or function of a person's own, which may change between two trainings."""
    return bool(own_parts(recipe))


def has_file(recipe: BaseModel) -> bool:
    """Tell whether a recipe names a file, whose content may change between two trainings."""
    fields = type(recipe).model_fields.items()
    return any(getattr(recipe, knob) is not None for knob, field in fields if File() in field.metadata)


def idle_knob(recipe: BaseModel) -> str:
    """Say which knob of a recipe has no effect, or is missing; what needs no torch and no data to be known.

    Returns:
        `momentum=0.9 has no effect with optimizer=adam (only with sgd, rmsprop)`; empty if all is well.

    """
    if missing := _missing_knobs(recipe):
        return missing
    for knob, effect in effects(type(recipe)).items():
        value = getattr(recipe, knob)
        for group, users in effect.choices.items():
            if group == KIND:
                continue
            choice = getattr(recipe, group)
            by_signature = has_import_path(choice or "") and (is_own(choice) or users != (IMPORT_PATH,))
            if changed(recipe, knob) and choice not in users and not by_signature:
                return _no_effect(knob, value, group, choice, users)
        if value and changed(recipe, knob):
            if effect.any_of and not any(getattr(recipe, other) for other in effect.any_of):
                return f"{knob} has no effect without {' or '.join(effect.any_of)}"
            if clash := next((other for other in effect.without if getattr(recipe, other)), None):
                return f"{knob} has no effect with {clash}"
    return ""


def has_effect(recipe: BaseModel, knob: str) -> bool:
    """Tell whether a knob decides anything in a recipe, whatever its value; of a recipe of one's own each knob does."""
    effect = effects(type(recipe)).get(knob, ALWAYS)
    for group, users in effect.choices.items():
        choice = None if group == KIND else getattr(recipe, group)
        if group != KIND and choice not in users and not has_import_path(choice or ""):
            return False
    of_others = [bool(getattr(recipe, other)) for other in effect.any_of]
    return (any(of_others) or not of_others) and not any(getattr(recipe, other) for other in effect.without)


def _missing_knobs(recipe: BaseModel) -> str:
    missing: dict[str, list[str]] = {}
    for knob, effect in effects(type(recipe)).items():
        for group in effect.choices if effect.required_by and getattr(recipe, knob) is None else ():
            if (choice := getattr(recipe, group)) in effect.required_by:
                missing.setdefault(f"{group}={choice}", []).append(knob)
    return "; ".join(f"{choice} needs {' and '.join(knobs)}" for choice, knobs in missing.items())


def idle_window(knob: str, window: Window | None, epochs: int | None) -> str:
    """Say why a penalty acts in no epoch of its window; empty if it acts in some."""
    if window is None:
        return ""
    first, last = window
    if first > last:
        return f"{knob}: {last}, the last epoch, is before the first, {first}"
    if epochs is not None and first > epochs:
        return f"{knob} has no effect: {first}, the first epoch, is after the last, {epochs}"
    return ""


def within(window: Window | None, epoch: int) -> bool:
    """Tell whether an epoch, counted from 1, is in a window; None is the whole training."""
    return window is None or window[0] <= epoch <= window[1]


def unused_knob(recipe: BaseModel, group: str, used: frozenset[str]) -> str:
    """Say which knob of a group has no effect with the recipe's choice, which uses only some; empty if none is.

    Args:
        recipe: every knob.
        group: the field that chooses.
        used: the knobs that the choice uses, as its signature or the engine knows.

    """
    for knob in sorted(knobs_of(type(recipe), group)):
        users = effects(type(recipe))[knob].choices[group]
        if knob not in used and IMPORT_PATH not in users and changed(recipe, knob):
            return _no_effect(knob, getattr(recipe, knob), group, getattr(recipe, group), users)
    return ""


def unfit_for_data(recipe: BaseModel, kind: str, dataset: str) -> str:
    """Say which knob has no effect on data of this kind, "image" or "table"; empty if none is."""
    for knob in knobs_of(type(recipe), KIND):
        if kind not in effects(type(recipe))[knob].choices[KIND] and changed(recipe, knob):
            return f"{knob}={getattr(recipe, knob)} has no effect with dataset={dataset}, which is {_a(kind)}"
    return ""


def _a(kind: str) -> str:
    return {"image": "an image", "tokens": "a sequence of tokens"}.get(kind, f"a {kind}")


def _no_effect(knob: str, value: Any, group: str, choice: str | None, users: tuple[str, ...]) -> str:
    return f"{knob}={value} has no effect with {group}={choice} (only with {', '.join(users)})"


def explain(error: ValidationError) -> RecipeError:
    """Turn pydantic's report into one line that names each knob and what is wrong with it."""
    return RecipeError("; ".join(dict.fromkeys(_explained(item) for item in error.errors())))


def _explained(item: ErrorDetails) -> str:
    knob = ".".join(str(part) for part in item["loc"])
    said = f"{knob}={item['input']!r}: " if knob else ""
    match item["type"]:
        case "extra_forbidden":
            return f"unknown knob {knob!r}"
        case "value_error":
            return f"{said}{item['ctx']['error'] if 'ctx' in item else item['msg']}"
        case "tuple_type" | "list_type" if isinstance(item["input"], bool | int | float):
            return f"{said}a list is wanted. Did you mean [{item['input']}]?"
        case "literal_error" if isinstance(item["input"], str):
            names = re.findall(r"'([^']*)'", str(item.get("ctx", {}).get("expected", "")))
            return f"{said}there is no such choice. {nearest(item['input'], names)}"
        case _:
            return f"{said}{item['msg'][:1].lower()}{item['msg'][1:]}"
