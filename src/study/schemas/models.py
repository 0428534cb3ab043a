"""Records of registered models: versions, champions, predictions. Here `version` is a model's version number."""

from __future__ import annotations

from pydantic import Field

from study.metric import Direction, Metric
from study.schemas import Record


class ModelVersion(Record):
    """A version of a registered model: an entry of `study models --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="version number, from 1")
    aliases: list[str] = Field(description="aliases of the version, such as `champion`")
    created: str | None = Field(description="time of registration")
    confirmed: bool = Field(description="whether `score` was measured on the test split with fresh seeds")
    score: float | None = Field(description="mean test score over fresh seeds; null if not confirmed")
    low: float | None = Field(description="lower bound of the score's 95 % interval")
    high: float | None = Field(description="upper bound of the score's 95 % interval")
    new_low: float | None = Field(default=None, description="lower bound of the score's 95 % interval on new examples")
    new_high: float | None = Field(default=None, description="upper bound of that interval")
    seeds: int | None = Field(description="number of fresh seeds in the mean score")
    failed: int | None = Field(default=None, description="number of trainings on fresh seeds that failed")
    failed_high: float | None = Field(default=None, description="95 % upper bound of the failure rate, in [0, 1]")
    own_score: float | None = Field(description="test score of this version's weights; null if unknown")
    search_score: float | None = Field(description="validation value of the recipe in the search")
    study: str | None = Field(description="name of the study that found the recipe")
    trial: int | None = Field(description="trial number in the search")
    made_by: str | None = Field(description="study and trial that trained the weights")
    data: str | None = Field(description="name of the data set")
    data_sha256: str | None = Field(description="SHA-256 of the data set")
    promoted_at: str | None = Field(description="time of the latest promotion to champion")
    promoted_because: str | None = Field(description="reason for the latest promotion to champion")
    metric: str | None = Field(default=None, description="name of the score's metric")
    direction: Direction = Field(default="maximize", description="maximize or minimize")

    @property
    def judged_by(self) -> Metric:
        """The metric of the scores, for formatting."""
        known = [each for each in (self.score, self.search_score) if each is not None]
        return Metric(self.metric or "", self.direction).seen(known)


class RegisteredVersion(ModelVersion):
    """The version that `study register --json` created or found."""

    new: bool = Field(description="false if the same weights of the same training were already registered")


class PairedTest(Record):
    """A version and the champion compared on the same test examples."""

    examples: int = Field(description="number of test examples")
    gained: int = Field(description="number of examples that only the version gets right")
    lost: int = Field(description="number of examples that only the champion gets right")
    accuracy: float = Field(description="test accuracy of the version, in [0, 1]")
    champion_accuracy: float = Field(description="test accuracy of the champion, in [0, 1]")
    difference: float = Field(description="accuracy of the version minus accuracy of the champion")
    low: float = Field(
        description="lower bound of the difference's 95 % interval (Tango 1998); must exceed -margin for promotion"
    )
    high: float = Field(description="upper bound of that interval")
    margin: float = Field(description="largest acceptable loss of accuracy")


class PairedErrors(Record):
    """A version and the champion compared on the same test examples, for regression and multilabel data."""

    examples: int = Field(description="number of test examples")
    measure: str = Field(
        description="rmse or mae, in the unit of the numbers, as the study judges; wrong is the share of wrong labels"
    )
    error: float = Field(description="error of the version on the test examples, by that measure")
    champion_error: float = Field(description="the same for the champion")
    low: float = Field(description="lower bound of the 95 % interval of the difference, version minus champion")
    high: float = Field(description="upper bound of that interval; must be below margin for promotion")
    margin: float = Field(description="largest acceptable difference")


class Promotion(Record):
    """The new champion: `study promote --json` and `study rollback --json`."""

    model: str = Field(description="name of the registered model")
    champion: int = Field(description="version number of the champion")
    before: int | None = Field(description="version number of the previous champion; null if none")
    test: PairedTest | None = Field(description="the comparison of the two; null if none")
    errors: PairedErrors | None = Field(
        default=None, description="the comparison of their errors, for regression and multilabel data"
    )
    first: PairedTest | PairedErrors | None = Field(
        description="the comparison with the first champion; null if it is one of the two"
    )


class Prediction(Record):
    """A model's prediction for one example."""

    example: str = Field(description="image path, or `row N` of a table, from 1")
    label: str | None = Field(description="most probable class; null for regression and multilabel data")
    probabilities: dict[str, float] = Field(
        description="probability of each class, by name; for multilabel data they do not sum to 1"
    )
    number: float | None = Field(default=None, description="predicted number; null unless regression")


class Predictions(Record):
    """A model's predictions for several examples: `study predict --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="version number of the model")
    predictions: list[Prediction] = Field(description="one prediction per example, in input order")
