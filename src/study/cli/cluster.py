"""`study cluster`: its token and a batch file; and the options of a search on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options
from study.cli.help import App
from study.errors import InputError

if TYPE_CHECKING:
    from study.options import Share

WHERE = options.WHERE


def share(text: str) -> Share:
    """Read a number of GPUs, or auto.

    Raises:
        BadParameter: it is neither.

    """
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"neither a number nor auto: {text!r}") from error


Address = Annotated[
    str,
    typer.Option(
        envvar=["STUDY_ADDRESS", "RAY_ADDRESS"],
        metavar="auto|HOST:PORT",
        show_default="Ray is started here",
        rich_help_panel=WHERE,
        help="Train on the Ray cluster at this address, with --executor ray.",
    ),
]
CpusPerTrial = Annotated[
    float,
    typer.Option(
        envvar="STUDY_CPUS_PER_TRIAL",
        metavar="N",
        rich_help_panel=WHERE,
        help="Take this many of a node's CPUs for each trial, with --executor ray.",
    ),
]
GpusPerTrial = Annotated[
    Any,
    typer.Option(
        envvar="STUDY_GPUS_PER_TRIAL",
        metavar="X|auto",
        show_default="1 if there are any",
        parser=share,
        rich_help_panel=WHERE,
        help="Take this many of a node's GPUs for each trial, such as 0.25; auto: by its measured memory.",
    ),
]


def placed(context: typer.Context, executor: str, address: str, cpus: float, gpus: Share | None) -> dict[str, Any]:
    """Give the options of a run that say where on a cluster it is.

    Raises:
        InputError: one was typed that has no effect with this executor.

    """
    for name in ("address", "cpus_per_trial", "gpus_per_trial"):
        if executor != "ray" and options.typed(context, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"has no effect with --executor {executor}", where=option, fix="Add --executor ray.")
    return {"executor": executor, "address": address, "cpus_per_trial": cpus, "gpus_per_trial": gpus}


app = App(no_args_is_help=True, help="Make what a cluster of several machines needs.")


@app.command("token")
def token() -> None:
    """Make the token by which the nodes of a Ray cluster know each other, and print its file.

    Copy the file to each node, then start Ray there with RAY_AUTH_MODE=token. A token that is there stays.
    """
    from study.executors.token import settle

    print(settle())


Nodes = Annotated[int, typer.Option("--nodes", "-N", envvar="STUDY_NODES", min=1, metavar="N", help="Ask for N nodes.")]
Cpus = Annotated[int, typer.Option(envvar="STUDY_CPUS", min=1, metavar="N", help="Ask for N CPUs of each node.")]
Gpus = Annotated[int, typer.Option(envvar="STUDY_GPUS", min=0, metavar="N", help="Ask for N GPUs of each node.")]
Limit = Annotated[
    str,
    typer.Option("--time", envvar="STUDY_TIME", metavar="TIME", help="Requeue the job after this time."),
]
Partition = Annotated[
    str, typer.Option(envvar="STUDY_PARTITION", metavar="NAME", show_default="Slurm's", help="Use this partition.")
]
Words = Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run, such as run my_study.")]


@app.command("slurm", context_settings={"ignore_unknown_options": True})
def slurm(
    words: Words, nodes: Nodes = 1, cpus: Cpus = 8, gpus: Gpus = 0, limit: Limit = "04:00:00", partition: Partition = ""
) -> None:
    """Print a Slurm batch file that runs a search on the nodes of its allocation, and requeues itself.

    Write `--` before the command: `study cluster slurm --nodes 4 -- run my_study --trials 500 > job.sh`.
    """
    from study.text.slurm import batch_file

    print(batch_file(words, nodes=nodes, cpus=cpus, gpus=gpus, limit=limit, partition=partition), end="")
