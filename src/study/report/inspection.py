"""The sections about the winner's network: its confusions, its surest mistakes, its first filters."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, font_manager
from PIL import Image, ImageDraw, ImageFont

from study.data import packed
from study.errors import Damaged, StudyError
from study.options import Options
from study.recipe import Recipe
from study.record import weights as stored_weights
from study.report.parts import Gallery, Matrix, Picture, Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from study.executors import Call
    from study.inspection import Filters, Mistakes
    from study.report.found import Found, Winner
    from study.report.parts import Part

LARGEST_MATRIX = 20  # classes; with more, the report lists the commonest confusions
COMMONEST = 15
LARGEST_IMAGE = 64  # largest side of a thumbnail, in pixels
CELL = 96  # side of an image on a sheet, in pixels
COLUMNS = 6
FILTERS = 32


def sections(found: Found, winner: Winner | None) -> list[Section]:
    """Make the sections about the winner's network; leave out those without data."""
    if winner is None:
        return []
    with Options(device="cpu").calling() as call:
        made = [
            ("classes", _title(winner.evaluation or {}), _classes(winner)),
            ("mistakes", "What it gets wrong", _mistakes(found, winner, call)),
            ("filters", "First filters", _filters(found, winner, call)),
        ]
        return [Section(key, title, parts) for key, title, each in made if (parts := list(each))]


def _title(evaluation: Mapping[str, Any]) -> str:
    return "Errors" if "errors" in evaluation else "Classes" if "confusion" in evaluation else "Labels"


def _classes(winner: Winner) -> Iterator[Part]:
    evaluation = winner.evaluation or {}
    counts, classes = evaluation.get("confusion"), [str(each) for each in evaluation.get("classes") or ()]
    if counts and all(len(each) == len(classes) for each in (counts, *counts)):
        total = sum(map(sum, counts))
        where = f"{winner.label}, {total:,} examples of the {winner.split} split"
        if len(classes) <= LARGEST_MATRIX:
            yield Text(f"Rows are true classes, columns what the network says: {where}.")
            yield Matrix(classes, counts)
        else:
            yield Text(f"The commonest confusions of {len(classes)} classes: {where}.")
            yield _commonest(classes, counts)
    if errors := evaluation.get("errors"):
        yield Text(f"Errors by the number to predict: {winner.label}, {winner.split} split; prediction minus number.")
        head = list(errors[0])
        rows = [[_cell(each.get(name)) for name in head] for each in errors]
        yield Table("Errors by the number to predict", [f">{name.replace('_', ' ')}" for name in head], rows)
    if per_class := evaluation.get("per_class"):
        head = list(dict.fromkeys(name for each in per_class for name in each))
        rows = [[_cell(each.get(name)) for name in head] for each in per_class]
        one = "class" if counts else "label"  # each example has several labels
        if not counts:
            yield Text(
                f"A label is predicted where its probability is above 0.5: {winner.label}, {winner.split} split."
            )
        yield Table(f"Metrics of each {one}", [one, *(f">{name}" for name in head[1:])], rows)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _commonest(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Table:
    pairs = [
        (count, classes[row], classes[column])
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if row != column and count
    ]
    pairs.sort(key=lambda each: -each[0])
    rows = [(true, said, str(count)) for count, true, said in pairs[:COMMONEST]]
    return Table("Commonest confusions", ("True class", "Taken for", ">Times"), rows)


def _mistakes(found: Found, winner: Winner, call: Call) -> Iterator[Part]:
    recipe, reason = _recipe(found, winner)
    if recipe is None:
        if reason:
            yield Text(reason, "quiet")
        return
    try:
        wrong: Mistakes = call("study.engine.mistakes:surest_mistakes", recipe, _weights(winner), winner.split)
    except StudyError as error:
        yield Text(f"Cannot be shown: {error}", "quiet")
        return
    if not wrong.wrong:
        yield Text(f"Nothing: all {wrong.total:,} examples of the {winner.split} split are right.")
        return
    yield Text(
        f"{wrong.wrong:,} of {wrong.total:,} examples of the {winner.split} split, the surest first: true class → what "
        "it says, and how sure it is."
    )
    captions = [
        f"{wrong.classes[true]} → {wrong.classes[said]}, {'>99' if sure > 0.99 else round(100 * sure)} %"
        for true, said, sure in zip(wrong.targets, wrong.predictions, wrong.sureness, strict=True)
    ]
    yield gallery("mistakes", "The surest mistakes", [_rgb(image) for image in wrong.images], captions)


def _filters(found: Found, winner: Winner, call: Call) -> Iterator[Part]:
    recipe, _ = _recipe(found, winner)
    if recipe is None:
        return
    try:
        seen: Filters = call("study.engine.inspect:first_filters", recipe, _weights(winner))
    except StudyError:  # no convolution
        return
    shown = min(len(seen.weights), FILTERS)
    limit = float(np.abs(seen.weights).max()) or 1.0
    names = [f"filter {index + 1}" for index in range(shown)]
    yield Text("Weights of the first convolution, blue is negative, red positive; then what each filter makes of the "
               "first training image.")  # fmt: skip
    weights = [_coloured(each.mean(0) / limit / 2 + 0.5, "RdBu_r") for each in seen.weights[:shown]]
    yield gallery("filters", "Filters of the first convolution", weights, names)
    image = _coloured(_unit(seen.image.mean(0)), "gray")
    activations = [_coloured(_unit(each), "gray") for each in seen.activations[:shown]]
    yield gallery("filters-at-work", "Activations of the first convolution", [image, *activations], ["image", *names])


def _recipe(found: Found, winner: Winner) -> tuple[Recipe | None, str]:
    """Return the winner's recipe if its network can be run here on the same data, else None and the reason."""
    knobs = winner.trial.folder.recipe()
    if found.definition.get("recipe_type") != "study.recipe:Recipe":
        return None, ""
    recipe = Recipe.model_validate(knobs)
    data = found.definition.get("data") or {}
    try:
        pack = packed.find(data["name"]) if data else None
    except StudyError as error:
        return None, f"The data cannot be read: {error}"
    if not _weights(winner).exists():
        return None, "Its weights are not in its folder."
    try:
        stored_weights.read(_weights(winner))
    except Damaged as error:
        return None, f"Its weights cannot be read: {error}"
    if pack is None:
        return None, "The data set is not on this machine: `study data list` shows those that are."
    if pack.sha256 != data.get("sha256"):
        return None, "The data set on this machine is another one than the study's, by its sha256."
    return (recipe, "") if pack.kind == "image" and pack.task == "classification" else (None, "")


def _weights(winner: Winner) -> Path:
    """Return the path of the weights that were judged."""
    folder = winner.trial.folder
    return folder.last if folder.last.exists() else folder.best


def gallery(name: str, title: str, images: Sequence[NDArray[np.uint8]], captions: Sequence[str]) -> Gallery:
    """Make thumbnails of images, and a sheet of all of them.

    Args:
        name: start of the file names.
        title: of the gallery.
        images: uint8 (height, width, 3) each.
        captions: one for each image.

    """
    pictures = [
        Picture(f"{name}-{index + 1}", caption, _png(_thumbnail(image)), caption=caption)
        for index, (image, caption) in enumerate(zip(images, captions, strict=True))
    ]
    alt = f"{title}, {len(images)} pictures with a caption each"
    return Gallery(pictures, Picture(name, alt, _png(_sheet(images, captions))))


def _thumbnail(image: NDArray[np.uint8]) -> Image.Image:
    made = Image.fromarray(image)
    made.thumbnail((LARGEST_IMAGE, LARGEST_IMAGE))
    return made


def _sheet(images: Sequence[NDArray[np.uint8]], captions: Sequence[str]) -> Image.Image:
    """Arrange images in rows, each with its caption below."""
    columns = min(COLUMNS, len(images))
    wide, high = CELL + 40, CELL + 34
    sheet = Image.new("RGB", (columns * wide + 10, math.ceil(len(images) / columns) * high + 10), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 11)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = 10 + index % columns * wide, 10 + index // columns * high
        sheet.paste(Image.fromarray(image).resize((CELL, CELL), Image.Resampling.NEAREST), (left, top))
        for line, part in enumerate(caption.split(", ", 1)):
            draw.text((left, top + CELL + 2 + 12 * line), part, fill="black", font=font)
    return sheet


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat a single channel three times; of several channels keep the first three."""
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, :3])


def _coloured(values: NDArray[np.float64], name: str) -> NDArray[np.uint8]:
    """Colour values in [0, 1]."""
    return (colormaps[name](values)[..., :3] * 255).round().astype(np.uint8)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    return (values - low) / ((high - low) or 1.0)
