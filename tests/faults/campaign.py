"""Random faults, several at once, on searches with real workers and databases; afterwards nothing may be wrong.

    python -m tests.faults.campaign --hours 1 --seed 0                      a table of faults, runs and violations
    python -m tests.faults.campaign --every-kind --seed 0                   each kind of fault on each storage, as in CI
    python -m tests.faults.campaign --replay 12345 --storage sqlite         the one run whose plan has this seed

A seed gives the same plan of faults. How processes interleave is the machine's, so a violation may need several tries.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

import study
from study import settings, tracking
from study.record.journal import Journal
from tests.faults import records
from tests.faults.kinds import FAULTS
from tests.faults.running import SILENCE, SMALL, Plan, Search
from tests.faults.shim import Shim
from tests.postgres import databases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST = 5  # faults in a run
WORKERS_LOST = 3  # in a run: a trial may lose no more
TRIES = 6  # to finish after the last fault
DRAWN = 2000  # plans of which the one with the most kinds of faults that are new is taken
FATAL = ("This is a bug", "Traceback (most recent call last)")
# torch's cache; the socket of a server whose parent was killed by -9; of a killed MLflow, which the next one deletes
KEPT = ("torchinductor_", "pymp-", "study-mlflow-")


def kinds_on(storage: str) -> list[str]:
    """List the kinds of faults that a storage can have."""
    return [name for name in FAULTS if storage == "postgresql" or name != "J connections dropped"]


def plan_of(seed: int, storage: str) -> Plan:
    """Make the plan of a seed."""
    chance = random.Random(seed)
    names = kinds_on(storage)
    chosen = [chance.choice(names) for _ in range(chance.randint(2, MOST))]
    lost = [name for name in chosen if name in {"C kill a worker", "C kill the workers' server"}]
    for name in lost[WORKERS_LOST:]:
        chosen.remove(name)
    faults = tuple(
        (name, 0, 0.0) if chance.random() < 0.3 else (name, chance.randint(0, 8), chance.uniform(0, 1))
        for name in chosen
    )
    return Plan(seed, storage, chance.randint(4, 7), chance.randint(1, 2), chance.choice([0.0, 0.1, 0.3]), faults)


def plans_of(seed: int, storages: list[str]) -> Iterator[Plan]:
    """Make plans without an end, on the storages in turn."""
    chance = random.Random(seed)
    return (plan_of(chance.getrandbits(32), storage) for storage in itertools.cycle(storages))


def of_every_kind(seed: int, storages: list[str]) -> Iterator[Plan]:
    """Make few plans, of few faults, in which each kind of fault comes at least once on each storage."""
    chance = random.Random(seed)
    for storage in storages:
        left = set(kinds_on(storage))
        while left:
            drawn = [plan_of(chance.getrandbits(32), storage) for _ in range(DRAWN)]
            best = max(drawn, key=lambda plan: (len(left & plan.kinds()), -len(plan.faults)))
            left -= best.kinds()
            yield best


def run(plan: Plan, folder: Path, storage: str, tables: Path) -> Search:
    """Carry a plan out and check what is left; the violations are the search's.

    Args:
        plan: to carry out.
        folder: an empty one.
        storage: Optuna's; a SQLite file in the home if empty.
        tables: MLflow's database, with nothing in it.

    """
    home = folder / "home"
    home.mkdir()
    (folder / "tmp").mkdir()
    shutil.copy(tables, home / "mlflow.db")
    search = Search(
        plan, home, storage or f"sqlite:///{home}/optuna.db", Shim(folder / "shim", home), random.Random(plan.seed + 1)
    )
    search.start()
    for name, lines, seconds in plan.faults:
        search.wait_for(lines, seconds)
        if search.process is not None and search.process.poll() is not None:
            search.ended()
        if search.process is None:
            search.start()
        FAULTS[name](search)
    search.heal()
    code = search.ended()
    for _ in range(TRIES):
        if code == 0:
            break
        search.start()
        code = search.ended()
    if any("`study sync" in line for line in search.lines[search.first :]):  # else all is told
        command = [sys.executable, "-m", "study", "sync", "small", "--home", str(home), "--storage", search.storage]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        search.violations += [f"sync ends with {done.returncode}: {done.stderr[-300:]}"] if done.returncode else []
    check(search)
    return search


def check(search: Search) -> None:
    """Look for what is wrong after the last run."""
    found = search.violations
    text = "".join(search.lines)
    found += [f"printed {word!r}: {text[max(0, text.find(word) - 300) :][:600]}" for word in FATAL if word in text]
    if search.longest > SILENCE:
        found.append(f"{search.longest:.0f} s without a line and with nothing to do")
    try:
        found += records.differences(search.home, search.plan.trials, storage=search.storage)
        found += _other_bits(search.home)
        found += _enqueued(search)
    except study.StudyError as error:
        found.append(f"cannot be read: {error}")
    left = (path.name for path in search.home.with_name("tmp").iterdir())
    found += [f"left behind in the temporary folder: {name}" for name in left if not name.startswith(KEPT)]


def _other_bits(home: Path) -> Iterator[str]:
    """Train each trial again in this process, undisturbed, and compare."""
    small = study.load(str(SMALL))
    for number, (recipe, epochs, state, _) in records.folders(home).items():
        whole = small.train(type(small.recipe).model_validate({**recipe, "seconds": 0.0}), None)
        exact = [(epoch.number, tuple(sorted(epoch.metrics.items()))) for epoch in whole]
        if epochs != (exact if state == "complete" else exact[: len(epochs)]):
            yield f"trial {number} has other epochs than undisturbed"


def _enqueued(search: Search) -> Iterator[str]:
    """Each enqueued trial is trained once, or waits."""
    with records.ours.opened(search.storage) as database:
        trials = optuna.load_study(study_name="small", storage=database).trials
    waiting = [trial.system_attrs["fixed_params"]["lr"] for trial in trials if trial.state.name == "WAITING"]
    params = [folder.about()["params"].get("lr") for folder in Journal(search.home / "studies" / "small").trials()]
    for rate in search.enqueued:
        if (times := params.count(rate) + waiting.count(rate)) != 1:
            yield f"the enqueued trial with lr {rate} is there {times} times"


def campaign(plans: Iterable[Plan], seconds: float, what: str) -> int:
    """Run plans until the time is up, print the table; give the number of violations.

    Args:
        plans: to run, one after the other.
        seconds: how long; the last run that was begun ends.
        what: storages and seed, for the last line.

    """
    until = time.monotonic() + seconds
    struck, violations, longest, done = Counter(), [], 0.0, 0
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ExitStack() as stack:
        made = None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="study-campaign-")))
        tables = folder / "mlflow.db"
        tracking.prepare(settings.resolve(folder, None, f"sqlite:///{tables}"))
        for plan in plans:
            if time.monotonic() > until:
                break
            if plan.storage == "postgresql" and made is None:
                made = stack.enter_context(databases())
            place = folder / "run"
            place.mkdir()
            search = run(plan, place, made() if made and plan.storage == "postgresql" else "", tables)
            shutil.rmtree(place)
            struck.update(name for name, _, _ in plan.faults)
            longest, done = max(longest, search.longest), done + 1
            violations += [f"--replay {plan.seed} --storage {plan.storage}: {each}" for each in search.violations]
            print(f"{done}: {plan}: {len(search.violations)} violations", flush=True)
            print(
                *(f"   {each}" for each in search.violations), sep="\n", end="\n" * bool(search.violations), flush=True
            )
    print(*(f"{count:6} {name}" for name, count in sorted(struck.items())), sep="\n")
    print(f"{struck.total()} faults, {done} runs on {what}, {len(violations)} violations, "
          f"longest silence {longest:.1f} s")  # fmt: skip
    print(*violations, sep="\n")
    return len(violations)


def main() -> None:
    """Parse the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0, help="fractions are taken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storage", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--every-kind", action="store_true", help="the fewest plans with each kind on each storage")
    parser.add_argument("--replay", type=int, help="seed of the one plan to run")
    asked = parser.parse_args()
    storages = ["sqlite", "postgresql"] if asked.storage == "both" else [asked.storage]
    seconds, what = asked.hours * 3600, f"{' and '.join(storages)}, seed {asked.seed}"
    if asked.replay is not None:
        plans = [plan_of(asked.replay, storages[0])]
    elif asked.every_kind:
        plans = of_every_kind(asked.seed, storages)
    else:
        plans = plans_of(asked.seed, storages)
    sys.exit(bool(campaign(plans, seconds, what)))


if __name__ == "__main__":
    main()
