"""`rkctl create` and the upload: paths resolved here, bytes sent from where the board stands."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

MIB = 1 << 20
WEIGHTS = bytes(range(256)) * 4096 * 2 + b"end"  # two pieces and a bit


class FakeStore:
    """
    The board's side of Upload.

    Args:
        lose_after: the connection breaks after so many pieces, once.
    """

    def __init__(self, held: bytes = b"", lose_after: int | None = None) -> None:
        self.held = bytearray(held)
        self.lose_after = lose_after
        self.received: list[int] = []
        self.asked = 0
        self.digests: list[str] = []

    def upload(self, requests: Iterator[pb.UploadRequest]) -> Any:
        """Answer one Upload."""
        first = next(requests)
        self.digests.append(first.digest)
        if not first.data:
            self.asked += 1
            return self._standing(first)
        piece = first
        while True:
            if piece.offset_bytes != len(self.held):
                held = str(len(self.held))
                return Refusal(
                    "INVALID_ARGUMENT", "UPLOAD_OFFSET", "Not there.", committed_bytes=held
                )
            self.held += piece.data
            self.received.append(len(piece.data))
            if self.lose_after is not None and len(self.received) >= self.lose_after:
                self.lose_after = None
                return Refusal("UNAVAILABLE", "SHUTTING_DOWN", "Bye.")
            try:
                piece = next(requests)
            except StopIteration:
                return self._standing(first)

    def _standing(self, first: pb.UploadRequest) -> pb.UploadResponse:
        whole = f"sha256:{hashlib.sha256(self.held).hexdigest()}" == first.digest
        return pb.UploadResponse(committed_bytes=len(self.held), complete=whole)


def created(name: str = "new") -> list[pb.CreateResponse]:
    """A create that succeeds."""
    ended = types.Operation(
        id="op2",
        kind=types.OPERATION_KIND_CREATE,
        model=name,
        state=types.OPERATION_STATE_SUCCEEDED,
    )
    model = types.ModelSummary(name=name)
    return [pb.CreateResponse(operation=ended, model=model, warnings=["no template"])]


@pytest.fixture
def store(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    """An empty store, and no waiting between tries."""
    store = FakeStore()
    board.answers["ModelService.Upload"] = store.upload
    board.answers["ModelService.Create"] = created()
    monkeypatch.setattr("rkd_client.upload.PAUSE_S", 0.0)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a Modelfile that names weights beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "w.gguf").write_bytes(WEIGHTS)
    (folder / "Modelfile").write_text("FROM ./w.gguf\nSYSTEM hi\n")
    return folder


def test_weights_are_brought_then_named(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """Pieces of 1 MiB; Create names them as the Modelfile does; the name is on stdout."""
    result = rkctl("create", "new", "-f", str(folder / "Modelfile"), "-q", "Q4_K_M", "--replace")

    assert (result.stdout, result.exit_code) == ("new\n", 0)
    assert result.stderr.endswith("warning: no template\n")
    assert store.received == [MIB, MIB, 3]
    request = board.requests("ModelService.Create")[0]
    digest = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
    assert [(one.name, one.digest) for one in request.files] == [("./w.gguf", digest)]
    assert request.modelfile == "FROM ./w.gguf\nSYSTEM hi\n"
    assert (request.quantize, request.replace) == ("Q4_K_M", True)


def test_what_the_board_holds_is_not_sent(rkctl: Rkctl, store: FakeStore, folder: Path) -> None:
    """A file the board has whole costs one question."""
    store.held = bytearray(WEIGHTS)

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 0
    assert (store.asked, store.received) == (1, [])


def test_an_upload_goes_on_where_the_board_stands(
    rkctl: Rkctl, store: FakeStore, folder: Path
) -> None:
    """The second run of a killed upload sends the rest only."""
    store.held = bytearray(WEIGHTS[: MIB + 7])

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 0
    assert sum(store.received) == len(WEIGHTS) - MIB - 7
    assert bytes(store.held) == WEIGHTS


def test_a_broken_connection_is_mended(rkctl: Rkctl, store: FakeStore, folder: Path) -> None:
    """The same run asks again and goes on; nothing is sent twice."""
    store.lose_after = 1

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 0
    assert store.asked == 2
    assert sum(store.received) == len(WEIGHTS)


def test_a_refused_upload_ends_with_its_reason(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """What trying again cannot mend is told at once."""
    del store
    board.answers["ModelService.Upload"] = Refusal("RESOURCE_EXHAUSTED", "DISK_FULL", "Full.")

    result = rkctl("create", "new", "-f", str(folder / "Modelfile"))

    assert "rkctl: Full [DISK_FULL]" in result.stderr
    assert board.requests("ModelService.Create") == []


def test_a_board_that_stays_away_is_given_up(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """Tries are bounded."""
    del store
    asked: list[int] = []

    def away(requests: Iterator[pb.UploadRequest]) -> Refusal:
        asked.append(len(list(requests)))
        return Refusal("UNAVAILABLE", "SHUTTING_DOWN", "Bye.")

    board.answers["ModelService.Upload"] = away

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 4
    assert len(asked) == 5


def test_bytes_that_never_become_right_are_given_up(
    rkctl: Rkctl, store: FakeStore, folder: Path
) -> None:
    """A board that holds as much as there is, but other bytes, is not asked for ever."""
    store.held = bytearray(len(WEIGHTS))

    result = rkctl("create", "new", "-f", str(folder / "Modelfile"))

    assert "[DIGEST_MISMATCH]" in result.stderr
    assert store.received == []


def test_names_and_repositories_stay_with_the_board(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore
) -> None:
    """FROM a model or the Hub uploads nothing; --from alone makes the Modelfile."""
    assert rkctl("create", "new", "--from", "smollm2").exit_code == 0
    assert rkctl("create", "new", "--from", "hf.co/u/r:Q8_0").exit_code == 0

    texts = [request.modelfile for request in board.requests("ModelService.Create")]
    assert texts == ["FROM smollm2\n", "FROM hf.co/u/r:Q8_0\n"]
    assert store.asked == 0


def test_from_takes_the_place_of_the_modelfiles(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """The rest of the Modelfile stays; the old FROM is not looked for."""
    (folder / "w.gguf").unlink()

    assert rkctl("create", "n", "-f", str(folder / "Modelfile"), "--from", "base").exit_code == 0
    assert board.requests("ModelService.Create")[0].modelfile == "FROM base\nSYSTEM hi\n"
    assert store.asked == 0


def test_a_checkpoint_folder_is_brought_file_by_file(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """Weights, configuration and tokenizer under their paths; notes and empty files stay."""
    checkpoint = folder / "ckpt"
    checkpoint.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md"):
        (checkpoint / name).write_text(name)
    (checkpoint / "empty.json").touch()
    (checkpoint / "pytorch_model.bin").write_text("older")
    (folder / "Modelfile").write_text("FROM ./ckpt\n")
    board.answers["ModelService.Upload"] = pb.UploadResponse(complete=True)

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 0
    names = [one.name for one in board.requests("ModelService.Create")[0].files]
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    assert store.asked == 0


def test_every_part_of_a_split_file_is_brought(
    rkctl: Rkctl, board: FakeBoard, folder: Path
) -> None:
    """FROM names the first; a part that is missing is told before anything is asked."""
    for part in (1, 2):
        (folder / f"m-0000{part}-of-00002.gguf").write_text(str(part))
    (folder / "Modelfile").write_text("FROM ./m-00001-of-00002.gguf\n")
    board.answers["ModelService.Upload"] = pb.UploadResponse(complete=True)
    board.answers["ModelService.Create"] = created()

    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 0
    names = [one.name for one in board.requests("ModelService.Create")[0].files]
    assert names == ["./m-00001-of-00002.gguf", "./m-00002-of-00002.gguf"]
    (folder / "m-00002-of-00002.gguf").unlink()
    assert rkctl("create", "new", "-f", str(folder / "Modelfile")).exit_code == 3


def test_a_link_out_of_the_folder_is_refused(rkctl: Rkctl, board: FakeBoard, folder: Path) -> None:
    """A folder got from others must not make us send what lies elsewhere."""
    checkpoint = folder / "ckpt"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_text("w")
    (folder / "secret.json").write_text("{}")
    (checkpoint / "config.json").symlink_to(folder / "secret.json")

    result = rkctl("create", "new", "--from", str(checkpoint))

    assert "leads out of its folder" in result.stderr
    assert board.asked == []


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_blobs(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, tmp_path: Path
) -> None:
    """That is how huggingface_hub lays its cache out."""
    del store
    cache = tmp_path / "models--u--r"
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    (cache / "blobs" / "1").write_text("w")
    (snapshot / "model.safetensors").symlink_to("../../blobs/1")
    board.answers["ModelService.Upload"] = pb.UploadResponse(complete=True)

    assert rkctl("create", "new", "--from", str(snapshot)).exit_code == 0


def test_a_missing_file_is_told_before_anything_is_asked(
    rkctl: Rkctl, board: FakeBoard, folder: Path
) -> None:
    """Exit 3, naming the path that was looked at."""
    (folder / "w.gguf").unlink()

    result = rkctl("create", "new", "-f", str(folder / "Modelfile"))

    assert f"./w.gguf is not there: no {folder}/w.gguf [FILE_NOT_FOUND]" in result.stderr
    assert result.exit_code == 3
    assert board.asked == []


def test_a_bad_modelfile_is_refused_here(rkctl: Rkctl, board: FakeBoard, folder: Path) -> None:
    """With line and column, before a byte is sent."""
    (folder / "Modelfile").write_text("FROM ./w.gguf\nBOGUS x\n")

    result = rkctl("create", "new", "-f", str(folder / "Modelfile"))

    assert "line 2, column 1" in result.stderr
    assert "[INVALID_MODELFILE]" in result.stderr
    assert board.asked == []


def test_the_modelfile_may_come_from_stdin(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore
) -> None:
    """`-f -` reads it there."""
    assert rkctl("create", "new", "-f", "-", stdin="FROM base\n").exit_code == 0
    assert board.requests("ModelService.Create")[0].modelfile == "FROM base\n"
    assert store.asked == 0


def test_a_modelfile_is_edited_in_its_folder(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """`--existing` sends the text as it is; what FROM names is not looked for here."""
    (folder / "Modelfile").write_text("FROM ./there.gguf\n")
    file = str(folder / "Modelfile")

    result = rkctl("create", "m", "-f", file, "--existing", "there.gguf", "--replace")

    assert result.exit_code == 0
    request = board.requests("ModelService.Create")[0]
    assert (request.modelfile, request.existing_file) == ("FROM ./there.gguf\n", "there.gguf")
    assert (request.replace, store.asked) == (True, 0)


def test_an_existing_file_gets_its_modelfile(rkctl: Rkctl, board: FakeBoard) -> None:
    """`run NAME FILE HF_REPO`, rkllama's form: Create names file and repository."""
    board.answers["ModelService.Create"] = created("m")

    result = rkctl("run", "m", "x.rkllm", "https://huggingface.co/u/r")

    assert result.exit_code == 0
    assert result.stderr == "warning: no template\nm has its Modelfile\n"
    request = board.requests("ModelService.Create")[0]
    assert request.model == "m"
    assert request.existing_file == "x.rkllm"
    assert request.huggingface_path == "https://huggingface.co/u/r"
    assert board.requests("InferenceService.Generate") == []


def test_an_existing_file_is_run_when_a_prompt_waits(rkctl: Rkctl, board: FakeBoard) -> None:
    """What is piped in is asked once the Modelfile is written."""
    board.answers["ModelService.Create"] = created("m")
    board.answers["InferenceService.Generate"] = canned.answer("Hi")

    result = rkctl("run", "m", "x.rkllm", "u/r", stdin="hello\n")

    assert result.stdout == "Hi\n"
    assert board.requests("InferenceService.Generate")[0].prompt == "hello"


def test_ctrl_c_during_the_upload_says_how_to_go_on(
    board: FakeBoard, folder: Path, tmp_path: Path
) -> None:
    """Exit 130; the same command goes on."""
    board.answers["ModelService.Upload"] = lambda requests: (
        pb.UploadResponse() if not next(requests).data else until_cancelled_pieces(requests)
    )

    def until_cancelled_pieces(requests: Iterator[pb.UploadRequest]) -> pb.UploadResponse:
        child.send_signal(signal.SIGINT)
        list(requests)
        board.cancelled.wait(10)
        return pb.UploadResponse()

    environment = board.environment(tmp_path) | {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "rkctl", "create", "n", "-f", str(folder / "Modelfile")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        out, err = child.communicate(timeout=20)
    board.cancelled.set()

    assert out == ""
    assert err.endswith("stopped; the same command goes on where this one stopped\n")
    assert child.returncode == 130


def test_what_the_board_refuses_is_refused_before_a_byte_is_read(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """Name, type, a name that is taken: nothing was hashed, asked for or sent."""
    board.answers["ModelService.Create.check"] = Refusal(
        "ALREADY_EXISTS", "MODEL_EXISTS", "There is one."
    )

    result = rkctl("create", "new", "-f", str(folder / "Modelfile"), "-q", "Q4_K_M")

    assert "[MODEL_EXISTS]" in result.stderr
    assert "--replace" in result.stderr
    assert "hashing" not in result.stderr
    (judged,) = board.requests("ModelService.Create.check")
    assert (judged.model, judged.quantize) == ("new", "Q4_K_M")
    assert [(one.name, one.digest) for one in judged.files] == [("./w.gguf", "")]
    assert (store.asked, board.requests("ModelService.Create")) == (0, [])


def test_a_weights_file_with_a_path_is_brought(
    rkctl: Rkctl, board: FakeBoard, store: FakeStore, folder: Path
) -> None:
    """`run NAME /path/x.rkllm REPO`: uploaded, in rkllama's form of a Modelfile."""
    (folder / "x.rkllm").write_bytes(WEIGHTS)

    result = rkctl("run", "m", str(folder / "x.rkllm"), "u/r")

    assert result.exit_code == 0
    assert sum(store.received) == len(WEIGHTS)
    (request,) = board.requests("ModelService.Create")
    assert request.modelfile == 'FROM="x.rkllm"\nHUGGINGFACE_PATH="u/r"\n'
    assert (request.existing_file, request.files[0].name) == ("", "x.rkllm")
    assert rkctl("run", "m", "/nowhere/x.rkllm", "u/r").exit_code == 3
