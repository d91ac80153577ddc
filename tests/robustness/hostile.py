"""Files made to harm: each line of the corpus writes one, and says what a user would do with it.

Every name that begins with "runs" would run code, if anything did: it touches the file named in the
variable CANARY.
"""

import gzip
import io
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from autoencode import Config, data, runs
from autoencode.inference import keras_file
from autoencode.inference.keras_file import MAX_TEXT
from autoencode.runs import checkpoints, listing, render, schema

HUGE = 10**12
CONFIG = Config(size="8", colour="grey", fit="crop")
CASES: dict[str, Callable[[Path], Any]] = {}


def case(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    CASES[function.__name__] = function
    return function


class Canary:
    """Unpickled, it touches a file."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {os.environ['CANARY']}",)


def load(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return data.load(str(path), CONFIG)


def npy_head(shape: str, kind: str = "'|u1'") -> bytes:
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def png(width: int, height: int, kind: int = 0, bits: int = 8, data: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def blank(width: int, height: int, mode: str, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (width, height)).save(written, kind)
    return written.getvalue()


def zeros(count: int) -> bytes:
    """So many zeros, deflated without ever being in memory."""
    packer, piece = zlib.compressobj(9), bytes(2**20)
    parts = [packer.compress(piece) for _ in range(count // len(piece))]
    return b"".join(parts) + packer.compress(bytes(count % len(piece))) + packer.flush()


def gzipped_zeros(count: int, head: bytes = b"") -> bytes:
    written, piece = io.BytesIO(), bytes(2**20)
    with gzip.GzipFile(fileobj=written, mode="wb", compresslevel=9) as file:
        file.write(head)
        for _ in range(count // len(piece)):
            file.write(piece)
    return written.getvalue()


# Arrays


@case
def npy_of_a_terabyte(path: Path) -> Any:
    return load(path / "a.npy", npy_head(f"({HUGE}, 1, 1, 1)") + bytes(100))


@case
def npy_of_negative_shape(path: Path) -> Any:
    return load(path / "a.npy", npy_head("(-1, 4, 4)") + bytes(100))


@case
def npy_whose_product_wraps_around(path: Path) -> Any:
    return load(path / "a.npy", npy_head(f"({2**32}, {2**32}, 4)") + bytes(100))


@case
def npy_of_a_huge_side_beside_a_zero(path: Path) -> Any:
    return load(path / "a.npy", npy_head(f"({2**70}, 4, 0)") + bytes(100))


@case
def npy_with_a_long_header(path: Path) -> Any:
    return load(path / "a.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{" * 1000)


@case
def npy_with_a_nested_header(path: Path) -> Any:
    return load(path / "a.npy", npy_head("(" * 4000))


@case
def npy_whose_header_is_code(path: Path) -> Any:
    return load(path / "a.npy", npy_head("__import__('os').system('touch $CANARY')"))


@case
def npy_of_other_version(path: Path) -> Any:
    return load(path / "a.npy", b"\x93NUMPY\x09\0" + bytes(200))


@case
def runs_npy_of_pickles(path: Path) -> Any:
    np.save(path / "a.npy", np.array([Canary()], object), allow_pickle=True)
    return data.load(str(path / "a.npy"), CONFIG)


@case
def runs_npz_of_pickles(path: Path) -> Any:
    np.savez(path / "a.npz", images=np.array([Canary()], object), allow_pickle=True)
    return data.load(str(path / "a.npz"), CONFIG)


@case
def runs_pickle_named_npz(path: Path) -> Any:
    import pickle

    return load(path / "a.npz", pickle.dumps(Canary()))


@case
def npz_that_announces_a_terabyte(path: Path) -> Any:
    return load(path / "a.npz", zipped({"images.npy": npy_head(f"({HUGE}, 1, 1)") + bytes(99)}))


@case
def npz_bomb(path: Path) -> Any:
    content = npy_head(f"({2**30}, 1, 1)") + bytes(2**27)
    return load(path / "a.npz", zipped({"images.npy": content}))


@case
def npz_within_npz(path: Path) -> Any:
    return load(path / "a.npz", zipped({"images.npy": zipped({"images.npy": bytes(1000)})}))


@case
def npz_named_out_of_the_folder(path: Path) -> Any:
    return load(path / "a.npz", zipped({"../../images.npy": npy_head("(4, 4, 4)") + bytes(64)}))


# IDX


@case
def idx_of_a_terabyte(path: Path) -> Any:
    return load(
        path / "a-idx3-ubyte", b"\0\0\x08\3" + struct.pack(">III", 10**6, 1000, 1000) + bytes(99)
    )


@case
def idx_of_huge_sides_beside_a_zero(path: Path) -> Any:
    return load(path / "a-idx3-ubyte", b"\0\0\x08\3" + struct.pack(">III", 2**32 - 1, 2**32 - 1, 0))


@case
def idx_of_255_dimensions(path: Path) -> Any:
    return load(path / "a-idx", b"\0\0\x08\xff" + b"\xff" * 1020)


@case
def idx_bomb(path: Path) -> Any:
    return load(
        path / "a.gz", gzipped_zeros(2**30, b"\0\0\x08\3" + struct.pack(">III", 2**20, 32, 32))
    )


@case
def gzip_of_nothing_but_zeros(path: Path) -> Any:
    return load(path / "a.gz", gzipped_zeros(2**30))


# Archives


@case
def zip_of_bombs(path: Path) -> Any:
    bomb = bytes(2**26)
    return load(path / "a.zip", zipped({f"{index}.png": bomb for index in range(20)}))


@case
def zip_that_announces_petabytes(path: Path) -> Any:
    content = bytearray(zipped({"a.png": bytes(100)}))
    place = content.index(b"PK\1\2") + 24
    content[place : place + 4] = b"\xfe\xff\xff\xff"
    return load(path / "a.zip", bytes(content))


@case
def zip_of_overlapping_members(path: Path) -> Any:
    content = zipped({"a.png": bytes(2**20), "b.png": bytes(2**20)})
    first = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 4)
    content = bytearray(content)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    return load(path / "a.zip", bytes(content))


@case
def zip_that_leads_outside(path: Path) -> Any:
    return load(
        path / "a.zip",
        zipped({"../../escaped.png": blank(4, 4, "L"), "/tmp/escaped.png": blank(4, 4, "L")}),
    )


@case
def zip_whose_names_are_lines(path: Path) -> Any:
    return load(path / "a.zip", zipped({"a\nb\r\x1b[2Jc.png": b"no picture"}))


@case
def zip_with_a_password(path: Path) -> Any:
    content = bytearray(zipped({"a.png": blank(4, 4, "L")}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return load(path / "a.zip", bytes(content))


@case
def zip_of_zips(path: Path) -> Any:
    content = zipped({"a.png": bytes(2**20)})
    for _ in range(10):
        content = zipped({"a.zip": content})
    return load(path / "b.zip", content)


@case
def zip_of_a_hundred_thousand_names(path: Path) -> Any:
    return load(
        path / "a.zip",
        zipped({f"{index}.txt": b"" for index in range(100_000)}, zipfile.ZIP_STORED),
    )


def tarred(member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def tar_member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@case
def tar_of_an_exabyte(path: Path) -> Any:
    return load(path / "a.tar", tar_member("a.png", 2**60) + bytes(1024))


@case
def tar_whose_name_fills_memory(path: Path) -> Any:
    return load(
        path / "a.tar", tar_member("././@LongLink", 2**40, tarfile.GNUTYPE_LONGNAME) + bytes(1024)
    )


@case
def tar_of_a_number_past_the_machine(path: Path) -> Any:
    content = b"9" * 30 + b" path=a.png\n"
    head = tar_member("././@PaxHeader", len(content), tarfile.XHDTYPE)
    return load(
        path / "a.tar", head + content.ljust(512, b"\0") + tar_member("a.png", 0) + bytes(1024)
    )


@case
def tar_of_a_chain_of_names(path: Path) -> Any:
    link = tar_member("././@LongLink", 1, tarfile.GNUTYPE_LONGNAME) + b"a".ljust(512, b"\0")
    return load(path / "a.tar", link * 5000 + bytes(1024))


@case
def tar_gz_whose_header_fills_memory(path: Path) -> Any:
    head = tar_member("././@PaxHeader", 2**30, tarfile.XHDTYPE)
    return load(path / "a.tar.gz", gzipped_zeros(2**30, head))


@case
def tar_gz_without_its_name(path: Path) -> Any:
    head = tar_member("././@PaxHeader", 2**30, tarfile.XHDTYPE)
    return load(path / "nameless", gzipped_zeros(2**30, head))


@case
def tar_gz_bomb(path: Path) -> Any:
    return load(path / "a.tar.gz", gzipped_zeros(2**30, tar_member("a.png", 2**30)))


@case
def tar_xz_bomb(path: Path) -> Any:
    packer, piece = lzma.LZMACompressor(preset=1), bytes(2**20)
    parts = [
        packer.compress(tar_member("a.txt", 2**29)),
        *(packer.compress(piece) for _ in range(2**9)),
    ]
    return load(path / "a.tar.xz", b"".join(parts) + packer.flush())


@case
def tar_of_links(path: Path) -> Any:
    member = tarfile.TarInfo("a.png")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return load(path / "a.tar", tarred(member))


@case
def tar_of_devices(path: Path) -> Any:
    member = tarfile.TarInfo("a.png")
    member.type = tarfile.CHRTYPE
    return load(path / "a.tar", tarred(member))


@case
def tar_that_leads_outside(path: Path) -> Any:
    return load(path / "a.tar", tarred(tarfile.TarInfo("../../escaped.png")))


# Pictures


@case
def png_of_a_terapixel(path: Path) -> Any:
    return load(path / "a.png", png(2**20, 2**20, data=zlib.compress(bytes(1000))))


@case
def png_at_the_limit_of_pixels(path: Path) -> Any:
    return load(path / "a.png", png(2**13, 2**13, 6, data=zeros(2**13 * (2**15 + 1))))


@case
def png_at_the_limit_of_16_bits(path: Path) -> Any:
    return load(path / "a.png", png(2**13, 2**13, 0, 16, data=zeros(2**13 * (2**14 + 1))))


@case
def png_one_pixel_wide(path: Path) -> Any:
    return data.load(
        _written(path / "a.png", blank(1, 60_000, "L")),
        Config(size="4096", fit="crop", colour="rgb"),
    )


@case
def many_large_pictures_at_once(path: Path) -> Any:
    content = png(2**13, 2**13, 2, data=zeros(2**13 * (3 * 2**13 + 1)))
    for index in range(6):
        (path / f"{index}.png").write_bytes(content)
    return data.load(str(path), CONFIG)


@case
def png_with_text_that_expands(path: Path) -> Any:
    text = b"a\0\0" + zeros(2**28)
    chunk = (
        struct.pack(">I", len(text))
        + b"zTXt"
        + text
        + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    )
    content = blank(4, 4, "L")
    return load(path / "a.png", content[:33] + chunk + content[33:])


@case
def gif_of_a_large_screen(path: Path) -> Any:
    content = bytearray(blank(4, 4, "P", "GIF"))
    content[6:10] = b"\xff\xff\xff\xff"
    return load(path / "a.gif", bytes(content))


@case
def tiff_of_a_terapixel(path: Path) -> Any:
    entries = [
        (256, 4, 1, 2**20),
        (257, 4, 1, 2**20),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
    ]
    entries += [(278, 4, 1, 2**20), (279, 4, 1, 2**31 - 1)]
    table = (
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        + bytes(4)
    )
    return load(path / "a.tif", b"II*\0" + struct.pack("<I", 8) + table)


@case
def tiff_whose_directory_leads_to_itself(path: Path) -> Any:
    return load(path / "a.tif", b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8))


@case
def tiff_of_a_billion_tags(path: Path) -> Any:
    entry = struct.pack("<HHII", 270, 2, 2**31, 8)
    return load(path / "a.tif", b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))


@case
def bmp_of_a_terapixel(path: Path) -> Any:
    content = bytearray(blank(4, 4, "RGB", "BMP"))
    content[18:26] = struct.pack("<ii", 2**20, 2**20)
    return load(path / "a.bmp", bytes(content))


@case
def jpeg_of_65535_squared(path: Path) -> Any:
    content = bytearray(blank(8, 8, "L", "JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = b"\xff\xff\xff\xff"
    return load(path / "a.jpg", bytes(content))


@case
def webp_of_16383_squared(path: Path) -> Any:
    content = bytearray(blank(16, 16, "RGB", "WEBP"))
    place = content.index(b"\x9d\x01\x2a") + 3
    content[place : place + 4] = b"\xff\x3f\xff\x3f"
    return load(path / "a.webp", bytes(content))


@case
def postscript_named_png(path: Path) -> Any:
    return load(
        path / "a.png",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch $CANARY) (w) file\n",
    )


@case
def svg_named_png(path: Path) -> Any:
    return load(
        path / "a.png", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>'
    )


@case
def folder_of_links_to_itself(path: Path) -> Any:
    (path / "loop").symlink_to(path)
    (path / "a.png").symlink_to("/dev/zero")
    return data.load(str(path), CONFIG)


# Tables and stores


@case
def parquet_of_a_billion_rows(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    codes = pyarrow.array(np.zeros(2**21, np.int8))
    column = pyarrow.DictionaryArray.from_arrays(
        codes, pyarrow.array([b"picture"], pyarrow.binary())
    )
    with parquet.ParquetWriter(
        path / "a.parquet", pyarrow.schema([("image", column.type)])
    ) as writer:
        for _ in range(20):
            writer.write_table(pyarrow.table({"image": column}))
    return data.load(str(path / "a.parquet"), CONFIG)


@case
def parquet_bomb(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"image": [bytes(2**22)]})
    with parquet.ParquetWriter(
        path / "a.parquet", table.schema, compression="zstd", use_dictionary=False
    ) as writer:
        for _ in range(50):
            writer.write_table(table)
    return data.load(str(path / "a.parquet"), CONFIG)


def a_store(path: Path, **footer: Any) -> Any:
    """A store whose checksums are right and whose footer says what it should not."""
    head = struct.pack("<16sI44x", b"autoencode-store", 1)
    body = bytes(128)
    told = {
        "name": "a",
        "shape": [8, 8, 1],
        "counts": {"train": 1, "test": 1},
        "labels": False,
        "classes": [],
        "skipped": [],
        "blocks": [zlib.crc32(head + body)],
    }
    text = json.dumps(told | footer).encode()
    tail = struct.pack("<QI4x16s", len(text), zlib.crc32(text), b"store-ends-here\n")
    return load(path / "a.store", head + body + text + tail)


@case
def store_of_a_terabyte(path: Path) -> Any:
    return a_store(path, counts={"train": HUGE, "test": 1})


@case
def store_of_negative_counts(path: Path) -> Any:
    return a_store(path, counts={"train": 3, "test": -1})


@case
def store_with_other_parts(path: Path) -> Any:
    return a_store(path, counts={"../../a": 2})


@case
def store_of_a_wrong_shape(path: Path) -> Any:
    return a_store(path, shape=[8, 16])


@case
def store_of_words_for_numbers(path: Path) -> Any:
    return a_store(path, shape="8", counts=["train"])


@case
def store_with_labels_beyond_its_end(path: Path) -> Any:
    return a_store(path, labels=True, counts={"train": 2, "test": 10**9})


# Models


def model_file(
    path: Path, change: Callable[[dict], Any] | None = None, weights: bytes | None = None
) -> bytes:
    """A small model's .keras file with another configuration or other weights."""
    import keras

    images = keras.Input((4, 4, 1))
    encoder = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)], name="encoder"
    )
    decoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))], name="decoder"
    )
    keras.Model(images, decoder(encoder(images))).save(path / "whole.keras")
    with zipfile.ZipFile(path / "whole.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(members["config.json"])
        members["config.json"] = json.dumps(change(config) or config).encode()
    if weights is not None:
        members["model.weights.h5"] = weights
    return zipped(members)


def open_model(path: Path, content: bytes) -> Any:
    (path / "a.keras").write_bytes(content)
    return keras_file.read_model(path / "a.keras")


def inner(config: dict) -> dict:
    """The first Dense layer of the encoder."""
    return next(
        layer
        for model in config["config"]["layers"]
        if model["class_name"] == "Sequential"
        for layer in model["config"]["layers"]
        if layer["class_name"] == "Dense"
    )


def replaced(**parts: Any) -> Callable[[dict], None]:
    return lambda config: inner(config).update(parts)


@case
def runs_model_with_a_lambda(path: Path) -> Any:
    import base64
    import marshal

    code = compile(f"__import__('os').system('touch {os.environ['CANARY']}')", "a", "eval")
    packed = base64.b64encode(
        marshal.dumps((lambda x: x).__code__.replace(co_code=code.co_code))
    ).decode()
    function = {
        "class_name": "__lambda__",
        "config": {"code": packed, "defaults": None, "closure": None},
    }
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": function}}
    return open_model(path, model_file(path, replaced(**layer)))


@case
def runs_model_of_a_function_elsewhere(path: Path) -> Any:
    layer = {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "system",
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def runs_model_of_a_class_elsewhere(path: Path) -> Any:
    layer = {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": ["touch", os.environ["CANARY"]]},
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def runs_model_that_activates_by_a_lambda(path: Path) -> Any:
    function = {"class_name": "__lambda__", "config": {"value": "abcd"}, "module": "builtins"}
    return open_model(
        path, model_file(path, lambda config: inner(config)["config"].update(activation=function))
    )


@case
def runs_model_of_a_saved_torch_module(path: Path) -> Any:
    layer = {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": "gASV"},
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def runs_model_of_a_saved_tensorflow_model(path: Path) -> Any:
    layer = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": str(path)}}
    return open_model(path, model_file(path, replaced(**layer)))


@case
def model_that_reads_a_file(path: Path) -> Any:
    layer = {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"vocabulary": "/etc/passwd"},
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def model_that_downloads_a_file(path: Path) -> Any:
    layer = {
        "module": "keras.utils",
        "class_name": "get_file",
        "config": {"origin": "file:///etc/passwd"},
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def model_of_a_terabyte(path: Path) -> Any:
    return open_model(
        path, model_file(path, lambda config: inner(config)["config"].update(units=10**11))
    )


@case
def model_whose_layer_fills_memory(path: Path) -> Any:
    layer = {
        "module": "keras.layers",
        "class_name": "UpSampling2D",
        "config": {"size": [10**6, 10**6]},
    }
    return open_model(path, model_file(path, replaced(**layer)))


@case
def model_of_nested_lists(path: Path) -> Any:
    content = model_file(path)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return open_model(path, zipped(members | {"config.json": b"[" * 10**5 + b"]" * 10**5}))


@case
def model_whose_configuration_is_a_bomb(path: Path) -> Any:
    content = model_file(path)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return open_model(path, zipped(members | {"config.json": b" " * (MAX_TEXT + 1)}))


@case
def model_whose_notes_are_a_bomb(path: Path) -> Any:
    content = model_file(path)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return open_model(
        path, zipped(members | {"autoencode.json": b"[" + b"[]," * (MAX_TEXT // 3) + b"0]"})
    )


def weights_file(fill: Callable[[h5py.File], Any]) -> bytes:
    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        fill(file)
    return written.getvalue()


@case
def weights_in_another_file(path: Path) -> Any:
    link = h5py.ExternalLink("/etc/passwd", "/")
    return open_model(
        path, model_file(path, weights=weights_file(lambda file: file.__setitem__("layers", link)))
    )


@case
def weights_in_raw_bytes_of_another_file(path: Path) -> Any:
    def fill(file: h5py.File) -> None:
        file.create_dataset("layers/a/vars/0", (16, 2), "f4", external=[("/etc/passwd", 0, 128)])

    return open_model(path, model_file(path, weights=weights_file(fill)))


@case
def weights_that_are_virtual(path: Path) -> Any:
    def fill(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((16, 2), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "a", (16, 2))
        file.create_virtual_dataset("layers/a", layout)

    return open_model(path, model_file(path, weights=weights_file(fill)))


@case
def weights_of_a_terabyte(path: Path) -> Any:
    def fill(file: h5py.File) -> None:
        file.create_dataset(
            "layers/a/vars/0", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip"
        )

    return open_model(path, model_file(path, weights=weights_file(fill)))


@case
def weights_that_lead_back(path: Path) -> Any:
    def fill(file: h5py.File) -> None:
        file.create_group("layers/a")
        file["layers/a/up"] = file["layers"]

    return open_model(path, model_file(path, weights=weights_file(fill)))


# Run folders and checkpoints


def run_folder(path: Path, **changes: Any) -> Path:
    """A run folder whose checksums are right and whose records say what they should not."""
    record = {
        "format": 1,
        "source": "mnist",
        "location": None,
        "settings": {"epochs": 1},
        "command": "autoencode train",
        "engine": "jax",
        "device": "cpu",
        "versions": {},
        "images": {"shape": [4, 4, 1], "train": 1, "test": 1, "fingerprint": 0},
        "notes": [],
        "parameters": 1,
        "comparable": True,
        "originals": runs.checksum(np.zeros((1, 4, 4, 1), np.uint8)),
        "started": "now",
    }
    line = dict.fromkeys(schema.METRICS, 1) | {"reconstructions": record["originals"]}
    (path / "arrays").mkdir()
    for name in ("originals", "reconstructions0"):
        np.save(path / "arrays" / f"{name}.npy", np.zeros((1, 4, 4, 1), np.uint8))
    (path / "config.json").write_text(json.dumps(schema.seal(record | changes)))
    (path / "metrics.jsonl").write_text(json.dumps(schema.seal(line)) + "\n")
    return path


def show(path: Path) -> Any:
    listing.list_runs(path.parent)
    render.render_run(runs.Run.open(path))
    return (path / "report.html").read_text("utf-8")


@case
def run_of_a_report_with_a_script(path: Path) -> Any:
    script = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    told = dict.fromkeys(("source", "command", "device", "started"), script)
    page = show(run_folder(path, **told, notes=[script], versions={script: script}))
    if "<script>alert" in page or "<img src=x" in page:
        raise AssertionError("the report holds markup out of the record")


@case
def run_of_nested_lists(path: Path) -> Any:
    run_folder(path)
    (path / "config.json").write_text("[" * 10**5)
    return show(path)


@case
def run_of_a_number_of_a_million_digits(path: Path) -> Any:
    run_folder(path)
    (path / "config.json").write_text('{"format": ' + "9" * 10**6 + "}")
    return show(path)


@case
def run_of_settings_that_are_none(path: Path) -> Any:
    return show(run_folder(path, settings={"epochs": 10**400, "loss": ["mse"], "__class__": "x"}))


@case
def run_of_an_endless_frame(path: Path) -> Any:
    return show(run_folder(path, settings={"frame_seconds": 1e308}))


@case
def run_of_a_text_for_a_shape(path: Path) -> Any:
    return show(
        run_folder(path, images={"shape": "../../..", "train": 1, "test": 1, "fingerprint": 0})
    )


@case
def run_whose_metrics_are_no_numbers(path: Path) -> Any:
    run_folder(path)
    line = dict.fromkeys(schema.METRICS, 1) | {"loss": float("nan")}
    (path / "metrics.jsonl").write_text(json.dumps(schema.seal(line)) + "\n")
    return show(path)


@case
def run_whose_metrics_are_one_long_line(path: Path) -> Any:
    run_folder(path)
    (path / "metrics.jsonl").write_text("[" * 2**25)
    return show(path)


@case
def run_whose_array_announces_a_terabyte(path: Path) -> Any:
    run_folder(path)
    (path / "arrays" / "reconstructions0.npy").write_bytes(npy_head(f"({HUGE}, 4, 4, 1)"))
    return show(path)


@case
def run_of_thirty_thousand_examples(path: Path) -> Any:
    many = np.zeros((30_000, 1, 1, 1), np.uint8)
    run_folder(path, originals=runs.checksum(many))
    np.save(path / "arrays" / "originals.npy", many)
    return show(path)


@case
def run_whose_names_are_no_text(path: Path) -> Any:
    return show(run_folder(path, source="\ud800", notes=["\udfff\x1b[2J"]))


@case
def runs_run_whose_array_is_pickles(path: Path) -> Any:
    run_folder(path)
    np.save(path / "arrays" / "originals.npy", np.array([Canary()], object), allow_pickle=True)
    return show(path)


def checkpoint(path: Path, header: Any, body: bytes = b"") -> Any:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    head = checkpoints.HEAD.pack(checkpoints.MAGIC, 1, zlib.crc32(text + body), len(text))
    (path / checkpoints.FILES[0]).write_bytes(head + text + body)
    found, wrong = checkpoints.read_newest_checkpoint(path)
    if found is not None or not wrong:
        raise AssertionError("a hostile checkpoint was taken")


@case
def checkpoint_of_a_terabyte(path: Path) -> Any:
    return checkpoint(
        path, {"sequence": 0, "notes": {}, "arrays": [["state", "float32", [10**6, 10**6]]]}
    )


@case
def checkpoint_of_objects(path: Path) -> Any:
    return checkpoint(
        path, {"sequence": 0, "notes": {}, "arrays": [["state", "object", [1]]]}, bytes(8)
    )


@case
def checkpoint_of_nested_lists(path: Path) -> Any:
    return checkpoint(path, b"[" * 10**5)


@case
def checkpoint_of_negative_shape(path: Path) -> Any:
    return checkpoint(
        path, {"sequence": 0, "notes": {}, "arrays": [["state", "float32", [-1, -1]]]}, bytes(4)
    )


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
