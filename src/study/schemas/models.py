"""Registered models: their versions, the champion, predictions. `version` is the number of a model's version here."""

from __future__ import annotations

from pydantic import Field

from study.metric import Direction, Metric
from study.schemas import Record


class ModelVersion(Record):
    """A version of a registered model: each of `study models --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="number of the version, from 1")
    aliases: list[str] = Field(description="such as `champion`")
    created: str | None = Field(description="when it was registered")
    confirmed: bool = Field(description="whether `score` is of fresh seeds on the test split")
    score: float | None = Field(description="mean score on the test split over fresh seeds; null if not confirmed")
    low: float | None = Field(description="lower end of the score's 95 % interval")
    high: float | None = Field(description="upper end of the score's 95 % interval")
    seeds: int | None = Field(description="number of fresh seeds that the score is the mean of")
    own_score: float | None = Field(description="score of these very weights on the test split; null if not known")
    search_score: float | None = Field(description="value of the recipe in the search, on validation data")
    study: str | None = Field(description="name of the search that it is from")
    trial: int | None = Field(description="number of the trial of the search")
    made_by: str | None = Field(description="study and trial whose weights these are")
    data: str | None = Field(description="name of the data set")
    data_sha256: str | None = Field(description="SHA-256 of the data set")
    promoted_at: str | None = Field(description="when it became champion last")
    promoted_because: str | None = Field(description="why it became champion last")
    metric: str | None = Field(default=None, description="name of the metric of the scores")
    direction: Direction = Field(default="maximize", description="maximize or minimize")

    @property
    def judged_by(self) -> Metric:
        """Give the metric of the scores, which writes them for people."""
        known = [each for each in (self.score, self.search_score) if each is not None]
        return Metric(self.metric or "", self.direction).seen(known)


class RegisteredVersion(ModelVersion):
    """The version that `study register --json` made or found."""

    new: bool = Field(description="false if the same weights of the same training were registered already")


class PairedTest(Record):
    """How a version and the champion did on the same test examples."""

    examples: int = Field(description="number of test examples")
    gained: int = Field(description="examples on which only the version is right")
    lost: int = Field(description="examples on which only the champion is right")
    p: float = Field(description="two-sided mid-p of McNemar's test")
    accuracy: float = Field(description="test accuracy of the version, in [0, 1]")
    champion_accuracy: float = Field(description="test accuracy of the champion, in [0, 1]")


class Promotion(Record):
    """Which version is champion now: `study promote --json` and `study rollback --json`."""

    model: str = Field(description="name of the registered model")
    champion: int = Field(description="number of the version that is champion now")
    before: int | None = Field(description="number of the champion until then; null if there was none")
    test: PairedTest | None = Field(description="the test between the two; null if none was made")


class Prediction(Record):
    """What a model says of one example."""

    example: str = Field(description="path of an image, or `row N` of a table, from 1")
    label: str = Field(description="name of the most probable class")
    probabilities: dict[str, float] = Field(description="probability of every class, by its name; they sum to 1")


class Predictions(Record):
    """What a model says of several examples: `study predict --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="number of the version that predicted")
    predictions: list[Prediction] = Field(description="one for each example, in the order that they were given")
