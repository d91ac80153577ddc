"""What a training shows while it runs: in a file, in a terminal and in a notebook."""

import dataclasses
import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import rich.console

from autoencode import Autoencoder
from autoencode.estimator import InvalidError
from autoencode.estimator.progress import show_progress
from autoencode.training import Chunk, Epoch, Position

ROWS = np.random.default_rng(0).integers(0, 256, (40, 20), "uint8")
SMALL = {"code": 2, "model": "dense", "width": 0.1, "epochs": 2, "batch_size": 20}
LINES = ["epoch 1/2  0.50 s  loss 0.2500  val_loss 0.3000", "epoch 2/2  0.50 s  loss 0.1250"]


def events():
    """Those of a training of two epochs."""
    unknown = dict.fromkeys(field.name for field in dataclasses.fields(Epoch))
    for number, loss in ((1, 0.25), (2, 0.125)):
        yield Chunk(number, 3, 7, 0.4, loss, Position())
        yield Epoch(**unknown | {"number": number, "loss": loss})


def measure(epoch):
    measured = {"loss": epoch.loss, "seconds": 0.5}
    return measured | {"val_loss": 0.3} if epoch.number == 1 else measured


def test_in_a_file_there_is_a_line_an_epoch(capsys):
    passed = list(show_progress(events(), 2, measure))
    assert [type(event) for event in passed] == [Chunk, Epoch, Chunk, Epoch]
    assert capsys.readouterr() == ("\n".join(LINES) + "\n", "")


def test_in_a_terminal_there_is_a_bar_too(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for _ in show_progress(events(), 2, measure):
        pass
    printed = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capsys.readouterr().out)
    shown = [line.strip() for line in re.split(r"[\r\n]+", printed)]
    assert [line for line in shown if line in LINES] == LINES
    assert any("epoch 2/2  loss 0.1250 ━" in line and "3/7" in line for line in shown)


@pytest.mark.parametrize("has_widgets", [True, False])
def test_in_a_notebook_lines_are_displayed(has_widgets, capsys, monkeypatch):
    displayed = []
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    display = ModuleType("IPython.display")
    display.display = displayed.append
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    widgets = ModuleType("ipywidgets")
    widgets.__spec__ = SimpleNamespace()
    widgets.Output = Output
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets if has_widgets else None)

    for _ in show_progress(events(), 2, measure):
        pass
    lines = [one.text.strip() for one in displayed if hasattr(one, "text")]
    assert [line for line in lines if line in LINES] == LINES
    assert any(isinstance(one, Output) for one in displayed) is has_widgets
    assert capsys.readouterr() == ("", "")


class Output:
    """As the widget of ipywidgets, for as much as Rich asks of it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def clear_output(self, wait):
        pass

    def close(self):
        pass


def test_fit_shows_what_its_history_holds_or_nothing(capfd):
    quiet = Autoencoder(**SMALL, holdout=0.0).fit(ROWS)
    assert capfd.readouterr() == ("", "")
    shown = Autoencoder(**SMALL, holdout=0.0).fit(ROWS, verbose=1, validation_data=ROWS[:5])
    assert shown.history_["loss"] == quiet.history_["loss"]

    printed, errors = capfd.readouterr()
    pattern = r"epoch (\d)/2  \d+\.\d\d s  loss (0\.\d{4})  val_loss (0\.\d{4})"
    lines = [re.fullmatch(pattern, line).groups() for line in printed.splitlines()]
    history = zip(shown.history_["loss"], shown.history_["val_loss"], strict=True)
    expected = [
        (str(number), f"{loss:.4f}", f"{val_loss:.4f}")
        for number, (loss, val_loss) in enumerate(history, start=1)
    ]
    assert lines == expected
    assert errors == ""


@pytest.mark.parametrize("verbose", [2, -1, 0.5, "auto", None])
def test_other_words_for_verbose_are_refused(verbose):
    with pytest.raises(InvalidError, match=r"^verbose must be 0 or 1, received"):
        Autoencoder(**SMALL).fit(ROWS, verbose=verbose)


def test_numbers_of_numpy_are_taken_for_verbose(capsys):
    for verbose in (np.int64(0), np.bool_(False), False):
        Autoencoder(**SMALL).fit(ROWS, verbose=verbose)
    assert capsys.readouterr().out == ""
