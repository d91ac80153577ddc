"""Training from Python: the run that it returns, its files, and what a notebook shows of it."""

import base64
import io
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import autoencode
from autoencode import AutoencodeError, Images, UsageError, notebook

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
SETTINGS = {"model": "article", "code": 4, "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("api") / "run"


@pytest.fixture(scope="module")
def run(folder):
    return autoencode.train(IMAGES, run=folder, **SETTINGS)


def written(html):
    """The text of HTML, and the pictures in it; the parser raises nothing, so tags are counted."""
    texts, opened, pictures = [], [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == "img":
                data = dict(attributes)["src"].removeprefix("data:image/png;base64,")
                pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
            else:
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

        def handle_data(self, data):
            texts.append(data)

    Parser().feed(html)
    assert opened == []
    return " ".join(texts), pictures


def test_a_run_gives_what_its_files_hold(run, folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["val_loss"] for line in run.metrics] == [line["val_loss"] for line in lines]
    assert run.path == folder
    assert os.fspath(run) == str(folder)
    assert run.report == folder / "report.html"
    assert run.report.is_file()
    assert run.state == json.loads((folder / "state.json").read_text())["state"] == "finished"
    assert run.pca == json.loads((folder / "baseline.json").read_text())["pca"]
    assert run.val_loss == lines[-1]["val_loss"]
    assert run.config.batch_size == 16
    assert not run.config.is_auto("learning_rate")
    assert [finding["what"] for finding in run.findings] == [
        finding["what"] for finding in json.loads((folder / "doctor.json").read_text())["findings"]
    ]


def test_its_table_is_that_of_pandas(run):
    pd.testing.assert_frame_equal(run.to_pandas(), pd.DataFrame(run.metrics))


def test_its_model_is_the_one_that_load_opens(run, folder):
    codes = autoencode.load(folder).encode(IMAGES).values
    np.testing.assert_array_equal(run.model.encode(IMAGES).values, codes)
    np.testing.assert_array_equal(autoencode.load(run).encode(IMAGES).values, codes)


def test_it_is_the_training_of_the_same_settings_elsewhere(run):
    config = autoencode.Config(**SETTINGS)
    epochs = [epoch.val_loss for epoch in autoencode.watch(IMAGES, config)]
    assert [line["val_loss"] for line in run.metrics] == epochs
    keywords = [epoch.val_loss for epoch in autoencode.watch(IMAGES, config, epochs=1)]
    assert keywords == epochs[:1]


def test_an_opened_set_is_a_source_too(run):
    opened = autoencode.data.open_dataset(IMAGES)
    again = [epoch.val_loss for epoch in autoencode.watch(opened, **SETTINGS)]
    assert again == [line["val_loss"] for line in run.metrics]


def test_a_callback_that_fails_leaves_a_run_to_resume(run, tmp_path):
    def stop_after_one(event):
        if isinstance(event, autoencode.Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        autoencode.train(IMAGES, run=tmp_path / "run", callbacks=stop_after_one, **SETTINGS)
    stopped = autoencode.Run(tmp_path / "run")
    assert stopped.state == "stopped"
    assert len(stopped.metrics) == 1

    resumed = autoencode.resume(stopped, source=IMAGES)
    assert resumed.state == "finished"
    assert [line["val_loss"] for line in resumed.metrics] == [
        line["val_loss"] for line in run.metrics
    ]


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(AutoencodeError, match="is not a run folder"):
        autoencode.Run(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        autoencode.train(IMAGES, run=tmp_path / "run", epoch=3)
    assert list(tmp_path.iterdir()) == []


def test_what_is_shown_in_one_line(run, folder):
    shown = re.escape(f"Run({str(folder)!r}): finished, 2 of 2 epochs, val_loss ")
    assert re.fullmatch(shown + r"0\.\d{4}", repr(run))
    images = Images("a & b", np.zeros((8, 4, 6, 3), "uint8"), np.zeros((2, 4, 6, 3), "uint8"))
    assert repr(images) == "Images('a & b', 8 train, 2 test, 4x6x3)"
    epoch = next(autoencode.watch(IMAGES, **SETTINGS))
    assert re.fullmatch(r"Epoch\(1, loss=0\.\d{4}, val_loss=0\.\d{4}, \d+\.\d\d s\)", repr(epoch))


def test_a_notebook_shows_losses_and_pictures(run, folder):
    text, pictures = written(run._repr_html_())
    assert str(folder) in text
    assert f"{run.val_loss:.4f}" in text
    with Image.open(folder / "example1.png") as example:
        np.testing.assert_array_equal(np.array(pictures[0]), np.array(example))

    epoch = next(autoencode.watch(IMAGES, **SETTINGS))
    text, pictures = written(epoch._repr_html_())
    assert f"{epoch.val_loss:.4f}" in text
    assert len(pictures) == 1

    pixels = np.full((8, 4, 6, 3), 90, "uint8")
    text, pictures = written(Images("<b>", pixels, pixels)._repr_html_())
    assert "<b>" in text  # escaped, so it is text
    assert "6x4 RGB" in text
    assert (np.array(pictures[0]) == 90).any()


class Screen:
    """Stands in for the display of a notebook."""

    def __init__(self):
        self.labels, self.shares, self.ended = [], [], False

    def begin(self):
        pass

    def update(self, label, share, pictures):
        self.labels.append(label)
        self.shares.append(share)

    def pictures_of(self, epoch):
        return ""

    def end(self):
        self.ended = True


def test_progress_is_shown_where_it_is_asked_for(run, tmp_path, monkeypatch, capsys):
    screen = Screen()
    monkeypatch.setattr(notebook, "_Terminal", lambda: screen)
    autoencode.train(IMAGES, run=tmp_path / "run", progress=True, **SETTINGS)
    last = run.metrics[-1]
    assert screen.labels[-1] == (
        f"epoch 2 of 2, loss {last['loss']:.4f}, val_loss {last['val_loss']:.4f}"
    )
    assert screen.shares == sorted(screen.shares)
    assert screen.shares[-1] == 1
    assert screen.ended

    autoencode.train(IMAGES, run=tmp_path / "quiet", **SETTINGS)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_codes_as_the_table_of_pandas(run):
    codes = run.model.encode(IMAGES)
    cells = re.findall(r"<t[hd]>([^<]*)</t[hd]>", codes._repr_html_())
    expected = codes.to_pandas().head(10)
    assert cells[:5] == list(expected)
    shown = np.array(cells[5:]).reshape(10, 5)
    assert list(shown[:, 0]) == list(expected["name"])
    np.testing.assert_allclose(shown[:, 1:].astype(float), expected.iloc[:, 1:], rtol=1e-3)
    assert "10 of 60 rows" in codes._repr_html_()
