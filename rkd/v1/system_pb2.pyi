import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClockKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_KIND_UNSPECIFIED: _ClassVar[ClockKind]
    CLOCK_KIND_NPU: _ClassVar[ClockKind]
    CLOCK_KIND_CPU: _ClassVar[ClockKind]
    CLOCK_KIND_DDR: _ClassVar[ClockKind]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_OK: _ClassVar[Severity]
    SEVERITY_NOTE: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_ERROR: _ClassVar[Severity]
CLOCK_KIND_UNSPECIFIED: ClockKind
CLOCK_KIND_NPU: ClockKind
CLOCK_KIND_CPU: ClockKind
CLOCK_KIND_DDR: ClockKind
SEVERITY_UNSPECIFIED: Severity
SEVERITY_OK: Severity
SEVERITY_NOTE: Severity
SEVERITY_WARNING: Severity
SEVERITY_ERROR: Severity

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Temperature(_message.Message):
    __slots__ = ("zone", "celsius")
    ZONE_FIELD_NUMBER: _ClassVar[int]
    CELSIUS_FIELD_NUMBER: _ClassVar[int]
    zone: str
    celsius: float
    def __init__(self, zone: _Optional[str] = ..., celsius: _Optional[float] = ...) -> None: ...

class NpuStatus(_message.Message):
    __slots__ = ("available", "reason", "remedy", "driver_version", "runtimes", "core_load", "frequency_hz")
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    DRIVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNTIMES_FIELD_NUMBER: _ClassVar[int]
    CORE_LOAD_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_HZ_FIELD_NUMBER: _ClassVar[int]
    available: bool
    reason: str
    remedy: str
    driver_version: str
    runtimes: _containers.RepeatedScalarFieldContainer[str]
    core_load: _containers.RepeatedScalarFieldContainer[float]
    frequency_hz: int
    def __init__(self, available: _Optional[bool] = ..., reason: _Optional[str] = ..., remedy: _Optional[str] = ..., driver_version: _Optional[str] = ..., runtimes: _Optional[_Iterable[str]] = ..., core_load: _Optional[_Iterable[float]] = ..., frequency_hz: _Optional[int] = ...) -> None: ...

class Clock(_message.Message):
    __slots__ = ("name", "kind", "frequency_hz", "lowest_hz", "limit_hz", "highest_hz", "governor", "governors", "cooled", "answering_hz")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_HZ_FIELD_NUMBER: _ClassVar[int]
    LOWEST_HZ_FIELD_NUMBER: _ClassVar[int]
    LIMIT_HZ_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_HZ_FIELD_NUMBER: _ClassVar[int]
    GOVERNOR_FIELD_NUMBER: _ClassVar[int]
    GOVERNORS_FIELD_NUMBER: _ClassVar[int]
    COOLED_FIELD_NUMBER: _ClassVar[int]
    ANSWERING_HZ_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: ClockKind
    frequency_hz: int
    lowest_hz: int
    limit_hz: int
    highest_hz: int
    governor: str
    governors: _containers.RepeatedScalarFieldContainer[str]
    cooled: bool
    answering_hz: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[ClockKind, str]] = ..., frequency_hz: _Optional[int] = ..., lowest_hz: _Optional[int] = ..., limit_hz: _Optional[int] = ..., highest_hz: _Optional[int] = ..., governor: _Optional[str] = ..., governors: _Optional[_Iterable[str]] = ..., cooled: _Optional[bool] = ..., answering_hz: _Optional[int] = ...) -> None: ...

class MemoryStatus(_message.Message):
    __slots__ = ("total_bytes", "available_bytes", "budget_bytes", "resident_bytes", "daemon_bytes")
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    DAEMON_BYTES_FIELD_NUMBER: _ClassVar[int]
    total_bytes: int
    available_bytes: int
    budget_bytes: int
    resident_bytes: int
    daemon_bytes: int
    def __init__(self, total_bytes: _Optional[int] = ..., available_bytes: _Optional[int] = ..., budget_bytes: _Optional[int] = ..., resident_bytes: _Optional[int] = ..., daemon_bytes: _Optional[int] = ...) -> None: ...

class StreamStatus(_message.Message):
    __slots__ = ("request_id", "model", "tokens", "tokens_per_s", "age")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_S_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    tokens: int
    tokens_per_s: float
    age: _duration_pb2.Duration
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., tokens: _Optional[int] = ..., tokens_per_s: _Optional[float] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "started", "addresses", "soc", "board", "kernel", "cores", "load_average", "npu", "memory", "temperatures", "cpu_engine", "models", "residents", "queued", "streams", "models_folder", "models_free_bytes", "operations", "tokens_total", "requests_total", "clocks")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    SOC_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    LOAD_AVERAGE_FIELD_NUMBER: _ClassVar[int]
    NPU_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURES_FIELD_NUMBER: _ClassVar[int]
    CPU_ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    RESIDENTS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FOLDER_FIELD_NUMBER: _ClassVar[int]
    MODELS_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CLOCKS_FIELD_NUMBER: _ClassVar[int]
    version: str
    started: _timestamp_pb2.Timestamp
    addresses: _containers.RepeatedScalarFieldContainer[str]
    soc: str
    board: str
    kernel: str
    cores: int
    load_average: float
    npu: NpuStatus
    memory: MemoryStatus
    temperatures: _containers.RepeatedCompositeFieldContainer[Temperature]
    cpu_engine: str
    models: int
    residents: int
    queued: int
    streams: _containers.RepeatedCompositeFieldContainer[StreamStatus]
    models_folder: str
    models_free_bytes: int
    operations: int
    tokens_total: int
    requests_total: int
    clocks: _containers.RepeatedCompositeFieldContainer[Clock]
    def __init__(self, version: _Optional[str] = ..., started: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., addresses: _Optional[_Iterable[str]] = ..., soc: _Optional[str] = ..., board: _Optional[str] = ..., kernel: _Optional[str] = ..., cores: _Optional[int] = ..., load_average: _Optional[float] = ..., npu: _Optional[_Union[NpuStatus, _Mapping]] = ..., memory: _Optional[_Union[MemoryStatus, _Mapping]] = ..., temperatures: _Optional[_Iterable[_Union[Temperature, _Mapping]]] = ..., cpu_engine: _Optional[str] = ..., models: _Optional[int] = ..., residents: _Optional[int] = ..., queued: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[StreamStatus, _Mapping]]] = ..., models_folder: _Optional[str] = ..., models_free_bytes: _Optional[int] = ..., operations: _Optional[int] = ..., tokens_total: _Optional[int] = ..., requests_total: _Optional[int] = ..., clocks: _Optional[_Iterable[_Union[Clock, _Mapping]]] = ...) -> None: ...

class DoctorRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Finding(_message.Message):
    __slots__ = ("check", "severity", "message", "remedy")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    check: str
    severity: Severity
    message: str
    remedy: str
    def __init__(self, check: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class DoctorResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ("applied", "needs_restart")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    NEEDS_RESTART_FIELD_NUMBER: _ClassVar[int]
    applied: _containers.RepeatedScalarFieldContainer[str]
    needs_restart: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, applied: _Optional[_Iterable[str]] = ..., needs_restart: _Optional[_Iterable[str]] = ...) -> None: ...
