"""The commands that show what is there: show, runs and models."""

from __future__ import annotations

from pathlib import Path

from autoencode.cli.screen import app
from autoencode.errors import printable


@app.command
def show(run: Path) -> None:
    """Make pictures, GIF, curve and report of a run again from its folder.

    Parameters
    ----------
    run
        Folder of a run.
    """
    from autoencode import runs
    from autoencode.runs import render

    with runs.reclaim(run) as opened:  # another process may be drawing in it
        render.render_run(opened)
    print(f"drawn again in {run}: see report.html and output.gif")


@app.command(name="runs")
def list_runs(folder: Path = Path("runs")) -> None:
    """List runs: state, epochs, losses and when each was last active.

    Parameters
    ----------
    folder
        Folder that holds folders of runs.
    """
    from autoencode.runs import listing

    found = listing.list_runs(folder)
    width = max((len(one.name) for one in found), default=3)
    print(f"{'run':{width}}  {'state':8} {'epoch':>9} {'loss':>8} {'val_loss':>8}  last active")
    for one in found:
        epoch = f"{one.epoch}/{one.epochs}" if one.epochs else ""
        losses = " ".join(
            f"{'' if loss is None else f'{loss:.4f}':>8}" for loss in (one.loss, one.val_loss)
        )
        seen = f"{one.seen:%Y-%m-%d %H:%M:%S}" if one.seen else ""
        line = f"{one.name:{width}}  {one.state:8} {epoch:>9} {losses}  {seen}  {one.why}".rstrip()
        print(printable(line))


@app.command
def models() -> None:
    """List the models, with parameters and errors measured on MNIST at a code of 16."""
    from autoencode.models import ARCHITECTURES, measured

    print(f"{'model':9} {'parameters':>12} {'test MSE':>10}")
    for name, architecture in ARCHITECTURES.items():
        found = measured(name)
        error = "not yet" if found["mse"] is None else f"{found['mse']:.5f}"
        print(
            f"{name:9} {found['parameters']:12,} {error:>10}  "
            f"{architecture.summary}; {found['recipe']}"
        )
