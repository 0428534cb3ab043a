"""Every option of the commands, each with its environment twin; the twin of a tool's own comes second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from study.choices import described
from study.executors.table import EXECUTORS
from study.sampling.table import PRUNERS, SAMPLERS

if TYPE_CHECKING:
    ExecutorName = SamplerName = PrunerName = str
else:  # Typer offers the names of a Literal as choices
    ExecutorName, SamplerName, PrunerName = (Literal[tuple(table)] for table in (EXECUTORS, SAMPLERS, PRUNERS))


def seconds(text: str) -> float:
    """Read `2h`, `30m`, `90s`, `1h30m` or plain seconds.

    Raises:
        BadParameter: it is none of these, or nothing.

    """
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    parts = [float(part or 0) for part in match.groups()] if match else [0.0, 0.0, 0.0]
    total = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=True))
    if total <= 0:
        raise typer.BadParameter(f"not a duration: {text!r}. Write it as 2h, 30m, 90s or 1h30m")
    return total


# Places
Home = Annotated[
    Path | None,
    typer.Option(envvar="STUDY_HOME", metavar="FOLDER", show_default="mlruns", help="Folder of all results."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar=["STUDY_STORAGE", "OPTUNA_STORAGE"],
        metavar="URL",
        show_default="SQLite in the home",
        help="Optuna's database, as an SQLAlchemy URL.",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        envvar=["STUDY_TRACKING_URI", "MLFLOW_TRACKING_URI"],
        metavar="URI",
        show_default="SQLite in the home",
        help="MLflow's tracking URI.",
    ),
]

# Names and output
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="A study that has results here.")]
StudyFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A study, or the path of its file.")]
AsJson = Annotated[bool, typer.Option("--json", envvar="STUDY_JSON", help="Print JSON, with keys that do not change.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", envvar="STUDY_OUTPUT", metavar="FILE", show_default="stdout", help="Write to this file."
    ),
]

# study run: how long and how many at a time
RunName = Annotated[str | None, typer.Argument(metavar="NAME|FILE", help="A study, or the path of its file.")]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        "-n",
        envvar="STUDY_TRIALS",
        min=1,
        metavar="N",
        show_default="100; 1 with --recipe",
        help="Finished trials (complete or pruned) in the end, earlier ones included.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        envvar="STUDY_WORKERS",
        min=1,
        metavar="N",
        show_default="one a core, or a GPU",
        help="Trials trained at a time.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        envvar="STUDY_TIMEOUT", metavar="TIME", parser=seconds, help="Stop after 2h, 30m or 90s; what runs is saved."
    ),
]
Device = Annotated[str, typer.Option(envvar="STUDY_DEVICE", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")]
Executor = Annotated[
    ExecutorName,
    typer.Option(envvar="STUDY_EXECUTOR", help=f"Where trainings run. {described(EXECUTORS)}"),
]

# study run: how to search
Sampler = Annotated[
    SamplerName,
    typer.Option(envvar="STUDY_SAMPLER", help=f"Optuna's sampler, which suggests trials. {described(SAMPLERS)}"),
]
Pruner = Annotated[
    PrunerName,
    typer.Option(envvar="STUDY_PRUNER", help=f"Optuna's pruner, which ends hopeless trials. {described(PRUNERS)}"),
]
Seed = Annotated[
    int, typer.Option(envvar="STUDY_SEED", min=0, metavar="N", help="Seed of the sampler and of the trainings.")
]

# study run: what to search
Epochs = Annotated[
    int | None, typer.Option(envvar="STUDY_EPOCHS", min=1, metavar="N", help="The same as --set epochs=N.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-S",
        envvar="STUDY_SET",
        metavar="KNOB=VALUE",
        help="Hold a knob fixed; the value is JSON, else text. Repeatable.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_DATASET", metavar="DATASET", help="Another data set; the study then is called NAME@DATASET."
    ),
]
NoFallback = Annotated[
    bool,
    typer.Option("--no-fallback", envvar="STUDY_NO_FALLBACK", help="Fail where the study's own data cannot be had."),
]
NewName = Annotated[
    str | None, typer.Option("--name", envvar="STUDY_NAME", metavar="NEW", help="Run it as a study of this name.")
]
Accept = Annotated[
    bool,
    typer.Option("--accept", envvar="STUDY_ACCEPT", help="Go on although the study's definition has changed."),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        envvar="STUDY_RECIPE",
        metavar="FILE",
        help="Repeat one training from its recipe, as `study best` prints it.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", envvar="STUDY_DRY_RUN", help="Measure two epochs; say what would run, how long and how large."
    ),
]

# study show, list, export
TrialNumber = Annotated[
    int | None, typer.Option("--trial", envvar="STUDY_TRIAL", min=0, metavar="N", help="One trial with all its epochs.")
]
ShowFormat = Annotated[
    Literal["table", "json", "csv"], typer.Option("--format", "-f", envvar="STUDY_FORMAT", help="How to print it.")
]
ExportFormat = Annotated[
    Literal["csv", "json", "parquet"] | None,
    typer.Option(
        "--format",
        "-f",
        envvar="STUDY_EXPORT_FORMAT",
        show_default="by the ending of -o, else csv",
        help="How to write it.",
    ),
]
Importance = Annotated[
    bool,
    typer.Option(
        "--importance", envvar="STUDY_IMPORTANCE", help="Which knobs mattered, beside what chance and seeds do."
    ),
]
Pruning = Annotated[
    bool, typer.Option("--pruning", envvar="STUDY_PRUNING", help="What the pruner saved, and what it lost.")
]
SortBy = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_SORT_BY",
        metavar="COLUMN",
        show_default="best value first",
        help="trial, value, epochs, seconds, variant, or a knob.",
    ),
]
Top = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_TOP", min=1, metavar="N", show_default="20 in a table, else all", help="Only the first N trials."
    ),
]
PerEpoch = Annotated[
    bool, typer.Option("--epochs", envvar="STUDY_PER_EPOCH", help="One row an epoch instead of one a trial.")
]

# study ui
OptunaPort = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_OPTUNA_PORT",
        min=1,
        max=65535,
        metavar="PORT",
        show_default="a free one",
        help="Of the dashboard.",
    ),
]
MlflowPort = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_MLFLOW_PORT", min=1, max=65535, metavar="PORT", show_default="a free one", help="Of MLflow."
    ),
]

# study sync
StudyNames = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", show_default="all", help="Studies that have results here.")
]
ListOnly = Annotated[
    bool,
    typer.Option("--dry-run", envvar="STUDY_DRY_RUN", help="Only say what MLflow lacks; nothing is asked or sent."),
]

# study data
NewDataName = Annotated[
    str, typer.Argument(metavar="NAME", help="How recipes will call it; a known name such as cifar10 is taken over.")
]
DataPath = Annotated[Path, typer.Argument(metavar="PATH", help="A folder, an archive, a .csv or a .parquet.")]
DataName = Annotated[str, typer.Argument(metavar="NAME", help="A data set that is here.")]
DataNames = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", show_default="all", help="Data sets that are here.")
]
Label = Annotated[
    str | None, typer.Option(envvar="STUDY_LABEL", metavar="COLUMN", help="Of a table: the column to predict.")
]
TestFile = Annotated[
    Path | None, typer.Option("--test", envvar="STUDY_TEST", metavar="FILE", help="Of a table: its test rows.")
]
TestFraction = Annotated[
    float | None,
    typer.Option(
        envvar="STUDY_TEST_FRACTION",
        metavar="F",
        show_default="0.2",
        help="Share held out, stratified, where there is no test split.",
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        envvar="STUDY_SIZE",
        min=1,
        max=4096,
        metavar="N",
        help="Cut images to squares and scale them to NxN pixels.",
    ),
]
DropColumns = Annotated[
    list[str] | None,
    typer.Option("--drop", envvar="STUDY_DROP", metavar="COLUMN", help="Of a table: leave it out. Repeatable."),
]
Force = Annotated[bool, typer.Option("--force", envvar="STUDY_FORCE", help="Replace what is here under this name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", envvar="STUDY_YES", help="Do not ask.")]


def typed(context: typer.Context, parameter: str) -> bool:
    """Tell whether an option was typed: a variable of the environment may be meant for other commands."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"
