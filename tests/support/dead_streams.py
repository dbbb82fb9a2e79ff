"""Streams that take nothing: what stdout and stderr of a program may be."""

import io
import os


def text_stream(descriptor, encoding="utf-8", errors="strict"):
    return open(descriptor, "w", encoding=encoding, errors=errors)


def dead_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


def full_device():
    return os.open("/dev/full", os.O_WRONLY)


def closed_stream():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stream.close()
    return stream


DEAD = {
    "a pipe without a reader": lambda: text_stream(dead_pipe()),
    "a full disk": lambda: text_stream(full_device()),
    "closed later": closed_stream,
    "closed at the start": lambda: None,
}
