"""The entry point: runs a command and exits.

A file beside this one holds the commands of one kind; all of them are imported here, and none
imports a framework.
"""

from __future__ import annotations

import os
import sys
import warnings

from cyclopts import CycloptsError

from autoencode.cli import (  # noqa: F401 - each adds its commands
    anomalies,
    comparison,
    encoding,
    generation,
    info,
    listing,
    projection,
    reconstruction,
    sources,
    training,
)
from autoencode.cli.options import with_options
from autoencode.cli.screen import app
from autoencode.errors import AutoencodeError, UsageError, reason
from autoencode.system import signals


def main() -> None:
    """Run the command and exit: 0, 1 for an error, 2 for an invalid call, 130 for Ctrl-C."""
    # Warnings of odd tags in pictures that can be read all the same.
    warnings.filterwarnings("ignore", module="PIL")
    # A compiled program that is broken is compiled again.
    warnings.filterwarnings("ignore", ".*persistent compilation cache")
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(UsageError(f"{' '.join(str(error).split())} See: autoencode --help"))
    except AutoencodeError as error:
        _fail(error)
    except KeyboardInterrupt as error:
        print("autoencode: interrupted", file=sys.stderr, flush=True)
        # Threads that load would be waited for, deaf to another Ctrl-C.
        os._exit(signals.exit_status(error))
    except (
        BrokenPipeError
    ):  # whoever read our lines has gone, as `head` does; what follows must not be written either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a name that is too long, a disk that is gone
        _fail(AutoencodeError(f"{error.filename or 'a file'} cannot be used: {reason(error)}."))


def _fail(error: AutoencodeError) -> None:
    print(f"autoencode: {with_options(str(error))}", file=sys.stderr)
    sys.exit(error.exit_status)
