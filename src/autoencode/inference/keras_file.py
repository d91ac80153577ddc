"""Models in .keras files, read without running anything that an untrusted file may hold."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoencode import models
from autoencode.errors import AutoencodeError, not_written, reason
from autoencode.system.files import check_unpacked, replacing
from autoencode.system.json_types import is_list, is_record

if TYPE_CHECKING:
    import keras


NOTES = "autoencode.json"  # in a .keras file, beside what Keras reads
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
MAX_TEXT = 2**25  # bytes of JSON: Python makes twenty times as many of the worst
MAX_OUTPUT = 2**26  # numbers that a layer may make of one image


def write_model(model: keras.Model, path: Path, notes: dict[str, Any]) -> None:
    """Write a .keras file that plain Keras opens, with `notes` as JSON inside.

    Raises `AutoencodeError` where that fails.
    """
    if path.suffix != ".keras":
        raise AutoencodeError(f"expected a file name that ends in .keras, received {path}.")
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(model_bytes(model, notes))
    except OSError as error:
        raise not_written(path, error, "file") from error


def read_model(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Return the model and the notes of a .keras file, {} where there are none.

    Keras's safe mode holds: nothing in the file is run. Raises `AutoencodeError` where it is not
    such a file or is damaged.
    """
    try:
        return model_from(path.read_bytes())
    except OSError as error:
        raise AutoencodeError(
            f"{path} cannot be read ({reason(error)}): expected a .keras file."
        ) from error
    except AutoencodeError as error:
        raise AutoencodeError(f"{path}: {error}") from error


def read_notes(path: Path) -> dict[str, Any]:
    """Return the notes of a .keras file; no framework is loaded.

    Raises `AutoencodeError` where it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path.stat().st_size)
            archive.getinfo(CONFIG)
            notes = _stored_notes(archive)
    except Exception as error:  # as in `model_from`
        raise AutoencodeError(
            f"{path} is not a model ({reason(error)}): expected a whole .keras file."
        ) from error
    return notes if is_record(notes) else {}


def model_bytes(model: keras.Model, notes: dict[str, Any]) -> bytes:
    """Return the content of a .keras file with `model` and `notes`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        models.save(model, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(NOTES, json.dumps(notes))
        return path.read_bytes()


def model_from(content: bytes) -> tuple[keras.Model, dict[str, Any]]:
    """Return the model and the notes in the content of a .keras file.

    Raises `AutoencodeError` where it is damaged, would run code, or has layers that are not opened.
    How the model was compiled is never read. Keras is given the configuration and the weights that
    were checked, and nothing else of the file.
    """
    import keras

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive, len(content))
            damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"the checksum of {damaged} does not match")
            notes = _stored_notes(archive)
            config = _uncompiled(json.loads(archive.read(CONFIG)))
            weights = archive.read(WEIGHTS)
        models.check_layers(config)
        _check_weights(weights)
        # Keras takes a configuration apart that it reads: this text stays whole.
        text = json.dumps(config)
        _check_size(config, len(weights))

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            with zipfile.ZipFile(path, "w") as checked:
                checked.writestr(CONFIG, text)
                checked.writestr(WEIGHTS, weights)
            return keras.saving.load_model(path, compile=False, safe_mode=True), notes
    except AutoencodeError:
        raise
    # zipfile, json, h5py and Keras raise almost anything on damaged files.
    except Exception as error:
        raise AutoencodeError(
            f"not a model that can be opened ({reason(error)}): expected a whole .keras file."
        ) from error


def _stored_notes(archive: zipfile.ZipFile) -> Any:
    return json.loads(archive.read(NOTES)) if NOTES in archive.namelist() else {}


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Raise `ValueError` where a .keras file of `size` bytes would fill memory."""
    check_unpacked(sum(member.file_size for member in archive.infolist()), size)
    for name in {CONFIG, NOTES} & set(archive.namelist()):
        if archive.getinfo(name).file_size > MAX_TEXT:
            raise ValueError(f"{name} holds more than {MAX_TEXT:,} bytes")


def _uncompiled(config: Any) -> Any:
    """Return a model's configuration without how it, or a model inside it, was compiled."""
    if is_record(config):
        kept = config.keys() - {"compile_config"}
        return {name: _uncompiled(part) for name, part in config.items() if name in kept}
    if is_list(config):
        return [_uncompiled(part) for part in config]
    return config


def _check_weights(weights: bytes) -> None:
    """Raise `ValueError` where weights, in HDF5, lie in another file or announce too much."""
    import h5py

    with h5py.File(io.BytesIO(weights), "r") as file:
        waiting = [file]
        seen: set[Any] = set()
        announced = 0
        while waiting:
            group = waiting.pop()
            for name in group:
                if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
                    raise ValueError(f"{name} among its weights is a link")
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    raise ValueError(f"{name} stands twice among its weights")
                seen.add(address)
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                elif item.external or item.is_virtual:
                    raise ValueError(f"{name} among its weights lies in another file")
                else:
                    announced += math.prod(item.shape) * item.dtype.itemsize
        check_unpacked(announced, len(weights))


def _check_size(config: dict[str, Any], size: int) -> None:
    """Raise `ValueError` where a model would be larger than its `size` bytes of weights.

    None of them is made for it. Raises `AutoencodeError` where a layer would fill memory.
    """
    import keras

    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    check_unpacked(4 * model.count_params(), size)
    for layer in model._flatten_layers():
        for node in getattr(layer, "_inbound_nodes", ()):
            for tensor in node.output_tensors:
                count = math.prod(side or 1 for side in tensor.shape)
                if count > MAX_OUTPUT:
                    raise AutoencodeError(
                        f"its layer {layer.name} makes {count:,} numbers of an image: "
                        f"expected at most {MAX_OUTPUT:,}."
                    )
