"""Files come out of a folder or an archive as they went in; what is cut short, damaged or a trick never passes."""

import bz2
import gzip
import lzma
import random
import tarfile
import zipfile
from contextlib import suppress

import pytest

from study import import_data
from study.data.archives import files
from study.errors import DataError
from tests.data.pictures import folder_of, tar_of, zip_of


def some_files(count=6):
    """Paths and contents that do not compress."""
    draw = random.Random(0)
    return {f"train/cat/{number}.png": draw.randbytes(100 * number) for number in range(count)}


def contents(path):
    return {"/".join(file.parts): file.content for file in files(path, lambda _: True)}


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        contents(path)
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("opener", [open, gzip.open, bz2.open, lzma.open])
def test_a_tar_gives_its_files_whatever_its_name_and_compression(tmp_path, opener):
    assert contents(tar_of(some_files(), tmp_path / "archive", opener)) == some_files()


@pytest.mark.parametrize("pack_up", [folder_of, zip_of])
def test_a_folder_and_a_zip_give_their_files(tmp_path, pack_up):
    assert contents(pack_up(some_files(), tmp_path / "it")) == some_files()


@pytest.mark.parametrize("pack_up", [folder_of, tar_of, zip_of])
def test_what_is_not_wanted_is_named_and_not_read(tmp_path, pack_up):
    path = pack_up(some_files(), tmp_path / "it")
    read = [file for file in files(path, lambda parts: parts[-1] == "3.png") if file.content is not None]
    assert [file.parts for file in read] == [("train", "cat", "3.png")]
    shares = [file.share for file in files(path, lambda _: False)]
    assert len(shares) == 6
    assert shares == sorted(shares)


def test_links_in_a_folder_are_followed(tmp_path):
    folder_of(some_files(), tmp_path / "there")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/train").symlink_to(tmp_path / "there/train")
    assert contents(tmp_path / "here") == some_files()


def test_what_is_not_there_or_is_no_archive_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "No such file")
    (tmp_path / "text.tar").write_text("this is not an archive, " * 100)
    refused(tmp_path / "text.tar", "is not an archive")
    (tmp_path / "empty.zip").write_bytes(b"")
    refused(tmp_path / "empty.zip", "is not an archive")


@pytest.mark.parametrize("opener", [open, gzip.open, bz2.open, lzma.open])
def test_an_archive_cut_short_anywhere_is_refused(tmp_path, opener):
    whole = tar_of(some_files(), tmp_path / "whole", opener).read_bytes()
    end = len(whole)
    if opener is open:  # what follows the first empty block carries nothing
        end = len(whole.rstrip(b"\0")) + 512
    for cut in {end * eighth // 8 for eighth in range(1, 8)} | {end // 512 * 256, end // 512 // 2 * 512, end - 1}:
        path = tmp_path / "cut"
        path.write_bytes(whole[:cut])
        error = refused(path, "incomplete|not an archive")
        assert error.where == str(path)


def test_an_archive_cut_between_two_files_is_refused_though_tar_would_not_notice(tmp_path):
    path = tar_of(some_files(), tmp_path / "p.tar")
    with tarfile.open(path) as tar:
        fifth = tar.getmembers()[5].offset
    path.write_bytes(path.read_bytes()[:fifth])
    refused(path, "incomplete or damaged, after train/cat/4.png .the end of the archive is missing")


def test_a_damaged_header_is_refused_though_tar_would_stop_in_silence(tmp_path):
    path = tar_of(some_files(), tmp_path / "p.tar")
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        content[tar.getmembers()[5].offset + 150] ^= 255
    path.write_bytes(content)
    refused(path, "incomplete or damaged, after train/cat/4.png")


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open])
def test_a_wrong_checksum_at_the_end_is_noticed(tmp_path, opener):
    path = tar_of(some_files(), tmp_path / "p", opener)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    refused(path, "incomplete or damaged")


def test_a_zip_cut_short_or_damaged_is_refused(tmp_path):
    whole = zip_of(some_files(), tmp_path / "whole").read_bytes()
    path = tmp_path / "p.zip"
    for cut in (len(whole) // 2, len(whole) - 5, 10):
        path.write_bytes(whole[:cut])
        refused(path, "incomplete or damaged, from its start")
    content = bytearray(whole)
    content[whole.find(some_files()["train/cat/3.png"]) + 60] ^= 255
    path.write_bytes(content)
    refused(path, "incomplete or damaged")


@pytest.mark.parametrize("place", ["file", "directory"])
@pytest.mark.parametrize(("at", "byte"), [(0, 0xBD), (-20, 0xFF)], ids=["name", "fields before the name"])
def test_a_zip_whose_headers_are_damaged_is_refused(tmp_path, place, at, byte):
    content = bytearray(zip_of({"train/é.png": b"x" * 50}, tmp_path / "whole").read_bytes())
    name = "train/é.png".encode()
    found = content.find(name) if place == "file" else content.rfind(name)
    content[found + len("train/") if at == 0 else found + at] = byte
    (path := tmp_path / "p.zip").write_bytes(content)
    with suppress(DataError):
        contents(path)
    with pytest.raises(DataError):
        import_data("mine", path)


@pytest.mark.parametrize("name", [".", "./."])
@pytest.mark.parametrize("pack_up", [tar_of, zip_of])
def test_a_file_without_a_name_is_refused(tmp_path, name, pack_up):
    refused(pack_up({"train/a/1.png": b"x", name: b"y"}, tmp_path / "p"), "is no name of a file")


def test_a_zip_whose_directory_has_lost_a_name_is_refused(tmp_path):
    content = bytearray(zip_of({"q": b"x"}, tmp_path / "whole").read_bytes())
    found = content.find(b"PK\1\2")
    content[found + 28], content[found + 30] = 0, 1  # the name's byte is one of what follows it
    (path := tmp_path / "p.zip").write_bytes(content)
    refused(path, "is no name of a file")


@pytest.mark.parametrize("version", [45, 99])
def test_a_zip_of_a_later_version_is_refused(tmp_path, version):
    content = bytearray(zip_of(some_files(), tmp_path / "whole").read_bytes())
    content[content.find(b"PK\1\2") + 6] = version
    (path := tmp_path / "p.zip").write_bytes(content)
    if version == 99:
        refused(path, "incomplete or damaged")
    else:
        assert contents(path) == some_files()


@pytest.mark.parametrize(
    "name", ["/train/cat/1.png", "../train/cat/1.png", "train/../../cat/1.png", "C:\\train\\1.png"]
)
@pytest.mark.parametrize("pack_up", [tar_of, zip_of])
def test_a_member_that_points_outside_is_refused(tmp_path, name, pack_up):
    error = refused(pack_up({name: b""} | some_files(), tmp_path / "p"), "points outside of the archive")
    assert name.replace("\\", "/") in error.what


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    path = tmp_path / "p.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("train/cat/1.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refused(path, "'train/cat/1.png' is a link or a device")


def test_links_and_riddles_in_a_zip_are_refused(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("train/cat/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    refused(path, "'train/cat/1.png' is a link")
    content = bytearray(zip_of(some_files(), path).read_bytes())
    for at in (content.find(b"PK\1\2") + 8, content.find(b"PK\3\4") + 6):
        content[at] |= 1  # the flag of encryption
    path.write_bytes(content)
    refused(path, "is encrypted")


def test_what_would_fill_the_memory_is_refused_unread(tmp_path):
    path = tmp_path / "p.tar"
    member = tarfile.TarInfo("train/cat/1.png")
    member.size = 2**40
    path.write_bytes(member.tobuf() + b"\0" * 10240)
    refused(path, "would take 1,099,511,627,776 bytes")


def test_backslashes_of_old_archives_part_folders(tmp_path):
    inside = {name.replace("/", "\\"): content for name, content in some_files().items()}
    assert contents(zip_of(inside, tmp_path / "p.zip")) == some_files()
