"""What info says of a model."""

import json
import subprocess
import sys
from unittest import mock

from autoencode.inference import saved_model, summary


def test_info_of_a_run_loads_no_framework(run):
    code = (
        "import sys; from autoencode.cli import app; "
        "app(sys.argv[1:], result_action='return_value'); assert 'keras' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, "info", str(run)], check=True, stdout=subprocess.DEVNULL
    )


def test_info_tells_what_the_run_recorded(run, opened):
    told = summary.describe_run(saved_model.find_model(run))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    kept = json.loads((run / "baseline.json").read_text()).get("kept", metrics[1])
    loss = metrics[kept["epoch"] - 1]["loss"] if kept["epoch"] else None
    assert (told["loss"], told["val_loss"], told["epochs"]) == (loss, kept["val_loss"], 2)
    assert (told["shape"], told["code"], told["parameters"]) == (
        [8, 8, 1],
        4,
        opened.trained.model.count_params(),
    )
    assert told["pca"] == json.loads((run / "baseline.json").read_text())["pca"]
    file = summary.describe_file(opened.saved, opened.trained)
    assert all(file[name] == told[name] for name in ("shape", "code", "parameters", "settings"))
    assert saved_model.find_model(run / "model.keras") == saved_model.Saved(
        **vars(saved_model.find_model(run)) | {"run": mock.ANY}
    )


def test_info_shows_what_an_untrusted_record_holds_as_escapes(run):
    told = summary.describe_run(saved_model.find_model(run))
    finding = {"what": "a\nb", "cause": "\x1b[31m", "advice": "c"}
    told |= {
        "source": "\x1b]0;title\x07",
        "device": "cpu\r",
        "findings": [finding],
        "versions": {"keras": "3\x9b"},
    }
    told["settings"] = told["settings"] | {"noise": "\x1b[2J"}
    lines = summary.format_description(told)
    assert all(line.isprintable() for line in lines)
    assert "doctor: a\\nb; \\x1b[31m: c" in lines
