"""Which files a command writes, and that none is left half written."""

import subprocess
import sys
from pathlib import Path

import pytest

from autoencode import AutoencodeError, UsageError
from autoencode.cli import file_formats, output_files
from autoencode.system import marks


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with output_files.claim_files("map", "digits-1") as place:
        file_formats.write_table(place.file, {"name": ["a"]})
    assert place.file == Path("map-digits-1/map.csv")
    with (
        pytest.raises(UsageError, match="`overwrite`"),
        output_files.claim_files("map", "digits-1"),
    ):
        pass
    with output_files.claim_files("map", "digits-1", overwrite=True) as place:
        file_formats.write_table(place.file, {"name": ["b"]})
    assert place.file.read_text() == "name\nb\n"
    with (
        pytest.raises(AutoencodeError, match="NaN"),
        output_files.claim_files("sample", "digits-1"),
    ):
        raise AutoencodeError("NaN")
    assert [path.name for path in tmp_path.iterdir()] == ["map-digits-1"]


def test_a_list_that_is_there_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "codes-skipped.txt").write_text("mine")
    with (
        pytest.raises(UsageError, match=r"codes-skipped\.txt is there already"),
        output_files.claim_files("encode", "m", tmp_path),
    ):
        pass
    assert (tmp_path / "codes-skipped.txt").read_text() == "mine"


def test_a_failure_leaves_no_half_set_and_nothing_that_was_there_goes(tmp_path):
    def fail(*written: str, overwrite: bool = False) -> None:
        with (
            pytest.raises(OSError, match="full"),
            output_files.claim_files(
                "map", "digits-1", tmp_path / "a" / "b", overwrite=overwrite
            ) as place,
        ):
            for ending in written:
                place.beside(ending).write_text("new")
            raise OSError("full")

    fail(".csv", ".png")
    assert list(tmp_path.iterdir()) == []
    fail(".csv", ".png", "-grid.png")  # the set is whole: it was the telling that failed
    assert len(list((tmp_path / "a" / "b").iterdir())) == 3 + 1  # and the marker
    (tmp_path / "a" / "b" / "map.png").unlink()
    (tmp_path / "a" / "b" / "map-scores.png").write_text("another's")
    fail(".csv", overwrite=True)
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {
        "map.csv", "map-grid.png", "map-scores.png", marks.MARKER
    }  # fmt: skip
    with output_files.claim_files("map", "digits-1", tmp_path / "a" / "b" / "MAP.CSV") as place:
        assert place.written() == []


def test_a_full_disk_leaves_no_half_file(tmp_path):
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from autoencode import AutoencodeError\nfrom autoencode.cli import file_formats\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "images = np.random.default_rng(0).integers(0, 256, (99, 9, 9, 1), 'uint8')\n"
        "def spool(path):\n"
        "    file_formats.BYTES_IN_MEMORY = 1\n"
        "    with file_formats.spooled((9, 9, 1), path.parent) as spool:\n"
        "        for _ in range(9): spool.add(images)\n"
        "arrays = {'images': images.repeat(2, 0)}\n"
        "table = {'x': np.random.rand(2000)}\n"
        "writers = [lambda path: file_formats.write_arrays(path.with_suffix('.npz'), arrays),\n"
        "    lambda path: file_formats.write_arrays(path.with_suffix('.npy'), arrays),\n"
        "    lambda path: file_formats.write_table(path.with_suffix('.csv'), table),\n"
        "    lambda path: file_formats.write_table(path.with_suffix('.parquet'), table),\n"
        "    lambda path: file_formats.write_sheet(path.with_suffix('.png'), images), spool]\n"
        "for write in writers:\n"
        "    try:\n        write(Path('file'))\n        sys.exit('written')\n"
        "    except AutoencodeError as error:\n"
        "        assert 'could not write' in str(error), error\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_a_dot_in_its_name(tmp_path):
    with output_files.claim_files("encode", "m", tmp_path / "v1.2") as place:
        assert place.file == tmp_path / "v1.2" / "codes.npz"
