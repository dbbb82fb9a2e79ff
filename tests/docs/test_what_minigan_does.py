"""What coming-from-pytorch.md says of minigan is so."""

import pages
import pytest

import minigan as mg


@pytest.fixture
def names(tmp_path):
    """What the page's programs know, on the CPU."""
    with mg.device("cpu"):
        yield pages.our_names(tmp_path / "net.npz")


@pytest.mark.parametrize("row", pages.what_differs(), ids=lambda row: row.ours)
def test_minigan_differs_as_the_page_says(row, names):
    pages.check_outcome(row.ours, row.our_outcome, names)


@pytest.mark.parametrize("row", pages.what_is_refused(), ids=lambda row: row.theirs)
def test_minigan_refuses_what_the_page_says(row, names):
    pages.check_outcome(pages.in_minigan(row.theirs), row.error, names)


@pytest.mark.parametrize("row", pages.what_is_refused(), ids=lambda row: row.theirs)
def test_what_stands_beside_a_refusal_works(row, names):
    for program in row.instead:
        pages.run(program, names)


@pytest.mark.parametrize("name", ["coming-from-pytorch.md", "dcgan-tutorial.md"])
def test_the_files_that_a_page_names_exist(name):
    links = pages.links(name)
    assert links
    for link in links:
        assert (pages.DOCS / link).exists(), link


def test_the_tables_are_read():
    assert len(pages.the_same()) > 150
    assert len(pages.what_differs()) > 25
    assert len(pages.what_is_refused()) > 50


def test_a_wrong_statement_is_found(names):
    for outcome in ("[1]", "ValueError: size 2", "TypeError: size 1"):
        with pytest.raises(AssertionError):
            pages.check_outcome("x.sum().tolist()", outcome, names)
    with pytest.raises(AssertionError):
        pages.check_outcome("x.item()", "ValueError: size 2", names)
