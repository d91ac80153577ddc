"""The article's pictures and GIF by matplotlib, as every peer draws them."""

import os

import matplotlib.pyplot as plt
from matplotlib import animation


def save_example(folder, epoch, originals, redrawn):
    figure = plt.figure(figsize=(18, 4))
    for column in range(10):
        for row, images in enumerate((originals, redrawn)):
            axes = figure.add_subplot(2, 10, row * 10 + column + 1)
            axes.imshow(images[column], cmap="gray")
            axes.set_axis_off()
    figure.savefig(os.path.join(folder, f"example{epoch}.png"), dpi=100)
    plt.close(figure)


def save_animation(folder, epochs):
    figure = plt.figure(figsize=(18, 4))
    plt.axis("off")
    frames = [
        [plt.imshow(plt.imread(os.path.join(folder, f"example{epoch}.png")), animated=True)]
        for epoch in range(epochs)
    ]
    animation.ArtistAnimation(figure, frames, interval=1000, blit=True).save(
        os.path.join(folder, "output.gif"), writer=animation.PillowWriter(fps=1)
    )
