"""Planted links, texts that a program would obey, files of others, true causes of failures."""

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoencode import AutoencodeError, Config, Images, data, errors, pipeline, runs
from autoencode.cli import file_formats, screen
from autoencode.comparison import entries
from autoencode.data import store
from autoencode.inference import code_files
from autoencode.runs import cleanup, schema
from autoencode.system import files

# Temporary names


def test_a_temporary_file_is_new_and_its_name_cannot_be_guessed(tmp_path):
    names = set()
    for _ in range(20):
        with files.replacing(tmp_path / "a.png") as temporary:
            assert temporary.read_bytes() == b""
            names.add(temporary.name)
            assert files.is_temporary(temporary.name)
            assert temporary.suffix == ".png"
    assert len(names) == 20
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_planted_link_at_a_temporary_name_is_not_followed(tmp_path, monkeypatch):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / f".{os.getpid()}.a.png").symlink_to(target)  # as these names were once
    with files.replacing(tmp_path / "a.png") as temporary:
        temporary.write_text("new")
    assert target.read_text() == "mine"
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    planted = tmp_path / f".{os.getpid()}.guessed.b.png"
    planted.symlink_to(target)
    with pytest.raises(FileExistsError), files.replacing(tmp_path / "b.png"):
        pass
    assert target.read_text() == "mine"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        files.create(dangling)
    assert not (tmp_path / "nowhere").exists()


def test_a_name_as_long_as_the_disk_allows_can_be_replaced(tmp_path):
    for name in ("n" * 251 + ".png", "字" * 83 + ".png"):
        with files.replacing(tmp_path / name) as temporary:
            temporary.write_text("new")
        assert (tmp_path / name).read_text() == "new"


def test_what_a_killed_process_began_to_write_is_removed_on_going_on(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 1), "uint8")
    images, config = Images("noise", pixels, pixels[:12]), Config(epochs=1, batch_size=16, code=4)
    folder = pipeline.run(images, config, tmp_path / "run")
    begun = [".123.example1.png", ".123.0123456789abcdef.example1.png", "arrays/.123.a.npy"]
    kept = [".autoencode", ".hidden"]
    for name in (*begun, ".hidden"):
        (folder / name).write_text("begun")
    pipeline.resume(folder, 2, source=images)
    assert [name for name in begun if (folder / name).exists()] == []
    assert [name for name in kept if (folder / name).exists()] == kept


def black_store(path: Path) -> Images:
    writer = store.Writer(path, "black")
    writer.add(np.zeros((3, 2, 2, 1), "uint8"), 3, [])
    return writer.finish(store.Contents("black", (2, 2, 1), {"train": 2, "test": 1}))


def plant_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def plant_hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def plant_pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def plant_folder(path: Path, _: Path) -> None:
    path.mkdir()


def plant_file(path: Path, _: Path) -> None:
    path.write_text("half a download")


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (plant_link, "a symbolic link is there, which is not followed"),
        (plant_hard_link, "a file is there that has another name too"),
        (plant_pipe, "something is there that is not a regular file"),
        (plant_folder, "directory"),
        (plant_file, "is no store that was begun"),
    ],
)
def test_a_begun_store_that_is_none_of_ours_is_refused_and_stays(tmp_path, plant, told):
    target = tmp_path / "target"
    target.write_text("mine")
    part = tmp_path / "a.store.part"
    plant(part, target)
    before = os.lstat(part)
    with pytest.raises(AutoencodeError, match=told) as raised:
        black_store(tmp_path / "a.store")
    assert "a.store.part" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert target.read_text() == "mine"
    after = os.lstat(part)
    for name in ("st_ino", "st_size", "st_mode"):
        assert getattr(after, name) == getattr(before, name)
    assert set(os.listdir(tmp_path)) == {"target", "a.store.part"}


def test_a_begun_store_of_another_user_is_refused(tmp_path, monkeypatch):
    store.Writer(tmp_path / "a.store", "black").close()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(AutoencodeError, match=r"part \(a file of another user is there\)"):
        black_store(tmp_path / "a.store")


@pytest.mark.parametrize("name", ["a.store.lock", "a.store.journal"])
def test_a_planted_link_beside_a_store_is_not_followed(tmp_path, name):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / name).symlink_to(target)
    if name.endswith(".lock"):
        with pytest.raises(AutoencodeError, match="symbolic link"):
            black_store(tmp_path / "a.store")
    else:
        assert len(black_store(tmp_path / "a.store").train) == 2
    assert target.read_text() == "mine"


def test_a_pipe_at_the_name_of_a_journal_is_not_waited_for(tmp_path):
    store.Writer(tmp_path / "a.store", "black").close()
    (tmp_path / "a.store.journal").unlink()
    os.mkfifo(tmp_path / "a.store.journal")
    code = (
        "from pathlib import Path; from autoencode.data import store\n"
        "print(store.Writer(Path('a.store'), 'black').done)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        words, check=True, cwd=tmp_path, timeout=30, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout == "0\n"


def test_a_planted_lock_of_a_run_is_not_followed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "target").touch()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(AutoencodeError, match="symbolic link"):  # noqa: SIM117
        with runs.claim(tmp_path / "run", "noise"):
            pass
    assert (tmp_path / "target").read_bytes() == b""


# Tables

TEXTS = [
    "=1+2",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "a=b",
    "'quoted'",
    "",
    "-1.5",
    "+3e-7",
    "7",
    '="a",b\n',
]
QUOTED = {0, 1, 2, 3, 4, 5, 12}


@pytest.mark.parametrize("kind", [list, np.array])
def test_texts_that_a_spreadsheet_would_run_get_an_apostrophe_and_numbers_stay(tmp_path, kind):
    numbers = -np.arange(len(TEXTS), dtype=np.float32) / 3
    table = {"name": kind(TEXTS), "x": numbers, "count": [-1] * len(TEXTS)}
    file_formats.write_table(tmp_path / "a.csv", table)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = [f"'{text}" if place in QUOTED else text for place, text in enumerate(TEXTS)]
    assert [row["name"] for row in rows] == expected
    np.testing.assert_array_equal(np.array([row["x"] for row in rows], np.float32), numbers)
    assert {row["count"] for row in rows} == {"-1"}


def test_codes_under_such_names_are_read_back_as_they_were(tmp_path):
    codes = -np.random.default_rng(0).random((len(TEXTS), 3), np.float32)
    columns = {f"code{number}": column for number, column in enumerate(codes.T)}
    for name in ("a.csv", "a.parquet"):
        file_formats.write_table(tmp_path / name, {"name": TEXTS} | columns)
        np.testing.assert_array_equal(code_files.read_codes(tmp_path / name, 3), codes)
    found = code_files.load_parquet().parquet.read_table(tmp_path / "a.parquet")["name"]
    assert found.to_pylist() == TEXTS  # no spreadsheet opens it


# Terminals

DIRECTIONS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("code", DIRECTIONS, ids=hex)
def test_what_turns_the_direction_of_text_is_escaped(code):
    assert errors.printable(f"a{chr(code)}b.png") == f"a\\u{code:04x}b.png"
    assert str(AutoencodeError(f"{chr(code)}")) == f"\\u{code:04x}"


def test_letters_of_every_script_stay():
    text = "naïve 字符 שלום مرحبا 😀 e\u0301 \u200d\u00ad"
    assert errors.printable(text) == text


# The cache of compiled programs


def test_only_broken_programs_of_jax_are_removed_from_a_cache(tmp_path):
    program = "jit__chunk-" + "0123456789abcdef" * 4
    broken = {f"{program}-cache", f"{program}-atime"}
    whole = f"{program[:-1]}0-cache"
    others = {"__init__.py", ".gitkeep", "a-cache", f"{program}-cache.txt", "notes-atime"}
    for name in broken | others:
        (tmp_path / name).touch()
    (tmp_path / whole).write_text("a program")
    link = f"{program[:-1]}1-cache"
    (tmp_path / link).symlink_to(tmp_path / ".gitkeep")
    screen._remove_broken_programs(tmp_path)
    assert set(os.listdir(tmp_path)) == others | {whole, link}


def test_jax_gives_its_programs_the_names_that_are_known(tmp_path):
    code = "import jax\njax.jit(lambda x: x + 1)(1.0)"
    settings = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | settings)
    names = os.listdir(tmp_path)
    assert names
    assert [name for name in names if not screen.PROGRAM.fullmatch(name)] == []


# True causes

ADVICE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "mounted",
    errno.ENOENT: "folder again, which is gone",
    errno.EISDIR: "move away the folder of that name",
    errno.ENOTDIR: "where a folder is expected",
    errno.EIO: "check the disk",
    errno.ENAMETOOLONG: "shorten",
    errno.ENOTBLK: "",
}


@pytest.mark.parametrize("number", ADVICE)
def test_advice_fits_the_systems_reason(number):
    error = OSError(number, os.strerror(number))
    lines = {
        "`run` folder": str(schema.not_written("gone/a.png", error)),
        "`out`": str(errors.not_written("gone/a.png", error, "`out`")),
    }
    for elsewhere, line in lines.items():
        assert line.startswith(f"could not write gone/a.png ({os.strerror(number)}): ")
        assert ADVICE[number] in line
        assert f"choose another {elsewhere}" in line
        assert ("make room" in line) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert "what was written before is intact" in lines["`run` folder"]
    assert "`resume`" in lines["`run` folder"]


def test_a_folder_in_the_way_of_results_is_the_cause(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(AutoencodeError, match=r"\(Is a directory\): move away the folder of that"):
        file_formats.write_table(tmp_path / "a.csv", {"x": [1]})
    with pytest.raises(AutoencodeError, match=r"\(Is a directory\): move away the folder of that"):
        entries.write_file(tmp_path / "a.csv", b"x")
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_folder_that_vanished_is_the_cause(tmp_path):
    (tmp_path / "a").mkdir()

    def write_while_it_vanishes() -> None:
        with file_formats._written(tmp_path / "a" / "x.csv") as file:
            file.write(b"x")
            for path in (tmp_path / "a").iterdir():
                path.unlink()
            (tmp_path / "a").rmdir()

    with pytest.raises(AutoencodeError, match=r"make the folder again"):
        write_while_it_vanishes()


def test_a_folder_in_the_way_of_a_store_is_the_cause_and_what_is_packed_is_kept(tmp_path):
    path = tmp_path / "a.store"
    writer = store.Writer(path, "black")
    writer.add(np.ones((3, 2, 2, 1), "uint8"), 3, [])
    path.mkdir()
    labels = {"train_labels": np.arange(2), "test_labels": np.arange(1)}
    contents = store.Contents("ones", (2, 2, 1), {"train": 2, "test": 1}, labels, ("0", "1"), "abc")
    with pytest.raises(AutoencodeError, match=r"move away the folder .*kept in a\.store\.part"):
        writer.finish(contents)
    writer.close()
    path.rmdir()
    again = store.Writer(path, "black")
    assert (again.done, again.rows) == (3, 3)
    again.finish(contents)
    found = store.open_store(path)
    assert (np.concatenate([found.train, found.test]) == 1).all()
    assert found.train_labels.tolist() == [0, 1]
    assert os.listdir(tmp_path) == ["a.store"]


def test_a_full_disk_keeps_the_rows_of_a_store_that_were_written_whole(tmp_path):
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from autoencode import AutoencodeError\nfrom autoencode.data import store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "writer = store.Writer(Path('a.store'), 'ones')\n"
        "try:\n    for _ in range(9): writer.add(np.ones((50, 10, 6, 1), 'uint8'), 50, [])\n"
        "except AutoencodeError as error: print(error)\n"
        "writer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert "could not write a.store (File too large): allow larger files" in done.stdout
    assert "kept in a.store.part" in done.stdout
    writer = store.Writer(tmp_path / "a.store", "ones")
    assert (writer.done, writer.rows) == (100, 100)
    writer.add(np.full((50, 10, 6, 1), 2, "uint8"), 50, [])
    writer.finish(store.Contents("ones", (10, 6, 1), {"train": 100, "test": 50}))
    found = data.load(str(tmp_path / "a.store"), Config())
    assert (found.train == 1).all()
    assert (found.test == 2).all()


def test_a_run_whose_file_has_a_folder_in_the_way_says_so(tmp_path):
    pixels = np.zeros((8, 6, 5, 1), "uint8")
    images, config = Images("black", pixels, pixels), Config(epochs=1, batch_size=8, code=4)
    (tmp_path / "run").mkdir()
    with runs.claim(tmp_path / "run", "black") as folder:
        (folder / "report.html").mkdir()
        training = pipeline.prepare(pipeline.check_job(images, config))
        with pytest.raises(AutoencodeError, match=r"report\.html \(Is a directory\): move away"):
            list(pipeline.record(training, folder))


def test_a_leftover_that_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "example7.png").mkdir()
    with pytest.raises(AutoencodeError, match=r"could not remove .*example7\.png \(Is a directory"):
        cleanup.remove_later_epochs(tmp_path, 0)
