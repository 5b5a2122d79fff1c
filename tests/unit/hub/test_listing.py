"""Listings are read in linear time and kept as they were."""

from __future__ import annotations

import json

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
