"""Which tokens a model fills in with, by its vocabulary, its metadata and its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rkd.capability.infill import FAMILIES, Infill, of_gguf, of_tokenizer
from rkd.capability.judges import fim
from rkd.capability.purpose import Pooling
from rkd.capability.template import TemplateTraits
from rkd.capability.traits import Traits
from rkd.model import BackendKind
from rkd.weights.gguf import read_header
from tests.models import tiny

CPU, NPU = BackendKind.CPU, BackendKind.NPU
STAR = FAMILIES[1]


ROOT = Path(__file__).parents[3]


def test_the_docs_name_every_family() -> None:
    """In the order in which they are looked for."""
    text = (ROOT / "docs/infill.md").read_text(encoding="utf-8").replace("\\|", "\0")
    _, _, table = text.partition("<!-- families -->\n")
    rows = table.partition("<!-- /families -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]
    listed = [[cell.replace("\0", "|") for cell in row] for row in cells]

    order = {False: "prompt", True: "suffix"}
    ours = [[one.prefix, one.suffix, one.middle, order[one.suffix_first]] for one in FAMILIES]
    assert listed == ours


def found(path: Path) -> Infill | None:
    """What the file has for it."""
    return of_gguf(path, read_header(path))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.prefix)
def test_every_family_is_known_by_its_tokens(family: Infill, tmp_path: Path) -> None:
    """In a GGUF and in a `tokenizer.json`, escaped or not; one token of them is not enough."""
    path = tiny.write(tmp_path / "t.gguf", markers=family.markers)
    part = tiny.write(tmp_path / "part.gguf", markers=family.markers[1:])
    beside = tmp_path / "tokenizer.json"

    assert found(path) == family
    assert found(part) is None
    for ascii_only in (True, False):
        added = [{"id": at, "content": text} for at, text in enumerate(family.markers)]
        beside.write_text(json.dumps({"added_tokens": added}, ensure_ascii=ascii_only), "utf-8")
        assert of_tokenizer(beside) == family


def test_tokens_only_the_metadata_names(tmp_path: Path) -> None:
    """By their ids, of today's keys and the old ones."""
    first = len(tiny.SPECIAL) + tiny.BYTES + 1
    for keys in (("fim_pre", "fim_suf", "fim_mid"), ("prefix", "suffix", "middle")):
        ids = {f"tokenizer.ggml.{key}_token_id": first + at for at, key in enumerate(keys)}
        path = tiny.write(tmp_path / "t.gguf", markers=("<a>", "<b>", "<c>"), numbers=ids)
        beyond = tiny.write(tmp_path / "u.gguf", markers=("<a>", "<b>"), numbers=ids)

        assert found(path) == Infill("<a>", "<b>", "<c>")
        assert found(beyond) is None


def test_a_model_that_borrows_its_tokens_is_known_by_its_name(tmp_path: Path) -> None:
    """Mellum has those of StarCoder and writes the end first."""
    texts = {"general.basename": "Mellum-4b"}
    path = tiny.write(tmp_path / "t.gguf", markers=STAR.markers, texts=texts)

    assert found(path) == Infill(*STAR.markers, suffix_first=True)


def test_no_tokenizer_has_no_tokens(tmp_path: Path) -> None:
    """A file that is not there is no error: the load says so."""
    assert of_tokenizer(tmp_path / "tokenizer.json") is None


@pytest.mark.parametrize(
    ("traits", "how"),
    [
        (Traits(CPU, infill=STAR), {"filled_by": "tokens", "first": "prefix"}),
        (Traits(CPU, infill=FAMILIES[-1]), {"filled_by": "tokens", "first": "suffix"}),
        (
            Traits(CPU, plain=TemplateTraits.of("{{ prompt }}_{{ suffix }}"), infill=STAR),
            {"filled_by": "template"},
        ),
        (Traits(NPU, infill=STAR), {"filled_by": "tokens", "first": "prefix"}),
    ],
)
def test_who_can_says_how(traits: Traits, how: dict[str, str]) -> None:
    """The template wins."""
    assert (fim(traits).supported, fim(traits).details) == (True, how)


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        (Traits(CPU), "no tokens"),
        (Traits(CPU, plain=TemplateTraits.of("{{ messages }}")), "reads no `suffix`"),
        (Traits(CPU, infill=STAR, encoder=True, pooling=Pooling.MEAN), "encoder"),
        (Traits(NPU, infill=STAR, tokenizer=False), "tokenizer.json"),
    ],
)
def test_who_cannot_says_why(traits: Traits, why: str) -> None:
    """With what would help."""
    said = fim(traits)

    assert (said.supported, why in said.reason, bool(said.remedy)) == (False, True, True)
