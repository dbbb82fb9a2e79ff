"""Fetching a file over HTTP from a server that may be slow, wrong or hostile.

Whatever a server does, what it can take from this process is bounded: memory by one
chunk, disk by LARGEST, time by `seconds_allowed`. Of a redirect only the address is read, never the
body. And an address inside this machine or its network is refused, wherever a name or a redirect
led to it: there, a request may set things going.
"""

import contextlib
import dataclasses
import ipaddress
import socket
import sys
import threading
import time
import urllib.request
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit

from . import messages

CHUNK = 1 << 16  # bytes
LARGEST = 1 << 30  # bytes of a file, several times those of any that has a name here
SLOWEST = 1000  # bytes a second: a server below this is as good as silent
LONGEST_REASON = 200  # characters of what a server says when it refuses


class ServerError(Exception):
    """A server, or the way to it, did not give the file; the message says why in one line."""


@dataclasses.dataclass
class Transfer:
    """How far a download has come; the thread that reads writes it, and the one that waits looks at
    it."""

    size: int = -1  # bytes that the server announced, -1: it did not say
    received: int = 0  # bytes
    error: Exception = None  # what ended the reading
    given_up: bool = False
    sockets: list = dataclasses.field(default_factory=list)  # all that were opened for it


def seconds_allowed(size):
    """How long a download of this many bytes may take in all: an hour, and one more for each 100
    MB."""
    return 3600 * (1 + max(size, 0) / 100e6)


def is_public(address):
    """Whether an IP address, a string, belongs to the public internet, not to a private
    network."""
    ip = ipaddress.ip_address(address.partition("%")[0])  # fe80::1%eth0: without the interface
    if ip.version == 6:
        if int(ip) >> 32 == 0x64FF9B << 64:  # 64:ff9b::/96: behind it stands an IPv4 address
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        else:
            ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global


# ---- fetching ------------------------------------------------------------------------------------


def fetch(url, file, timeout):
    """Write what `url` serves into the binary file.

    timeout: seconds that the server may be silent, or lag behind SLOWEST. Raises ServerError if it
    ends early, falls silent, trickles or does not end; OSError if the file cannot be written.
    """
    transfer, began = Transfer(), time.monotonic()
    # A thread of its own reads, because whoever waits for a server's next line waits as long as
    # that server likes.
    reader = threading.Thread(target=_read, args=(url, file, timeout, transfer), daemon=True)
    try:
        reader.start()
    except RuntimeError:
        raise ServerError("this system starts no thread to read it") from None
    try:
        while reader.is_alive():
            reader.join(0.1)
            seconds = time.monotonic() - began
            lagging = seconds > timeout + transfer.received / SLOWEST
            if (lagging or seconds > seconds_allowed(transfer.size)) and reader.is_alive():
                raise ServerError(f"{transfer.received} bytes in {seconds:.0f} s")
    finally:
        transfer.given_up = True
        _hang_up(transfer)
    if transfer.error:
        raise transfer.error


def _read(url, file, timeout, transfer):
    """What the reading thread does: all of it, or the reason why not into transfer.error."""
    try:
        _copy(url, file, timeout, transfer)
    except Exception as error:
        transfer.error = error


def _copy(url, file, timeout, transfer):
    with _server_errors():
        check_url(url)
        request = urllib.request.Request(url, headers={"User-Agent": "minigan"})
        response = _opener(transfer).open(request, timeout=timeout)
    with response:
        transfer.size = _announced_size(response)
        while transfer.received != transfer.size and not transfer.given_up:
            with _server_errors():
                chunk = response.read1(CHUNK)  # what is there: read() waits for a full chunk
            if not chunk:
                break
            file.write(chunk)
            transfer.received += len(chunk)
            if transfer.received > LARGEST:
                received = transfer.received
                raise ServerError(f"went on after {received} bytes, expected at most {LARGEST}")
            _show(url, transfer)
    if transfer.received < transfer.size:
        raise ServerError(f"ended after {transfer.received} of {transfer.size} bytes")


def _announced_size(response):
    """Content-Length in bytes, or -1 if the server did not say."""
    text = response.headers.get("Content-Length")
    if text is None or response.headers.get("Transfer-Encoding"):
        return -1
    if not (text.isascii() and text.isdecimal()):
        raise ServerError(f"its Content-Length is {messages.printable(text[:LONGEST_REASON])!r}")
    if len(text) > 20 or int(text) > LARGEST:
        raise ServerError(f"its Content-Length is {text[:20]}, expected at most {LARGEST}")
    return int(text)


@contextlib.contextmanager
def _server_errors():
    """What the network and hostile answers make of urllib becomes a ServerError with a short reason
    in one line."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        reason = messages.printable(" ".join(str(error).split()))
        raise ServerError(reason[:LONGEST_REASON] or type(error).__name__) from None


def _show(url, transfer):
    """Progress, on a terminal only."""
    if not messages.is_terminal(sys.stderr):
        return
    end = "\n" if transfer.received == transfer.size else "\r"
    messages.warn(f"{url}: {transfer.received / 1e6:.1f} of {transfer.size / 1e6:.1f} MB", end=end)


def _hang_up(transfer):
    """End the reading thread, where it still waits for the server."""
    for opened in transfer.sockets:
        with contextlib.suppress(OSError):  # it was closed already
            opened.shutdown(socket.SHUT_RDWR)


# ---- public addresses only -----------------------------------------------------------------------


def check_url(url):
    """Raise ValueError for what is not http(s), or names an address that is not public by its
    number."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is refused, expected an http or https address")
    try:
        ipaddress.ip_address(parts.hostname)
    except ValueError:
        return  # a name: its address is looked at when the connection stands
    if not is_public(parts.hostname):
        raise ValueError(f"{parts.hostname} is refused, because it is not a public address")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, response, code, text, headers, url):
        response.close()  # or urllib would read its body into memory, however long that is
        check_url(url)
        return super().redirect_request(request, response, code, text, headers, url)


class _Proxies(urllib.request.ProxyHandler):
    def proxy_open(self, request, proxy, scheme):
        before = request.host
        answer = super().proxy_open(request, proxy, scheme)
        request.has_gone_to_proxy = request.host != before
        return answer


def _connection(base, request, transfer):
    """A class of connections that hang up on an address that is not public, unless that is the
    user's own proxy."""
    by_proxy = getattr(request, "has_gone_to_proxy", False)

    class Connection(base):
        def connect(self):
            super().connect()
            transfer.sockets.append(self.sock)
            address = self.sock.getpeername()[0]
            if not by_proxy and not is_public(address):
                self.close()
                raise OSError(
                    f"{self.host} is at {address}, which is refused, because it is "
                    "not a public address"
                )

    return Connection


def _opener(transfer):
    """Opens http and https addresses, and no files and no ftp as urllib's own does."""

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(_connection(HTTPConnection, request, transfer), request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(_connection(HTTPSConnection, request, transfer), request)

    opener = urllib.request.OpenerDirector()
    for handler in (
        _Proxies(),
        Http(),
        Https(),
        _Redirects(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
