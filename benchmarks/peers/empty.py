"""An empty Cyclopts application, what `autoencode --help` is held against."""

from cyclopts import App

App(name="empty", help="Do nothing.")()
