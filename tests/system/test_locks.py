"""Two processes at one file: one writes, the other waits or is refused; what is read is whole."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoencode import AutoencodeError, Config, data
from autoencode.comparison import compare
from autoencode.data import store
from autoencode.data.choice import choose_plan
from autoencode.data.packing import packing_fingerprint
from autoencode.system import files

PICTURES = 300

# A child that loads a folder through a store of the cache, and packs it slowly where it is told to.
LOAD = """
import sys, time
import numpy as np
from autoencode import Config, data
from autoencode.data import loading, store

loading.MEMORY_SHARE = 0
store.JOURNAL_SECONDS = 0
seconds = float(sys.argv[3])

def progress(done, total):
    print("done", done, flush=True)
    time.sleep(seconds)

images = data.load(sys.argv[1], Config(), progress)
np.savez(sys.argv[2], train=images.train, test=images.test)
print(images.notes[-1])
"""


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pics"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 12, 12), "uint8")
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


def start(*words: str, cwd: Path) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = os.environ | {"XDG_CACHE_HOME": str(cwd / "cache")}
    return subprocess.Popen([sys.executable, *words], cwd=cwd, env=env, **pipes)


def check_loaded(path: Path, folder: Path) -> None:
    expected = data.load(str(folder), Config())
    with np.load(path) as found:
        np.testing.assert_array_equal(found["train"], expected.train)
        np.testing.assert_array_equal(found["test"], expected.test)


def test_of_two_packings_of_one_file_one_writes(tmp_path, pictures):
    words = ("-m", "autoencode", "pack", "pics", "p.store", "--size")
    sizes = ("64", "32")
    both = [start(*words, size, cwd=tmp_path) for size in sizes]
    results = [process.communicate(timeout=60) for process in both]
    statuses = [process.returncode for process in both]
    assert sorted(statuses) == [0, 1]
    won = statuses.index(0)
    _, told = results[1 - won]
    assert len(told.splitlines()) == 1
    assert "is being packed by another process" in told or "is there already" in told
    expected = data.load(str(pictures), Config(size=sizes[won]))
    np.testing.assert_array_equal(store.open_store(tmp_path / "p.store").train, expected.train)
    assert {path.name for path in tmp_path.iterdir()} == {"pics", "p.store"}


def test_a_second_packing_says_who_holds_the_file(tmp_path):
    path = tmp_path / "p.store"
    hold = (
        "import sys; from pathlib import Path; from autoencode.data import store\n"
        "writer = store.Writer(Path(sys.argv[1]), 'one'); print(1, flush=True); input()"
    )
    words = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
        with pytest.raises(AutoencodeError, match=rf"by another process \(process {holder.pid}\)"):
            store.Writer(path, "two")
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
        holder.kill()
    store.Writer(path, "two").close()  # the lock died with its owner


def test_a_packing_that_was_overtaken_replaces_nothing(tmp_path):
    first = store.Writer(tmp_path / "p.store", "one")
    first.add(np.ones((3, 2, 2, 1), "uint8"), 3, [])
    first.finish(store.Contents("ones", (2, 2, 1), {"train": 2, "test": 1}))
    with pytest.raises(store.Finished, match="is there already"):
        store.Writer(tmp_path / "p.store", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["p.store"]


def test_of_two_loads_of_a_large_set_one_packs_and_the_other_waits(tmp_path, pictures):
    first = start("-c", LOAD, "pics", "first.npz", "0.3", cwd=tmp_path)
    assert first.stdout.readline().startswith("done")
    second = start("-c", LOAD, "pics", "second.npz", "0", cwd=tmp_path)
    line = second.stderr.readline()  # while it waits
    assert line.startswith("waiting for another process that packs ")
    assert line.endswith(f"(process {first.pid})\n")
    assert first.poll() is None
    _, first_errors = first.communicate(timeout=60)
    second_told, second_errors = second.communicate(timeout=60)
    assert (first.returncode, first_errors) == (0, "")
    assert (second.returncode, second_errors) == (0, "")
    assert "taken from" in second_told
    assert "done" not in second_told  # it decoded nothing
    for name in ("first.npz", "second.npz"):
        check_loaded(tmp_path / name, pictures)
    assert len(list((tmp_path / "cache" / "autoencode" / "stores").iterdir())) == 1


def test_where_the_first_is_killed_the_second_goes_on_from_its_journal(tmp_path, pictures):
    first = start("-c", LOAD, "pics", "first.npz", "0.3", cwd=tmp_path)
    for _ in range(2):
        packed = int(first.stdout.readline().split()[1])
    second = start("-c", LOAD, "pics", "second.npz", "0", cwd=tmp_path)
    assert second.stderr.readline().startswith("waiting")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    told, errors = second.communicate(timeout=60)
    assert (second.returncode, errors) == (0, "")
    assert "packed into" in told
    assert int(told.split()[1]) > packed // 2  # the first chunk was not decoded again
    check_loaded(tmp_path / "second.npz", pictures)
    assert len(list((tmp_path / "cache" / "autoencode" / "stores").iterdir())) == 1


def test_the_command_says_while_it_waits_that_it_does(tmp_path, pictures, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = data.open_dataset(str(pictures))
    choice = choose_plan(rows, Config())
    name = f"pics-{packing_fingerprint(rows, choice)[:16]}.store"
    path = tmp_path / "cache" / "autoencode" / "stores" / name
    path.parent.mkdir(parents=True)
    code = (
        "from autoencode.data import loading; loading.MEMORY_SHARE = 0\n"
        "from autoencode.cli import main; main()"
    )
    with store.lock_store(path):
        looking = start("-c", code, "look", "pics", cwd=tmp_path)
        ended = threading.Timer(60, looking.kill)  # it would wait for this process for ever
        ended.start()
        line = looking.stdout.readline()
        ended.cancel()
        assert line == f"waiting for another process that packs {path} (process {os.getpid()})\n"
        time.sleep(0.5)
        assert looking.poll() is None
    told, errors = looking.communicate(timeout=60)
    assert (looking.returncode, errors) == (0, "")
    assert "packed into" in told


def test_a_comparison_tells_at_once_that_its_process_waits(caplog):
    lines = ["a warning\n", "waiting for another process that packs a.store (process 7)\n", "end\n"]
    assert compare._read_errors(iter(lines)) == lines
    assert caplog.messages == [lines[1].strip()]


def test_ctrl_c_ends_a_process_that_waits(tmp_path):
    code = (
        "import sys; from pathlib import Path; from autoencode.data import store\n"
        "with store.lock_store(Path(sys.argv[1]), wait=True): pass"
    )
    with store.lock_store(tmp_path / "p.store"):
        waiting = start("-c", code, str(tmp_path / "p.store"), cwd=tmp_path)
        assert waiting.stderr.readline().startswith("waiting")
        waiting.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in waiting.communicate(timeout=30)[1]
        assert (tmp_path / "p.store.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_holds_the_number_of_its_owner_as_long_as_it_holds(tmp_path):
    path = tmp_path / "lock"
    with files.locked(path):
        assert files.lock_owner(path) == os.getpid()
        with pytest.raises(BlockingIOError), files.locked(path):
            pass
        assert files.lock_owner(path) == os.getpid()
    assert files.lock_owner(path) is None
    with files.locked(path, remove=True):
        pass
    assert not path.exists()


def test_a_file_of_other_content_is_no_lock_and_stays(tmp_path):
    path = tmp_path / "lock"
    path.write_text("a page of notes")
    with pytest.raises(OSError, match="a file of other content is there"), files.locked(path):
        pass
    assert path.read_text() == "a page of notes"
