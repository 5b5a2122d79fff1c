import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rkd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResidentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESIDENT_STATE_UNSPECIFIED: _ClassVar[ResidentState]
    RESIDENT_STATE_LOADING: _ClassVar[ResidentState]
    RESIDENT_STATE_READY: _ClassVar[ResidentState]
    RESIDENT_STATE_DRAINING: _ClassVar[ResidentState]
    RESIDENT_STATE_UNLOADING: _ClassVar[ResidentState]
    RESIDENT_STATE_FAILED: _ClassVar[ResidentState]
RESIDENT_STATE_UNSPECIFIED: ResidentState
RESIDENT_STATE_LOADING: ResidentState
RESIDENT_STATE_READY: ResidentState
RESIDENT_STATE_DRAINING: ResidentState
RESIDENT_STATE_UNLOADING: ResidentState
RESIDENT_STATE_FAILED: ResidentState

class Resident(_message.Message):
    __slots__ = ("model", "state", "backend", "backend_reason", "size_bytes", "size_measured", "context_tokens", "slots", "slots_used", "queued", "expires", "pinned", "npu_domain", "pid", "runtime", "loaded", "reason", "retry", "served", "prompt_cache_bytes", "prompt_cache_used_bytes", "engine_lines", "board")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REASON_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SIZE_MEASURED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_USED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    NPU_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_CACHE_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_LINES_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    model: str
    state: ResidentState
    backend: _types_pb2.Backend
    backend_reason: str
    size_bytes: int
    size_measured: bool
    context_tokens: int
    slots: int
    slots_used: int
    queued: int
    expires: _timestamp_pb2.Timestamp
    pinned: bool
    npu_domain: int
    pid: int
    runtime: str
    loaded: _timestamp_pb2.Timestamp
    reason: str
    retry: _timestamp_pb2.Timestamp
    served: int
    prompt_cache_bytes: int
    prompt_cache_used_bytes: int
    engine_lines: _containers.RepeatedScalarFieldContainer[str]
    board: str
    def __init__(self, model: _Optional[str] = ..., state: _Optional[_Union[ResidentState, str]] = ..., backend: _Optional[_Union[_types_pb2.Backend, str]] = ..., backend_reason: _Optional[str] = ..., size_bytes: _Optional[int] = ..., size_measured: _Optional[bool] = ..., context_tokens: _Optional[int] = ..., slots: _Optional[int] = ..., slots_used: _Optional[int] = ..., queued: _Optional[int] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pinned: _Optional[bool] = ..., npu_domain: _Optional[int] = ..., pid: _Optional[int] = ..., runtime: _Optional[str] = ..., loaded: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., retry: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., served: _Optional[int] = ..., prompt_cache_bytes: _Optional[int] = ..., prompt_cache_used_bytes: _Optional[int] = ..., engine_lines: _Optional[_Iterable[str]] = ..., board: _Optional[str] = ...) -> None: ...

class ListResidentRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResidentResponse(_message.Message):
    __slots__ = ("residents", "next_page_token", "queued", "queue_limit")
    RESIDENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    residents: _containers.RepeatedCompositeFieldContainer[Resident]
    next_page_token: str
    queued: int
    queue_limit: int
    def __init__(self, residents: _Optional[_Iterable[_Union[Resident, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., queued: _Optional[int] = ..., queue_limit: _Optional[int] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("model", "backend", "context_tokens", "keep_alive")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    model: str
    backend: _types_pb2.Backend
    context_tokens: int
    keep_alive: _duration_pb2.Duration
    def __init__(self, model: _Optional[str] = ..., backend: _Optional[_Union[_types_pb2.Backend, str]] = ..., context_tokens: _Optional[int] = ..., keep_alive: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LoadResponse(_message.Message):
    __slots__ = ("queued", "loading", "resident")
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    LOADING_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    queued: _types_pb2.Queued
    loading: _types_pb2.Loading
    resident: Resident
    def __init__(self, queued: _Optional[_Union[_types_pb2.Queued, _Mapping]] = ..., loading: _Optional[_Union[_types_pb2.Loading, _Mapping]] = ..., resident: _Optional[_Union[Resident, _Mapping]] = ...) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = ("model", "grace")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    model: str
    grace: _duration_pb2.Duration
    def __init__(self, model: _Optional[str] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class UnloadResponse(_message.Message):
    __slots__ = ("was_resident",)
    WAS_RESIDENT_FIELD_NUMBER: _ClassVar[int]
    was_resident: bool
    def __init__(self, was_resident: _Optional[bool] = ...) -> None: ...

class PinRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class PinResponse(_message.Message):
    __slots__ = ("resident",)
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    resident: Resident
    def __init__(self, resident: _Optional[_Union[Resident, _Mapping]] = ...) -> None: ...

class UnpinRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class UnpinResponse(_message.Message):
    __slots__ = ("was_pinned",)
    WAS_PINNED_FIELD_NUMBER: _ClassVar[int]
    was_pinned: bool
    def __init__(self, was_pinned: _Optional[bool] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("name", "model", "tokens", "size_bytes", "used", "board")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    tokens: int
    size_bytes: int
    used: _timestamp_pb2.Timestamp
    board: str
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., tokens: _Optional[int] = ..., size_bytes: _Optional[int] = ..., used: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., board: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("session", "model")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    session: str
    model: str
    def __init__(self, session: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    def __init__(self, deleted: _Optional[int] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("model", "backend", "context_tokens")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model: str
    backend: _types_pb2.Backend
    context_tokens: int
    def __init__(self, model: _Optional[str] = ..., backend: _Optional[_Union[_types_pb2.Backend, str]] = ..., context_tokens: _Optional[int] = ...) -> None: ...

class PlanResponse(_message.Message):
    __slots__ = ("fits", "resident", "backend", "backend_reason", "needed_bytes", "needed_measured", "available_bytes", "evicting", "explanation", "context_tokens", "slots", "npu_domain")
    FITS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REASON_FIELD_NUMBER: _ClassVar[int]
    NEEDED_BYTES_FIELD_NUMBER: _ClassVar[int]
    NEEDED_MEASURED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EVICTING_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    NPU_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    fits: bool
    resident: bool
    backend: _types_pb2.Backend
    backend_reason: str
    needed_bytes: int
    needed_measured: bool
    available_bytes: int
    evicting: _containers.RepeatedScalarFieldContainer[str]
    explanation: str
    context_tokens: int
    slots: int
    npu_domain: int
    def __init__(self, fits: _Optional[bool] = ..., resident: _Optional[bool] = ..., backend: _Optional[_Union[_types_pb2.Backend, str]] = ..., backend_reason: _Optional[str] = ..., needed_bytes: _Optional[int] = ..., needed_measured: _Optional[bool] = ..., available_bytes: _Optional[int] = ..., evicting: _Optional[_Iterable[str]] = ..., explanation: _Optional[str] = ..., context_tokens: _Optional[int] = ..., slots: _Optional[int] = ..., npu_domain: _Optional[int] = ...) -> None: ...
