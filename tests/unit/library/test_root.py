"""Tests for the names in the models folder: what is asked, and what is left to be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.library.layout import EntryKind
from rkd.library.root import RootListing, list_root
from tests.unit.library.folders import put


def changed(root: Path) -> RootListing:
    """List *root*, bring the folders x and y and the file f, and let the time of change differ."""
    before = list_root(root)
    put(root / "x" / "a")
    put(root / "y" / "a")
    put(root / "f")
    os.utime(root, (1, 1))
    return before


def test_one_that_came_explains_the_time_of_change(tmp_path: Path) -> None:
    """Of the others somebody is going to tell."""
    listing = list_root(tmp_path, changed(tmp_path), frozenset({"x"}), told=True)

    assert (listing.folders, dict(listing.others)) == ({"x"}, {})


@pytest.mark.parametrize("touched", [frozenset[str](), frozenset({"nowhere"})])
def test_a_time_of_change_nothing_explains_is_looked_into(
    tmp_path: Path, touched: frozenset[str]
) -> None:
    """Nothing that was touched came or went: the kernel does not tell of everything, everywhere."""
    listing = list_root(tmp_path, changed(tmp_path), touched, told=True)

    assert (listing.folders, dict(listing.others)) == ({"x", "y"}, {"f": EntryKind.FILE})


def test_where_nobody_tells_every_name_is_asked(tmp_path: Path) -> None:
    """A folder that is polled, or not watched at all."""
    listing = list_root(tmp_path, changed(tmp_path), frozenset({"x"}))

    assert (listing.folders, dict(listing.others)) == ({"x", "y"}, {"f": EntryKind.FILE})


def test_what_went_explains_it_too(tmp_path: Path) -> None:
    """And is listed no longer."""
    changed(tmp_path)
    before = list_root(tmp_path)
    (tmp_path / "f").unlink()
    os.utime(tmp_path, (2, 2))
    listing = list_root(tmp_path, before, frozenset({"f", "y"}), told=True)

    assert (listing.folders, dict(listing.others)) == ({"x", "y"}, {})
