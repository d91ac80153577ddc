"""Pictures planted at given paths in a folder, an archive or a list."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def _small_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5) * 12).save(file, "PNG")
    return file.getvalue()


PNG = _small_png()


def plant(top: Path, names: object) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return top


def as_zip(top: Path, names: object) -> Path:
    path = top / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, PNG)
    return path


def as_tar(top: Path, names: object) -> Path:
    path = top / "set.tar"
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            archive.addfile(member, io.BytesIO(PNG))
    return path


def as_list(top: Path, names: object) -> list[Path]:
    plant(top / "set", names)
    return [top / "set" / name for name in names]


def as_folder(top: Path, names: object) -> Path:
    return plant(top / "set", names)


CONTAINERS = {"folder": as_folder, "zip": as_zip, "tar": as_tar, "list": as_list}


def told(dataset: object) -> dict[str, tuple[str | None, str | None]]:
    """Split and class of every image of a dataset by its name."""
    everything = np.arange(len(dataset))
    splits = {
        index: split for split, indices in dataset.splits().items() for index in indices.tolist()
    }
    labels, classes = dataset.labels({"all": everything})
    numbers = labels["all_labels"].tolist() if labels else [-1] * len(dataset)
    return {
        name: (splits.get(index), classes[number] if number >= 0 else None)
        for index, (name, number) in enumerate(zip(dataset.names(everything), numbers, strict=True))
    }
