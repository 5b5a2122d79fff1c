"""`rkctl fleet`: all boards at once; one that fails hides no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rkd_client import contexts

from rkd.v1 import models_pb2, pool_pb2, system_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import Refusal, Rkctl
from tests.unit.rkd_client.healthy_board import HealthyBoard, fleet, listed

MISSING = Refusal("NOT_FOUND", "MODEL_NOT_FOUND", "There is no model.")
NOBODY = "127.0.0.1:1"


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[HealthyBoard]]:
    """Two boards with the model `m`, known as contexts a and b, and one that is gone."""
    with fleet(tmp_path, "a", "b") as running:
        known = [contexts.Context(one.name, one.endpoint) for one in running]
        gone = contexts.Context("gone", NOBODY)
        file = contexts.file_of({"XDG_CONFIG_HOME": str(tmp_path)})
        contexts.save(file, contexts.Store((*known, gone)))
        yield running


def lines_of(text: str) -> list[list[str]]:
    """Cells of a printed table."""
    return [line.split() for line in text.splitlines()]


class TestAll:
    """Verbs that ask every board."""

    def test_every_row_names_its_board(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """The one that is gone is told beside them, with the exit code of its kind."""
        del boards
        result = rkctl("fleet", "list", RKD_ENDPOINT="")

        assert [row[:2] for row in lines_of(result.stdout)] == [
            ["BOARD", "NAME"], ["a", "m"], ["b", "m"],
        ]  # fmt: skip
        assert result.stderr.startswith(f"gone: the rkd daemon is not there: tried {NOBODY}")
        assert result.exit_code == 4

    def test_json_has_answers_and_errors(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """One object; each board with one or the other."""
        result = rkctl("fleet", "list", "--json", RKD_ENDPOINT="")
        told = {one["board"]: one for one in json.loads(result.stdout)["boards"]}

        assert list(told) == ["a", "b", "gone"]
        assert told["a"]["answer"]["models"][0]["name"] == "m"
        assert told["a"]["endpoint"] == boards[0].endpoint
        assert told["gone"]["error"]["reason"] == "UNAVAILABLE"
        assert "answer" not in told["gone"]

    def test_endpoints_are_boards_too(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """Without any context."""
        result = rkctl("fleet", "list", RKD_ENDPOINT=listed(boards))

        assert [row[0] for row in lines_of(result.stdout)[1:]] == [one.endpoint for one in boards]
        assert result.exit_code == 0

    def test_residents_and_status(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """As `ps` and `status` show one board's."""
        for board in boards:
            board.answers["PoolService.ListResident"] = pool_pb2.ListResidentResponse(
                residents=[pool_pb2.Resident(model=f"m-{board.name}")]
            )
            board.answers["SystemService.GetStatus"] = system_pb2.GetStatusResponse(
                version="1", soc="rk3588", queued=3
            )
        memory = rkctl("fleet", "ps", RKD_ENDPOINT=listed(boards))
        status = rkctl("fleet", "status", RKD_ENDPOINT=listed(boards))

        assert [row[1] for row in lines_of(memory.stdout)[1:]] == ["m-a", "m-b"]
        assert [row[1:3] + row[-1:] for row in lines_of(status.stdout)[1:]] == [
            ["1", "rk3588", "3"]
        ] * 2

    def test_a_doctor_for_all(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """What is well is not told; an error on one board is an error."""
        finding = system_pb2.Finding
        well = finding(check="disk", severity=system_pb2.SEVERITY_OK, message="much")
        bad = finding(
            check="npu", severity=system_pb2.SEVERITY_ERROR, message="none", remedy="load it"
        )
        boards[0].answers["SystemService.Doctor"] = system_pb2.DoctorResponse(findings=[well])
        boards[1].answers["SystemService.Doctor"] = system_pb2.DoctorResponse(findings=[well, bad])
        result = rkctl("fleet", "doctor", RKD_ENDPOINT=listed(boards))

        assert "nothing is wrong" in result.stdout
        assert "none -> load it" in result.stdout
        assert "disk" not in result.stdout
        assert result.exit_code == 1

    def test_no_boards_at_all_say_what_to_do(self, rkctl: Rkctl) -> None:
        """Nothing is guessed."""
        result = rkctl("fleet", "status", RKD_ENDPOINT="")

        assert result.exit_code == 2
        assert "rkctl context add" in result.stderr


class TestRemove:
    """`rkctl fleet rm`."""

    def test_a_model_is_deleted_wherever_it_is(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """A board without it is no error."""
        boards[0].answers["ModelService.Delete"] = models_pb2.DeleteResponse(freed_bytes=1000)
        boards[1].answers["ModelService.Delete"] = MISSING
        result = rkctl("fleet", "rm", "m", RKD_ENDPOINT=listed(boards))

        assert result.stderr == f"{boards[0].endpoint}: deleted m: 1.00 kB freed\n"
        assert result.exit_code == 0

    def test_one_that_nobody_has_is(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """With the exit code of what is not found."""
        for board in boards:
            board.answers["ModelService.Delete"] = MISSING

        assert rkctl("fleet", "rm", "m", RKD_ENDPOINT=listed(boards)).exit_code == 3

    def test_only_where_it_is_said(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """`--on` names boards; one that nobody knows stops everything."""
        boards[1].answers["ModelService.Delete"] = models_pb2.DeleteResponse()
        one = rkctl("fleet", "rm", "m", "--on", "b", RKD_ENDPOINT="")
        wrong = rkctl("fleet", "rm", "m", "--on", "b", "--on", "x", RKD_ENDPOINT="")

        assert (one.exit_code, wrong.exit_code) == (0, 3)
        assert boards[0].requests("ModelService.Delete") == []
        assert len(boards[1].requests("ModelService.Delete")) == 1


class TestPull:
    """`rkctl fleet pull`."""

    def test_every_board_pulls(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """Each says how far it is; one that fails is told, with its reason."""
        progress = types.Progress(done_bytes=5, total_bytes=10)
        steps = [
            models_pb2.PullResponse(operation=types.Operation(model="m", progress=progress)),
            models_pb2.PullResponse(
                operation=types.Operation(model="m", state=types.OPERATION_STATE_SUCCEEDED)
            ),
        ]
        boards[0].answers["ModelService.Pull"] = steps
        failed = types.Operation(
            state=types.OPERATION_STATE_FAILED, error_reason="DISK_FULL", error_message="No room."
        )
        boards[1].answers["ModelService.Pull"] = [models_pb2.PullResponse(operation=failed)]
        result = rkctl("fleet", "pull", "u/r", RKD_ENDPOINT=listed(boards))

        assert f"{boards[0].endpoint}: m: 50% of 10 B" in result.stderr
        assert f"{boards[0].endpoint}: m: succeeded" in result.stderr
        assert f"{boards[1].endpoint}: No room [DISK_FULL]" in result.stderr
        assert result.exit_code == 1


class TestPlace:
    """`rkctl fleet place`."""

    def plan(self, board: HealthyBoard, **fields: object) -> None:
        """Let *board* plan so."""
        board.answers["PoolService.Plan"] = pool_pb2.PlanResponse(**fields)

    @pytest.mark.parametrize(
        ("first", "second", "best"),
        [
            ({"fits": True}, {"fits": True, "resident": True}, "b"),
            ({"fits": True, "backend": 3}, {"fits": True, "backend": 2}, "b"),
            ({"fits": True, "evicting": ["x"]}, {"fits": True}, "b"),
            (
                {"fits": True, "needed_bytes": 5, "available_bytes": 6},
                {"fits": True, "needed_bytes": 5, "available_bytes": 9},
                "b",
            ),
            ({"fits": False}, {"fits": True, "evicting": ["x", "y"]}, "b"),
        ],
    )
    def test_the_best_comes_first(
        self,
        rkctl: Rkctl,
        boards: list[HealthyBoard],
        first: dict[str, object],
        second: dict[str, object],
        best: str,
    ) -> None:
        """Resident, then the NPU, then whoever has not to send others away, then memory."""
        assert (types.BACKEND_NPU, types.BACKEND_CPU) == (2, 3)
        self.plan(boards[0], **first)
        self.plan(boards[1], **second)
        table = rkctl("fleet", "place", "m", RKD_ENDPOINT="")
        told = json.loads(rkctl("fleet", "place", "m", "--json", RKD_ENDPOINT="").stdout)

        assert lines_of(table.stdout)[1][0] == best
        assert told["best"] == best
        assert table.exit_code == 0

    def test_it_fits_nowhere(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """An error, with what to do."""
        for board in boards:
            self.plan(board, fits=False)
        result = rkctl("fleet", "place", "m", RKD_ENDPOINT=listed(boards))

        assert "[MODEL_TOO_LARGE]" in result.stderr
        assert result.exit_code == 1

    def test_no_board_has_it(self, rkctl: Rkctl, boards: list[HealthyBoard]) -> None:
        """Not found, as the boards say it."""
        for board in boards:
            board.answers["PoolService.Plan"] = MISSING
        result = rkctl("fleet", "place", "m", RKD_ENDPOINT=listed(boards))

        assert [row[1] for row in lines_of(result.stdout)[1:]] == ["lacks", "lacks"]
        assert result.exit_code == 3


class TestOneAddress:
    """What a list of endpoints, or a proxy, makes of the other verbs."""

    def test_lists_have_a_column_for_the_board(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """And one that is not there is told."""
        endpoints = f"{listed(boards)},{NOBODY}"
        result = rkctl("list", RKD_ENDPOINT=endpoints)

        assert lines_of(result.stdout)[0][:2] == ["BOARD", "NAME"]
        assert f"{NOBODY} was passed over" in result.stderr
        assert result.exit_code == 0

    def test_what_is_about_one_board_is_refused(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """Saying how to name it."""
        result = rkctl("rm", "m", RKD_ENDPOINT=listed(boards))

        assert "[BOARD_NEEDED]" in result.stderr
        assert f"--endpoint {boards[0].endpoint}" in result.stderr


class TestHaproxy:
    """`rkctl fleet haproxy`."""

    def made(self, rkctl: Rkctl, *flags: str, **environment: str) -> str:
        """Return what it prints."""
        result = rkctl("fleet", "haproxy", *flags, **environment)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def test_it_asks_the_boards_for_their_models(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """A backend for each; one that is gone is in all the same."""
        del boards
        text = self.made(rkctl, "--no-token", RKD_ENDPOINT="")

        assert "backend model_m\n" in text
        assert f"server gone {NOBODY} proto h2 id 3 check" in text

    def test_names_that_are_none_are_not_written(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """A board that was broken into writes nothing into the proxy's configuration."""
        evil = "m\n    http-request deny"
        boards[0].answers["ModelService.List"] = models_pb2.ListResponse(
            models=[types.ModelSummary(name=evil)]
        )

        assert "deny" not in self.made(rkctl, RKD_ENDPOINT="")

    @pytest.mark.parametrize("word", ["/a b.pem", "/a\n.pem", '/a".pem'])
    def test_files_it_cannot_name_are_refused(
        self, rkctl: Rkctl, boards: list[HealthyBoard], word: str
    ) -> None:
        """Before anything is written."""
        del boards
        assert rkctl("fleet", "haproxy", "--edge-cert", word, RKD_ENDPOINT="").exit_code == 2

    def test_certificates_are_checked_for_names(
        self, rkctl: Rkctl, boards: list[HealthyBoard]
    ) -> None:
        """An address has none: it is said what to give."""
        del boards
        refused = rkctl("fleet", "haproxy", "--boards-ca", "/ca.crt", RKD_ENDPOINT="")
        text = self.made(
            rkctl, "--boards-ca", "/ca.crt", "--boards-cert", "/e.pem", "--boards-name", "rkd.lan",
            RKD_ENDPOINT="",
        )  # fmt: skip

        assert (refused.exit_code, "--boards-name" in refused.stderr) == (2, True)
        assert "crt /e.pem verifyhost rkd.lan sni str(rkd.lan) alpn h2" in text
