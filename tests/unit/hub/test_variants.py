"""What a repository offers, and what somebody means by it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from rkd.errors import NotFoundError
from rkd.hub.fit import FitVerdict, judge_all
from rkd.hub.headroom import Headroom
from rkd.hub.listing import MOST_FILES, Listing, RemoteFile
from rkd.hub.naming import is_collection
from rkd.hub.reference import local_name
from rkd.hub.variants import select, variants_of
from rkd.model import Details, Format
from tests.growth import assert_linear

GIB = 1 << 30
BOARD = Headroom(6 * GIB, 12 * GIB, "rk3588", 4096)
SHAPE = Details(layers=32, kv_heads=8, head_size=128, embedding_size=4096, context_tokens=8192)


def listing(*files: tuple[str, int], repository: str = "org/repo") -> Listing:
    """Make a listing of files with sizes."""
    return Listing(
        repository,
        "c" * 40,
        tuple(
            RemoteFile(path, size, "sha256", f"{number:064x}")
            for number, (path, size) in enumerate(files)
        ),
    )


def test_shards_are_one_and_projectors_none() -> None:
    """Shards come joined in order; a set with a hole, other files and projectors do not."""
    found = variants_of(
        listing(
            ("q8/m-Q8_0-00002-of-00002.gguf", 5),
            ("q8/m-Q8_0-00001-of-00002.gguf", 7),
            ("m-Q4_0-00001-of-00002.gguf", 7),
            ("mmproj-m-f16.gguf", 3),
            ("README.md", 1),
        )
    )

    assert [(one.tag, one.size_bytes, len(one.files)) for one in found] == [("Q8_0", 12, 2)]
    assert found[0].name == "q8/m-Q8_0-00001-of-00002.gguf"


def test_rkllm_files_tell_platform_and_type_by_name() -> None:
    """What the file's name does not say the repository's may."""
    found = variants_of(
        listing(
            ("Qwen2.5-1.5B_w8a8_g128.rkllm", 9),
            ("Qwen2.5-1.5B-w8a8-rk3576.rkllm", 8),
            repository="org/Qwen2.5-1.5B-rk3588-rkllm",
        )
    )

    assert [(one.format, one.quantization, one.platform) for one in found] == [
        (Format.RKLLM, "w8a8_g128", "rk3588"),
        (Format.RKLLM, "w8a8", "rk3576"),
    ]


def test_two_of_a_kind_are_named_by_file() -> None:
    """A quantization that occurs twice is no tag; the file is."""
    known = listing(("a-Q4_0.gguf", 1), ("b-Q4_0.gguf", 2), ("c-Q8_0.gguf", 3))
    variants = variants_of(known)

    assert {one.tag for one in variants} == {"a-Q4_0.gguf", "b-Q4_0.gguf", "Q8_0"}
    assert select(known, variants, "A-q4_0.GGUF").name == "a-Q4_0.gguf"
    assert select(known, variants, "q8-0").name == "c-Q8_0.gguf"
    with pytest.raises(NotFoundError, match="several Q4_0"):
        select(known, variants, "Q4_0")
    with pytest.raises(NotFoundError, match="no Q2_K; it has Q8_0"):
        select(known, variants, "Q2_K")


def test_the_balanced_one_that_fits_is_recommended() -> None:
    """Q4_K_M before better and smaller ones; the verdict shows its sum."""
    offered = variants_of(
        listing(
            ("m-Q8_0.gguf", 5 * GIB),
            ("m-Q4_K_M.gguf", 3 * GIB),
            ("m-Q2_K.gguf", 2 * GIB),
            ("m-F16.gguf", 10 * GIB),
            ("m-F32.gguf", 20 * GIB),
        )
    )
    judged = judge_all(offered, SHAPE, BOARD)

    assert judged[0].variant.quantization == "Q4_K_M"
    assert [one.recommended for one in judged] == [True, False, False, False, False]
    verdicts = {one.variant.quantization: one.verdict for one in judged}
    assert verdicts["F16"] is FitVerdict.FITS_ALONE
    assert verdicts["F32"] is FitVerdict.TOO_LARGE
    assert judged[0].detail.startswith("3.22 GB weights + 537 MB context of 4096 tokens + ")


def test_the_npu_comes_first_where_there_is_one() -> None:
    """A .rkllm for this chip wins; one for another chip, or on no NPU, is named so."""
    offered = variants_of(
        listing(("m-w8a8-rk3588.rkllm", GIB), ("m-w8a8-rk3576.rkllm", GIB), ("m-Q4_K_M.gguf", GIB))
    )
    here = judge_all(offered, SHAPE, BOARD)
    elsewhere = judge_all(offered, SHAPE, Headroom(6 * GIB, 12 * GIB, "", 4096))

    assert here[0].variant.platform == "rk3588"
    assert "made for rk3576, this is rk3588" in [one.detail for one in here]
    assert elsewhere[0].variant.quantization == "Q4_K_M"
    assert elsewhere[1].verdict is FitVerdict.WRONG_PLATFORM


def test_nothing_that_fits_is_nothing_recommended() -> None:
    """An honest table recommends no model that cannot run."""
    judged = judge_all(variants_of(listing(("m-Q4_K_M.gguf", 40 * GIB))), SHAPE, BOARD)

    assert [one.recommended for one in judged] == [False]


@pytest.mark.parametrize(
    "companion",
    [
        "VL-2B-F16-mmproj.gguf",
        "X.mmproj-f16.gguf",
        "m.BF16-mmproj.gguf",
        "qwen2.5-vl-3b-vision-encoder.gguf",
        "m-imatrix.gguf",
        "imatrix_unsloth.gguf",
        "mtp-m-Q8_0.gguf",
        "MTP/m-Q4_0.gguf",
        "my-lora-f16.gguf",
    ],
)
def test_companions_are_no_models(companion: str) -> None:
    """Projectors, importance matrices, drafts and adapters are neither listed nor taken."""
    found = variants_of(listing(("m-Q2_K.gguf", 9), (companion, 3)))

    assert [one.tag for one in found] == ["Q2_K"]


def test_an_exact_name_wins_and_removed_types_are_never_taken() -> None:
    """Among a Q4_0 and its repacks for ARM `:Q4_0` is the one, and the one to take."""
    known = listing(
        *((f"m-{kind}.gguf", GIB) for kind in ("Q4_0_8_8", "Q4_0_4_8", "Q4_0_4_4", "Q4_0"))
    )
    variants = variants_of(known)
    judged = judge_all(variants, SHAPE, BOARD)

    assert select(known, variants, "q4_0").name == "m-Q4_0.gguf"
    assert judged[0].variant.name == "m-Q4_0.gguf"
    assert {one.verdict for one in judged[1:]} == {FitVerdict.UNSUPPORTED}
    assert "no longer reads Q4_0_8_8" in " ".join(one.detail for one in judged)


def test_a_publishers_mix_is_named_as_it_is() -> None:
    """`:UD-Q4_K_XL` finds it beside a plain one, and so does the type alone."""
    known = listing(("g-UD-Q4_K_XL.gguf", 3), ("g-Q4_K_XL.gguf", 2), ("g-UD-IQ2_M.gguf", 1))
    variants = variants_of(known)

    assert {one.tag for one in variants} == {"UD-Q4_K_XL", "Q4_K_XL", "UD-IQ2_M"}
    assert select(known, variants, "ud-q4_k_xl").name == "g-UD-Q4_K_XL.gguf"
    assert select(known, variants, "Q4_K_XL").name == "g-Q4_K_XL.gguf"
    assert select(known, variants, "iq2_m").name == "g-UD-IQ2_M.gguf"


def test_folders_branches_and_cards_tell_the_chip() -> None:
    """From the inside outwards: the folder before the repository, the card where no name does."""
    known = listing(
        ("models/q/rk3576/x-w8a8.rkllm", 9),
        ("models/q/rk3588/x-w8a8.rkllm", 8),
        repository="org/models-rk3588",
    )
    card = variants_of(listing(("x.rkllm", 1)), card="Made for the RK3576 with toolkit 1.2.1.")
    branch = variants_of(replace(listing(("x.rkllm", 1)), branch="rk3562-w8a8-toolkitv1.1.1"))

    assert [one.platform for one in variants_of(known)] == ["rk3576", "rk3588"]
    assert not judge_all(variants_of(known)[:1], SHAPE, BOARD)[0].recommended
    assert card[0].platform == "rk3576"
    assert (branch[0].platform, branch[0].quantization) == ("rk3562", "w8a8")


def test_a_folder_can_be_selected() -> None:
    """What an address of a browser ends in (`/tree/main/Q8_0`) means the weights in it."""
    known = listing(("Q8_0/m.gguf", 3), ("Q4_0/m.gguf", 2))

    assert select(known, variants_of(known), "q8_0").name == "Q8_0/m.gguf"
    assert select(known, variants_of(known), "Q4_0/").name == "Q4_0/m.gguf"


def test_what_this_chip_does_not_run_is_marked() -> None:
    """w4a16 on an RK3588 is unsupported, w8a8_g128 on an RK3576 as well, with what runs."""
    judged = judge_all(variants_of(listing(("m-w4a16-rk3588.rkllm", 1))), SHAPE, BOARD)
    board = Headroom(6 * GIB, 12 * GIB, "rk3576", 4096)
    other = judge_all(variants_of(listing(("m_w8a8_g128.rkllm", 1))), SHAPE, board)

    assert judged[0].verdict is other[0].verdict is FitVerdict.UNSUPPORTED
    assert "it runs w8a8, w8a8_g128" in judged[0].detail


def test_an_original_checkpoint_alone_is_told_with_a_way_out() -> None:
    """Safetensors are no weights for an engine here: create is."""
    known = listing(("model.safetensors", 9), ("config.json", 1))
    with pytest.raises(NotFoundError, match="checkpoint alone") as caught:
        select(known, (), "")

    assert "rkctl create NAME --from FOLDER" in caught.value.remedy


def test_shards_beyond_counting_cost_nothing() -> None:
    """Thousands of first parts of a thousand each: none is whole, and it is soon known."""
    known = listing(*((f"m{n}-00001-of-01024.gguf", 1) for n in range(9_000)), ("a-Q4_0.gguf", 1))

    assert [one.tag for one in variants_of(known)] == ["Q4_0"]


@pytest.mark.parametrize(
    "name", ["m{}-Q4_K_M.gguf", "m{}-w8a8-opt-1-hybrid-ratio-0.5.rkllm", "f/{}-00001-of-00009.gguf"]
)
def test_a_listing_is_judged_in_linear_time(name: str) -> None:
    """Four times the files, at most eight times the time."""

    def read(known: Listing) -> None:
        variants = variants_of(known)
        judge_all(variants, SHAPE, BOARD)
        is_collection(one.name for one in variants)
        with contextlib.suppress(NotFoundError):
            select(known, variants, "Q4_K_M")

    assert_linear(
        lambda size: listing(*((name.format(number), 1) for number in range(size))),
        read,
        most=MOST_FILES,
        start=250,
    )


@pytest.mark.parametrize("name", [".gguf", ".have-x.gguf", "a/.hidden.rkllm", ".rkd-old-Q4_0.gguf"])
def test_hidden_files_are_no_weights(name: str) -> None:
    """A model's folder keeps such names for itself."""
    assert variants_of(listing((name, 1))) == ()


PICKED = {
    "i1-q4_k_m": "m.i1-Q4_K_M.gguf",
    "Q4KM": "m.i1-Q4_K_M.gguf",
    "q4-k-m": "m.i1-Q4_K_M.gguf",
    "m.i1-Q4_K_M": "m.i1-Q4_K_M.gguf",
    "fp16": "m-F16-00001-of-00002.gguf",
    "m-F16": "m-F16-00001-of-00002.gguf",
    "q8": "m-Q8_0.gguf",
    "ud_q8_k_xl": "m-UD-Q8_K_XL.gguf",
    "w8a8": "rk3588/n_w8a8.rkllm",
    "int8": "rk3588/n_w8a8.rkllm",
    "rk3576": "rk3576/n_w8a8.rkllm",
    "RK-3588S": "rk3588/n_w8a8.rkllm",
    "rk3576/n_w8a8.rkllm": "rk3576/n_w8a8.rkllm",
}


@pytest.mark.parametrize(("selection", "name"), PICKED.items())
def test_a_selection_is_read_in_every_spelling(selection: str, name: str) -> None:
    """Types as other tools write them, a chip, a name without its ending; this chip's of two."""
    paths = [*dict.fromkeys(PICKED.values()), "m-F16-00002-of-00002.gguf"]
    known = listing(*((path, 9) for path in paths))

    assert select(known, variants_of(known), selection, chip="rk3588").name == name


def test_a_selection_of_any_length_is_quoted_short() -> None:
    """At most 200 characters of it come back."""
    known = listing(("m-Q4_0.gguf", 1))
    with pytest.raises(NotFoundError) as caught:
        select(known, variants_of(known), "x" * 2_000)

    assert len(caught.value.message) < 300
    assert len(caught.value.metadata["selection"]) < 250


def test_what_no_engine_here_reads_is_never_taken() -> None:
    """Types of forks of the engine, whatever else there is; alone they are marked as such."""
    names = ("m-IQ4_KS.gguf", "m-mix-IQ3_K_R4.gguf", "m-I2_S.gguf", "m-fp8.gguf", "m-IQ2_M.gguf")
    judged = judge_all(variants_of(listing(*((name, GIB) for name in names))), SHAPE, BOARD)

    assert judged[0].variant.name == "m-IQ2_M.gguf"
    assert {one.verdict for one in judged[1:]} == {FitVerdict.UNSUPPORTED}
    assert not judge_all(variants_of(listing((names[0], GIB))), SHAPE, BOARD)[0].recommended


def test_the_owner_is_no_model() -> None:
    """A size in the owner's name is none of the model's; a chip in it is better than nothing."""
    found = variants_of(listing(("x.rkllm", 1), repository="7B-rk3576-lab/Qwen3-0.6B-rkllm"))

    assert (found[0].parameters, found[0].platform) == (600_000_000, "rk3576")
    found = variants_of(listing(("x.rkllm", 1), repository="rk3576-lab/Qwen3-0.6B-rk3588"))
    assert found[0].platform == "rk3588"


PUBLISHED = {
    "bartowski/Qwen_Qwen3-4B-GGUF": (
        *("q-Q4_K_M.gguf", "q-Q4_K_L.gguf", "q-IQ4_NL.gguf", "q-bf16.gguf", "q-imatrix.gguf"),
        "qwen_qwen3-4b-q4_k_m",
    ),
    "mradermacher/Qwen3-4B-i1-GGUF": (
        *("q.i1-Q4_K_M.gguf", "q.i1-IQ1_S.gguf", "imatrix.dat", "q.imatrix.gguf"),
        "qwen3-4b-i1-q4_k_m",
    ),
    "ggml-org/gpt-oss-20b-GGUF": ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b-mxfp4"),
    "second-state/Qwen2.5-VL-7B-Instruct-GGUF": (
        *("q-Instruct-Q4_K_M.gguf", "q-Instruct-Q5_K_M.gguf", "q-Instruct-vision.gguf"),
        "qwen2.5-vl-7b-instruct-q4_k_m",
    ),
    "jukofyork/Qwen2.5-Coder-DRAFT-0.5B-GGUF": (
        "Qwen2.5-Coder-DRAFT-0.5B-Q4_0.gguf",
        "qwen2.5-coder-draft-0.5b-q4_0",
    ),
    "am17an/Qwen3.6-35BA3B-MTP-GGUF": (
        *("q-MTP-Q4_K_M.gguf", "q-MTP-Q8_0.gguf"),
        "qwen3.6-35ba3b-mtp-q4_k_m",
    ),
    "OuteAI/OuteTTS-0.2-500M-GGUF": (
        *("OuteTTS-0.2-500M-Q4_K_M.gguf", "WavTokenizer-Large-75-F16.gguf"),
        "outetts-0.2-500m-q4_k_m",
    ),
    "google/gemma-3-1b-it-qat-q4_0-gguf": ("gemma-3-1b-it-q4_0.gguf", "gemma-3-1b-it-qat-q4_0"),
    "ubergarm/Qwen3-4B-GGUF": ("Qwen3-4B-IQ4_KSS.gguf", ""),
    "microsoft/bitnet-b1.58-2B-4T-gguf": ("ggml-model-i2_s.gguf", ""),
}
"""GGUF repositories of the shapes their publishers have: the file to take first, then its name."""


@pytest.mark.parametrize("repository", PUBLISHED)
def test_publishers_of_ggufs_are_understood(repository: str) -> None:
    """The first file is the one to take and gives the name; where none runs, none is taken."""
    *files, name = PUBLISHED[repository]
    known = listing(*((file, GIB + at) for at, file in enumerate(files)), repository=repository)
    best = judge_all(variants_of(known), SHAPE, BOARD)[0]

    assert (best.variant.name, best.recommended) == (files[0], bool(name))
    if name:
        assert local_name(repository, best.variant.quantization) == name
