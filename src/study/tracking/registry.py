"""The model registry: versions of a study's networks, the alias `champion`, and previous champions.

A tag of the registered model lists its champions, oldest first, the current one last; the alias itself is MLflow's.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.imports import see_working_folder
from study.tracking.connection import connect, errors_in_one_line, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature

CHAMPION = "champion"
CHAMPIONS, LOG = "study.champions", "study.champion_log"  # tags of a registered model
SHORT = 1000  # characters; longer tags are stored with the version only, not with the logged model
LOGGED = 100  # number of champion changes that the log keeps


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a registered model.

    Args:
        model: the registered model's name.
        number: of the version, from 1.
        aliases: such as "champion".
        created: seconds since 1970.
        tags: see `study.registry.card.tags`.
        source: where its files are, as MLflow spells it.

    """

    model: str
    number: int
    aliases: tuple[str, ...]
    created: float
    tags: Mapping[str, str]
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """The files of a model, and what a user of it needs.

    Args:
        code: folder of a Python package whose module `serving` loads the model.
        data: folder that the module loads it from.
        requirements: packages to install.
        example: some inputs: uint8 images, or a DataFrame.
        classes: names of the classes.
        levels: range of 16-bit grey values that became 0 to 255 in the images; None for others.
        task: classification, regression or multilabel.

    """

    code: Path
    data: Path
    requirements: Sequence[str]
    example: np.ndarray | pd.DataFrame
    classes: Sequence[str]
    levels: tuple[int, int] | None = None
    task: str = "classification"


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded version.

    Args:
        shape: of an input image, (H, W) or (H, W, C), of tokens, (length,), or of a tensor; None for rows of a table.
        columns: of an input table; empty for images.
        text: the columns that hold text.
        predict: takes images or tokens (N, *shape) or a DataFrame, returns a DataFrame with `label` and
            `probability_NAME`, or with `prediction`.
        levels: range of 16-bit grey values that is given to it as 0 to 255; None for other images, and for tables.
        dtype: of its inputs as NumPy names it: uint8 of images, int64 of tokens, float32 of tensors; tables have none.

    """

    shape: tuple[int, ...] | None
    columns: tuple[str, ...]
    text: frozenset[str]
    predict: Callable[[Any], pd.DataFrame]
    levels: tuple[int, int] | None = None
    dtype: str = "uint8"


class Registry:
    """The models on one MLflow server or database."""

    def __init__(self, uri: str, server: str, artifacts: Path) -> None:
        """Connect; the arguments are those of `connection.connect`.

        Raises:
            PlaceError: it cannot be reached or used; says why.

        """
        self._client, self._uri, self.server = connect(uri, server, artifacts), uri, server

    def models(self) -> list[str]:
        """List the names of the registered models that come from studies, in alphabetical order."""
        with errors_in_one_line(self.server):
            found = pages(self._client.search_registered_models, None)
        return sorted(model.name for model in found if "study" in model.tags)

    def versions(self, model: str) -> list[Version]:
        """List a model's versions, oldest first; none if there is no such model."""
        with errors_in_one_line(self.server):
            registered = pages(self._client.search_registered_models, f"name = '{model}'")
            aliases = registered[0].aliases if registered else {}
            found = pages(self._client.search_model_versions, f"name = '{model}'")
        return sorted((_version(each, aliases) for each in found), key=lambda version: version.number)

    def add(self, model: str, run: str, package: Package, tags: Mapping[str, str], card: str) -> Version:
        """Store a model's files with the run that trained it, and register them as a version.

        Args:
            model: name of the registered model, which is made if it does not exist.
            run: id of the MLflow run that trained it.
            package: its files.
            tags: of the version.
            card: its description, Markdown.

        """
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415 - as below

        with errors_in_one_line(self.server), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save(package, path)
            experiment = self._client.get_run(run).info.experiment_id
            name = re.sub(r"[^\w@+-]", "_", model)
            short = {tag: text for tag, text in tags.items() if len(text) <= SHORT}
            logged = self._client.create_logged_model(experiment, name, run, short)
            self._client.log_model_artifacts(logged.model_id, str(path))
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.log_outputs(run, [LoggedModelOutput(logged.model_id, step=0)])
            if not pages(self._client.search_registered_models, f"name = '{model}'"):
                self._client.create_registered_model(model)
            self._client.set_registered_model_tag(model, "study", tags["study"])
            made = self._client.create_model_version(
                model, logged.artifact_location, run, dict(tags), description=card, await_creation_for=0,
                model_id=logged.model_id,
            )  # fmt: skip
        return _version(made, {})

    def champions(self, model: str) -> list[int]:
        """List the versions that were champions, oldest first, the current one last, without deleted ones."""
        with errors_in_one_line(self.server):
            registered = self._client.get_registered_model(model)
        existing = {version.number for version in self.versions(model)}
        past = [number for number in json.loads(registered.tags.get(CHAMPIONS, "[]")) if number in existing]
        now = registered.aliases.get(CHAMPION)
        if now is not None and past[-1:] != [int(now)]:  # the alias was moved outside of `study`
            past = [*(number for number in past if number != int(now)), int(now)]
        return past

    def set_champion(self, model: str, champions: Sequence[int], time: str, reason: str) -> None:
        """Store the list of champions, make its last version the champion, and record when and why."""
        number = champions[-1]
        entry = {"time": time, "version": number, "reason": reason}
        with errors_in_one_line(self.server):
            registered = self._client.get_registered_model(model)
            log = [*json.loads(registered.tags.get(LOG, "[]")), entry][-LOGGED:]
            self._client.set_registered_model_tag(model, LOG, json.dumps(log))
            for name, value in (("study.promoted_at", time), ("study.promoted_because", reason)):
                self._client.set_model_version_tag(model, str(number), name, value)
            listed = partial(self._client.set_registered_model_tag, model, CHAMPIONS, json.dumps(list(champions)))
            named = partial(self._client.set_registered_model_alias, model, CHAMPION, str(number))
            now = registered.aliases.get(CHAMPION)
            goes_back = now is not None and int(now) not in champions
            for step in (listed, named) if goes_back else (named, listed):  # after one alone `champions` is right too
                step()

    def load(self, version: Version) -> Model:
        """Load a version; this runs the code stored with it.

        Raises:
            StudyError: the network is a class of the user's own, and its module cannot be imported here.

        """
        from mlflow import pyfunc  # noqa: PLC0415 - pandas and more, which a list of versions does not need
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - as above
        from mlflow.types import DataType  # noqa: PLC0415 - as above

        see_working_folder()  # the module of a user's own network is often there
        with errors_in_one_line(self.server), tempfile.TemporaryDirectory() as folder:
            local = version.source.startswith(("file:", "/"))
            path = download_artifacts(
                artifact_uri=version.source, tracking_uri=self._uri, dst_path=None if local else folder
            )
            try:
                loaded = pyfunc.load_model(path)
            except ModuleNotFoundError as error:
                what = f"version {version.number} needs the module {error.name!r}, which cannot be imported here"
                raise StudyError(what, where=version.model, fix="Install it, or go to its folder with -C.") from error
        schema: Any = loaded.metadata.get_input_schema()
        if schema.is_tensor_spec():
            levels = (loaded.metadata.metadata or {}).get("levels")
            shape = tuple(schema.inputs[0].shape[1:])
            dtype = schema.inputs[0].type.name
            return Model(shape, (), frozenset(), loaded.predict, levels and (levels[0], levels[1]), dtype)
        text = frozenset(each.name for each in schema.inputs if each.type == DataType.string)
        return Model(None, tuple(schema.input_names()), text, loaded.predict)


def _save(package: Package, path: Path) -> None:
    from mlflow import pyfunc  # noqa: PLC0415 - as above

    pyfunc.save_model(
        path,
        loader_module=f"{package.code.name}.serving",
        data_path=str(package.data),
        code_paths=[str(package.code)],
        signature=_signature(package),
        input_example=package.example,
        pip_requirements=list(package.requirements),
        metadata={"levels": list(package.levels)} if package.levels else None,
    )


def _signature(package: Package) -> ModelSignature:
    import numpy as np  # noqa: PLC0415 - as above
    from mlflow.models import ModelSignature  # noqa: PLC0415 - as above
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: PLC0415 - as above
    from mlflow.types.schema import AnyType  # noqa: PLC0415 - as above

    example = package.example
    if isinstance(example, np.ndarray):
        inputs: Sequence[Any] = [TensorSpec(example.dtype, (-1, *example.shape[1:]))]
    else:  # MLflow rejects integers where the signature says float, so numbers may have any type
        text = {name: example[name].dtype.kind not in "biuf" for name in example}
        inputs = [ColSpec(DataType.string if is_text else AnyType(), name) for name, is_text in text.items()]
    shares = [ColSpec(DataType.double, f"probability_{name}") for name in package.classes]
    first = {"regression": "prediction", "multilabel": None}.get(package.task, "label")
    kind = DataType.double if package.task == "regression" else DataType.string
    outputs = Schema([*([ColSpec(kind, first)] if first else []), *shares])
    return ModelSignature(Schema(list(inputs)), outputs, ParamSchema([ParamSpec("threads", DataType.long, 1)]))


def _version(made: Any, aliases: Mapping[str, Any]) -> Version:
    number = int(made.version)
    named = tuple(sorted(alias for alias, of in aliases.items() if int(of) == number))
    return Version(made.name, number, named, made.creation_timestamp / 1000, dict(made.tags), made.source)
