"""Two kinds of images, from folders and from the published .zip files."""

import re
import zipfile
from io import BytesIO

import pytest
from data_files import write_images

from minigan import data
from minigan.data import named

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")


def test_a_folder_in_the_published_layout_has_two_kinds_of_images(tmp_path):
    write_images(tmp_path, ["pair/trainA/1.png", "pair/trainA/2.png", "pair/testA/1.png"], value=10)
    write_images(tmp_path, ["pair/trainB/1.png", "pair/valB/1.png"], value=20)
    a, b = (data.load(f"pair:{kind}", data_dir=tmp_path) for kind in "AB")
    assert (len(a), len(b)) == (2, 1) and (a.images[:] == 10).all() and (b.images[:] == 20).all()
    assert len(data.load(tmp_path / "pair:A", split="test")) == 1
    assert len(data.load(f"{tmp_path}/pair:B", split="validation")) == 1
    with pytest.raises(data.MissingSplit, match="pair has no split 'test', expected .*train"):
        data.load(tmp_path / "pair:B", split="test")


def write_pair_zip(path, folders, suffix=".jpg"):
    """A set as its authors pack it: NAME/trainA/1.jpg and so on, in each folder three images of
    one value.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for value, folder in enumerate(folders):
            for name in "213":
                picture = BytesIO()
                Image.new("RGB", (12, 10), (80 * value, 0, 10 * int(name))).save(picture, "PNG")
                archive.writestr(f"{path.stem}/{folder}/{name}{suffix}", picture.getvalue())
            for name in (
                f"{path.stem}/{folder}/readme.txt",
                f"__MACOSX/{path.stem}/{folder}/._1.jpg",
            ):
                archive.writestr(name, "no image")


@pytest.mark.parametrize(
    "place", ["summer2winter_yosemite.zip", "summer2winter-yosemite/summer2winter_yosemite.zip"]
)
def test_a_published_pair_is_read_out_of_its_zip(tmp_path, place):
    write_pair_zip(tmp_path / place, ["trainA", "trainB", "testA"])
    b = data.load("summer2winter_yosemite:B", image_size=8, data_dir=tmp_path)
    assert b.images.shape == (3, 3, 8, 8) and b.labels is None
    assert b.images[:, :, 0, 0].tolist() == [
        [80, 0, 10],
        [80, 0, 20],
        [80, 0, 30],
    ]  # in the order of their names
    assert (
        data.load("Summer2Winter-Yosemite:A", split="test", data_dir=tmp_path).images[0, 0, 0, 0]
        == 160
    )
    with pytest.raises(ValueError, match="yosemite.zip holds no images in a folder testB"):
        data.load("summer2winter_yosemite:B", split="test", data_dir=tmp_path)


def test_a_published_pair_may_lie_unpacked(tmp_path):
    write_images(tmp_path, ["horse2zebra/trainA/1.jpg"])
    assert len(data.load("horse2zebra:A", data_dir=tmp_path)) == 1


def test_a_damaged_zip_is_named_and_a_missing_one_too(tmp_path):
    path = tmp_path / "maps.zip"
    write_pair_zip(path, ["trainA"])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"IDAT", b"IDOT", 1))
    with pytest.raises(ValueError, match="maps.zip: cannot read the image .*maps/trainA/.*.jpg"):
        data.load("maps:A", data_dir=tmp_path)
    path.write_bytes(content[:200])
    with pytest.raises(ValueError, match="cannot read .*maps.zip: File is not a zip file"):
        data.load("maps:A", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="found none of horse2zebra.zip"):
        data.load("horse2zebra:A", data_dir=tmp_path)


def test_a_published_pair_is_downloaded_from_its_authors_and_known_by_its_sha256(
    tmp_path, monkeypatch
):
    asked = []
    write_pair_zip(tmp_path / "horse2zebra.zip", ["trainA"])
    monkeypatch.setattr(
        named,
        "download",
        lambda *given, **options: asked.append((given, options)) or tmp_path / "horse2zebra.zip",
    )
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert len(data.load("horse2zebra:A")) == 3
    (((name, urls, sha256, folder), options),) = asked
    assert (
        name == "horse2zebra.zip"
        and all(url.endswith("/horse2zebra.zip") for url in urls)
        and len(urls) > 1
    )
    assert sha256 == named.PAIRS["horse2zebra"] and folder == tmp_path / "cache" / "horse2zebra"
    assert options == {"contents": False}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in named.PAIRS.values())


def test_unreadable_images_are_skipped_and_named_only_if_told_so(tmp_path, capsys):
    write_images(tmp_path, ["1.png", "2.png", "3.png"])
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[:-25])
    with pytest.raises(ValueError, match="2.png"):
        data.load(tmp_path)
    assert len(data.load(tmp_path, skip_unreadable=True)) == 2
    said = capsys.readouterr().err
    first, second = said.splitlines()
    assert first.startswith("skipped: cannot read the image") and "2.png" in first
    assert second.endswith(": 2 images are read; left out are unreadable images: 1 ('2.png')")
    for name in "13":
        (tmp_path / f"{name}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no image that can be read"):
        data.load(tmp_path, skip_unreadable=True)
