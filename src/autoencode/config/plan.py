"""The settings of a training with every "auto" filled in."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from autoencode.config.settings import Config


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(Config):
    """Settings that leave nothing open but `size`, `range` and the like, which images answer.

    `training.planning.resolve` makes one, once, from the user's settings and the number of images.
    Raises `ValueError` where a setting is still "auto".

    >>> Plan.resolved(Config(), **dict.fromkeys(OPEN, 1) | {"model": "dense"}).epochs
    1
    """

    if TYPE_CHECKING:
        # The fields of `Config`, with the types that are left.
        epochs: int = 0
        batch_size: int = 0
        learning_rate: float = 0.0
        weight_decay: float = 0.0
        dropout: float = 0.0
        holdout: float = 0.0
        frame_seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        still_open = [name for name in OPEN if self.is_auto(name)]
        if still_open:
            raise ValueError(f"expected settings without auto, received it for {still_open}")

    @classmethod
    def resolved(cls, config: Config, **chosen: Any) -> Self:
        """Return `config` with the values `chosen` for what it leaves open; others are ignored."""
        given = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        return cls(**given | {key: value for key, value in chosen.items() if config.is_auto(key)})


# The settings that a training takes from its images and its model where the user gave none.
OPEN = (
    "model",
    "optimizer",
    "schedule",
    "augment",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "dropout",
    "holdout",
    "frame_seconds",
)
