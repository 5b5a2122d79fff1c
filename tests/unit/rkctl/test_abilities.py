"""What a model can be asked for, as it is printed."""

from __future__ import annotations

from rkctl.verbs.abilities import lines

from rkd.v1 import types_pb2 as pb

NO = pb.Capability(reason="it has none", remedy="Bring it.")
YES = pb.Capability(supported=True)


def test_what_it_can_stands_before_what_not_and_why() -> None:
    """Those of one reason together; of sampling only what is missing."""
    told = pb.Capabilities(
        backend=pb.BACKEND_NPU,
        available=True,
        runtime="rkllm 1.3.1",
        chat=YES,
        embed=pb.Capability(supported=True, details={"pooling": "last"}),
        grammar=NO,
        sampling={"seed": NO, "top_k": YES},
    )

    assert list(lines(told)) == [
        "npu (rkllm 1.3.1)",
        "  can: chat, embed (pooling last)",
        "  not grammar, seed: it has none",
        "      Bring it.",
    ]


def test_what_belongs_to_generating_is_not_listed_without_it() -> None:
    """An encoder has forty of them."""
    told = pb.Capabilities(backend=pb.BACKEND_CPU, available=True, generate=NO, chat=NO, embed=YES)

    assert list(lines(told)) == [
        "cpu",
        "  can: embed",
        "  not generate and what belongs to it: it has none",
        "      Bring it.",
    ]


def test_a_backend_it_cannot_run_on() -> None:
    """One line, where nothing was judged."""
    told = pb.Capabilities(backend=pb.BACKEND_CPU, reason="x has no GGUF")

    assert list(lines(told)) == ["cpu: no: x has no GGUF"]
