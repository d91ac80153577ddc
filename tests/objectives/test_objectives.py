"""Models, objectives and the doctor, held against slow oracles, SciPy and scikit-image."""

import json
import math
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from scipy import integrate, ndimage, stats

from autoencode import (
    Config,
    Images,
    UsageError,
    data,
    engines,
    metrics,
    models,
    pipeline,
    training,
)
from autoencode.training import doctor, planning
from autoencode.training.summary import TrainingSummary

engines.load("jax")

import jax
import keras
from keras import ops

from autoencode.objectives import augmentation, noise, optimizers, terms, variational

RANDOM = np.random.default_rng(0)
SHAPES = [(23, 17, 3), (9, 1, 1), (1, 1, 3), (64, 48, 1)]


@pytest.mark.parametrize("name", models.ARCHITECTURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_comes_back_in_that_shape(name, shape):
    config = planning.resolve(Config(model=name, code=3, width=0.1))
    engine = engines.start("jax", lambda: pipeline.assemble(config, shape, 100), seed=0)
    redrawn = engine.reconstruct(RANDOM.integers(0, 256, (2, *shape), "uint8"))
    assert redrawn.images.shape == (2, *shape)
    assert redrawn.codes.shape == (2, 3)
    assert 0 <= redrawn.least <= redrawn.largest <= 1


# The residual model has no sigmoid: tests/models/test_residual.py holds the gradient of its clip.
@pytest.mark.parametrize("name", [name for name in models.ARCHITECTURES if name != "residual"])
def test_bfloat16_leaves_a_saturated_pixel_its_gradient(name):
    config = planning.resolve(Config(model=name, width=0.1, loss="bce", precision="bfloat16"))
    start = partial(
        engines.start, "jax", partial(pipeline.assemble, config, (28, 28, 1), 100), seed=0
    )
    objective = start(precision="bfloat16").objective
    decoder = objective.get_layer("decoder")
    last = next(
        layer
        for layer in decoder.layers
        if getattr(layer, "activation", None) is keras.activations.sigmoid
    )
    last.set_weights([np.zeros_like(last.kernel), np.full(last.bias.shape, 6, np.float32)])
    trainable, others = (
        [v.value for v in of]
        for of in (objective.trainable_variables, objective.non_trainable_variables)
    )

    def loss(weights):
        return objective.stateless_call(weights, others, np.zeros((2, 28, 28, 1)), training=True)[0]

    place = next(
        i for i, variable in enumerate(objective.trainable_variables) if variable is last.bias
    )
    # Of the mean over pixels of -log(1 - sigmoid(6)); the biases share the pixels between them.
    assert float(jax.grad(loss)(trainable)[place].sum()) == pytest.approx(
        1 / (1 + math.exp(-6)), rel=1e-3
    )


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_the_listed_parameters_are_those_of_the_model(name):
    config = planning.resolve(Config(model=name))
    engine = engines.start("jax", lambda: pipeline.assemble(config, (28, 28, 1), 60_000), seed=0)
    assert engine.model.count_params() == models.measured(name)["parameters"]


JOB = """
import json, sys
from pathlib import Path
import numpy as np
from autoencode import Config, Images, engines, models, pipeline
from autoencode.training import planning
engine, folder = sys.argv[1:]
pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 7, 3), "uint8")
images = Images("noise", pixels, pixels[:8])
told = {}
every = dict(variational=1.0, quantize=3, noise="gaussian+mask+salt", sparsity=0.1)
every |= dict(loss="mse+mae+bce+ssim")
every |= dict(augment="shift+rotate+scale+elastic+flip", optimizer="muon", schedule="linear")
for model in models.ARCHITECTURES:
    for number, extra in enumerate([{}, every] if model == "dense" else [{}]):
        config = Config(
            model=model, code=4, width=0.1, epochs=1, batch_size=20, examples=8, engine=engine,
            holdout=0.0, **extra
        )
        run = pipeline.run(images, config, Path(folder, f"{engine}-{model}-{number}"))
        lines = (run / "metrics.jsonl").read_text().splitlines()
        told[str(run)] = [json.loads(line)["loss"] for line in lines]
np.save(Path(folder, "images.npy"), pixels[:8])
print(json.dumps(told))
"""
# Nearly all of the job's time is compiling programs that then take two steps.
QUICKLY_COMPILED = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
REOPEN = """
import sys
import keras, numpy as np
folder, *runs = sys.argv[1:]
images = np.load(f"{folder}/images.npy").astype("float32") / 255
for run in runs:
    redrawn = keras.saving.load_model(f"{run}/model.keras").predict(images, verbose=0)
    stored = np.load(f"{run}/arrays/reconstructions0.npy")
    assert np.abs(np.round(redrawn * 255) - stored.astype(int)).max() <= 1, run
assert "autoencode" not in sys.modules
"""


@pytest.mark.parametrize("engine", ["jax", "tensorflow", "torch"])
def test_every_model_and_choice_trains_is_saved_and_opens_in_plain_keras(engine, tmp_path):
    words = [sys.executable, "-c", JOB, engine, str(tmp_path)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | QUICKLY_COMPILED
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) == 7
    assert all(math.isfinite(loss) for losses in told.values() for loss in losses)
    opened = subprocess.run(
        [sys.executable, "-c", REOPEN, str(tmp_path), *told],
        capture_output=True,
        text=True,
        check=False,
    )
    assert opened.returncode == 0, opened.stderr[-3000:]


def test_ssim_is_scikit_images():
    from skimage.metrics import structural_similarity

    for shape in ((28, 28, 1), (40, 21, 3), (11, 11, 1), (12, 15, 3)):
        one = RANDOM.random((3, *shape), np.float32)
        other = np.clip(one + RANDOM.normal(0, 0.2, one.shape), 0, 1).astype(np.float32)
        expected = np.mean(
            [
                structural_similarity(
                    a, b, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                    use_sample_covariance=False,
                )
                for a, b in zip(one, other, strict=True)
            ]
        )  # fmt: skip
        assert float(1 - terms.ssim(one, other)) == pytest.approx(expected, abs=1e-4)
    assert float(terms.ssim(one, one)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("shape", [(7, 7), (8, 7)])
def test_ssim_of_an_image_below_its_window_takes_one_that_fits(shape):
    one, other = RANDOM.random((2, *shape), np.float32)
    side = 7  # scikit-image cuts its window at 11 alone
    line = stats.norm.pdf(np.arange(side) - side // 2, scale=1.5)
    weights = np.outer(line, line).ravel()
    similar = []
    for top in range(shape[0] - side + 1):
        a, b = (image[top : top + side].ravel() for image in (one, other))
        mean_a, mean_b = (np.average(values, weights=weights) for values in (a, b))
        (var_a, both), (_, var_b) = np.cov(a, b, ddof=0, aweights=weights)
        luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
        similar.append(luminance * (2 * both + 9e-4) / (var_a + var_b + 9e-4))
    found = 1 - terms.ssim(one[None, ..., None], other[None, ..., None])
    assert float(found) == pytest.approx(np.mean(similar), abs=1e-4)


def test_the_other_losses_are_their_formulas():
    targets, outputs = RANDOM.random((2, 5, 4, 3, 1)).astype(np.float32)
    assert float(terms.mse(targets, outputs)) == pytest.approx(
        np.mean((targets - outputs) ** 2), rel=1e-5
    )
    assert float(terms.mae(targets, outputs)) == pytest.approx(
        np.mean(abs(targets - outputs)), rel=1e-5
    )
    nats = [
        -t * math.log(o) - (1 - t) * math.log(1 - o)
        for t, o in zip(targets.flat, outputs.flat, strict=True)
    ]
    assert float(terms.bce(targets, outputs)) == pytest.approx(np.mean(nats), rel=1e-4)
    summed = terms.Loss({"mse": 1.0, "mae": 0.5})([targets, outputs])
    assert float(summed) == pytest.approx(
        float(terms.mse(targets, outputs)) + 0.5 * float(terms.mae(targets, outputs))
    )


def test_the_sparsity_of_a_code_is_that_of_its_numbers_at_any_scale():
    codes = RANDOM.normal(size=(6, 5)).astype(np.float32)
    slow = np.mean([np.abs(code).mean() / math.sqrt((code * code).mean()) for code in codes])
    for scale in (0.01, 1, 100):
        assert float(terms.Sparsity(3.0)(scale * codes)) == pytest.approx(3 * slow, rel=1e-5)
    assert float(terms.Sparsity(1.0)(np.eye(5, dtype=np.float32))) == pytest.approx(
        1 / math.sqrt(5), rel=1e-5
    )
    assert np.isfinite(
        jax.grad(lambda zeros: terms.Sparsity(1.0)(zeros))(np.zeros((2, 5), np.float32))
    ).all()


def test_a_sparse_model_redraws_from_few_numbers_of_a_code():
    images = data.load("mnist")
    few = Images("few", images.train[:3000], images.test[:500])
    shares = {}
    for sparsity in (0.0, 0.003):
        config = Config(model="dense", width=0.25, epochs=4, batch_size=32, sparsity=sparsity)
        *_, last = pipeline.watch(few, config)
        codes = np.abs(last.evaluation.codes)
        shares[sparsity] = (codes < 0.1 * codes.max(1, keepdims=True)).mean()
        assert last.val_loss < 0.05  # the mean image's is 0.067
    assert shares[0.003] > 2 * shares[0.0]


@pytest.mark.parametrize(("mean", "log_variance"), [(0.0, 0.0), (1.5, -2.0), (-0.3, 0.7)])
def test_the_divergence_is_the_integral(mean, log_variance):
    one, normal = stats.norm(mean, math.exp(log_variance / 2)), stats.norm()
    expected, _ = integrate.quad(lambda x: one.pdf(x) * (one.logpdf(x) - normal.logpdf(x)), -12, 12)
    found = variational.divergences(np.float32(mean), np.float32(log_variance))
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_the_divergence_warms_up_and_spares_free_bits():
    # 2 nats a number.
    means, log_variances = (
        np.full((4, 3), 2.0, np.float32),
        np.zeros((4, 3), np.float32),
    )
    layer = variational.Divergence(0.5, 0.0, warm_up=4)
    assert [float(layer([means, log_variances])) for _ in range(6)] == pytest.approx(
        [0, 0.75, 1.5, 2.25, 3, 3]
    )
    assert float(
        variational.Divergence(1.0, 5.0, warm_up=0)([means, log_variances])
    ) == pytest.approx(15)


def test_samples_have_the_moments_asked_for():
    means, log_variances = (
        np.full((20_000, 1), 3.0, np.float32),
        np.full((20_000, 1), math.log(4), np.float32),
    )
    codes = ops.convert_to_numpy(variational.Sample()([means, log_variances]))
    assert codes.mean() == pytest.approx(3, abs=0.06)
    assert codes.std() == pytest.approx(2, abs=0.06)


def corrupted(images, **strengths):
    return ops.convert_to_numpy(noise.Corrupt(strengths)(images))


def test_noise_is_as_strong_as_asked_and_falls_on_whole_pixels():
    grey = np.full((50, 28, 28, 3), 0.5, np.float32)
    assert (corrupted(grey, gaussian=0.1) - grey).std() == pytest.approx(0.1, rel=0.02)
    assert 0 <= corrupted(grey, gaussian=2.0).min() < corrupted(grey, gaussian=2.0).max() <= 1
    masked = corrupted(grey, mask=0.3)
    assert (masked == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert ((masked == 0).all(-1) == (masked == 0).any(-1)).all()
    salted = corrupted(grey, salt=0.2)
    assert ((salted == 0).mean(), (salted == 1).mean()) == pytest.approx((0.1, 0.1), abs=0.01)
    layer = noise.Corrupt({"mask": 0.5})
    assert not np.array_equal(layer(grey), layer(grey))  # anew at every call


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_a_quantized_code_has_that_many_values_and_gradients_pass(bits):
    model = models.build("article", (6, 5, 1), 4, linear_code=True, quantize=bits)
    images = RANDOM.random((500, 6, 5, 1), np.float32) * 20
    encoder = model.get_layer("encoder")
    normalised = encoder.get_layer("normalised")
    scale, offset, mean, variance = RANDOM.uniform(0.5, 2, (4, 4)).astype(np.float32)
    normalised.set_weights([scale, offset, mean, variance])
    weights, bias = encoder.get_layer("code").get_weights()
    found = encoder.predict(images, verbose=0)
    levels = np.linspace(-1, 1, 2**bits)
    codes = images.reshape(500, -1) @ weights + bias
    slow = np.tanh((codes - mean) / np.sqrt(variance + normalised.epsilon) * scale + offset)
    nearest = levels[np.abs(slow[..., None] - levels).argmin(-1)]
    assert np.mean(np.abs(found - nearest) < 1e-5) > 0.999  # a tie may fall to either side
    config = planning.resolve(Config(code=4, batch_size=16, quantize=bits))
    engine = engines.start("jax", lambda: pipeline.assemble(config, (6, 5, 1), 64), seed=0)
    before = engine.state()[0]
    pixels = RANDOM.integers(0, 256, (64, 6, 5, 1), "uint8")
    engine.train(engine.place(pixels), engine.place(np.arange(64, dtype="int32")), 0, 4, 16)
    # The encoder's weights, before the rounding.
    assert not np.array_equal(before, engine.state()[0])


@pytest.mark.parametrize(("bits", "precision"), [(1, "float32"), (8, "float32"), (8, "bfloat16")])
def test_a_quantized_code_learns_in_every_number_and_lies_on_the_grid(bits, precision):
    mnist = data.load("mnist")
    images = Images("few", mnist.train[:3000], mnist.test[:1000])
    config = planning.resolve(
        Config(quantize=bits, epochs=4, batch_size=100, precision=precision, examples=1)
    )
    engine = pipeline.start("jax", images, config)
    errors = [
        event.val_loss
        for event in training.train(engine, images, config)
        if isinstance(event, training.Epoch)
    ]
    mean_image = np.square(images.test / 255 - images.train.mean(0) / 255).mean()
    assert errors[-1] < 0.75 * mean_image
    codes = engine.reconstruct(images.test).codes
    assert np.ptp(codes, axis=0).min() > 0.1
    levels = (codes.astype(float) + 1) * (2**bits - 1) / 2
    # Bfloat16 would be off by up to 0.25.
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)


def spline(values, place):
    """Catmull and Rom's curve through `values` at `place`, as polynomials."""
    place = min(max(place, 0), len(values) - 1)
    whole = math.floor(place)
    t = place - whole
    weights = [
        -t + 2 * t**2 - t**3,
        2 - 5 * t**2 + 3 * t**3,
        t + 4 * t**2 - 3 * t**3,
        -(t**2) + t**3,
    ]
    inside = [
        (weight, values[whole + step])
        for step, weight in enumerate(weights, -1)
        if 0 <= whole + step < len(values)
    ]
    return sum(weight * value for weight, value in inside) / sum(weight for weight, _ in inside)


def test_displacements_follow_the_cubic_through_the_pixels():
    images = RANDOM.random((2, 20, 16)).astype(np.float32)
    field = RANDOM.uniform(-2.5, 2.5, (2, 20, 16)).astype(np.float32)
    found = ops.convert_to_numpy(
        augmentation._moved(images[:, None], ops.convert_to_tensor(field)[:, None], 3, 4)
    )[:, 0]
    expected = [
        [
            [spline(row, x + shift) for x, shift in enumerate(shifts)]
            for row, shifts in zip(image, moves, strict=True)
        ]
        for image, moves in zip(images, field, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    turned = augmentation._moved(
        images.transpose(0, 2, 1)[:, None], field.transpose(0, 2, 1)[:, None], 2, 4
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(turned)[:, 0].transpose(0, 2, 1), found, atol=1e-5
    )


class AtMost(augmentation.Augment):
    """Moves every image as far as it may."""

    def _uniform(self, images, shape, least, most):
        return np.full((len(images), *shape), most, np.float32)


@pytest.mark.parametrize(
    "strengths", [{"rotate": 30.0}, {"rotate": 45.0}, {"rotate": 45.0, "scale": 0.3, "shift": 3.0}]
)
@pytest.mark.parametrize("shape", [(28, 28), (40, 23)])
def test_turned_images_are_scipys(strengths, shape):
    centre = (np.array(shape) - 1) / 2
    y, x = np.indices(shape) - centre[:, None, None]
    image = np.exp(-((x - 5) ** 2 + y**2) / 8) + 0.7 * np.exp(-((x + 2) ** 2 + (y - 6) ** 2) / 5)
    t, factor, shift = (
        math.radians(strengths["rotate"]),
        1 + strengths.get("scale", 0),
        strengths.get("shift", 0),
    )
    source_x = factor * (math.cos(t) * x - math.sin(t) * y) + shift
    source_y = factor * (math.sin(t) * x + math.cos(t) * y) + shift
    places = [source_y + centre[0], source_x + centre[1]]
    expected = ndimage.map_coordinates(image, places, order=3, mode="nearest").clip(0, 1)
    found = ops.convert_to_numpy(AtMost(strengths)(image[None, ..., None].astype(np.float32)))[
        0, ..., 0
    ]
    assert np.square(image - expected).mean() > 0.01
    assert np.square(found - expected).mean() < 5e-5


@pytest.mark.parametrize(
    "strengths",
    [{"shift": 0.5, "rotate": 4.0, "scale": 0.04, "elastic": 0.5}, {"rotate": 45.0, "scale": 0.5}],
)
def test_displacements_are_within_reach(strengths, monkeypatch):
    layer, reached = augmentation.Augment(strengths), []

    def note(planes, field, axis, reach):
        size = planes.shape[axis]
        assert float(abs(field).max()) + 1 <= reach or reach == size - 1
        reached.append(reach)
        return planes

    monkeypatch.setattr(augmentation, "_moved", note)
    layer(np.zeros((2000, 28, 28, 1), np.float32))
    assert strengths["rotate"] != 4 or reached == [4, 4]  # each further step costs time


def test_augmented_images_stay_near_and_differ():
    image = np.zeros((1, 28, 28, 1), np.float32)
    image[:, 8:20, 10:18] = 1
    images = image.repeat(200, 0)
    for strengths in ({"shift": 2.0}, {"rotate": 10.0}, {"scale": 0.1}, {"elastic": 1.0}):
        moved = ops.convert_to_numpy(augmentation.Augment(strengths)(images))
        assert 0 <= moved.min() < moved.max() <= 1 + 1e-5
        assert moved.sum((1, 2, 3)) == pytest.approx(np.full(200, 96), rel=0.35)
        left = (moved == images).all((1, 2, 3))
        # Six standard deviations of that draw.
        assert abs(left.sum() - 200 * augmentation.UNCHANGED) < 34
        assert len(np.unique(moved[~left].reshape(-1, 784), axis=0)) == (~left).sum()
        centre = ndimage.center_of_mass(moved.mean(0)[..., 0])
        assert centre == pytest.approx((13.5, 13.5), abs=0.4)
    flipped = ops.convert_to_numpy(
        augmentation.Augment({"flip": 0.5})(np.tile(RANDOM.random((1, 4, 4, 1)), (200, 1, 1, 1)))
    )
    assert len(np.unique(flipped.reshape(200, -1), axis=0)) == 2


def test_the_cosine_schedule_warms_up_and_ends_at_nothing():
    config = Config(optimizer="adamw", schedule="cosine", learning_rate=0.1)
    rates = [float(optimizers._rate(config, 100)(step)) for step in range(101)]
    expected = [0.02 + 0.08 * step / 5 for step in range(5)] + [
        0.05 * (1 + math.cos(math.pi * step / 95)) for step in range(96)
    ]
    assert rates == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({}, 1e-3),
        ({"quantize": 8}, 1e-2),
        ({"model": "dense", "quantize": 8}, 4e-3),
        ({"optimizer": "adam"}, 1e-3),
        ({"model": "dense", "optimizer": "adam"}, 4e-3),
        ({"model": "dense", "optimizer": "adamw"}, 4e-3),
        ({"optimizer": "sgd"}, 3.0),
        ({"model": "dense", "optimizer": "muon"}, 0.02),
        ({"optimizer": "sgd", "learning_rate": 0.5}, 0.5),
    ],
)
def test_an_optimizer_steps_at_a_rate_of_its_own(settings, rate):
    assert planning.resolve(Config(**settings)).learning_rate == rate


@pytest.mark.parametrize("name", ["sgd", "muon"])
def test_another_optimizer_learns_without_a_rate_given(name):
    mnist = data.load("mnist")
    images = Images("few", mnist.train[:3000], mnist.test[:500])
    config = planning.resolve(Config(optimizer=name, epochs=8, batch_size=100, examples=1))
    engine = pipeline.start("jax", images, config)
    *_, last = (
        event
        for event in training.train(engine, images, config)
        if isinstance(event, training.Epoch)
    )
    # Of the mean image's error; at Adam's rate sgd ends at 3.6 and muon at 2.4 times as much.
    assert last.val_loss < 0.8 * np.square(images.test / 255 - images.train.mean(0) / 255).mean()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "mse+rmse"}, "unknown loss 'rmse': did you mean 'mse'"),
        ({"loss": "0*mse"}, "`loss` takes numbers above 0"),
        ({"noise": "gausian:0.1"}, "did you mean 'gaussian'"),
        ({"noise": "mask:2"}, "`noise` takes numbers above 0 and at most 0.99, received '2'"),
        ({"augment": "turn"}, "unknown augment 'turn'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"schedule": "cos"}, "unknown schedule 'cos'"),
        (
            {"noise": "none+gaussian"},
            "`noise=none` stands alone, received 'none+gaussian': leave out none",
        ),
        ({"augment": "flip+none"}, "`augment=none` stands alone"),
        (
            {"free_bits": 0.1},
            "`free_bits` takes a variational model, received none: add `variational=1`",
        ),
        ({"warm_up": 0.0}, "`warm_up` takes a variational model"),
        ({"model": "cnn"}, "unknown model 'cnn'"),
    ],
)
def test_a_wrong_word_is_told(settings, words):
    with pytest.raises(UsageError) as told:
        pipeline.check_job("mnist", Config(**settings))
    assert words in str(told.value)


def test_options_of_a_variational_model_are_taken_with_one():
    pipeline.check_job("mnist", Config(variational=1.0, warm_up=3.0, free_bits=0.1))


@pytest.mark.parametrize("settings", [{"model": "conv"}, {"quantize": 4}])
def test_no_image_is_left_alone_in_a_batch_that_is_normalised(settings):
    config = planning.resolve(Config(**settings))
    for count, size in ((257, 255), (513, 255), (3, 3), (512, 256)):
        fitted, notes = planning.fit_batches(config, count, given=False)
        assert (fitted.batch_size, bool(notes)) == (size, size != 256)
    for size, count in ((1, 30), (4, 29), (31, 30)):
        with pytest.raises(UsageError, match="batch_size"):
            given = planning.resolve(Config(batch_size=size, **settings))
            planning.fit_batches(given, count, given=True)
    plain = planning.resolve(Config(batch_size=1))
    assert planning.fit_batches(plain, 30, given=True)[0].batch_size == 1
    pixels = np.zeros((9, 8, 8, 1), "uint8")
    with pytest.raises(UsageError, match="leaves one of 9 alone: choose 3"):
        next(pipeline.watch(Images("few", pixels, pixels), Config(batch_size=4, **settings)))


@pytest.mark.parametrize(
    ("name", "shape", "code"),
    [
        ("dense", (128, 128, 3), 24),
        ("dense", (28, 28, 1), 600),
        ("feedback", (28, 28, 1), 30),
        ("conv", (64, 64, 1), 40),
    ],
)
def test_no_layer_is_narrower_than_the_code(name, shape, code):
    model = models.build(name, shape, code, width=0.02)
    layers = [
        layer
        for part in ("encoder", "decoder")
        for layer in model.get_layer(part)._flatten_layers()
    ]
    assert min(layer.units for layer in layers if isinstance(layer, keras.layers.Dense)) >= code


def test_settings_out_of_range_are_told():
    for settings in (
        {"quantize": 0},
        {"variational": -1.0},
        {"width": 0},
        {"precision": "float16"},
        {"free_bits": -1},
    ):
        with pytest.raises(UsageError, match="`|precision"):
            Config(**settings)


WELL = {
    "config": Config(schedule="constant"),
    "losses": [0.05, 0.03],
    "val_losses": [0.04, 0.031],
    "train_error": 0.03,
    "pca": 0.05,
    "codes": RANDOM.normal(size=(50, 4)).astype(np.float32),
    "least": 0.0,
    "largest": 1.0,
}
DEAD = WELL["codes"] * np.array([1, 0, 1, 0], np.float32)
VARIATIONAL = Config(variational=1.0, free_bits=0.5)
WAVES = np.tile([0.02, 0.022], 15)  # a loss that wavers by a tenth, of 30 epochs


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, None),
        ({"codes": DEAD}, "2 of 4 latent units are the same for every test image (1, 3)"),
        (
            {"codes": WELL["codes"] * np.float32(0.05), "config": VARIATIONAL},
            "try a lower `variational` or a longer",
        ),
        (
            {"codes": WELL["codes"] * np.float32(0.05), "config": Config(variational=1.0)},
            "or `free_bits=0.1`",
        ),
        ({"pca": 0.01}, "is worse than PCA"),
        (
            {"losses": [0.03, 0.04]},
            "risen from 0.0300 to 0.0400; the steps are too large: try a lower `learning_rate`",
        ),
        ({"losses": [0.03, 0.04]}, "or `schedule=cosine`"),
        ({"losses": [0.04, *WAVES, 0.022]}, None),
        (
            {"losses": [0.04, *WAVES, *WAVES[:10] + 0.02]},
            "the loss has risen from 0.0210 to 0.0410",
        ),
        ({"losses": [0.04, *WAVES, 0.2]}, "the loss has risen"),
        (
            {"val_losses": [0.04, 0.036]},
            "val_loss 0.0360 stands against 0.0300 on training images; the model overfits",
        ),
        ({"val_losses": [0.04, 0.0344]}, None),
        (
            {"val_losses": [0.028, 0.032]},
            "val_loss 0.0320 stands against 0.0300 on training images and 0.0280 in a",
        ),
        ({"val_losses": [0.028, 0.031]}, None),
        (
            {"val_losses": [0.04, 0.036], "pca": 0.035},
            "images, and is worse than PCA with as many components (0.0350)",
        ),
        (
            {"val_losses": [0.07, 0.065], "train_error": 0.051},
            "the training is too short or the model too small: try `model=residual` "
            "without `batch_size`",
        ),
        (
            {"val_losses": [0.04, 0.036], "codes": WELL["codes"] * 0},
            "4 of 4 latent units are the same",
        ),
        (
            {"val_losses": [0.04, 0.036], "config": Config(augment="flip")},
            "try a stronger `augment`, more images, or",
        ),
        ({"val_losses": [0.04, 0.036], "config": Config(model="conv")}, "or a smaller `width`"),
        ({"val_losses": [0.04, 0.036]}, "or a smaller `code`"),
        ({"setbacks": ("epoch 2: the loss became nan",)}, "epoch 2: the loss became nan"),
        ({"val_losses": [0.04, 0.036], "codes": WELL["codes"][:19]}, None),
        (
            {"val_losses": [0.04, 0.036], "codes": WELL["codes"][:20]},
            "val_loss 0.0360 stands against",
        ),
        ({"codes": DEAD[:19]}, None),
        ({"codes": DEAD[:20]}, "2 of 4 latent units are the same"),
        ({"losses": [0.03, 0.04], "warming_up": 2}, None),
        (
            {"losses": [0.02, 0.03, 0.04], "warming_up": 1},
            "the loss has risen from 0.0300 to 0.0400",
        ),
        ({"pca": 0.9e-6}, None),
        ({"pca": 0.9e-6, "codes": DEAD}, None),
        ({"pca": 1.1e-6}, "is worse than PCA"),
        ({"pca": 0.01, "config": Config(model="dense")}, "it starts as PCA"),
        (
            {"pca": 0.01, "config": Config(model="residual")},
            "try it without `learning_rate`, `batch_size` and `epochs`",
        ),
        (
            {"pca": 0.01, "mean": 0.032},
            "it reconstructs the mean image for everything (val_loss 0.0310, PCA 0.0100",
        ),
        ({"pca": 0.01, "mean": 0.033}, "is worse than PCA with"),
        (
            {"pca": 0.01, "mean": 0.029},
            "it is worse than the mean image (val_loss 0.0310, PCA 0.0100, the mean image 0.0290)",
        ),
        (
            {"pca": 0.01, "mean": 0.032, "steps": 20},
            "only 20 optimizer steps were made: try `model=residual`",
        ),
        ({"pca": 0.01, "steps": 299}, "only 299 optimizer steps were made (val_loss 0.0310"),
        ({"pca": 0.01, "steps": 300}, "is worse than PCA with"),
        ({"pca": 0.032, "steps": 20, "mean": 0.032}, None),
        (
            {"pca": 0.01, "losses": [0.05, 0.0496]},
            "the loss does not decrease: 0.0500 in the first epoch, 0.0496 in the",
        ),
        ({"pca": 0.01, "losses": [0.05, 0.0494]}, "is worse than PCA with"),
        ({"val_losses": [0.04, 0.036], "config": Config(holdout=0.1)}, None),
        (
            {"val_losses": [0.04, 0.036], "pca": 0.035, "config": Config(holdout=0.1)},
            "stands against 0.0300 on training",
        ),
        ({"val_losses": [0.04, 0.036], "config": Config(model="residual")}, None),
        (
            {"val_losses": [0.028, 0.032], "config": Config(model="residual")},
            "stands against 0.0300 on training",
        ),
        (
            {"pca": 0.01, "traded": ["noise"]},
            "or `noise` costs too much of the error: try more `epochs`, or less of `noise`",
        ),
        ({"codes": DEAD, "config": Config(quantize=8)}, "they are dead: try"),
        ({"codes": DEAD, "config": Config(model="dense")}, "or a smaller `code`"),
        ({"codes": DEAD, "config": Config(sparsity=10.0)}, "try a lower `sparsity` than 10"),
        ({"largest": 1.7}, "values from 0.00 to 1.70, outside [0, 1]"),
    ],
)
def test_the_doctor_finds_each_planted_fault_and_no_other(fault, words):
    patient = WELL | fault
    patient["config"] = planning.resolve(patient["config"])
    findings = doctor.diagnose(TrainingSummary(**patient))
    assert len(findings) == (words is not None)
    for finding in findings:
        assert words in str(finding)
        assert "try" in finding.advice or "sigmoid" in finding.advice


def test_a_schedule_that_is_there_is_not_advised():
    config = Config(schedule="cosine")
    patient = TrainingSummary(**WELL | {"losses": [0.03, 0.04], "config": config})
    (finding,) = doctor.diagnose(patient)
    assert finding.advice == "try a lower `learning_rate`"


def test_pca_encodes_and_decodes_as_scikit_learn_does():
    from sklearn.decomposition import PCA

    images = RANDOM.integers(0, 256, (300, 6, 5, 1), "uint8")
    ours, theirs = (
        metrics.PCA.fit(images, 7),
        PCA(7, svd_solver="full").fit(images.reshape(300, -1) / 255),
    )
    redrawn = theirs.inverse_transform(theirs.transform(images.reshape(300, -1) / 255)).reshape(
        images.shape
    )
    np.testing.assert_allclose(ours.decode(ours.encode(images)), redrawn, atol=1e-4)
    assert ours.error(images) == pytest.approx(np.mean((redrawn - images / 255) ** 2), abs=1e-6)


def test_measures_of_a_redrawing_are_scikit_images():
    from skimage.metrics import peak_signal_noise_ratio

    images = RANDOM.integers(0, 256, (4, 20, 20, 1), "uint8")
    redrawn = np.clip(images + RANDOM.integers(-30, 30, images.shape), 0, 255).astype("uint8")
    errors = np.square((images.astype(float) - redrawn) / 255).mean((1, 2, 3))
    found = metrics.measure_reconstructions(images, redrawn, errors)
    ratios = [
        peak_signal_noise_ratio(one, other) for one, other in zip(images, redrawn, strict=True)
    ]
    assert found["psnr"] == pytest.approx(np.mean(ratios), rel=1e-6)
    assert 0 < found["ssim"] < 1
    assert metrics.measure_reconstructions(images, images, errors * 0)["ssim"] == 1


def test_codes_that_hold_the_class_are_told_from_codes_that_do_not():
    labels = np.arange(400) % 4
    told = np.eye(4)[labels] + RANDOM.normal(0, 0.1, (400, 4))
    found = metrics.measure_codes(told[:300], labels[:300], told[300:], labels[300:])
    assert found == {"probe": 1.0, "neighbours": 1.0}
    noise = RANDOM.normal(size=(400, 4))
    measures = metrics.measure_codes(noise[:300], labels[:300], noise[300:], labels[300:])
    assert measures["probe"] < 0.5
    assert metrics.measure_codes(told, None, told, None) == {}


def test_unlabelled_images_are_ignored_by_probe_and_neighbours():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    codes = np.eye(3)[labels] + random.normal(0, 0.4, (300, 3))
    # Unlabelled codes lie where they would lead every neighbour astray.
    is_known = random.random(300) < 0.5
    partly = np.where(is_known, labels, -1)
    train, test = slice(200), slice(200, None)

    found = metrics.measure_codes(codes[train], partly[train], codes[test], partly[test])
    known_train, known_test = is_known[train], is_known[test]
    expected = metrics.measure_codes(
        codes[train][known_train],
        labels[train][known_train],
        codes[test][known_test],
        labels[test][known_test],
    )
    assert found == expected
    assert found["neighbours"] > 0.8

    nobody, some = np.full(300, -1), np.where(labels == 0, 0, -1)
    assert metrics.measure_codes(codes, nobody, codes, labels) == {}
    assert metrics.measure_codes(codes, labels, codes, nobody) == {}
    assert metrics.measure_codes(codes, some, codes, labels) == {}
    assert keras.config.backend() == "jax"
