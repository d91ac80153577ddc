"""The article's job from end to end, against the originals, published figures and slow loops."""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import Config, Images, UsageError, data, engines, metrics, pipeline, runs, training
from autoencode.runs import render
from autoencode.system import marks
from autoencode.training import batches, planning

IDX_SHA256 = {  # of the original files, unpacked
    "train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.fixture(scope="module")
def mnist() -> Images:
    return data.load("mnist")


@pytest.mark.parametrize("part", IDX_SHA256)
def test_mnist_is_the_original_files(mnist, part):
    array = getattr(mnist, part)
    array = array[..., 0] if array.ndim == 4 else array
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    assert hashlib.sha256(header + array.tobytes()).hexdigest() == IDX_SHA256[part]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> runs.Run:
    folder = tmp_path_factory.mktemp("run") / "mnist"
    return runs.Run.open(pipeline.run("mnist", folder=folder))


def test_losses_are_the_articles(run):
    metrics = run.metrics()
    assert [line["epoch"] for line in metrics] == list(range(1, 11))
    assert metrics[0]["loss"] == pytest.approx(0.0812, abs=0.0030)
    assert metrics[-1]["val_loss"] == pytest.approx(0.0230, abs=0.0010)
    assert run.record["parameters"] == 25888
    assert metrics[0]["steps"] == 235


def test_run_folder_holds_every_result(run):
    for index in range(10):
        with Image.open(run.folder / f"example{index}.png") as picture:
            assert (picture.size, picture.mode) == ((1800, 400), "L")
    with Image.open(run.folder / "output.gif") as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (10, 1000, 0)
    page = (run.folder / "report.html").read_text("utf-8")
    assert "autoencode train mnist" in page
    # Ten for the slider, the last shown without a script.
    assert page.count("data:image/png;base64,") == 11
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", page)
    assert [path.name for path in run.folder.glob(".*")] == [marks.MARKER]


def test_model_opens_in_keras_without_this_package(run):
    code = (
        "import sys, keras, numpy; model = keras.saving.load_model(sys.argv[1]);"
        "assert 'autoencode' not in sys.modules;"
        "print(model.get_layer('encoder').predict(numpy.zeros((2, 28, 28, 1)), verbose=0).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.folder / "model.keras")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
    )
    assert done.stdout.strip() == "(2, 16)"


def test_show_draws_the_same_again(run):
    names = ["example3.png", "output.gif", "curve.png", "report.html"]
    before = [(run.folder / name).read_bytes() for name in names]
    for name in names:
        (run.folder / name).unlink()
    render.render_run(run)
    assert [(run.folder / name).read_bytes() for name in names] == before


def test_picture_lies_where_matplotlib_draws_it(run, mnist):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(18, 4), dpi=100)
    reconstructions = np.load(run.folder / "arrays" / "reconstructions9.npy")
    for row, images in enumerate((mnist.test[:10], reconstructions)):
        for column, image in enumerate(images):
            axes = figure.add_subplot(2, 10, row * 10 + column + 1)
            axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
    figure.canvas.draw()
    expected = np.asarray(figure.canvas.buffer_rgba())[..., 0].astype(float)
    plt.close(figure)
    with Image.open(run.folder / "example9.png") as picture:
        difference = np.abs(np.asarray(picture) - expected)
    # Of 255: tile edges fall on other pixels, a shifted tile gives 20 and more.
    assert difference.mean() < 5


def test_pca_is_the_published_error(mnist):
    assert metrics.pca_error(mnist.train, mnist.test, 16) == pytest.approx(0.02686, abs=5e-6)


def small_images(count: int = 70) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 6, 5, 1), "uint8")
    return Images("noise", pixels, pixels[:9])


def start(config: Config) -> engines.Engine:
    engines.load("jax")
    build = partial(pipeline.assemble, planning.resolve(config), (6, 5, 1), 70)
    return engines.start("jax", build, seed=config.seed)


def test_compiled_epoch_equals_a_loop_of_single_steps():
    config, images = planning.resolve(Config(epochs=1, batch_size=16, code=4)), small_images()
    compiled, stepped = start(config), start(config)
    epoch = list(training.train(compiled, images, config))[-1]
    order, total = batches.shuffled(0, 1, 70), 0.0
    for first in range(0, 70, 16):
        rows = order[first : first + 16]
        batch = stepped.place(images.train[rows])
        total += stepped.train(
            batch, stepped.place(np.arange(len(rows), dtype="int32")), 0, 1, len(rows)
        )
    assert epoch.loss == pytest.approx(total / 70, abs=1e-5)
    for one, other in zip(compiled.state(), stepped.state(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_same_seed_same_weights_and_another_seed_others():
    def weights(seed):
        config = planning.resolve(Config(epochs=2, batch_size=16, code=4, seed=seed))
        engine = start(config)
        list(training.train(engine, small_images(), config))
        return engine.state()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    words = (sys.executable, "-m", "autoencode", *words)
    return subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)


def test_json_is_one_object_an_epoch_on_stdout(tmp_path):
    done = command("train", "--json", "--epochs", "2", "--run", "two", cwd=tmp_path)
    assert [json.loads(line)["epoch"] for line in done.stdout.splitlines()] == [1, 2]
    assert done.returncode == 0


def test_help_loads_no_framework(tmp_path):
    code = (
        "import sys, autoencode.cli;"
        "heavy = {'keras', 'jax', 'tensorflow', 'torch', 'sklearn', 'matplotlib', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_config_refuses_what_is_no_number():
    with pytest.raises(UsageError, match="`epochs` must be a whole number"):
        Config(epochs=True)
