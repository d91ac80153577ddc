"""The notebooks of examples/ run from the first cell to the last, and show what they say."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


def texts(notebook):
    """What the cells of an executed notebook printed and returned, as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = [output["text"] for output in outputs if output.get("name") == "stdout"]
    returned = [output["data"].get("text/plain", "") for output in outputs if "data" in output]
    return "\n".join(printed + returned)


def pages(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [
        output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})
    ]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    def execute(name):
        notebook = nbformat.read(EXAMPLES / name, 4)
        folder = tmp_path_factory.mktemp("notebook")
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
        return client.execute(), folder

    return execute


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the packages that run notebooks
def test_the_tutorial(executed):
    notebook, folder = executed("tutorial.ipynb")
    assert (folder / "runs" / "mnist-1" / "report.html").is_file()
    shown = texts(notebook)
    assert "finished, 10 of 10 epochs, val_loss 0.02" in shown
    assert "(10, 16)" in shown
    # The training is shown with a bar, and with pictures after an epoch.
    live = [page for page in pages(notebook) if "<progress" in page]
    assert "epoch 10 of 10" in live[-1]
    assert 'src="data:image/png' in live[-1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_own_pictures(executed):
    notebook, folder = executed("own_pictures.ipynb")
    assert len(list((folder / "normal").iterdir())) == 178  # zeros among scikit-learn's digits
    shown = texts(notebook)
    assert "Run('runs/normal-1'): finished" in shown
    # The head of the ranking: ten pictures, by name, none of a zero.
    head = re.findall(r"^\d +(\d)-\d{4}\.png +\S+", shown[shown.index("score") :], re.MULTILINE)
    assert len(head) == 10
    assert "0" not in head


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scikit_learn(executed):
    notebook, _ = executed("scikit_learn.ipynb")
    shown = texts(notebook)
    score = re.search(r"^autoencoder +(0\.\d+)$", shown, re.MULTILINE)
    assert float(score[1]) > 0.5  # ten classes
    assert "autoencoder__code': 8" in shown
    assert "True" in shown


def test_notebooks_are_kept_without_outputs():
    for path in EXAMPLES.glob("*.ipynb"):
        cells = nbformat.read(path, 4).cells
        assert all(not cell.get("outputs") for cell in cells), path
