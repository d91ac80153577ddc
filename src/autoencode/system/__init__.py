"""Whole files, locks, memory maps, markers of output, signals. Knows nothing of images."""
