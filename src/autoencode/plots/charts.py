"""Curves, histograms and maps, drawn by Matplotlib. Knows no model and no run folder."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from autoencode.plots.colours import BASELINE, INK, LOSS, VALIDATION
from autoencode.system import marks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Bins of the values of a latent unit.
BINS = 80
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw_curve(
    losses: Sequence[float],
    val_losses: Sequence[float],
    pca: float | None,
    components: int | None,
    *,
    comparable: bool = True,
) -> Figure:
    """Return the learning curve: both losses by epoch, and PCA's error as a line.

    It is a matplotlib figure of 8 x 5 inches. `val_losses` and `pca` are mean squared errors with
    pixels in [0, 1], one an epoch; without `pca` there is no line. `comparable` says that `losses`
    are too; else they have an axis of their own at the right. The margins are fixed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # A layout engine and savefig draw everything up to four times: 0.23 s for both files, and 0.1 s
    # without.
    figure = Figure(figsize=(8, 5))
    figure.subplots_adjust(left=0.1, right=0.98 if comparable else 0.9, top=0.96, bottom=0.11)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    epochs = range(1, len(losses) + 1)
    trained = axes if comparable else axes.twinx()
    name = "loss (training images)" if comparable else "loss (training images, at the right)"
    lines = trained.plot(epochs, losses, color=LOSS, marker="o", markersize=4, label=name)
    lines += axes.plot(
        epochs,
        val_losses,
        color=VALIDATION,
        marker="o",
        markersize=4,
        label="val_loss (test images)",
    )
    if pca is not None:
        label = f"PCA with {components} components ({pca:.4f})"
        lines.append(axes.axhline(pca, color=BASELINE, linestyle="--", label=label))
    if not comparable:
        trained.set_ylabel("loss, as the options made it", color=INK)
        trained.tick_params(colors=INK)
        trained.spines["top"].set_visible(False)
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("mean squared error", color=INK)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.legend(handles=lines, frameon=False, labelcolor=INK)
    return figure


def draw_errors(errors: Mapping[str, Sequence[tuple[int, float, float]]]) -> Figure:
    """Return a chart of test error against the size of the code, a line a model.

    Both axes are logarithmic. `errors` holds (code, mean squared error, deviation over seeds) by
    model; "pca" is drawn dashed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    figure = Figure(figsize=(8, 5))
    figure.subplots_adjust(left=0.12, right=0.98, top=0.96, bottom=0.11)
    axes = figure.add_subplot()
    for name, points in errors.items():
        sizes, means, deviations = zip(*points, strict=True)
        style: dict[str, Any] = {"color": BASELINE, "linestyle": "--"} if name == "pca" else {}
        axes.errorbar(
            sizes, means, deviations, marker="o", markersize=4, capsize=3, label=name, **style
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(
        FixedLocator(sorted({size for points in errors.values() for size, *_ in points}))
    )
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("numbers in the code")
    axes.set_ylabel("mean squared error on test images")
    axes.grid(which="both", axis="y", color="#d1d9e0", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def draw_codes(codes: np.ndarray, count: int) -> Figure:
    """Return a chart of the distribution of each latent dimension.

    It shows shares of values and five quantiles. The codes are (N, K), a sample of `count`. A
    darker cell holds more images; the shade grows with the square root of their share, so that rare
    values show.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    size = codes.shape[1]
    least = float(codes.min())
    largest = float(codes.max())
    edge = 0.5 if largest == least else 0.02 * (largest - least)
    bounds = least - edge, largest + edge
    shares = np.stack([np.histogram(column, BINS, bounds)[0] for column in codes.T], axis=1) / len(
        codes
    )
    quantiles = np.quantile(codes, QUANTILES, axis=0)
    figure = Figure(figsize=(8, 5))
    figure.subplots_adjust(left=0.1, right=0.98, top=0.9, bottom=0.11)
    axes = figure.add_subplot()
    extent = (-0.5, size - 0.5, *bounds)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, aspect="auto", origin="lower", extent=extent)
    numbers = np.arange(size)
    axes.vlines(numbers[1:] - 0.5, *bounds, color="white", linewidth=min(4, 64 / size))
    for values, width, style in zip(
        quantiles, (0.3, 0.6, 0.8, 0.6, 0.3), (1, 1, 2, 1, 1), strict=True
    ):
        axes.hlines(
            values, numbers - width / 2, numbers + width / 2, color=VALIDATION, linewidth=style
        )
    levels = ", ".join(f"{one:.0%}" for one in QUANTILES)
    axes.set_title(f"codes of {count:,} images; lines: {levels} of them lie below")
    axes.set_xlabel("latent dimension")
    axes.set_ylabel("value")
    axes.xaxis.set_major_locator(MaxNLocator(min(size, 16), integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_scores(normal: np.ndarray, found: np.ndarray, threshold: float | None) -> Figure:
    """Return a chart of anomaly scores, (N,) of normal images and (M,) of others.

    The threshold, if any, is drawn between them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5))
    figure.subplots_adjust(left=0.1, right=0.98, top=0.92, bottom=0.11)
    axes = figure.add_subplot()
    every = np.concatenate([normal, found, [] if threshold is None else [threshold]])
    least = max(float(every.min()), float(every.max()) * 1e-4, 1e-12)
    edges = np.geomspace(least, max(float(every.max()), least * 1.01), 80)
    named = (
        ("normal images, not trained on", normal, LOSS),
        ("images of the source", found, VALIDATION),
    )
    for name, scores, colour in named:
        shares = np.full(len(scores), 1 / len(scores))
        axes.hist(
            np.maximum(scores, least),
            edges.tolist(),
            weights=shares,
            color=colour,
            alpha=0.5,
            label=f"{name} ({len(scores):,})",
        )
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle="--", label=f"threshold ({threshold:.3g})")
    axes.set_xscale("log")
    axes.set_xlabel("anomaly score", color=INK)
    axes.set_ylabel("share of the images", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    # No line crosses it there.
    above = {
        "loc": "lower center",
        "bbox_to_anchor": (0.5, 1),
        "ncols": 3,
        "fontsize": 9,
    }
    axes.legend(frameon=False, labelcolor=INK, **above)
    return figure


def write_curve(figure: Figure, file: BinaryIO) -> None:
    """Write a figure as a PNG on white, 100 pixels an inch: 800 x 500 for the curve.

    It is marked as written by this program, see `marks`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.patch.set_alpha(1)
    FigureCanvasAgg(figure).print_png(
        file, metadata={"Software": None, marks.KEYWORD: marks.PICTURE_TEXT}
    )


def curve_as_svg(figure: Figure) -> str:
    """Return the curve as an SVG element, for dark pages and light.

    Its ink is the text colour of the page.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.StringIO()
    figure.patch.set_alpha(0)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "autoencode"}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    svg = file.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")
