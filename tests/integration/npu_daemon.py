"""A whole daemon over stand-in RKLLM runtimes, and a client of it, for tests and measurements."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import (
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    pool_pb2,
    pool_pb2_grpc,
    types_pb2,
)
from tests.native import standin

ROOT = Path(__file__).resolve().parents[2]
BOUND_S = 30.0


@dataclass(frozen=True, slots=True)
class NpuDaemon:
    """A running daemon."""

    folder: Path
    process: subprocess.Popen[bytes]
    inference: inference_pb2_grpc.InferenceServiceStub
    pool: pool_pb2_grpc.PoolServiceStub
    models: models_pb2_grpc.ModelServiceStub

    @property
    def control(self) -> Path:
        """Settings of the stand-in that hold for every model from now on."""
        return self.folder / "control"

    @property
    def log(self) -> str:
        """What the daemon logged up to now."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def generate(
        self,
        model: str,
        prompt: str,
        *,
        backend: types_pb2.Backend.ValueType = types_pb2.BACKEND_NPU,
        timeout_s: float = BOUND_S,
        json_schema: str | None = None,
    ) -> grpc.Call:
        """Begin a generation, on the NPU where nothing else is said."""
        options = types_pb2.InferenceOptions(backend=backend)
        if json_schema is not None:
            options.sampling.json_schema = json_schema
        request = pb.GenerateRequest(model=model, prompt=prompt, options=options)
        return self.inference.Generate(request, timeout=timeout_s)

    def ask(self, model: str, prompt: str) -> tuple[str, types_pb2.Finished]:
        """Generate to the end; text and how it finished."""
        text, finished = "", types_pb2.Finished()
        for event in self.generate(model, prompt):
            text += event.delta.text
            if event.HasField("finished"):
                finished = event.finished
        return text, finished

    def show(self, model: str) -> models_pb2.ShowResponse:
        """Everything about *model*."""
        return self.models.Show(models_pb2.ShowRequest(model=model), timeout=BOUND_S)

    def residents(self) -> list[str]:
        """Names of the models in memory."""
        told = self.pool.ListResident(pool_pb2.ListResidentRequest(), timeout=BOUND_S)
        return [one.model for one in told.residents]

    def unload(self, model: str) -> None:
        """Let *model* leave memory; nothing happens when it is not there."""
        with contextlib.suppress(grpc.RpcError):
            self.pool.Unload(pool_pb2.UnloadRequest(model=model), timeout=BOUND_S)

    def children(self) -> list[int]:
        """Processes of the daemon that are still there."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()]


def add_model(folder: Path, name: str, modelfile: str, **settings: object) -> None:
    """Put a model into the models of the daemon at *folder*, before it starts."""
    home = folder / "models" / name
    home.mkdir(parents=True)
    standin.weights(home / "m.rkllm", log=folder / f"{name}.jsonl", **settings)
    (home / "Modelfile").write_text(modelfile, encoding="utf-8")


def make_board(root: Path) -> Path:
    """Write the facts of an Orange Pi 5 with a good NPU driver under *root*."""
    facts = {
        "proc/device-tree/compatible": "xunlong,orangepi-5\0rockchip,rk3588\0",
        "sys/module/rknpu/version": "0.9.8\n",
        "dev/rknpu": "",
    }
    for name, content in facts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@contextlib.contextmanager
def running(
    folder: Path,
    versions: Sequence[str],
    *,
    sysroot: Path | None = None,
    libraries: Sequence[Path] = (),
    load_timeout_s: int = 12,
    **variables: str,
) -> Iterator[NpuDaemon]:
    """
    Run a daemon whose runtimes are stand-ins of *versions*, the first one preferred.

    Args:
        folder: for everything the daemon has.
        versions: of the runtimes.
        sysroot: where the facts of the board are read; None: this machine.
        libraries: in place of the stand-ins of *versions*.
        load_timeout_s: a load may be silent so long; more where that is not what is tried and
            several daemons share a loaded machine.
        variables: of the daemon's environment.
    """
    libraries = libraries or [standin.build(version) for version in versions]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients'}",
        "RKD_CONFIG": str(folder / "rkd.toml"),
        "RKD_MODELS": str(folder / "models"),
        "RKD_STATE_DIR": str(folder / "state"),
        "RKD_LISTEN": f"unix:{folder}/rkd.sock",
        "RKD_READY_FILE": str(folder / "ready"),
        "RKD_OFFLINE": "1",
        "RKD_RKLLM_LIBRARY": ":".join(map(str, libraries)),
        "RKD_SYSROOT": str(sysroot or "/"),
        "RKLLM_STANDIN_FILE": str(folder / "control"),
        "RKD_SPARE_WORKER": "false",  # each child is a model's
        "RKD_CONFINE": "false",  # the stand-ins write what they were called with
        **variables,
    }
    (folder / "rkd.toml").write_text(f'load_timeout = "{load_timeout_s}s"\n', encoding="utf-8")
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "rkd"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        until_s = time.monotonic() + BOUND_S
        while not (folder / "ready").exists():
            if process.poll() is not None or time.monotonic() > until_s:
                raise AssertionError((folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.02)
        json.loads((folder / "ready").read_text(encoding="utf-8"))
        with grpc.insecure_channel(f"unix:{folder}/rkd.sock") as channel:
            yield NpuDaemon(
                folder,
                process,
                inference_pb2_grpc.InferenceServiceStub(channel),
                pool_pb2_grpc.PoolServiceStub(channel),
                models_pb2_grpc.ModelServiceStub(channel),
            )
    finally:
        process.terminate()
        try:
            process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
