"""`python -m autoencode` is the command."""

from autoencode.cli import main

main()
