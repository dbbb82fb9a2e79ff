"""A server that answers as badly as a test wants, and what a download says of it."""

import contextlib
import hashlib
import os
import socket
import threading
import time

import pytest

from minigan import files

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """Sends each client what `answer(request)` yields, part by part, until the client hangs up."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []  # the first line of each
        self.sent = 0  # bytes
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/file"
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            if self.closing.is_set():
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self):
        """End the thread, then close the socket.

        In the other order the thread could still wait for clients of a number that belongs to the
        next server's socket, and answer in its place.
        """
        self.closing.set()
        socket.create_connection(self.listener.getsockname()).close()
        self.thread.join()
        self.listener.close()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):  # the client had enough
            request = connection.recv(10_000)
            self.requests.append(request.split(b"\r\n")[0].decode())
            for part in self.answer(request):
                if self.closing.is_set():
                    break
                connection.sendall(part)
                self.sent += len(part)


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
