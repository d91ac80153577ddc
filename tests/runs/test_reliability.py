"""No work is lost and no harm done.

Resuming bit for bit, kills, failing writes, damaged and hostile files.
The functions are those of tests/robustness/faults.py, which runs them many more times.
"""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import faults
import fuzzing
import hostile
import numpy as np
import pytest

from autoencode import (
    AutoencodeError,
    Config,
    Images,
    UsageError,
    engines,
    pipeline,
    runs,
    training,
)
from autoencode.data import store
from autoencode.runs import checkpoints, listing, resume, schema
from autoencode.system import files
from autoencode.training import batches, loop, planning


@pytest.fixture(scope="module", autouse=True)
def one_engine():
    with faults.one_engine():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return pipeline.run(faults.IMAGES, faults.CONFIG, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def single_steps(monkeypatch):
    monkeypatch.setattr(loop, "Pace", lambda: SimpleNamespace(steps=1, measure=lambda *_: None))


def prepare(images, config=faults.CONFIG):
    return pipeline.prepare(pipeline.check_job(images, config))


def stop(events: int, folder: Path, images=faults.IMAGES) -> Path:
    """Train until so many events have passed."""
    with runs.claim(folder, "noise") as path:
        recorded = pipeline.record(prepare(images, faults.CONFIG), path)
        for _ in range(events):
            next(recorded)
        recorded.close()
    return path


# Within an epoch, before its evaluation, after it, in the next one, at the last step.
@pytest.mark.parametrize("events", [1, 5, 6, 8, 17])
def test_a_stopped_training_goes_on_bit_for_bit(whole, tmp_path, single_steps, events):
    folder = stop(events, tmp_path / "run")
    assert runs.Run.open(folder).state()["state"] == "stopped"
    assert pipeline.resume(folder, source=faults.IMAGES) == folder
    assert faults.difference(whole, folder) == []
    assert runs.Run.open(folder).state()["state"] == "finished"


def test_it_does_so_on_tensorflow_too():
    words = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "goes_on_bit_for_bit"]
    env = os.environ | {"AUTOENCODE_TESTED_ENGINE": "tensorflow"}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=env)
    assert "5 passed" in done.stdout, done.stdout


def packed(pixels: np.ndarray, path: Path) -> Images:
    """A packed store of images to train on, of which the first nine test."""
    writer = store.Writer(path, "noise")
    rows = np.concatenate([pixels, pixels[:9]])
    writer.add(rows, len(rows), [])
    return writer.finish(
        store.Contents("noise", pixels.shape[1:], {"train": len(pixels), "test": 9})
    )


def test_a_training_out_of_a_file_goes_on_within_a_window(tmp_path, single_steps, monkeypatch):
    monkeypatch.setattr(batches, "WINDOW_BYTES", 32 * 30)
    images = packed(faults.PIXELS, tmp_path / "noise.store")
    whole = pipeline.run(images, faults.CONFIG, tmp_path / "whole")
    folder = stop(9, tmp_path / "run", images)  # in the second of three windows
    pipeline.resume(folder, source=images)
    assert faults.difference(whole, folder) == []


@pytest.mark.parametrize("place", [20, -1])
def test_from_a_damaged_checkpoint_it_falls_back_to_the_one_before(
    whole, tmp_path, single_steps, place
):
    folder = stop(14, tmp_path / "run")  # in the third epoch
    (newest,) = [
        path for path in folder.glob("checkpoint/*") if checkpoints._read(path).notes["step"]
    ]
    content = bytearray(newest.read_bytes())
    content[place] ^= 1
    newest.write_bytes(content)
    _, resumed = resume.plan_resume(runs.Run.open(folder))
    # The newest waiting checkpoint is written, not every one.
    assert resumed.position.number in (
        2,
        3,
    )
    assert resumed.position.step == 0
    assert (
        f"{newest} is damaged (checksum mismatch): resuming from the other checkpoint"
        in resumed.notes
    )
    pipeline.resume(folder, source=faults.IMAGES)
    assert faults.difference(whole, folder) == []


def test_with_both_checkpoints_damaged_it_says_so_and_changes_nothing(tmp_path):
    folder = stop(8, tmp_path / "run")
    for path in folder.glob("checkpoint/*"):
        path.write_bytes(path.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(AutoencodeError, match="train into a new folder"):
        pipeline.resume(folder, source=faults.IMAGES)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_more_epochs_go_on_from_the_last(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    with pytest.raises(UsageError, match="has all of its 3 epochs"):
        pipeline.resume(folder, source=faults.IMAGES)
    with pytest.raises(UsageError, match="`epochs=2` is less than the 3"):
        pipeline.resume(folder, 2, source=faults.IMAGES)
    _, resumed = resume.plan_resume(runs.Run.open(folder), 4)
    assert any("cosine schedule now ends after epoch 4" in note for note in resumed.notes)
    pipeline.resume(folder, 4, source=faults.IMAGES)
    run = runs.Run.open(folder)
    assert len(run.metrics()) == run.record["settings"]["epochs"] == 4
    assert run.metrics()[:3] == runs.Run.open(whole).metrics()
    assert "--epochs 4" in run.record["command"]


def test_other_images_are_refused(tmp_path):
    folder = stop(3, tmp_path / "run")
    others = faults.PIXELS.copy()
    others[::2, 3, 2] ^= 1
    with pytest.raises(AutoencodeError, match="with other pixels"):
        pipeline.resume(folder, source=Images("noise", others, others[:9]))
    with pytest.raises(AutoencodeError, match="trained on noise, which is not there"):
        pipeline.resume(folder)


def test_a_folder_that_another_process_has_is_refused(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from autoencode.system import files\n"
        "with files.locked(Path(sys.argv[1])): print(1, flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(folder / "lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(AutoencodeError, match="in use by another process"):
            pipeline.resume(folder, 4, source=faults.IMAGES)
        assert [one.state for one in listing.list_runs(tmp_path)] == ["training"]
        holder.kill()
    assert not files.is_locked(folder / "lock")  # it died with its owner


def test_a_refused_process_leaves_the_lock_of_the_other(tmp_path):
    with runs.claim(tmp_path / "run", "noise") as path:
        with (
            pytest.raises(AutoencodeError, match="in use by another process"),
            runs.claim(path, "noise"),
        ):
            pass
        assert files.is_locked(path / "lock")
    assert not (tmp_path / "run").exists()


def test_a_lock_that_was_removed_meanwhile_is_none(tmp_path, monkeypatch):
    lock = files._lock

    def remove_and_lock(file):
        (tmp_path / "lock").unlink()  # as its earlier owner does at its end
        lock(file)

    monkeypatch.setattr(files, "_lock", remove_and_lock)
    with pytest.raises(BlockingIOError), files.locked(tmp_path / "lock"):
        pass


def test_a_resume_that_is_refused_leaves_the_folder_as_it_was(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    path = folder / "arrays" / "reconstructions1.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(AutoencodeError, match=r"reconstructions1.npy is damaged"):
        pipeline.resume(folder, 5, source=faults.IMAGES)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after.keys() - {folder / "lock"} == before.keys() - {folder / "lock"}
    assert all(after[path] == content for path, content in before.items())


def test_a_checkpoint_that_cannot_be_written_ends_the_run_as_failed(tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints, "rotate_checkpoint", fill)
    with pytest.raises(AutoencodeError, match=r"No space left on device.*`resume`"):
        pipeline.run(faults.IMAGES, faults.CONFIG, tmp_path / "run")
    (listed,) = listing.list_runs(tmp_path)
    assert (listed.state, "No space left" in listed.why) == ("failed", True)


def test_what_hangs_is_ended_by_a_second_signal():
    code = (
        "import time; from autoencode.system import signals\n"
        "signals.GRACE = 0.2\n"
        "with signals.noted('last words') as received: print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None  # the first one waits
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "last words\n")
        assert process.returncode == 130


def test_words_of_a_record_steer_no_terminal(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    state = {"state": "failed", "why": "a\x1b[2Jb\nrun2  finished", "epochs": 3}
    (folder / "state.json").write_text(json.dumps(schema.seal(state)))
    words = [sys.executable, "-m", "autoencode", "runs", str(tmp_path)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith(r"a\x1b[2Jb\nrun2  finished")


def test_a_name_that_is_no_text_is_trained_on(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.npy")
    np.save(path, faults.PIXELS)
    folder = pipeline.run(path, dataclasses.replace(faults.CONFIG, epochs=1), tmp_path / "run")
    assert (
        r"bad\xff"
        in runs.Run.open(folder)
        .record["source"]
        .encode("utf-8", "surrogateescape")
        .decode("latin-1")
        .encode("unicode_escape")
        .decode()
    )
    assert (folder / "report.html").exists()


def test_runs_are_listed_with_what_became_of_them(whole, tmp_path, single_steps):
    shutil.copytree(whole, tmp_path / "finished")
    stop(8, tmp_path / "stopped")
    killed = shutil.copytree(tmp_path / "stopped", tmp_path / "killed")
    (killed / "state.json").write_text(
        json.dumps(schema.seal({"state": "training", "why": "", "epochs": 0}))
    )
    damaged = shutil.copytree(whole, tmp_path / "unreadable")
    (damaged / "config.json").write_text("{}")
    found = {one.name: (one.state, one.epoch, one.epochs) for one in listing.list_runs(tmp_path)}
    assert found == {
        "finished": ("finished", 3, 3),
        "stopped": ("stopped", 1, 3),
        "killed": ("killed", 1, 3),
        "unreadable": ("damaged", 0, 0),
    }


def test_a_folder_that_vanishes_is_told_and_not_made_again(tmp_path):
    def train_and_move(path):
        for event in pipeline.record(prepare(faults.IMAGES, faults.CONFIG), path):
            if isinstance(event, training.Epoch) and path.exists():
                path.rename(tmp_path / "gone")  # at once, while a thread may be drawing in it

    with (
        runs.claim(tmp_path / "run", "noise") as path,
        pytest.raises(AutoencodeError, match="could not write"),
    ):
        train_and_move(path)
    assert not path.exists()


class Descent:
    """An engine of one weight that steps towards 3 on a parabola.

    It diverges at any learning rate above 1.
    """

    name, device, model = "descent", "paper", None

    def __init__(self, rate: float) -> None:
        self.weight, self.rate = np.float64(0), np.float64(rate)

    def place(self, array):
        return array

    def compile(self, *_):
        pass

    def train(self, images, order, first, steps, batch_size, total):
        for _ in range(steps):
            total += float((self.weight - 3) ** 2 * batch_size)
            self.weight -= self.rate * 2 * (self.weight - 3)
        return total

    def reconstruct(self, images):
        count = len(images)
        errors = np.full(count, (self.weight - 3) ** 2, np.float32)
        return engines.Reconstruction(images, errors, np.zeros((count, 1), np.float32), 0.0, 1.0)

    def update_model(self):
        pass

    def state(self):
        return [np.array(self.weight), np.array(self.rate)]

    def restore(self, state):
        self.weight, self.rate = (np.float64(value) for value in state)

    def scale_learning_rate(self, factor):
        self.rate *= factor


# At 1.1 each step multiplies the loss by 1.44: beyond ten times within an epoch of 18 steps, by two
# within one of 2.
@pytest.mark.parametrize(
    ("batch_size", "epoch", "where"), [(4, 1, "the start"), (35, 2, "the end of epoch 1")]
)
def test_an_exploding_loss_goes_back_and_halves_the_learning_rate(batch_size, epoch, where):
    engine = Descent(rate=1.1)
    events = list(
        training.train(
            engine, faults.IMAGES, planning.resolve(Config(epochs=4, batch_size=batch_size))
        )
    )
    setbacks = [event for event in events if isinstance(event, training.Rollback)]
    epochs = [event for event in events if isinstance(event, training.Epoch)]
    assert engine.rate == 0.55
    assert [event.position.number for event in setbacks] == [epoch]
    assert f"back to {where}, at half the learning rate (1 of 3)" in str(setbacks[-1])
    assert [one.number for one in epochs] == [1, 2, 3, 4]
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].position.setbacks == tuple(event.what for event in setbacks)


@pytest.mark.parametrize(("warm_up", "explodes"), [(0.0, True), (3.0, False)])
def test_a_variational_term_that_warms_up_is_no_explosion(warm_up, explodes):
    config = planning.resolve(Config(variational=1.0, warm_up=warm_up))
    position = training.Position(3, first=0.2, losses=(0.1, 0.3))
    assert bool(loop._diverged(0.9, position, training.warming_up(config))) == explodes
    beginning = training.Position(1, first=0.2)
    assert bool(loop._diverged(9.0, beginning, training.warming_up(config))) == explodes


def test_a_saturated_model_has_exploded():
    assert loop._diverged(0.333, training.Position(2, first=0.23, losses=(0.231,)), 0)
    assert not loop._diverged(0.28, training.Position(2, first=0.23, losses=(0.231,)), 0)


def test_after_three_halvings_it_fails_at_the_last_good_epoch():
    engine = Descent(rate=1e200)
    with np.errstate(all="ignore"), pytest.raises(training.Diverged, match="halved 3 times"):
        list(
            training.train(engine, faults.IMAGES, planning.resolve(Config(epochs=4, batch_size=16)))
        )
    assert engine.weight == 0


def test_a_loss_that_is_no_number_is_told_and_recorded(tmp_path, single_steps, monkeypatch):
    spoiled, train = [], batches.Resident.train

    def spoil(self, first, steps, batch_size, total):
        total = train(self, first, steps, batch_size, total)
        if first == 32 and len(spoiled) < 2:
            spoiled.append(first)
            return total if len(spoiled) == 1 else float("nan")  # in the second epoch
        return total

    monkeypatch.setattr(batches.Resident, "train", spoil)
    events = list(pipeline.record(prepare(faults.IMAGES, faults.CONFIG), tmp_path))
    (setback,) = [event for event in events if isinstance(event, training.Rollback)]
    assert setback.what == "epoch 2: the loss became nan"
    run = runs.Run.open(tmp_path)
    assert len(run.metrics()) == 3
    assert "epoch 2: the loss became nan" in run.findings()[0]["what"]
    assert "epoch 2: the loss became nan" in (tmp_path / "report.html").read_text("utf-8")


def test_memory_that_runs_out_is_one_line_and_earlier_epochs_stay(tmp_path, monkeypatch):
    def fill(self, *_):
        raise MemoryError

    training_ = prepare(faults.IMAGES, faults.CONFIG)
    recorded = pipeline.record(training_, tmp_path)
    for event in recorded:
        if isinstance(event, training.Epoch):
            monkeypatch.setattr(batches.Resident, "train", fill)
            break
    with pytest.raises(AutoencodeError, match="`batch_size` below 16"):
        list(recorded)
    assert faults.damaged_files(tmp_path) == []
    assert runs.Run.open(tmp_path).state()["state"] == "failed"
    assert len(runs.Run.open(tmp_path).metrics()) == 1
    monkeypatch.undo()
    pipeline.resume(tmp_path, source=faults.IMAGES)
    assert len(runs.Run.open(tmp_path).metrics()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_an_epoch_keeps_its_chunks(tmp_path, number):
    np.save(tmp_path / "images.npy", np.zeros((60_000, 8, 8), np.uint8))
    words = ["images.npy", "--batch-size", "8", "--epochs", "2", "--run", "run"]
    process = faults._train(tmp_path, *words)
    # The first epoch has begun.
    faults._wait_for(process, tmp_path / "run" / "checkpoint" / "0.checkpoint")
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    (line,) = errors.splitlines()
    assert line.startswith("autoencode: stopped early, after step ")
    assert line.endswith("go on with: autoencode train --resume run")
    checkpoint, _ = checkpoints.read_newest_checkpoint(tmp_path / "run" / "checkpoint")
    assert f"after step {checkpoint.notes['step']} of epoch 1;" in line
    assert checkpoint.notes["step"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once_and_loses_nothing_that_is_told(tmp_path, number):
    np.save(
        tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (6_000, 8, 8), "uint8")
    )
    words = ["images.npy", "--model", "article", "--batch-size", "8", "--epochs", "4", "--quiet"]
    faults._train(tmp_path, *words, "--run", "whole").communicate(timeout=60)
    process = faults._train(tmp_path, *words, "--run", "run")
    # From now on there is a folder to finish.
    faults._wait_for(process, tmp_path / "run" / "metrics.jsonl")
    process.send_signal(number)
    line = process.stderr.readline()
    process.send_signal(number)
    assert process.communicate(timeout=60) == (None, "")
    assert process.returncode == -number  # a shell shows 128 and the number
    run = runs.Run.open(tmp_path / "run")
    assert run.state()["state"] == "stopped"
    assert not (run.folder / "report.html").exists()
    resumed = resume.plan_resume(run)[1]
    assert (
        f"after step {resumed.position.step} of epoch" in line
        or f"after epoch {resumed.position.number - 1};" in line
    )
    faults._train(tmp_path, "--resume", "run", "--quiet").communicate(timeout=60)
    assert faults.difference(tmp_path / "whole", run.folder) == []


def test_resume_takes_no_setting_of_its_own(tmp_path, monkeypatch):
    from autoencode import cli

    monkeypatch.setattr(
        sys, "argv", ["autoencode", "train", "--resume", str(tmp_path), "--code", "4"]
    )
    with pytest.raises(
        UsageError,
        match=r"takes --epochs, --quiet and --json alone, .*, received --code",
    ):
        cli.app(sys.argv[1:], exit_on_error=False, print_error=False)


def test_killed_at_a_random_moment_it_goes_on_to_the_same_end():
    found = faults.kill(2)
    assert found["differing"] == []


def test_a_write_that_fails_leaves_whole_files_and_a_run_to_go_on_with():
    found = faults.writes(8)
    assert found["wrong"] == []
    assert found["told"]["one line"] > 5


def test_damage_is_told_or_harmless():
    found = faults.damage(40)
    assert found["wrong"] == []
    assert len(found["outcomes"]) >= 4


def test_hostile_files_run_nothing_and_fill_nothing():
    slow = {
        name
        for name in hostile.CASES
        if "bomb" in name or "limit" in name or "large" in name or "gz" in name
    }
    found = faults.judge(
        [name for name in hostile.CASES if name not in slow]
        + ["idx_bomb", "png_at_the_limit_of_pixels"]
    )
    assert found["wrong"] == []
    assert found["trials"] >= 60


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="Atheris has wheels for Linux on x86-64 alone"
)
def test_fuzzed_files_are_told_or_read():
    found = fuzzing.fuzz(8, together=True)
    (told,) = found["readers"].values()
    assert found["wrong"] == []
    assert told["inputs"] > 100
    assert told["kept"] > len(fuzzing.READERS)  # some reached what the whole files do not
