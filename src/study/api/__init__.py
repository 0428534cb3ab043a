"""What the command line does, for scripts and notebooks: a function for each command, with its answer as an object."""

from study.api.questions import How, ablate, compare, confirm, run

__all__ = ["How", "ablate", "compare", "confirm", "run"]
