"""Which library weights are loaded with: what fits, what is remembered, what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason, UnavailableError
from rkd.inference import FirstAnswer
from rkd.model import Format, WeightsFile
from rkd.pool.deciding.runtimes import (
    MOST_TRIED,
    Came,
    LibraryReport,
    Pairing,
    after_death,
    after_failed_load,
    after_load,
    another_may_do,
    exhausted,
    failures,
    report,
    speaks,
    ways,
)
from rkd.pool.deciding.state import Death, LoadFault

OLD, MIDDLE, NEW = (
    RuntimeLibrary(Path(f"/lib/{version}.so"), version) for version in ("1.1.4", "1.2.3", "1.3.1")
)
BROKEN = RuntimeLibrary(
    Path("/lib/9.so"), "9.0.0", PreconditionError(Reason.RUNTIME_MISMATCH, "not known")
)
ALL = (OLD, NEW, MIDDLE)


def chosen(
    *libraries: RuntimeLibrary,
    toolkit: str = "",
    wanted: str = "",
    given: bool = False,
    fingerprint: str = "f",
    **remembered: Came | tuple[Came, int],
) -> list[str]:
    """The versions to try, best first; *remembered* by version, dots as underscores."""
    weights = WeightsFile(Path("/m.rkllm"), Format.RKLLM, 1, 0, toolkit, fingerprint)

    def known(_: str, library: RuntimeLibrary) -> Pairing | None:
        came = remembered.get("v" + library.version.replace(".", "_"))
        if came is None:
            return None
        word, times = came if isinstance(came, tuple) else (came, 1)
        return Pairing(library.version, word, times)

    return [
        one.library.version
        for one in ways(libraries or ALL, weights, known, wanted=wanted, given=given)
    ]


class TestWhatFits:
    """By the toolkit of the file, the Modelfile and the owner's order."""

    @pytest.mark.parametrize(
        ("toolkit", "expected"),
        [
            ("1.1.4", ["1.3.1", "1.2.3", "1.1.4"]),
            ("1.2.1b1", ["1.3.1", "1.2.3"]),
            ("1.3.1", ["1.3.1"]),
            ("1.3.1b1", ["1.3.1"]),
        ],
    )
    def test_the_newest_as_new_as_the_toolkit(self, toolkit: str, expected: list[str]) -> None:
        """Older libraries refuse the file: they are not tried."""
        assert chosen(toolkit=toolkit) == expected
        assert chosen(toolkit=toolkit, given=True) == expected

    def test_all_too_old(self) -> None:
        """The newest says itself that it is too old."""
        assert chosen(toolkit="1.4.0") == ["1.3.1"]

    def test_a_toolkit_nobody_knows(self) -> None:
        """Libraries somebody gave keep his order; those found are tried newest first."""
        assert chosen() == ["1.3.1", "1.2.3", "1.1.4"]
        assert chosen(given=True) == ["1.1.4", "1.3.1", "1.2.3"]

    def test_the_modelfile_decides(self) -> None:
        """Whatever is remembered."""
        assert chosen(wanted="1.2", toolkit="1.3.1") == ["1.2.3"]
        assert chosen(wanted="1.2.3", v1_2_3=Came.GARBAGE) == ["1.2.3"]
        assert chosen(wanted="1.20") == []
        patched = RuntimeLibrary(Path("/lib/p.so"), "1.2.1")
        both = (patched, MIDDLE)
        assert chosen(*both, wanted="1.2", v1_2_3=Came.GARBAGE) == ["1.2.3", "1.2.1"]

    def test_a_broken_library_only_when_there_is_no_other(self) -> None:
        """Its error says what is wrong with it."""
        assert chosen(BROKEN, MIDDLE) == ["1.2.3"]
        assert chosen(BROKEN) == ["9.0.0"]
        worse = RuntimeLibrary(Path("/lib/8.so"), "8.0.0", BROKEN.problem)
        assert chosen(worse, BROKEN) == ["9.0.0"]

    def test_a_file_nobody_could_look_at(self) -> None:
        """The first library, as it stands."""
        assert chosen(fingerprint="") == ["1.1.4"]

    def test_no_more_than_a_few(self) -> None:
        """A request is told in time."""
        many = [RuntimeLibrary(Path(f"/lib/{at}.so"), f"1.2.{at}") for at in range(9)]
        assert len(chosen(*many)) == MOST_TRIED


class TestCopies:
    """The same release in several folders."""

    def test_copies_come_behind_every_other_release(self) -> None:
        """Four of the newest do not use up the tries; what is remembered goes before."""
        copies = [RuntimeLibrary(Path(f"/{at}/l.so"), "1.3.1") for at in range(4)]

        assert chosen(*copies, MIDDLE, OLD) == ["1.3.1", "1.2.3", "1.1.4", "1.3.1"]
        assert chosen(*copies, MIDDLE, v1_2_3=Came.SERVED)[:2] == ["1.2.3", "1.3.1"]
        assert chosen(*copies, wanted="1.3.1") == ["1.3.1"] * 4

    @pytest.mark.parametrize("wanted", ["v1.2.3", "1.2.x", "1.2.*", " 1.2 "])
    def test_versions_as_people_write_them(self, wanted: str) -> None:
        """All of them mean the 1.2.3 that is here."""
        assert chosen(wanted=wanted) == ["1.2.3"]

    @pytest.mark.parametrize("wanted", ["latest", "1", ">=1.2", "1.2.30", "x", "."])
    def test_what_is_no_version_of_those_here(self, wanted: str) -> None:
        """None is taken in its place, but for a release that is meant by its first numbers."""
        expected = ["1.3.1", "1.2.3", "1.1.4"] if wanted == "1" else []
        assert chosen(wanted=wanted) == expected

    @pytest.mark.parametrize(
        ("name", "heard"),
        [
            ("Qwen3-Embedding-0.6B-w8a8.rkllm", False),
            ("qwen3-reranker-0.6b.rkllm", False),
            ("embedded-assistant.rkllm", True),
            ("qwen3.rkllm", True),
        ],
    )
    def test_embedders_are_not_heard(self, name: str, *, heard: bool) -> None:
        """Whatever they say is no answer, and no fault of the library."""
        assert speaks(WeightsFile(Path("/m") / name, Format.RKLLM, 1, 0)) is heard


class TestWhatIsRemembered:
    """Good before new, new before bad."""

    @pytest.mark.parametrize(
        ("known", "expected"),
        [
            ({"v1_2_3": Came.SERVED}, ["1.2.3", "1.3.1", "1.1.4"]),
            ({"v1_2_3": Came.ANSWERED, "v1_1_4": Came.SERVED}, ["1.1.4", "1.2.3", "1.3.1"]),
            ({"v1_3_1": Came.GARBAGE}, ["1.2.3", "1.1.4"]),
            ({"v1_3_1": Came.REFUSED, "v1_2_3": Came.SILENT}, ["1.2.3", "1.1.4"]),
            ({"v1_3_1": Came.SILENT}, ["1.3.1", "1.2.3", "1.1.4"]),
            ({"v1_3_1": Came.SILENT, "v1_1_4": Came.ANSWERED}, ["1.1.4", "1.3.1", "1.2.3"]),
            ({"v1_3_1": Came.CRASHED}, ["1.2.3", "1.1.4", "1.3.1"]),
            ({"v1_3_1": (Came.CRASHED, 2)}, ["1.2.3", "1.1.4"]),
        ],
    )
    def test_the_order(
        self, known: dict[str, Came | tuple[Came, int]], expected: list[str]
    ) -> None:
        """What killed two workers, refused or babbled is left out."""
        assert chosen(**known) == expected

    def test_nothing_is_left(self) -> None:
        """Then the newest alone, and it is said why nothing will do."""
        bad = {"v1_3_1": Came.GARBAGE, "v1_2_3": (Came.CRASHED, 2), "v1_1_4": Came.REFUSED}
        assert chosen(**bad) == ["1.3.1"]  # type: ignore[arg-type]
        weights = WeightsFile(Path("/m.rkllm"), Format.RKLLM, 1, 0, "", "f")
        found = ways((NEW,), weights, lambda *_: Pairing("1.3.1", Came.GARBAGE, detail="& 8 times"))
        assert "1.3.1 garbage (& 8 times)" in exhausted(found)
        assert exhausted(ways((NEW,), weights, lambda *_: None)) == ""

    @pytest.mark.parametrize(
        ("known", "first"),
        [
            (None, True),
            (Pairing("1.3.1", Came.ANSWERED), False),
            (Pairing("1.3.1", Came.SILENT), False),
            (Pairing("1.3.1", Came.GARBAGE), False),
            (Pairing("1.3.1", Came.REFUSED), True),
            (Pairing("1.3.1", Came.CRASHED, 1), True),
            (Pairing("1.3.1", Came.CRASHED, 2), False),
        ],
    )
    def test_whether_a_first_answer_is_heard(self, known: Pairing | None, *, first: bool) -> None:
        """Once for a file and a library."""
        weights = WeightsFile(Path("/m.rkllm"), Format.RKLLM, 1, 0, "", "f")
        (way,) = ways((NEW,), weights, lambda *_: known)
        assert way.first is first


class TestWhatIsLearnt:
    """Only what is the library's doing."""

    def test_of_loads(self) -> None:
        """A crash, a refusal of the file; not what the board lacks or what may pass."""

        def failed(cause: str) -> PreconditionError:
            return PreconditionError(Reason.LOAD_FAILED, "no", metadata={"cause": cause})

        died = UnavailableError(Reason.WORKER_CRASHED, "killed by SIGSEGV")
        refused = LoadFault.REFUSED
        assert after_failed_load(died, LoadFault.CRASHED) is Came.CRASHED
        assert after_failed_load(failed("file"), refused) is Came.REFUSED
        assert after_failed_load(failed("runtime"), refused) is Came.REFUSED
        assert after_failed_load(failed("unknown"), refused) is None
        assert after_failed_load(failed("memory"), LoadFault.MEMORY) is None
        assert after_load(FirstAnswer.GARBAGE) is Came.GARBAGE
        assert after_load(FirstAnswer.NOT_HEARD) is None
        assert [another_may_do(failed(one)) for one in ("file", "device", "memory", "cpus")] == [
            True, True, False, False,
        ]  # fmt: skip
        assert not another_may_do(PreconditionError(Reason.PLATFORM_MISMATCH, "for rk3576"))

    def test_of_deaths(self) -> None:
        """Before the first answer, and by nobody else's hand."""
        crash = Death("killed by SIGSEGV", signal="SIGSEGV")
        assert after_death(crash, served=0) is Came.CRASHED
        assert after_death(crash, served=1) is None
        assert after_death(Death("killed", signal="SIGHUP"), served=0) is None
        assert after_death(Death("killed", signal="SIGKILL"), served=0) is None
        assert after_death(Death("exited with 75", exit_code=75), served=0) is Came.CRASHED
        assert after_death(Death("exited with 0", exit_code=0), served=0) is None


class TestWhatIsShown:
    """A line a library, and a sentence a model."""

    @staticmethod
    def told(wanted: str = "", toolkit: str = "1.2.0", **known: Came) -> tuple[LibraryReport, ...]:
        """What is said of all libraries."""
        weights = WeightsFile(Path("/m.rkllm"), Format.RKLLM, 1, 0, toolkit, "f")

        def remembered(_: str, library: RuntimeLibrary) -> Pairing | None:
            came = known.get("v" + library.version.replace(".", "_"))
            return Pairing(library.version, came, detail="so it was") if came else None

        found = ways(ALL, weights, remembered, wanted=wanted)
        return report(ALL, weights, remembered, found, wanted=wanted)

    def test_each_library(self) -> None:
        """Which is next, and why the others are not."""
        told = {one.library.version: one for one in self.told(v1_3_1=Came.GARBAGE)}
        assert [one.chosen for one in told.values()] == [False, False, True]
        assert "1.2.0" in told["1.1.4"].detail
        assert (told["1.3.1"].came, told["1.3.1"].detail) == (Came.GARBAGE, "so it was")
        assert told["1.2.3"].detail == "not tried yet"
        asked = {one.library.version: one.detail for one in self.told(wanted="1.1.4")}
        assert asked == {
            "1.1.4": "the Modelfile asks for it",
            "1.2.3": "the Modelfile asks for 1.1.4",
            "1.3.1": "the Modelfile asks for 1.1.4",
        }

    def test_only_the_first_of_several_is_next(self) -> None:
        """One as old as the toolkit is none that is too old; one that is broken says how."""
        told = {one.library.version: one for one in self.told(toolkit="1.2.3")}
        weights = WeightsFile(Path("/m.rkllm"), Format.RKLLM, 1, 0, "", "f")
        (broken,) = report((BROKEN,), weights, lambda *_: None, ())

        assert [version for version, one in told.items() if one.chosen] == ["1.3.1"]
        assert told["1.2.3"].detail == "not tried yet"
        assert "1.2.3" in told["1.1.4"].detail
        assert (broken.detail, broken.chosen, broken.came) == ("not known", False, None)

    def test_each_model(self) -> None:
        """Nothing to say of most; which serves where one failed; all that failed otherwise."""
        assert failures("m", self.told()) == ("", False)
        line, stuck = failures("m", self.told(v1_3_1=Came.GARBAGE))
        assert (line, stuck) == ("m is loaded with 1.2.3: 1.3.1 garbage", False)
        assert failures("m", self.told(v1_3_1=Came.GARBAGE, v1_2_3=Came.REFUSED))[1]
