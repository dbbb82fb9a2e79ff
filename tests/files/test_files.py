"""A file is whole or not there, though mirrors are down, slow, wrong or cut short and writers
fail.
"""

import gzip
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from data_files import bytes_of, cifar_members, idx, write_cifar_archive

from minigan import data, files
from minigan.data import named
from minigan.files import web

CONTENT = os.urandom(300_000)
PATIENT = 20  # seconds, which no test waits for
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Mirror(http.server.BaseHTTPRequestHandler):
    """/good, /slow and so on, each with its own failing, whatever file follows in the path."""

    def do_GET(self):
        behaviour, _, name = self.path[1:].partition("/")
        content = self.server.content.get(name, CONTENT)
        self.server.requests.append(self.path)
        if behaviour == "missing":
            return self.send_error(404)
        if behaviour == "dripping":  # headers, byte by byte
            self.wfile.write(b"HTTP/1.1 200 OK\r\nServer: ")
            while not self.server.closing.wait(0.05):
                self.wfile.write(b"x")
            return None
        self.send_response(200)
        if behaviour not in ("unsized", "endless"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if behaviour == "wrong":
            self.wfile.write(bytes(len(content)))
        elif behaviour == "truncating":
            self.wfile.write(content[:-1])
        elif behaviour == "stalling":
            self.wfile.write(content[:1000])
            self.server.closing.wait(20)
        elif behaviour == "endless":
            while not self.server.closing.is_set():
                self.wfile.write(content)
        elif behaviour == "trickling":
            for i in range(400):  # never silent for as long as a timeout, and never done
                if self.server.closing.wait(0.05):
                    break
                self.wfile.write(content[i : i + 1])
        else:
            self.wfile.write(content)

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            self.server.hung_up += 1  # by the client, which had enough

    def log_message(self, *args):
        """Keep the tests' output clean."""


@pytest.fixture
def mirror(monkeypatch):
    """A local server; mirror("good") is the address of its good folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(web, "is_public", lambda address: True)  # it is on this machine
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.closing, server.requests, server.content, server.hung_up = threading.Event(), [], {}, 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def address(behaviour, name="file"):
        return f"http://127.0.0.1:{server.server_port}/{behaviour}/{name}"

    address.requests, address.content = server.requests, server.content
    yield address
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def down(monkeypatch):
    """The address of a port where nobody listens."""
    monkeypatch.setattr(web, "is_public", lambda address: True)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/file"


FAILINGS = [
    ("missing", "404"),
    ("wrong", "SHA-256"),
    ("truncating", "ended after 299999 of 300000 bytes"),
    ("stalling", "timed out"),
    ("trickling", r"\d+ bytes in \d s"),
    ("dripping", r"0 bytes in \d s"),
    ("endless", "went on after .* expected at most 400000"),
]


@pytest.mark.parametrize("behaviour, reason", FAILINGS)
def test_a_bad_mirror_is_named_and_leaves_nothing_behind(
    tmp_path, mirror, monkeypatch, behaviour, reason
):
    monkeypatch.setattr(web, "LARGEST", 400_000)
    timeout = 0.5 if behaviour in ("stalling", "trickling", "dripping") else PATIENT
    started = time.monotonic()
    with pytest.raises(
        OSError, match=rf"cannot download file \({mirror(behaviour)}: .*{reason}.*--data-dir"
    ):
        files.download("file", [mirror(behaviour)], SHA256, tmp_path, timeout=timeout)
    assert os.listdir(tmp_path) == [] and time.monotonic() - started < 5


def test_a_mirror_that_is_down_is_named_and_leaves_nothing_behind(tmp_path, down):
    with pytest.raises(OSError, match=f"{down}: .*refused"):
        files.download("file", [down], SHA256, tmp_path, timeout=PATIENT)
    assert os.listdir(tmp_path) == []


def test_the_first_good_mirror_serves_after_all_the_bad_ones(tmp_path, mirror, down, monkeypatch):
    monkeypatch.setattr(web, "LARGEST", 400_000)
    bad = [down, *(mirror(behaviour) for behaviour, _ in FAILINGS)]
    urls = [*bad, mirror("good"), mirror("good", "unasked")]
    path = files.download("file", urls, SHA256, tmp_path / "new" / "folder", timeout=1)
    assert path.read_bytes() == CONTENT and os.listdir(path.parent) == ["file"]
    assert len(mirror.requests) == len(FAILINGS) + 1 and mirror.requests[-1] == "/good/file"


def test_when_all_mirrors_fail_each_is_named_with_its_reason(tmp_path, mirror, down):
    with pytest.raises(OSError) as caught:
        files.download(
            "file", [down, mirror("missing"), mirror("wrong")], SHA256, tmp_path, timeout=PATIENT
        )
    message = str(caught.value)
    assert f"{down}: " in message and f"{mirror('missing')}: HTTP Error 404" in message
    assert f"{mirror('wrong')}: has SHA-256" in message and "--data-dir" in message


def test_a_mirror_that_does_not_say_how_much_it_sends_is_checked_by_the_digest(tmp_path, mirror):
    path = files.download("file", [mirror("unsized")], SHA256, tmp_path, timeout=PATIENT)
    assert path.read_bytes() == CONTENT


def test_a_cached_file_is_checked_and_fetched_anew_only_if_it_is_wrong(tmp_path, mirror, capsys):
    for _ in range(2):
        path = files.download("file", [mirror("good")], SHA256, tmp_path, timeout=PATIENT)
    assert len(mirror.requests) == 1
    path.write_bytes(CONTENT[:-1])
    assert (
        files.download("file", [mirror("good")], SHA256, tmp_path, timeout=PATIENT).read_bytes()
        == CONTENT
    )
    assert len(mirror.requests) == 2 and "downloading it again" in capsys.readouterr().err


def test_a_wrong_cached_file_is_never_used(tmp_path, mirror):
    (tmp_path / "file").write_bytes(b"wrong")
    with pytest.raises(OSError, match="cannot download"):
        files.download("file", [mirror("missing")], SHA256, tmp_path, timeout=PATIENT)


def test_gzip_is_judged_by_its_contents_not_by_how_hard_it_was_compressed(tmp_path, mirror, capsys):
    mirror.content["file"] = gzip.compress(CONTENT, compresslevel=1)
    path = files.download(
        "file", [mirror("good")], SHA256, tmp_path, contents=True, timeout=PATIENT
    )
    assert gzip.decompress(path.read_bytes()) == CONTENT
    path.write_bytes(path.read_bytes()[:-1])
    files.download("file", [mirror("good")], SHA256, tmp_path, contents=True, timeout=PATIENT)
    assert "is not a whole gzip file" in capsys.readouterr().err
    with pytest.raises(OSError, match="is not a whole gzip file"):
        files.download(
            "other", [mirror("good", "raw")], SHA256, tmp_path, contents=True, timeout=PATIENT
        )


def test_progress_is_shown_on_a_terminal_only(tmp_path, mirror, capsys, monkeypatch):
    files.download("file", [mirror("good")], SHA256, tmp_path, timeout=PATIENT)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    files.download("again", [mirror("good")], SHA256, tmp_path, timeout=PATIENT)
    shown = capsys.readouterr().err
    assert "/good/file: " in shown and shown.endswith("0.3 of 0.3 MB\n")


def test_processes_that_download_at_once_all_get_the_whole_file(tmp_path, mirror):
    script = (
        "import sys; from minigan import files; from minigan.files import web; "
        "web.is_public = lambda address: True; "
        "print(files.download('file', [sys.argv[1]], sys.argv[2], sys.argv[3]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[2])}
    command = [sys.executable, "-c", script, mirror("good"), SHA256, str(tmp_path)]
    options = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **options) for _ in range(3)]
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert output.strip() == str(tmp_path / "file") and process.returncode == 0
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == CONTENT


def test_threads_that_write_one_file_at_once_leave_one_of_them_whole(tmp_path):
    def write(value):
        for _ in range(20):
            with files.whole_file(tmp_path / "file") as file:
                for _ in range(10):
                    file.write(bytes([value]) * 1000)

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(write, value) for value in range(4)]
        while not all(writer.done() for writer in writers):
            if (tmp_path / "file").exists():
                content = (tmp_path / "file").read_bytes()
                assert len(content) == 10_000 and len(set(content)) == 1
    assert [writer.result() for writer in writers] == [None] * 4 and os.listdir(tmp_path) == [
        "file"
    ]


def test_a_write_that_fails_keeps_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), files.whole_file(tmp_path / "file") as file:
        file.write(b"half of the new")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"old"


def test_the_cache_folder_is_read_from_the_environment_at_each_call(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.delenv("MINIGAN_CACHE")
    assert files.cache_folder() == Path.home() / ".cache" / "minigan"


# ---- the named sets, from mirror to images


def test_mnist_is_downloaded_once_into_the_cache(tmp_path, mirror, monkeypatch):
    images, labels, digests = bytes_of(3, 4, 4), np.arange(3, dtype=np.uint8), {}
    for name, array in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        mirror.content[f"{name}.gz"] = gzip.compress(idx(array), compresslevel=1)
        digests[f"{name}.gz"] = hashlib.sha256(idx(array)).hexdigest()
    urls = (mirror("missing", ""), mirror("good", ""))
    monkeypatch.setitem(named.SETS, "mnist", named.PublicSet(named.DIGITS, (), urls, digests))
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path))
    for _ in range(2):
        loaded = data.load("mnist")
        assert np.array_equal(loaded.images[:, 0], images) and np.array_equal(loaded.labels, labels)
    assert len(mirror.requests) == 4  # two files, each refused once and served once
    assert sorted(os.listdir(tmp_path / "mnist")) == sorted(mirror.content)


def test_cifar10_is_downloaded_once_into_the_cache(tmp_path, mirror, monkeypatch):
    write_cifar_archive(tmp_path / "here.tar.gz", cifar_members())
    archive = (tmp_path / "here.tar.gz").read_bytes()
    mirror.content["cifar-10-binary.tar.gz"] = archive
    urls = (mirror("truncating", ""), mirror("good", ""))
    digests = {"cifar-10-binary.tar.gz": hashlib.sha256(archive).hexdigest()}
    known = named.SETS["cifar10"]._replace(folders=(), mirrors=urls, sha256=digests)
    monkeypatch.setitem(named.SETS, "cifar10", known)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    for split, count in (("train", 10), ("test", 2)):
        assert len(data.load("cifar10", split=split)) == count
    assert len(mirror.requests) == 2


def test_every_mirror_and_digest_is_well_formed():
    for name, (classes, _, mirrors, digests) in named.SETS.items():
        assert len(mirrors) >= 2 and (
            classes is None or len(set(classes)) == 10
        )  # pairs of domains have none
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in mirrors)
        assert len(digests) == (1 if name == "cifar10" or classes is None else 4)
        assert all(len(bytes.fromhex(digest)) == 32 for digest in digests.values())
