"""Parquet files, datasets of the Hub, sets known by name, and extras that are missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_pictures import content, noise, picture

from autoencode import AutoencodeError, Config, data
from autoencode.data import idx
from autoencode.data.splits import split_dataset


def table(path: Path, pixels: np.ndarray, labels: list, names: list | None = None) -> None:
    import pyarrow
    import pyarrow.parquet

    names = names or [None] * len(pixels)
    column = [
        {"bytes": content(picture(one)), "path": name}
        for one, name in zip(pixels, names, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    features = {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table(
        {"image": pyarrow.array(column, kind), "label": labels}
    ).replace_schema_metadata(told)
    pyarrow.parquet.write_table(table, path)


def test_parquet_as_hugging_face_writes_it(tmp_path):
    train, test = noise(7, 5, 5, 1), noise(3, 5, 5, 1, 1)
    table(tmp_path / "data" / "train-00000-of-00001.parquet", train, [3, 1, 3, 1, 1, 3, 3])
    table(tmp_path / "data" / "test-00000-of-00001.parquet", test, [1, 1, 3])
    images = data.load(str(tmp_path), Config())
    np.testing.assert_array_equal(images.train, train)
    np.testing.assert_array_equal(images.test, test)
    assert images.classes == ("1", "3")
    alone = data.load(str(tmp_path / "data" / "test-00000-of-00001.parquet"), Config())
    assert len(alone.train) + len(alone.test) == 3


@pytest.mark.parametrize("as_store", [False, True])
def test_tables_and_stores_tell_the_names_of_the_files(tmp_path, as_store):
    names = ["cats/a.png", None, "dogs/\n\x1b[31m.png", "dogs/\u732b.png"]
    expected = ["cats/a.png", "a.parquet row 1", "dogs/\\n\\x1b[31m.png", "dogs/\u732b.png"]
    table(tmp_path / "a.parquet", noise(4, 5, 5, 1), [0, 1, 0, 1], names)
    source = str(tmp_path / "a.parquet")
    rows = data.open_dataset(source)
    if as_store:
        packed = data.pack(source, tmp_path / "a.store", Config())
        test = split_dataset(rows, Config()).test
        found = [[*part] for part in (packed.train_names, packed.test_names)]
        assert found == [
            [expected[index] for index in range(4) if index not in test],
            [expected[i] for i in test],
        ]
        rows, expected = data.open_dataset(str(tmp_path / "a.store")), [*found[0], *found[1]]
        again = data.pack(str(tmp_path / "a.store"), tmp_path / "b.store", Config())
        assert [*again.train_names, *again.test_names] == expected
    assert rows.names(np.arange(4)) == expected
    assert rows.names(np.array([1, 3])) == [expected[1], expected[3]]


def test_a_damaged_parquet_file_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    table(path, noise(4, 5, 5, 1), [0, 1, 0, 1])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AutoencodeError, match="Parquet"):
        data.load(str(path), Config())


def test_hugging_face_by_name(tmp_path):
    table(
        tmp_path / "owner" / "name" / "train-00000-of-00001.parquet",
        noise(6, 5, 5, 1),
        [0, 1] * 3,
        [*"abcdef"],
    )
    code = (
        "from autoencode import data, Config\n"
        "images = data.load('hf:owner/name', Config())\n"
        "print(len(images.train), len(images.test), images.shape)\n"
        "print(data.open_dataset('hf:owner/name').names(__import__('numpy').arange(6)))"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | offline,
    )
    assert done.stdout.split("\n")[-3:-1] == ["5 1 (5, 5, 1)", "['a', 'b', 'c', 'd', 'e', 'f']"]


@pytest.mark.parametrize(
    ("module", "source", "extra"),
    [("pyarrow", "a.parquet", "parquet"), ("datasets", "hf:a/b", "hf")],
)
def test_a_missing_extra_names_its_install_command(tmp_path, monkeypatch, module, source, extra):
    table(tmp_path / "a.parquet", noise(2, 5, 5, 1), [0, 1])
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AutoencodeError, match=rf"pip install 'autoencode\[{extra}\]'"):
        data.load(source, Config())


def named(folder: Path, code: str) -> subprocess.CompletedProcess:
    variables = os.environ | {
        "KERAS_HOME": str(folder),
        "KERAS_BACKEND": "jax",
        "http_proxy": "",
        "https_proxy": "",
    }
    block = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.getaddrinfo = refuse\n"
    )
    words = [sys.executable, "-c", block + code]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=variables)


def test_a_named_set_comes_from_keras_cache_and_offline_says_where_to_put_it(tmp_path):
    code = (
        "from autoencode import data\n"
        "i = data.load('fashion_mnist')\n"
        "print(i.train.shape, i.test_labels.tolist())"
    )
    folder = tmp_path / "datasets" / "fashion-mnist"
    missing = named(tmp_path, code)
    assert "fashion_mnist could not be downloaded" in missing.stderr
    assert str(tmp_path / "datasets") in missing.stderr
    assert "train-images-idx3-ubyte.gz" in missing.stderr
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 6), ("t10k", 2)):
        pixels = noise(count, 28, 28, 1)[..., 0]
        idx.write(pixels, folder / f"{part}-images-idx3-ubyte.gz")
        idx.write(np.arange(count, dtype="uint8"), folder / f"{part}-labels-idx1-ubyte.gz")
    found = named(tmp_path, code)
    assert found.stdout.strip() == "(6, 28, 28, 1) [0, 1]", found.stderr
