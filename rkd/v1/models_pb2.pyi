import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rkd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "prefix")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("models", "next_page_token", "left_alone", "unread_folders")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LEFT_ALONE_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FOLDERS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_types_pb2.ModelSummary]
    next_page_token: str
    left_alone: _containers.RepeatedCompositeFieldContainer[LeftAlone]
    unread_folders: int
    def __init__(self, models: _Optional[_Iterable[_Union[_types_pb2.ModelSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., left_alone: _Optional[_Iterable[_Union[LeftAlone, _Mapping]]] = ..., unread_folders: _Optional[int] = ...) -> None: ...

class LeftAlone(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ShowRequest(_message.Message):
    __slots__ = ("model", "verify")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    model: str
    verify: bool
    def __init__(self, model: _Optional[str] = ..., verify: _Optional[bool] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ShowResponse(_message.Message):
    __slots__ = ("summary", "weights", "modelfile", "modelfile_derived", "system", "template", "parameters", "messages", "licenses", "huggingface_path", "capabilities", "repository", "revision", "metadata", "verification", "verified", "npu_libraries", "projector", "backend_capabilities")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MODELFILE_FIELD_NUMBER: _ClassVar[int]
    MODELFILE_DERIVED_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    LICENSES_FIELD_NUMBER: _ClassVar[int]
    HUGGINGFACE_PATH_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    NPU_LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    PROJECTOR_FIELD_NUMBER: _ClassVar[int]
    BACKEND_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    summary: _types_pb2.ModelSummary
    weights: _containers.RepeatedCompositeFieldContainer[_types_pb2.WeightsFile]
    modelfile: str
    modelfile_derived: bool
    system: str
    template: str
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    messages: _containers.RepeatedCompositeFieldContainer[_types_pb2.Message]
    licenses: _containers.RepeatedScalarFieldContainer[str]
    huggingface_path: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    repository: str
    revision: str
    metadata: _containers.ScalarMap[str, str]
    verification: _containers.RepeatedScalarFieldContainer[str]
    verified: bool
    npu_libraries: _containers.RepeatedCompositeFieldContainer[NpuLibrary]
    projector: _types_pb2.WeightsFile
    backend_capabilities: _containers.RepeatedCompositeFieldContainer[_types_pb2.Capabilities]
    def __init__(self, summary: _Optional[_Union[_types_pb2.ModelSummary, _Mapping]] = ..., weights: _Optional[_Iterable[_Union[_types_pb2.WeightsFile, _Mapping]]] = ..., modelfile: _Optional[str] = ..., modelfile_derived: _Optional[bool] = ..., system: _Optional[str] = ..., template: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[_types_pb2.Message, _Mapping]]] = ..., licenses: _Optional[_Iterable[str]] = ..., huggingface_path: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., repository: _Optional[str] = ..., revision: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., verification: _Optional[_Iterable[str]] = ..., verified: _Optional[bool] = ..., npu_libraries: _Optional[_Iterable[_Union[NpuLibrary, _Mapping]]] = ..., projector: _Optional[_Union[_types_pb2.WeightsFile, _Mapping]] = ..., backend_capabilities: _Optional[_Iterable[_Union[_types_pb2.Capabilities, _Mapping]]] = ...) -> None: ...

class NpuLibrary(_message.Message):
    __slots__ = ("version", "path", "chosen", "outcome", "detail")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    version: str
    path: str
    chosen: bool
    outcome: str
    detail: str
    def __init__(self, version: _Optional[str] = ..., path: _Optional[str] = ..., chosen: _Optional[bool] = ..., outcome: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("source", "name", "revision", "replace", "cancel_on_disconnect", "detach")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    source: str
    name: str
    revision: str
    replace: bool
    cancel_on_disconnect: bool
    detach: bool
    def __init__(self, source: _Optional[str] = ..., name: _Optional[str] = ..., revision: _Optional[str] = ..., replace: _Optional[bool] = ..., cancel_on_disconnect: _Optional[bool] = ..., detach: _Optional[bool] = ...) -> None: ...

class PullResponse(_message.Message):
    __slots__ = ("operation", "license")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    operation: _types_pb2.Operation
    license: str
    def __init__(self, operation: _Optional[_Union[_types_pb2.Operation, _Mapping]] = ..., license: _Optional[str] = ...) -> None: ...

class UploadedFile(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class CreateRequest(_message.Message):
    __slots__ = ("model", "modelfile", "files", "quantize", "replace", "existing_file", "huggingface_path", "check_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODELFILE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    QUANTIZE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    EXISTING_FILE_FIELD_NUMBER: _ClassVar[int]
    HUGGINGFACE_PATH_FIELD_NUMBER: _ClassVar[int]
    CHECK_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    modelfile: str
    files: _containers.RepeatedCompositeFieldContainer[UploadedFile]
    quantize: str
    replace: bool
    existing_file: str
    huggingface_path: str
    check_only: bool
    def __init__(self, model: _Optional[str] = ..., modelfile: _Optional[str] = ..., files: _Optional[_Iterable[_Union[UploadedFile, _Mapping]]] = ..., quantize: _Optional[str] = ..., replace: _Optional[bool] = ..., existing_file: _Optional[str] = ..., huggingface_path: _Optional[str] = ..., check_only: _Optional[bool] = ...) -> None: ...

class CreateResponse(_message.Message):
    __slots__ = ("operation", "model", "warnings")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    operation: _types_pb2.Operation
    model: _types_pb2.ModelSummary
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, operation: _Optional[_Union[_types_pb2.Operation, _Mapping]] = ..., model: _Optional[_Union[_types_pb2.ModelSummary, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("model", "repository", "private", "message", "detach", "cancel_on_disconnect")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ON_DISCONNECT_FIELD_NUMBER: _ClassVar[int]
    model: str
    repository: str
    private: bool
    message: str
    detach: bool
    cancel_on_disconnect: bool
    def __init__(self, model: _Optional[str] = ..., repository: _Optional[str] = ..., private: _Optional[bool] = ..., message: _Optional[str] = ..., detach: _Optional[bool] = ..., cancel_on_disconnect: _Optional[bool] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("operation", "commit_url")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_URL_FIELD_NUMBER: _ClassVar[int]
    operation: _types_pb2.Operation
    commit_url: str
    def __init__(self, operation: _Optional[_Union[_types_pb2.Operation, _Mapping]] = ..., commit_url: _Optional[str] = ...) -> None: ...

class CopyRequest(_message.Message):
    __slots__ = ("source", "destination", "replace")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    source: str
    destination: str
    replace: bool
    def __init__(self, source: _Optional[str] = ..., destination: _Optional[str] = ..., replace: _Optional[bool] = ...) -> None: ...

class CopyResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelSummary
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelSummary, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("model", "drain")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    model: str
    drain: bool
    def __init__(self, model: _Optional[str] = ..., drain: _Optional[bool] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("freed_bytes",)
    FREED_BYTES_FIELD_NUMBER: _ClassVar[int]
    freed_bytes: int
    def __init__(self, freed_bytes: _Optional[int] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("digest", "size_bytes", "offset_bytes", "data")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    offset_bytes: int
    data: bytes
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("committed_bytes", "complete")
    COMMITTED_BYTES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    committed_bytes: int
    complete: bool
    def __init__(self, committed_bytes: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class MigrateRequest(_message.Message):
    __slots__ = ("dry_run",)
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    def __init__(self, dry_run: _Optional[bool] = ...) -> None: ...

class Move(_message.Message):
    __slots__ = ("source", "destination")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    source: str
    destination: str
    def __init__(self, source: _Optional[str] = ..., destination: _Optional[str] = ...) -> None: ...

class MigrateResponse(_message.Message):
    __slots__ = ("moves", "left_alone")
    MOVES_FIELD_NUMBER: _ClassVar[int]
    LEFT_ALONE_FIELD_NUMBER: _ClassVar[int]
    moves: _containers.RepeatedCompositeFieldContainer[Move]
    left_alone: _containers.RepeatedCompositeFieldContainer[LeftAlone]
    def __init__(self, moves: _Optional[_Iterable[_Union[Move, _Mapping]]] = ..., left_alone: _Optional[_Iterable[_Union[LeftAlone, _Mapping]]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("start_revision", "topics", "heartbeat")
    START_REVISION_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    start_revision: int
    topics: _containers.RepeatedScalarFieldContainer[str]
    heartbeat: _duration_pb2.Duration
    def __init__(self, start_revision: _Optional[int] = ..., topics: _Optional[_Iterable[str]] = ..., heartbeat: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("revision", "time", "topic", "action", "subject", "detail")
    class DetailEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    revision: int
    time: _timestamp_pb2.Timestamp
    topic: str
    action: str
    subject: str
    detail: _containers.ScalarMap[str, str]
    def __init__(self, revision: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., topic: _Optional[str] = ..., action: _Optional[str] = ..., subject: _Optional[str] = ..., detail: _Optional[_Mapping[str, str]] = ...) -> None: ...
