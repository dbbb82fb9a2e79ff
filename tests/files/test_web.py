"""Whatever a server answers, a download ends: soon, in bounded memory, with a line of reasons."""

import gzip
import threading
import time

import pytest
from servers import CONTENT, OK, SHA256, good, refusal

from minigan import files
from minigan.files import web

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
