"""`rkctl list`, `show`, `cp`, `rm`, `migrate`: exact output."""

from __future__ import annotations

import json

from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

TINY = types.ModelSummary(
    name="tiny",
    state=types.MODEL_STATE_READY,
    size_bytes=92_900_000,
    formats=[types.WEIGHTS_FORMAT_RKLLM, types.WEIGHTS_FORMAT_GGUF],
    architecture="llama",
    parameters=134_515_008,
    quantization="Q4_1",
    context_tokens=8192,
)


def test_list_is_aligned_text(rkctl: Rkctl, board: FakeBoard) -> None:
    """Outside a terminal the table is plain and whole; what is left alone goes to stderr."""
    bare = types.ModelSummary(
        name="bare", state=types.MODEL_STATE_NEEDS_MODELFILE, reason="no Modelfile"
    )
    left = pb.LeftAlone(name="notes.txt", reason="no weights")
    board.answers["ModelService.List"] = pb.ListResponse(models=[TINY, bare], left_alone=[left])

    result = rkctl("list")

    assert result.stdout == (
        "NAME     SIZE  FORMAT      QUANT  PARAMS  CONTEXT  MODIFIED  STATE\n"
        "tiny  92.9 MB  rkllm+gguf  Q4_1     135M     8192  -         ready\n"
        "bare        -  -           -           -        -  -         needs modelfile: "
        "no Modelfile\n"
    )
    assert result.stderr == "left alone: notes.txt: no weights\n"


def test_list_joins_pages(rkctl: Rkctl, board: FakeBoard) -> None:
    """A list longer than a page comes whole."""

    def page(request: pb.ListRequest) -> pb.ListResponse:
        if request.page_token:
            return pb.ListResponse(models=[types.ModelSummary(name="b")])
        return pb.ListResponse(models=[types.ModelSummary(name="a")], next_page_token="more")

    board.answers["ModelService.List"] = page

    plain = json.loads(rkctl("list", "--json", "x").stdout)

    assert [model["name"] for model in plain["models"]] == ["a", "b"]
    assert {r.prefix for r in board.requests("ModelService.List")} == {"x"}


def test_show_one_part_is_the_text_alone(rkctl: Rkctl, board: FakeBoard) -> None:
    """A part can be piped into a file."""
    board.answers["ModelService.Show"] = pb.ShowResponse(summary=TINY, modelfile="FROM x\n")

    assert rkctl("show", "tiny", "--modelfile").stdout == "FROM x\n"


def test_show_verify_fails_when_bytes_changed(rkctl: Rkctl, board: FakeBoard) -> None:
    """What was found is printed, and the exit code says it."""
    board.answers["ModelService.Show"] = pb.ShowResponse(
        summary=TINY, verification=["x.gguf: digest differs"], verified=False
    )

    result = rkctl("show", "tiny", "--verify")

    assert "x.gguf: digest differs" in result.stdout
    assert "[DIGEST_MISMATCH]" in result.stderr
    assert result.exit_code == 1
    assert board.requests("ModelService.Show")[0].verify


def test_cp_prints_the_new_name(rkctl: Rkctl, board: FakeBoard) -> None:
    """The name is data."""
    model = types.ModelSummary(name="copy")
    board.answers["ModelService.Copy"] = pb.CopyResponse(model=model)

    result = rkctl("cp", "tiny", "copy", "--replace")

    assert result.stdout == "copy\n"
    request = board.requests("ModelService.Copy")[0]
    assert (request.source, request.destination, request.replace) == ("tiny", "copy", True)


def test_rm_tells_what_was_freed(rkctl: Rkctl, board: FakeBoard) -> None:
    """Several models at once; nothing on stdout."""
    board.answers["ModelService.Delete"] = pb.DeleteResponse(freed_bytes=5000)

    result = rkctl("rm", "a", "b", "--drain")

    assert result.stdout == ""
    assert result.stderr == "deleted a: 5.00 kB freed\ndeleted b: 5.00 kB freed\n"
    assert all(request.drain for request in board.requests("ModelService.Delete"))


def test_migrate_lists_the_moves(rkctl: Rkctl, board: FakeBoard) -> None:
    """A dry run says that nothing was moved."""
    move = pb.Move(source="x.rkllm", destination="x/x.rkllm")
    board.answers["ModelService.Migrate"] = pb.MigrateResponse(moves=[move])

    result = rkctl("migrate", "--dry-run")

    assert result.stdout == "x.rkllm -> x/x.rkllm\n"
    assert result.stderr == "nothing was moved (--dry-run)\n"
    assert board.requests("ModelService.Migrate")[0].dry_run


def test_rm_tells_what_a_tag_led_to(rkctl: Rkctl, board: FakeBoard) -> None:
    """The model's own name; nothing is deleted when one of them means none."""
    board.answers["ModelService.Delete"] = pb.DeleteResponse(freed_bytes=5000)
    summary = types.ModelSummary(name="Qwen2.5-3B")
    board.answers["ModelService.Show"] = pb.ShowResponse(summary=summary)

    assert rkctl("rm", "qwen2.5:3b").stderr == "deleted Qwen2.5-3B: 5.00 kB freed\n"
    board.answers["ModelService.Show"] = Refusal("INVALID_ARGUMENT", "INVALID_NAME", "None fits.")
    assert rkctl("rm", "a", "x:1b").exit_code == 1
    assert [one.model for one in board.requests("ModelService.Delete")] == ["Qwen2.5-3B"]


def test_show_lists_the_npu_libraries(rkctl: Rkctl, board: FakeBoard) -> None:
    """The one the next load takes is marked, and what came of each is said."""
    libraries = [
        pb.NpuLibrary(version="1.3.1", path="/opt/a.so", outcome="garbage", detail="'&' 8 times"),
        pb.NpuLibrary(version="1.2.3", path="/opt/b.so", outcome="served", chosen=True),
        pb.NpuLibrary(path="/opt/c.so", detail="/opt/c.so is no shared library"),
    ]
    board.answers["ModelService.Show"] = pb.ShowResponse(
        summary=TINY, npu_libraries=libraries, metadata={"rkllm.toolkit": "1.2.0"}
    )

    assert rkctl("show", "tiny").stdout.endswith(
        "\nnpu libraries, for a file of toolkit 1.2.0\n"
        "    1.3.1  garbage: '&' 8 times  /opt/a.so\n"
        "  * 1.2.3  served  /opt/b.so\n"
        "    unknown  /opt/c.so is no shared library  /opt/c.so\n"
    )
