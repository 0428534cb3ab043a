"""Images are read as viewers show them; what is damaged or cannot be compared stays out, by its name."""

import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from study.data import packed
from study.data.images import import_images
from study.errors import DataError
from tests.data.pictures import encoded, folder_of, pets, picture, refused

MODES = {"L": 1, "RGB": 3}


@pytest.mark.parametrize(
    ("mode", "form", "channels"),
    [
        ("L", "PNG", 1), ("1", "PNG", 1), ("LA", "PNG", 1), ("RGB", "PNG", 3), ("RGBA", "PNG", 3), ("P", "PNG", 3),
        ("L", "JPEG", 1), ("RGB", "JPEG", 3), ("CMYK", "JPEG", 3), ("RGB", "WEBP", 3), ("RGB", "BMP", 3),
        ("L", "TIFF", 1), ("P", "GIF", 3), ("RGB", "PPM", 3),
    ],
)  # fmt: skip
def test_every_usual_kind_of_picture_becomes_grey_or_rgb(tmp_path, mode, form, channels):
    pack = import_images("pets", folder_of(pets(mode, form), tmp_path / "pets"))
    assert pack.shape == (5, 6, channels)
    assert form in pack.source


@pytest.mark.parametrize(
    ("low", "high", "levels", "said"),
    [
        (0, 65535, 30, "of 30 that occur, all are kept"),  # all 16 bits
        (1000, 1150, 151, "of 151 that occur, all are kept"),  # an X-ray of 12 bits that uses few of them
        (0, 4095, 4096, "of 4,096 that occur, 256 are kept apart"),
    ],
)
def test_sixteen_bit_grey_keeps_the_values_that_are_used(tmp_path, low, high, levels, said):
    values = np.linspace(low, high, levels).astype(np.uint16)
    image = np.resize(values, (64, 64) if levels > 30 else (5, 6))
    files = {name: encoded(Image.fromarray(image)) for name in pets()}
    told = []
    pack = import_images("pets", folder_of(files, tmp_path / "pets"), lambda text, _: told.append(text))
    x = packed.read(pack)["train_x"]
    assert len(np.unique(x)) == min(levels, 256)
    expected = image - low if high - low < 256 else np.rint((image - low) * (255 / (high - low)))
    np.testing.assert_array_equal(x[0, :, :, 0], expected)
    assert pack.levels == (low, high)
    assert f"16-bit grey values from {low} to {high} become 8-bit: {said}" in told
    assert f"16-bit grey values {low} to {high} stored as 8-bit" in pack.source


def test_images_of_eight_and_of_sixteen_bits_cannot_be_compared(tmp_path):
    deep = encoded(Image.fromarray(np.arange(30, dtype=np.uint16).reshape(5, 6)))
    refused(folder_of(pets("L") | {"train/cat/000.png": deep}, tmp_path / "pets"), "train/cat/000.png has 16 bits and")


def png_of_sixteen_bits(pixels):
    """A PNG with 16 bits a colour, which Pillow does not write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bits_a_colour_must_use_the_upper_ones(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6, 3))
    files = {name: png_of_sixteen_bits(pixels) for name in pets()}
    refused(folder_of(files, tmp_path / "few"), "has 16 bits for each colour and uses the lower ones")
    whole = {name: png_of_sixteen_bits(16 * pixels) for name in files}
    x = packed.read(import_images("pets", folder_of(whole, tmp_path / "all")))["train_x"]
    np.testing.assert_array_equal(x[0], (16 * pixels) >> 8)


def test_what_is_transparent_is_white(tmp_path):
    pixels = np.full((5, 6, 4), (10, 20, 30, 255), np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 128
    half = np.array([(10 * 128 + 255 * 127) / 255, (20 * 128 + 255 * 127) / 255, (30 * 128 + 255 * 127) / 255])
    palette = Image.fromarray(pixels[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE)
    grey = Image.fromarray(np.dstack([np.full((5, 6), 50, np.uint8), pixels[..., 3]]), "LA")
    cases = {
        "rgba": (encoded(Image.fromarray(pixels)), [255, 255, 255], half, [10, 20, 30]),
        "palette": (encoded(palette, transparency=bytes(256)), [255] * 3, [255] * 3, [255] * 3),
        "grey": (encoded(grey), [255], [(50 * 128 + 255 * 127) / 255], [50]),
    }
    for name, (content, *rows) in cases.items():
        x = packed.read(import_images(name, folder_of(dict.fromkeys(pets(), content), tmp_path / name)))["train_x"]
        for row, expected in enumerate(rows):
            np.testing.assert_allclose(x[0, row, 0], expected, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path, orientation):
    """The same scene, as a camera stores it when it was held in each of eight ways (EXIF 2.3, tag 274)."""
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8, :8] = 255  # the upper left quarter is white
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1), 7: np.rot90(upright, 2).swapaxes(0, 1), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", exif=exif, quality=95)
    pack = import_images("pets", folder_of(dict.fromkeys(pets(), content), tmp_path / "pets"))
    x = packed.read(pack)["train_x"][0].astype(int)
    assert x[2, 2].min() > 240
    assert max(x[2, 13].max(), x[13, 2].max(), x[13, 13].max()) < 15


def test_colours_are_those_of_the_profile(tmp_path):
    """A camera's wide colour space: its (0, 255, 0) is a green that sRGB cannot show, its grey is grey."""
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    content = encoded(picture(1), icc_profile=srgb.tobytes())
    plain = encoded(picture(1))
    for name, kind in (("with", content), ("without", plain)):
        import_images(name, folder_of(dict.fromkeys(pets(), kind), tmp_path / name))
    assert packed.find("with").sha256 == packed.find("without").sha256
    unfit = encoded(picture(1), icc_profile=wide.tobytes())  # not a profile of RGB: ignored, as viewers do
    import_images("unfit", folder_of(dict.fromkeys(pets(), unfit), tmp_path / "unfit"))
    assert packed.find("unfit").sha256 == packed.find("without").sha256


@pytest.mark.parametrize(
    ("suffix", "form"), [("jfif", "JPEG"), ("avif", "AVIF"), ("JPG", "PNG"), ("", "PNG"), ("jp2", "JPEG2000")]
)
def test_kinds_of_pictures_are_told_by_content(tmp_path, suffix, form):
    files = pets() | {f"train/cow/{n}{'.' if suffix else ''}{suffix}": encoded(picture(n), form) for n in range(3)}
    assert import_images("pets", folder_of(files, tmp_path / "pets")).classes == ("cat", "cow", "dog")


def test_a_class_without_a_picture_and_a_kind_that_is_not_read_stop_the_import(tmp_path):
    refused(folder_of(pets() | {"train/cow/notes.txt": b"soon"}, tmp_path / "a"), "the class cow has no image")
    raw = b"\0\0\0\x18ftypheic" + bytes(40)
    refused(folder_of(pets() | {"train/cow/1.heic": raw}, tmp_path / "b"), "train/cow/1.heic cannot be decoded")


def test_grey_among_colour_becomes_colour(tmp_path):
    files = pets()
    files["train/cat/000.png"] = encoded(picture(1, "L"))
    x = packed.read(import_images("pets", folder_of(files, tmp_path / "pets")))["train_x"]
    np.testing.assert_array_equal(x[0], np.repeat(np.asarray(picture(1, "L"))[..., None], 3, axis=2))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's remarks on what it mends by itself
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_a_damaged_picture_comes_in_or_is_refused_and_nothing_else(tmp_path, form):
    draw = random.Random(0)
    good = encoded(picture(0, size=(16, 16)), form)
    others = {f"train/{pet}/1.png": encoded(picture(0, size=(16, 16))) for pet in ("cat", "dog")} | {
        f"test/{pet}/1.png": encoded(picture(0, size=(16, 16))) for pet in ("cat", "dog")
    }
    top = folder_of(others, tmp_path / form)
    refusals: list[str] = []
    for _ in range(60):
        content = bytearray(good)
        for _ in range(draw.randint(0, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (top / f"train/cat/x.{form.lower()}").write_bytes(content[: draw.randint(1, 2 * len(content))])
        try:
            import_images("pets", top)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all(("cannot be decoded" in line or "several sizes" in line) and "\n" not in line for line in refusals)
