"""Any source, batch by batch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_support import EACH, fill, rows, streamed

from autoencode import AutoencodeError, Config, Images, UsageError, data
from autoencode.data import array_dataset, streaming
from autoencode.data.decode import Plan
from autoencode.inference import codes, saved_model


def test_a_store_and_a_folder_give_what_memory_gives(opened, digits, tmp_path):
    images = digits[0][:90]
    expected = opened.trained.encode(images)
    fill(tmp_path / "pictures", images, "")
    (tmp_path / "pictures" / "45x.png").write_bytes(b"no picture")
    data.pack(Images("mine", images[:80], images[80:]), tmp_path / "mine.store", Config())
    folder, store = (streamed(opened, tmp_path / name) for name in ("pictures", "mine.store"))
    np.testing.assert_array_equal(codes.encode_stream(opened, store), expected)
    encoded = codes.encode_stream(opened, folder)
    by_name = dict(zip(folder.names(), encoded, strict=True))
    assert len(by_name) == 90
    for index in range(90):
        np.testing.assert_array_equal(by_name[f"{index}.png"], expected[index])
    assert [one.name for one in folder.skipped] == ["45x.png"]
    assert store.names()[79:81] == ["mine train 79", "mine test 0"]
    np.testing.assert_array_equal(
        folder.images([3, 7]), images[[int(Path(folder.names()[i]).stem) for i in (3, 7)]]
    )
    with pytest.raises(AutoencodeError, match=r"45x\.png cannot be read"):
        list(streamed(opened, tmp_path / "pictures", strict=True).batches(16))


@EACH
@given(
    counts=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(1, 50),
    chunk=st.integers(1, 2000),
    part=st.sampled_from(streaming.PARTS),
)
def test_batches_are_the_images_in_order(monkeypatch, counts, size, chunk, part):
    monkeypatch.setattr(array_dataset, "CHUNK_BYTES", chunk)
    pixels = np.random.default_rng(0).integers(0, 256, (sum(counts), 5, 4, 3), "uint8")
    images = Images("noise", pixels[: counts[0]], pixels[counts[0] :])
    told = []
    stream = streaming.stream(
        rows(images), (5, 4, 3), part=part, progress=lambda *numbers: told.append(numbers)
    )
    batches = list(stream.batches(size))
    assert all(batch.dtype == np.uint8 and 0 < len(batch) <= size for batch in batches)
    expected = {"all": pixels, "train": images.train, "test": images.test}[part]
    np.testing.assert_array_equal(np.concatenate(batches), expected)
    assert told[-1] == (len(expected), len(expected))
    assert len(stream.names()) == len(expected)


def test_neighbouring_rows_are_not_copied(digits):
    found = next(rows(digits[0]).chunks(np.arange(10, 60), Plan(8, 8, 1)))[0]
    assert np.shares_memory(found, digits[0])
    np.testing.assert_array_equal(found, digits[0][10:60])


def test_the_test_part_is_what_the_run_was_tested_on(run, source):
    trained_on = data.load(str(source), Config(split_seed=3))
    opened, stream = saved_model.open_with_source(saved_model.find_model(run), source, part="test")
    np.testing.assert_array_equal(np.concatenate(list(stream.batches(64))), trained_on.test)
    assert any("drawn for testing by split seed 3" in note for note in stream.notes)
    np.testing.assert_array_equal(stream.labels()[0], trained_on.test_labels)
    few = streamed(opened, source, most=7)
    assert [len(batch) for batch in few.batches(5)] == [5, 2]


def test_classes_without_names_are_numbered_in_their_order(opened, digits, tmp_path):
    wanted = np.isin(digits[1], (3, 7))
    np.savez(tmp_path / "some.npz", images=digits[0][wanted], labels=digits[1][wanted])
    stream = streamed(opened, tmp_path / "some.npz")
    codes.encode_stream(opened, stream)
    labels, classes = stream.labels()
    assert [int(classes[label]) for label in labels] == digits[1][wanted].tolist()


def test_a_source_that_is_gone_is_reported(run, opened, tmp_path):
    saved = saved_model.Saved(**vars(opened.saved) | {"run": None})
    with pytest.raises(UsageError, match="name a source with `source`"):
        saved_model.find_source(saved, None)
    gone = saved_model.find_model(run)
    gone.run.record["location"] = str(tmp_path / "gone.npz")
    with pytest.raises(UsageError, match="which is not here: name a source with `source`"):
        saved_model.find_source(gone, None)
    assert saved_model.find_source(saved, "mnist") == "mnist"
