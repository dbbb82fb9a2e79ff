"""What killed downloads leave behind is cleared, and what cannot be written is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import SHA256, good

from minigan import files


def part(folder, digits, name="file"):
    path = folder / f".{name}.{digits * 32}.part"
    path.write_bytes(b"half")
    return path


def test_the_parts_of_killed_downloads_are_cleared_at_the_next(serve, tmp_path):
    server = serve(good)
    for digit in "01abf":
        part(tmp_path, digit)
    files.download("file", [server.url], SHA256, tmp_path)
    assert os.listdir(tmp_path) == ["file"]
    part(tmp_path, "0")
    files.download("file", [server.url], SHA256, tmp_path)  # there it is, and nothing else
    assert os.listdir(tmp_path) == ["file"]
    assert len(server.requests) == 1


def test_what_is_no_part_of_this_file_stays(tmp_path):
    kept = [part(tmp_path, "0", "other"), part(tmp_path, "g"), part(tmp_path, "0", "file.x")]
    kept.append(tmp_path / ".file.mine.part")
    kept[-1].write_bytes(b"mine")
    folder, fifo = (tmp_path / f".file.{digit * 32}.part" for digit in "12")
    folder.mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(fifo)
        kept.append(fifo)
    files.clear_parts(tmp_path / "file")
    assert all(path.exists() for path in (*kept, folder))


def test_a_part_that_a_living_process_writes_stays(tmp_path):
    script = (
        "import sys; from minigan import files\n"
        "with files.whole_file(sys.argv[1]) as file:\n"
        "    file.write(b'new'); print('open', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[2])},
    )
    assert process.stdout.readline() == "open\n"
    left = part(tmp_path, "0")
    files.clear_parts(tmp_path / "file")
    assert len(os.listdir(tmp_path)) == 1
    assert not left.exists()
    process.communicate("")
    assert process.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_full_disk_is_not_the_mirrors_fault(serve, tmp_path):
    resource = pytest.importorskip("resource", reason="file size limits are POSIX's")
    servers = [serve(good), serve(good)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            files.download("file", [server.url for server in servers], SHA256, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "file")
    assert os.listdir(tmp_path) == []
    assert [len(server.requests) for server in servers] == [1, 0]


def test_a_fifo_in_the_cache_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "file")
    with pytest.raises(ValueError, match="file is a named pipe, expected a regular file"):
        files.download("file", ["http://example.org"], SHA256, tmp_path)
