"""The sections for repeating a study: its cost, its environment and data, and the commands."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.formatting import duration, knob, local_moment, plural, to_json
from study.insight import savings
from study.questions import judging
from study.record import results
from study.report.parts import Code, Facts, Points, Section, Table, Text
from study.sampling.space import spell_stored
from study.sampling.table import PRUNER, SAMPLER
from study.study_files import available
from study.text.search import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.report.found import Found, Winner
    from study.report.parts import Part

LONGEST_LINE = 76  # characters of a command; longer ones are folded
DEFAULTS = (("sampler", SAMPLER), ("pruner", PRUNER), ("seed", 0))


def sections(found: Found, winner: Winner | None) -> list[Section]:
    """Make the sections for repeating the study; leave out those without data."""
    made = [
        ("notes", "Notes in the study's file", _notes(found)),
        ("compute", "Compute", _compute(found)),
        ("environment", "Environment", _environment(found, winner)),
        ("data", "Data", _data(found)),
        ("space", "Search space", _space(found)),
        ("repeat", "How to repeat it", _repeat(found, winner)),
    ]
    return [Section(key, title, parts) for key, title, each in made if (parts := list(each))]


def _notes(found: Found) -> Iterator[Part]:
    """Show the file's docstring after its first paragraph; its lists stay lists."""
    for paragraph in found.about.split("\n\n")[1:]:
        text, *items = re.split(r"(?m)^\s*- ", paragraph)
        if text.strip():
            yield Text(" ".join(text.split()))
        if items:
            yield Points([" ".join(item.split()) for item in items])


def _compute(found: Found) -> Iterator[Part]:
    if not found.trials:
        yield Text("The search has no trial.", "quiet")
        return
    facts = [("Trials", _states(found)), ("Training time", duration(found.summary.seconds))]
    starts = [trial.row.started for trial in found.trials if trial.row.started]
    ends = [trial.history.ended.time for trial in found.trials if trial.history.ended]
    if starts and ends:
        facts.append(("From", f"{local_moment(min(starts))} to {local_moment(max(ends))}"))
    facts += _pruning(found)
    if reasons := Counter(trial.row.reason for trial in found.trials if trial.row.state == "failed").most_common(3):
        facts.append(("Failed with", "; ".join(f"{reason} ({count})" for reason, count in reasons)))
    deaths = sum(len(trial.history.deaths) for trial in found.trials)
    if deaths:
        facts.append(("Workers that died", str(deaths)))
    yield Facts(facts)


def _states(found: Found) -> str:
    rows = results.ranked([trial.row for trial in found.trials], found.metric)
    words = Counter(state(row.state, paused=row.paused) for row in rows)
    return f"{len(found.trials)}: {', '.join(f'{count} {word}' for word, count in words.items())}"


def _pruning(found: Found) -> Iterator[tuple[str, str]]:
    """Show what pruning saved, and what it lost, estimated from audited trials."""
    saved = savings.read([trial.row for trial in found.trials], found.metric)
    if saved.pruned:
        whole = saved.epochs + saved.epochs_saved
        share, time = f"{100 * saved.share_saved:.0f} %", duration(saved.seconds_saved)
        yield "Saved by pruning", f"{share}: {saved.epochs_saved:,} of {whole:,} epochs, about {time}"
    if saved.diverged:
        yield "Diverged", plural(saved.diverged, "trial")
    if saved.lost_good.n:
        good, best = (round(share.value * share.n) for share in (saved.lost_good, saved.lost_best))
        audited = plural(saved.lost_good.n, "trial")
        yield "Lost by pruning", (f"{good} of {audited} that ran on against the pruner's decision ended among the best "
                                  f"tenth of all, {best} as the best")  # fmt: skip


def _environment(found: Found, winner: Winner | None) -> Iterator[Part]:
    trials = [*found.trials, *([winner.trial] if winner else [])]
    recorded = [trial.about.get("environment") or {} for trial in trials]
    names = list(dict.fromkeys(name for each in recorded for name in each))
    facts = [
        (name, " and ".join(dict.fromkeys(str(each[name]) for each in recorded if name in each))) for name in names
    ]
    devices = dict.fromkeys(trial.row.device for trial in trials if trial.row.device)
    if devices:
        facts.append(("device", ", ".join(devices)))
    gits = dict.fromkeys(_commit(trial.about.get("git") or {}) for trial in trials)
    if commits := [each for each in gits if each]:
        facts.append(("commit", ", ".join(commits)))
    if facts:
        yield Facts(facts)


def _commit(git: Mapping[str, Any]) -> str:
    if not git.get("commit"):
        return ""
    return f"{git['commit'][:12]}{' with changes that are not committed' if git.get('dirty') else ''}"


def _data(found: Found) -> Iterator[Part]:
    data = found.definition.get("data") or {}
    if data:
        facts = [("Name", data.get("name")), ("sha256", data.get("sha256")), ("Source", data.get("source"))]
        yield Facts([(label, str(value)) for label, value in facts if value])


def _space(found: Found) -> Iterator[Part]:
    stored = found.definition.get("space") or {}
    if not stored:
        return
    rows = [(name, spell_stored(text)) for name, text in stored.items()]
    yield Table("Parameters", ("Parameter", "~Range"), rows)
    facts = [("Fingerprint of the space", fingerprint(stored))]
    fixed = found.definition.get("fixed") or {}
    facts += [("Held fixed", ", ".join(f"{name}={knob(value)}" for name, value in fixed.items()))] if fixed else []
    facts += [
        (label, str(found.definition[key]))
        for label, key in (("Sampler", "sampler"), ("Pruner", "pruner"), ("Seed", "seed"))
        if key in found.definition
    ]
    yield Facts(facts)


def fingerprint(space: Mapping[str, Any]) -> str:
    """Compute the fingerprint of a space: the first 16 hex digits of the SHA-256 of its distributions."""
    return sha256(json.dumps(space, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _repeat(found: Found, winner: Winner | None) -> Iterator[Part]:
    yield Code("\n".join(map(folded, commands(found).values())))
    if winner is None:
        return
    yield Text(f"One training alone, {winner.label}: `study run --recipe recipe.json`, with this as `recipe.json`.")
    yield Code(_recipe(found, winner))


def searched(found: Found) -> str:
    """Write the study as `study run` takes it, with its data set: the other commands find its results by the name."""
    start, _, dataset = found.name.partition("@")
    written = start
    if start not in available():  # `study run` needs the file's path or --name
        written = found.definition.get("file") or f"{start}.py"
        written += "" if Path(written).stem == start else f" --name {start}"
    return f"{written} --data {dataset}" if dataset else written


def run(found: Found, trials: str = "") -> str:
    """Write the command that goes on with the search; with another sampler, pruner or seed it would be refused."""
    how = ((key, found.definition.get(key, default), default) for key, default in DEFAULTS)
    options = "".join(f" --{key} {value}" for key, value, default in how if value != default)
    return f"study run {searched(found)}{trials}{options}{held(found.definition.get('fixed'))}"


def commands(found: Found) -> dict[str, str]:
    """Write the commands that repeat the search and everything that followed it, by what they do."""
    lines: dict[str, str] = {}
    if found.trials:
        lines["run"] = run(found, f" --trials {max(1, found.summary.finished)}")
    if found.compared:
        question, names = found.compared.question, ",".join(found.compared.question.variants)
        sure = f"{' --until-sure' if question.until_sure else ''}{' --resplit' if question.resplit else ''}"
        sure += "" if question.target is None else f" --target {question.target:g}"
        lines["compare"] = (
            f"study compare {found.name} --variants {shlex.quote(names)} "
            f"--against {shlex.quote(question.against)} --seeds {question.seeds}{_smallest(question.smallest)}{sure}"
            f"{held(found.compared.found.fixed)}"
        )
    if found.confirmation:
        splits = " --resplit" if found.confirmation.question.resplit else " --no-resplit"
        lines["confirm"] = (
            f"study confirm {found.name} --top {found.confirmation.top} --seeds {found.confirmation.seeds}{splits}"
        )
    if found.ablation:
        asked = found.ablation.question
        lines["ablate"] = f"study ablate {found.name} --seeds {asked.seeds}{_smallest(asked.smallest)}"
    return {**lines, "report": f"study report {found.name}"}


def _smallest(asked: float) -> str:
    return "" if asked == judging.SMALLEST else f" --smallest {asked}"


def folded(command: str) -> str:
    r"""Break a long command before its options, with a backslash at the end of each line, as a shell reads it.

    >>> print(folded("study compare cifar_tricks --variants baseline,norm_inputs,init_weights --against baseline"))
    study compare cifar_tricks --variants baseline,norm_inputs,init_weights \
        --against baseline

    """
    first, *options = re.split(r" (?=--)(?=(?:[^']*'[^']*')*[^']*$)", command)  # not within quotes
    lines = [first]
    for option in options:
        if len(lines[-1]) + len(option) > LONGEST_LINE:
            lines.append(f"    {option}")
        else:
            lines[-1] += f" {option}"
    return " \\\n".join(lines)


def held(fixed: Mapping[str, Any] | None) -> str:
    """Write the fixed knobs as options of a shell command."""
    spelt = {name: value if isinstance(value, str) else to_json(value) for name, value in (fixed or {}).items()}
    return "".join(f" --set {shlex.quote(f'{name}={value}')}" for name, value in spelt.items())


def _recipe(found: Found, winner: Winner) -> str:
    """Write the winner's recipe for `study run --recipe`, without knobs at their default."""
    recipe = winner.trial.folder.recipe()
    defaults = type(found.study.recipe).model_construct().model_dump(mode="json") if found.study else {}
    changed = {name: value for name, value in recipe.items() if name not in defaults or defaults[name] != value}
    definition = {**found.definition, "metric": winner.trial.about["metric"]}
    return to_json(results.recipe_record(found.name, definition, changed), indent=2)
