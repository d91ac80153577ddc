"""The law of every source: what is used, skipped and unused adds up to what lies there."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from autoencode import AutoencodeError, Config, data
from autoencode.data.choice import choose_plan

EACH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FOLDERS = st.sampled_from(
    [
        "",
        "cat",
        "dog",
        "train/cat",
        "train/dog",
        "test/cat",
        "val/dog",
        "seg_test/seg_test",
        "cat/deep/deeper",
        "images",
    ]
)
STEMS = st.integers(0, 30).map(str)


def still(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (5, 4), 90).save(file, kind)
    return file.getvalue()


def pages(kind: str, count: int) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(np.full((4, 5), 20 * index, np.uint8)) for index in range(count)]
    images[0].save(
        file,
        kind,
        save_all=True,
        append_images=images[1:],
        **({"loop": 0} if kind != "TIFF" else {}),
    )
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((3, 16)))
    return file.getvalue()


# Ending, content, the items that lie there by the default of frames, and whether each is a picture
# that can be read.
KINDS = {
    "png": (".png", still("PNG"), 1, True),
    "jpg": (".JPG", still("JPEG"), 1, True),
    "pgm": (".pgm", still("PPM"), 1, True),
    "tga": (".tga", still("TGA"), 1, True),
    "stack": (".tif", pages("TIFF", 3), 3, True),
    "gif": (".gif", pages("GIF", 4), 4, True),
    "apng": (".apng", pages("PNG", 2), 2, True),
    "cut": (".png", still("PNG")[:40], 1, False),
    "empty": (".jpg", b"", 1, False),
    "heic": (".heic", b"\0\0\0\x18ftypheic", 1, False),
    "dicom": (".dcm", bytes(128) + b"DICM", 1, False),
    "text": (".txt", b"notes", 1, False),
    "table": (".csv", b"name,label\na,b\n", 1, False),
    "array": (".npy", npy(), 1, False),
    "nameless picture": ("", still("PNG"), 1, True),
    "mask": ("_mask.png", still("PNG"), 1, True),
}
TREES = st.dictionaries(
    st.tuples(FOLDERS, STEMS), st.sampled_from(sorted(KINDS)), min_size=1, max_size=25
)


def plant(tree: dict, top: Path) -> tuple[int, int]:
    """Write a tree.

    Return how many items lie there, and how many of them are pictures that can be read.
    """
    found = 0
    readable = 0
    for (folder, stem), kind in tree.items():
        ending, content, count, can_be_read = KINDS[kind]
        path = top / folder / f"{stem}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found += count
        readable += can_be_read
    for junk in (".DS_Store", "Thumbs.db", "__MACOSX/x.png", ".hidden/y.png"):
        path = top / junk
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"junk")
    return found, readable


def check_account(source: Path, found: int, options: Config) -> None:
    images = data.load(source, options)
    parts = sum(len(part) for part in images.parts.values())
    unused = sum(one.count for one in images.unused)
    assert parts + len(images.skipped) + unused == found
    assert images.account().endswith(f" = {found:,} found")


@EACH
@given(
    tree=TREES,
    validation=st.sampled_from(["join", "test", "drop"]),
    masks=st.booleans(),
    zipped=st.booleans(),
)
def test_any_tree_of_files_adds_up(tmp_path_factory, tree, validation, masks, zipped):
    top = tmp_path_factory.mktemp("tree")
    found, readable = plant(tree, top / "set")
    source = top / "set"
    if zipped:
        source = top / "set.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in sorted((top / "set").rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(top / "set"))
    options = Config(validation=validation, include_masks=masks)
    if readable == 0:
        has_arrays = any(kind == "array" for kind in tree.values())
        if not has_arrays:  # a folder of nothing but arrays is read as pictures
            with pytest.raises(AutoencodeError, match="holds no picture"):
                data.load(source, options)
        return
    try:
        check_account(source, found, options)
    except AutoencodeError as error:
        # All pictures that can be read may lie beside the splits, where they are unused.
        assert "holds no picture" in str(error)
        unused = sum(one.count for one in data.open_dataset(source, options).unused)
        unreadable = sum(count for _, _, count, is_readable in used_kinds(tree) if not is_readable)
        assert 0 < found - unused <= unreadable


def used_kinds(tree: dict) -> list[tuple]:
    """The kinds of the files in folders."""
    return [KINDS[kind] for (folder, _), kind in tree.items() if folder]


@pytest.mark.parametrize(("frames", "taken"), [("first", 4), ("auto", 6), ("all", 10)])
def test_frames_are_taken_or_counted(tmp_path, frames, taken):
    for kind in ("png", "stack", "gif", "apng"):
        ending, content, *_ = KINDS[kind]
        (tmp_path / f"{kind}{ending}").write_bytes(content)
    dataset = data.open_dataset(tmp_path, Config(frames=frames))
    assert len(dataset) == taken
    names = dataset.names(np.arange(len(dataset)))
    assert ("stack.tif#2" in names) == (frames != "first")
    assert ("gif.gif#3" in names) == (frames == "all")
    images = data.load(tmp_path, Config(frames=frames))
    assert len(images.train) + len(images.test) == taken
    assert sum(one.count for one in images.unused) == 10 - taken


def test_pages_are_those_of_the_file_in_order(tmp_path):
    (tmp_path / "stack.tif").write_bytes(pages("TIFF", 7))
    dataset = data.open_dataset(tmp_path / "stack.tif")
    plan = choose_plan(dataset, Config()).plan
    found = np.concatenate([chunk.pixels for chunk in dataset.read(np.arange(7), plan)])
    np.testing.assert_array_equal(found[:, 0, 0, 0], 20 * np.arange(7))
