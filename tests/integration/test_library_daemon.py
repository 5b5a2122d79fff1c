"""The library in a real daemon: flat files, create, upload and delete, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from rkd.v1 import inference_pb2, models_pb2
from rkd.v1 import types_pb2 as types
from tests.integration.daemon_process import DaemonProcess, reason_of, wait_for
from tests.unit.backend.convert import checkpoint_bytes


def rkctl(daemon: DaemonProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run rkctl against *daemon*."""
    return subprocess.run(
        [sys.executable, "-m", "rkctl", *words],
        env=daemon.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=daemon.folder,
    )


def states(daemon: DaemonProcess) -> dict[str, int]:
    """State by name, as List tells it."""
    with daemon.stubs() as stubs:
        answer = stubs.models.List(models_pb2.ListRequest(), timeout=10)
    return {one.name: one.state for one in answer.models}


def answers(daemon: DaemonProcess, model: str) -> bool:
    """Whether *model* generates."""
    options = types.InferenceOptions(sampling=types.SamplingOptions(max_tokens=2))
    request = inference_pb2.GenerateRequest(model=model, prompt="a", raw=True, options=options)
    with daemon.stubs() as stubs:
        return any(
            one.HasField("finished") for one in stubs.inference.Generate(request, timeout=30)
        )


@pytest.fixture
def empty(tmp_path: Path) -> DaemonProcess:
    """A daemon that is not started, without models."""
    return DaemonProcess(tmp_path)


class TestFlat:
    """Version 0.0.1's layout."""

    def test_it_is_migrated_before_serving_and_answers(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """A GGUF speaks for itself; an .rkllm says how to go on."""
        (empty.models / "t.gguf").write_bytes(tiny_gguf.read_bytes())
        (empty.models / "n.rkllm").write_bytes(b"npu" * 1000)
        with empty:
            found = states(empty)
            works = answers(empty, "t")
            refused = rkctl(empty, "generate", "n", "hello")
            repaired = rkctl(empty, "run", "n", "n.rkllm", "https://huggingface.co/u/r")
            after = states(empty)

        assert found == {
            "t": types.MODEL_STATE_READY,
            "n": types.MODEL_STATE_NEEDS_MODELFILE,
        }
        assert works
        assert "Modelfile not found in 'n' directory." in refused.stderr
        assert "rkctl run n n.rkllm HF_REPO" in refused.stderr
        assert repaired.returncode == 0, repaired.stderr
        assert after["n"] == types.MODEL_STATE_READY
        assert (empty.models / "n" / "Modelfile").read_text() == (
            'FROM="n.rkllm"\nHUGGINGFACE_PATH="u/r"\nSYSTEM=""\nTEMPERATURE=1.0\n'
        )

    def test_a_truncated_file_fails_in_the_engines_own_words(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """Asked for the moment it was put there, and the daemon goes on."""
        with empty:
            for name, size in (("cut", 20_000), ("stump", 30)):
                (empty.models / name).mkdir()
                whole = tiny_gguf.read_bytes()
                (empty.models / name / "x.gguf").write_bytes(whole[:size])
                with pytest.raises(grpc.RpcError) as caught:
                    answers(empty, name)
                assert reason_of(caught.value)[0] == "LOAD_FAILED"
            assert set(states(empty).values()) == {types.MODEL_STATE_READY}

    def test_a_slow_copy_is_taken_when_its_writer_closes(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """Incoming in the middle, a model in the end, nobody asking."""
        data = tiny_gguf.read_bytes()
        with empty, (empty.models / "slow.gguf").open("wb") as file:
            for at in range(0, len(data), len(data) // 4):
                file.write(data[at : at + len(data) // 4])
                file.flush()
                time.sleep(0.6)
                during = states(empty)
                flat = (empty.models / "slow.gguf").exists()
                assert (during, flat) == ({"slow": types.MODEL_STATE_INCOMING}, True)
            file.close()
            wait_for((empty.models / "slow" / "slow.gguf").exists, "the migration")

            assert answers(empty, "slow")

    def test_a_loop_that_appends_and_closes_is_not_cut_in_two(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """Each close is one, and the header says that more is to come."""
        data = tiny_gguf.read_bytes()
        with empty:
            for at in range(0, len(data), len(data) // 3):
                with (empty.models / "loop.gguf").open("ab") as file:
                    file.write(data[at : at + len(data) // 3])
                time.sleep(1.0)
            wait_for((empty.models / "loop" / "loop.gguf").exists, "the migration")

        assert (empty.models / "loop" / "loop.gguf").read_bytes() == data


class TestCreate:
    """rkctl create."""

    def test_a_file_here_becomes_a_model_there(self, empty: DaemonProcess, tiny_gguf: Path) -> None:
        """Brought, quantized in a child, run; a child of it; a copy; gone."""
        modelfile = empty.folder / "Modelfile"
        modelfile.write_text(f"FROM {tiny_gguf}\nSYSTEM Be brief.\nPARAMETER top_k 3\n")
        child = empty.folder / "Child"
        child.write_text("FROM made\nSYSTEM Be long.\n")
        with empty:
            made = rkctl(empty, "create", "made", "-f", str(modelfile))
            again = rkctl(empty, "create", "made", "-f", str(modelfile))
            derived = rkctl(empty, "create", "derived", "-f", str(child))
            smaller = rkctl(empty, "create", "smaller", "-f", str(modelfile), "-q", "Q8_0")
            copied = rkctl(empty, "cp", "made", "copied")
            removed = rkctl(empty, "rm", "made")
            left = states(empty)
            shown = rkctl(empty, "show", "derived")
            works = [answers(empty, name) for name in ("derived", "smaller", "copied")]

        assert made.returncode == 0, made.stderr
        assert "[MODEL_EXISTS]" in again.stderr
        assert derived.returncode == 0, derived.stderr
        assert smaller.returncode == 0, smaller.stderr
        assert (copied.returncode, removed.returncode) == (0, 0), copied.stderr + removed.stderr
        assert set(left) == {"derived", "smaller", "copied"}
        assert "Be long." in shown.stdout
        assert works == [True] * 3

    @pytest.mark.parametrize("name", ["llama", "mistral", "gemma", "qwen2"])
    def test_a_checkpoint_folder_becomes_a_model(self, empty: DaemonProcess, name: str) -> None:
        """Brought file by file, converted and quantized in children, answering."""
        folder = checkpoint_bytes.write(empty.folder / "checkpoint", name)
        with empty:
            plain = rkctl(empty, "create", "plain", "--from", str(folder))
            small = rkctl(empty, "create", "small", "--from", str(folder), "-q", "Q8_0")
            works = [answers(empty, model) for model in ("plain", "small")]
            with empty.stubs() as stubs:
                shown = stubs.models.Show(models_pb2.ShowRequest(model="small", verify=True))

        assert plain.returncode == 0, plain.stderr
        assert small.returncode == 0, small.stderr
        assert works == [True, True]
        assert shown.summary.quantization == "Q8_0"
        assert shown.verified
        assert shown.weights[0].digest

    def test_damaged_files_are_refused_with_what_is_wrong(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """Truncated, garbage, another magic; nothing stays behind."""
        data = tiny_gguf.read_bytes()
        with empty:
            for name, damaged in (
                ("cut.gguf", data[: len(data) // 2]),
                ("garbage.gguf", os.urandom(5000)),
                ("page.gguf", b"<!DOCTYPE html><html>"),
            ):
                (empty.folder / name).write_bytes(damaged)
                refused = rkctl(empty, "create", "bad", "--from", str(empty.folder / name))
                assert "[WEIGHTS_INVALID]" in refused.stderr
                assert refused.returncode == 1
            assert states(empty) == {}


class TestKilled:
    """SIGKILL, and a new start."""

    def test_an_upload_goes_on_after_a_killed_daemon(self, empty: DaemonProcess) -> None:
        """What was received stays received."""
        data = os.urandom(9 << 20)
        path = empty.folder / "big.bin"
        path.write_bytes(data)
        import hashlib  # noqa: PLC0415

        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        piece = 1 << 20

        def pieces(start: int, until: int) -> list[models_pb2.UploadRequest]:
            return [
                models_pb2.UploadRequest(
                    digest=digest,
                    size_bytes=len(data),
                    offset_bytes=at,
                    data=data[at : at + piece],
                )
                for at in range(start, until, piece)
            ]

        with empty:
            with empty.stubs() as stubs:
                sent = stubs.models.Upload(iter(pieces(0, 5 * piece)), timeout=30)
            empty.kill()
            empty.start()
            with empty.stubs() as stubs:
                asked = models_pb2.UploadRequest(digest=digest, size_bytes=len(data))
                held = stubs.models.Upload(iter([asked]), timeout=30)
                done = stubs.models.Upload(
                    iter(pieces(held.committed_bytes, len(data))), timeout=30
                )

        assert sent.committed_bytes == held.committed_bytes == 5 * piece
        assert done.complete

    def test_a_create_goes_on_after_a_killed_daemon(
        self, empty: DaemonProcess, tiny_gguf: Path
    ) -> None:
        """Killed at a dozen moments: the model is whole or not there, and no stage is left."""
        (empty.folder / "Modelfile").write_text(f"FROM {tiny_gguf}\n")
        seen = set()
        with empty:
            for number in range(6):
                command = [sys.executable, "-m", "rkctl", "create", f"m{number}", "-q", "Q8_0"]
                client = subprocess.Popen(
                    command,
                    env=empty.environment,
                    cwd=empty.folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(0.5 + number * 0.12)
                empty.kill()
                client.kill()
                client.wait()
                there = (empty.models / f"m{number}").exists()
                assert not there or len(list((empty.models / f"m{number}").iterdir())) >= 2
                seen.add(there)
                empty.start()
            wait_for(lambda: _settled(empty), "operations to end")
            found = states(empty)
            stages = [path.name for path in empty.models.glob(".rkd-stage-*")]
            works = [answers(empty, name) for name in found]

        assert set(found.values()) <= {types.MODEL_STATE_READY}
        assert all(works)
        assert stages == []

    def test_nothing_outside_the_folder_is_ever_named(self, empty: DaemonProcess) -> None:
        """No path of a client is opened."""
        with empty, empty.stubs() as stubs:
            request = models_pb2.CreateRequest(model="x", modelfile="FROM /etc/hostname\n")
            with pytest.raises(grpc.RpcError) as caught:
                list(stubs.models.Create(request, timeout=10))

        assert reason_of(caught.value)[0] == "INVALID_FIELD"


def _settled(daemon: DaemonProcess) -> bool:
    shown = rkctl(daemon, "ops", "list", "--json")
    return shown.returncode == 0 and "RUNNING" not in shown.stdout and "PENDING" not in shown.stdout
