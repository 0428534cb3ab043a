"""`study cluster`, which makes its token; and the options of a search on a cluster."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from study.cli import options
from study.cli.help import App
from study.errors import InputError

WHERE = options.WHERE


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
    float | None,
    typer.Option(
        envvar="STUDY_GPUS_PER_TRIAL",
        metavar="X",
        show_default="1 if there are any",
        rich_help_panel=WHERE,
        help="Take this many of a node's GPUs for each trial, such as 0.25, with --executor ray.",
    ),
]


def placed(context: typer.Context, executor: str, address: str, cpus: float, gpus: float | None) -> dict[str, Any]:
    """Give the options of a run that say where on a cluster it is.

    Raises:
        InputError: one was typed that has no effect with this executor.

    """
    for name in ("address", "cpus_per_trial", "gpus_per_trial"):
        if executor != "ray" and options.typed(context, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"has no effect with --executor {executor}", where=option, fix="Add --executor ray.")
    return {"executor": executor, "address": address, "cpus_per_trial": cpus, "gpus_per_trial": gpus}


Words = Annotated[
    list[str],
    typer.Argument(metavar="STUDY [OPTION]...", help="What `study run` is to be given; options of it follow `--`."),
]
Nodes = Annotated[
    int, typer.Option("--nodes", envvar="STUDY_SLURM_NODES", min=1, metavar="N", help="Ask Slurm for this many nodes.")
]
Cpus = Annotated[
    int, typer.Option("--cpus", envvar="STUDY_SLURM_CPUS", min=1, metavar="N", help="Take this many CPUs of each node.")
]
Gpus = Annotated[
    int, typer.Option("--gpus", envvar="STUDY_SLURM_GPUS", min=0, metavar="N", help="Take this many GPUs of each node.")
]
Time = Annotated[
    str,
    typer.Option(
        "--time", envvar="STUDY_SLURM_TIME", metavar="HH:MM:SS", help="Limit the job's time; it is requeued after that."
    ),
]


app = App(no_args_is_help=True, help="Make what a cluster of several machines needs.")


@app.command("token")
def token() -> None:
    """Make the token by which the nodes of a Ray cluster know each other, and print its file.

    Copy the file to each node, then start Ray there with RAY_AUTH_MODE=token. A token that is there stays.
    """
    from study.executors.token import settle

    print(settle())


@app.command("slurm")
def slurm(words: Words, nodes: Nodes = 1, cpus: Cpus = 1, gpus: Gpus = 0, time: Time = "04:00:00") -> None:
    """Print a batch file for Slurm: a search on a Ray cluster that it starts in its allocation.

    Two minutes before the time limit the search ends its epochs and saves them, and the job requeues itself.
    """
    from study.executors.slurm import script

    print(script(words, nodes=nodes, cpus=cpus, gpus=gpus, time=time), end="")
