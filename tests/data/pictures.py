"""Images of two classes for tests, as a folder and as archives."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from study.data import packed
from study.data.images import import_images
from study.errors import DataError


def picture(seed, mode="RGB", size=(6, 5)):
    draw = np.random.default_rng(seed)
    return Image.fromarray(draw.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)


def encoded(image, form="PNG", **how):
    content = io.BytesIO()
    image.save(content, form, **how)
    return content.getvalue()


def pets(mode="RGB", form="PNG", train=4, test=2):
    """Paths and contents of two classes."""
    suffix = form.lower()
    return {
        f"{split}/{pet}/{number:03d}.{suffix}": encoded(picture(hash_of(split, pet, number), mode), form)
        for split, count in (("train", train), ("test", test))
        for pet in ("cat", "dog")
        for number in range(count)
    }


def hash_of(*parts):
    return int.from_bytes(repr(parts).encode()[:32], "little") % 2**32


def folder_of(files, top):
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def tar_of(files, path, opener=open):
    with opener(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def zip_of(files, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refused(path, message, name="pets", **how):
    with pytest.raises(DataError, match=message) as caught:
        import_images(name, path, **how)
    assert packed.names() == []
    assert "\n" not in str(caught.value)
    return caught.value
