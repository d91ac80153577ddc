"""Every row of the table of formats in docs/datasets.md: what was written is read."""

import gzip
import importlib.machinery
import io
import re
import sys
import types
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from written import HEIGHT, WIDTH, Written, check, noise, read
from written_archives import tar_of, write_tar, write_zip, write_zstd
from written_arrays import (
    png,
    write_csv,
    write_idx,
    write_npy,
    write_npz,
    write_parquet,
    write_store,
)
from written_pictures import (
    by_pillow,
    write_animation,
    write_icon,
    write_jpeg,
    write_png,
    write_pnm,
    write_tiff,
)
from written_rare_pictures import (
    HEIC_HEAD,
    HEIC_LINE,
    write_heic,
    write_other,
    write_pcx,
    write_xbm,
)

from autoencode import AutoencodeError, data
from autoencode.data import tar_streams
from autoencode.data.decode import decoders

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"


def rows() -> dict[str, list[str]]:
    """The rows of the table: the endings by the name of the format."""
    table = DOCS.read_text("utf-8").split("## Formats")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {cells[0].strip(): cells[1].split() for cells in lines[2:]}


ROWS = rows()
CASES = [(row, ending) for row, endings in ROWS.items() for ending in endings]
WRITERS = {
    "PNG": write_png,
    "JPEG": write_jpeg,
    "TIFF": write_tiff,
    "GIF": write_animation,
    "WebP": write_animation,
    "AVIF": write_animation,
    "JPEG 2000": by_pillow,
    "BMP": by_pillow,
    "PNM": write_pnm,
    "TGA": by_pillow,
    "DDS": by_pillow,
    "ICO": write_icon,
    "PCX": write_pcx,
    "SGI": by_pillow,
    "QOI": by_pillow,
    "XBM": write_xbm,
    "other pictures": write_other,
    "HEIC": write_heic,
    "NumPy": write_npy,
    "NumPy archive": write_npz,
    "IDX": write_idx,
    "Parquet": write_parquet,
    "zip": write_zip,
    "tar": write_tar,
    "tar.zst": write_zstd,
    "CSV of paths": write_csv,
    "packed store": write_store,
}


def test_each_row_has_a_writer_and_each_writer_a_row():
    assert set(WRITERS) == set(ROWS)
    assert all(ROWS.values())


@pytest.mark.filterwarnings("ignore:IM image format is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("row", "ending"), CASES)
def test_what_was_written_is_read(tmp_path, row, ending):
    written = 0
    for one in WRITERS[row](tmp_path, ending):
        try:
            check(one)
        except (AssertionError, AutoencodeError) as error:
            raise AssertionError(f"{one.source.name} {one.settings}: {error}") from error
        written += 1
    assert written


def test_reading_and_loading_agree_where_a_picture_has_no_ending(tmp_path):
    pixels = noise(1, 3)
    for kind, options in (
        ("PNG", {}),
        ("GIF", None),
        ("TIFF", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ):
        if options is not None:
            Image.fromarray(pixels[0]).save(tmp_path / kind, kind, **options)
            check(Written(tmp_path / kind, pixels))
    assert read(tmp_path).shape == (4, HEIGHT, WIDTH, 3)


class FakeHeif(PngImagePlugin.PngImageFile):
    """A PNG behind the head of an HEIC."""

    format = "HEIF"

    def __init__(self, file: object, name: str) -> None:
        super().__init__(io.BytesIO(file.read()[len(HEIC_HEAD) :]), name)
        self.format = "HEIF"


@pytest.fixture
def _heif_is_installed(monkeypatch):
    module = types.ModuleType("pillow_heif")
    module.__spec__ = importlib.machinery.ModuleSpec("pillow_heif", None)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    module.register_heif_opener = lambda: Image.register_open(
        "HEIF", FakeHeif, lambda head: head[4:12] == b"ftypheic"
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    decoders.installed_decoders.cache_clear()
    yield
    decoders.installed_decoders.cache_clear()


@pytest.fixture
def _heif_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("autoencode.data.picture_files.find_spec", lambda name: None)
    decoders.installed_decoders.cache_clear()
    yield
    decoders.installed_decoders.cache_clear()


@pytest.mark.usefixtures("_heif_is_installed")
@pytest.mark.parametrize("ending", [*ROWS["HEIC"], ".HEIC"])
def test_heic_is_read_where_the_extra_is_installed(tmp_path, ending):
    pixels = noise(3, 3)
    for index, image in enumerate(pixels):
        (tmp_path / f"{index}{ending}").write_bytes(HEIC_HEAD + png(image))
    check(Written(tmp_path, pixels))
    check(Written(tmp_path / f"1{ending}", pixels[1:2]))


@pytest.mark.usefixtures("_heif_is_missing")
@pytest.mark.parametrize("ending", ROWS["HEIC"])
def test_heic_names_its_install_command_where_the_extra_is_missing(tmp_path, ending):
    (tmp_path / f"phone{ending}").write_bytes(HEIC_HEAD)
    for source in (tmp_path, tmp_path / f"phone{ending}"):
        with pytest.raises(AutoencodeError, match=re.escape(f"phone{ending}: {HEIC_LINE}")):
            data.load(source)
    Image.fromarray(noise(1)[0, ..., 0]).save(tmp_path / "a.png")
    assert [str(one) for one in data.load(tmp_path).skipped] == [f"phone{ending}\t{HEIC_LINE}"]


@pytest.mark.parametrize("ending", ROWS["tar.zst"])
def test_zstd_is_read_where_it_is_installed(tmp_path, monkeypatch, ending):
    """With a stand-in that unpacks gzip behind the first bytes of zstd."""

    def unpack(file: object) -> io.BytesIO:
        content = file.read()
        assert content.startswith(tar_streams.ZSTD_MAGIC)
        return io.BytesIO(gzip.decompress(content[4:]))

    module = types.ModuleType("zstd")
    module.open = unpack
    for name in ("backports", "compression"):
        package = types.ModuleType(name)
        package.zstd = module
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.zstd", module)
    pixels = noise(6)
    content = tar_streams.ZSTD_MAGIC + gzip.compress(tar_of(pixels))
    (tmp_path / f"a{ending}").write_bytes(content)
    check(Written(tmp_path / f"a{ending}", pixels))
    check(Written(tmp_path, pixels))


@pytest.mark.parametrize("ending", ROWS["tar.zst"])
def test_zstd_names_its_install_command_where_it_is_missing(tmp_path, monkeypatch, ending):
    for name in ("backports", "compression", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / f"a{ending}").write_bytes(tar_streams.ZSTD_MAGIC + b"packed")
    for source in (tmp_path / f"a{ending}", tmp_path):
        with pytest.raises(AutoencodeError) as told:
            data.load(source)
        line = str(told.value)
        assert len(line.splitlines()) == 1
        assert "pip install 'autoencode[zstd]'" in line
        assert f"tar --zstd -xf a{ending}" in line
