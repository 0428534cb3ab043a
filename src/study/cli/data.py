"""`study data`: the data sets that are here."""

import typer

app = typer.Typer(no_args_is_help=True, help="Data sets: those that are here, and bringing in your own.")
