"""What belongs to a pulled model."""

from __future__ import annotations

from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.variants import variants_of
from rkd.operations.bundle import (
    LARGEST_COMPANY_BYTES,
    MOST_COMPANY,
    company,
    items_of,
    tokenizer_files,
)


def listing(*files: tuple[str, int]) -> Listing:
    """Make a listing of files with sizes."""
    return Listing(
        "org/repo",
        "c" * 40,
        tuple(
            RemoteFile(path, size, "sha256", f"{n:064x}") for n, (path, size) in enumerate(files)
        ),
    )


def test_company_is_small_and_not_many() -> None:
    """A licence of a terabyte, a tokenizer of another, licences without end: left alone."""
    known = listing(
        ("tokenizer.json", LARGEST_COMPANY_BYTES + 1),
        ("LICENSE", 1 << 40),
        ("tokenizer_config.json", 9),
        ("m-Q4_0.gguf", 1 << 33),
        *((f"license-{number}.txt", 1) for number in range(500)),
    )
    (variant,) = variants_of(known)

    assert len(company(known)) == MOST_COMPANY
    assert [file.path for file in tokenizer_files(known)] == ["tokenizer_config.json"]
    assert sum(item.file.size_bytes for item in items_of(known, variant, known)) < (1 << 33) + 100
