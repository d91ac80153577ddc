"""Codes on a plane, with images at their points, drawn by Matplotlib. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autoencode.plots.colours import INK
from autoencode.plots.grids import draw_tile, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_CLASSES = 20  # of a map, which have a colour each
# What an image without a label (below 0) is called, and its colour on a map.
UNLABELLED = "unlabelled"
UNLABELLED_COLOUR = (0.55, 0.58, 0.62, 1.0)
CLASS_LETTERS = 16  # of the name of a class
CLASS_ROOM = 145  # pixels
MAP_POINTS = 20_000  # points of a map that are drawn
MAP_TILE = 30  # pixels of an image on a map


def draw_map(
    points: np.ndarray,
    names: tuple[str, str],
    tiles: Mapping[int, np.ndarray],
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
) -> Figure:
    """Return a map of points (N, 2), coloured by class, with some of the images on it.

    Its axes have `names`. `tiles` holds images, uint8 (H, W, C), by the index of their point;
    `labels` are integers (N,), indices into `classes`, or below 0 for unlabelled images, which are
    grey.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    named = labels is not None and len(classes) <= NAMED_CLASSES
    palette = "tab20" if named else "hsv"
    if len(classes) <= 10:
        palette = "tab10"
    shades = colormaps[palette]
    colours = np.full((len(points), 4), (0.04, 0.41, 0.85, 1.0))
    has_unlabelled = labels is not None and bool((labels < 0).any())
    if labels is not None:
        colours = shades(labels if named else labels / len(classes))
        colours[labels < 0] = UNLABELLED_COLOUR
    figure = Figure(figsize=(10, 10))
    figure.subplots_adjust(left=0.09, right=0.8 if named else 0.98, top=0.98, bottom=0.06)
    axes = figure.add_subplot()
    shown = np.random.default_rng(0).permutation(len(points))[:MAP_POINTS]  # no class always on top
    axes.scatter(*points[shown].T, s=14, c=colours[shown], linewidths=0, alpha=0.7)
    for index, pixels in tiles.items():
        _place(axes, pixels, points[index], colours[index])
    if named:
        entries = [(name, shades(index)) for index, name in enumerate(classes)]
        if has_unlabelled:
            entries.append((UNLABELLED, UNLABELLED_COLOUR))
        _name_classes(figure, axes, entries)
    elif labels is not None:
        title = f"{len(classes)} classes, too many to name: one hue each"
        title += f"; {UNLABELLED} images are grey" if has_unlabelled else ""
        axes.set_title(title, color=INK, fontsize=10, y=0.98)
    axes.set_xlabel(names[0], color=INK)
    axes.set_ylabel(names[1], color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _name_classes(
    figure: Figure, axes: Axes, entries: Sequence[tuple[str, tuple[float, ...]]]
) -> None:
    """Put a legend at the right: names and colours, in smaller letters where they are wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    handles = [axes.scatter([], [], color=colour) for _, colour in entries]
    places = [str(place) for place in range(len(entries))]
    style = {"fontsize": 9, "frameon": False, "labelcolor": INK}
    legend = axes.legend(handles, places, loc="upper left", bbox_to_anchor=(1, 1), **style)
    renderer = FigureCanvasAgg(figure).get_renderer()
    # As labels, "_a" is skipped and "$a$" a formula.
    for text, (name, _) in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(shortened(name, CLASS_LETTERS))
        text.set_fontsize(9 * min(1, CLASS_ROOM / max(1, text.get_window_extent(renderer).width)))


def _place(axes: Axes, pixels: np.ndarray, point: np.ndarray, colour: np.ndarray) -> None:
    """Put an image on a point, in a frame of its class's colour."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    scale = MAP_TILE / max(pixels.shape[:2])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    picture = OffsetImage(
        np.asarray(draw_tile(pixels, size).convert("RGB")),
        zoom=1,
        interpolation="nearest",
        dpi_cor=False,
    )
    frame = {"edgecolor": colour, "linewidth": 1.5}
    axes.add_artist(AnnotationBbox(picture, tuple(point), pad=0.05, bboxprops=frame))
