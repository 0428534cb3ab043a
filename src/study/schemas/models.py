"""Records of registered models: versions, the champion, predictions. `version` is a model's version number here."""

from __future__ import annotations

from pydantic import Field

from study.metric import Direction, Metric
from study.schemas import Record


class ModelVersion(Record):
    """A version of a registered model: an entry of `study models --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="number of the version, from 1")
    aliases: list[str] = Field(description="such as `champion`")
    created: str | None = Field(description="when it was registered")
    confirmed: bool = Field(description="whether `score` was measured on the test split with fresh seeds")
    score: float | None = Field(description="mean score on the test split over fresh seeds; null if not confirmed")
    low: float | None = Field(description="lower end of the score's 95 % interval")
    high: float | None = Field(description="upper end of the score's 95 % interval")
    new_low: float | None = Field(default=None, description="lower end of its 95 % interval on new examples")
    new_high: float | None = Field(default=None, description="upper end of that interval")
    seeds: int | None = Field(description="number of fresh seeds in the mean")
    failed: int | None = Field(default=None, description="of the trainings on fresh seeds, those that failed")
    failed_high: float | None = Field(default=None, description="95 % upper bound of the share that fails, in [0, 1]")
    own_score: float | None = Field(description="score of this version's weights on the test split; null if unknown")
    search_score: float | None = Field(description="value of the recipe in the search, on validation data")
    study: str | None = Field(description="name of the study whose search found the recipe")
    trial: int | None = Field(description="number of the trial in the search")
    made_by: str | None = Field(description="study and trial that trained the weights")
    data: str | None = Field(description="name of the data set")
    data_sha256: str | None = Field(description="SHA-256 of the data set")
    promoted_at: str | None = Field(description="when it last became champion")
    promoted_because: str | None = Field(description="why it last became champion")
    metric: str | None = Field(default=None, description="name of the metric of the scores")
    direction: Direction = Field(default="maximize", description="maximize or minimize")

    @property
    def judged_by(self) -> Metric:
        """The metric of the scores, which formats them for people."""
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
    accuracy: float = Field(description="test accuracy of the version, in [0, 1]")
    champion_accuracy: float = Field(description="test accuracy of the champion, in [0, 1]")
    difference: float = Field(description="the version's accuracy less the champion's")
    low: float = Field(description="lower end of its 95 % interval (Tango 1998); above -margin to be promoted")
    high: float = Field(description="upper end of its interval")
    margin: float = Field(description="the loss of accuracy that does not matter")


class PairedErrors(Record):
    """How a version and the champion did on the same test examples, where numbers or several labels are predicted."""

    examples: int = Field(description="number of test examples")
    error: float = Field(description="mean squared error of the version; of labels the share that is wrong")
    champion_error: float = Field(description="the same of the champion")
    low: float = Field(description="lower end of the 95 % interval of the difference, version minus champion")
    high: float = Field(description="upper end of the interval")


class Promotion(Record):
    """The new champion: `study promote --json` and `study rollback --json`."""

    model: str = Field(description="name of the registered model")
    champion: int = Field(description="version number of the champion")
    before: int | None = Field(description="version number of the previous champion; null if there was none")
    test: PairedTest | None = Field(description="the test between the two; null if there was none")
    errors: PairedErrors | None = Field(
        default=None, description="the comparison of their errors, where numbers or several labels are predicted"
    )
    first: PairedTest | PairedErrors | None = Field(
        description="the test against the first champion; null if there is no other"
    )


class Prediction(Record):
    """A model's prediction for one example."""

    example: str = Field(description="path of an image, or `row N` of a table, from 1")
    label: str | None = Field(description="name of the most probable class; null if classes are not what is predicted")
    probabilities: dict[str, float] = Field(
        description="probability of every class, by its name; they sum to 1, but for several labels"
    )
    number: float | None = Field(default=None, description="the predicted number; null if numbers are not predicted")


class Predictions(Record):
    """A model's predictions for several examples: `study predict --json`."""

    model: str = Field(description="name of the registered model")
    version: int = Field(description="version number of the model")
    predictions: list[Prediction] = Field(description="one for each example, in the order of the input")
