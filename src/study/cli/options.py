"""Options that several commands share, and those of `study run`, `show` and `export`.

Each has an environment variable: `STUDY_` and its name, unless `envvar` gives another. Where Optuna or MLflow have one
of their own for the same thing, such as OPTUNA_STORAGE, ours comes first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from study.choices import described
from study.cli import completion
from study.cli.help import ORDER
from study.errors import InputError
from study.executors.table import EXECUTORS
from study.sampling.table import PRUNERS, SAMPLERS

if TYPE_CHECKING:
    ExecutorName = SamplerName = PrunerName = str
else:  # Typer offers the names of a Literal as choices
    ExecutorName, SamplerName, PrunerName = (Literal[tuple(table)] for table in (EXECUTORS, SAMPLERS, PRUNERS))


WHAT, LONG, WHERE, OUTPUT = ORDER[:4]  # the panels of `--help`
NUMBER = r"(\d+(?:\.\d+)?)"


def seconds(text: str) -> float:
    """Read `2h`, `30m`, `90s`, `1h30m` or plain seconds.

    Raises:
        BadParameter: it is none of these, or nothing.

    """
    match = re.fullmatch(f"(?:{NUMBER}h)?(?:{NUMBER}m)?(?:{NUMBER}s)?|{NUMBER}", text.strip())
    parts = [float(part or 0) for part in match.groups()] if match else [0.0] * 4
    total = sum(part * unit for part, unit in zip(parts, (3600, 60, 1, 1), strict=True))
    if total <= 0:
        raise typer.BadParameter(f"not a duration: {text!r}. Write it as 2h, 30m, 90s or 1h30m")
    return total


# Places
Home = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", show_default="mlruns", rich_help_panel=WHERE,
        help="Use this folder for all results.",
    ),
]  # fmt: skip
Storage = Annotated[
    str | None,
    typer.Option(
        envvar=["STUDY_STORAGE", "OPTUNA_STORAGE"], metavar="URL", show_default="SQLite in the home",
        rich_help_panel=WHERE, help="Use Optuna's database at this SQLAlchemy URL.",
    ),
]  # fmt: skip
TrackingUri = Annotated[
    str | None,
    typer.Option(
        envvar=["STUDY_TRACKING_URI", "MLFLOW_TRACKING_URI"], metavar="URI", show_default="SQLite in the home",
        rich_help_panel=WHERE, help="Use MLflow at this tracking URI.",
    ),
]  # fmt: skip
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL", show_default="this machine", rich_help_panel=WHERE,
        help="Do it on this server, after `study login URL`.",
    ),
]  # fmt: skip

# Names and output
StudyName = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=completion.recorded, help="A study that has results.")
]
StudyFile = Annotated[
    str, typer.Argument(metavar="NAME|FILE", autocompletion=completion.known, help="A study, or the path of its file.")
]
AsJson = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT, help="Print JSON, whose keys do not change."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        show_default="stdout",
        rich_help_panel=OUTPUT,
        help="Write to this file.",
    ),
]

# study run: how long and how many at a time
RunName = Annotated[
    str | None,
    typer.Argument(metavar="NAME|FILE", autocompletion=completion.runnable, help="A study, or the path of its file."),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        "-n",
        min=1,
        metavar="N",
        show_default="100; 1 with --recipe",
        rich_help_panel=LONG,
        help="End with this many finished trials (complete or pruned), earlier ones included.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "--slots",
        "-j",
        min=1,
        metavar="N",
        show_default="one a core, or a GPU",
        rich_help_panel=WHERE,
        help="Train this many trials at a time.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=seconds,
        rich_help_panel=LONG,
        help="Stop after this time, such as 2h, 30m or 90s, and save what is running.",
    ),
]
Hang = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="X",
        rich_help_panel=LONG,
        help="Kill and retry an epoch that takes X times the longest so far, and over 5 minutes. 0: never.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        rich_help_panel=WHERE,
        help="Train on this device: auto, cpu, cuda or cuda:1.",
    ),
]
Executor = Annotated[
    ExecutorName,
    typer.Option(
        rich_help_panel=WHERE,
        metavar="NAME",
        help=f"Choose where trainings run. {described(EXECUTORS)}",
    ),
]

# study run: how to search
Sampler = Annotated[
    SamplerName | None,
    typer.Option(
        rich_help_panel=WHAT,
        metavar="NAME",
        show_default="tpe, or the stored study's",
        help=f"Choose Optuna's sampler, which suggests trials. {described(SAMPLERS)}",
    ),
]
Pruner = Annotated[
    PrunerName | None,
    typer.Option(
        rich_help_panel=WHAT,
        metavar="NAME",
        show_default="median, or the stored study's",
        help=f"Choose Optuna's pruner, which stops unpromising trials. {described(PRUNERS)}",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        show_default="0, or the stored study's",
        rich_help_panel=WHAT,
        help="Seed the sampler and the trainings.",
    ),
]

# study run: what to search
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=LONG,
        help="Train each trial for this many epochs, as --set epochs=N does.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-S",
        metavar="KNOB=VALUE",
        rich_help_panel=WHAT,
        autocompletion=completion.knobs,
        help="Hold a knob fixed. The value is JSON, or else text. It can be repeated.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_DATASET",
        metavar="DATASET",
        rich_help_panel=WHAT,
        autocompletion=completion.data_sets,
        help="Use another data set. The study is then called NAME@DATASET. `compare` takes several: A,B.",
    ),
]
NoFallback = Annotated[
    bool,
    typer.Option(
        "--no-fallback",
        rich_help_panel=WHAT,
        help="Fail if the study's own data set is not available.",
    ),
]
NewName = Annotated[
    str | None,
    typer.Option("--name", metavar="NEW", rich_help_panel=WHAT, help="Run it as a study of this name."),
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept",
        rich_help_panel=WHAT,
        help="Continue although the study's definition has changed.",
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        rich_help_panel=WHAT,
        help="Repeat one training from a recipe that `study best` printed.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        rich_help_panel=OUTPUT,
        help="Measure two epochs, and say what would run, how long it would take and how large it would be.",
    ),
]

# study show, list, export
TrialNumber = Annotated[
    int | None,
    typer.Option(
        "--trial",
        min=0,
        metavar="N",
        rich_help_panel=WHAT,
        help="Show one trial with all its epochs.",
    ),
]
ShowFormat = Annotated[
    Literal["table", "json", "csv"],
    typer.Option("--format", "-f", rich_help_panel=OUTPUT, help="Choose how it is printed."),
]
ExportFormat = Annotated[
    Literal["csv", "json", "parquet"] | None,
    typer.Option(
        "--format",
        "-f",
        envvar="STUDY_EXPORT_FORMAT",
        show_default="by the ending of -o, else csv",
        rich_help_panel=OUTPUT,
        help="Choose how it is written.",
    ),
]
Importance = Annotated[
    bool,
    typer.Option(
        "--importance",
        rich_help_panel=WHAT,
        help="Show which knobs mattered, compared with chance and with the noise between seeds.",
    ),
]
Pruning = Annotated[
    bool,
    typer.Option("--pruning", rich_help_panel=WHAT, help="Show what the pruner saved and what it lost."),
]
SortBy = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        show_default="best value first",
        rich_help_panel=OUTPUT,
        help="Sort by trial, value, epochs, seconds, variant or a knob.",
    ),
]
Top = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        show_default="20 in a table, else all",
        rich_help_panel=OUTPUT,
        help="Show only the first N trials.",
    ),
]
PerEpoch = Annotated[
    bool,
    typer.Option(
        "--epochs",
        envvar="STUDY_PER_EPOCH",
        rich_help_panel=OUTPUT,
        help="Write one row for each epoch instead of one for each trial.",
    ),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def typed(context: typer.Context, parameter: str) -> bool:
    """Tell whether an option was typed: a variable of the environment may be meant for other commands."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def require_one_form(*, as_json: bool, as_csv: bool) -> None:
    """Refuse to print an answer in two forms.

    Raises:
        InputError: both are asked for.

    """
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other", fix="Give one of them.")
