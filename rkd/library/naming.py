"""
Which model a name means that is not spelled as the library spells it. Pure.

People bring names from elsewhere: `qwen2.5:1.5b` with a tag, rkllama's `family[-variant]:size`, and
`hf.co/user/repo:Q4_K_M`, which the Hub shows for other programs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from rkd.errors import InvalidInputError, NotFoundError, Reason, Violation
from rkd.model import Format, Model, ModelName, WeightsFile
from rkd.modelfile.source import SourceKind, classify
from rkd.weights import named
from rkd.weights.quantization import in_file_name, own_mix

LONGEST = 400
"""No name in characters, nor address of a repository, is longer."""

_LATEST = ":latest"
_LISTED = 10
_WORDS = re.compile(r"[-_]+")


def is_plain(text: str) -> bool:
    """Whether *text* means itself, whatever models there are."""
    bare = text.removesuffix(_LATEST)
    return len(bare) > LONGEST or (":" not in bare and "/" not in bare)


def meant(text: str, models: Iterable[Model], *, field_name: str = "model") -> ModelName:
    """
    Return the name *text* means among *models*.

    1. A name without a tag means itself, whether there is such a model or not.
    2. `user/repo[:QUANT]`, with or without `hf.co/`, means the model that was pulled from there.
    3. `base:tag` means the model `base-tag`.
    4. Else the one model in whose name the words of base and tag are found, the base first; of
       several those with the fewest words between base and tag.

    Raises:
        InvalidInputError: INVALID_NAME, no such name can be, no model fits, or several do.
        NotFoundError: MODEL_NOT_FOUND, nothing was pulled from that repository.
    """
    bare = text.removesuffix(_LATEST)
    if is_plain(text):
        return ModelName.parse(bare, field_name=field_name)
    known = tuple(models)
    if "/" in bare:
        return _pulled(text, known, field_name)
    base, _, tag = bare.partition(":")
    joined = f"{base}-{tag}".casefold()
    exact = [model.name for model in known if model.name.key == joined]
    if exact:
        return exact[0]
    ranked = sorted(
        (distance, model.name.key, model.name)
        for model in known
        if (distance := _distance(model.name.key, base.casefold(), tag.casefold())) is not None
    )
    nearest = [name for distance, _, name in ranked if distance == ranked[0][0]]
    if not nearest:
        raise _unknown(text, base, tag, field_name)
    return _one(text, nearest, field_name)


def _pulled(text: str, models: tuple[Model, ...], field_name: str) -> ModelName:
    source = classify(text)
    if source.kind is not SourceKind.HUB:
        source = classify(f"hf.co/{text}")
    if source.kind is not SourceKind.HUB:
        return ModelName.parse(text, field_name=field_name)
    repository, wanted = source.repository.casefold(), (source.selector or source.file).casefold()
    own = [one for one in models if one.provenance.repository.casefold() == repository]
    found = [one.name for one in _variants(own, wanted)]
    if not found:
        raise NotFoundError(
            Reason.MODEL_NOT_FOUND,
            f"no model on this board was pulled from {text!r}.",
            remedy=f"Fetch it with `rkctl pull {text}`.",
            metadata={"model": text, "source": text},
        )
    return _one(text, found, field_name)


def _variants(models: list[Model], wanted: str) -> list[Model]:
    """Find which of *models* is what *wanted* chose, in lower case, by the first way that does."""
    if wanted in {"", "latest"}:
        return models
    last = wanted.rpartition("/")[2]
    kinds = {in_file_name(f"-{last}{ending}") for ending in (".gguf", ".rkllm")} - {""}
    chip = named.platform_in(last)
    ways: tuple[Callable[[Model, WeightsFile], bool], ...] = (
        lambda _, file: last == file.path.name.casefold(),
        lambda _, file: last == _kind(file.path.name),
        lambda one, file: (
            named.ends_with(file.path.name, last) or one.name.key.endswith(f"-{wanted}")
        ),
        lambda one, file: (
            one.details.quantization.casefold() == wanted or in_file_name(file.path.name) in kinds
        ),
        lambda _, file: bool(chip) and file.format is Format.RKLLM,
    )
    found = ([one for one in models if any(way(one, f) for f in one.weights)] for way in ways)
    return next((some for some in found if some), [])


def _kind(name: str) -> str:
    """Return the type the file *name* speaks of, with its publisher's mark, in lower case."""
    return f"{own_mix(name)}{in_file_name(name)}".casefold()


def _distance(name: str, base: str, tag: str) -> int | None:
    """
    Return how many words of *name* stand between *base* and *tag*; None when they do not fit.

    `llama3.2` is found in `llama-3.2-1b` too: its first word may be cut anywhere.
    """
    words, wanted, sizes = _WORDS.split(name), _WORDS.split(base), _WORDS.split(tag)
    first = next((n for n in range(1, len(words) + 1) if "".join(words[:n]) == wanted[0]), None)
    if first is None or not all(sizes):
        return None
    left = words[first:]
    places = _places(left, sizes)
    if places is None:
        return None
    others = [word for place, word in enumerate(left) if place not in places]
    before = places[0] if places else 0
    found = _places(others, wanted[1:])
    if found is None:
        return None
    return before - sum(place < before for place in found)


def _places(words: list[str], wanted: list[str]) -> list[int] | None:
    """Return where the *wanted* stand among *words*, in order; None when one does not."""
    places, after = [], 0
    for word in wanted:
        try:
            after = words.index(word, after) + 1
        except ValueError:
            return None
        places.append(after - 1)
    return places


def _one(text: str, found: list[ModelName], field_name: str) -> ModelName:
    """Return the only one *found*, or refuse with their list."""
    if len(found) == 1:
        return found[0]
    listed = ", ".join(name.text for name in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    said = f"{text[:160]!r} may mean {listed}{more}."
    raise InvalidInputError(
        Reason.INVALID_NAME,
        said,
        remedy="Name the one you mean.",
        metadata={"name": text[:160], "models": listed},
        violations=(Violation(field_name, said),),
    )


def _unknown(text: str, base: str, tag: str, field_name: str) -> InvalidInputError:
    """Nothing here is called so, and no model can be: names have no tags."""
    said = f"{text[:160]!r} carries a tag, and no model here has a name that fits it."
    return InvalidInputError(
        Reason.INVALID_NAME,
        said,
        remedy=f"See `rkctl list`; find one to pull with `rkctl search {base} {tag}`.",
        metadata={"name": text[:160]},
        violations=(Violation(field_name, said),),
    )
