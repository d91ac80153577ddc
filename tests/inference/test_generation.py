"""New images, and the way between two."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inference_support import EACH, arrays, size, streamed, write_reconstructions
from PIL import Image

from autoencode import AutoencodeError, UsageError
from autoencode.cli import results
from autoencode.inference import codes, generation
from autoencode.plots import grids


def test_normal_codes_without_training_codes(opened, files):
    results.write_samples(files("sample"), generation.sample(opened, None, count=500, seed=7))
    found = arrays(files("sample").file)
    assert np.abs(found["codes"].mean(0)).max() < 0.2
    assert np.abs(found["codes"].std(0) - 1).max() < 0.2
    expected = opened.trained.decoder(found["codes"])
    np.testing.assert_allclose(
        found["images"], np.clip(np.asarray(expected), 0, 1) * 255, atol=0.51
    )
    assert size(files("sample").beside()) == (1040, 1040)


def test_codes_near_those_of_training_images(opened, source, files):
    learnt = codes.encode_stream(opened, streamed(opened, source, part="train", split_seed=3))
    results.write_samples(files("sample"), generation.sample(opened, learnt, count=2000, seed=7))
    drawn = arrays(files("sample").file)["codes"]
    np.testing.assert_allclose(drawn.mean(0), learnt.mean(0), atol=0.15 * learnt.std())
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(learnt.T), atol=0.3 * learnt.var())
    with pytest.raises(AutoencodeError, match="at least 2"):
        generation.sample(opened, learnt[:1])


def test_the_way_ends_at_both_reconstructions(opened, source, digits, files, tmp_path):
    write_reconstructions(opened, source, files("reconstruct"))
    expected = arrays(files("reconstruct").file)["images"][[3, 250]]
    stream = streamed(opened, source)
    Image.fromarray(digits[0][250, ..., 0]).save(tmp_path / "b.png")
    first = stream.image(3)
    last = generation.read_picture(opened, str(tmp_path / "b.png"))
    for spherical in (False, True):
        images = generation.interpolate(opened, first, last, steps=6, spherical=spherical)
        results.write_interpolation(files("interpolate"), first, images, last)
        np.testing.assert_array_equal(images[[0, -1]], expected)
        assert images.shape == (6, 8, 8, 1)
    assert size(files("interpolate").beside()) == (8 * 104 + 40, 128)
    with Image.open(files("interpolate").file) as gif:
        assert gif.size == (256, 256)
        seconds = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            seconds.append(gif.info["duration"])
        assert sum(seconds) == 100 * (4 + 4 + 4 + 4)  # a rest at either end, four steps each way


vectors = hnp.arrays(np.float64, 5, elements=st.floats(-3, 3))


@EACH
@given(first=vectors, last=vectors, count=st.integers(2, 9))
def test_both_ways_begin_and_end_where_they_should(first, last, count):
    shares = np.linspace(0, 1, count)
    for way in (generation.interpolate_line, generation.interpolate_sphere):
        points = way(first, last, shares)
        assert points.shape == (count, 5)
        np.testing.assert_allclose(points[[0, -1]], [first, last], atol=1e-6)


@EACH
@given(angle=st.floats(0.05, 3.0), share=st.floats(0, 1))
def test_on_the_sphere_the_angle_grows_evenly(angle, share):
    last = np.array([np.cos(angle), np.sin(angle)])
    point = generation.interpolate_sphere(np.array([1.0, 0.0]), last, np.array([share]))[0]
    np.testing.assert_allclose(point, [np.cos(share * angle), np.sin(share * angle)], atol=1e-9)


def test_pictures_of_many_examples_go_on_below():
    images = np.random.default_rng(0).integers(0, 256, (45, 8, 8, 1), "uint8")
    rows = grids.draw_rows({"noisy": images, "denoised": 255 - images})
    assert rows.size == (120 + 20 * 104, 3 * 2 * 104 + 2 * 20)
    page = grids.draw_examples(images, 255 - images)
    assert page.size == (3600, 3 * 400)
    for first in (0, 20):
        part = grids.draw_examples(images[first : first + 20], 255 - images[first : first + 20])
        top = 400 * (first // 20)
        assert page.crop((0, top, 3600, top + 400)).tobytes() == part.tobytes()


def test_a_long_way_goes_on_below(opened, digits, files):
    first, last = digits[0][:2]
    images = generation.interpolate(opened, first, last, steps=45)
    results.write_interpolation(files("interpolate"), first, images, last)
    with Image.open(files("interpolate").beside()) as found:
        page = np.asarray(found)
    width, height = grids.draw_path(first, digits[0][:20], last).size
    assert page.shape[1] == width
    assert page.shape[0] == height + 2 * grids.draw_sheet(digits[0][:1], 1).height
    tile = np.asarray(grids.draw_sheet(digits[0][1:2], 1))
    # B stands beside the last.
    np.testing.assert_array_equal(page[-tile.shape[0] :, -tile.shape[1] :], tile)


def test_a_variational_model_takes_no_source_to_sample(opened):
    saved = replace(opened.saved, settings=opened.saved.settings | {"variational": 1.0})
    assert generation.find_training_source(saved, None) is None
    assert generation.find_training_source(opened.saved, "mnist") == "mnist"
    with pytest.raises(UsageError, match="remove `source`"):
        generation.find_training_source(saved, "mnist")
