"""The estimator as a .keras file and as a pickle, and opened from them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from autoencode import engines
from autoencode.errors import AutoencodeError
from autoencode.estimator.run_folders import RunFolderMixin, find_run_folder
from autoencode.estimator.scikit_learn import check_is_fitted
from autoencode.inference import keras_file

# The attributes that a file holds, as JSON beside the model.
STATE = (
    "image_shape_",
    "pixel_range_",
    "takes_pixels_",
    "rows_shape_",
    "n_features_in_",
    "_n_features_out",
    "offset_",
    "history_",
)
# The attributes that are made of the bytes of a .keras file, and that a pickle does not hold.
MADE = ("model_", "_trained", "_codes", "_normality")


class SavingMixin(RunFolderMixin):
    """`save`, `load` and pickles: the model as a .keras file, with all else as JSON in it."""

    def save(self, path: str | Path) -> None:
        """Write the model and the parameters that it was fitted with as one .keras file.

        Plain Keras opens it too. Raises `AutoencodeError` where `path` does not end in .keras or
        cannot be written, or where the training images of a run folder are needed and are gone.
        """
        check_is_fitted(self)
        # The file holds what an estimator of a run folder learns when it is first used.
        _ = self._codes
        keras_file.write_model(self.model_, Path(path), self._notes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the estimator that `save` wrote, or that of a run folder; nothing in it is run.

        `path` is a .keras file, or a run folder such as runs/mnist-1, or the model.keras in one. Of
        a run, codes, images and scores are those of `autoencode.load`: `transform`, `sample` and so
        on take arrays of its images as they are stored, and give images as uint8. `history_` has
        the errors on its test images as `val_loss`. `score_samples`, `predict`, `offset_` and
        `sample` learn from its training images, which are read when they are first needed.

        Raises `AutoencodeError` where there is none of these or it is damaged.

        >>> model = Autoencoder.load("runs/mnist-1")  # doctest: +SKIP
        >>> model.transform(images).shape  # doctest: +SKIP
        (10000, 16)
        """
        folder = find_run_folder(Path(path))
        if folder is not None:
            return cls()._open_run(folder)
        engines.load(engines.choose("auto"))
        model, notes = keras_file.read_model(Path(path))
        return cls()._restore(model, notes, str(path))

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: the model as the bytes of a .keras file, and all else."""
        # scikit-learn's is a dict; only that of `object`, which it calls, says that it may be more.
        state: dict[str, Any] = super().__getstate__()  # pyright: ignore[reportAssignmentType]
        if "model_" not in self.__dict__:
            return state
        kept = {name: value for name, value in state.items() if name not in MADE}
        return kept | {"keras_file": keras_file.model_bytes(self.model_, self._notes())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back what `__getstate__` gave."""
        if "keras_file" in state:
            engines.load(engines.choose("auto"))
            model, notes = keras_file.model_from(state["keras_file"])
            self._restore(model, notes, "the pickle")
        super().__setstate__({name: value for name, value in state.items() if name != "keras_file"})

    def _notes(self) -> dict[str, Any]:
        """What a file holds beside the model, as JSON takes it."""
        names = getattr(self, "feature_names_in_", None)
        # A pickle of a run folder's may hold no codes yet; then it has no `offset_` either.
        codes = self.__dict__.get("_codes")
        state = {name: self.__dict__[name] for name in STATE if name in self.__dict__}
        return {
            "parameters": self._fitted,
            "state": state | {"_ranges": self._ranges},
            "names": None if names is None else names.tolist(),
            "codes": None if codes is None else codes.tolist(),
        }

    def _restore(self, model: Any, notes: dict[str, Any], where: str) -> Self:
        """Take back what `_notes` gave; raise `AutoencodeError` where `notes` are others."""
        try:
            self.__init__(**notes["parameters"])
            if self.image_shape is not None:
                self.image_shape = tuple(self.image_shape)
            self._fitted = notes["parameters"]
            codes = notes["codes"]
            wanted = STATE if codes is not None else set(STATE) - {"offset_"}
            self.__dict__.update({name: notes["state"][name] for name in wanted})
            self._ranges = notes["state"].get("_ranges")
            if codes is not None:
                self._learn_normality(np.array(codes, np.float32))
            if notes["names"] is not None:
                self.feature_names_in_ = np.array(notes["names"], object)
        except (KeyError, TypeError, ValueError) as error:
            raise AutoencodeError(
                f"{where} holds a model, but not one that Autoencoder.save wrote, nor is it in a "
                "run folder: open it with autoencode.load."
            ) from error
        self._take_model(model)
        return self
