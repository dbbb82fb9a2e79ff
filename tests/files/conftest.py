"""What the tests of downloads have in common."""

import pytest
from servers import Server

from minigan.files import web


@pytest.fixture
def serve(monkeypatch):
    """serve(answer) -> a running Server. Its address counts as a public one in the test."""
    is_public = web.is_public
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def is_public_here(address):
        return address == "127.0.0.1" or is_public(address)

    monkeypatch.setattr(web, "is_public", is_public_here)
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
