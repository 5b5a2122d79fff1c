"""How a model that stands here compares with what a pull would bring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.variants import Variant, variants_of
from rkd.model import Format, Model, ModelName, ModelState, Provenance, WeightsFile
from rkd.operations.present import is_older, is_the_same
from tests.unit.library.folders import put

REPOSITORY, COMMIT = "org/tiny", "c" * 40
WEIGHTS = RemoteFile("sub/t-Q4_0.gguf", 5, "sha256", "a" * 64)
SIGHT = RemoteFile("mmproj-t-f16.gguf", 3, "sha256", "b" * 64)
SMALL = RemoteFile("tokenizer.json", 2, "git-sha1", "d" * 40)
LISTING = Listing(REPOSITORY, COMMIT, (WEIGHTS, SMALL))
(VARIANT,) = variants_of(LISTING)
DIGESTS = {"t-Q4_0.gguf": f"sha256:{'a' * 64}", "tokenizer.json": f"sha256:{'e' * 64}"}


def model(folder: Path, **origin: object) -> Model:
    """A model of the listing's weights, as a pull of it left them."""
    put(folder / "t-Q4_0.gguf", b"12345")
    put(folder / "tokenizer.json", b"{}")
    digests = tuple(DIGESTS.items())
    provenance = replace(Provenance(REPOSITORY, COMMIT, None, digests), **origin)  # type: ignore[arg-type]
    weights = WeightsFile(folder / "t-Q4_0.gguf", Format.GGUF, 5, 0)
    return Model(
        ModelName("t"), folder, ModelState.READY, weights=(weights,), provenance=provenance
    )


def test_what_a_pull_left_is_the_same(tmp_path: Path) -> None:
    """Repository, commit, digests and sizes: nothing has to be fetched."""
    assert is_the_same(model(tmp_path), LISTING, VARIANT)


@pytest.mark.parametrize(
    "origin",
    [
        {"repository": "org/other"},
        {"revision": "f" * 40},
        {"digests": ()},
        {"digests": (("t-Q4_0.gguf", f"sha256:{'f' * 64}"),)},
    ],
)
def test_another_origin_or_digest_is_another_model(
    tmp_path: Path, origin: dict[str, object]
) -> None:
    """Whatever lies there: the record has to say it."""
    assert not is_the_same(model(tmp_path, **origin), LISTING, VARIANT)


@pytest.mark.parametrize("name", ["t-Q4_0.gguf", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["shorter", "gone", "a folder"])
def test_a_file_of_another_size_is_fetched_again(tmp_path: Path, name: str, damage: str) -> None:
    """Recorded, but cut short, deleted, or something else on the disk."""
    present = model(tmp_path)
    (tmp_path / name).unlink()
    if damage == "shorter":
        put(tmp_path / name, b"1")
    elif damage == "a folder":
        (tmp_path / name).mkdir()

    assert not is_the_same(present, LISTING, VARIANT)


def test_what_is_not_recorded_is_not_missed(tmp_path: Path) -> None:
    """A small file the pull did not bring, or somebody took out of the record."""
    digests = (("t-Q4_0.gguf", DIGESTS["t-Q4_0.gguf"]),)
    present = model(tmp_path, digests=digests)
    (tmp_path / "tokenizer.json").unlink()

    assert is_the_same(present, LISTING, VARIANT)


def test_weights_named_by_git_are_known_by_their_size(tmp_path: Path) -> None:
    """A hub that keeps them so tells no sha256 to compare."""
    file = replace(WEIGHTS, algorithm="git-sha1", digest="d" * 40)
    variant = replace(VARIANT, files=(file,))

    assert is_the_same(model(tmp_path), replace(LISTING, files=(file,)), variant)


def test_a_projector_that_came_since_is_brought(tmp_path: Path) -> None:
    """A model that was pulled without its sight is not what a pull would bring today."""
    seeing = replace(VARIANT, sight=SIGHT)
    known = replace(LISTING, files=(WEIGHTS, SIGHT))
    put(tmp_path / SIGHT.path, b"123")
    digests = (*DIGESTS.items(), (SIGHT.path, f"sha256:{'b' * 64}"))

    assert not is_the_same(model(tmp_path), known, seeing)
    assert is_the_same(model(tmp_path, digests=digests), known, seeing)


@pytest.mark.parametrize(
    ("origin", "variant", "older"),
    [
        ({}, VARIANT, True),
        ({"revision": "f" * 40}, VARIANT, True),
        ({"repository": "org/other"}, VARIANT, False),
        ({}, replace(VARIANT, files=(replace(WEIGHTS, path="t-Q8_0.gguf"),)), False),
    ],
)
def test_an_update_is_of_the_same_file_of_the_same_repository(
    tmp_path: Path, origin: dict[str, object], variant: Variant, *, older: bool
) -> None:
    """At whatever commit; another quantization or repository is another model."""
    assert is_older(model(tmp_path, **origin), LISTING, variant) is older
