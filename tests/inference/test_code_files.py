"""Codes and images out into files, and back."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inference_support import (
    COUNT,
    EACH,
    arrays,
    fill,
    size,
    streamed,
    write_codes,
    write_reconstructions,
)

from autoencode import AutoencodeError, Autoencoder, data
from autoencode.cli import file_formats, output_files, results
from autoencode.inference import code_files, codes, saved_model


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
def test_codes_in_a_file_decode_to_the_reconstructions(opened, source, digits, files, ending):
    write_reconstructions(opened, source, files("reconstruct"))
    write_codes(opened, source, files("encode", ending))
    found = code_files.read_codes(files("encode", ending).file, 4)
    np.testing.assert_array_equal(found, opened.trained.encode(digits[0]))
    results.write_images(files("decode"), codes.decode_batches(opened, found), (8, 8, 1))
    expected = arrays(files("reconstruct").file)["images"]
    np.testing.assert_array_equal(arrays(files("decode").file)["images"], expected)
    assert size(files("encode").beside()) == (800, 500)
    assert size(files("decode").beside()) == (1040, 1040)  # the first hundred


@pytest.mark.parametrize("bits", [1, 3, 8, 11, 16])
def test_quantized_codes_take_a_byte_or_two_and_come_back(tmp_path, digits, bits):
    Autoencoder(code=16, quantize=bits, epochs=1, batch_size=60).fit(digits[0]).save(
        tmp_path / "bits.keras"
    )
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "bits.keras"))
    place = output_files.OutputFiles(tmp_path / "codes.NPZ")
    write_codes(opened, digits[0][:7], place)
    found = arrays(place.file)
    assert set(found) == {"levels", "bits", "names"}
    assert found["levels"].nbytes == 7 * 16 * (1 if bits <= 8 else 2)
    assert found["bits"] == bits
    assert found["levels"].max() <= 2**bits - 1
    expected = np.asarray(opened.trained.encoder(digits[0][:7] / np.float32(255)))
    np.testing.assert_allclose(
        code_files.read_codes(place.file, 16), expected, atol=1e-6 if bits < 11 else 1e-3
    )
    np.testing.assert_allclose(
        code_files.read_codes(place.file, 16), opened.encode(digits[0][:7]), atol=1e-6
    )


def test_tables_keep_every_digit(tmp_path):
    numbers = np.random.default_rng(0).normal(size=200) * 10.0 ** np.arange(-100, 100)
    file_formats.write_table(tmp_path / "x.CSV", {"x": numbers})
    lines = list(csv.DictReader((tmp_path / "x.CSV").read_text().splitlines()))
    assert [float(line["x"]) for line in lines] == numbers.tolist()


def test_tables_open_in_pandas_with_names_and_classes(opened, digits, tmp_path):
    import pandas

    folder = fill(tmp_path / "pictures", digits[0][:6], "class {}")
    for ending, read in ((".csv", pandas.read_csv), (".parquet", pandas.read_parquet)):
        place = output_files.OutputFiles(tmp_path / f"codes{ending}")
        write_codes(opened, folder, place)
        table = read(place.file)
        assert table.columns.tolist() == ["name", "label", "code0", "code1", "code2", "code3"]
        assert table["name"].tolist() == [
            f"class {index % 2}/{index}.png" for index in (0, 2, 4, 1, 3, 5)
        ]
        assert table["label"].tolist() == ["class 0"] * 3 + ["class 1"] * 3
        numbers = table[[f"code{number}" for number in range(4)]].to_numpy(np.float32)
        np.testing.assert_array_equal(numbers, opened.trained.encode(digits[0][[0, 2, 4, 1, 3, 5]]))


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@EACH
@given(
    codes=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=floats
    ),
    name=names,
    ending=st.sampled_from([".npz", ".csv", ".parquet"]),
)
def test_any_codes_come_back_bit_for_bit(tmp_path, codes, name, ending):
    path = tmp_path / f"codes{ending}"
    if ending == ".npz":
        file_formats.write_arrays(path, {"codes": codes, "names": np.array([name] * len(codes))})
        assert arrays(path)["names"].tolist() == [name.rstrip("\0")] * len(codes)
    else:
        columns = {f"code{number}": column for number, column in enumerate(codes.T)}
        file_formats.write_table(path, {"name": [name] * len(codes), **columns})
    np.testing.assert_array_equal(code_files.read_codes(path, codes.shape[1]), codes)


def test_what_commands_write_is_a_source_again(opened, source, files):
    for ending in (".npz", ".npy"):
        write_reconstructions(opened, source, files("reconstruct", ending))
        again = data.load(str(files("reconstruct", ending).file))
        assert (len(again.train) + len(again.test), again.shape) == (COUNT, (8, 8, 1))
    np.testing.assert_array_equal(
        np.load(files("reconstruct", ".npy").file), arrays(files("reconstruct").file)["images"]
    )


@pytest.mark.parametrize("held", [0, 1000])
def test_images_that_wait_on_the_disk_are_written_alike(tmp_path, monkeypatch, digits, held):
    monkeypatch.setattr(file_formats, "BYTES_IN_MEMORY", held or 1)
    with file_formats.spooled((8, 8, 1), tmp_path) as spool:
        for first in range(0, COUNT, 70):
            spool.add(digits[0][first : first + 70])
        file_formats.write_arrays(tmp_path / "images.npz", {"images": spool})
        file_formats.write_arrays(tmp_path / "images.npy", {"images": spool})
    np.testing.assert_array_equal(arrays(tmp_path / "images.npz")["images"], digits[0])
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), digits[0])
    assert {path.name for path in tmp_path.iterdir()} == {"images.npz", "images.npy"}


@pytest.mark.parametrize("bits", ["8", 17, True, [1]])
def test_untrusted_bits_are_refused(opened, source, bits):
    saved = replace(opened.saved, settings=opened.saved.settings | {"quantize": bits})
    with pytest.raises(
        AutoencodeError, match="expected quantize among its settings to be 1 to 16 bits"
    ):
        codes.encode(replace(opened, saved=saved), streamed(opened, source))


BROKEN = {
    "wide.npy": (lambda path: np.save(path, np.zeros((5, 9), np.float32)), r"codes \(N, 4\)"),
    "words.npy": (lambda path: np.save(path, np.array([["a"] * 4])), r"codes \(N, 4\)"),
    "nan.npz": (
        lambda path: np.savez(path, codes=np.array([[0.0] * 4, [np.nan] * 4])),
        "row 1 .* NaN",
    ),
    "other.npz": (lambda path: np.savez(path, pixels=np.zeros(3)), "named codes, it holds pixels"),
    "cut.npz": (lambda path: path.write_bytes(b"PK\3\4 and no more"), "cannot be read"),
    "empty.csv": (lambda path: path.write_text(""), "empty.csv holds no codes"),
    "head.csv": (
        lambda path: path.write_text("name,code0,code1,code2,code3\n"),
        "head.csv holds no codes",
    ),
    "none.npy": (lambda path: np.save(path, np.zeros((0, 4))), "none.npy holds no codes"),
    "huge.npy": (
        lambda path: np.save(path, np.array([[0.0] * 4, [1e300] * 4])),
        "huge.npy: .* row 1",
    ),
    "huge.csv": (
        lambda path: path.write_text("code0,code1,code2,code3\n1,2,3,1e300\n"),
        "huge.csv: .* row 0",
    ),
    "bits.npz": (
        lambda path: np.savez(path, levels=np.full((2, 4), 9, "uint8"), bits=3),
        "levels of 1 to 16 bits",
    ),
    "many.npz": (
        lambda path: np.savez(path, levels=np.zeros((2, 4), "uint8"), bits=64),
        "levels of 1 to 16 bits",
    ),
    "word.npz": (
        lambda path: np.savez(path, levels=np.zeros((2, 4), "uint8"), bits="8"),
        "levels of 1 to 16 bits",
    ),
    "long.csv": (
        lambda path: path.write_text("name,code0,code1,code2,code3\na,1,2,3,4\nb,5,1,2,3,4\n"),
        "row 2 has 6 cells, and the head 5",
    ),
    "twice.csv": (
        lambda path: path.write_text("code0,code1,code1\n1,2,3\n"),
        "one column called code1, it holds 2",
    ),
    "words.csv": (lambda path: path.write_text("code0,code1,code2,code3\n1,2,3,oops\n"), "oops"),
    "other.csv": (
        lambda path: path.write_text("a,b\n1,2\n"),
        "columns code0, code1, ..., it holds a, b",
    ),
    "cut.parquet": (lambda path: path.write_bytes(b"PAR1"), "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_without_fitting_codes_are_refused(tmp_path, name):
    make, words = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(AutoencodeError, match=words) as told:
        code_files.read_codes(tmp_path / name, 4)
    assert "\n" not in str(told.value)
