"""Uploads by digest: resumed, checked, deduplicated."""

from __future__ import annotations

import hashlib
import time
from itertools import count
from pathlib import Path

import pytest

from rkd.errors import DataLossError, ExhaustedError, InvalidInputError, Reason
from rkd.library.blobs import FOLDER, KEEP_PARTIAL_S, KEEP_WHOLE_S, Blobs, Standing
from rkd.outside import NotRegularError
from tests.unit.library.killing import Step, killed_at

DATA = bytes(range(256)) * 40
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def upload(blobs: Blobs, data: bytes = DATA, *, pieces: int = 4) -> Standing:
    """Bring *data* from wherever the store stands, in pieces."""
    at = blobs.standing(DIGEST).committed_bytes
    receiving = blobs.receive(DIGEST, len(DATA), at)
    length = -(-len(data) // pieces)
    while at < len(data):
        receiving.write(at, data[at : at + length])
        at = receiving.held_bytes
    return receiving.close()


def test_a_whole_upload_enters_the_store(tmp_path: Path) -> None:
    """Checked, and found by its digest."""
    blobs = Blobs(tmp_path)
    standing = upload(blobs)
    path = blobs.path_of(DIGEST)

    assert standing == Standing(len(DATA), complete=True)
    assert path is not None
    assert path.read_bytes() == DATA


def test_an_interrupted_upload_goes_on(tmp_path: Path) -> None:
    """What was received is safe, the rest is asked for."""
    first = upload(Blobs(tmp_path), DATA[:1000])
    blobs = Blobs(tmp_path)

    assert first == Standing(1000, complete=False)
    assert blobs.standing(DIGEST) == first
    assert upload(blobs).complete


def test_an_upload_killed_anywhere_goes_on(tmp_path: Path) -> None:
    """SIGKILL at every step: never a wrong file in the store, and the next run completes it."""
    for victim in count():
        root = tmp_path / str(victim)
        root.mkdir()
        was_killed = killed_at(lambda step, root=root: _upload_in(root, step), victim)  # type: ignore[misc]
        found = Blobs(root).path_of(DIGEST)
        assert found is None or found.read_bytes() == DATA
        if found is None:
            assert upload(Blobs(root)).complete
        if not was_killed:
            assert victim >= 7
            return


def _upload_in(root: Path, step: Step) -> None:
    upload(Blobs(root, step=step))


def test_the_wrong_offset_says_where_to_go_on(tmp_path: Path) -> None:
    """Before and after; nothing is written."""
    blobs = Blobs(tmp_path)
    upload(blobs, DATA[:1000])
    for offset in (0, 999, 1001):
        with pytest.raises(InvalidInputError) as caught:
            blobs.receive(DIGEST, len(DATA), offset)
        assert caught.value.reason is Reason.UPLOAD_OFFSET
        assert caught.value.metadata["committed_bytes"] == "1000"


def test_more_than_the_size_is_refused(tmp_path: Path) -> None:
    """A piece that reaches beyond the end is not written."""
    receiving = Blobs(tmp_path).receive(DIGEST, 10, 0)
    with pytest.raises(InvalidInputError, match="beyond its size"):
        receiving.write(0, b"x" * 11)

    assert receiving.close().committed_bytes == 0


def test_wrong_bytes_are_thrown_away(tmp_path: Path) -> None:
    """DIGEST_MISMATCH, and the next upload begins anew; also when it was resumed."""
    for wrong in (b"x" * len(DATA), DATA[:-1] + b"x"):
        blobs = Blobs(tmp_path)
        upload(blobs, wrong[:1000])
        with pytest.raises(DataLossError) as caught:
            upload(blobs, wrong)
        assert caught.value.reason is Reason.DIGEST_MISMATCH
        assert blobs.standing(DIGEST) == Standing(0, complete=False)


def test_a_disk_without_room_is_said_before_the_first_byte(tmp_path: Path) -> None:
    """The reserve stays free."""
    blobs = Blobs(tmp_path, reserve_bytes=100, free_bytes=lambda _path: len(DATA) + 99)
    with pytest.raises(ExhaustedError) as caught:
        blobs.receive(DIGEST, len(DATA), 0)

    assert caught.value.reason is Reason.DISK_FULL
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_the_newest_upload_of_a_digest_takes_over(tmp_path: Path) -> None:
    """The stream of a client that went away does not write into its successor's file."""
    blobs = Blobs(tmp_path)
    older = blobs.receive(DIGEST, len(DATA), 0)
    older.write(0, DATA[:500])
    newer = blobs.receive(DIGEST, len(DATA), 500)
    with pytest.raises(InvalidInputError):
        older.write(500, DATA[500:600])
    older.close()
    newer.write(500, DATA[500:])

    assert newer.close().complete


@pytest.mark.parametrize("digest", ["", "sha256:", "md5:" + "0" * 64, "sha256:" + "G" * 64, "../x"])
def test_a_digest_never_becomes_a_path_unchecked(tmp_path: Path, digest: str) -> None:
    """INVALID_FIELD for anything but lower-case SHA-256."""
    with pytest.raises(InvalidInputError):
        Blobs(tmp_path).standing(digest)


def test_a_file_a_model_has_is_not_sent_again(tmp_path: Path) -> None:
    """It is taken by a hard link."""
    have = tmp_path / "x.gguf"
    have.write_bytes(DATA)
    blobs = Blobs(tmp_path, known=lambda digest: have if digest == DIGEST else None)
    blobs.take(DIGEST, tmp_path / "y.gguf")

    assert blobs.standing(DIGEST).complete
    assert (tmp_path / "y.gguf").samefile(have)


def test_a_digest_nobody_sent_cannot_be_taken(tmp_path: Path) -> None:
    """INVALID_FIELD naming it."""
    with pytest.raises(InvalidInputError, match="was not uploaded"):
        Blobs(tmp_path).take(DIGEST, tmp_path / "y.gguf")


def test_unclaimed_blobs_go_in_the_end(tmp_path: Path) -> None:
    """A whole one after a day, a partial one after a week."""
    blobs = Blobs(tmp_path)
    upload(blobs)
    now = (tmp_path / FOLDER / DIGEST.removeprefix("sha256:")).stat().st_mtime
    (tmp_path / FOLDER / "0.partial").write_bytes(b"")
    kept = blobs.sweep(now + KEEP_WHOLE_S - 60)
    day = blobs.sweep(now + KEEP_WHOLE_S + 60)
    week = blobs.sweep(now + KEEP_PARTIAL_S + 60)

    assert (kept, len(day), week) == ((), 1, ("0.partial",))


def test_a_blob_a_model_holds_is_dropped(tmp_path: Path) -> None:
    """Only the store's own name goes."""
    blobs = Blobs(tmp_path)
    upload(blobs)
    blobs.take(DIGEST, tmp_path / "x.gguf")
    blobs.drop([DIGEST])

    assert blobs.path_of(DIGEST) is None
    assert (tmp_path / "x.gguf").read_bytes() == DATA


class TestForeignThings:
    """What a stranger's folder can hold in place of the store, its files and the models'."""

    def test_a_record_is_no_proof(self, tmp_path: Path) -> None:
        """A file that a model's record gives a digest is hashed before it counts; once."""
        wrong, right = tmp_path / "wrong.gguf", tmp_path / "right.gguf"
        wrong.write_bytes(b"poison")
        right.write_bytes(DATA)
        blobs = {path: Blobs(tmp_path, known=lambda _digest, p=path: p) for path in (wrong, right)}  # type: ignore[misc]

        assert blobs[wrong].standing(DIGEST) == Standing(0, complete=False)
        assert blobs[wrong].path_of(DIGEST) is None
        assert blobs[right].standing(DIGEST) == Standing(len(DATA), complete=True)
        assert blobs[right].path_of(DIGEST) == right
        right.write_bytes(DATA[:-1] + b"?")
        assert blobs[right].path_of(DIGEST) is None

    def test_links_in_the_store_are_not_followed(self, tmp_path: Path) -> None:
        """Neither as a whole file, nor as a part to write on at."""
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        name = DIGEST.removeprefix("sha256:")
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / name).symlink_to(secret)
        (tmp_path / FOLDER / f"{name}.partial").symlink_to(secret)
        blobs = Blobs(tmp_path)

        assert blobs.standing(DIGEST) == Standing(0, complete=False)
        assert upload(blobs).complete
        assert secret.read_bytes() == b"secret"

    def test_a_store_that_is_a_link_is_neither_swept_nor_used(self, tmp_path: Path) -> None:
        """Files of a home were a day old when the daemon swept them."""
        home = tmp_path / "home"
        home.mkdir()
        (home / "letter").write_text("dear")
        (home / ("0" * 64)).write_text("dear")
        (tmp_path / FOLDER).symlink_to(home)
        blobs = Blobs(tmp_path)

        assert blobs.sweep(now_s=4e9) == ()
        with pytest.raises(NotRegularError):
            blobs.check_room(DIGEST, 1)
        assert blobs.path_of(f"sha256:{'0' * 64}") is None
        assert len(list(home.iterdir())) == 2

    def test_only_names_of_ours_are_swept(self, tmp_path: Path) -> None:
        """Whatever else lies there was put there by somebody."""
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / "notes").write_text("mine")

        assert Blobs(tmp_path).sweep(now_s=4e9) == ()


@pytest.mark.parametrize(("free_bytes", "kept"), [(10**9, True), (1, False)])
def test_a_converted_blob_stays_where_there_is_room(
    tmp_path: Path,
    free_bytes: int,
    kept: bool,  # noqa: FBT001
) -> None:
    """No model holds it, and another create may want it; it is swept like any other."""
    blobs = Blobs(tmp_path)
    upload(blobs)
    roomy = Blobs(tmp_path, free_bytes=lambda _: free_bytes)
    roomy.drop([DIGEST])

    assert (roomy.path_of(DIGEST) is not None) == kept
    assert roomy.sweep(now_s=time.time() + KEEP_WHOLE_S + 60) == ((DIGEST[7:],) if kept else ())


def test_hashing_ends_when_the_daemon_stops(tmp_path: Path) -> None:
    """Sixteen gigabytes are not read to the end first."""
    path = tmp_path / "right.gguf"
    path.write_bytes(DATA)
    blobs = Blobs(tmp_path, known=lambda _digest: path)
    blobs.close()

    assert blobs.path_of(DIGEST) is None
