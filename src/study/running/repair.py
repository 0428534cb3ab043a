"""Repairs the damaged files of a study, after a backup of each: restores them from Optuna and MLflow, or starts anew.

A trial is restored only if the copies are complete. Otherwise it stays damaged, or is run again on request: it keeps
its recipe and its uid, and the next `study run` trains it from its first epoch.
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from study.definition import override
from study.errors import Damaged, StudyError
from study.recipe import to_json
from study.record import atomic_files, checked, damage, log_lines, results, weights
from study.record.history import History
from study.record.trial import base_of
from study.tracking import cursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from study.record.damage import Damage
    from study.record.journal import Journal, TrialFolder
    from study.sampling.copies import Copy
    from study.tracking.copies import Copies

FROM_BOTH = ("uid", "variant", "overrides", "params", "distributions", "created")


class Unrepaired(Exception):
    """The content of a file cannot be recovered."""


class Repairs:
    """Repairs one study, whose lock the caller holds."""

    def __init__(
        self, journal: Journal, optuna: Mapping[str, Copy], mlflow: Copies | None, backup: Path, *, run_again: bool
    ) -> None:
        """Set the study to repair and the sources to repair it from.

        Args:
            journal: the study's folders.
            optuna: copies of its trials in Optuna, by uid.
            mlflow: copies of its files in MLflow; None if there are none.
            backup: folder to copy each file to before changing it.
            run_again: whether to run damaged trials again instead of restoring them.

        """
        self._journal, self._optuna, self._mlflow, self._backup = journal, optuna, mlflow, backup
        self._run_again = run_again

    def cure(self, found: Damage) -> str:
        """Repair a damaged file and return a description of the repair.

        Raises:
            Unrepaired: its content cannot be recovered.
            PlaceError: the disk is full or not writable.

        """
        if found.trial is None:
            return self._cure_study(found.file)
        trial = self._journal.trial(found.trial)
        if found.file == trial.checkpoint:
            self._set_aside(found.file)
            return "moved away; `study run` goes on from the checkpoint before it"
        if self._run_again and found.file.name != "recipe.json":
            return self._anew(trial, found.file)
        if found.file == trial.correct:
            return self._correct(trial)
        cures = {"recipe.json": self._recipe, "trial.json": self._about, "log.jsonl": self._log}
        if found.file.name in cures:
            return cures[found.file.name](trial)
        return self._weights(trial, found.file)

    def _cure_study(self, file: Path) -> str:
        self._keep(file)
        match file.name:
            case "study.json":
                copy = self._mlflow and self._mlflow.definition(self._journal.folder.name)
                if not copy:
                    file.unlink()
                    return "moved away; the next `study run` stores the study file's definition"
                self._journal.store_definition(json.loads(copy))
                return "restored from MLflow"
            case "openings.json":
                file.unlink()
                self._journal.record_opening({
                    "time": time.time(), "command": "unknown: the list of looks was damaged",
                    "study": self._journal.folder.name, "recipes": [], "seeds": [],
                })  # fmt: skip
                return "made anew; it says that earlier looks at the test split are not known"
            case "mirror.json":
                file.unlink()
                return "moved away; the next `study sync` sends all of it again"
            case _:
                file.unlink()
                return "moved away; the same command writes it again"

    def _recipe(self, trial: TrialFolder) -> str:
        about = trial.about()
        file = trial.path / "recipe.json"
        if copy := self._mlflow and self._mlflow.file(about["uid"], "recipe.json"):
            self._keep(file)
            checked.write(file, json.loads(copy))
            return "restored from MLflow"
        base = base_of(self._journal.definition() or {})
        if base is None:
            raise Unrepaired("the study's own recipe is not known")
        recipe = override(base, about["overrides"])
        self._keep(file)
        checked.write(file, json.loads(to_json(recipe)))
        return "made again from the study's recipe and the trial's overrides"

    def _about(self, trial: TrialFolder) -> str:
        others = {each.about["uid"]: each for each in results.intact(self._journal)}
        lost = [copy for uid, copy in self._optuna.items() if uid not in others]
        same = [copy for copy in lost if copy.number == trial.number] or lost
        if len(same) != 1 or not others:
            raise Unrepaired("Optuna does not tell which of its trials it is")
        near = min(others.values(), key=lambda each: abs(each.number - trial.number))
        about = {**near.about, **{name: same[0].about[name] for name in FROM_BOTH}}
        about.pop("repeats", None)
        self._keep(trial.path / "trial.json")
        checked.write(trial.path / "trial.json", about)
        return f"restored from Optuna; versions and data as of trial {near.number}"

    def _log(self, trial: TrialFolder) -> str:
        """Keep intact lines and restore the others; truncate the log of a trial that has not ended."""
        read, about = trial.read_log(), trial.about()
        copy = self._optuna.get(about["uid"])
        good = [record for record in read.lines if record is not None]
        is_ended = any(record["kind"] == "ended" for record in good)
        if not is_ended and (copy is None or copy.state is None):
            self._keep(trial.log)
            first = read.damaged[0] - 1
            self._write_log(trial, [record for record in read.lines[:first] if record is not None])
            return "cut before its damaged line; `study run` trains the epochs after it again"
        records = self._restored(trial, good, copy)
        self._keep(trial.log)
        self._write_log(trial, records)
        return f"restored {'from MLflow and Optuna' if self._mlflow else 'from Optuna'}"

    def _restored(self, trial: TrialFolder, good: list[dict[str, Any]], copy: Copy | None) -> list[dict[str, Any]]:
        """Return all log records of an ended trial.

        Raises:
            Unrepaired: the copies are incomplete.

        """
        if any(record["kind"] == "restarted" for record in good):
            raise Unrepaired("it was resumed from an earlier epoch, of which no copy tells")
        epochs = {record["number"]: record for record in good if record["kind"] == "epoch"}
        ended = next((record for record in good if record["kind"] == "ended"), None)
        others = [record for record in good if record["kind"] not in {"epoch", "ended"}]
        last = max([*epochs, *(copy.values if copy else ())], default=0)
        missing = sorted(set(range(1, last + 1)) - epochs.keys())
        if missing:
            epochs |= self._epochs(trial, missing, epochs, copy)
        if ended is None:
            assert copy is not None
            assert copy.state is not None
            ended = {
                "kind": "ended", "time": copy.ended, "state": copy.state, "value": copy.value, "reason": copy.reason,
                "evaluation": self._evaluation(trial),
            }  # fmt: skip
        restored = {"kind": "restored", "time": time.time(), "epochs": missing}
        records = [*others, *(epochs[number] for number in sorted(epochs)), restored, ended]
        _require_history(records, last)
        return records

    def _epochs(
        self, trial: TrialFolder, missing: list[int], known: Mapping[int, dict[str, Any]], copy: Copy | None
    ) -> dict[int, dict[str, Any]]:
        about = trial.about()
        objective = about.get("followed") or about["metric"]
        names = list(next(iter(known.values()))["metrics"]) if known else self._names(objective)
        there = self._mlflow.epochs(about["uid"], names) if self._mlflow else {}
        if copy and names == [objective]:
            for number, value in copy.values.items():
                there.setdefault(number, ({objective: value}, 0.0, copy.ended or time.time()))
        if lost := [number for number in missing if number not in there]:
            raise Unrepaired(f"no copy tells all metrics of epoch {lost[0]}")
        return {
            number: {"kind": "epoch", "time": at, "number": number, "metrics": metrics, "seconds": seconds}
            for number, (metrics, seconds, at) in there.items()
            if number in missing
        }

    def _names(self, objective: str) -> list[str]:
        """Return the metric names of the study's other trials."""
        epochs = (epoch for trial in results.intact(self._journal) for epoch in trial.history.epochs)
        first = next(epochs, None)
        return list(first.metrics) if first else [objective]

    def _evaluation(self, trial: TrialFolder) -> Any:
        copy = self._mlflow and self._mlflow.file(trial.about()["uid"], "evaluation.json")
        return json.loads(copy) if copy else None

    def _weights(self, trial: TrialFolder, file: Path) -> str:
        copy = self._mlflow and self._mlflow.file(trial.about()["uid"], file.name)
        if not copy:
            raise Unrepaired("MLflow has no copy of it")
        self._keep(file)
        atomic_files.replace(file, [copy])
        weights.read(file)
        return "restored from MLflow"

    def _correct(self, trial: TrialFolder) -> str:
        file = trial.correct
        self._set_aside(file)
        if copy := self._mlflow and self._mlflow.file(trial.about()["uid"], file.name):
            atomic_files.replace(file, [copy])
            return "restored from MLflow"
        return "moved away; intervals for new examples leave this training out"

    def _anew(self, trial: TrialFolder, damaged: Path) -> str:
        """Reset a trial so that it runs again: keep only recipe.json and trial.json."""
        if damaged.name == "trial.json":
            self._about(trial)
        for file in trial.path.iterdir():
            if file.name not in {"recipe.json", "trial.json"}:
                self._set_aside(file)
        trial.append("anew")
        cursor.forget_trial(self._journal, trial.number)
        return "begins anew: the next `study run` trains it from its first epoch"

    def _write_log(self, trial: TrialFolder, records: list[dict[str, Any]]) -> None:
        atomic_files.replace(trial.log, [log_lines.encode(record) for record in records])

    def _keep(self, file: Path) -> None:
        """Copy a file to the backup."""
        if file.exists():
            place = self._backup / file.relative_to(self._journal.home)
            atomic_files.make_folder(place.parent, self._journal.home)
            shutil.copy2(file, place)

    def _set_aside(self, file: Path) -> None:
        self._keep(file)
        file.unlink()


def study(repairs: Repairs, journal: Journal) -> Iterator[tuple[Damage, str, bool]]:
    """Repair the damaged files of a study one by one.

    Yields:
        The damage; what was done, or why it could not be repaired; whether it is repaired.

    """
    for found in list(damage.find(journal)):
        try:
            now = damage.find(journal) if found.trial is None else damage.of_trial(journal.trial(found.trial))
            if found.file not in {each.file for each in now}:
                continue  # repaired together with another file
            yield found, repairs.cure(found), True
        except Unrepaired as error:
            yield found, f"not restored: {error}", False
        except (Damaged, StudyError) as error:  # its source is damaged, too
            yield found, f"not restored: {error}", False


def _require_history(records: list[dict[str, Any]], last: int) -> None:
    history = History()
    for record in records:
        history.take(record)
    if [epoch.number for epoch in history.epochs] != list(range(1, last + 1)) or history.ended is None:
        raise Unrepaired("its copies do not tell all of its epochs")
