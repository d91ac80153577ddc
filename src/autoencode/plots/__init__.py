"""Arrays become figures: grids of images by Pillow, charts by Matplotlib."""
