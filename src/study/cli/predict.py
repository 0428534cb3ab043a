"""`study predict`: labels and probabilities from the champion, for images or a table's rows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study import settings
from study.cli import options, records
from study.cli.terminal import width
from study.errors import InputError
from study.formatting import to_json
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger("study")
FEW = 3  # classes of which a table shows all probabilities

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="FILE|FOLDER...", help="Images, a folder of them, or one table (.csv, .parquet)."),
]
VersionNumber = Annotated[
    int | None,
    typer.Option(
        "--version", envvar="STUDY_MODEL_VERSION", min=1, metavar="N", show_default="the champion",
        help="Another version of the model.",
    ),
]  # fmt: skip
Resize = Annotated[bool, typer.Option("--resize", envvar="STUDY_RESIZE", help="Cut and scale images of another size.")]
AsCsv = Annotated[bool, typer.Option("--csv", envvar="STUDY_CSV", help="Print CSV.")]


def predict(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered model; it has its study's name.")],
    inputs: Inputs,
    version: VersionNumber = None,
    resize: Resize = False,
    as_json: options.AsJson = False,
    as_csv: AsCsv = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Predict labels and probabilities with the champion."""
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other", where="study predict", fix="Give one.")
    from study.registry import prediction, promotion
    from study.registry.registration import model_of

    registry = promotion.reach(settings.resolve(home, None, tracking_uri))
    chosen = promotion.chosen(registry, model_of(name), version)
    model = registry.load(chosen)
    names, examples = prediction.examples(model, inputs, resize=resize)
    found = model.predict(examples)
    rows = [_row(example, row) for example, row in zip(names, found.to_dict("records"), strict=True)]
    if as_json:
        print(to_json({"model": chosen.model, "version": chosen.number, "predictions": rows}, indent=2))
    elif as_csv:
        print(records.csv_of([_flat(row) for row in rows]), end="")
    else:
        log.info("%s version %d", chosen.model, chosen.number)
        print(_table(rows))


def _row(example: str, found: Mapping[str, Any]) -> dict[str, Any]:
    shares = {name.removeprefix("probability_"): share for name, share in found.items() if name != "label"}
    return {"example": example, "label": found["label"], "probabilities": shares}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    shares = {f"probability_{name}": share for name, share in row["probabilities"].items()}
    return {"example": row["example"], "label": row["label"], **shares}


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    classes = list(rows[0]["probabilities"])
    if len(classes) <= FEW:
        cells = [[row["example"], row["label"], *map(_share, row["probabilities"].values())] for row in rows]
        return table(["Example", "Label", *classes], cells, width=width())
    return table(["Example", "Label", "Probability", "Or"], [_ranked(row) for row in rows], width=width())


def _ranked(row: Mapping[str, Any]) -> list[str]:
    """The label with its probability, then the next likely ones that are not negligible."""
    shares = sorted(row["probabilities"].items(), key=lambda each: -each[1])
    others = [f"{name} {_share(share)}" for name, share in shares[1:FEW] if share >= 0.001]
    return [row["example"], row["label"], _share(row["probabilities"][row["label"]]), ", ".join(others) or "-"]


def _share(share: float) -> str:
    return f"{share:.3f}"
