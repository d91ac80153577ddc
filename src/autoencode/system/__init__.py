"""Whole files and locks, memory maps, markers of output, signals. Knows nothing else of the project."""
