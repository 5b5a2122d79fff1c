"""Generated from rkd/v1/models.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rkd_client.v1 import types


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Something in the models folder that rkd does not touch."""

    name: str = ""
    """Its name there."""

    reason: str = ""
    """Why."""


@dataclass(frozen=True, slots=True)
class ListResponse:
    """Some models."""

    models: tuple[types.ModelSummary, ...] = ()
    """Sorted by name."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""

    left_alone: tuple[LeftAlone, ...] = ()
    """Things in the models folder that are no model, and why they were left."""

    unread_folders: int = 0
    """Folders the daemon has still to look at, as after the start with thousands of models: more may follow. 0 when every model is known."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value the Modelfile sets."""

    key: str = ""
    """`temperature`, `num_ctx`, `stop` …"""

    value: str = ""
    """As text."""


@dataclass(frozen=True, slots=True)
class NpuLibrary:
    """An RKLLM library of the board, as it stands to one model."""

    version: str = ""
    """Release, `1.2.3`; empty when it does not tell."""

    path: str = ""
    """Where it is."""

    chosen: bool = False
    """The next load takes it first."""

    outcome: str = ""
    """`served`, `answered`, `silent`, `garbage`, `refused` or `crashed`; empty when it was not tried."""

    detail: str = ""
    """In words: why it is chosen or left out."""


@dataclass(frozen=True, slots=True)
class ShowResponse:
    """Everything about one model."""

    summary: types.ModelSummary = types.ModelSummary()
    """In short."""

    weights: tuple[types.WeightsFile, ...] = ()
    """Its weights."""

    modelfile: str = ""
    """The Modelfile as it stands, or as derived from the weights where there is none."""

    modelfile_derived: bool = False
    """Whether `modelfile` was derived."""

    system: str = ""
    """System prompt."""

    template: str = ""
    """Chat template that would be used (Jinja), empty when the runtime's own is."""

    parameters: tuple[Parameter, ...] = ()
    """Parameters in force."""

    messages: tuple[types.Message, ...] = ()
    """Turns put before each conversation."""

    licenses: tuple[str, ...] = ()
    """Licence texts or names."""

    huggingface_path: str = ""
    """`user/repo` naming tokenizer and template."""

    capabilities: tuple[str, ...] = ()
    """What it can do, in short: `completion`, `chat`, `tools`, `thinking`, `vision`, `embedding`, `insert` (fill in a gap), `rerank`; `backend_capabilities` says where, and why not."""

    repository: str = ""
    """Where it came from; empty where nothing is recorded."""

    revision: str = ""
    """Commit of the repository."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the weights' header, for people; long arrays are left out."""

    verification: tuple[str, ...] = ()
    """For `verify`: one line a file, `name: ok` or what is wrong."""

    verified: bool | None = None
    """For `verify`: every recorded digest holds."""

    npu_libraries: tuple[NpuLibrary, ...] = ()
    """For NPU weights: the RKLLM libraries of the board, and how each gets on with them."""

    projector: types.WeightsFile = types.WeightsFile()
    """What makes tokens of pictures for the GGUF; absent where nothing does, and then metadata `projector.problem` says why if there might be one."""

    backend_capabilities: tuple[types.Capabilities, ...] = ()
    """The same per backend, NPU first, with reasons: what is refused, and what would make it a yes."""


@dataclass(frozen=True, slots=True)
class PullResponse:
    """One step of a pull."""

    operation: types.Operation = types.Operation()
    """The operation as it is now; the last one has ended."""

    license: str = ""
    """Licence of the repository, once known."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file brought by Upload, under the name the Modelfile uses."""

    name: str = ""
    """As written after FROM or ADAPTER, or the file's path inside a checkpoint folder."""

    digest: str = ""
    """`sha256:<hex>` of an upload."""


@dataclass(frozen=True, slots=True)
class CreateResponse:
    """One step of a create."""

    operation: types.Operation = types.Operation()
    """The operation as it is now; the last one has ended."""

    model: types.ModelSummary = types.ModelSummary()
    """With the last one."""

    warnings: tuple[str, ...] = ()
    """What the caller should know but did not fail."""


@dataclass(frozen=True, slots=True)
class PushResponse:
    """One step of a push."""

    operation: types.Operation = types.Operation()
    """The operation as it is now; the last one has ended."""

    commit_url: str = ""
    """Address of the commit, with the last one."""


@dataclass(frozen=True, slots=True)
class CopyResponse:
    """The copy."""

    model: types.ModelSummary = types.ModelSummary()
    """In short."""


@dataclass(frozen=True, slots=True)
class DeleteResponse:
    """What was deleted."""

    freed_bytes: int = 0
    """Space given back; less than the size where files are shared."""


@dataclass(frozen=True, slots=True)
class UploadResponse:
    """Where an upload stands."""

    committed_bytes: int = 0
    """Bytes held and safe on disk."""

    complete: bool = False
    """The file is whole and its digest right."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a migration."""

    source: str = ""
    """From, relative to the models folder."""

    destination: str = ""
    """To, relative to the models folder."""


@dataclass(frozen=True, slots=True)
class MigrateResponse:
    """What a migration did or would do."""

    moves: tuple[Move, ...] = ()
    """Moves done, or planned with `dry_run`."""

    left_alone: tuple[LeftAlone, ...] = ()
    """What was left, and why."""


@dataclass(frozen=True, slots=True)
class WatchResponse:
    """A change, or a sign of life."""

    revision: int = 0
    """Its place in the log; watch from the next one to resume."""

    time: datetime | None = None
    """When."""

    topic: str = ""
    """`model`, `resident`, `operation`, `system`; empty for a sign of life."""

    action: str = ""
    """`added`, `removed`, `changed`, `migrated`, `incoming`, `loading`, `ready`, `unloaded`, `failed`, `progress`, `finished`, `cancelled`, `reloaded`."""

    subject: str = ""
    """The model's name or the operation's id."""

    detail: Mapping[str, str] = field(default_factory=dict)
    """Facts."""
