"""What the registry shows of a model's version: its tags and its card, made of plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study import formatting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.metric import Metric
    from study.stats.failures import Failures
    from study.stats.intervals import Interval, Mean

ANSWERS = {
    "classification": "It answers with `label` and a column `probability_CLASS` for every class.",
    "regression": "It answers with `prediction`, in the unit of the numbers that it was trained on.",
    "multilabel": "It answers with a column `probability_LABEL` for every label.",
}
LONGEST = 5000  # characters that MLflow's databases hold of a description


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a trained network that is to be registered.

    Args:
        study: the search's name.
        trial: its number in the search.
        made_by: the study and trial whose weights they are: a trial of the search, or of NAME-final.
        uid: of that trial.
        question: what the study is about, one line, or empty.
        metric: the search's.
        search_value: what the search saw of the recipe.
        score: on the test split over fresh seeds; None if it was not confirmed.
        score_new: the score's 95 % interval on new examples; None where it is not known.
        failed: of its trainings on those seeds; the score is that of the others. None if it was not confirmed.
        own_score: the metric of these very weights on the test split; None where nobody has looked.
        recipe: every knob.
        fingerprint: of the recipe.
        overrides: those that differ from the study's recipe.
        classes: names, in order; none if a number is predicted.
        columns: of a table, in order; empty for images.
        about: what `trial.json` says of data, code and environment.
        weights_sha256: of the weights' file.
        task: what is predicted.
        kind: of its examples, as a pack calls it: image, table, tokens or tensor.

    """

    study: str
    trial: int
    made_by: str
    uid: str
    question: str
    metric: Metric
    search_value: float | None
    score: Mean | None
    score_new: Interval | None = None
    failed: Failures | None
    own_score: float | None
    recipe: Mapping[str, Any]
    fingerprint: str
    overrides: Mapping[str, Any]
    about: Mapping[str, Any]
    weights_sha256: str
    classes: Sequence[str] = ()
    columns: Sequence[str] = ()
    task: str = "classification"
    kind: str = "image"

    @property
    def confirmed(self) -> bool:
        """Whether the score is that of fresh seeds on the test split."""
        return self.score is not None


def tags(facts: Facts) -> dict[str, str]:
    """Give the tags of the version; what is not known is left out."""
    about, score = facts.about, facts.score
    data, environment = about.get("data") or {}, about.get("environment") or {}
    git = about.get("git") or {}
    known: dict[str, Any] = {
        "study": facts.study,
        "study.trial": facts.trial,
        "study.made_by": facts.made_by,
        "study.uid": facts.uid,
        "study.recipe": json.dumps(facts.recipe),
        "study.recipe_fingerprint": facts.fingerprint,
        "study.metric": facts.metric.name,
        "study.direction": facts.metric.direction,
        "study.search_score": facts.search_value,
        "study.confirmed": "true" if facts.confirmed else "false",
        "study.score": score.value if score else None,
        "study.score_low": score.interval.low if score else None,
        "study.score_high": score.interval.high if score else None,
        "study.score_new_low": facts.score_new.low if facts.score_new else None,
        "study.score_new_high": facts.score_new.high if facts.score_new else None,
        "study.score_seeds": score.n if score else None,
        "study.failed": facts.failed.count if facts.failed else None,
        "study.failed_high": facts.failed.high if facts.failed else None,
        "study.own_score": facts.own_score,
        "study.data": data.get("name"),
        "study.data_sha256": data.get("sha256"),
        "study.task": facts.task,
        "study.weights_sha256": facts.weights_sha256,
        "study.git_commit": git.get("commit"),
        "study.git_dirty": git.get("dirty"),
        "study.with.study": environment.get("study"),
        "study.with.torch": environment.get("torch"),
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def markdown(facts: Facts, model: str, requirements: Sequence[str], own: str) -> str:
    """Write the card: what it answers, how well, on which data, how it was made, how to use it."""
    data = facts.about.get("data") or {}
    sha = str(data.get("sha256") or "")[:12]
    changed = formatting.knobs(facts.overrides) or "the study's recipe as it is"
    facts_of_it = [
        f"- Data: {data.get('name')} (sha256 {sha}…), {data.get('source')}",
        *([f"- Classes: {_some(facts.classes, 20)}"] if facts.classes else []),
        f"- Recipe: {changed} (all knobs: tag `study.recipe`)",
        f"- Made by: {facts.made_by}, of trial {facts.trial} of the study {facts.study}",
    ]
    code = [
        "```python",
        "import mlflow",
        f'model = mlflow.pyfunc.load_model("models:/{model}@champion")',
        f"model.predict(examples)  # {_wanted(facts)}",
        "```",
    ]
    answer = ANSWERS[facts.task]
    parts = [
        f"# {model}",
        facts.question,
        f"**{_score(facts)}**",
        "\n".join(facts_of_it),
        "## How to use it",
        "\n".join(code),
        f"{answer} It needs {', '.join(requirements)}.",
        _own(own),
    ]
    return "\n\n".join(part for part in parts if part)[:LONGEST]


def _score(facts: Facts) -> str:
    metric = facts.metric
    seen = f"{metric.value(facts.search_value)} in the search, on validation data"
    if facts.score is None:
        return f"Not confirmed: {metric.name} {seen}; the best of many trials is optimistic"
    mean = facts.score
    value, span = metric.value(mean.value), metric.interval(mean.interval)
    failing = facts.failed.words() if facts.failed else "not known"
    new = f", on new examples {metric.interval(facts.score_new)}" if facts.score_new else ""
    within = f"95 % interval on this test set {span}{new}"
    return f"{value} on the test split, mean of {mean.n} fresh seeds ({within}); failed: {failing}; {seen}"


def _wanted(facts: Facts) -> str:
    if facts.columns:
        return f"a DataFrame with the columns {_some(facts.columns, 6)}"
    return f"{'uint8 images' if facts.kind == 'image' else 'an array'}, as the signature says"


def _some(names: Sequence[str], shown: int) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _own(own: str) -> str:
    if not own or own.partition(":")[0].endswith(".py"):
        return ""
    return f"The network is `{own}`: that module must be importable where the model is used."
