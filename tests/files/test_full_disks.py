"""Whatever the system answers to a write, a file is the old one or the new one, and the training
ends in a sentence.
"""

import builtins
import errno
import io
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_run import Weights, exit_of, session

import minigan as mg
from minigan import files
from minigan.backends.cpu import threads
from minigan.data import images
from minigan.files import whole
from minigan.training import checkpoint, run_log

ANSWERS = [
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
]


def refuse(number, path=None):
    def refused(*arguments, **options):
        raise OSError(number, os.strerror(number), path)

    return refused


# Bytes at most that a .npz writes twice: the headers of its entries, once their sizes are known.
REWRITTEN = 2000


class FullFile(io.FileIO):
    """A file that the disk has room for `room` bytes of, and then answers `number`."""

    number, room = errno.ENOSPC, 0

    def write(self, data):
        data = bytes(data)
        if len(data) > FullFile.room:
            super().write(data[: FullFile.room])
            FullFile.room = 0
            raise OSError(FullFile.number, os.strerror(FullFile.number))
        FullFile.room -= len(data)
        return super().write(data)


def small_disk(monkeypatch):
    """limit(room, number): from now on so many bytes fit into files that are opened to be
    written.
    """
    really_open = builtins.open

    def opened(path, mode="r", *arguments, **options):
        if mode in ("xb", "a"):
            file = io.BufferedWriter(FullFile(path, mode))
            return (
                file
                if mode == "xb"
                else io.TextIOWrapper(file, options["encoding"], newline=options["newline"])
            )
        return really_open(path, mode, *arguments, **options)

    def limit(room, number=errno.ENOSPC):
        monkeypatch.setattr(FullFile, "room", room)
        monkeypatch.setattr(FullFile, "number", number)
        monkeypatch.setattr(builtins, "open", opened)

    return limit


@pytest.fixture
def disk(monkeypatch):
    return small_disk(monkeypatch)


# ---- one file


@pytest.fixture
def old(tmp_path):
    """A file that is to be replaced, and what must be left of it."""
    path = tmp_path / "file.npz"
    path.write_bytes(b"old")
    return path


def left_as_it_was(old):
    return old.read_bytes() == b"old" and os.listdir(old.parent) == ["file.npz"]


@pytest.mark.parametrize("number", ANSWERS)
@pytest.mark.parametrize("room", [0, 1, 5000, 99_999])
def test_a_write_that_is_refused_names_the_file_and_leaves_the_old_one(old, disk, number, room):
    disk(room, number)
    with pytest.raises(OSError) as caught, files.whole_file(old) as file:
        for _ in range(100):
            file.write(bytes(1000))
    assert (caught.value.errno, caught.value.filename) == (number, str(old)) and left_as_it_was(old)


@pytest.mark.parametrize("number", ANSWERS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_refusal_after_the_last_byte_names_the_file_and_leaves_the_old_one(
    old, monkeypatch, number, call
):
    monkeypatch.setattr(os, call, refuse(number))
    with pytest.raises(OSError) as caught, files.whole_file(old, fsync=True) as file:
        file.write(b"new")
    assert (caught.value.errno, caught.value.filename) == (number, str(old)) and left_as_it_was(old)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_a_folder_that_cannot_be_synchronised_is_found_out_before_the_rename(
    old, monkeypatch, number
):
    monkeypatch.setattr(os, "open", refuse(number))
    with pytest.raises(OSError), files.whole_file(old, fsync=True) as file:
        file.write(b"new")
    assert left_as_it_was(old)


def test_a_file_system_that_synchronises_no_folders_is_no_error(old, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with files.whole_file(old, fsync=True) as file:
        file.write(b"new")
    assert old.read_bytes() == b"new" and os.listdir(old.parent) == ["file.npz"]


def test_a_file_system_without_locks_is_no_error(old, monkeypatch):
    monkeypatch.setattr(whole.fcntl, "flock", refuse(errno.ENOLCK))
    with files.whole_file(old) as file:
        file.write(b"new")
    assert old.read_bytes() == b"new"


def test_a_temporary_file_that_was_cleared_before_it_was_locked_is_made_anew(old, monkeypatch):
    lock, cleared = whole._try_lock, []

    def clear_first(file):
        if not cleared:
            cleared.append(file.name)
            os.unlink(file.name)
        return lock(file)

    monkeypatch.setattr(whole, "_try_lock", clear_first)
    with files.whole_file(old) as file:
        file.write(b"new")
    assert cleared and old.read_bytes() == b"new" and os.listdir(old.parent) == ["file.npz"]


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError) as caught, files.whole_file(tmp_path / "file") as file:
        file.write(b"new")
    assert caught.value.filename == str(tmp_path / "file") and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "😀" * 63])
def test_a_name_as_long_as_a_file_may_have_can_be_written(tmp_path, name):
    with files.whole_file(tmp_path / name) as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(OSError) as caught, files.whole_file(tmp_path / ("n" * 256)) as file:
        file.write(b"new")
    assert caught.value.errno == errno.ENAMETOOLONG and os.listdir(tmp_path) == []


@given(st.integers(0, 40_000))
@settings(max_examples=60)
def test_a_checkpoint_or_picture_that_does_not_fit_leaves_the_old_one(tmp_path_factory, room):
    folder = tmp_path_factory.mktemp("disk")
    state = {"w": np.arange(3000.0), "v": [np.zeros(7), "text"]}
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 16, 16), np.uint8)
    writers = {
        "a.npz": lambda path: checkpoint.save(path, state),
        "a.png": lambda path: images.save_png(path, pictures[0]),
        "a.gif": lambda path: images.save_gif(path, pictures),
    }
    for name, write in writers.items():
        write(folder / name)
        before = (folder / name).read_bytes()
        with pytest.MonkeyPatch.context() as monkeypatch:
            small_disk(monkeypatch)(room)
            if room < len(before):
                with pytest.raises(OSError) as caught:
                    write(folder / name)
                assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(
                    folder / name
                )
            elif room >= len(before) + REWRITTEN:
                write(folder / name)
        assert (folder / name).read_bytes() == before
    assert sorted(os.listdir(folder)) == sorted(writers)


# ---- a regular file


def test_only_a_regular_file_is_one(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    assert files.regular_file(tmp_path / "file") == tmp_path / "file"
    assert files.regular_file(str(tmp_path / "link")) == tmp_path / "link"
    for path, kind in (
        (tmp_path, "a folder"),
        (tmp_path / "fifo", "a named pipe"),
        ("/dev/zero", "a device"),
    ):
        with pytest.raises(ValueError, match=f"^{path} is {kind}, expected a regular file$"):
            files.regular_file(path)
    for path in (tmp_path / "broken", tmp_path / "absent"):
        with pytest.raises(FileNotFoundError):
            files.regular_file(path)


# ---- a training


EVERY_STEP = "--log-every", 1, "--sample-every", 1, "--checkpoint-every", 1


def training(out, at_step=None, then=None, steps=4, every=EVERY_STEP):
    """A training that calls then() in the step at_step."""
    weights = Weights()
    these = session(out, *every, steps=steps, state={"weights": weights})
    for step in these:
        weights.w[:] = step
        these.log(loss=step)
        if step == at_step:
            then()
        yield step


def step_of(out):
    state = mg.load(out / "checkpoint.npz")
    assert (state["weights"]["w"] == state["run"]["step"]).all()
    return state["run"]["step"]


@pytest.mark.parametrize("number", ANSWERS)
@pytest.mark.parametrize("room", [0, 10, 300, 1000])
def test_a_training_ends_in_a_sentence_and_its_checkpoint_is_whole(tmp_path, disk, number, room):
    said = exit_of(training(tmp_path, 3, lambda: disk(room, number)))
    kept = step_of(tmp_path)
    assert said.startswith(f"step 3: cannot write: {os.strerror(number)} ({tmp_path}")
    assert said.endswith(
        f"; training stops; the last good checkpoint is {tmp_path / 'checkpoint.npz'}, of step "
        f"{kept}"
    )
    assert kept in (2, 3) and "\n" not in said and not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("where", [(run_log, "append"), (images, "save_png")])
def test_a_step_whose_row_or_picture_is_refused_is_kept(tmp_path, monkeypatch, where):
    """It would be lost otherwise, and all since the last checkpoint with it."""
    every = "--log-every", 1, "--sample-every", 1, "--checkpoint-every", 100
    refused = lambda: monkeypatch.setattr(*where, refuse(errno.ENOSPC, "file"))
    said = exit_of(training(tmp_path, 3, refused, every=every))
    assert said.endswith(f"the last good checkpoint is {tmp_path / 'checkpoint.npz'}, of step 3")
    assert step_of(tmp_path) == 3
    monkeypatch.undo()
    these = session(tmp_path, "--resume", state={"weights": Weights()})
    for _ in these:
        these.log(loss=1)
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 4


def test_a_row_that_did_not_fit_is_no_row_after_resume(tmp_path, disk, monkeypatch):
    exit_of(training(tmp_path, 3, lambda: disk(2)))
    assert (tmp_path / "log.csv").read_text().splitlines()[-1] == "3,"
    monkeypatch.undo()
    these = session(tmp_path, "--resume", state={"weights": Weights()})
    for _ in these:
        these.log(loss=1)
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == [
        "step",
        "1",
        "2",
        "3",
        "4",
    ]


@pytest.mark.parametrize("number", ANSWERS)
def test_a_run_that_cannot_begin_says_so_in_a_sentence(tmp_path, disk, number):
    disk(0, number)
    assert exit_of(training(tmp_path / "out")) == (
        f"cannot keep a run in --out {tmp_path / 'out'}: {os.strerror(number)} "
        f"({tmp_path / 'out/config.json'})"
    )


def test_file_size_limits_are_answered_as_full_disks_are(tmp_path):
    resource = pytest.importorskip("resource", reason="file size limits are POSIX's")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        said = exit_of(
            training(
                tmp_path, 3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
            )
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said.startswith("step 3: cannot write: File too large (") and step_of(tmp_path) in (2, 3)


def test_line_breaks_in_the_name_of_a_run_are_escaped(tmp_path, disk):
    out = tmp_path / "a\nb\x1b"
    said = exit_of(training(out, 3, lambda: disk(0)))
    assert "a\\nb\\x1b/log.csv" in said and said.isprintable()
    (tmp_path / "file").write_bytes(b"")
    assert exit_of(training(tmp_path / "file" / "a\nb")).isprintable()


# ---- threads


def test_results_do_not_depend_on_threads_that_cannot_be_started(monkeypatch, capfd):
    def results():
        mg.manual_seed(0)
        x = mg.tensor(np.random.default_rng(0).standard_normal((8, 16, 32, 32)).astype(np.float32))
        layer = mg.nn.Conv2d(16, 32, 3, padding=1)
        loss = (layer(x) ** 2).sum()
        loss.backward()
        return loss.item(), layer.weight.grad.numpy()

    def cannot(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    with mg.device("cpu"):
        expected = results()
        for name, value in (("_workers", 0), ("_refused", False)):
            monkeypatch.setattr(threads, name, value)
        monkeypatch.setattr(threading.Thread, "start", cannot)
        loss, gradient = results()
    assert loss == expected[0] and np.array_equal(gradient, expected[1])
    assert capfd.readouterr().err == "the system starts no more threads: minigan goes on with 1\n"
