"""The proof, without training, that a recipe fits its model and data set."""

from __future__ import annotations

import math
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import torch

from study.data.memory import require_room
from study.engine import models, own, pretrained
from study.engine.data import order_of
from study.engine.device import pick
from study.engine.evaluate import try_metric
from study.engine.losses import outputs_of
from study.engine.train import Parts, assemble, inputs, isolated_rng, judge
from study.errors import StudyFileError
from study.imports import import_object
from study.knobs import has_own_code, own_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from study.recipe import Recipe


OFFERED = {"device", "test"}  # arguments of a training of one's own, where its signature has them


def check(recipe: Recipe, device: str = "cpu", judged_by: str = "") -> None:
    """Prove that the recipe can be trained: every knob has an effect, and the shapes of a step go together.

    Two examples go through augmentation and network. A person's own loss, optimizer and metric are run once as well,
    and the metric is tried on the validation examples. The data set is made or downloaded if it is not here.

    Args:
        recipe: every knob.
        device: as torch spells it.
        judged_by: a metric that each epoch must have; empty for none.

    Raises:
        RecipeError: a knob without effect, or knobs, model and data set that do not go together, by name.
        StudyFileError: an import path fails, or what it names.
        DataError: the data set cannot be had, or a step would fill the memory.

    """
    parts = assemble(recipe, device)
    train = parts.data.train
    _require_room(parts)
    whole = parts.steps < parts.steps_per_epoch  # the epoch ends before a batch of what is left over
    last = parts.batch if whole else len(train) % parts.batch or parts.batch  # batch norm minds a single example
    rows = train.rows[: min(last, 2)]
    held_out = parts.data.val
    targets = held_out.y.index_select(0, held_out.rows).cpu()
    outputs = outputs_of(recipe, len(parts.data.classes), parts.task.name)
    try_metric(recipe, parts.task, len(parts.data.classes), targets, outputs, judged_by)
    order_of(recipe, parts.data, torch.Generator())
    pretrained.set_training(recipe, parts.model)
    with isolated_rng(device):
        examples = inputs(parts, torch.Generator(device).manual_seed(0), rows)
        models.prove(recipe, parts.model, parts.forward, examples, outputs)
        if has_own_code(recipe):
            _try_own_code(parts, examples, train.y.index_select(0, rows))


def check_all(kind: str, recipes: Sequence[Mapping[str, Any]], device: str, judged_by: str = "") -> None:
    """Check recipes, as `check` does one.

    Args:
        kind: import path of their class.
        recipes: knobs as JSON values.
        device: as a person names it, such as auto.
        judged_by: as of `check`.

    Raises:
        DeviceError: this machine has no such device.
        InputError: as `check`.

    """
    chosen = pick(device)
    for each in recipes:
        check(import_object(kind).model_validate(each), chosen, judged_by)


def check_training(train: str, device: str) -> None:
    """Check that the device is there, and that a training can be imported and called. Raises as above."""
    pick(device)
    names, _ = own.parameters(train, import_object(train), leading=2)
    if needed := [name for name in names if names[name].default is Parameter.empty and name not in OFFERED]:
        fix = "A training is called as train(recipe, resume), with device and test where it has them."
        raise StudyFileError(f"it needs {needed[0]!r}", where=train, fix=fix)


def _require_room(parts: Parts) -> None:
    """Reject what alone would fill the memory: weights with their gradients, or a batch as stored and as inputs."""
    if parts.device != "cpu":
        return
    stored = parts.data.train.x[0]
    of_input = math.prod(parts.data.shape) * models.upscaling(parts.recipe, parts.data.shape) ** 2
    each = stored.numel() * stored.element_size() + of_input * next(parts.model.parameters()).element_size()
    weights = [each for each in parts.model.parameters() if each.requires_grad]
    of_weights = 2 * sum(each.numel() * each.element_size() for each in weights)
    require_room(of_weights, "the weights and their gradients", parts.data.name, "Take a smaller network.")
    what = f"the inputs of a step of {parts.batch:,} examples"
    require_room(parts.batch * each, what, parts.data.name, "Take a smaller batch_size.")


def _try_own_code(parts: Parts, examples: Tensor, targets: Tensor) -> None:
    """Run one step and one evaluation, for a person's own code may raise anything in them."""
    with own.running(", ".join(own_parts(parts.recipe))):
        parts.loss(parts.forward(examples), targets).backward()
        parts.optimizer.step()
        if len(parts.data.val):
            judge(parts, 1, parts.data.val)
