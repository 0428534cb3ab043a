"""What trainings need on a node: data, weights and a person's own code, each put into Ray's object store once.

A node keeps one file of each data set in its own cache folder, by its sha256; all its trainings map that file. Files of
weights to start from are kept alike.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.data import pack_file, packed
from study.executors import own_code
from study.record import atomic_files
from study.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.executors.own_code import Code


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a training needs, as references into the object store.

    Args:
        node: the coordinator's, where its own cache folder is used.
        cache: the coordinator's cache folder.
        pack: name and sha256 of the data set; empty for a training without one of ours.
        data: a reference to the content of its file, in a list; empty without one.
        digest: of the code; empty if there is none.
        code: a reference to the code, in a list; empty without one.
        weights: of each file of weights that a recipe names, its sha256 and a reference to its content, in a list.

    """

    node: str
    cache: str
    pack: tuple[str, str] | tuple[()] = ()
    data: list[Any] = field(default_factory=list[Any])
    digest: str = ""
    code: list[Any] = field(default_factory=list[Any])
    weights: dict[str, tuple[str, list[Any]]] = field(default_factory=dict[str, tuple[str, list[Any]]])


class Uploader:
    """Puts inputs into the object store, for the coordinator."""

    def __init__(self, put: Any, node: str) -> None:
        """Keep Ray's function that puts an object into its store, and the id of the coordinator's node."""
        self._put, self._node = put, node
        self._sent: dict[str, Any] = {}
        self._files: dict[tuple[str, ...], Code] = {}
        self._weights: dict[tuple[str, int, int], tuple[str, list[Any]]] = {}  # by name, time and size

    def upload(self, *values: Any) -> Inputs:
        """Put what a job or a call with these values needs into the store, unless it is there.

        Raises:
            InputError: the data set is damaged, or the code is too large to travel.

        """
        code = own_code.collect(values)
        digest = code.digest if code.files else ""
        pack = next((found for name in _named(values, "dataset") if (found := packed.find(name))), None)
        return Inputs(
            node=self._node,
            cache=str(cache_folder()),
            pack=(pack.name, pack.sha256) if pack else (),
            data=[self._once(pack.sha256, lambda: np.fromfile(pack.path, np.uint8))] if pack else [],
            digest=digest,
            code=[self._once(digest, lambda: code)] if digest else [],
            weights={file: self._file(file) for file in _named(values, "weights") if Path(file).is_file()},
        )

    def _file(self, file: str) -> tuple[str, list[Any]]:
        """Send a file of weights, once as long as it is the same."""
        stat = Path(file).stat()
        mark = (file, stat.st_mtime_ns, stat.st_size)
        if mark not in self._weights:
            content = np.fromfile(file, np.uint8)
            digest = sha256(content.tobytes()).hexdigest()
            self._weights[mark] = digest, [self._once(digest, lambda: content)]
        return self._weights[mark]

    def _once(self, key: str, read: Any) -> Any:
        if key not in self._sent:
            self._sent[key] = self._put(read())
        return self._sent[key]


class Downloader:
    """Takes inputs from the object store, for a trainer, which stays on its node."""

    def __init__(self, get: Any, node: str, folder: Path) -> None:
        """Keep Ray's function that gets an object, the id of this node, and a folder for code."""
        self._get, self._node, self._folder = get, node, folder
        self._own_cache = cache_folder()
        self._unpacked: set[str] = set()

    def download(self, inputs: Inputs) -> None:
        """Put code where it is imported from, and data where they are looked for.

        Raises:
            PlaceError: the node's disk is full or cannot be written.

        """
        from study.engine.pretrained import carry  # noqa: PLC0415 - torch, which the coordinator's process does not load

        if inputs.digest and inputs.digest not in self._unpacked:
            own_code.unpack(self._get(inputs.code[0]), self._folder / inputs.digest)
            self._unpacked.add(inputs.digest)
        carry({file: self._copy(*weights) for file, weights in inputs.weights.items() if inputs.node != self._node})
        os.environ["STUDY_CACHE"] = str(self._cache(inputs))

    def _copy(self, digest: str, content: list[Any]) -> Path:
        """Write a file of weights, unless it is here."""
        file = self._own_cache / "cluster" / digest / "weights.safetensors"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            whole: Any = self._get(content[0])
            atomic_files.replace(file, [memoryview(whole)], packed.CACHE_FIX)
        return file

    def _cache(self, inputs: Inputs) -> Path:
        if not inputs.pack:
            return self._own_cache
        if inputs.node == self._node:
            return Path(inputs.cache)
        name, sha256 = inputs.pack
        cache = self._own_cache / "cluster" / sha256
        file = cache / "packs" / pack_file.file_name(name)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            content: Any = self._get(inputs.data[0])
            atomic_files.replace(file, [memoryview(content)], packed.CACHE_FIX)
        return cache


def _named(values: Any, knob: str) -> Iterator[str]:
    """Give what the recipes among the values name as this knob, however deep they lie."""
    if isinstance(values, dict):
        each: Mapping[Any, Any] = values
        if isinstance(name := each.get(knob), str):
            yield name
        values = list(each.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from _named(value, knob)
