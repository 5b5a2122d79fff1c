"""One file from the hub to the disk, through every trouble there is by order."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rkd.errors import (
    DataLossError,
    ExhaustedError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.hub.connection import Connection, Limits
from rkd.hub.mover import MOST_SKIPPED_BYTES, Mover, Patience, Wanted, Window
from rkd.hub.part import bytes_in_part
from rkd.hub.stop import StoppedError, StopSign
from tests.hub.server import LocalHub
from tests.hub.store import Fault, git_sha1, sha256

MEBI = 1 << 20
CONTENT = os.urandom(3 * MEBI)
SMALL = b"small file\n"
REPOSITORY = "org/tiny"
QUICK = Patience(waits_s=(0.0,) * 4)
ONCE = Patience(waits_s=())
COMMIT = ("X-Repo-Commit", "0" * 40)


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub with one large and one small file."""
    with LocalHub() as hub:
        hub.add(REPOSITORY, {"model.gguf": CONTENT, "tokenizer.json": SMALL})
        yield hub


class Bench:
    """A mover, what it is to fetch, and where to."""

    def __init__(
        self, hub: LocalHub, folder: Path, *, token: str = "", offline: bool = False
    ) -> None:
        self.hub = hub
        self.read_s = 30.0
        self.connection = Connection(
            endpoint=hub.endpoint,
            token=lambda: token,
            offline=lambda: offline,
            home=folder / "home",
            limits=lambda: Limits(read_s=self.read_s),
        )
        self.target = folder / "model.gguf"
        self.seen: list[int] = []

    def wanted(self, path: str = "model.gguf", **changes: object) -> Wanted:
        """Name a file as the hub announces it."""
        content = CONTENT if path == "model.gguf" else SMALL
        large = len(content) > MEBI
        facts: dict[str, object] = {
            "repository": REPOSITORY,
            "commit": self.hub.store.repositories[REPOSITORY].head,
            "path": path,
            "size_bytes": len(content),
            "algorithm": "sha256" if large else "git-sha1",
            "digest": sha256(content) if large else git_sha1(content),
        }
        return Wanted(**(facts | changes))  # type: ignore[arg-type] - typed by the table above

    def fetch(
        self,
        wanted: Wanted | None = None,
        *,
        stop: StopSign | None = None,
        patience: Patience = QUICK,
    ) -> None:
        """Fetch with little patience."""
        Mover(self.connection, patience=patience).fetch(
            wanted or self.wanted(),
            self.target,
            progress=self.seen.append,
            stop=stop or StopSign(),
        )


@pytest.fixture
def bench(hub: LocalHub, tmp_path: Path) -> Bench:
    """Aim a mover at the hub."""
    return Bench(hub, tmp_path)


def test_a_file_arrives_whole_and_only_then(bench: Bench) -> None:
    """The target holds the bytes; no part is left; progress ends at the size."""
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert [path.name for path in bench.target.parent.glob("model*")] == ["model.gguf"]
    assert bench.seen[-1] == len(CONTENT)


def test_a_small_file_is_checked_by_git_s_own_name(bench: Bench) -> None:
    """Files outside LFS have no sha256: their blob id is checked."""
    bench.fetch(bench.wanted("tokenizer.json"))

    assert bench.target.read_bytes() == SMALL
    with pytest.raises(DataLossError):
        bench.fetch(bench.wanted("tokenizer.json", digest="0" * 40))


@pytest.mark.parametrize("what", ["drop", "reset", "short"])
def test_a_line_that_breaks_is_taken_up_where_it_broke(bench: Bench, what: str) -> None:
    """FIN, RST and short answers cost a request each, and no byte twice beyond one chunk."""
    bench.hub.break_with(
        Fault("cdn", what, at_bytes=700_000),
        Fault("cdn", what, at_bytes=MEBI),
        Fault("cdn", what, at_bytes=17),
    )
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert bench.hub.sent_bytes() <= len(CONTENT) + 3 * MEBI // 4
    assert bench.seen == sorted(bench.seen)


def test_breaking_every_megabyte_still_ends(bench: Bench) -> None:
    """More breaks than tries, but each brings something: the count starts anew."""
    faults = (Fault("cdn", "drop", at_bytes=256 << 10) for _ in range(10))
    bench.hub.break_with(*faults)
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert len(bench.hub.served("cdn")) == 11


def test_silence_is_a_break(bench: Bench) -> None:
    """A stall longer than the read timeout is taken up on a new connection."""
    bench.read_s = 0.5
    bench.hub.break_with(Fault("cdn", "stall", at_bytes=MEBI))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
@pytest.mark.parametrize("where", ["hub", "cdn"])
def test_later_is_no_refusal(bench: Bench, where: str, status: int) -> None:
    """5xx, 408 and 429 are asked again, wherever they come from."""
    bench.hub.break_with(Fault(where, "status", status=status, headers=(("Retry-After", "0"),)))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_an_expired_address_is_asked_for_again(bench: Bench) -> None:
    """403 of the CDN in the middle gets a fresh signed address, and goes on at the same byte."""
    bench.hub.break_with(
        Fault("cdn", "drop", at_bytes=MEBI),
        Fault("cdn", "status", status=403),
    )
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert bench.hub.sent_bytes() <= len(CONTENT) + MEBI // 4


def test_wrong_bytes_of_the_right_length_are_fetched_again(bench: Bench) -> None:
    """Sixteen flipped bytes are found, and the file fetched once more from nothing."""
    bench.hub.break_with(Fault("cdn", "corrupt", at_bytes=MEBI))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_bytes_wrong_twice_are_a_loss_told_and_nothing_kept(bench: Bench) -> None:
    """DIGEST_MISMATCH, no file and not a byte of a part that would be believed later."""
    bench.hub.break_with(Fault("cdn", "corrupt", at_bytes=5), Fault("cdn", "corrupt", at_bytes=9))
    with pytest.raises(DataLossError) as caught:
        bench.fetch()

    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert not bench.target.exists()
    assert bytes_in_part(bench.target) == 0


def test_a_server_without_ranges_starts_over(bench: Bench) -> None:
    """A 200 where a 206 was asked for is the whole file: nothing is appended to the part."""
    bench.hub.break_with(Fault("cdn", "drop", at_bytes=MEBI), Fault("cdn", "no-range"))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_a_size_that_does_not_fit_is_not_believed(bench: Bench) -> None:
    """Seven bytes too many are refused before the first is taken, and asked again."""
    bench.hub.break_with(Fault("cdn", "size"))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_a_page_of_somebody_else_is_no_file(bench: Bench) -> None:
    """A captive portal answers 200 for everything: without a commit it is not the hub."""
    bench.hub.break_with(*(Fault("hub", "captive") for _ in range(9)))
    with pytest.raises(UnavailableError, match="a page of its own"):
        bench.fetch()

    assert bytes_in_part(bench.target) == 0


def test_a_redirect_to_nowhere_is_asked_again(bench: Bench) -> None:
    """A dead CDN is trouble, not the end."""
    bench.hub.break_with(Fault("hub", "dead-port"))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_a_hub_that_is_gone_keeps_what_is_there(bench: Bench) -> None:
    """After the last try HUB_UNREACHABLE is raised, and the part waits for the hub's return."""
    bench.hub.break_with(Fault("cdn", "drop", at_bytes=MEBI))
    bench.hub.break_with(Fault("hub", "pass"), *(Fault("hub", "close") for _ in range(5)))
    with pytest.raises(UnavailableError) as caught:
        bench.fetch()
    kept = bytes_in_part(bench.target)
    bench.fetch()

    assert caught.value.reason is Reason.HUB_UNREACHABLE
    assert kept > MEBI // 2
    assert bench.target.read_bytes() == CONTENT
    assert bench.hub.sent_bytes() <= len(CONTENT) + MEBI // 4


def test_what_an_earlier_process_left_is_gone_on_with(bench: Bench) -> None:
    """A part from before is hashed, not fetched; one that is too long is thrown away."""
    part = bench.target.with_name("model.gguf.part")
    part.write_bytes(CONTENT[: 2 * MEBI])
    bench.fetch()
    assert bench.target.read_bytes() == CONTENT
    assert bench.hub.sent_bytes() == MEBI
    assert bench.seen[0] == 2 * MEBI

    part.write_bytes(CONTENT + b"more")
    bench.fetch()
    assert bench.target.read_bytes() == CONTENT


def test_a_rotten_part_costs_one_fetch(bench: Bench) -> None:
    """What a power cut left wrong is found by the digest and fetched again."""
    bench.target.with_name("model.gguf.part").write_bytes(bytes(MEBI))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def test_a_stop_keeps_the_part(bench: Bench) -> None:
    """Stopping ends within a chunk, keeps what is there, and a later call goes on."""
    stop = StopSign()

    def stop_in_the_middle(done: int) -> None:
        if done >= MEBI:
            stop.set()

    with pytest.raises(StoppedError):
        Mover(bench.connection, patience=QUICK).fetch(
            bench.wanted(), bench.target, progress=stop_in_the_middle, stop=stop
        )
    kept = bytes_in_part(bench.target)
    bench.fetch()

    assert MEBI <= kept < len(CONTENT)
    assert bench.target.read_bytes() == CONTENT


def test_a_stop_wakes_a_read_that_waits(bench: Bench) -> None:
    """Bytes that do not come hold nobody: the connection is cut by the stop itself."""
    stop = StopSign()
    bench.hub.break_with(Fault("cdn", "stall", at_bytes=MEBI))

    def stop_at_the_stall(done: int) -> None:
        if done >= MEBI:
            stop.set()

    with pytest.raises(StoppedError):
        Mover(bench.connection, patience=QUICK).fetch(
            bench.wanted(), bench.target, progress=stop_at_the_stall, stop=stop
        )

    assert bytes_in_part(bench.target) == MEBI


def test_refusals_are_final_and_told_apart(bench: Bench, tmp_path: Path) -> None:
    """Gated, private, missing and a bad token are different errors, after one request each."""
    cases: list[tuple[str, str, Callable[[], None], type[RkdError], str]] = [
        ("", "gated", lambda: None, ForbiddenError, "gated"),
        ("hf_bad", "gated", lambda: None, ForbiddenError, "token"),
    ]
    bench.hub.store.repositories[REPOSITORY].gated = "manual"
    for token, _, _, error, kind in cases:
        other = Bench(bench.hub, tmp_path, token=token)
        with pytest.raises(error) as caught:
            other.fetch()
        assert caught.value.metadata["kind"] == kind
        assert caught.value.metadata["page"] == f"{bench.hub.endpoint}/{REPOSITORY}"
    bench.hub.store.repositories[REPOSITORY].gated = ""
    bench.hub.store.repositories[REPOSITORY].private = True
    with pytest.raises(ForbiddenError) as caught:
        bench.fetch()
    assert caught.value.metadata["kind"] == "private"
    Bench(bench.hub, tmp_path, token="hf_good").fetch()
    with pytest.raises(NotFoundError):
        Bench(bench.hub, tmp_path, token="hf_good").fetch(bench.wanted(path="model.gguf.missing"))


def test_the_token_goes_to_the_hub_alone(bench: Bench, tmp_path: Path) -> None:
    """The CDN, another origin, never sees it."""
    Bench(bench.hub, tmp_path, token="hf_good").fetch()

    assert {served.token for served in bench.hub.served("redirect")} == {"hf_good"}
    assert {served.token for served in bench.hub.served("cdn")} == {""}


def test_a_full_disk_is_its_own_error(bench: Bench, tmp_path: Path) -> None:
    """ENOSPC becomes DISK_FULL, naming the file and what is needed."""
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("no /dev/full here")
    bench.target = tmp_path / "on-full"
    (tmp_path / "on-full.part").symlink_to(full)
    with pytest.raises(ExhaustedError) as caught:
        bench.fetch()

    assert caught.value.reason is Reason.DISK_FULL


def test_a_line_that_barely_lives_counts_as_broken(bench: Bench) -> None:
    """Less than the bound in a window ends the try; tries without progress are bounded."""
    bench.hub.rate_bytes_per_s = 64 << 20
    snail = Patience(
        waits_s=(0.0,) * 3, slow_window_s=0.0, slow_bytes=10 * MEBI, progress_bytes=9 * MEBI
    )
    with pytest.raises(UnavailableError, match="too slow"):
        Mover(bench.connection, patience=snail).fetch(
            bench.wanted(size_bytes=len(CONTENT)),
            bench.target,
            progress=bench.seen.append,
            stop=StopSign(),
        )

    assert len(set(bench.seen)) > 3


def test_offline_asks_nobody(hub: LocalHub, tmp_path: Path) -> None:
    """OFFLINE is said before any connection."""
    offline = Bench(hub, tmp_path, offline=True)
    with pytest.raises(PreconditionError) as caught:
        offline.connection.ask(lambda api: api.model_info(REPOSITORY), what=REPOSITORY)

    assert caught.value.reason is Reason.OFFLINE
    assert hub.store.served == []


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_trouble_ends_in_the_right_bytes(bench: Bench, seed: int) -> None:
    """Breaks at odd places, in every order, change nothing in what arrives."""
    kinds = itertools.permutations(["drop", "reset", "short", "no-range"])
    order = next(itertools.islice(kinds, seed * 5, None))
    places = [(seed + 1) * 123_457 + number * 77_777 for number in range(4)]
    for kind, at in zip(order, places, strict=True):
        bench.hub.break_with(Fault("cdn", kind, at_bytes=at))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT


def ranged(start: int, data: bytes, total: object = len(CONTENT)) -> Fault:
    """An answer of the CDN that says it is *data* from *start* on."""
    said = (("Content-Range", f"bytes {start}-{start + len(data) - 1}/{total}"),)
    return Fault("cdn", "answer", status=206, headers=said, body=data)


class TestPieces:
    """`read`: a piece of a file, before it is fetched."""

    def read(self, bench: Bench, offset_bytes: int, count: int, **changes: object) -> bytes:
        """Look into the large file."""
        mover = Mover(bench.connection, patience=ONCE)
        return mover.read(bench.wanted(**changes), offset_bytes, count)

    def test_no_byte_more_than_asked_for_is_sent(self, bench: Bench) -> None:
        """From the beginning, the middle, and past the end."""
        assert self.read(bench, 0, 10) == CONTENT[:10]
        assert self.read(bench, 1000, 70_000) == CONTENT[1000:71_000]
        assert self.read(bench, len(CONTENT) - 5, 100) == CONTENT[-5:]
        assert bench.hub.sent_bytes() == 70_015

    def test_a_server_that_sends_more_is_cut_short(self, bench: Bench) -> None:
        """Exactly the piece comes back."""
        bench.hub.break_with(ranged(1000, CONTENT[1000:1100]))

        assert self.read(bench, 1000, 10) == CONTENT[1000:1010]

    def test_a_server_without_ranges_is_read_up_to_the_piece(self, bench: Bench) -> None:
        """And not to its end, which may be gigabytes away: here it never comes."""
        long = (("Content-Length", str(len(CONTENT))),)
        for offset in (0, 1000):
            body = CONTENT[: offset + 10]
            bench.hub.break_with(Fault("cdn", "answer", status=200, headers=long, body=body))
            assert self.read(bench, offset, 10) == CONTENT[offset : offset + 10]

    def test_what_stands_before_the_piece_is_bounded(self, bench: Bench) -> None:
        """Four megabytes for nothing, and not one byte more."""
        body = bytes(MOST_SKIPPED_BYTES) + b"0123456789"
        bench.hub.break_with(
            Fault("cdn", "answer", status=200, body=body),
            Fault("cdn", "answer", status=200, body=body),
        )
        size = {"size_bytes": 9 * MEBI}

        assert self.read(bench, MOST_SKIPPED_BYTES, 10, **size) == b"0123456789"
        with pytest.raises(UnavailableError, match="cannot send a piece"):
            self.read(bench, MOST_SKIPPED_BYTES + 1, 9, **size)

    @pytest.mark.parametrize(
        "fault",
        [ranged(5, CONTENT[5:15]), Fault("cdn", "answer", status=206, body=CONTENT[:10])],
        ids=["another", "none"],
    )
    def test_another_range_is_not_believed(self, bench: Bench, fault: Fault) -> None:
        """Nor one that is not told."""
        bench.hub.break_with(fault)
        with pytest.raises(DataLossError, match="another range"):
            self.read(bench, 0, 10)

    def test_a_piece_has_its_time(self, bench: Bench) -> None:
        """A line that only drips ends it; what is complete is not late."""
        mover = Mover(bench.connection, patience=Patience(piece_s=-1.0))
        with pytest.raises(UnavailableError, match="too slow"):
            mover.read(bench.wanted(), 0, MEBI)

        assert mover.read(bench.wanted(), 0, 10) == CONTENT[:10]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cdn", "answer", 0, 200, (("Content-Encoding", "gzip"),), body=CONTENT),
        Fault("cdn", "answer", status=206, body=CONTENT),
        ranged(5, CONTENT),
        ranged(0, CONTENT, len(CONTENT) + 1),
    ],
    ids=["encoded", "no range", "another range", "another size"],
)
def test_an_answer_that_is_not_the_rest_of_this_file_is_not_taken(
    bench: Bench, fault: Fault
) -> None:
    """Right bytes or not: it is asked again."""
    bench.hub.break_with(fault)
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert len(bench.hub.served("cdn")) == 2


def test_a_size_nobody_tells_is_no_obstacle(bench: Bench) -> None:
    """`*` stands for it."""
    bench.hub.break_with(ranged(0, CONTENT, "*"))
    bench.fetch(patience=ONCE)

    assert bench.target.read_bytes() == CONTENT


def test_more_bytes_than_announced_are_not_written(bench: Bench) -> None:
    """
    What is right so far is gone on with.

    Nothing is left to go on with where a piece of the network ended with the file.
    """
    said = (("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"),)
    body = CONTENT + bytes(MEBI)
    bench.hub.break_with(Fault("cdn", "answer", status=206, headers=said, body=body))
    bench.fetch()

    assert bench.target.read_bytes() == CONTENT
    assert all(one.start_bytes > MEBI for one in bench.hub.served("cdn")[1:])


def test_a_server_without_ranges_costs_no_third_request(bench: Bench) -> None:
    """What is here goes at once, and the answer is taken from its start."""
    bench.hub.break_with(Fault("cdn", "drop", at_bytes=MEBI), Fault("cdn", "no-range"))
    bench.fetch()

    assert [one.status for one in bench.hub.served("cdn")] == [200, 206]
    assert bench.hub.served("cdn")[-1].sent_bytes == len(CONTENT)


class TestTries:
    """How often, how soon, and what ends it."""

    def test_an_answer_that_ends_early_is_one_try(self, bench: Bench) -> None:
        """The last one tells."""
        bench.hub.break_with(ranged(0, CONTENT[:1000]))
        with pytest.raises(UnavailableError, match="the answer was short"):
            bench.fetch(patience=ONCE)
        bench.fetch(patience=ONCE)

        assert bench.target.read_bytes() == CONTENT

    def test_a_hub_that_says_later_is_asked_as_often_as_patience_has_waits(
        self, bench: Bench
    ) -> None:
        """And once before the first."""
        bench.hub.break_with(*(Fault("cdn", "status", status=503) for _ in range(9)))
        with pytest.raises(UnavailableError):
            bench.fetch()

        assert len(bench.hub.served("cdn")) == 5

    def test_progress_begins_the_count_anew(self, bench: Bench) -> None:
        """As much as patience calls progress is enough."""
        pieces = [ranged(at * 1000, CONTENT[at * 1000 : (at + 1) * 1000]) for at in range(6)]
        bench.hub.break_with(*pieces)
        bench.fetch(patience=Patience(waits_s=(0.0,), progress_bytes=1000))
        assert bench.target.read_bytes() == CONTENT

        bench.target.unlink()
        bench.hub.break_with(*pieces)
        with pytest.raises(UnavailableError):
            bench.fetch(patience=Patience(waits_s=(0.0,), progress_bytes=1001))

    def test_the_pause_is_the_longer_of_patience_s_and_the_hub_s(self, bench: Bench) -> None:
        """Nothing is asked while it lasts."""

        class Waits(StopSign):
            """Writes down how long it was to wait."""

            def __init__(self) -> None:
                super().__init__()
                self.seconds: list[float] = []

            def wait(self, seconds: float) -> None:
                """Wait no time."""
                self.seconds.append(seconds)

        waits = Waits()
        later = (("Retry-After", "7"),)
        bench.hub.break_with(
            Fault("hub", "status", status=429, headers=later), Fault("hub", "status", status=503)
        )
        bench.fetch(stop=waits, patience=Patience(waits_s=(0.25, 0.5)))

        assert waits.seconds == [7.0, 0.5]

    def test_a_refusal_is_asked_for_once(self, bench: Bench) -> None:
        """What the hub does not have it will not have in a second."""
        with pytest.raises(NotFoundError):
            bench.fetch(bench.wanted(path="model.gguf.missing"))
        asked = [one for one in bench.hub.store.served if one.path.endswith(".missing")]

        assert len(asked) == 1

    def test_a_stop_goes_before_the_last_trouble(self, bench: Bench) -> None:
        """Who asked for it is not told of a broken line."""
        stop = StopSign()
        bench.hub.break_with(Fault("cdn", "stall", at_bytes=MEBI))

        def stop_at_the_stall(done: int) -> None:
            if done >= MEBI:
                stop.set()

        with pytest.raises(StoppedError):
            Mover(bench.connection, patience=ONCE).fetch(
                bench.wanted(), bench.target, progress=stop_at_the_stall, stop=stop
            )

    def test_a_stop_at_the_last_byte_is_one(self, bench: Bench) -> None:
        """Nothing appears; the part is whole and asks nobody when it is gone on with."""
        stop = StopSign()

        def stop_at_the_end(done: int) -> None:
            if done == len(CONTENT):
                stop.set()

        with pytest.raises(StoppedError):
            Mover(bench.connection, patience=QUICK).fetch(
                bench.wanted(), bench.target, progress=stop_at_the_end, stop=stop
            )
        appeared, asked = bench.target.exists(), len(bench.hub.store.served)
        bench.fetch()

        assert not appeared
        assert len(bench.hub.store.served) == asked
        assert bench.seen == [len(CONTENT)]

    def test_a_stop_before_the_first_asks_nobody(self, bench: Bench) -> None:
        """Not even for an address."""
        stop = StopSign()
        stop.set()
        with pytest.raises(StoppedError):
            bench.fetch(stop=stop)

        assert bench.hub.store.served == []


def test_five_redirects_are_followed(bench: Bench) -> None:
    """The sixth is one too many; a whole file is asked for without a range."""
    path = f"/{REPOSITORY}/resolve/{bench.wanted().commit}/model.gguf"
    onward = (COMMIT, ("Location", path))
    again = [Fault("hub", "answer", status=302, headers=onward) for _ in range(4)]
    bench.hub.break_with(*again)
    bench.fetch(patience=ONCE)
    asked = [one.status for one in bench.hub.served("cdn")]

    bench.target.unlink()
    bench.hub.break_with(*again, again[0])
    with pytest.raises(UnavailableError, match="too many redirects"):
        bench.fetch(patience=ONCE)
    assert asked == [200]


def test_an_error_of_the_disk_is_no_full_disk(bench: Bench, tmp_path: Path) -> None:
    """A folder that is not there is told as that."""
    bench.target = tmp_path / "missing" / "model.gguf"
    with pytest.raises(FileNotFoundError):
        bench.fetch()


def test_a_window_is_judged_when_it_is_over() -> None:
    """By what came in it, and the next one from nothing."""
    window = Window(Patience(slow_window_s=10.0, slow_bytes=1000), 100.0)

    assert not window.too_slow(400, 109.0)
    assert not window.too_slow(600, 110.0)
    assert not window.too_slow(999, 119.0)
    assert window.too_slow(0, 120.0)
    assert not window.too_slow(1000, 130.0)

    fresh = Window(Patience(slow_window_s=10.0, slow_bytes=1000), 100.0)
    assert fresh.too_slow(999, 110.0)
