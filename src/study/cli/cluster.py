"""`study cluster`, which makes its token and a batch file for Slurm; and the options of a search on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options
from study.cli.help import App
from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_RAY = ("address", "cpus_per_trial", "gpus_per_trial", "shared_home")  # options that mean a cluster
WHERE = options.WHERE


def share(text: str) -> float | str:
    """Read a number of GPUs, or auto.

    Raises:
        BadParameter: it is neither.

    """
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"not a number: {text!r}. Write it as 1, 0.25 or auto") from error


def address(without: str) -> Any:
    """Make the option of a cluster's address, with what happens without it."""
    return typer.Option(
        envvar=["STUDY_ADDRESS", "RAY_ADDRESS"], metavar="auto|HOST:PORT", show_default=without, rich_help_panel=WHERE,
        help="Train on the Ray cluster at this address, with --executor ray.",
    )  # fmt: skip


Address = Annotated[str, address("Ray is started here")]
CpusPerTrial = Annotated[
    float,
    typer.Option(
        metavar="N",
        rich_help_panel=WHERE,
        help="CPUs of a node for each trial, with --executor ray.",
    ),
]
GpusPerTrial = Annotated[
    Any,
    typer.Option(
        metavar="X|auto",
        parser=share,
        show_default="1 if there are any",
        rich_help_panel=WHERE,
        help="GPUs of a node for each trial, such as 0.25; auto: as memory allows. With --executor ray.",
    ),
]


SharedHome = Annotated[
    bool,
    typer.Option(
        "--shared-home",
        rich_help_panel=WHERE,
        help="Write checkpoints and weights from each node to the home folder, which all mount, with --executor ray.",
    ),
]


def placed(
    context: typer.Context,
    executor: str,
    address: str,
    cpus: float,
    gpus: float | str | None,
    *,
    shared_home: bool,
) -> dict[str, Any]:
    """Give the options of a run that say where on a cluster it is.

    Raises:
        InputError: one was typed that has no effect with the executor or the device.

    """
    useless = _useless(executor, context.params)
    for name, (other, fix) in useless.items():
        if options.typed(context, name):  # a variable of the environment may be meant for other commands
            raise InputError(f"has no effect with {other}", where=f"--{name.replace('_', '-')}", fix=fix)
    if executor == "ray" and ":" in (device := context.params.get("device", "")):
        fix = "Write --device cuda."
        raise InputError("Ray chooses the GPU of each trial", where=f"--device {device}", fix=fix)
    gpus = None if "gpus_per_trial" in useless else gpus
    where = {"executor": executor, "address": address, "shared_home": shared_home}
    return {**where, "cpus_per_trial": cpus, "gpus_per_trial": gpus}


def _useless(executor: str, given: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Give the options that have no effect: with which other one, and what to do."""
    found: dict[str, tuple[str, str]] = {}
    if executor != "ray":
        found |= dict.fromkeys(OF_RAY, (f"--executor {executor}", "Add --executor ray."))
    elif given.get("device") == "cpu" and given["gpus_per_trial"]:
        found["gpus_per_trial"] = ("--device cpu", "Leave one of them out.")
    if executor == "inline":
        inline = ("--executor inline", "It trains one trial at a time, in this process, and cannot kill it.")
        found |= {name: inline for name, least in (("workers", 1), ("hang", 0)) if (given.get(name) or 0) > least}
    return found


Words = Annotated[
    list[str],
    typer.Argument(metavar="STUDY [OPTION]...", help="Arguments for `study run`; its options follow `--`."),
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
