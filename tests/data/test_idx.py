"""IDX files: written, read back, damaged, and as sets in a folder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_pictures import EACH, noise

from autoencode import AutoencodeError, Config, data
from autoencode.data import idx


@EACH
@given(
    array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)),
    packed=st.booleans(),
)
def test_idx_reads_back_what_was_written(tmp_path, array, packed):
    path = tmp_path / ("a-ubyte.gz" if packed else "a-ubyte")
    idx.write(array, path)
    np.testing.assert_array_equal(idx.read(path), array)


@EACH
@given(drawn=st.data())
def test_a_damaged_idx_file_is_told_or_reads_the_same_shape(tmp_path, drawn):
    path = tmp_path / "b-ubyte"
    idx.write(noise(4, 3, 2, 1)[..., 0], path)
    whole = path.read_bytes()
    place = drawn.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(
        whole[:place] + bytes([whole[place] ^ drawn.draw(st.integers(1, 255))]) + whole[place + 1 :]
    )
    try:
        assert idx.read(path).size <= len(whole)
    except AutoencodeError as error:
        assert "damaged IDX" in str(error)
    path.write_bytes(whole[:place])
    with pytest.raises(AutoencodeError, match="damaged IDX"):
        idx.read(path)


def test_a_folder_of_idx_files_is_the_set(tmp_path):
    parts = {
        "train-images-idx3-ubyte.gz": noise(9, 5, 5, 1)[..., 0],
        "t10k-images-idx3-ubyte": noise(3, 5, 5, 1)[..., 0],
    }
    parts |= {
        "train-labels-idx1-ubyte.gz": np.arange(9, dtype="uint8"),
        "t10k-labels-idx1-ubyte": np.arange(3, dtype="uint8"),
    }
    for name, array in parts.items():
        idx.write(array, tmp_path / name)
    images = data.load(str(tmp_path), Config())
    assert images.train.shape == (9, 5, 5, 1)
    assert images.test_labels.tolist() == [0, 1, 2]
    alone = data.load(str(tmp_path / "train-images-idx3-ubyte.gz"), Config())
    assert len(alone.train) + len(alone.test) == 9


def test_the_original_mnist_files_are_the_bundled_set():
    folder = Path(__file__).parents[2] / "src" / "autoencode" / "data" / "mnist_files"
    bundled = data.load("mnist")
    np.testing.assert_array_equal(
        data.load(str(folder / "mnist.npz"), Config()).train, bundled.train
    )
