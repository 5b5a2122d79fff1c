"""Create over real gRPC: from uploads, from a model, for a file in place; begun again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from rkd.errors import Reason, UnavailableError
from rkd.inference import LoadProgress
from rkd.library.library import Library
from rkd.model import ModelName
from rkd.operations.create import CreateRunner
from rkd.operations.journal import Journal
from rkd.operations.operation import OperationKind
from rkd.operations.operations import Operations
from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.integration.library_server import Served, details, served
from tests.models import tiny_sight
from tests.unit.library.folders import put, tree
from tests.unit.weights.gguf_bytes import build

GGUF = build()
ENV = 'FROM="x.rkllm"\nHUGGINGFACE_PATH="u/r"\nSYSTEM=""\nTEMPERATURE=1.0\n'


@dataclass
class FakeJobs:
    """Writes what a job would, when its gate is open."""

    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(
        self, kind: str, arguments: Mapping[str, str], progress: Callable[[LoadProgress], None]
    ) -> Mapping[str, str]:
        """Do it."""
        self.asked.append((kind, dict(arguments)))
        self.begun.set()
        progress(LoadProgress(kind, 0.5))
        await self.gate.wait()
        put(Path(arguments["target"]), GGUF)
        return {"quantization": arguments["type"], "warnings": ""}


class FakeHub:
    """Has the tokenizer of one repository."""

    async def __call__(self, repository: str, folder: Path) -> None:
        """Bring it."""
        if repository != "u/r":
            raise UnavailableError(Reason.HUB_UNREACHABLE, "the hub is far away")
        (folder / "tokenizer.json").write_text("{}")


@dataclass
class Board:
    """What a test gets."""

    server: Served
    jobs: FakeJobs
    operations: Operations

    async def upload(self, data: bytes) -> str:
        """Bring a file; returns its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        request = pb.UploadRequest(digest=digest, size_bytes=len(data), data=data)
        await self.server.models.Upload(iter([request]))
        return digest

    async def create(self, modelfile: str, **more: object) -> pb.CreateResponse:
        """Create `x` and return the last step."""
        request = pb.CreateRequest(model="x", modelfile=modelfile, **more)  # type: ignore[arg-type]
        return [step async for step in self.server.models.Create(request)][-1]


@asynccontextmanager
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    """A library that creates."""
    root = tmp_path / "models"
    jobs = FakeJobs()
    jobs.gate.set()
    library = Library(root, publish=lambda _event: None, reserve_bytes=0)
    journal = Journal(tmp_path / "state")
    runner = CreateRunner(library=library, run_job=jobs, fetch_tokenizer=FakeHub())
    operations = Operations(
        journal=journal, runners={OperationKind.CREATE: runner}, publish=lambda _event: None
    )
    async with served(root, tmp_path / "s", operations=operations, library=library) as server:
        await operations.load()
        await operations.restore()
        try:
            yield Board(server, jobs, operations)
        finally:
            await operations.close()


def visible(root: Path) -> list[str]:
    """Every visible file."""
    return sorted(tree(root))


class TestUploads:
    """FROM a file that was brought."""

    async def test_a_gguf_becomes_a_model(self, tmp_path: Path) -> None:
        """Ready, described by its header, its digest recorded, its upload claimed."""
        async with board(tmp_path) as made:
            digest = await made.upload(GGUF)
            files = [pb.UploadedFile(name="/home/me/a.gguf", digest=digest)]
            text = "FROM /home/me/a.gguf\nSYSTEM Be brief.\n"
            last = await made.create(text, files=files)
            shown = await made.server.models.Show(pb.ShowRequest(model="x", verify=True))

        assert last.operation.state == types.OPERATION_STATE_SUCCEEDED
        assert (last.model.name, last.model.architecture) == ("x", "llama")
        assert shown.weights[0].digest == digest
        assert shown.verified
        assert (tmp_path / "models" / "x" / "Modelfile").read_text() == (
            "FROM ./a.gguf\nSYSTEM Be brief.\n"
        )
        assert list((tmp_path / "models" / ".rkd-blobs").iterdir()) == []

    async def test_damaged_weights_are_refused_and_nothing_stays(self, tmp_path: Path) -> None:
        """Truncated, garbage: WEIGHTS_INVALID saying what is wrong."""
        async with board(tmp_path) as made:
            for data in (GGUF[:-100], b"garbage" * 100):
                digest = await made.upload(data)
                files = [pb.UploadedFile(name="a.gguf", digest=digest)]
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await made.create("FROM ./a.gguf", files=files)
                assert details(caught.value)[0] == "WEIGHTS_INVALID"

        assert visible(tmp_path / "models") == []
        assert list((tmp_path / "models").glob(".rkd-stage-*")) == []

    async def test_a_bad_modelfile_is_refused_with_its_place(self, tmp_path: Path) -> None:
        """Before an operation is begun."""
        async with board(tmp_path) as made:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.create("FROM ./a.gguf\nPARAMETER temprature 1\n")
            operations = made.operations.list()

        assert details(caught.value)[0] == "INVALID_MODELFILE"
        assert operations == ()

    async def test_a_checkpoint_is_converted_and_quantized(self, tmp_path: Path) -> None:
        """Its files as they stood in their folder; only the result stays."""
        async with board(tmp_path) as made:
            files = [
                pb.UploadedFile(name=name, digest=await made.upload(name.encode()))
                for name in ("config.json", "sub/model.safetensors")
            ]
            last = await made.create("FROM .", files=files, quantize="q8_0")

        assert [kind for kind, _ in made.jobs.asked] == ["convert", "quantize"]
        assert made.jobs.asked[1][1]["type"] == "Q8_0"
        assert visible(tmp_path / "models") == ["x/.rkd.json", "x/Modelfile", "x/x-Q8_0.gguf"]
        assert last.model.state == types.MODEL_STATE_READY

    async def test_a_second_create_of_a_checkpoint_sends_nothing(self, tmp_path: Path) -> None:
        """The board still has its files and says so."""
        async with board(tmp_path) as made:
            digest = await made.upload(b"model.safetensors")
            names = {"config.json": await made.upload(b"{}"), "model.safetensors": digest}
            files = [pb.UploadedFile(name=name, digest=one) for name, one in names.items()]
            await made.create("FROM .", files=files)
            asked = pb.UploadRequest(digest=digest, size_bytes=17)
            standing = await made.server.models.Upload(iter([asked]))
            await made.create("FROM .", files=files, quantize="q8_0", replace=True)

        assert standing.complete

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"quantize": "Q9"}, "INVALID_FIELD"),
            ({"modelfile": "BOGUS x"}, "INVALID_MODELFILE"),
            ({"model": "a b"}, "INVALID_NAME"),
            ({"model": "taken"}, "MODEL_EXISTS"),
        ],
    )
    async def test_a_create_is_judged_before_its_files_come(
        self, tmp_path: Path, more: dict[str, str], reason: str
    ) -> None:
        """The refusal is the call's; nothing is begun, also when all is well."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "taken" / "t.gguf", GGUF)
            await made.server.models.List(pb.ListRequest())
            plain: dict[str, object] = {"model": "x", "modelfile": "FROM ./w.gguf"}
            files = [pb.UploadedFile(name="./w.gguf")]
            request = pb.CreateRequest(**plain | more, files=files, check_only=True)  # type: ignore[arg-type]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.server.models.Create(request).read()
            fine = pb.CreateRequest(
                model="x", modelfile="FROM ./w.gguf", files=files, check_only=True
            )
            steps = [step async for step in made.server.models.Create(fine)]
            operations = made.operations.list()

        assert details(caught.value)[0] == reason
        assert (steps, operations) == ([], ())

    async def test_npu_weights_stay_readable_by_rkllama(self, tmp_path: Path) -> None:
        """The env form is kept as it was given."""
        async with board(tmp_path) as made:
            digest = await made.upload(b"\x01" * (1 << 20))
            await made.create(ENV, files=[pb.UploadedFile(name="x.rkllm", digest=digest)])

        assert (tmp_path / "models" / "x" / "Modelfile").read_text() == ENV


class TestNames:
    """Names that are taken, busy, or being made."""

    async def test_a_taken_name_wants_replace(self, tmp_path: Path) -> None:
        """MODEL_EXISTS; MODEL_BUSY while it answers; then the new one takes over."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "X" / "old.gguf", GGUF)
            put(tmp_path / "models" / "p" / "p.gguf", GGUF)
            with pytest.raises(grpc.aio.AioRpcError) as exists:
                await made.create("FROM p")
            made.server.pool.busy.add("x")
            with pytest.raises(grpc.aio.AioRpcError) as busy:
                await made.create("FROM p", replace=True)
            made.server.pool.busy.clear()
            await made.create("FROM p", replace=True)

        assert details(exists.value)[0] == "MODEL_EXISTS"
        assert details(busy.value)[0] == "MODEL_BUSY"
        assert "x/p.gguf" in visible(tmp_path / "models")
        assert not (tmp_path / "models" / "X").exists()

    async def test_the_same_create_twice_is_one(self, tmp_path: Path) -> None:
        """The second joins; another one under the same name is refused meanwhile."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "p" / "p.gguf", GGUF)
            made.jobs.gate.clear()
            first = asyncio.create_task(made.create("FROM p", quantize="Q8_0"))
            await made.jobs.begun.wait()
            second = asyncio.create_task(made.create("FROM p", quantize="Q8_0"))
            with pytest.raises(grpc.aio.AioRpcError) as other:
                await made.create("FROM p", quantize="Q4_0")
            during = visible(tmp_path / "models")
            made.jobs.gate.set()
            steps = await asyncio.gather(first, second)

        assert details(other.value)[0] == "MODEL_BUSY"
        assert during == ["p/p.gguf"]
        assert steps[0].operation.id == steps[1].operation.id
        assert len(made.jobs.asked) == 1

    async def test_leaving_does_not_stop_it(self, tmp_path: Path) -> None:
        """The client is gone, the model appears all the same."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "p" / "p.gguf", GGUF)
            made.jobs.gate.clear()
            first = asyncio.create_task(made.create("FROM p", quantize="Q8_0"))
            await made.jobs.begun.wait()
            first.cancel()
            made.jobs.gate.set()
            (operation,) = made.operations.list()
            await made.operations.finished(operation.id)

        assert "x/p-Q8_0.gguf" in visible(tmp_path / "models")


class TestRestart:
    """The daemon goes down in the middle."""

    async def test_a_create_goes_on_after_a_restart(self, tmp_path: Path) -> None:
        """From its uploads, which are kept; a stage that was half full is begun anew."""
        async with board(tmp_path) as made:
            digest = await made.upload(GGUF)
            made.jobs.gate.clear()
            files = [pb.UploadedFile(name="a.gguf", digest=digest)]
            call = asyncio.create_task(made.create("FROM ./a.gguf", files=files, quantize="Q8_0"))
            await made.jobs.begun.wait()
            call.cancel()
        before = visible(tmp_path / "models")
        async with board(tmp_path) as made:
            (operation,) = made.operations.list()
            await made.operations.finished(operation.id)
            shown = await made.server.models.Show(pb.ShowRequest(model="x"))

        assert before == []
        assert shown.summary.state == types.MODEL_STATE_READY

    async def test_a_create_that_was_committed_is_not_made_twice(self, tmp_path: Path) -> None:
        """Killed between the commit and the journal: it succeeds, touching nothing."""
        async with board(tmp_path) as made:
            digest = await made.upload(GGUF)
            files = [pb.UploadedFile(name="a.gguf", digest=digest)]
            await made.create("FROM ./a.gguf", files=files)
        (record,) = (tmp_path / "state").glob("*.json")
        record.write_text(record.read_text().replace('"succeeded"', '"running"'))
        inode = (tmp_path / "models" / "x" / "a.gguf").stat().st_ino
        async with board(tmp_path) as made:
            (operation,) = made.operations.list()
            await made.operations.finished(operation.id)

        assert (tmp_path / "models" / "x" / "a.gguf").stat().st_ino == inode


class TestParents:
    """FROM a model."""

    async def test_a_child_shares_its_parents_weights(self, tmp_path: Path) -> None:
        """Its own words over the parent's; deleting the parent harms nobody."""
        root = tmp_path / "models"
        async with board(tmp_path) as made:
            put(root / "p" / "p.gguf", GGUF)
            put(root / "p" / "Modelfile", "FROM ./p.gguf\nSYSTEM Old.\nPARAMETER top_k 3\n")
            await made.create("FROM p\nSYSTEM New.\n")
            shared = (root / "x" / "p.gguf").samefile(root / "p" / "p.gguf")
            await made.server.models.Delete(pb.DeleteRequest(model="p"))
            shown = await made.server.models.Show(pb.ShowRequest(model="x"))

        assert shared
        assert shown.system == "New."
        assert [(one.key, one.value) for one in shown.parameters] == [("top_k", "3")]
        assert shown.summary.state == types.MODEL_STATE_READY

    async def test_a_parent_that_is_not_there_comes_with_the_commands(self, tmp_path: Path) -> None:
        """MODEL_NOT_FOUND, for a name and for a repository."""
        async with board(tmp_path) as made:
            for text in ("FROM nobody", "FROM hf.co/u/r:Q4_0"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await made.create(text)
                assert details(caught.value)[0] == "MODEL_NOT_FOUND"
                assert "rkctl pull" in (caught.value.details() or "")


class TestUploadedNames:
    """What an upload is called."""

    @pytest.mark.parametrize("name", ["a" * 300 + ".gguf", "a\0.gguf", "é" * 120])
    async def test_a_name_no_file_can_have_is_refused_at_once(
        self, tmp_path: Path, name: str
    ) -> None:
        """By its place in the request, before anything is begun."""
        async with board(tmp_path) as made:
            digest = await made.upload(GGUF)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.create(
                    "FROM ./x.gguf", files=[pb.UploadedFile(name=name, digest=digest)]
                )
            begun = made.operations.list()

        assert details(caught.value)[0] == "INVALID_FIELD"
        assert "files[0].name" in (caught.value.details() or "")
        assert begun == ()


class TestExisting:
    """rkllama's `run NAME FILE HF_REPO`."""

    async def test_a_folder_gets_its_modelfile_and_tokenizer(self, tmp_path: Path) -> None:
        """A flat file, migrated, adopted, ready."""
        root = tmp_path / "models"
        async with board(tmp_path) as made:
            put(root / "x.rkllm")
            last = await made.create(
                "", existing_file="x.rkllm", huggingface_path="https://huggingface.co/u/r"
            )

        assert last.model.state == types.MODEL_STATE_READY
        assert tree(root) == {
            "x/Modelfile": ENV.encode(),
            "x/tokenizer.json": b"{}",
            "x/x.rkllm": b"weights",
        }

    async def test_without_the_hub_it_works_with_a_warning(self, tmp_path: Path) -> None:
        """The runtime has a template of its own."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "x" / "x.rkllm")
            last = await made.create("", existing_file="x.rkllm", huggingface_path="far/away")

        assert last.model.state == types.MODEL_STATE_READY
        assert "far away" in last.warnings[0]

    async def test_a_modelfile_that_is_there_is_kept(self, tmp_path: Path) -> None:
        """Running the same command again changes nothing."""
        path = tmp_path / "models" / "x" / "Modelfile"
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "x" / "x.rkllm")
            put(path, "FROM ./x.rkllm\nSYSTEM Mine.\n")
            last = await made.create("", existing_file="x.rkllm", huggingface_path="u/r")

        assert path.read_text() == "FROM ./x.rkllm\nSYSTEM Mine.\n"
        assert "is kept" in last.warnings[0]

    async def test_a_modelfile_is_edited_in_place(self, tmp_path: Path) -> None:
        """Byte for byte, when it may replace the one that stands, which is kept beside it."""
        root = tmp_path / "models"
        text = "# mine\nFROM ./x.gguf\nSYSTEM Yours.\n"
        async with board(tmp_path) as made:
            put(root / "x" / "x.gguf", GGUF)
            put(root / "x" / "Modelfile", "FROM ./x.gguf\nSYSTEM Mine.\n")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.create(text, existing_file="x.gguf")
            last = await made.create(text, existing_file="x.gguf", replace=True)
            shown = await made.server.models.Show(pb.ShowRequest(model="x"))

        assert details(caught.value)[0] == "MODEL_EXISTS"
        assert (last.model.state, shown.system) == (types.MODEL_STATE_READY, "Yours.")
        kept = tree(root)
        assert kept["x/Modelfile"] == text.encode()
        assert kept["x/Modelfile.old"] == b"FROM ./x.gguf\nSYSTEM Mine.\n"

    async def test_an_edit_that_cannot_be_changes_nothing(self, tmp_path: Path) -> None:
        """A typing error with its place; a file that is not in the folder by its name."""
        path = tmp_path / "models" / "x" / "Modelfile"
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "x" / "x.gguf", GGUF)
            put(path, "FROM ./x.gguf\n")
            told = []
            for text in ("FROM x.gguf\nPARAMETER temp 1\n", "FROM x.gguf\nFROM eyes.gguf\n"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await made.create(text, existing_file="x.gguf", replace=True)
                told.append((details(caught.value)[0], caught.value.details() or ""))

        assert [reason for reason, _ in told] == ["INVALID_MODELFILE", "INVALID_FIELD"]
        assert "line 2, column 1:" in told[0][1]
        assert "'eyes.gguf' is not in the folder of x" in told[1][1]
        assert path.read_text() == "FROM ./x.gguf\n"

    async def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """With what is there instead."""
        async with board(tmp_path) as made:
            put(tmp_path / "models" / "x" / "x.rkllm")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.create("", existing_file="y.rkllm")

        assert details(caught.value)[0] == "INVALID_FIELD"
        assert "x.rkllm" in (caught.value.details() or "")


async def test_a_projector_comes_with_its_model(tmp_path: Path) -> None:
    """A second FROM names it, as in Ollama; a model made of that one sees too."""
    text = tiny_sight.write_text(tmp_path / "t.gguf").read_bytes()
    eyes = tiny_sight.write_projector(tmp_path / "p.gguf").read_bytes()
    async with board(tmp_path) as here:
        files = [
            pb.UploadedFile(name=name, digest=await here.upload(data))
            for name, data in (("./a.gguf", text), ("./eyes.gguf", eyes))
        ]
        await here.create("FROM ./eyes.gguf\nFROM ./a.gguf\n", files=files)
        model = here.server.library.find(ModelName("x"))
        request = pb.CreateRequest(model="y", modelfile="FROM x\nSYSTEM Look.\n")
        _ = [step async for step in here.server.models.Create(request)]
        child = here.server.library.find(ModelName("y"))

    assert model.modelfile_text == "FROM ./a.gguf\nFROM ./eyes.gguf\n"
    for one in (model, child):
        assert one.projector is not None
        assert one.projector.path.name == "eyes.gguf"
    assert "FROM ./eyes.gguf" in child.modelfile_text
    assert dict(model.provenance.digests)["eyes.gguf"].startswith("sha256:")


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("wide",), "makes 128 numbers of a patch, and the model reads 64"),
        (("broken",), "mm.2.weight is missing"),
        (("eyes", "wide"), "one model has one projector"),
    ],
)
async def test_a_projector_that_does_not_fit_is_refused(
    tmp_path: Path, sources: tuple[str, ...], said: str
) -> None:
    """Before anything appears under the name."""
    text = tiny_sight.write_text(tmp_path / "t.gguf").read_bytes()
    made = {
        "eyes": tiny_sight.write_projector(tmp_path / "e.gguf"),
        "wide": tiny_sight.write_projector(tmp_path / "w.gguf", width=128),
        "broken": tiny_sight.write_projector(tmp_path / "b.gguf", without=["mm.2.weight"]),
    }
    async with board(tmp_path) as here:
        named = {"a": text, **{name: made[name].read_bytes() for name in sources}}
        files = [
            pb.UploadedFile(name=f"./{name}.gguf", digest=await here.upload(named[name]))
            for name in named
        ]
        lines = "".join(f"FROM ./{name}.gguf\n" for name in named)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await here.create(lines, files=files)

    assert said in (error.value.details() or "")
