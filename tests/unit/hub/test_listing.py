"""Listings are read in linear time and kept as they were."""

from __future__ import annotations

import json

import pytest

from rkd import shape
from rkd.hub.listing import MOST_FILES, listing_of, restored, stored
from tests.growth import assert_linear


def answer(size: int) -> bytes:
    """Write what a hub says of a repository of that many files."""
    files = [
        {"rfilename": f"f/{number}.gguf", "size": number, "lfs": {"sha256": f"{number:064x}"}}
        for number in range(size)
    ]
    return json.dumps({"id": "org/x", "sha": "c" * 40, "siblings": files}).encode()


def test_an_answer_is_read_in_linear_time() -> None:
    """From its bytes to the listing, and through the cache."""

    def read(data: bytes) -> None:
        found = listing_of(shape.parse(data, most_bytes=len(data)))
        restored(json.loads(json.dumps(stored(found))))

    assert_linear(answer, read, most=MOST_FILES, start=250)


def test_of_two_files_with_one_path_the_first_counts() -> None:
    """A name twice is one file."""
    record = json.loads(answer(1))
    record["siblings"].append({**record["siblings"][0], "size": 99})

    assert [file.size_bytes for file in listing_of(record).files] == [0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("commit", "main"), ("license", "a\nb"), ("likes", 2**63), ("likes", True), ("tags", 7),
        ("updated", "2026-01-01T00:00:00"), ("architecture", None), ("repository", "\ud800"),
    ],
)  # fmt: skip
def test_what_was_kept_is_believed_no_more_than_what_was_said(key: str, value: object) -> None:
    """A listing on disk may be anybody's."""
    kept = json.loads(json.dumps(stored(listing_of(json.loads(answer(1))))))

    assert restored(kept | {"updated": "2026-01-01T00:00:00+00:00"}).updated is not None
    with pytest.raises(shape.UnlikeError):
        restored(kept | {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "../x"), ("size_bytes", 2**48 + 1), ("algorithm", "md5"), ("digest", "0" * 40)],
)
def test_nor_is_a_file_of_it(key: str, value: object) -> None:
    """Its path stays in the repository, its digest is one of its kind."""
    kept = json.loads(json.dumps(stored(listing_of(json.loads(answer(1))))))
    kept["files"][0][key] = value

    with pytest.raises(shape.UnlikeError):
        restored(kept)
