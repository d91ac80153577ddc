"""What is done with a trained model, against plain Keras and the estimator."""

import numpy as np
import pytest
from inference_support import COUNT, arrays, size, streamed, write_reconstructions

from autoencode import AutoencodeError, Autoencoder, UsageError, engines, metrics
from autoencode.cli import results
from autoencode.images import to_pixels
from autoencode.inference import codes, generation, reconstruction, saved_model


def test_the_numbers_are_those_of_plain_keras(opened, source, digits, files):
    import keras

    model = keras.saving.load_model(opened.saved.file)
    floats = digits[0] / np.float32(255)
    redrawn = model.predict(floats, verbose=0)
    errors = np.square(redrawn - floats).mean((1, 2, 3))
    written = write_reconstructions(opened, source, files("reconstruct"))
    told = reconstruction.reconstruct(opened, streamed(opened, source))
    found = arrays(files("reconstruct").file)
    np.testing.assert_array_equal(written, told.errors)
    assert np.abs(found["images"] - np.clip(redrawn, 0, 1) * 255).max() <= 0.501
    np.testing.assert_allclose(found["errors"], errors, rtol=1e-4)
    np.testing.assert_allclose(told.mse, errors.mean(), rtol=1e-4)
    np.testing.assert_allclose(
        told.psnr, np.mean([10 * np.log10(1 / error) for error in errors]), rtol=1e-4
    )
    assert found["names"].tolist() == [f"digits train {index}" for index in range(COUNT)]
    np.testing.assert_array_equal(found["labels"], digits[1])
    assert size(files("reconstruct").beside()) == (1800, 400)
    encoded = codes.encode_stream(opened, streamed(opened, source))
    np.testing.assert_allclose(
        encoded, model.get_layer("encoder").predict(floats, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_a_saved_estimator_gives_what_it_gave(tmp_path, digits, source, files):
    estimator = Autoencoder(code=3, epochs=1, batch_size=60, noise="mask:0.2").fit(digits[0])
    estimator.save(tmp_path / "digits.keras")
    opened = saved_model.open_model(saved_model.find_model(tmp_path / "digits.keras"))
    assert opened.saved.settings["noise"] == "mask:0.2"
    np.testing.assert_array_equal(
        codes.encode_stream(opened, streamed(opened, source)), estimator.transform(digits[0])
    )
    stream = streamed(opened, source)
    results.write_denoised(
        files("denoise"),
        reconstruction.denoise_batches(opened, stream),
        stream,
        shape=(8, 8, 1),
        examples=10,
        with_noise=False,
    )
    np.testing.assert_array_equal(
        arrays(files("denoise").file)["images"], estimator.denoise(digits[0])
    )
    training_codes = generation.learn_codes(opened, None)
    drawn = generation.sample(opened, training_codes, count=20, seed=5)
    results.write_samples(files("sample"), drawn)
    np.testing.assert_array_equal(
        arrays(files("sample").file)["images"], estimator.sample(20, seed=5)
    )


def test_a_model_of_plain_keras_alone_will_do(tmp_path, digits, source):
    import keras

    flat, numbers = keras.Input((8, 8, 1)), keras.Input((2,))
    encoder = keras.Model(flat, keras.layers.Dense(2)(keras.layers.Flatten()(flat)), name="encoder")
    decoder = keras.Model(
        numbers, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(numbers)), name="decoder"
    )
    model = keras.Model(flat, decoder(encoder(flat)))
    model.save(tmp_path / "plain.keras")
    saved = saved_model.find_model(tmp_path / "plain.keras")
    assert (saved.name, saved.run, saved.settings) == ("plain", None, {})
    opened = saved_model.open_model(saved)
    kernel, bias = encoder.get_weights()
    expected = digits[0].reshape(COUNT, -1) / 255 @ kernel + bias
    np.testing.assert_allclose(
        codes.encode_stream(opened, streamed(opened, source)), expected, rtol=1e-3, atol=1e-5
    )
    decoder.set_weights([weight * np.nan for weight in decoder.get_weights()])
    model.save(tmp_path / "nan.keras")
    with pytest.raises(AutoencodeError, match="NaN or infinite"):
        saved_model.open_model(saved_model.find_model(tmp_path / "nan.keras")).decode(
            np.zeros((3, 2))
        )


def test_noise_is_put_on_and_measured(opened, source, digits, files):
    stream = streamed(opened, source)
    errors = results.write_denoised(
        files("denoise"),
        reconstruction.denoise_batches(opened, stream, add="salt:0.2", seed=1),
        stream,
        shape=(8, 8, 1),
        examples=10,
        with_noise=True,
    )
    found = arrays(files("denoise").file)
    clean, noisy, denoised = (array / 255 for array in (digits[0], found["noisy"], found["images"]))

    def psnr(images: np.ndarray) -> float:
        return np.mean(
            [10 * np.log10(1 / np.mean((a - b) ** 2)) for a, b in zip(images, clean, strict=True)]
        )

    black_or_white = np.isin(digits[0], (0, 255)).mean()  # half of the salt falls on these unseen
    assert abs(np.mean(found["noisy"] != digits[0]) - (0.2 - 0.1 * black_or_white)) < 0.01
    np.testing.assert_allclose(
        [metrics.psnr(found) for found in errors], [psnr(noisy), psnr(denoised)], atol=0.02
    )
    np.testing.assert_array_equal(
        found["images"], to_pixels(opened.decode(opened.encode(found["noisy"])))
    )
    assert size(files("denoise").beside())[1] == 3 * 104
    again, other = (reconstruction.make_noise("salt:0.2", seed)(digits[0]) for seed in (1, 2))
    np.testing.assert_array_equal(again, found["noisy"])
    assert (other != again).any()


def test_without_noise_there_is_nothing_to_remove(opened, run):
    saved = saved_model.find_model(run)
    reconstruction.check_denoising(saved, None)
    with pytest.raises(AutoencodeError, match=r"`noise=gaussian:0\.3`"):
        reconstruction.check_denoising(
            saved_model.Saved(**vars(saved) | {"settings": saved.settings | {"noise": "none"}}),
            None,
        )
    with pytest.raises(UsageError, match="did you mean 'gaussian'"):
        reconstruction.check_denoising(saved, "gausian:1")


def test_models_of_another_kind_are_refused(tmp_path):
    import keras

    engines.load(engines.choose("auto"))
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "foreign.keras")
    with pytest.raises(AutoencodeError, match="layers named encoder and decoder"):
        saved_model.open_model(saved_model.find_model(tmp_path / "foreign.keras"))
