"""What the weights of a model say of themselves, asked tolerantly: no answer is no error."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from rkd.capability.chat_files import CONFIG, TEMPLATES
from rkd.errors import InvalidInputError
from rkd.library.belonging import read_own
from rkd.library.layout import format_of
from rkd.model import Details, Format, WeightsFile
from rkd.weights import details, gguf, rkllm, shards

NAMES = frozenset({*TEMPLATES, CONFIG})
"""Files that may bring a template."""

_MAX_CONFIG_BYTES = 4 << 20
"""Configurations of tokenizers with many added tokens reach some megabytes."""


def details_of(weights: tuple[WeightsFile, ...], beside: Container[str] = NAMES) -> Details:
    """
    Read what *weights* tell; of two formats the GGUF is asked, whose header tells more.

    Files next to them count as bringing a template; *beside* are those that may be there.
    """
    said = Details()
    first_of_each = {file.format: file for file in reversed(weights)}
    for file in sorted(first_of_each.values(), key=lambda one: one.format is not Format.GGUF):
        try:
            said = _ask(file)
        except (InvalidInputError, OSError):  # judged when loaded, with the engine's own words
            continue
        break
    if not said.has_template and weights and _brings_template(weights[0].path.parent, beside):
        return replace(said, has_template=True)
    return said


def marked(weights: tuple[WeightsFile, ...]) -> tuple[WeightsFile, ...]:
    """Add to NPU weights what decides on the runtime library for them; no answer is no error."""
    return tuple(_marked(one) if one.format is Format.RKLLM else one for one in weights)


def _marked(file: WeightsFile) -> WeightsFile:
    try:
        said = rkllm.look(file.path)
    except OSError:
        return file
    return replace(file, toolkit=said.toolkit, fingerprint=said.fingerprint)


def is_short(path: Path) -> bool:
    """Whether *path* is a GGUF that ends before its own header says; other trouble is none."""
    if format_of(path.name) is not Format.GGUF:
        return False
    try:
        gguf.read_header(path)
    except InvalidInputError as error:
        return error.remedy == gguf.INCOMPLETE
    except OSError:
        return False
    return False


def _ask(file: WeightsFile) -> Details:
    if file.format is Format.RKLLM:
        return rkllm.look(file.path).details
    header = gguf.read_header(file.path)
    return details.describe(header, shards.read_rest(file.path, header))


def _brings_template(folder: Path, beside: Container[str]) -> bool:
    if any(name in beside and (folder / name).is_file() for name in TEMPLATES):
        return True
    if CONFIG not in beside:
        return False
    try:
        return b'"chat_template"' in read_own(folder / CONFIG, folder, _MAX_CONFIG_BYTES)
    except OSError:
        return False
