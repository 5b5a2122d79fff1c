"""Streams over real gRPC, from a real worker, of a real (tiny) model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import pool_pb2, types_pb2
from tests.integration.daemon_process import DaemonProcess, Stubs, alive, reason_of, wait_for
from tests.models import tiny


def asked(prompt: str = "Hi", model: str = "tiny", **sampling: object) -> pb.GenerateRequest:
    """A greedy request, 24 tokens unless said otherwise."""
    values = {"temperature": 0.0, "seed": 1, "max_tokens": 24, **sampling}
    options = types_pb2.InferenceOptions(sampling=types_pb2.SamplingOptions(**values))
    return pb.GenerateRequest(model=model, prompt=prompt, options=options)


def endless(prompt: str = "Hi", model: str = "tiny") -> pb.GenerateRequest:
    """A request that runs until its context is full."""
    request = asked(prompt, model)
    request.options.sampling.ClearField("max_tokens")
    request.options.sampling.logit_bias.add(token_id=2, bias=-100)
    request.options.sampling.logit_bias.add(token_id=4, bias=-100)
    return request


def answer(stubs: Stubs, request: pb.GenerateRequest) -> tuple[str, types_pb2.Finished]:
    """The whole text and the last event."""
    events = list(stubs.inference.Generate(request, timeout=60))
    text = "".join(one.delta.text for one in events if one.HasField("delta"))
    return text, events[-1].finished


def refusal(stubs: Stubs, model: str) -> str:
    """Why *model* does not answer."""
    with pytest.raises(grpc.RpcError) as refused:
        answer(stubs, asked(model=model))
    return reason_of(refused.value)[0]


def until_it_speaks(stream: Iterator[pb.GenerateResponse]) -> None:
    """Read up to the first piece of the answer."""
    while not next(stream).HasField("delta"):
        pass


def worker_pid(stubs: Stubs, model: str = "tiny") -> int:
    """The process that holds *model*."""
    listed = stubs.pool.ListResident(pool_pb2.ListResidentRequest()).residents
    return next(one.pid for one in listed if one.model == model)


def test_stream_is_as_the_contract_says(daemon: DaemonProcess) -> None:
    """Accepted first, finished last, sequence without gaps; the last tells everything."""
    with daemon.stubs() as stubs:
        events = list(stubs.inference.Generate(asked(), timeout=60))

    kinds = [one.WhichOneof("event") for one in events]
    finished = events[-1].finished
    assert list(range(len(events))) == [one.sequence for one in events]
    assert kinds[0] == "accepted"
    assert kinds[-1] == "finished"
    assert kinds.count("accepted") == kinds.count("finished") == 1
    assert "loading" in kinds
    assert finished.finish_reason == types_pb2.FINISH_REASON_LENGTH
    assert finished.backend == types_pb2.BACKEND_CPU
    assert finished.usage.completion_tokens == 24
    assert finished.usage.prompt_tokens > 0
    assert finished.seed == 1
    assert finished.timings.load.ToMilliseconds() > 0
    assert finished.timings.first_token.ToMilliseconds() > 0
    assert finished.template_source == "model"
    assert finished.runtime.startswith("llama.cpp b")


def test_chat_and_generate_agree(daemon: DaemonProcess) -> None:
    """A chat of one user turn is what Generate makes of the same prompt."""
    chat = pb.ChatRequest(
        model="tiny",
        messages=[types_pb2.Message(role="user", content="Hi")],
        options=asked().options,
    )
    with daemon.stubs() as stubs:
        generated, _ = answer(stubs, asked())
        events = list(stubs.inference.Chat(chat, timeout=60))

    assert generated == "".join(one.delta.text for one in events if one.HasField("delta"))


def test_a_field_the_engine_refuses_is_named_to_the_client(daemon: DaemonProcess) -> None:
    """The worker's violation comes as BadRequest, over two wires."""
    with daemon.stubs() as stubs, pytest.raises(grpc.RpcError) as caught:
        list(stubs.inference.Generate(asked(grammar="root ::= (")))

    assert reason_of(caught.value)[0] == "INVALID_FIELD"
    status = rpc_status.from_call(caught.value)
    bad = error_details_pb2.BadRequest()
    assert [bad.ParseFromString(one.value) for one in status.details if one.Is(bad.DESCRIPTOR)]
    assert [one.field for one in bad.field_violations] == ["options.sampling.grammar"]


def test_cancel_by_id_ends_the_stream_well(daemon: DaemonProcess) -> None:
    """Another client's Cancel ends the stream OK with CANCELLED, and frees the slot."""
    request = endless()
    request.options.request_id = "mine"
    with daemon.stubs() as stubs, daemon.stubs() as other:
        stream = stubs.inference.Generate(request, timeout=60)
        until_it_speaks(stream)

        reply = other.inference.Cancel(pb.CancelRequest(request_ids=["mine", "not there"]))
        *_, last = stream

        assert list(reply.cancelled) == ["mine"]
        assert last.finished.finish_reason == types_pb2.FINISH_REASON_CANCELLED
        assert answer(stubs, asked())[1].usage.completion_tokens == 24


def test_client_that_vanishes_frees_its_slot(daemon: DaemonProcess) -> None:
    """A client killed mid-stream leaves no run behind: the slot is free again."""
    code = (
        "import sys\nfrom tests.integration.daemon_process import DaemonProcess\n"
        "from tests.integration.test_inference import endless\n"
        "import grpc; from rkd.v1.inference_pb2_grpc import InferenceServiceStub\n"
        "stub = InferenceServiceStub(grpc.insecure_channel('unix:' + sys.argv[1]))\n"
        "for event in stub.Generate(endless()):\n    print(event.sequence, flush=True)\n"
    )
    root = Path(__file__).resolve().parents[2]
    with daemon.stubs() as stubs:
        answer(stubs, asked())
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(daemon.socket)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert child.stdout is not None
        for _ in range(3):
            child.stdout.readline()
        child.kill()
        child.wait()
        child.stdout.close()

        def slots_used() -> int:
            listed = stubs.pool.ListResident(pool_pb2.ListResidentRequest())
            return listed.residents[0].slots_used

        wait_for(lambda: slots_used() == 0, "the slot to be free")
        assert answer(stubs, asked())[1].usage.completion_tokens == 24


def test_deadline_is_honoured(daemon: DaemonProcess) -> None:
    """A call past its deadline ends DEADLINE_EXCEEDED and stops the run."""
    with daemon.stubs() as stubs:
        answer(stubs, asked())
        request = endless("a b c " * 300)

        with pytest.raises(grpc.RpcError) as refused:
            list(stubs.inference.Generate(request, timeout=0.05))

        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert answer(stubs, asked())[1].usage.completion_tokens == 24


def test_worker_killed_mid_stream(daemon: DaemonProcess) -> None:
    """The client gets ABORTED with WORKER_CRASHED and the signal; the next request is served."""
    with daemon.stubs() as stubs:
        expected, _ = answer(stubs, asked())
        stream = stubs.inference.Generate(endless(), timeout=60)
        until_it_speaks(stream)
        os.kill(worker_pid(stubs), signal.SIGKILL)

        with pytest.raises(grpc.RpcError) as broken:
            list(stream)

        reason, metadata = reason_of(broken.value)
        assert broken.value.code() is grpc.StatusCode.ABORTED
        assert reason == "WORKER_CRASHED"
        assert metadata["signal"] == "SIGKILL"
        assert int(metadata["tokens_emitted"]) >= 1
        assert answer(stubs, asked())[0] == expected


def test_daemon_killed_leaves_no_child(daemon: DaemonProcess) -> None:
    """SIGKILL of the daemon takes its workers along."""
    with daemon.stubs() as stubs:
        answer(stubs, asked())
        children = daemon.children()
        assert children

        daemon.kill()

    wait_for(lambda: not any(alive(pid) for pid in children), "the workers to be gone")


def test_daemon_killed_while_loading(tmp_path: Path, smollm2: Path) -> None:
    """The same while an engine holds the interpreter in a load."""
    daemon = DaemonProcess(tmp_path)
    (daemon.models / "smol").mkdir()
    (daemon.models / "smol" / "smol.gguf").symlink_to(smollm2)
    with daemon, daemon.stubs() as stubs:
        stream = stubs.pool.Load(pool_pb2.LoadRequest(model="smol"), timeout=60)
        wait_for(daemon.children, "a worker")
        children = daemon.children()
        daemon.kill()
        stream.cancel()
    wait_for(lambda: not any(alive(pid) for pid in children), "the workers to be gone")


def test_stop_ends_streams_and_children(daemon: DaemonProcess) -> None:
    """SIGTERM ends what runs within its bound, exits 0, and leaves nothing running."""
    with daemon.stubs() as stubs:
        answer(stubs, asked())
        children = daemon.children()
        stream = stubs.inference.Generate(endless("x " * 200), timeout=60)
        next(stream)
        code = daemon.stop()
        stream.cancel()

    assert code == 0
    assert not any(alive(pid) for pid in children)
    assert not daemon.socket.exists()


def test_eight_clients_are_not_mixed(tmp_path: Path, tiny_gguf: Path) -> None:
    """Eight streams decoded together each give the text they give alone."""
    daemon = DaemonProcess(tmp_path, {"RKD_PARALLEL": "8", "RKD_MAX_CONTEXT": "512"})
    (daemon.models / "tiny").mkdir()
    (daemon.models / "tiny" / "tiny.gguf").hardlink_to(tiny_gguf)
    prompts = [f"Question {at}: what is {at} times {at}?" for at in range(8)]
    with daemon, daemon.stubs() as stubs:
        alone = [answer(stubs, asked(one, max_tokens=60))[0] for one in prompts]
        together = [""] * len(prompts)

        def client(at: int) -> None:
            with daemon.stubs() as own:
                together[at] = answer(own, asked(prompts[at], max_tokens=60))[0]

        threads = [threading.Thread(target=client, args=(at,)) for at in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert len(set(alone)) == len(alone)
    assert alone == together


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("truncated", {"LOAD_FAILED", "MODEL_FAILED"}),
        ("garbage", {"LOAD_FAILED", "MODEL_FAILED"}),
        ("wrong-magic", {"LOAD_FAILED", "MODEL_FAILED"}),
        ("aborts the engine", {"LOAD_FAILED", "WEIGHTS_INVALID", "WORKER_CRASHED", "MODEL_FAILED"}),
    ],
)
def test_bad_files_put_in_by_hand(
    daemon: DaemonProcess, tiny_gguf: Path, kind: str, reasons: set[str]
) -> None:
    """A bad GGUF in the folder is refused with a typed error; the daemon and others go on."""
    whole = tiny_gguf.read_bytes()
    folder = daemon.models / "bad"
    folder.mkdir()
    if kind == "aborts the engine":
        tiny.write(folder / "bad.gguf", layers=1)
        data = (folder / "bad.gguf").read_bytes()
        key = b"llama.attention.head_count"
        at = data.index(key) + len(key) + 4
        (folder / "bad.gguf").write_bytes(data[:at] + b"\x03\x00\x00\x00" + data[at + 4 :])
    else:
        data = {
            "truncated": whole[: len(whole) // 2],
            "garbage": b"GGUF" + os.urandom(4096),
            "wrong-magic": b"GGML" + whole[4:],
        }[kind]
        (folder / "bad.gguf").write_bytes(data)
    with daemon.stubs() as stubs:
        answer(stubs, asked())

        # Until it has been quiet for two seconds it might be a file that still arrives.
        wait_for(lambda: refusal(stubs, "bad") != "MODEL_INCOMPLETE", "the file to be taken")

        assert refusal(stubs, "bad") in reasons
        assert answer(stubs, asked())[1].usage.completion_tokens == 24


def test_second_daemon_says_so(daemon: DaemonProcess, tmp_path: Path) -> None:
    """A second daemon on the same state directory, or the same port, exits 78 and says why."""
    port = next(one for one in daemon.addresses if not one.startswith("unix:"))
    same_state = {**daemon.environment, "RKD_LISTEN": "127.0.0.1:0"}
    same_port = {
        **daemon.environment,
        "RKD_LISTEN": port,
        "RKD_STATE_DIR": str(tmp_path / "other-state"),
    }
    for environment, word in ((same_state, "state directory"), (same_port, port)):
        done = subprocess.run(
            [sys.executable, "-m", "rkd"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert done.returncode == 78
        assert word in done.stderr
