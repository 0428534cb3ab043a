"""A trained network made ready to leave: described such that it can be built again without this package."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from study.data import packed
from study.engine import layers, models, serving
from study.engine.checkpoint import load_weights
from study.engine.data import table
from study.engine.inputs import Columns, Pixels
from study.engine.losses import outputs_of
from study.engine.sources import ensure
from study.engine.tables import one_hot, starts
from study.engine.train import Parts, assemble, judging
from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from study.data.forms import Task
    from study.data.packed import Pack
    from study.recipe import Recipe

CARRIED = ("layers", "inputs", "serving")  # of this folder; they import nothing else of the package
NEEDED = ("torch", "safetensors", "numpy", "pandas", "mlflow")
OWN = "own"  # the carried copy of the file that a person's own network is in
EXAMPLES = 5  # shown with a model


@dataclass(frozen=True, eq=False)
class Exported:
    """Files of a network that can be used without this package.

    Args:
        code: folder of the package that loads it; its name is that of its content, so that two never clash.
        data: folder of description, weights and inputs, of which `_load_pyfunc` of `CODE.serving` makes a model.
        requirements: packages, with versions where they are known.
        own: import path of a person's own network, empty for ours and torchvision's; a module has to be importable
            where the model is used, a file is carried along.
        example: some raw training examples.
        classes: names of the classes, in order; none if a number is predicted.
        columns: raw columns of a table, in order; empty for images.
        levels: range of 16-bit grey values that became 0 to 255 in the images; None for others.
        task: what is predicted.

    """

    code: Path
    data: Path
    requirements: tuple[str, ...]
    own: str
    example: np.ndarray | pd.DataFrame
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    levels: tuple[int, int] | None
    task: Task = "classification"


def export(recipe: Recipe, weights: Path, folder: Path, device: str = "cpu") -> Exported:
    """Write what a trained network needs to be used without this package, and see that it gives the same outputs.

    Args:
        recipe: that it was trained by.
        weights: safetensors file of them.
        folder: to write into.
        device: on which it was trained, as torch spells it.

    Raises:
        RecipeError: knobs, model and data set that do not go together, by name.
        DataError: the data set cannot be had.
        StudyError: the network cannot be described, or comes out otherwise.

    """
    parts = assemble(recipe, serving.device_for(device))
    pack, own = ensure(parts.data.name), models.own_network(recipe)
    try:
        parts.model.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        raise StudyError("the weights do not fit the recipe's network", where=str(weights)) from error
    parts.model.eval()
    code, data = _carry(folder, own), folder / "data"
    network = _own_network(parts, own, code) if own else describe(parts.model)
    arrays = packed.read(pack)
    raws = raw_columns(pack, arrays["train_x"])
    data.mkdir()
    about = {
        "network": network,
        "kind": pack.kind,
        "shape": list(pack.shape),
        "classes": list(pack.classes),
        "task": pack.task,
        "vocabulary": pack.vocabulary,
        "scale": [parts.data.scale.mean, parts.data.scale.deviation],
        "columns": raws,
        "dtype": str(next(parts.model.parameters()).dtype).removeprefix("torch."),
        "upscaling": models.upscaling(recipe, parts.data.shape),
        "device": device.partition(":")[0],
        **judging(parts),
    }
    (data / serving.DESCRIPTION).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(weights, data / serving.WEIGHTS)
    prepare = table(recipe).columns if pack.kind == "table" else parts.prepare
    given = vars(prepare) if isinstance(prepare, Pixels | Columns) else {}
    save_file({name: x for name, x in given.items() if isinstance(x, torch.Tensor)}, data / serving.INPUTS)
    _prove(parts, code, data, arrays["train_x"][:EXAMPLES])
    example = raw(pack, arrays["train_x"], arrays["train_x"][:EXAMPLES])
    names = tuple(column["name"] for column in raws)
    return Exported(code, data, _requirements(network), own, example, pack.classes, names, pack.levels, pack.task)


def judged_weights(last: Path, best: Path, epochs: int) -> Path:
    """Choose the file of the weights that a finished training was judged by, those of its last epoch.

    Args:
        last: the file of the last epoch's weights, which is there where they are not the best ones.
        best: the file of the best epoch's weights.
        epochs: of the training.

    Raises:
        StudyError: they were not kept.

    """
    if last.exists():
        return last
    if best.exists():
        with safe_open(best, "pt") as content:
            if (content.metadata() or {}).get("epoch") == str(epochs):
                return best
    what = "the weights of its last epoch, which was judged, were not kept"
    raise StudyError(what, where=str(best.parent), fix="Run it again on its own: `study run --recipe`.")


def raw_columns(pack: Pack, train: np.ndarray) -> list[dict[str, Any]]:
    """Tell a table's columns as they were before the import: `name`, `categories` of what is text, perhaps `offset`.

    Args:
        pack: of the table; empty for images.
        train: its training rows, float32 (N, stored columns).

    """
    found = {} if pack.raw_columns else _by_their_names(pack, train)
    first = 0
    for name, count in pack.raw_columns:
        found[name] = [column.removeprefix(f"{name}=") for column in pack.columns[first : first + count]]
        first += max(count, 1)
    offsets = {name: {"offset": offset} for name, offset in pack.offsets}
    return [
        {"name": name, "categories": texts} if texts else {"name": name, **offsets.get(name, {})}
        for name, texts in found.items()
    ]


def _by_their_names(pack: Pack, train: np.ndarray) -> dict[str, list[str]]:
    """Guess which columns were categories of one, for packs that do not tell."""
    found: dict[str, list[str]] = {}
    counts = pack.categories or (0,) * len(pack.columns)
    for stored, (first, count) in enumerate(zip(starts(counts), counts, strict=True)):
        for column in pack.columns[first : first + max(count, 1)]:
            name, _, text = column.partition("=")
            if text and (count or bool(np.isin(train[:, stored], (0, 1)).all())):
                found.setdefault(name, []).append(text)
            else:
                found[column] = []
    return found


def raw(pack: Pack, train: np.ndarray, examples: np.ndarray) -> np.ndarray | pd.DataFrame:
    """Turn examples as a pack holds them into what a served model takes: tokens and other tensors as they are.

    Args:
        pack: of the examples.
        train: its training examples, by which text is told from numbers.
        examples: uint8 (N, H, W, C) or float32 (N, stored columns).

    Returns:
        Images as uint8 (N, H, W, C), or (N, H, W) of one channel; a table's rows with their raw columns.

    """
    if pack.kind == "image":
        return examples[..., 0] if examples.shape[3] == 1 else examples
    if pack.kind in {"tokens", "tensor"}:
        return examples
    frame: dict[str, Any] = {}
    first = 0
    for column in raw_columns(pack, train):
        texts = column.get("categories")
        is_coded = bool(pack.categories and pack.categories[first])
        values = examples[:, first : first + (1 if is_coded else len(texts or "1"))]
        first += values.shape[1]
        if is_coded and texts:
            frame[column["name"]] = [None if np.isnan(code) else texts[int(code)] for code in values[:, 0]]
        else:
            frame[column["name"]] = _texts(values, texts) if texts else _numbers(values[:, 0], column.get("offset", 0))
    return pd.DataFrame(frame)


def _texts(values: np.ndarray, texts: Sequence[str]) -> list[str | None]:
    return [texts[int(row.argmax())] if row.any() else None for row in values]


def _numbers(values: np.ndarray, offset: float) -> np.ndarray:
    """Add what the import subtracted; whole numbers stay whole, since they may have 64 bits."""
    if offset and isinstance(offset, int) and not np.isnan(values).any():
        return np.rint(values.astype(np.float64)).astype(np.int64) + offset
    return values.astype(np.float64) + offset


def _own_network(parts: Parts, own: str, code: Path) -> dict[str, Any]:
    """Describe a person's own network by its import path and what it is given."""
    recipe, data = parts.recipe, parts.data
    factor = models.upscaling(recipe, data.shape)
    shape = (data.shape[0], *(side * factor for side in data.shape[1:]))
    given = models.arguments(recipe, shape, outputs_of(recipe, len(data.classes), data.task))
    place, _, name = own.rpartition(":")
    return {"type": f"{code.name}.{OWN}:{name}" if place.endswith(".py") else own, "given": given}


def describe(module: nn.Module) -> dict[str, Any]:
    """Describe a network of torch's layers and ours: by type, layers within, and what each was given, as JSON values.

    Each of these layers keeps what it is given under the same name, but for a bias, which is there or not.

    Raises:
        StudyError: a layer of a person's own is defined in a file that is in no package.

    """
    kind = _name_of(type(module))
    if isinstance(module, nn.Sequential):
        return {"type": kind, "layers": [describe(layer) for layer in module]}
    given = {
        name: getattr(module, name) for name in inspect.signature(type(module)).parameters if hasattr(module, name)
    }
    if "bias" in given:
        given["bias"] = given["bias"] is not None
    return {"type": kind, "given": given}


def _name_of(kind: type[nn.Module]) -> str:
    """Name a layer of ours or torch's by its class, a person's own one by `module:name`."""
    name = kind.__name__
    if (getattr(layers, name, None) or getattr(nn, name, None)) is kind:
        return name
    if kind.__module__.startswith("study_file_"):
        what = f"a model cannot carry the layer {name}, which is defined in a file"
        raise StudyError(what, fix="Move it into a package that is installed where the model is used.")
    return f"{kind.__module__}:{kind.__qualname__}"


def _types(network: Mapping[str, Any]) -> Iterator[str]:
    """List the types of a described network and of its layers."""
    yield network["type"]
    for layer in network.get("layers", ()):
        yield from _types(layer)


def _carry(folder: Path, own: str) -> Path:
    """Copy the files that stand alone, and a person's own one, into a package named after their content."""
    files = {name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in CARRIED}
    place = own.rpartition(":")[0]
    if place.endswith(".py"):
        files[OWN] = Path(place).read_text(encoding="utf-8")
    mark = sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
    code = folder / f"study_served_{mark}"
    code.mkdir()
    (code / "__init__.py").write_text('"""Part of a registered model; written by `study register`."""\n')
    for name, text in files.items():
        mine = re.sub(r"^from study\.engine\b", f"from {code.name}", text, flags=re.MULTILINE) if name != OWN else text
        (code / f"{name}.py").write_text(mine, encoding="utf-8")
    return code


def _prove(parts: Parts, code: Path, data: Path, examples: np.ndarray) -> None:
    """See that what was carried away gives the very outputs of the trained network."""
    served, given = _load(code, data), torch.from_numpy(examples)
    seen = given
    if parts.data.kind == "table":
        rows = table(parts.recipe)
        seen, given = rows.standardise(given), one_hot(rows.categories, given)
    if served.about["dropout_seed"] is not None:
        models.keep_dropout_on(parts.model)
    with torch.inference_mode(), served.as_in_training():
        expected = parts.forward(parts.prepare(seen.to(parts.device))).cpu()
    if not torch.equal(served.logits(given), expected):
        raise StudyError("the exported network gives different outputs", where=str(data))


def _load(code: Path, data: Path) -> serving.Served:
    """Load what was carried away as MLflow will, by its own package."""
    sys.path.insert(0, str(code.parent))
    try:
        return importlib.import_module(f"{code.name}.serving").Served(data)
    except (ImportError, AttributeError, RuntimeError, TypeError) as error:
        what = f"the network cannot be exported: {type(error).__name__}: {error}"
        raise StudyError(" ".join(what.split()), where=str(data)) from error
    finally:
        sys.path.remove(str(code.parent))


def _requirements(network: Mapping[str, Any]) -> tuple[str, ...]:
    """List the packages to install, of exactly the versions that are here."""
    names = [*NEEDED, *(["torchvision"] if network["type"] == "Torchvision" else [])]
    packages = {kind.rpartition(":")[0].partition(".")[0] for kind in _types(network)} - {"torch"}
    names += [name for package in sorted(packages) for name in packages_distributions().get(package, [])]
    return tuple(f"{name}=={version(name).partition('+')[0]}" for name in names)  # an index knows no local version
