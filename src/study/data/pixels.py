"""Decode one image file to pixels as a viewer shows them: upright, in sRGB, on white.

What a file says of itself is applied: its orientation (EXIF), its colour profile (ICC) and its transparency. Pixels are
uint8; grey pixels of 16 bits keep their values as uint16, since only all images of a data set together tell which of
the values are used (`Levels`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from PIL.ImageFile import ImageFile

# Kinds of files that are read; without those for which Pillow starts a program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "TIFF", "WEBP")
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
TRANSPARENT = {"RGBA", "RGBa", "LA", "La", "PA"}
WHITE = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of one image.

    Args:
        pixels: uint8 [height, width, 1 or 3], or uint16 [height, width, 1].
        format: of the file, as Pillow calls it.
        is_cut: whether the file has 16 bits for each colour, of which the lower 8 are left out.

    """

    pixels: np.ndarray
    format: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """The range of 16-bit grey values that is stored as 0 to 255.

    Args:
        low: value that becomes 0; lower ones do, too.
        high: value that becomes 255, or `high - low` if the range has no more values than that; higher ones do, too.

    """

    low: int
    high: int

    @classmethod
    def of(cls, images: Iterable[np.ndarray]) -> Levels:
        """Find the range of the values of several images; of at least one."""
        ends = [(int(image.min()), int(image.max())) for image in images]
        return cls(min(low for low, _ in ends), max(high for _, high in ends))

    @property
    def keeps_all(self) -> bool:
        """Whether no two values become one."""
        return self.high - self.low <= 255

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Convert uint16 to uint8, of the same shape."""
        moved = np.clip(image, self.low, self.high) - np.uint16(self.low)
        if self.keeps_all:
            return moved.astype(np.uint8)
        return np.rint(moved * (255 / (self.high - self.low))).astype(np.uint8)


def decode(file: bytes | Path, size: tuple[int, int] | None = None) -> Decoded:
    """Decode an image.

    Args:
        file: its content or path.
        size: width and height in pixels to crop and scale to; None keeps its own.

    Raises:
        *UNREADABLE: it is no image, or damaged, or of a kind that is not read; the text says why.

    """
    with Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=FORMATS) as image:
        kind, is_cut = image.format or "", _is_deep(image)
        shown = as_shown(image)
    if size is not None and shown.size != size:
        shown = ImageOps.fit(shown, size, Image.Resampling.BICUBIC)
    pixels = np.asarray(shown)
    return Decoded(pixels if pixels.ndim == 3 else pixels[..., None], kind, is_cut)


def as_shown(image: Image.Image) -> Image.Image:
    """Convert any kind of image to grey (L, or I;16 if it has 16 bits) or RGB, as a viewer shows it."""
    image = ImageOps.exif_transpose(image)
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return _sixteen_bits(image)
    image = _in_srgb(image)
    is_grey = image.mode in {"1", "L", "LA", "La"}
    if image.mode in TRANSPARENT or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image.convert("RGBA"))
    return image.convert("L" if is_grey else "RGB")


def _sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError("32-bit pixels, whose range is unknown")
    return Image.fromarray(values.astype(np.uint16))


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert the colours from the file's ICC profile; as most viewers do, ignore one that cannot be used."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "RGBA", "L", "CMYK"}:
        return image
    try:
        own = ImageCms.getOpenProfile(BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return image
        mode = image.mode if image.mode == "RGBA" else "RGB"
        made = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if made is None:
        return image
    return made.convert("L") if image.mode == "L" else made


def _is_deep(image: ImageFile) -> bool:
    """Tell whether the file has 16 bits for each colour; Pillow reads the upper 8 of them."""
    return any("16" in str(tile.args) for tile in image.tile) and not image.mode.startswith("I")
