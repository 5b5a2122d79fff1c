"""The page on the Hub names the bounds that the code has."""

from __future__ import annotations

from pathlib import Path

from rkd import shape
from rkd.hub import answers, browse, cache, connection, fetching, listing, search, threads
from rkd.operations import journal
from tests.unit.test_docs import between

PAGE = Path(__file__).resolve().parents[3] / "docs" / "hub.md"
MIB = 1 << 20


def test_every_bound_on_the_page_is_the_codes() -> None:
    """Row by row, in the order of the page."""
    expected = [
        f"{answers.LARGEST_BYTES // MIB} MiB",
        f"{shape.MOST_VALUES}",
        f"{answers.LONGEST_S:g} s",
        f"{threads.ANSWER_WAIT_S:g} s",
        f"{connection.LONGEST_WAIT_S:g} s",
        f"{fetching.STALL_S:g} s",
        f"{search.LOOKED_AT}",
        f"{listing.MOST_FILES}",
        f"{listing.LARGEST_FILE_BYTES}",
        f"{listing.LONGEST_PATH_BYTES}",
        f"{browse.MOST_HEADER_BYTES // MIB} MiB",
        f"{browse.CARD_BYTES // MIB} MiB",
        f"{cache.KEPT_ANSWERS}",
        f"{cache.KEPT_BYTES // MIB} MiB",
        f"{journal.MOST_FILES}",
        f"{journal.LARGEST_BYTES // MIB} MiB",
    ]
    lines = between(PAGE.read_text(encoding="utf-8"), "hub-bounds").strip().splitlines()[2:]

    assert [line.strip("|").split("|")[1].strip() for line in lines] == expected
