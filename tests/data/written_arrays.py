"""Arrays, tables and stores written as sources."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image
from written import Written, noise, pixels_of, values

from autoencode import Config, data
from autoencode.data import idx
from autoencode.data.choice import choose_plan


def write_npy(folder: Path, ending: str) -> Iterator[Written]:
    grey = noise(6)
    colour = noise(6, 3)
    layouts = {
        "grey": grey[..., 0],
        "last": colour,
        "one": colour[0],
        "big": grey[..., 0].astype(">u2") * 257,
    }
    layouts |= {"first": colour.transpose(0, 3, 1, 2), "column": np.asfortranarray(colour)}
    for name, stored in layouts.items():
        np.save(folder / f"{name}{ending}", stored)
        expected = {1: grey, 3: colour}[
            stored.shape[-1] if name in ("last", "one", "column") else 1
        ]
        expected = colour if name == "first" else expected
        settings = {"range": "full"} if name == "big" else {}
        yield Written(
            folder / f"{name}{ending}", expected[:1] if name == "one" else expected, 0, settings
        )

    # A folder of them: an image each, or several.
    below = folder / "slices"
    below.mkdir()
    np.save(below / f"0{ending}", grey[0, ..., 0])
    np.save(below / f"1{ending}", grey[1:3, ..., 0])
    np.save(below / f"2{ending}", grey[3])
    np.save(below / f"3{ending}", grey[4:])
    yield Written(below, grey)


def write_npz(folder: Path, ending: str) -> Iterator[Written]:
    grey = noise(6)
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        save(
            folder / f"{name}{ending}",
            x_train=grey[:4, ..., 0],
            x_test=grey[4:, ..., 0],
            y_train=np.arange(4),
        )
        yield Written(folder / f"{name}{ending}", grey)
    np.savez(folder / f"any{ending}", patterns=grey[..., 0])
    yield Written(folder / f"any{ending}", grey)


def write_idx(folder: Path, ending: str) -> Iterator[Written]:
    assert ending == "...-images-idx3-ubyte(.gz)"
    pixels = noise(9)
    for packed in ("", ".gz"):
        top = folder / f"set{packed}"
        raw = top / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for part, held in (("train", pixels[:6]), ("t10k", pixels[6:])):
            idx.write(held[..., 0], raw / f"{part}-images-idx3-ubyte{packed}")
            idx.write(
                np.arange(len(held), dtype=np.uint8), raw / f"{part}-labels-idx1-ubyte{packed}"
            )
        for source in (top, top / "MNIST", raw):
            yield Written(source, pixels)
        yield Written(raw / f"train-images-idx3-ubyte{packed}", pixels[:6])

    # One of several sets is named by the beginning of its files.
    sets = folder / "gzip"
    sets.mkdir()
    for word, held in (("letters", pixels), ("digits", 255 - pixels)):
        idx.write(held[:6, ..., 0], sets / f"emnist-{word}-train-images-idx3-ubyte.gz")
        idx.write(held[6:, ..., 0], sets / f"emnist-{word}-test-images-idx3-ubyte.gz")
    yield Written(sets / "emnist-digits", 255 - pixels)

    # The other types of the format, by struct.
    for number, dtype in (
        (0x09, ">i1"),
        (0x0B, ">i2"),
        (0x0C, ">i4"),
        (0x0D, ">f4"),
        (0x0E, ">f8"),
    ):
        stored = np.stack(
            [
                values(np.dtype(dtype).newbyteorder("=").str),
                values(np.dtype(dtype).newbyteorder("=").str),
            ]
        )
        path = folder / f"type{number}-images-idx3-ubyte"
        path.write_bytes(
            struct.pack(">BBBB3I", 0, 0, number, 3, *stored.shape) + stored.astype(dtype).tobytes()
        )
        yield Written(path, pixels_of(stored))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def write_parquet(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    bare = pyarrow.table({"picture": [png(image) for image in pixels]})
    pyarrow.parquet.write_table(bare, folder / f"bare{ending}")
    yield Written(folder / f"bare{ending}", pixels)
    held = [{"bytes": png(image), "path": f"{index}.png"} for index, image in enumerate(pixels)]
    table = pyarrow.table({"image": held, "label": [0, 1] * 3})
    parts = folder / "set" / "data"
    parts.mkdir(parents=True)
    pyarrow.parquet.write_table(table.slice(0, 4), parts / f"train-00000-of-00001{ending}")
    pyarrow.parquet.write_table(table.slice(4), parts / f"test-00000-of-00001{ending}")
    yield Written(folder / "set", np.concatenate([pixels[4:], pixels[:4]]))


def write_csv(folder: Path, ending: str) -> Iterator[Written]:
    pixels = noise(6)
    sign = "\t" if ending == ".tsv" else ","
    pictures = folder / "pictures"
    pictures.mkdir()
    for index, image in enumerate(pixels):
        (pictures / f"{index}, a.png").write_bytes(png(image))
    order = [3, 0, 5, 1, 4, 2]
    for column in ("path", "file", "filename", "image"):
        name = "pictures/{}, a.png"
        lines = [column, *(f'"{name.format(index)}"' for index in order)]
        (folder / f"{column}{ending}").write_text("\n".join(lines) + "\n")
        yield Written(folder / f"{column}{ending}", pixels[order])
        lines = [sign.join((column, "label", "split"))]
        lines += [
            sign.join((f'"{name.format(index)}"', "ab"[index % 2], "train" if index else "test"))
            for index in order
        ]
        (folder / f"{column}-label{ending}").write_text("\n".join(lines) + "\n")
        yield Written(folder / f"{column}-label{ending}", pixels[order])


def write_store(folder: Path, ending: str) -> Iterator[Written]:
    assert ending == "any"
    pixels = noise(6)
    for name in ("set.store", "set", "set.png"):
        data.pack(pixels, folder / name, Config())
        images = data.load(folder / name)
        both = np.concatenate([images.train, images.test])
        order = np.concatenate([choose_plan(data.open_dataset(pixels), Config()).train])
        np.testing.assert_array_equal(images.train, pixels[order])
        yield Written(folder / name, both)
