"""The training: data, model, optimizer, schedule, loop. A generator: to prune is to ask it no more.

Every random number derives from the seed, the epoch and its purpose, so no generator has to be stored: an epoch that is
stopped and started again is the same, and two recipes with one seed see their examples in the same order.
"""

from __future__ import annotations

import copy
import math
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch

from study.engine import models, optim, pretrained, step
from study.engine.augment import Augment, augmentation
from study.engine.data import Data, open_data, open_test, order_of, preparation
from study.engine.device import losses_read
from study.engine.evaluate import BATCH, Evaluation, evaluate, further, metric_of, report
from study.engine.losses import Loss, OwnLoss, class_weights, divisors_of, loss_of, outputs_of, penalty_of, task_of
from study.engine.schedules import Schedule
from study.errors import RecipeError
from study.events import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from torch import Tensor, nn

    from study.engine.data import Split
    from study.engine.tasks import Task
    from study.recipe import Recipe

LOOK = 100  # steps between two checks that the loss is still finite


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a training.

    Args:
        recipe: every knob.
        device: as torch spells it.
        data: training and validation examples.
        model: the network, on the device.
        forward: from inputs to logits; the network, or what runs it in the recipe's precision.
        prepare: from stored examples to inputs.
        loss: in training.
        step: how a batch is trained on.
        optimizer: over all parameters of the network.
        schedule: what the optimizer is set to at each step.
        augment: from a batch of stored examples to an augmented one; None for no augmentation.
        batch: examples a step.
        steps_per_epoch: of a whole epoch.
        steps: of the whole training.
        task: what is predicted.

    """

    recipe: Recipe
    device: str
    data: Data
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    prepare: Callable[[Tensor], Tensor]
    loss: Loss
    step: step.Step
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    augment: Augment | None
    batch: int
    steps_per_epoch: int
    steps: int
    task: Task


def train(
    recipe: Recipe, resume: Mapping[str, Any] | None = None, device: str = "cpu", *, test: bool = False
) -> Generator[Epoch, None, Mapping[str, Any] | None]:
    """Train a recipe, epoch by epoch.

    Args:
        recipe: every knob.
        resume: what the last epoch's `state()` gave; None to start.
        device: as torch spells it.
        test: whether to open the test split, once, for the last epoch's model.

    Yields:
        Epochs with train_loss and train_accuracy (means over the epoch, in training mode), lr (of the last step), and,
        if there are validation examples, val_loss, val_accuracy and the recipe's own metric; other tasks than
        classification have other scores (`study.objectives.SCORES`). An epoch is the last if its loss or what the
        network gives after it is not finite, and its metrics are NaN.

    Returns:
        The report on the last epoch's model over the validation examples, under "test" that over the test split if
        asked for, with `correct`, bool (N,), for its examples; None if the training diverged.

    Raises:
        RecipeError: knobs, model and data set that do not go together, by name.
        DataError: the data set cannot be had.

    """
    parts = assemble(recipe, device)
    done = _take_up(parts, resume) if resume is not None else 0
    evaluation: Evaluation | None = None
    epochs = -(-parts.steps // parts.steps_per_epoch)
    for number in range(done + 1, epochs + 1):
        began = time.perf_counter()
        with isolated_rng(device):
            with parts.step.mode():
                metrics = one_pass(parts, number)
            evaluation = _follow(parts, number, metrics, is_last=number == epochs)
        last = min(number * parts.steps_per_epoch, parts.steps)
        metrics["lr"] = parts.schedule.at(last - 1)["lr"]
        finite = math.isfinite(metrics["train_loss"])
        if finite:
            parts.schedule.epoch_ended(last, metrics.get("val_loss", math.nan))
        state, seconds = partial(_state, parts, number), time.perf_counter() - began
        yield Epoch(number, metrics, seconds, state, last=number == epochs)
        if not finite:
            return None
        done = number
    with isolated_rng(device):
        if evaluation is None and len(parts.data.val):  # resumed after the last epoch
            evaluation = judge(parts, done, parts.data.val)
        found = report(evaluation, parts.data.classes) if evaluation else {}
        if test:
            tested = judge(parts, done, open_test(recipe, device))
            if tested is None:
                return None
            found["test"] = {**report(tested, parts.data.classes), "correct": tested.correct}
    return found


def _follow(parts: Parts, number: int, metrics: dict[str, float], *, is_last: bool) -> Evaluation | None:
    """Add what is counted after an epoch to its metrics; returns the judgement on the validation split, if any.

    The training's loss is taken before the update, so that the epoch's last update can ruin the network unseen. All
    metrics are NaN if its outputs are not finite. A final training is asked for some after its last epoch.
    """
    val, train = parts.data.val, parts.data.train
    own = further(parts.recipe)
    some = replace(train, rows=train.rows[:BATCH]) if is_last else None
    split = val if len(val) else train if own else some
    is_finite = math.isfinite(metrics["train_loss"])
    found = judge(parts, number, split) if is_finite and split is not None else None
    scores = found.scores if found else dict.fromkeys((*parts.task.scores, *own), math.nan)
    if len(val):
        metrics["val_loss"] = found.loss if found else math.nan
        metrics.update({f"val_{name}": value for name, value in scores.items()})
    else:
        metrics.update({f"train_{name}": scores[name] for name in own})
    if found is None and not (is_finite and split is None):
        metrics.update({name: math.nan for name, value in metrics.items() if math.isfinite(value)})
    return found if len(val) else None


def assemble(recipe: Recipe, device: str) -> Parts:
    """Make data, model, optimizer and schedule of a recipe.

    Raises:
        RecipeError: knobs, model and data set that do not go together, by name.
        DataError: the data set cannot be had.
        StudyFileError: the model's import path fails.

    """
    if device.startswith("cuda"):
        _choose_deterministic_kernels()
    data = open_data(recipe, device)
    task = task_of(data.task, recipe)
    upscaling = models.upscaling(recipe, data.shape)
    shape = (data.shape[0], *(side * upscaling for side in data.shape[1:]))
    with isolated_rng(device):
        torch.manual_seed(_seed(recipe, 0, "init"))
        of_input = torch.int64 if data.kind == "tokens" else torch.float32
        model = models.build(recipe, shape, outputs_of(recipe, len(data.classes), task.name), of_input)
    pretrained.prepare(recipe, model)
    dtype = torch.float64 if recipe.precision == "float64" else torch.float32
    model.to(device, dtype)
    if data.kind == "image":
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub lacks it
    batch = len(data.train) if recipe.batch_size == "full" else recipe.batch_size
    if batch > len(data.train):
        raise RecipeError(f"batch_size={batch} is more than the {len(data.train)} training examples")
    steps_per_epoch = -(-len(data.train) // batch)
    steps = recipe.steps or (recipe.epochs or 0) * steps_per_epoch
    forward = _forward(recipe, model, device)
    optimizer = optim.build(recipe, pretrained.groups(recipe, model))
    weights = class_weights(recipe, data)
    loss = loss_of(recipe, training=True, task=task.name, weights=weights)
    divisors = divisors_of(recipe, weights)
    return Parts(
        recipe=recipe,
        device=device,
        data=data,
        model=model,
        forward=forward,
        prepare=preparation(recipe, data, dtype, upscaling),
        optimizer=optimizer,
        schedule=Schedule(recipe, steps, steps_per_epoch),
        loss=loss,
        step=step.choose(step.Training(recipe, device, model, forward, loss, optimizer, batch, task.predict, divisors)),
        augment=augmentation(recipe, data),
        batch=batch,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        task=task,
    )


def one_pass(parts: Parts, number: int) -> dict[str, float]:
    """Train for one epoch; only now and then reads whether the loss is finite, on a GPU without waiting for it."""
    recipe, train = parts.recipe, parts.data.train
    first = (number - 1) * parts.steps_per_epoch
    order = order_of(recipe, parts.data, torch.Generator().manual_seed(_seed(recipe, number, "order")))
    rows = train.rows.index_select(0, order[: (parts.steps - first) * parts.batch].to(parts.device))
    targets = train.y.index_select(0, rows)
    generator = torch.Generator(parts.device).manual_seed(_seed(recipe, number, "augmentation"))
    torch.manual_seed(_seed(recipe, number, "dropout"))
    pretrained.set_training(recipe, parts.model)
    parameters, weights = list(parts.model.parameters()), models.weights(parts.model)
    add_penalty = penalty_of(recipe, number)
    optim.decay(recipe, parts.optimizer, number)
    update = parts.step.new_update()
    batches = list(zip(rows.split(parts.batch), targets.split(parts.batch), strict=True))
    losses: list[Tensor] = []
    predictions: list[Tensor] = []
    look = losses_read(parts.device)
    inputs_of = partial(inputs, parts, generator)
    for number_of_step, (some, theirs) in enumerate(batches, first):
        loss, predicted = parts.step.gradient(inputs_of, some, theirs)
        if add_penalty:
            add_penalty(weights)
        if recipe.grad_clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, recipe.grad_clip)
        optim.set_all(parts.optimizer, parts.schedule.at(number_of_step))
        update()
        losses.append(loss)
        predictions.append(predicted)
        if number_of_step % LOOK == LOOK - 1 and not math.isfinite(read := look(loss)):
            return {"train_loss": read, **{f"train_{name}": math.nan for name in parts.task.scores}}
    sizes = torch.tensor([len(some) for some, _ in batches], dtype=torch.float64)
    mean = torch.stack(losses).cpu().double() @ sizes / len(rows)
    scores = parts.task.count(torch.cat(predictions), targets, parts.data.scale)
    return {"train_loss": mean.item(), **{f"train_{name}": value for name, value in scores.items()}}


def inputs(parts: Parts, generator: torch.Generator, rows: Tensor) -> Tensor:
    """Gather rows of the training split, augment them, and make the network's inputs of them."""
    examples = parts.data.train.x.index_select(0, rows)
    return parts.prepare(parts.augment(examples, generator) if parts.augment else examples)


def judge(parts: Parts, number: int, split: Split) -> Evaluation | None:
    """Evaluate the model on a split, as after the epoch of that number; None if an output is not finite."""
    torch.manual_seed(_seed(parts.recipe, number, "validation"))
    parts.model.eval()
    if parts.recipe.dropout_at_test:
        models.keep_dropout_on(parts.model)
    loss = loss_of(parts.recipe, training=False, task=parts.task.name)
    metric = metric_of(parts.recipe, parts.task, len(parts.data.classes))
    return evaluate(parts.forward, parts.prepare, loss, split, metric, parts.task, parts.data.scale)


def judging(parts: Parts) -> dict[str, Any]:
    """Describe how the last epoch's model is evaluated, for code that must reproduce the same bits: JSON values.

    Returns:
        `batch`, examples at a time; `autocast`, whether under bfloat16; `dropout_seed`, where dropout stays on.

    """
    recipe, last = parts.recipe, -(-parts.steps // parts.steps_per_epoch)
    seed = _seed(recipe, last, "validation") if recipe.dropout_at_test else None
    return {"batch": BATCH, "autocast": recipe.precision == "bfloat16", "dropout_seed": seed}


def _state(parts: Parts, number: int) -> dict[str, Any]:
    """Copy the state needed to resume after an epoch that cannot be derived from the recipe."""
    state = {"model": parts.model.state_dict(), "optimizer": parts.optimizer.state_dict()}
    if module := _module_of(parts.loss):
        state["loss"] = module.state_dict()
    return {"epoch": number, **copy.deepcopy(state), "schedule": parts.schedule.state_dict()}


def _take_up(parts: Parts, state: Mapping[str, Any]) -> int:
    """Load a state that `_state` made; return the number of its epoch."""
    parts.model.load_state_dict(state["model"])
    parts.optimizer.load_state_dict(state["optimizer"])
    parts.schedule.load_state_dict(state["schedule"])
    if (module := _module_of(parts.loss)) and "loss" in state:  # which checkpoints lacked before
        module.to(next(parts.model.parameters())).load_state_dict(state["loss"])
    return state["epoch"]


def _module_of(loss: Loss) -> nn.Module | None:
    return loss.module if isinstance(loss, OwnLoss) else None


def in_bfloat16(recipe: Recipe) -> Recipe | None:
    """Give a recipe as it would be in bfloat16; None if it is not in float32."""
    return recipe.model_copy(update={"precision": "bfloat16"}) if recipe.precision == "float32" else None


def _forward(recipe: Recipe, model: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    """Give the model itself, or for bfloat16 the model under autocast with its logits made float32 again."""
    if recipe.precision != "bfloat16":
        return model

    def forward(inputs: Tensor) -> Tensor:
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            return model(inputs).float()

    return forward


def _seed(recipe: Recipe, epoch: int, purpose: str) -> int:
    """Derive an independent 63-bit seed."""
    digest = sha256(f"{recipe.seed}/{epoch}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextmanager
def isolated_rng(device: str) -> Generator[None]:
    """Restore the caller's random state afterwards, and flush denormal numbers to zero meanwhile.

    A network that has learnt its task has denormal gradients, which cost a CPU up to a third of its speed.
    """
    flushed = float(torch.tensor(1e-40) * 1) == 0.0
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng([device] if device.startswith("cuda") else []):
            yield
    finally:
        torch.set_flush_denormal(flushed)


def _choose_deterministic_kernels() -> None:
    """Give equal bits on equal GPUs; an operation without a deterministic kernel warns once."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA is first used
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue] - there
