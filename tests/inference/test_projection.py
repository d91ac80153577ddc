"""Codes on a plane, against scikit-learn, and the figures of them."""

import csv
import io
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inference_support import COUNT, EACH, arrays, read, size, streamed, write_codes, write_map
from PIL import Image
from sklearn.decomposition import PCA

from autoencode import AutoencodeError, Images, UsageError
from autoencode.inference import projection
from autoencode.inference.rows import read_rows
from autoencode.plots import charts, maps


def test_the_plane_is_that_of_scikit_learn(opened, source, digits, files):
    told = write_map(opened, source, files("map"), method="pca")
    assert (len(told), told.method) == (COUNT, "pca")
    encoded = opened.trained.encode(digits[0])
    oracle = PCA(2).fit(encoded)
    table = np.genfromtxt(
        files("map").file, delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    points = np.stack([table["x"], table["y"]], axis=1)
    np.testing.assert_allclose(points, oracle.transform(encoded), atol=1e-3 * encoded.std())
    assert table["label"].tolist() == digits[1].tolist()
    assert table["name"][5] == "digits train 5"
    assert told.axes[0] == f"component 1, {oracle.explained_variance_ratio_[0]:.0%} of the variance"
    np.testing.assert_allclose(
        told.to_codes(points), oracle.inverse_transform(points), atol=1e-4 * encoded.std()
    )
    assert size(files("map").beside()) == (1000, 1000)
    assert size(files("map").beside("-grid.png")) == (960, 960)
    with Image.open(files("map").beside("-grid.png")) as page:
        corner = np.asarray(page)[-48:, :48].reshape(8, 6, 8, 6)[:, 3, :, 3]
    least = np.quantile(points, 0.01, axis=0)
    expected = opened.decode(oracle.inverse_transform(least[None]).astype(np.float32))[0, ..., 0]
    np.testing.assert_allclose(corner / 255, np.clip(expected, 0, 1), atol=0.01)


def test_umap_is_asked_for_by_name_or_found():
    with mock.patch.dict(sys.modules, {"umap": None}):  # as if it were not installed
        assert [projection._choose_method("auto", np.zeros((9, size))) for size in (2, 3)] == [
            "code",
            "pca",
        ]
        with pytest.raises(
            AutoencodeError, match="umap-learn; install it with: pip install 'autoencode\\[umap\\]'"
        ):
            projection.check_method("umap")
    with pytest.raises(UsageError, match="Known: auto, pca, umap"):
        projection.check_method("tsne")


def test_too_few_images_for_umap_lie_on_pcas_plane(opened, digits, files):
    for count in (1, 2, 3):
        told = write_map(opened, digits[0][:count], files("map"), method="auto")
        assert (len(told), told.method) == (count, "pca")
    assert projection._choose_method("auto", np.zeros((4, 3))) == (
        "umap" if projection._has_umap() else "pca"
    )
    with pytest.raises(AutoencodeError, match="at least 4 images, received 3: choose `method=pca`"):
        projection._fit_umap(np.zeros((3, 4)))


def test_umap_parts_what_lies_apart_and_a_place_decodes_to_the_codes_around_it():
    draw = np.random.default_rng(0)
    codes = np.concatenate([draw.normal(0, 1, (60, 6)), draw.normal(9, 1, (60, 6))]).astype(
        np.float32
    )
    plane = projection._fit_umap(codes)
    middles = plane.points.reshape(2, 60, 2).mean(1)
    distances = np.linalg.norm(plane.points[:, None] - middles, axis=-1)
    assert distances.argmin(1).tolist() == [0] * 60 + [1] * 60
    np.testing.assert_allclose(plane.to_codes(plane.points), codes, atol=1e-5)
    np.testing.assert_allclose(plane.to_codes(middles), [[0] * 6, [9] * 6], atol=2)


def test_the_names_of_classes_stay_on_the_page_and_apart():
    classes = [
        "_under",
        "$x$",
        "",
        "W" * 30,
        *(f"brain tumour of a long kind, number {place}" for place in range(9)),
    ]
    points = np.zeros((13, 2))
    figure = maps.draw_map(points, ("x", "y"), {}, np.arange(13), classes)
    charts.write_curve(figure, io.BytesIO())
    texts = figure.axes[0].get_legend().get_texts()
    assert max(text.get_window_extent().x1 for text in texts) <= figure.bbox.x1
    shown = [text.get_text() for text in texts]
    assert len(set(shown)) == 13
    assert shown[:3] == classes[:3]


@pytest.mark.parametrize("count", [3, 30])
def test_unlabelled_images_are_grey_on_a_map(count):
    points = np.random.default_rng(0).random((60, 2))
    labels = np.arange(60) % count
    labels[::4] = -1
    tiles = {0: np.zeros((4, 4, 1), np.uint8)}
    figure = maps.draw_map(
        points, ("x", "y"), tiles, labels, [f"class {index}" for index in range(count)]
    )
    axes = figure.axes[0]

    drawn = axes.collections[0]
    order = [int(np.argmin(np.abs(points - offset).sum(1))) for offset in drawn.get_offsets()]
    is_grey = (drawn.get_facecolors()[:, :3] == maps.UNLABELLED_COLOUR[:3]).all(1)
    np.testing.assert_array_equal(is_grey, labels[order] == -1)
    if count == 3:
        texts = [text.get_text() for text in axes.get_legend().get_texts()]
        assert texts == ["class 0", "class 1", "class 2", "unlabelled"]
    else:
        assert axes.get_title().endswith("; unlabelled images are grey")
    charts.write_curve(figure, io.BytesIO())
    full = maps.draw_map(points, ("x", "y"), {}, np.arange(60) % 3, ["a", "b", "c"])
    assert len(full.axes[0].get_legend().get_texts()) == 3


def test_a_map_without_any_label_in_it_is_all_grey():
    figure = maps.draw_map(np.eye(2), ("x", "y"), {}, np.array([-1, -1]), ())
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["unlabelled"]


def test_unlabelled_images_are_so_called_in_tables(opened, digits, files):
    labels = np.arange(30) % 3 - 1
    images = Images(
        "partly", digits[0][:20], digits[0][20:30], labels[:20], labels[20:], ("cat", "dog")
    )
    expected = [["unlabelled", "cat", "dog"][index % 3] for index in range(30)]
    assert read_rows(read(streamed(opened, images))).table()["label"] == expected
    write_codes(opened, images, files("encode", ".csv"))
    lines = csv.DictReader(files("encode", ".csv").file.read_text().splitlines())
    assert [line["label"] for line in lines] == expected
    write_codes(opened, images, files("encode"))
    np.testing.assert_array_equal(arrays(files("encode").file)["labels"], labels)
    write_map(opened, images, files("map"), method="pca")
    lines = csv.DictReader(files("map").file.read_text().splitlines())
    assert [line["label"] for line in lines] == expected


@EACH
@given(
    points=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-9, 9, width=32)
    )
)
def test_shown_images_are_spread_and_the_grid_lies_within(points):
    shown = projection.spread_points(points, 4)
    assert shown == sorted(set(shown))
    assert 1 <= len(shown) <= min(16, len(points))
    grid = projection.grid_points(points, 3).reshape(3, 3, 2)
    assert (grid >= points.min(0) - 1e-5).all()
    assert (grid <= points.max(0) + 1e-5).all()
    assert (np.diff(grid[..., 0], axis=1) >= 0).all()
    assert (np.diff(grid[..., 1], axis=0) <= 0).all()
