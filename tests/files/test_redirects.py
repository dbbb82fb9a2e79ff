"""A download follows a redirect to a public address on the web, and to nothing else."""

import socket
import sys
import time

import pytest
from servers import CONTENT, SHA256, good, redirect, refusal

from minigan import files
from minigan.files import web

really_public = web.is_public


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
    assert said.endswith("is refused, because it is not a public address")


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
        "127.0.0.2, which is refused, because it is not a public address" in said
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
        == "<urlopen error localhost is at 127.0.0.1, which is refused, because it is not a public "
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
    assert "not a public address" in refusal("http://10.0.0.1/file", tmp_path)
    assert len(proxy.requests) == 1
