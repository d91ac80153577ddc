"""What an adversarial user found: files and images that no sum counted."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from broken_sources import found, noise, save_pictures, tifffile
from PIL import Image

from autoencode import AutoencodeError, data
from autoencode.data import decode
from autoencode.data.decode import Plan


def test_everything_in_a_tar_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in sorted(save_pictures(tmp_path / "set").iterdir()):
            archive.add(file, file.name)
        for name, kind in (
            ("p.png", tarfile.FIFOTYPE),
            ("d.png", tarfile.CHRTYPE),
            ("h.png", tarfile.LNKTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "0.png"
            archive.addfile(member)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    images = data.load(str(tmp_path / "a.tar"))
    assert {skipped.name for skipped in images.skipped} == {"p.png", "d.png", "h.png"}
    assert found(images) == 7


def test_a_broken_page_leaves_the_others(tmp_path: Path) -> None:
    pages = noise(12, 8, 9, dtype="uint16", most=1000)
    pages[7, 0, 0] = 60_000  # behind the broken page, and yet within the range
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, pages, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(file) as opened:
        page = opened.pages[2]
        start, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(file.read_bytes())
    content[start : start + size] = b"\xaa" * size
    file.write_bytes(content)

    images = data.load(str(file))
    assert [(skipped.name, skipped.reason[:13]) for skipped in images.skipped] == [
        ("a.tif#2", "it is damaged")
    ]
    assert len(images.train) + len(images.test) == 11
    assert decode.read_extent(str(file), range(12), Plan(1, 1, 1))["uint16"].largest == 60_000


def test_images_in_further_arrays_are_counted(tmp_path: Path) -> None:
    arrays = {"x_train": noise(12, 6, 5), "x_test": noise(3, 6, 5), "masks": noise(12, 6, 5)}
    np.savez(tmp_path / "a.npz", **arrays, y_train=np.arange(12))
    images = data.load(str(tmp_path / "a.npz"))
    assert [(unused.count, unused.names) for unused in images.unused] == [(12, ("masks",))]
    assert found(images) == 27


def test_rows_without_a_file_are_skipped(tmp_path: Path) -> None:
    save_pictures(tmp_path / "deep")
    lines = ["path,label", "deep/0.png,a", "nope.png,b", ",b", "deep\\1.png,b"]
    lines += ["x" * 5000 + ".png,a", "deep/2.png,a,more"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    images = data.load(str(tmp_path / "a.csv"))
    assert [skipped.name[:8] for skipped in images.skipped] == ["nope.png", "xxxxxxxx"]
    assert images.classes == ("a", "b")
    assert found(images) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\n", "no row below its header"),
        ("path,label\n0.png,\u00e9\n".encode("latin-1"), "save it in UTF-8"),
        (b"path\nnope.png\n", "there is nothing at"),
    ],
)
def test_tables_of_paths_say_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AutoencodeError, match=message):
        data.load(str(tmp_path / "a.csv"))


def test_a_column_of_lists_is_no_column_of_pictures(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    Image.fromarray(noise(5, 4)).save(file, "PNG")
    png = file.getvalue()

    parquet.write_table(arrow.table({"images": [[png, png], []]}), tmp_path / "lists.parquet")
    parquet.write_table(arrow.table({"image": [{"data": png}]}), tmp_path / "record.parquet")
    for name in ("lists", "record"):
        with pytest.raises(AutoencodeError, match="expected a column of pictures as bytes"):
            data.load(str(tmp_path / f"{name}.parquet"))

    parquet.write_table(
        arrow.table({"image": [png] * 4, "mask": [png] * 4}), tmp_path / "two.parquet"
    )
    assert any("not used: mask" in note for note in data.load(str(tmp_path / "two.parquet")).notes)
