"""examples/two_sample.py reads samples of many kinds, and refuses others in one sentence."""

import os

import numpy as np
import pytest
from digits import REAL, TRAIN

import two_sample
from minigan.evaluation import classifier


def test_the_two_sample_script_compares_a_data_set_and_an_array(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 20)
    np.save(tmp_path / "samples.npy", REAL[:100].repeat(2, 2).repeat(2, 3))
    two_sample.main(["digits", str(tmp_path / "samples.npy"), "-n", "80"])
    said = capsys.readouterr().out
    assert (
        "80 images of each, 8 x 8" in said
        and "on the 80 not seen, p = " in said
        and "nearest neighbour" in said
    )
    with pytest.raises(SystemExit):
        two_sample.main(["digits", "nowhere"])
    assert "there is no data set, folder or file nowhere" in capsys.readouterr().err


def npz_named_npy(path):
    with open(path, "wb") as file:
        np.savez(file, images=TRAIN.images[:20])


BAD_SAMPLES = {
    "empty.npy": (lambda path: path.write_bytes(b""), "it begins b''"),
    "none.npy": (
        lambda path: np.save(path, REAL[:0]),
        r"its array has shape (0, 1, 8, 8), expected images",
    ),
    "npz.npy": (npz_named_npy, "it begins b'PK"),
    "flat.npy": (
        lambda path: np.save(path, REAL[:20, 0]),
        "its array has shape (20, 8, 8), expected images",
    ),
    "number.npy": (lambda path: np.save(path, 3.0), "its array has shape (), expected images"),
    "object.npy": (
        lambda path: np.save(path, np.array([{}, []], object)),
        "Object arrays cannot be loaded",
    ),
    "pickle.npy": (lambda path: path.write_bytes(b"\x80\x04]\x94."), "as an .npy file does"),
    "nan.npy": (
        lambda path: np.save(path, np.full((20, 1, 8, 8), np.nan)),
        "float64 from nan to nan",
    ),
    "infinite.npy": (
        lambda path: np.save(path, np.full((20, 1, 8, 8), np.inf)),
        "float64 from inf to inf",
    ),
    "bytes.npy": (
        lambda path: np.save(path, REAL[:20] * 255),
        "expected uint8, or floats in [-1, 1]",
    ),
    "whole.npy": (
        lambda path: np.save(path, np.zeros((20, 1, 8, 8), int)),
        "are int64, expected uint8",
    ),
    "complex.npy": (lambda path: np.save(path, REAL[:20] * 1j), "are complex64, expected uint8"),
    "bool.npy": (lambda path: np.save(path, REAL[:20] > 0), "are bool, expected uint8"),
    "named.npy": (
        lambda path: np.save(path, np.zeros((20, 1, 8, 8), [("x", "f4")])),
        "expected uint8",
    ),
    "colour.npy": (
        lambda path: np.save(path, REAL[:20].repeat(3, 1)),
        "expected one shape (n, C, H, W)",
    ),
    "few.npy": (lambda path: np.save(path, REAL[:3]), "n at least 4"),
    "one.npy": (lambda path: np.save(path, REAL[:1]), "with n at least 2"),
    "short.npy": (
        lambda path: np.save(path, REAL[:20]) or path.write_bytes(path.read_bytes()[:-1]),
        "bytes follow",
    ),
    "folder.npy": (lambda path: path.mkdir(), "folder.npy is a folder, expected a regular file"),
    "pipe.npy": (lambda path: os.mkfifo(path), "pipe.npy is a named pipe, expected a regular file"),
    "gone.npy": (lambda path: None, "there is no file"),
    "empty.npz": (lambda path: path.write_bytes(b""), "File is not a zip file"),
    "pipe.npz": (lambda path: os.mkfifo(path), "pipe.npz is a named pipe, expected a regular file"),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_the_two_sample_script_refuses_what_holds_no_images_in_one_sentence(tmp_path, capsys, name):
    make, message = BAD_SAMPLES[name]
    make(tmp_path / name)
    with pytest.raises(SystemExit) as caught:
        two_sample.main(["digits", str(tmp_path / name)])
    said = capsys.readouterr().err
    assert caught.value.code == 2 and message in said and said.count("\n") == 1


@pytest.mark.parametrize("dtype", ["u1", ">f4", "<f8"])
def test_the_two_sample_script_reads_samples_of_any_type_and_byte_order(
    tmp_path, monkeypatch, capsys, dtype
):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    samples = TRAIN.images[:20] if dtype == "u1" else np.asfortranarray(REAL[:20].astype(dtype))
    np.save(tmp_path / "a.npy", samples)
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    two_sample.main(["digits", str(tmp_path / "A.NPY")])
    expected = capsys.readouterr().out
    np.save(tmp_path / "b.npy", REAL[:20])
    two_sample.main(["digits", str(tmp_path / "b.npy")])
    assert expected == capsys.readouterr().out
