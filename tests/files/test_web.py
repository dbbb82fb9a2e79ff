"""Whatever a server answers, a download ends: soon, in bounded memory, with one line that says
why.
"""

import contextlib
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minigan import files
from minigan.files import web

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OK = b"HTTP/1.1 200 OK\r\n"
really_public = web.is_public


class Server:
    """Answers each connection with what `answer(request)` yields, bytes after bytes, until the
    client hangs up.
    """

    def __init__(self, answer):
        self.answer, self.requests, self.sent, self.closing = answer, [], 0, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/file"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):  # the client had enough
            request = connection.recv(10_000)
            self.requests.append(request.split(b"\r\n")[0].decode())
            for part in self.answer(request):
                if self.closing.is_set():
                    break
                connection.sendall(part)
                self.sent += len(part)


@pytest.fixture
def serve(monkeypatch):
    """serve(answer) -> a running Server, on the one address of this machine that counts as public
    here.
    """
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        web, "is_public", lambda address: address == "127.0.0.1" or really_public(address)
    )
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.closing.set()
        server.listener.close()


def refusal(server_or_url, folder, timeout=5.0):
    """Why a download fails, which takes at most two seconds and leaves nothing behind."""
    url = getattr(server_or_url, "url", server_or_url)
    began = time.monotonic()
    with pytest.raises(OSError) as caught:
        files.download("file", [url], SHA256, folder, timeout=timeout)
    message = str(caught.value)
    assert time.monotonic() - began < 2
    assert os.listdir(folder) == []
    assert message.isprintable()
    assert len(message) < 600
    before = f"cannot download file ({url}: "
    after = "): fetch it by hand"
    assert message.startswith(before)
    assert after in message
    return message[len(before) : message.index(after)]


def redirect(url):
    return b"HTTP/1.1 302 Found\r\nLocation: " + url.encode() + b"\r\nContent-Length: 0\r\n\r\n"


def good(request):
    yield OK + f"Content-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT


# ---- redirects


def test_the_body_of_a_redirect_is_not_read(serve, tmp_path):
    target = serve(good)

    def answer(request):
        yield b"HTTP/1.1 302 Found\r\nLocation: " + target.url.encode() + b"\r\n\r\n"
        for _ in range(100):
            yield bytes(1 << 20)

    server = serve(answer)
    assert files.download("file", [server.url], SHA256, tmp_path).read_bytes() == CONTENT
    time.sleep(0.2)
    assert server.sent < 20 << 20  # what fits between two sockets, and not all of it


@pytest.mark.parametrize(
    "status", [301, 302, 303, 307, *([308] if sys.version_info >= (3, 11) else [])]
)
def test_a_redirect_to_another_address_is_followed(serve, tmp_path, status):
    target = serve(good)
    server = serve(lambda request: [redirect(target.url).replace(b"302", str(status).encode())])
    assert files.download("file", [server.url], SHA256, tmp_path).read_bytes() == CONTENT
    assert len(target.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://192.168.1.1/admin",
        "http://127.0.0.2:80/",
        "http://172.16.3.4/",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "https://10.0.0.1/",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(serve, tmp_path, url):
    said = refusal(serve(lambda request: [redirect(url)]), tmp_path)
    assert said.endswith("is refused, because it is no public address")


@pytest.mark.parametrize(
    "url", ["http://2130706434/", "http://0x7f.2/", "http://127.2/", "http://127.0.0.%32/"]
)
def test_a_private_address_in_disguise_is_refused(serve, tmp_path, url):
    """127.0.0.2 as a number, in base 16, with two parts, with an escape: Linux listens there, as
    on all of 127.
    """
    with socket.create_server(("127.0.0.2", 0)) as listener:
        url = url[:-1] + f":{listener.getsockname()[1]}/"
        said = refusal(serve(lambda request: [redirect(url)]), tmp_path)
    assert (
        "127.0.0.2, which is refused, because it is no public address" in said
        or "not known" in said
    )


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/file", "data:,x", "gopher://a/"]
)
def test_a_redirect_to_anything_but_http_is_refused(serve, tmp_path, url):
    said = refusal(serve(lambda request: [redirect(url)]), tmp_path)
    assert "refused, expected an http or https address" in said or "is not allowed" in said


def test_a_name_that_leads_to_a_private_address_is_refused(serve, tmp_path, monkeypatch):
    server = serve(good)
    monkeypatch.setattr(web, "is_public", really_public)
    said = refusal(server.url.replace("127.0.0.1", "localhost"), tmp_path)
    assert (
        said
        == "<urlopen error localhost is at 127.0.0.1, which is refused, because it is no public "
        "address>"
    )
    assert "".join(server.requests) == ""  # it was called, and told nothing


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/file", "/etc/passwd", ""])
def test_a_mirror_that_is_not_on_http_is_refused(tmp_path, url):
    assert refusal(url, tmp_path).endswith("is refused, expected an http or https address")


def test_redirects_in_a_circle_end(serve, tmp_path):
    server = serve(lambda request: [redirect(server.url)])
    assert "infinite loop" in refusal(server, tmp_path)
    assert len(server.requests) <= 11


def test_redirects_that_lead_ever_further_end(serve, tmp_path):
    server = serve(lambda request: [redirect(f"{server.url}/{len(server.requests)}")])
    assert "infinite loop" in refusal(server, tmp_path)
    assert len(server.requests) <= 11


@pytest.mark.parametrize(
    "address, public",
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.31.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("255.255.255.255", False),
    ],
)
def test_which_addresses_are_public(address, public):
    assert really_public(address) is public


def test_a_proxy_of_the_users_may_be_in_the_users_network(serve, tmp_path, monkeypatch):
    proxy = serve(good)
    monkeypatch.setattr(web, "is_public", really_public)
    monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/file"))
    url = "http://files.example.org/file"
    assert files.download("file", [url], SHA256, tmp_path).read_bytes() == CONTENT
    assert proxy.requests == [f"GET {url} HTTP/1.1"]
    (tmp_path / "file").unlink()
    assert "no public address" in refusal("http://10.0.0.1/file", tmp_path)
    assert len(proxy.requests) == 1


# ---- answers


def lines(*headers, body=CONTENT):
    return [OK + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body]


ANSWERS = {  # kind: (what the server answers, what is said of it)
    "nothing": ([b""], "Remote end closed connection without response"),
    "no http": ([b"SSH-2.0-OpenSSH\r\n\r\n"], "SSH-2.0-OpenSSH"),
    "a page": (
        lines(b"Content-Type: text/html", body=b"<html>please log in</html>"),
        "has SHA-256",
    ),
    "gzip unasked": (lines(b"Content-Encoding: gzip", body=gzip.compress(CONTENT)), "has SHA-256"),
    "a negative length": (lines(b"Content-Length: -5"), "its Content-Length is '-5'"),
    "a length in words": (lines(b"Content-Length: a\tlot"), "its Content-Length is 'a\\\\tlot'"),
    "an enormous length": (
        lines(b"Content-Length: 99999999999"),
        "its Content-Length is 99999999999, expected",
    ),
    "a length of 5,000 digits": (
        lines(b"Content-Length: " + b"9" * 5000),
        "is 99999999999999999999, expected",
    ),
    "too short": (lines(b"Content-Length: 20000"), "ended after 10240 of 20000 bytes"),
    "too long": (lines(b"Content-Length: 100"), "has SHA-256"),
    "broken chunks": (lines(b"Transfer-Encoding: chunked", body=b"zz\r\nx"), ""),
    "too many headers": (lines(*[b"A: b"] * 1000), "got more than 100 headers"),
    "a header without an end": (
        [OK + b"A: " + b"x" * 100_000],
        "got more than 65536 bytes when reading header line",
    ),
    "a status without an end": (
        [b"HTTP/1.1 200 " + b"x" * 100_000],
        "got more than 65536 bytes when reading",
    ),
    "a message of several lines": (
        [b"HTTP/1.1 404 not\x1b[2J\x85here\r\n\r\n"],
        "HTTP Error 404: not\\x1b[2J here",
    ),
    "a long message": (
        [b"HTTP/1.1 500 " + b"sorry " * 9000 + b"\r\n\r\n"],
        "HTTP Error 500: sorry",
    ),
    "a redirect that says no address": ([b"HTTP/1.1 302 Found\r\n\r\n"], "HTTP Error 302: Found"),
    "a redirect of several lines": (
        [b"HTTP/1.1 302 x\r\nLocation: http://a\r\n b\x1b/\r\n\r\n"],
        "",
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_no_such_file_is_refused_in_a_line(serve, tmp_path, kind):
    answer, said = ANSWERS[kind]
    assert said in refusal(serve(lambda request: answer), tmp_path)


@pytest.mark.parametrize(
    "headers, body",
    [
        ((b"Transfer-Encoding: chunked",), b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n0\r\n\r\n"),
        (
            (b"Transfer-Encoding: chunked", b"Content-Length: 7"),
            b"%x\r\n" % len(CONTENT) + CONTENT + b"\r\n0\r\n\r\n",
        ),
        ((), CONTENT),
    ],
)
def test_a_length_may_come_in_chunks_or_not_at_all(serve, tmp_path, headers, body):
    server = serve(lambda request: lines(*headers, body=body))
    assert files.download("file", [server.url], SHA256, tmp_path).read_bytes() == CONTENT


def test_a_gzip_bomb_is_not_unfolded(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "LARGEST", 1 << 20)
    bomb = gzip.compress(bytes(1 << 26))
    with pytest.raises(OSError, match="holds more than 1048576 bytes"):
        files.download(
            "file", [serve(lambda request: lines(body=bomb)).url], SHA256, tmp_path, contents=True
        )


# ---- time


def endless(part, pause):
    def answer(request):
        yield OK + b"\r\n"
        while True:
            yield part
            time.sleep(pause)

    return answer


def test_a_download_that_drips_for_ever_ends(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "seconds_allowed", lambda size: 0.5)
    assert refusal(serve(endless(bytes(5000), 0.05)), tmp_path).endswith(" bytes in 1 s")


def test_interim_answers_without_an_end_end(serve, tmp_path):
    def answer(request):
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n"
            time.sleep(0.001)

    assert refusal(serve(answer), tmp_path, timeout=0.5) == "0 bytes in 1 s"


def test_nobody_reads_on_after_a_download_was_given_up(serve, tmp_path):
    def answer(request):
        yield OK + b"A: "
        while True:
            yield b"x"
            time.sleep(0.05)

    before = threading.active_count()
    server = serve(answer)
    refusal(server, tmp_path, timeout=0.3)
    end = time.monotonic() + 2
    while (
        threading.active_count() > before + 1 and time.monotonic() < end
    ):  # one is the server's own
        time.sleep(0.02)
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize(
    "megabytes, kilobytes_per_second", [(10, 5), (120, 20), (170, 20), (1000, 30)]
)
def test_a_real_download_on_a_poor_line_has_time_enough(megabytes, kilobytes_per_second):
    assert web.seconds_allowed(megabytes * 1e6) > megabytes * 1000 / kilobytes_per_second


def test_no_download_takes_longer_than_half_a_day():
    assert web.seconds_allowed(-1) == 3600
    assert web.seconds_allowed(web.LARGEST) < 12 * 3600


def test_without_another_thread_a_download_is_refused_in_a_line(serve, tmp_path, monkeypatch):
    server = serve(good)

    def cannot(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", cannot)
    assert refusal(server, tmp_path) == "this system starts no thread to read it"


# ---- what killed downloads leave, and what cannot be written


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
