"""Images and settings become a plan, an engine and the built model: ready to train."""

from __future__ import annotations

import dataclasses
import math
from functools import partial

from autoencode import engines, models, objectives
from autoencode.config import Config, Plan, parse_duration
from autoencode.images import Images
from autoencode.training import planning
from autoencode.training.pace import epoch_seconds

# Bytes of training images, which holding out some copies in memory.
MAX_HOLDOUT_BYTES = 2**30


def fit(
    images: Images, config: Config, *, tutorial: bool = False, cut_batches: bool = False
) -> tuple[Images, Plan]:
    """Return `images`, some of them held out, and the plan of training `config` on them.

    What was chosen stands in the notes of the images. Raises `UsageError` for a batch size given
    by hand that does not suit, unless `cut_batches` makes it fit.
    """
    given = config
    count = len(images.train)
    counted = None if tutorial else count
    plan = planning.resolve(given, counted)
    is_too_large = (
        images.train.nbytes > MAX_HOLDOUT_BYTES and given.is_auto("holdout") and plan.holdout > 0
    )
    if is_too_large:
        given = dataclasses.replace(given, holdout=0.0)
        plan = planning.resolve(given, counted)
    images = images.hold_out(planning.held_out(count, plan.holdout), plan.split_seed)
    count = len(images.train)
    plan, notes = planning.fit_batches(
        plan, count, given=not (cut_batches or given.is_auto("batch_size"))
    )
    if given.is_auto("model") and not tutorial:
        notes = planning.describe(given, plan, count, images.shape)
    if models.find(plan.model).starts_as_pca and "bce" in objectives.losses(plan.loss):
        notes.append(
            f"bce has no gradient where the {plan.model} model clips a pixel to 0 or 1, "
            "as PCA often does: `model=dense` suits `loss=bce`"
        )
    if is_too_large:
        notes.append(
            f"no training images are held out, as copies of {images.train.nbytes / 1e9:.1f} GB "
            "would be needed: the last epoch is kept; `holdout=0.1` holds a tenth out"
        )
    if images.holdout is not None:
        notes.append(
            f"{len(images.holdout):,} training images are held out: "
            "they choose the epoch whose weights are kept"
        )
    return dataclasses.replace(images, notes=(*images.notes, *notes)), plan


def start(engine_name: str, images: Images, plan: Plan) -> engines.Engine:
    """Return the engine `engine_name`, ready to train by `plan` on `images`."""
    models.reset_weights(plan.model)
    build = partial(assemble, plan, images.shape, len(images.train))
    engine = engines.start(engine_name, build, seed=plan.seed, precision=plan.precision)
    models.initialise(plan.model, engine.model, images.train)
    engine.read_model()
    return engine


def assemble(plan: Plan, shape: tuple[int, int, int], count: int) -> engines.TrainingGraph:
    """Return model, objective and optimizer of a `plan` for `count` images."""
    model = models.build(
        plan.model,
        shape,
        plan.code,
        width=plan.width,
        linear_code=plan.variational is not None,
        quantize=plan.quantize,
        dropout=plan.dropout,
    )
    steps = math.ceil(count / plan.batch_size)
    objective = objectives.build(model, plan, steps)
    optimizer = objectives.optimizer(plan, steps * plan.epochs)
    return engines.TrainingGraph(model, objective, optimizer)


def fit_time(
    engine_name: str, engine: engines.Engine, images: Images, plan: Plan
) -> tuple[engines.Engine, Images, Plan]:
    """Return an engine, images and a plan whose epochs take about the `time` of `plan`."""
    taken = epoch_seconds(engine, images, plan)
    most = (parse_duration(plan.time) or taken) / taken
    epochs = max(1, min(int(most), planning.MAX_TIMED_EPOCHS))
    note = f"{epochs} epochs chosen for `time={plan.time}`: one takes about {taken:.3g} s"
    plan = dataclasses.replace(plan, epochs=epochs, time="auto")
    images = dataclasses.replace(images, notes=(*images.notes, note))
    return start(engine_name, images, plan), images, plan
