"""The options of `study compare`, `study confirm` and `study ablate` alone."""

from __future__ import annotations

from typing import Annotated

import typer

from study.cli import options

Variants = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        show_default="all",
        rich_help_panel=options.WHAT,
        help="Compare these variants.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANT",
        show_default="baseline, else the first",
        rich_help_panel=options.WHAT,
        help="Compare with this variant.",
    ),
]
ComparedSeeds = Annotated[
    int | None,
    typer.Option(
        "--seeds", min=2, metavar="N", show_default="10; at most 30 with --until-sure",
        rich_help_panel=options.LONG, help="Train every variant on this many seeds, the same for all.",
    ),
]  # fmt: skip
RacedSeeds = Annotated[
    int,
    typer.Option(
        "--seeds", min=2, metavar="N",
        rich_help_panel=options.LONG, help="Use this many fresh seeds for the race, and as many others for the scores.",
    ),
]  # fmt: skip
AblatedSeeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        min=2,
        metavar="N",
        rich_help_panel=options.LONG,
        help="Train every recipe on this many fresh seeds, the same for all.",
    ),
]
Top = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="K",
        rich_help_panel=options.WHAT,
        help="Run this many of the best trials again.",
    ),
]
UntilSure = Annotated[
    bool,
    typer.Option(
        "--until-sure",
        rich_help_panel=options.LONG,
        help="Add seeds only until each verdict is settled.",
    ),
]
Smallest = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="X",
        rich_help_panel=options.WHAT,
        help="Name the smallest difference of interest. For accuracies from 0 to 1, 0.005 is half a point.",
    ),
]
Difference = Annotated[
    float,
    typer.Option(
        metavar="X",
        rich_help_panel=options.WHAT,
        help="Find a difference of this size. For accuracies from 0 to 1, 0.005 is half a point.",
    ),
]
Sd = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        rich_help_panel=options.WHAT,
        show_default="that of earlier trainings",
        help="Take this standard deviation between the seeds of one recipe.",
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        metavar="X", rich_help_panel=options.WHAT, help="Also judge how soon the metric reaches X on validation data."
    ),
]
AsPublished = Annotated[
    bool,
    typer.Option(
        "--as-published", rich_help_panel=options.WHAT, help="Also compare the published protocols to the letter."
    ),
]
ShowTable = Annotated[
    bool,
    typer.Option("--show", rich_help_panel=options.OUTPUT, help="Show the table as it stands, and train nothing."),
]
ShowOnly = Annotated[
    bool,
    typer.Option("--show", rich_help_panel=options.OUTPUT, help="Show what was found so far, and train nothing."),
]
AsCsv = Annotated[bool, typer.Option("--csv", rich_help_panel=options.OUTPUT, help="Print the table as CSV.")]
Resplit = Annotated[
    bool | None,
    typer.Option(
        "--resplit/--no-resplit",
        show_default="as before; at first where the data permit",
        rich_help_panel=options.LONG,
        help="Give each fresh seed its own split into training and validation examples.",
    ),
]
NewSplits = Annotated[
    bool,
    typer.Option(
        "--resplit",
        rich_help_panel=options.LONG,
        help="Give each seed its own split into training and validation examples.",
    ),
]
