"""The doctor before a training: it reports images without content, and no others."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from autoencode import Config, Images, data, pipeline
from autoencode.training import image_checks

RANDOM = np.random.default_rng(0)


def images_of(pixels: np.ndarray, name: str = "images") -> Images:
    """Images (N, H, W, C) or (N, H, W), a tenth of them to test."""
    pixels = np.asarray(pixels, np.uint8)
    pixels = pixels if pixels.ndim == 4 else pixels[..., np.newaxis]
    count = max(1, len(pixels) // 10)
    return (
        Images(name, pixels[count:], pixels[:count])
        if len(pixels) > 1
        else Images(name, pixels, pixels)
    )


def found(pixels: np.ndarray) -> list[str]:
    return [finding.what for finding in image_checks.examine_images(images_of(pixels))]


def emoji() -> np.ndarray:
    """Coloured discs on a white ground."""
    y, x = np.mgrid[:24, :24]
    pixels = np.full((200, 24, 24, 3), 255, np.uint8)
    for image in pixels:
        row, column = RANDOM.integers(8, 16, 2)
        image[(y - row) ** 2 + (x - column) ** 2 < 30] = RANDOM.integers(0, 256, 3)
    return pixels


def dots(ground: int, ink: int) -> np.ndarray:
    """One pixel of ink on each image of 64x64: a sky of a single star, or its negative."""
    pixels = np.full((200, 64, 64), ground, np.uint8)
    pixels[np.arange(200), RANDOM.integers(0, 64, 200), RANDOM.integers(0, 64, 200)] = ink
    return pixels


def mostly_blank() -> np.ndarray:
    """Images of which two in three are black, and the others hold two dots."""
    pixels = dots(0, 255)[:, :16, :16]
    pixels[::3, 3, 4:6] = 255
    return pixels


def parts() -> np.ndarray:
    """Photos of one kind of part in one place, as in an inspection: alike but for noise."""
    base = np.add.outer(np.arange(24), np.arange(24)) * 5
    return np.clip(base + RANDOM.normal(0, 8, (100, 24, 24)), 0, 255)


WELL = {
    "digits": lambda: load_digits().images * (255 / 16),
    "sprites": lambda: (RANDOM.random((300, 8, 8)) < 0.2) * 255,
    "sparse sprites": lambda: (RANDOM.random((300, 16, 16)) < 0.01) * 255,
    "sprites with many copies": lambda: (RANDOM.random((2000, 3, 3)) < 0.5) * 255,
    "emoji": emoji,
    "stars": lambda: dots(0, 255),
    "ink": lambda: dots(255, 0),
    "noise": lambda: RANDOM.integers(0, 256, (100, 8, 8)),
    "coloured noise": lambda: RANDOM.integers(0, 256, (100, 8, 8, 3)),
    "faint grey noise": lambda: RANDOM.integers(120, 130, (100, 8, 8)),
    "mostly blank": mostly_blank,
    "nothing in blue": lambda: RANDOM.integers(0, 256, (100, 8, 8, 3)) * [1, 1, 0],
    "parts": parts,
    "single pixels": lambda: RANDOM.integers(0, 256, (100, 1, 1)),
    "some of one colour": lambda: np.where(
        np.arange(100)[:, None, None] % 2, 200, RANDOM.integers(0, 256, (100, 8, 8))
    ),
    "dim but legible": lambda: (
        RANDOM.integers(0, 60, (100, 8, 8)) * (RANDOM.random((100, 8, 8)) < 0.1)
    ),
}


@pytest.mark.parametrize("name", WELL)
def test_it_keeps_quiet_on_images_that_are_well(name):
    assert found(WELL[name]()) == []


def test_it_keeps_quiet_on_mnist_and_is_quick():
    mnist = data.load("mnist")
    assert image_checks.examine_images(mnist) == []
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        image_checks.examine_images(mnist)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.02  # 5 ms on an idle core


@pytest.mark.parametrize(
    ("pixels", "what", "advice"),
    [
        (np.zeros((50, 8, 8)), "every value of the 45 images examined is 0", "`range=0:MAX`"),
        (
            np.full((50, 8, 8, 3), 7),
            "every value of the 45 images examined is 7",
            "look at the source",
        ),
        (
            np.broadcast_to(RANDOM.integers(0, 256, (50, 1, 1, 3)), (50, 8, 8, 3)),
            "45 of 45 images examined have a single colour each",
            "`size`",
        ),
        (
            RANDOM.integers(0, 8, (50, 8, 8)),
            "the images are nearly black: values from 0 to 7 of 255, mean 1.",
            "`range=0:MAX`",
        ),
        (
            RANDOM.integers(0, 2, (50, 8, 8)),
            "the images are nearly black: values from 0 to 1 of 255",
            "`range=0:MAX`",
        ),
        (
            RANDOM.integers(250, 256, (50, 8, 8)),
            "the images are nearly white: values from 250 to 255",
            "`range=MIN:MAX`",
        ),
        (
            np.repeat(RANDOM.integers(0, 256, (1, 8, 8)), 100, axis=0),
            "all 90 images examined are identical",
            "remove the copies",
        ),
        (
            np.repeat(RANDOM.integers(0, 256, (4, 8, 8)), 50, axis=0),
            "almost all images are copies: only 4 of 180 examined are distinct",
            "remove the copies",
        ),
        (
            RANDOM.integers(0, 256, (1, 16, 16)) // 2 + RANDOM.integers(0, 2, (100, 16, 16)),
            "almost all images are identical: they differ by",
            "crop the images",
        ),
        (RANDOM.integers(0, 256, (19, 8, 8)), "there are only 19 images", "at least 20"),
        (RANDOM.integers(0, 256, (1, 8, 8)), "there is only 1 image", "at least 20"),
    ],
)
def test_it_speaks_up_once_on_each_fault(pixels, what, advice):
    findings = image_checks.examine_images(images_of(pixels))
    assert len(findings) == 1
    assert findings[0].what.startswith(what)
    assert advice in findings[0].advice
    assert "\n" not in str(findings[0])


def test_the_limits_are_where_they_are_said_to_be():
    # 95 of 100 training images are one and the same, then 94.
    random, one = RANDOM.integers(0, 256, (111, 8, 8)), RANDOM.integers(0, 256, (8, 8))
    for same, expected in ((95, 1), (94, 0)):
        pixels = random.copy()
        pixels[11 : 11 + same] = one
        assert len(found(pixels)) == expected
    # A difference of 1 % of the contrast between images, then one of 4 %.
    base = np.where(RANDOM.random((1, 32, 32)) < 0.5, 55, 200)
    contrast = base.std()
    for share, expected in ((0.01, 1), (0.04, 0)):
        assert (
            len(found(np.round(base + RANDOM.normal(0, share * contrast, (100, 32, 32)))))
            == expected
        )
    assert found(RANDOM.integers(0, 256, (20, 8, 8))) == []


def test_faults_come_together_where_they_do_not_contradict():
    assert len(found(np.zeros((5, 8, 8)))) == 2  # blank, and few
    # Identical, and few.
    assert len(found(np.repeat(RANDOM.integers(0, 256, (1, 8, 8)), 5, axis=0))) == 2


def test_of_many_or_large_images_some_are_examined(monkeypatch):
    seen = []
    monkeypatch.setattr(image_checks, "_find_identical", lambda sample: seen.append(sample))
    many = images_of(RANDOM.integers(0, 256, (9000, 4, 4)))
    large = images_of(np.zeros((60, 1024, 1024), np.uint8))
    image_checks.examine_images(many)
    image_checks.examine_images(large)
    assert [len(sample) for sample in seen] == [2000, 20]
    places = [
        int(np.flatnonzero((many.train == image).all((1, 2, 3)))[0])
        for image in seen[0][[0, 999, -1]]
    ]
    assert places[0] == 0
    assert places[2] == 8099
    assert 4000 < places[1] < 4100


def test_the_command_tells_before_the_first_epoch(tmp_path):
    np.save(tmp_path / "dark.npy", RANDOM.integers(0, 4, (64, 8, 8), np.uint8))
    np.save(tmp_path / "well.npy", RANDOM.integers(0, 256, (64, 8, 8), np.uint8))
    code = "import sys\nfrom autoencode.cli import main\nsys.argv[0] = 'autoencode'\nmain()\n"
    printed = {}
    for name in ("dark", "well"):
        words = [sys.executable, "-c", code, "train", f"{name}.npy", "--epochs", "1", "--run", name]
        words += ["--range", "full"]  # by itself, the range is that of the values
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        printed[name] = done.stdout.splitlines()
    first_epoch = next(
        index for index, line in enumerate(printed["dark"]) if line.startswith("epoch 1/1")
    )
    doctor_lines = [
        index for index, line in enumerate(printed["dark"]) if "the images are nearly black" in line
    ]
    assert len(doctor_lines) == 1
    assert doctor_lines[0] < first_epoch
    assert printed["dark"][doctor_lines[0]].startswith("doctor: ")
    before = printed["well"][
        : next(i for i, line in enumerate(printed["well"]) if line.startswith("epoch 1/1"))
    ]
    assert not any(line.startswith("doctor: ") for line in before)


@pytest.mark.parametrize(
    ("stored", "settings", "what", "size"),
    [
        ((256, 256), {}, "64 pixels are coarse for pictures of 256", "128"),
        ((320, 240), {}, "64x48 is coarse for pictures of 320x240", "128x96"),
        ((240, 320), {}, "48x64 is coarse for pictures of 240x320", "96x128"),
        ((96, 96), {"size": "32"}, "32 pixels are coarse for pictures of 96", "64"),
        ((300, 200), {"size": "50", "fit": "crop"}, "50 pixels are coarse for pictures", "100"),
        ((190, 190), {}, None, None),  # 2.97 times as large
        ((128, 128), {}, None, None),
        ((28, 28), {}, None, None),
    ],
)
@pytest.mark.parametrize("kind", ["png", "npy"])
def test_a_size_well_below_that_of_the_pictures_is_told(
    tmp_path, kind, stored, settings, what, size
):
    width, height = stored
    pixels = RANDOM.integers(0, 256, (24, height, width, 3), np.uint8)
    source = tmp_path / "pictures"
    if kind == "npy":
        source = source.with_suffix(".npy")
        np.save(source, pixels)
    else:
        source.mkdir()
        for index, image in enumerate(pixels):
            Image.fromarray(image).save(source / f"{index}.png")
    images = data.load(str(source), Config(**settings))
    assert images.source_size == stored
    findings = image_checks.examine_images(images)
    assert len(findings) == (what is not None)
    if findings:
        assert findings[0].what.startswith(what)
        assert f"try `size={size}`, which is 4 times the work" in findings[0].advice
        # The advice, followed, gives 4 times the pixels.
        followed = data.load(str(source), Config(**settings | {"size": size}))
        assert np.prod(followed.shape) == 4 * np.prod(images.shape)


def test_the_size_of_the_pictures_is_the_median_and_is_known_of_a_packing(tmp_path):
    for index, side in enumerate((40, 300, 310, 320, 2000)):
        image = RANDOM.integers(0, 256, (side, side // 2), np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    assert data.load(str(tmp_path), Config()).source_size == (155, 310)
    packed = data.pack(str(tmp_path), tmp_path / "packed.store", Config())
    assert packed.source_size == (155, 310)


def test_a_training_that_is_prepared_knows_what_was_found():
    training = pipeline.prepare(
        pipeline.check_job(images_of(RANDOM.integers(0, 3, (64, 8, 8)), "dark"), Config(epochs=1))
    )
    assert [finding.what[:27] for finding in training.examined.result()] == [
        "the images are nearly black"
    ]
