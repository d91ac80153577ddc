"""Files that would fill memory, or have other programs run.

One budget of bytes holds, however many cores decode.
"""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, data
from autoencode.data import decode, formats
from autoencode.data.budget import Budget
from autoencode.data.decode import limits
from autoencode.data.decode.decoders import PNG_MAGIC

MAX_PEAK = 1000  # MB

LOAD = """
import os, sys
os.cpu_count = lambda: int(sys.argv[2])
from autoencode import AutoencodeError, data
try:
    data.load(sys.argv[1])
except AutoencodeError as error:
    print(error)
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""


def peak(source: Path, cores: int) -> tuple[float, str]:
    """The most memory in MB that loading `source` takes on so many cores, and what was printed."""
    words = [sys.executable, "-c", LOAD, str(source), str(cores)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    *said, kilobytes = done.stdout.strip().splitlines()
    return int(kilobytes) / 1000, "\n".join(said)


def dictionary_parquet(path: Path) -> Path:
    """20 rows that share one value of 50 MB, in a file of some 2 KB."""
    import pyarrow
    import pyarrow.parquet

    value = pyarrow.array([bytes(50_000_000)], pyarrow.binary())
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 20, pyarrow.int32()), value)
    pyarrow.parquet.write_table(
        pyarrow.table({"image": column}), path, compression="zstd", store_schema=False
    )
    return path


def icons(folder: Path) -> Path:
    """Eight icons, each with a PNG of 169 million pixels inside, listed as 256 x 256."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    side = 13_000
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    png = PNG_MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    icon = (
        struct.pack("<HHH", 0, 1, 1)
        + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(png), 22)
        + png
    )
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.ico").write_bytes(icon)
    return folder


def shared_member(path: Path) -> Path:
    """A zip whose directory lists one member of 200 MB, which takes long to decode, four times."""
    width, height = 8190, 8190
    length = 3 * width + -3 * width % 4
    random = np.random.default_rng(0)
    row = random.bytes(length)
    header = b"BM" + struct.pack("<IHHI", 54 + length * height, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.bmp", "w") as file:
            file.write(header)
            for number in range(height):
                # So that it is no bomb by its ratio.
                file.write(row if number % 200 else random.bytes(length))
        first = archive.infolist()[0]
        for number in range(3):
            twin = zipfile.ZipInfo("a.bmp")
            for name in (
                "header_offset",
                "CRC",
                "compress_size",
                "file_size",
                "compress_type",
                "create_system",
            ):
                setattr(twin, name, getattr(first, name))
            twin.date_time = (1980 + number, 1, 1, 0, 0, 0)
            archive.filelist.append(twin)
    return path


@pytest.mark.parametrize("cores", [2, 16])
@pytest.mark.parametrize("attack", [dictionary_parquet, icons, shared_member])
def test_memory_stays_bounded_however_many_cores(tmp_path, attack, cores):
    source = attack(tmp_path / "attack")
    size = sum(path.stat().st_size for path in ([source] if source.is_file() else source.iterdir()))
    assert size < 6_000_000
    most, _ = peak(source, cores)
    assert most < MAX_PEAK


def test_the_budget_lets_what_fits_pass_and_what_exceeds_it_alone():
    budget = Budget(100)
    budget.acquire(60)
    assert budget.try_acquire(40)
    assert not budget.try_acquire(1)
    budget.release(100)
    with budget.hold(500):
        assert not budget.try_acquire(1)
    assert budget.held == 0


# Decoders


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".eps", ""])
def test_postscript_is_never_handed_to_another_program(tmp_path, ending):
    called = tmp_path / "called"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("gs", "gswin64c", "fig2dev"):
        program = programs / name
        program.write_text(f"#!/bin/sh\ntouch {called}\n")
        program.chmod(0o755)
    folder = tmp_path / "pictures"
    folder.mkdir()
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (folder / f"page{ending}").write_bytes(page)
    Image.new("L", (8, 8)).save(folder / "fine.png")
    code = f"from autoencode import data; print(data.load({str(folder)!r}).account())"
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.startswith("1 to train and test")
    assert "= 2 found" in done.stdout
    assert not called.exists()


def test_only_listed_decoders_are_tried(monkeypatch):
    tried = []

    class Recorder(dict):
        def __getitem__(self, name: str):
            tried.append(name)
            return super().__getitem__(name)

    Image.init()
    monkeypatch.setattr(Image, "OPEN", Recorder(Image.OPEN))
    with pytest.raises(decode.Unreadable, match="known format"):
        decode.probe(b"nothing that any decoder knows")
    assert tried
    assert set(tried) <= set(formats.DECODERS)
    assert not {"EPS", "WMF", "PDF", "FPX", "MIC", "HDF5", "GRIB", "BUFR", "MPEG"} & set(
        formats.DECODERS
    )


def test_every_ending_that_pillow_reads_is_read():
    Image.init()
    readable = {
        ending
        for ending, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind in formats.DECODERS
    }
    assert readable <= formats.PICTURES | formats.HEIF


@pytest.mark.parametrize("kind", ["ICO", "ICNS"])
def test_icons_of_an_honest_size_are_read(kind):
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 255)).save(file, kind)
    found = decode.decode(file.getvalue(), decode.Plan(64, 64, 3))
    np.testing.assert_array_equal(found[32, 32], (255, 0, 0))


def test_a_jpeg_of_any_size_is_read_small_and_another_where_it_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 2**20)
    Image.effect_noise((2000, 1500), 60).save(tmp_path / "phone.jpg")
    Image.new("L", (2000, 1500), 40).save(tmp_path / "scan.png")
    config = Config(size="32", max_pixels=2**20)
    images = data.load(tmp_path, config)
    assert (len(images.train), [one.name for one in images.skipped]) == (1, ["scan.png"])
    assert "`max_pixels=3000000`" in images.skipped[0].reason
    assert images.skipped[0].reason.startswith("it holds 3,000,000 pixels, more than 1,048,576")
    allowed = data.load(tmp_path, Config(size="32", max_pixels=3_000_000))
    assert len(allowed.train) + len(allowed.test) == 2


def test_a_locked_archive_says_so(tmp_path):
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", file.getvalue())
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6] |= 1
    content[content.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(
        AutoencodeError, match="it is encrypted: unpack the archive with its password"
    ):
        data.load(tmp_path / "a.zip")
