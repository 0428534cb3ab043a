"""Published tables run again: every variant of each study over seeds, ours beside theirs, written as Markdown.

The literal protocols (`_as_published`) are run as well. What has been run is kept in the home folder: killed and
started again it goes on, and with more seeds it runs those that are new.

    STUDY_DATA=FOLDER python benchmarks/reproduce.py --seeds 10
    STUDY_DATA=FOLDER python benchmarks/reproduce.py --studies init mnist_cnn:5 cifar_tricks:3:epochs=2 --out tables.md

The second names the studies, with seeds of their own after a colon, and knobs held fixed after another.

With --pictures FOLDER it also draws what the documents show but do not measure: for `init` the distributions of
weights, activations and gradients, layer by layer, before training; for `mnist_cnn` the first layer's filters, and what
they make of the first training image, after it.

A row whose published figure lies outside our interval of single runs needs a sentence in EXPLANATIONS; without it the
script ends with exit code 1 and says which.
"""

from __future__ import annotations

import argparse
import ast
import datetime as dt
import math
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inside import distributions, filters, layer_distributions

from study import Study, environment, load, settings
from study.engine.inspect import first_filters
from study.executors.server import cores
from study.options import Options
from study.plots import figures
from study.progress import Notice, TrialEnded
from study.questions import comparison
from study.recipe import Recipe
from study.record.journal import Journal
from study.request import overrides
from study.running.preflight import available_data
from study.stats import intervals
from study.study_files import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.progress import Progress
    from study.questions.comparison import VariantRow
    from study.settings import Settings

STUDIES = (
    "mnist_optimizers", "ann_optimizers", "init", "activations", "schedules", "regularization", "mnist_cnn",
)  # fmt: skip
OUT = Path(__file__).parents[1] / "docs" / "reproduction.md"
# By study and variant: why the published figure lies outside our interval of single runs.
EXPLANATIONS: dict[str, dict[str, str]] = {
    "schedules": {
        "step": "The document tests with dropout on, which costs half a point. step_as_published does the same and "
        "reproduces its figure."
    },
    "regularization": {
        "l1": "The document continues to train the network of its plain run: its figure is after 20 epochs, ten of "
        "them without L1. l1_as_published does the same and reproduces it.",
        "l2": "The document continues to train the network of its part on L1: its figure is after 30 epochs. "
        "l2_as_published does the same and reproduces it.",
        "batch_norm": "The document's network leaves dropout on in the test (F.dropout without `training`), which "
        "costs two and a half points. batch_norm_as_published does the same and reproduces its figure.",
    },
    "activations": {
        "tanh": "The figure is 0.05 points, five test images, below the range. The settings are the document's; among "
        "this many figures some are outside by chance.",
    },
}
HEADINGS = (
    "variant", "published %", "ours: mean %", "95 % of the mean", "95 % of single runs", "n", "published inside",
    "seconds a run", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is asked of a study: `mnist_cnn`, or `mnist_cnn:5`, or `mnist_cnn:5:epochs=2,lr=0.01`.

    Args:
        name: of the study.
        seeds: None for the script's.
        fixed: knobs held fixed, beside the script's.

    """

    name: str
    seeds: int | None
    fixed: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Wanted:
        """Read it from the command line."""
        name, _, more = text.partition(":")
        seeds, _, fixed = more.partition(":")
        return cls(name, int(seeds) if seeds else None, tuple(fixed.split(",")) if fixed else ())

    def __str__(self) -> str:
        """Write it as the command line has it."""
        return ":".join([self.name, str(self.seeds or ""), ",".join(self.fixed)]).rstrip(":")


EVERYTHING = [Wanted(name, None, ()) for name in STUDIES]


@dataclass(frozen=True)
class Table:
    """One study's comparison.

    Args:
        wanted: what was asked.
        study: as it was run.
        baseline: the variant that the others are compared with.
        rows: one a variant.

    """

    wanted: Wanted
    study: Study
    baseline: str
    rows: Sequence[VariantRow]

    @property
    def outside(self) -> list[str]:
        """Variants whose published figure lies outside our interval of single runs."""
        return [row.variant for row in self.rows if lies_inside(row) is False]

    @property
    def unexplained(self) -> list[str]:
        """Those of them about which nothing is said."""
        said = EXPLANATIONS.get(self.study.name, {})
        return [f"{self.study.name}: {variant}" for variant in self.outside if variant not in said]


def run(wanted: Wanted, arguments: argparse.Namespace, places: Settings) -> Table:
    """Run what a study's table still lacks, a line a training to stderr, and read the table from the folders."""
    study = load(wanted.name)
    fixed = overrides([*arguments.assignments, *wanted.fixed])
    study = study.fix(fixed) if fixed else study
    study, _ = available_data(study, fallback=False)
    question = comparison.ask(study, as_published=True, seeds=wanted.seeds or arguments.seeds)
    options = Options(
        workers=arguments.workers, device=arguments.device, executor=arguments.executor, track=arguments.track
    )
    for progress in comparison.run(study, places, options, question, threading.Event()):
        tell(study.name, progress)
    return Table(wanted, study, question.against, comparison.of(study, places, question))


def tell(name: str, progress: Progress) -> None:
    """Write a line about a training that has ended."""
    if isinstance(progress, TrialEnded):
        value = progress.ended.value
        figure = progress.ended.reason if value is None else f"{100 * value:.2f} %"
        print(f"{name} {progress.trial} {progress.variant}: {figure}", file=sys.stderr)
    elif isinstance(progress, Notice):
        print(progress.text, file=sys.stderr)


def lies_inside(row: VariantRow) -> bool | None:
    """Tell whether the published figure lies where one more run of ours would, with 95 %; None if it cannot be told."""
    values = [value for value in row.values if math.isfinite(value)]
    if row.published is None or len(values) < 2:
        return None
    return intervals.single_run(values).contains(row.published.value, row.published.rounding)


def section(table: Table) -> str:
    """Write a study's part: its question, its table, and what is to be said about rows that lie outside."""
    name = table.study.name
    intro = (ast.get_docstring(ast.parse(find(name).read_text())) or name).split("\n\n")
    lines = [f"## {name}", "", f"{intro[0]} {' '.join(intro[1:2])}".replace("\n", " "), ""]
    own = f" Seeds: {table.wanted.seeds}." if table.wanted.seeds else ""
    own += f" Held fixed: {', '.join(table.wanted.fixed)}." if table.wanted.fixed else ""
    file = f"[{name}.py](../studies/{name}.py)"
    lines += [f"How the document was interpreted: {file}. Baseline: {table.baseline}.{own}", ""]
    lines += [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [f"| {' | '.join(cells(row))} |" for row in table.rows]
    said = EXPLANATIONS.get(name, {})
    if table.outside:
        lines += ["", *(f"- {variant}: {said.get(variant, 'outside, not explained.')}" for variant in table.outside)]
    return "\n".join(lines)


def cells(row: VariantRow) -> list[str]:
    """Write one variant's line."""
    values = [value for value in row.values if math.isfinite(value)]
    diverged = f", {row.diverged} diverged" if row.diverged else ""
    return [
        row.variant,
        percent(row.published.value) if row.published else "",
        percent(row.mean.value) if row.mean else "",
        span(row.mean.interval) if row.mean else "",
        span(intervals.single_run(values)) if values else "",
        f"{len(values)}{diverged}",
        {True: "yes", False: "**no**", None: ""}[lies_inside(row)],
        f"{row.seconds:.1f}" if row.seconds >= 1 else f"{row.seconds:.2f}",
        row.comparison.words(100, " points") if row.comparison else "baseline",
    ]


def percent(value: float) -> str:
    """Write a share of 1 in percent."""
    return f"{100 * value:.2f}"


def span(interval: intervals.Interval) -> str:
    """Write an interval in percent, as far as it lies within 0 and 100."""
    if not math.isfinite(interval.low):
        return "unknown"
    return f"{percent(max(0.0, interval.low))} to {percent(min(1.0, interval.high))}"


def head(tables: Sequence[Table], arguments: argparse.Namespace) -> str:
    """Write what is true of all tables: machine, versions, date, seeds, seconds, and how to read them."""
    found = environment.versions()
    versions = ", ".join(
        f"{name} {found[name]}" for name in ("python", "torch", "torchvision", "scikit-learn", "numpy")
    )
    pairs = [(row.seconds, row.mean.n) for table in tables for row in table.rows if row.mean]
    held = f" Held fixed: {', '.join(arguments.assignments)}." if arguments.assignments else ""
    named = "" if arguments.studies == EVERYTHING else f"--studies {' '.join(map(str, arguments.studies))} "
    note = f"\n- {arguments.note}" if arguments.note else ""
    training = sum(seconds * n for seconds, n in pairs)
    return f"""# Published tables, run again

Written by [reproduce.py](../benchmarks/reproduce.py):

    python benchmarks/reproduce.py {named}--seeds {arguments.seeds}

- Machine: {found["processor"]}, {cores()} cores, device {arguments.device}; {found["platform"]}
- Versions: {versions}
- Date: {dt.datetime.now(tz=dt.UTC).date()}
- Seeds: {arguments.seeds} where nothing else is said, the same for all variants of a study; {training:,.0f} seconds of
  training.{held}{note}

Accuracies are of the test split, after training on the whole training split if the document does. "95 % of the mean"
is Student's t interval of our mean. "95 % of single runs" is where one more run is expected (a prediction interval),
and so also a published figure, which is one run; one in 20 such figures is outside by chance. The verdict is against
the baseline, paired over seeds, with Holm's method over the variants. Variants whose names end in `_as_published`
follow the document's protocol literally where the fair one does not.
"""


def draw(table: Table, places: Settings, folder: Path) -> None:
    """Draw what the study's document shows of its networks' insides, as SVG and PNG."""
    if table.study.name == "init":
        recipes = {name: table.study.recipe_for(each) for name, each in table.study.variants.items()}
        layers = {name: layer_distributions(each) for name, each in recipes.items() if isinstance(each, Recipe)}
        for what in ("weights", "activations", "gradients"):
            figure = distributions(layers, what, f"init: {what} before training, 512 images of MNIST")
            figures.write(figure, folder, f"init_{what}")
    elif table.study.name == "mnist_cnn":
        folders = Journal(places.study_folder(comparison.compared(table.study).name)).trials()
        trained = next(each for each in folders if each.about()["variant"] == "cnn" and each.best.exists())
        found = first_filters(Recipe.model_validate(trained.recipe()), trained.best)
        figures.write(filters(found, "mnist_cnn: first convolution after training"), folder, "mnist_cnn_filters")


def ask() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Run published tables again and write ours beside theirs.")
    parser.add_argument(
        "--studies", nargs="+", type=Wanted.read, default=EVERYTHING, metavar="NAME[:SEEDS[:KNOB=VALUE]]"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--note", help="a sentence about the circumstances, for the head of the page")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the networks' insides there")
    parser.add_argument("--home", type=Path, help="folder of results")
    parser.add_argument("--workers", type=int, help="trainings at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--executor", default="local", choices=["local", "inline"])
    parser.add_argument("--no-track", dest="track", action="store_false", help="without MLflow")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KNOB=VALUE")
    return parser.parse_args()


def main() -> int:
    """Run the studies one after the other; the file is written anew after each."""
    arguments = ask()
    places = settings.resolve(arguments.home)
    tables: list[Table] = []
    for wanted in arguments.studies:
        tables.append(run(wanted, arguments, places))
        arguments.out.write_text("\n".join([head(tables, arguments), "\n\n".join(map(section, tables)), ""]))
        if arguments.pictures:
            draw(tables[-1], places, arguments.pictures)
    unexplained = [each for table in tables for each in table.unexplained]
    for each in unexplained:
        print(f"outside and not explained: {each}", file=sys.stderr)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
