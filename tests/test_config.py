"""Settings as Python callers write them: what is taken, and what a refusal says to write."""

import dataclasses
import json
import re
import typing
from pathlib import Path

import numpy as np
import pytest

from autoencode import Config, UsageError
from autoencode.cli import app
from autoencode.config import DataConfig
from autoencode.config.checks import EXAMPLES, SHOWN_LETTERS
from autoencode.data import preprocessing
from autoencode.data.preprocessing import parse_size
from autoencode.engines.selection import MODULES


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code", np.int64(8), 8),
        ("epochs", np.int32(2), 2),
        ("batch_size", np.array(64), 64),
        ("seed", np.uint32(4294967295), 4294967295),
        ("quantize", np.uint8(4), 4),
        ("width", np.float64(0.5), 0.5),
        ("learning_rate", np.float32(0.25), 0.25),
        ("variational", np.float16(1.5), 1.5),
        ("strict", np.True_, True),
        ("model", np.str_("conv"), "conv"),
        ("size", 32, "32"),
        ("size", np.int64(32), "32"),
        ("size", (64, 48), "64x48"),
        ("size", [np.int64(64), 48], "64x48"),
        ("size", np.array([64, 48]), "64x48"),
    ],
)
def test_numbers_of_numpy_become_plain_ones(name, value, expected):
    config = Config(**{name: value})
    stored = getattr(config, name)
    assert stored == expected
    assert type(stored) is type(expected)
    assert json.loads(json.dumps(dataclasses.asdict(config)))[name] == expected
    assert Config(**dataclasses.asdict(config)) == config
    assert config.command("mnist") == Config(**{name: expected}).command("mnist")


def test_a_pair_is_width_and_height():
    height, width = parse_size(Config(size=(64, 48)).size)
    assert (width, height) == (64, 48)


@pytest.mark.parametrize(
    ("name", "value", "ending"),
    [
        ("epochs", 2.0, "received 2.0: write epochs=2."),
        ("epochs", np.float64(2), "received 2.0: write epochs=2."),
        ("epochs", 2.5, "received 2.5: write epochs=10, for example."),
        ("epochs", True, "received True: write epochs=10, for example."),
        ("code", "16", "received '16': write code=16."),
        ("code", [8], "received [8]: write code=16, for example."),
        ("quantize", 8.0, "received 8.0: write quantize=8."),
        ("learning_rate", "1e-3", "received '1e-3': write learning_rate=0.001."),
        ("learning_rate", "fast", "received 'fast': write learning_rate=0.001, for example."),
        (
            "learning_rate",
            np.ones(2),
            "received array([1., 1.]): write learning_rate=0.001, for example.",
        ),
        ("frame_seconds", "2", "received '2': write frame_seconds=2.0."),
        ("model", None, "received None: leave it out for 'auto'."),
        ("batch_size", None, "received None: leave it out for 'auto'."),
        ("noise", 0.3, "received 0.3: write noise='gaussian:0.3', for example."),
        ("loss", ["mse"], "received ['mse']: write loss='mse'."),
        ("loss", ["mse", "ssim"], "received ['mse', 'ssim']: write loss='mse+ssim'."),
        ("strict", 1, "received 1: write strict=True, for example."),
        ("size", 32.0, "received 32.0: write size=32."),
        ("size", True, "received True: write size=(64, 48), for example."),
        ("size", (1, 2, 3), "received (1, 2, 3): write size=(64, 48), for example."),
        ("model", Path("dense"), ": write model='dense', for example."),
        # Ranges, which the command can leave too, need no spelling.
        ("epochs", 0, "received 0."),
        ("width", float("nan"), "received nan."),
        ("width", 64.00000001, "received 64.00000001."),
        ("seed", np.int64(-1), "received -1."),
    ],
)
def test_what_is_refused_names_the_setting_and_the_spelling(name, value, ending):
    with pytest.raises(UsageError) as raised:
        Config(**{name: value})
    line = str(raised.value)
    assert line.startswith(f"`{name}` must be ")
    assert line.endswith(ending)
    assert "\n" not in line


def test_a_long_value_is_shortened():
    with pytest.raises(UsageError) as raised:
        Config(code=list(range(10_000)))
    received = str(raised.value).partition("received ")[2].partition(": write")[0]
    assert len(received) == SHOWN_LETTERS
    assert received.endswith("…")


def test_every_setting_has_an_example_that_is_taken():
    assert list(EXAMPLES) == [field.name for field in dataclasses.fields(Config)]
    for name, value in EXAMPLES.items():
        Config(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("fit", "padd", "unknown fit 'padd': did you mean 'pad'? Known: pad, crop, stretch."),
        ("precision", "bf16", "did you mean 'bfloat16'? Known: float32, bfloat16, auto."),
        ("colour", "gray", "did you mean 'grey'? Known: auto, grey, rgb."),
        ("frames", "x", "unknown frames 'x': Known: auto, first, all."),
        ("validation", "tets", "did you mean 'test'? Known: join, test, drop."),
    ],
)
def test_an_unknown_word_names_the_nearest(name, value, line):
    with pytest.raises(UsageError) as raised:
        Config(**{name: value})
    assert str(raised.value).endswith(line)
    with pytest.raises(UsageError, match=re.escape(line)):
        app(["train", "mnist", f"--{name}", value], exit_on_error=False, print_error=False)


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Config()) == "Config()"
    assert repr(Config(size=32, epochs=3)) == "Config(size='32', epochs=3)"


def test_help_lists_every_field_once():
    for kind in (Config, DataConfig):
        lines = kind.__doc__.splitlines()
        for field in dataclasses.fields(kind):
            assert lines.count(f"    {field.name}") == 1


def test_closed_sets_are_those_that_data_and_engines_know():
    kinds = typing.get_type_hints(Config)
    known = {
        "fit": preprocessing.FITS,
        "colour": preprocessing.COLOURS,
        "frames": preprocessing.FRAMES,
        "validation": preprocessing.VALIDATIONS,
        "engine": ("auto", *MODULES),
    }
    for name, words in known.items():
        assert set(typing.get_args(kinds[name])) == set(words)
