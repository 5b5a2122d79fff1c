"""A create carried out over a library on disk: every kind of work, and what it leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InvalidInputError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.inference import LoadProgress
from rkd.library import provenance
from rkd.model import ModelName
from rkd.operations.create import CreateRunner
from rkd.operations.operation import Operation, OperationKind
from rkd.operations.order import CreateOrder
from tests.models import tiny_sight
from tests.unit.library.folders import put, tree
from tests.unit.operations.transfers import (
    CREATED,
    FakeReport,
    RememberingLibrary,
    hidden,
    library,
    operation,
    sha256,
)
from tests.unit.weights.gguf_bytes import LLAMA, build

GGUF = build()  # of type Q4_K_M
RKLLM = b"\x01" * 2048
NOW = datetime(2026, 2, 3, tzinfo=UTC)
FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "BF16": 32}


def of_type(kind: str) -> bytes:
    """A GGUF of that type."""
    return build(LLAMA | {"general.file_type": FILE_TYPES[kind]})


class FakeJobs:
    """Writes what a job would, telling progress that is none, half, and too much."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sources: list[list[str]] = []
        self.results: dict[str, str] = {}
        self.content: bytes | None = None

    async def __call__(
        self, kind: str, arguments: Mapping[str, str], progress: Callable[[LoadProgress], None]
    ) -> Mapping[str, str]:
        """Do it."""
        self.asked.append((kind, dict(arguments)))
        for fraction in (-1.0, 0.5, 7.0):
            progress(LoadProgress(kind, fraction))
        self._make(Path(arguments["source"]), Path(arguments["target"]), arguments["type"])
        return self.results

    def _make(self, source: Path, target: Path, kind: str) -> None:
        self.sources.append(sorted(tree(source)) if source.is_dir() else [source.name])
        target.write_bytes(of_type(kind) if self.content is None else self.content)


class FakeTokenizers:
    """Has that of one repository."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, repository: str, folder: Path) -> None:
        """Bring it."""
        self.asked.append(repository)
        if repository != "u/r":
            raise UnavailableError(Reason.HUB_UNREACHABLE, "the hub is far away")
        (folder / "tokenizer.json").write_text("{}")


class Bench:
    """A create runner over a library."""

    def __init__(self, models: RememberingLibrary, **more: Any) -> None:
        self.library = models
        self.root = models.root
        self.jobs = FakeJobs()
        self.tokenizers = FakeTokenizers()
        self.report = FakeReport()
        given = {"fetch_tokenizer": self.tokenizers, "now": lambda: NOW} | more
        self.runner = CreateRunner(library=models, run_job=self.jobs, **given)

    def upload(self, content: bytes) -> str:
        """Bring a file; its digest."""
        digest = f"sha256:{sha256(content)}"
        receiving = self.library.blobs.receive(digest, len(content), 0)
        receiving.write(0, content)
        receiving.close()
        return digest

    def held(self) -> list[str]:
        """What is left of the uploads."""
        return sorted(path.name for path in (self.root / ".rkd-blobs").iterdir())

    def order(
        self, modelfile: str = "", files: Mapping[str, bytes] | None = None, **more: Any
    ) -> CreateOrder:
        """An order for `x` with *files* brought."""
        brought = tuple((name, self.upload(data)) for name, data in (files or {}).items())
        return CreateOrder(ModelName("x"), modelfile, brought, **more)

    def operation(self, order: CreateOrder, **fields: Any) -> Operation:
        """Its operation."""
        return operation(OperationKind.CREATE, order.request(), key=order.key, **fields)

    async def create(
        self, modelfile: str = "", files: Mapping[str, bytes] | None = None, **more: Any
    ) -> Mapping[str, str]:
        """Create `x`."""
        self.report = FakeReport()
        made = self.operation(self.order(modelfile, files, **more))
        result = await self.runner.run(made, self.report)
        assert hidden(self.root) == []
        return result

    async def refused(self, kind: type[RkdError], *given: Any, **more: Any) -> RkdError:
        """Create what is refused; the error. Nothing stays but the upload."""
        with pytest.raises(kind) as caught:
            await self.create(*given, **more)
        assert hidden(self.root) == []
        return caught.value

    async def put(self, path: str, content: bytes | str) -> None:
        """Let a file stand in the models folder."""
        put(self.root / path, content)
        await self.library.refresh()

    def text(self, path: str) -> str:
        """What a file says."""
        return (self.root / path).read_text()


@asynccontextmanager
async def bench(tmp_path: Path, **more: Any) -> AsyncIterator[Bench]:
    """A bench over an empty library."""
    async with library(tmp_path) as models:
        yield Bench(models, **more)


class TestWeights:
    """Uploaded GGUF and .rkllm files."""

    async def test_they_become_a_model(self, tmp_path: Path) -> None:
        """With their Modelfile and record; the upload is used up; every stage is told."""
        async with bench(tmp_path) as b:
            result = await b.create("FROM /home/me/a.gguf\nSYSTEM Be.\n", {"/home/me/a.gguf": GGUF})
            made = provenance.read(b.root / "x")
            held = b.held()

        assert result == {}
        assert b.report.stages == ["checking", "finishing"]
        assert b.report.detail == {"model": "x"}
        assert b.text("x/Modelfile") == "FROM ./a.gguf\nSYSTEM Be.\n"
        assert (b.root / "x" / "a.gguf").read_bytes() == GGUF
        assert made.created == NOW
        assert made.digests == (("a.gguf", f"sha256:{sha256(GGUF)}"),)
        assert held == []

    async def test_what_is_odd_about_them_is_told(self, tmp_path: Path) -> None:
        """Each warning a line of the result."""
        async with bench(tmp_path) as b:
            result = await b.create("FROM ./a.rkllm\n", {"./a.rkllm": RKLLM})

        assert len(result["warnings"].splitlines()) == 2
        assert "no model is that small" in result["warnings"]

    @pytest.mark.parametrize("content", [b"garbage" * 100, GGUF[:-100]])
    async def test_damaged_ones_are_refused(self, tmp_path: Path, content: bytes) -> None:
        """Nothing of them is seen; the upload is kept for another try."""
        async with bench(tmp_path) as b:
            error = await b.refused(InvalidInputError, "FROM ./a.gguf", {"./a.gguf": content})
            held = b.held()

        assert error.reason is Reason.WEIGHTS_INVALID
        assert tree(b.root) == {}
        assert held != []

    async def test_a_projector_comes_with_its_model(self, tmp_path: Path) -> None:
        """FROM names it too; one that reads another width is refused."""
        model = tiny_sight.write_text(tmp_path / "t.gguf").read_bytes()
        eyes = tiny_sight.write_projector(tmp_path / "p.gguf").read_bytes()
        wide = tiny_sight.write_projector(tmp_path / "w.gguf", width=128).read_bytes()
        text = "FROM ./a.gguf\nFROM ./eyes.gguf\n"
        async with bench(tmp_path) as b:
            error = await b.refused(
                InvalidInputError, text, {"./a.gguf": model, "./eyes.gguf": wide}
            )
            await b.create(text, {"./a.gguf": model, "./eyes.gguf": eyes})
            await b.runner.run(
                operation(OperationKind.CREATE, CreateOrder(ModelName("y"), "FROM x\n").request()),
                FakeReport(),
            )

        assert "of a patch" in error.message
        assert b.text("x/Modelfile") == text
        assert b.text("y/Modelfile") == text

    async def test_adapters_are_placed_and_recorded(self, tmp_path: Path) -> None:
        """Under the name they have in the folder; one that is not there is named."""
        lora = b"GGUF\x03\0\0\0lora"
        text = "FROM ./a.gguf\nADAPTER /home/me/lora.gguf\n"
        async with bench(tmp_path) as b:
            error = await b.refused(InvalidInputError, text, {"./a.gguf": GGUF})
            await b.create(text, {"./a.gguf": GGUF, "/home/me/lora.gguf": lora})
            digests = dict(provenance.read(b.root / "x").digests)

        assert "/home/me/lora.gguf" in error.message
        assert b.text("x/Modelfile") == "FROM ./a.gguf\nADAPTER ./lora.gguf\n"
        assert digests["lora.gguf"] == f"sha256:{sha256(lora)}"

    async def test_a_taken_name_wants_replace(self, tmp_path: Path) -> None:
        """Then the new one takes over whole."""
        async with bench(tmp_path) as b:
            await b.put("x/old.gguf", GGUF)
            given = ("FROM ./a.gguf", {"./a.gguf": GGUF})
            await b.refused(AlreadyExistsError, *given)
            before = sorted(tree(b.root))
            await b.create(*given, replace=True)

        assert before == ["x/old.gguf"]
        assert sorted(tree(b.root)) == ["x/.rkd.json", "x/Modelfile", "x/a.gguf"]


class TestParents:
    """FROM another model of the board."""

    async def test_a_child_shares_weights_and_inherits_the_rest(self, tmp_path: Path) -> None:
        """Its own words over the parent's."""
        async with bench(tmp_path) as b:
            await b.put("p/p.gguf", GGUF)
            await b.put("p/Modelfile", "FROM ./p.gguf\nSYSTEM Old.\nPARAMETER top_k 3\n")
            await b.create("FROM p\nSYSTEM New.\n")
            shared = (b.root / "x" / "p.gguf").samefile(b.root / "p" / "p.gguf")

        assert shared
        assert b.report.stages == ["deriving", "finishing"]
        assert b.text("x/Modelfile") == "FROM ./p.gguf\nPARAMETER top_k 3\nSYSTEM New.\n"

    @pytest.mark.parametrize(
        ("source", "kept"), [("FROM ./q.gguf\n", "q.gguf"), ("FROM hf.co/u/r\n", "p.rkllm")]
    )
    async def test_of_several_weights_its_from_names_the_childs(
        self, tmp_path: Path, source: str, kept: str
    ) -> None:
        """Where it names none of them the first."""
        async with bench(tmp_path) as b:
            await b.put("p/q.gguf", GGUF)
            await b.put("p/p.rkllm", RKLLM)
            await b.put("p/Modelfile", f"FROM {source}\n")
            await b.create("FROM p\n")
            other = ({"p.rkllm", "q.gguf"} - {kept}).pop()

        assert kept in b.text("x/Modelfile")
        assert other not in b.text("x/Modelfile")

    async def test_a_repository_that_was_pulled_is_a_parent_by_its_name(
        self, tmp_path: Path
    ) -> None:
        """The order says which model it became."""
        async with bench(tmp_path) as b:
            await b.put("pulled/p.gguf", GGUF)
            await b.create("FROM hf.co/u/r\nSYSTEM New.\n", parent="pulled")

        assert b.text("x/Modelfile") == "FROM ./p.gguf\nSYSTEM New.\n"

    async def test_a_record_comes_along(self, tmp_path: Path) -> None:
        """Where the parent came from, and its digests; made now."""
        async with bench(tmp_path) as b:
            await b.put("p/p.gguf", GGUF)
            digests = (("p.gguf", f"sha256:{sha256(GGUF)}"),)
            known = provenance.Provenance("u/r", "c" * 40, CREATED, digests)
            provenance.write(b.root / "p", known)
            await b.library.refresh()
            await b.create("FROM p\n")
            made = provenance.read(b.root / "x")

        assert (made.repository, made.created, made.digests) == ("u/r", NOW, digests)


CHECKPOINT = {"config.json": b"{}", "sub/m.safetensors": b"weights"}


class TestConversion:
    """A checkpoint of safetensors."""

    @pytest.mark.parametrize(("asked", "made"), [("", "F16"), ("bf16", "BF16"), ("F32", "F32")])
    async def test_it_is_converted_to_a_float_directly(
        self, tmp_path: Path, asked: str, made: str
    ) -> None:
        """One job; only the result stays, hashed; progress is told in bytes of the source."""
        async with bench(tmp_path) as b:
            b.jobs.results = {"warnings": "odd\n\nvery odd"}
            result = await b.create("FROM .", CHECKPOINT, quantize=asked)
            digests = dict(provenance.read(b.root / "x").digests)
        ((kind, arguments),) = b.jobs.asked
        name = f"x-{made}.gguf"

        assert kind == "convert"
        assert arguments["type"] == made
        assert arguments["name"] == "x"
        assert Path(arguments["target"]).name == name
        assert b.jobs.sources == [["config.json", "sub/m.safetensors"]]
        assert result == {"warnings": "odd\nvery odd"}
        assert sorted(tree(b.root)) == ["x/.rkd.json", "x/Modelfile", f"x/{name}"]
        assert digests == {name: f"sha256:{sha256(of_type(made))}"}
        assert b.report.stages == ["converting", "hashing", "finishing"]
        assert b.report.begun == [("converting", 9, 0)]
        assert b.report.advanced == [("converting", done) for done in (0, 4, 9, 9)]

    async def test_another_type_is_quantized_after(self, tmp_path: Path) -> None:
        """From F16, which goes; only the last result is hashed."""
        async with bench(tmp_path) as b:
            await b.create("FROM .", CHECKPOINT, quantize="q8_0")
            digests = dict(provenance.read(b.root / "x").digests)

        assert [(kind, given["type"]) for kind, given in b.jobs.asked] == [
            ("convert", "F16"),
            ("quantize", "Q8_0"),
        ]
        assert sorted(tree(b.root)) == ["x/.rkd.json", "x/Modelfile", "x/x-Q8_0.gguf"]
        assert list(digests) == ["x-Q8_0.gguf"]
        assert b.report.stages == ["converting", "quantizing", "hashing", "finishing"]

    async def test_what_comes_out_is_judged(self, tmp_path: Path) -> None:
        """A conversion that writes no GGUF makes no model."""
        async with bench(tmp_path) as b:
            b.jobs.content = b"nothing"
            error = await b.refused(InvalidInputError, "FROM .", CHECKPOINT)

        assert error.reason is Reason.WEIGHTS_INVALID
        assert tree(b.root) == {}

    async def test_a_disk_too_small_is_told_before_the_work(self, tmp_path: Path) -> None:
        """The size of the source, with the reserve that stays free."""
        async with bench(tmp_path, reserve_bytes=lambda: 1 << 60) as b:
            error = await b.refused(ExhaustedError, "FROM .", CHECKPOINT)

        assert error.reason is Reason.DISK_FULL
        assert b.jobs.asked == []


class TestQuantization:
    """`-q TYPE` of weights that are here."""

    async def test_the_source_makes_room_for_the_result(self, tmp_path: Path) -> None:
        """By the tool that was given, if one was; FROM names what was made."""
        async with bench(tmp_path, tool="/usr/bin/llama-quantize") as b:
            await b.create("FROM ./a-f16.gguf", {"./a-f16.gguf": of_type("F16")}, quantize="q4_0")
        ((kind, arguments),) = b.jobs.asked

        assert (kind, arguments["type"]) == ("quantize", "Q4_0")
        assert arguments["llama_quantize"] == "/usr/bin/llama-quantize"
        assert sorted(tree(b.root)) == ["x/.rkd.json", "x/Modelfile", "x/a-Q4_0.gguf"]
        assert b.text("x/Modelfile") == "FROM ./a-Q4_0.gguf\n"
        assert b.report.begun == [("quantizing", len(of_type("F16")), 0)]

    async def test_without_a_tool_none_is_named(self, tmp_path: Path) -> None:
        """Then the child has its own."""
        async with bench(tmp_path) as b:
            await b.create("FROM ./a.gguf", {"./a.gguf": GGUF}, quantize="q8_0")

        assert set(b.jobs.asked[0][1]) == {"source", "target", "type"}

    async def test_what_is_of_that_type_already_stays_with_a_word(self, tmp_path: Path) -> None:
        """Nothing is done to it."""
        async with bench(tmp_path) as b:
            result = await b.create("FROM ./a.gguf", {"./a.gguf": GGUF}, quantize="q4_k_m")

        assert b.jobs.asked == []
        assert result == {"warnings": "a.gguf is Q4_K_M already"}

    async def test_an_rkllm_beside_it_stays(self, tmp_path: Path) -> None:
        """Only the GGUF is made anew; both are the child's, with the parent's digest of the one."""
        async with bench(tmp_path) as b:
            await b.put("p/p.gguf", GGUF)
            await b.put("p/p.rkllm", RKLLM)
            await b.put("p/Modelfile", "FROM ./p.rkllm\nFROM ./p.gguf\n")
            await b.create("FROM p\n", quantize="q8_0")

        assert {"x/p.rkllm", "x/p-Q8_0.gguf"} < set(tree(b.root))
        assert "x/p.gguf" not in tree(b.root)

    async def test_an_rkllm_alone_cannot_be(self, tmp_path: Path) -> None:
        """CAPABILITY_UNSUPPORTED with the way out."""
        async with bench(tmp_path) as b:
            error = await b.refused(
                PreconditionError, "FROM ./a.rkllm", {"./a.rkllm": RKLLM}, quantize="q8_0"
            )

        assert error.reason is Reason.CAPABILITY_UNSUPPORTED
        assert error.metadata == {"type": "Q8_0"}
        assert "Rockchip's toolkit" in error.remedy

    async def test_a_disk_too_small_is_told_before_the_work(self, tmp_path: Path) -> None:
        """As before a conversion."""
        async with bench(tmp_path, reserve_bytes=lambda: 1 << 60) as b:
            await b.put("p/p.gguf", GGUF)
            await b.refused(ExhaustedError, "FROM p", quantize="q8_0")

        assert b.jobs.asked == []


class TestGoingOn:
    """Begun again after a restart, cancelled, interrupted."""

    @pytest.mark.parametrize(
        ("begun", "made", "again"),
        [(True, 0, False), (True, 1, False), (True, -1, True), (False, 1, True)],
    )
    async def test_what_was_committed_is_not_made_twice(
        self, tmp_path: Path, *, begun: bool, made: int, again: bool
    ) -> None:
        """A model whose record is not older than the operation is its own, if it had begun."""
        async with bench(tmp_path) as b:
            await b.put("x/a.gguf", GGUF)
            created = CREATED + timedelta(seconds=made)
            provenance.write(b.root / "x", provenance.Provenance("", "", created, ()))
            await b.library.refresh()
            order = b.order("FROM ./a.gguf", {"./a.gguf": GGUF}, replace=True)
            resumed = b.operation(order, detail={"model": "x"} if begun else {})
            result = await b.runner.run(resumed, b.report)

        assert result == {}
        assert bool(b.library.staged) is again

    @pytest.mark.parametrize("there", [True, False])
    async def test_a_model_without_a_record_is_made(self, tmp_path: Path, *, there: bool) -> None:
        """As is one that is not there."""
        async with bench(tmp_path) as b:
            if there:
                await b.put("x/a.gguf", GGUF)
            order = b.order("FROM ./a.gguf", {"./a.gguf": GGUF}, replace=True)
            await b.runner.run(b.operation(order, detail={"model": "x"}), b.report)

        assert len(b.library.staged) == 1

    async def test_a_model_not_read_since_the_start_is_looked_at(self, tmp_path: Path) -> None:
        """In the first seconds of a daemon with thousands of models."""
        async with bench(tmp_path) as b:
            put(b.root / "x" / "a.gguf", GGUF)
            provenance.write(b.root / "x", provenance.Provenance("", "", NOW, ()))
            b.library.unread = True
            order = b.order("FROM ./a.gguf", {"./a.gguf": GGUF}, replace=True)
            await b.runner.run(b.operation(order, detail={"model": "x"}), b.report)

        assert b.library.staged == []

    async def test_a_cancel_removes_the_stage(self, tmp_path: Path) -> None:
        """The one of that operation."""
        async with bench(tmp_path) as b:
            order = b.operation(b.order("FROM p"))
            stage = await b.library.stage(order.id)
            put(stage / "half.gguf")
            await b.runner.discard(order)

        assert hidden(b.root) == []


class TestExisting:
    """rkllama's `run NAME FILE HF_REPO`: a Modelfile for a file in place."""

    async def adopt(self, b: Bench, file: str = "x.rkllm", **more: Any) -> Mapping[str, str]:
        """Create `x` of a file in its folder."""
        return await b.create(more.pop("modelfile", ""), existing_file=file, **more)

    async def test_a_folder_gets_its_modelfile_and_tokenizer(self, tmp_path: Path) -> None:
        """Under the file's own name, whatever case was asked for."""
        async with bench(tmp_path) as b:
            await b.put("x/x.rkllm", RKLLM)
            result = await self.adopt(b, "X.RKLLM", huggingface_path=" https://hf.co/u/r ")
            derived = b.library.is_derived(ModelName("x"))

        assert result == {}
        assert not derived
        assert sorted(tree(b.root)) == ["x/Modelfile", "x/tokenizer.json", "x/x.rkllm"]
        assert 'FROM="x.rkllm"' in b.text("x/Modelfile")
        assert 'HUGGINGFACE_PATH="u/r"' in b.text("x/Modelfile")
        assert b.report.stages == ["fetching the tokenizer"]

    async def test_out_of_reach_it_works_with_a_warning(self, tmp_path: Path) -> None:
        """The runtime has a template of its own."""
        async with bench(tmp_path) as b:
            await b.put("x/x.rkllm", RKLLM)
            result = await self.adopt(b, huggingface_path="far/away")

        assert result == {
            "warnings": "the tokenizer of far/away was not brought: the hub is far away"
        }
        assert 'HUGGINGFACE_PATH="far/away"' in b.text("x/Modelfile")

    @pytest.mark.parametrize(
        ("file", "repository", "hub"),
        [("x.rkllm", "", True), ("x.gguf", "u/r", True), ("x.rkllm", "u/r", False)],
    )
    async def test_nothing_is_fetched_where_nothing_can_be(
        self, tmp_path: Path, file: str, repository: str, *, hub: bool
    ) -> None:
        """No repository, weights that bring their own, no hub."""
        async with bench(tmp_path, **({} if hub else {"fetch_tokenizer": None})) as b:
            await b.put(f"x/{file}", GGUF if file.endswith(".gguf") else RKLLM)
            result = await self.adopt(b, file, huggingface_path=repository)

        assert result == {}
        assert b.tokenizers.asked == []
        assert sorted(tree(b.root)) == ["x/Modelfile", f"x/{file}"]
        assert b.report.stages == []

    async def test_a_modelfile_that_is_there_is_kept_with_a_word(self, tmp_path: Path) -> None:
        """Running the same command again changes nothing; with replace it is made anew."""
        async with bench(tmp_path) as b:
            await b.put("x/x.rkllm", RKLLM)
            await b.put("x/Modelfile", "FROM ./x.rkllm\nSYSTEM Mine.\n")
            kept = await self.adopt(b, huggingface_path="u/r")
            before = b.text("x/Modelfile")
            replaced = await self.adopt(b, huggingface_path="u/r", replace=True)

        assert kept == {"warnings": "x has a Modelfile already, which is kept"}
        assert before == "FROM ./x.rkllm\nSYSTEM Mine.\n"
        assert replaced == {}
        assert "Mine" not in b.text("x/Modelfile")

    async def test_one_that_cannot_be_read_is_replaced(self, tmp_path: Path) -> None:
        """It serves nobody; the old one is kept beside."""
        async with bench(tmp_path) as b:
            await b.put("x/x.rkllm", RKLLM)
            await b.put("x/Modelfile", "BOGUS\n")
            result = await self.adopt(b)

        assert result == {}
        assert b.text("x/Modelfile.old") == "BOGUS\n"
        assert 'FROM="x.rkllm"' in b.text("x/Modelfile")

    async def test_a_given_modelfile_is_written_as_it_is(self, tmp_path: Path) -> None:
        """Over one that stands only when that may go."""
        text = "# mine\nFROM ./x.gguf\nSYSTEM Yours.\n"
        async with bench(tmp_path) as b:
            await b.put("x/x.gguf", GGUF)
            await self.adopt(b, "x.gguf", modelfile=text)
            first = b.text("x/Modelfile")
            error = await b.refused(AlreadyExistsError, "FROM ./x.gguf\n", existing_file="x.gguf")
            await self.adopt(b, "x.gguf", modelfile="FROM ./x.gguf\n", replace=True)

        assert first == text
        assert error.reason is Reason.MODEL_EXISTS
        assert b.text("x/Modelfile") == "FROM ./x.gguf\n"

    async def test_what_it_names_has_to_be_there(self, tmp_path: Path) -> None:
        """The file, and every other the Modelfile speaks of."""
        async with bench(tmp_path) as b:
            await b.put("x/x.gguf", GGUF)
            gone = await b.refused(InvalidInputError, existing_file="y.gguf")
            eyes = await b.refused(
                InvalidInputError, "FROM x.gguf\nFROM eyes.gguf\n", existing_file="x.gguf"
            )

        assert "y.gguf is not in the folder of x: x.gguf" in gone.message
        assert "'eyes.gguf' is not in the folder of x" in eyes.message
        assert sorted(tree(b.root)) == ["x/x.gguf"]

    async def test_a_file_dropped_a_moment_ago_is_seen(self, tmp_path: Path) -> None:
        """The disk is looked at first."""
        async with bench(tmp_path) as b:
            put(b.root / "x" / "x.gguf", GGUF)
            await self.adopt(b, "x.gguf")

        assert b.text("x/Modelfile") == "FROM ./x.gguf\n"

    async def test_a_folder_that_no_look_has_come_to_is_looked_at(self, tmp_path: Path) -> None:
        """A look at thousands of models tells what is known; this one is asked for by name."""
        async with bench(tmp_path) as b:
            b.library.slow = True
            put(b.root / "x" / "x.gguf", GGUF)
            await self.adopt(b, "x.gguf")

        assert b.text("x/Modelfile") == "FROM ./x.gguf\n"

    async def test_a_file_still_being_written_is_waited_for(self, tmp_path: Path) -> None:
        """By whoever asked: MODEL_INCOMPLETE, and no Modelfile for half a file."""
        async with bench(tmp_path) as b:
            put(b.root / "x" / "x.gguf", GGUF[:-100], age=time.time() + 3600)
            await b.library.refresh()
            error = await b.refused(PreconditionError, existing_file="x.gguf")

        assert error.reason is Reason.MODEL_INCOMPLETE
        assert sorted(tree(b.root)) == ["x/x.gguf"]


class SlowlyDiscarding(RememberingLibrary):
    """A library whose stages take a while to go."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.discarding = asyncio.Event()
        self.may_discard = asyncio.Event()
        self.gone = asyncio.Event()

    async def discard(self, stage: Path) -> None:
        """Wait, then do it."""
        self.discarding.set()
        await self.may_discard.wait()
        await super().discard(stage)
        self.gone.set()


async def test_a_second_cancel_does_not_leave_the_stage_behind(tmp_path: Path) -> None:
    """Its removal goes on where nobody waits for it any more."""
    root = tmp_path / "models"
    root.mkdir()
    models = SlowlyDiscarding(root)
    await models.start()
    b = Bench(models)
    running = asyncio.create_task(b.runner.run(b.operation(b.order("FROM nobody")), b.report))
    await models.discarding.wait()
    running.cancel()
    await asyncio.wait({running})
    models.may_discard.set()
    await models.gone.wait()
    left = hidden(root)
    await models.close()

    assert running.cancelled()
    assert left == []
