"""What is no source, in one line."""

import numpy as np
import pandas
import pytest
from python_sources import PIXELS, Map, TorchDataset, is_read, pictures

from autoencode import AutoencodeError, UsageError, data

ALL = "pip install 'autoencode[test-all]'"
torch = pytest.importorskip("torch", reason=f"needs torch: {ALL}")

WRONG = {
    "nothing": None,
    "a number": 3,
    "bytes": b"a.png",
    "an empty list": [],
    "an empty dictionary": {},
    "a list of numbers": [1, 2, 3],
    "a list of lists of two axes": [[1, 2], [3, 4]],
    "a list of nothing": [None, None],
    "a list of bytes": [b"x", b"y"],
    "a list of texts and arrays": ["a.png", PIXELS[0]],
    "paths that are not there": ["not-there.png"],
    "a path that is not there": "not-there/at/all",
    "an address": "https://example.org/a.zip",
    "a pattern": "pictures/*.png",
    "an array of text": np.array(["a", "b"]),
    "an array of objects": np.array([{}, {}], object),
    "complex numbers": PIXELS.astype(complex),
    "an array of five axes": PIXELS[np.newaxis],
    "a list of arrays of text": [np.array([["a"]])],
    "a list of empty arrays": [np.zeros((0, 3))],
    "a list of five axes": [PIXELS[np.newaxis, np.newaxis]],
    "dictionaries without an image": [{"picture_of": PIXELS[0]}],
    "a dictionary of no images": {"a": np.zeros(3), "b": np.zeros(3)},
    "a DataFrame": pandas.DataFrame({"path": ["a"], "label": ["b"]}),
    "a pair of arrays": (PIXELS[:10], PIXELS[10:]),
    "a function": len,
    "a class": Map,
    "an empty map": Map([]),
    "an empty dataset of torch": TorchDataset(PIXELS[:0]),
    "a map of nothing": Map([None, None]),
    "a map of text": Map(["a.png"]),
    "an empty generator": iter(()),
    "an empty series": pandas.Series([], dtype=str),
    "a tensor of one axis": torch.zeros(3),
    "NaN": np.full((3, 4, 4), np.nan),
    "an object": object(),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_source_is_one_line(name):
    with pytest.raises(AutoencodeError) as told:
        data.load(WRONG[name])
    line = str(told.value)
    assert len(line.splitlines()) == 1
    assert line.endswith(".") or "np.savez" in line
    assert len(line) < 500


@pytest.mark.parametrize(
    "name", ["nothing", "a number", "bytes", "a DataFrame", "a function", "a pair of arrays"]
)
def test_what_cannot_be_a_source_is_a_wrong_use(name):
    with pytest.raises(UsageError):
        data.load(WRONG[name])


@pytest.mark.parametrize("source", [[], Map([]), TorchDataset(PIXELS[:0]), iter(())])
def test_what_is_empty_is_called_so(source):
    with pytest.raises(AutoencodeError, match="is empty: expected at least one picture"):
        data.load(source)


def test_two_pictures_in_a_tuple_are_two_pictures():
    is_read(tuple(pictures()[:2]), PIXELS[:2])
