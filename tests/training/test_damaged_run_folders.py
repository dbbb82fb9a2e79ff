"""A torn log, a damaged picture, a folder or a fifo where a file was: said and passed over, or
refused, in a line.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from toy_run import exit_of, session

import minigan as mg
from minigan.data import images
from minigan.training import run_log

ROOT = Path(__file__).resolve().parents[2]


def train(out, *given, steps=2):
    these = session(out, "--log-every", 1, "--sample-every", 1, *given, steps=steps)
    for step in these:
        these.log(loss=step)


def content(out):
    return {path: path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}


# ---- pictures


def as_nothing(path):
    path.write_bytes(b"")


def as_half(path):
    path.write_bytes(path.read_bytes()[:60])


def as_folder(path):
    path.unlink()
    path.mkdir()


def as_fifo(path):
    path.unlink()
    os.mkfifo(path)


def as_broken_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def as_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGES = [as_nothing, as_half, as_folder, as_fifo, as_broken_link, as_device]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_picture_is_left_out_of_the_gif_and_said(tmp_path, capfd, damage):
    train(tmp_path)
    damage(tmp_path / "samples/step-000001.png")
    capfd.readouterr()
    train(tmp_path, "--resume", "--steps", 4)
    said, complained = capfd.readouterr()
    assert (
        complained.startswith("training.gif goes on without a picture: ")
        and complained.count("\n") == 1
    )
    assert "step-000001.png" in complained and said.startswith("all 4 steps are done")
    with Image.open(tmp_path / "training.gif") as gif:
        assert gif.n_frames == 4  # of steps 0, 2, 3, 4
    assert (tmp_path / "losses.png").exists()
    assert exit_of(session(tmp_path, "--resume", "--steps", 4)) == "0"
    assert "nothing to do, nothing changed" in capfd.readouterr().out


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage is not as_folder])
def test_a_damaged_newest_picture_is_replaced(tmp_path, damage):
    train(tmp_path)
    damage(tmp_path / "samples.png")
    train(tmp_path, "--resume", "--steps", 4)
    assert (tmp_path / "samples.png").read_bytes() == (
        tmp_path / "samples/step-000004.png"
    ).read_bytes()
    assert not (tmp_path / "samples.png").is_symlink()


@pytest.mark.parametrize("name", ["samples.png", "samples/step-000003.png"])
def test_a_folder_where_a_picture_goes_is_refused_before_anything_changes(tmp_path, name):
    train(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    before = content(tmp_path)
    assert exit_of(session(tmp_path, "--resume", "--steps", 4)) == (
        f"cannot keep a run in --out {tmp_path}: Is a directory ({tmp_path / name})"
    )
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["training.gif", "losses.png"])
def test_a_folder_where_the_last_pictures_go_is_said_and_no_failure(tmp_path, capfd, name):
    train(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    train(tmp_path, "--resume", "--steps", 3)
    assert (
        capfd.readouterr().err == f"{name} could not be drawn: Is a directory ({tmp_path / name})\n"
    )
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 3


@pytest.mark.parametrize("damage", [as_nothing, as_broken_link, as_fifo])
def test_no_folder_for_the_samples_is_refused(tmp_path, damage):
    train(tmp_path)
    (tmp_path / "samples").rename(tmp_path / "elsewhere")
    (tmp_path / "samples").write_bytes(b"")
    damage(tmp_path / "samples")
    assert exit_of(session(tmp_path, "--resume", "--steps", 4)) == (
        f"cannot keep a run in --out {tmp_path}: File exists ({tmp_path / 'samples'})"
    )


def test_a_run_without_a_single_picture_left_is_complete(tmp_path, capfd):
    train(tmp_path)
    for path in [*(tmp_path / "samples").iterdir(), tmp_path / "training.gif"]:
        path.unlink()
    assert exit_of(session(tmp_path, "--resume")) == "0"
    assert "training.gif could not be drawn: the frames of " in capfd.readouterr().err


# ---- the log


@pytest.mark.parametrize(
    "rubbish, said",
    [
        (b"\xff\xfe", 0),
        (b"\xff\xfe\n", 1),
        (b"2,", 0),
        (b"2,9,1", 0),
        (b"9\n", 1),
        (b"2,1,2,3\n", 1),
        (b"2,x,1\n", 1),
        (b"\n\n", 2),
        (b"2,0x1,1\n", 1),
        (b"2,1_0,1\n", 1),
        ("２,1,1\n".encode(), 1),
        (b"\0" * 5000 + b"\n", 1),
        (b"2,1,1\x85\n", 1),
        (b"9" * 5000 + b",1,1\n", 1),
    ],
)
def test_a_damaged_log_is_read_as_far_as_it_is_whole(tmp_path, capfd, rubbish, said):
    train(tmp_path)
    with open(tmp_path / "log.csv", "ab") as file:
        file.write(rubbish)
    train(tmp_path, "--resume", "--steps", 4)
    expected = (
        f"{tmp_path / 'log.csv'}: {said} lines that are not rows are left out\n" if said else ""
    )
    assert capfd.readouterr().err == expected
    header, rows, others = run_log.read(tmp_path / "log.csv")
    assert (
        header == "step,loss,images_per_second"
        and [step for step, _ in rows] == [1, 2, 3, 4]
        and others == 0
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_log_that_is_none_is_begun_anew_or_refused(tmp_path, capfd, damage):
    train(tmp_path)
    damage(tmp_path / "log.csv")
    if damage in (as_folder, as_fifo, as_device):
        before = content(tmp_path / "samples")
        kind = {as_folder: "folder", as_fifo: "named pipe", as_device: "device"}[damage]
        assert exit_of(session(tmp_path, "--resume", "--steps", 4)) == (
            f"cannot keep a run in --out {tmp_path}: {tmp_path / 'log.csv'} is a {kind}, expected "
            "a regular file"
        )
        assert content(tmp_path / "samples") == before
    else:
        train(tmp_path, "--resume", "--steps", 4)
        assert [step for step, _ in run_log.read(tmp_path / "log.csv")[1]] == [
            3,
            4,
        ] or damage is as_half


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read_as_a_log(tmp_path_factory, rubbish):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_bytes(b"step,a,b\n1,2,3\n" + rubbish + b"\n4,5e-07,nan\n")
    header, rows, others = run_log.read(path)
    assert header == "step,a,b" and rows[0] == (1, "1,2,3\n") and rows[-1] == (4, "4,5e-07,nan\n")
    assert others >= (0 if not rubbish.strip(b"0123456789,.\r\n-+einfa") else 1)
    for _, row in rows:
        assert len([float(number) for number in row.split(",")]) == 3


def test_a_log_may_have_the_line_ends_of_windows(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"step,a,b\r\n1,2,3\r\n")
    assert run_log.read(tmp_path / "log.csv") == ("step,a,b", [(1, "1,2,3\n")], 0)


# ---- Matplotlib, and memory


def test_without_matplotlib_a_training_is_complete(tmp_path, capfd, monkeypatch):
    for error in (
        ImportError("no module"),
        PermissionError("no cache\nat all"),
        RuntimeError("no backend"),
    ):

        class Broken:
            def __getattr__(self, name, error=error):
                raise error

        monkeypatch.setitem(sys.modules, "matplotlib.figure", Broken())
        train(tmp_path / type(error).__name__)
        said, complained = capfd.readouterr()
        assert said.startswith("all 2 steps are done")
        shown = str(error).replace("\n", "\\n")
        assert complained == f"losses.png could not be drawn: {shown}\n"


def test_neither_home_nor_the_folder_for_temporary_files_is_needed(tmp_path):
    """Matplotlib keeps a cache in one of them, and complains in lines of its own."""
    script = (
        "import sys; import toy_run; "
        "these = toy_run.session(sys.argv[1], '--log-every', 1); "
        "[these.log(loss=1) for _ in these]"
    )
    (tmp_path / "file").write_bytes(b"")
    nowhere = str(tmp_path / "file" / "nowhere")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HOME": nowhere,
            "TMPDIR": nowhere,
            "XDG_CACHE_HOME": nowhere,
            "XDG_CONFIG_HOME": nowhere,
            "MPLCONFIGDIR": nowhere,
            "PYTHONPATH": f"{ROOT}:{ROOT}/tests/support",
        },
    )
    assert (
        done.returncode == 0
        and "Traceback" not in done.stderr
        and "all 4 steps are done" in done.stdout
    )
    assert mg.load(tmp_path / "out/checkpoint.npz")["run"]["step"] == 4


def test_a_gif_of_many_pictures_needs_the_memory_of_one(tmp_path):
    images.save_png(
        tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    )
    script = """
import resource
from minigan import images
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
images.save_gif("b.gif", ["a.png"] * 3)
before = megabytes()
images.save_gif("b.gif", ["a.png"] * 60)
print(megabytes() - before)
"""
    grown = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout
    assert int(grown) < 8  # MB: one picture has 1 MB, and 60 of 256 colours 20 MB
    with Image.open(tmp_path / "b.gif") as gif:
        assert gif.n_frames == 60


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_shows_what_pillow_would_write(tmp_path, channels):
    """Colours, times and repetition are those of Pillow's own animations."""
    rng = np.random.default_rng(channels)
    for size in (1, 2, 15, 16, 17):
        for levels in (2, 3, 17, 256):
            shape = (4, size, size) if channels == 1 else (4, size, size, 3)
            grids = (rng.integers(0, levels, shape) * (255 // (levels - 1))).astype(np.uint8)
            grids[:, 0, 0] = np.arange(4).reshape(
                4, *[1] * (channels > 1)
            )  # no two alike, which Pillow would join
            pictures = [Image.fromarray(grid) for grid in grids]
            if channels == 3:
                pictures = [
                    picture.quantize(method=Image.Quantize.FASTOCTREE) for picture in pictures
                ]
            pictures[0].save(
                tmp_path / "pillow.gif",
                save_all=True,
                append_images=pictures[1:],
                duration=100,
                loop=0,
            )
            images.save_gif(tmp_path / "ours.gif", grids)
            with (
                Image.open(tmp_path / "pillow.gif") as expected,
                Image.open(tmp_path / "ours.gif") as gif,
            ):
                assert gif.size == expected.size and gif.info["loop"] == expected.info["loop"] == 0
                for number in range(gif.n_frames):
                    gif.seek(number)
                    assert gif.info["duration"] == 100
                    ours = np.asarray(gif.convert("RGB"))
                    assert np.array_equal(ours, np.asarray(pictures[number].convert("RGB")))
                assert gif.n_frames == 4
