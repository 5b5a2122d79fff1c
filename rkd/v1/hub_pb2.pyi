import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rkd.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchSort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEARCH_SORT_UNSPECIFIED: _ClassVar[SearchSort]
    SEARCH_SORT_DOWNLOADS: _ClassVar[SearchSort]
    SEARCH_SORT_LIKES: _ClassVar[SearchSort]
    SEARCH_SORT_UPDATED: _ClassVar[SearchSort]
    SEARCH_SORT_CREATED: _ClassVar[SearchSort]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_FITS: _ClassVar[Verdict]
    VERDICT_FITS_ALONE: _ClassVar[Verdict]
    VERDICT_TOO_LARGE: _ClassVar[Verdict]
    VERDICT_WRONG_PLATFORM: _ClassVar[Verdict]
    VERDICT_UNSUPPORTED: _ClassVar[Verdict]
SEARCH_SORT_UNSPECIFIED: SearchSort
SEARCH_SORT_DOWNLOADS: SearchSort
SEARCH_SORT_LIKES: SearchSort
SEARCH_SORT_UPDATED: SearchSort
SEARCH_SORT_CREATED: SearchSort
VERDICT_UNSPECIFIED: Verdict
VERDICT_FITS: Verdict
VERDICT_FITS_ALONE: Verdict
VERDICT_TOO_LARGE: Verdict
VERDICT_WRONG_PLATFORM: Verdict
VERDICT_UNSUPPORTED: Verdict

class SearchRequest(_message.Message):
    __slots__ = ("query", "author", "min_parameters", "max_parameters", "quantization", "format", "sort", "page_size", "page_token", "min_downloads", "license", "gated")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    MIN_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIN_DOWNLOADS_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    GATED_FIELD_NUMBER: _ClassVar[int]
    query: str
    author: str
    min_parameters: int
    max_parameters: int
    quantization: str
    format: _types_pb2.WeightsFormat
    sort: SearchSort
    page_size: int
    page_token: str
    min_downloads: int
    license: str
    gated: bool
    def __init__(self, query: _Optional[str] = ..., author: _Optional[str] = ..., min_parameters: _Optional[int] = ..., max_parameters: _Optional[int] = ..., quantization: _Optional[str] = ..., format: _Optional[_Union[_types_pb2.WeightsFormat, str]] = ..., sort: _Optional[_Union[SearchSort, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., min_downloads: _Optional[int] = ..., license: _Optional[str] = ..., gated: _Optional[bool] = ...) -> None: ...

class Repository(_message.Message):
    __slots__ = ("id", "downloads", "likes", "updated", "created", "license", "gated", "formats", "quantizations", "parameters", "min_size_bytes", "max_size_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    DOWNLOADS_FIELD_NUMBER: _ClassVar[int]
    LIKES_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    GATED_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATIONS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MIN_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    downloads: int
    likes: int
    updated: _timestamp_pb2.Timestamp
    created: _timestamp_pb2.Timestamp
    license: str
    gated: bool
    formats: _containers.RepeatedScalarFieldContainer[_types_pb2.WeightsFormat]
    quantizations: _containers.RepeatedScalarFieldContainer[str]
    parameters: int
    min_size_bytes: int
    max_size_bytes: int
    def __init__(self, id: _Optional[str] = ..., downloads: _Optional[int] = ..., likes: _Optional[int] = ..., updated: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., license: _Optional[str] = ..., gated: _Optional[bool] = ..., formats: _Optional[_Iterable[_Union[_types_pb2.WeightsFormat, str]]] = ..., quantizations: _Optional[_Iterable[str]] = ..., parameters: _Optional[int] = ..., min_size_bytes: _Optional[int] = ..., max_size_bytes: _Optional[int] = ...) -> None: ...

class FacetValue(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: str
    count: int
    def __init__(self, value: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Facet(_message.Message):
    __slots__ = ("name", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedCompositeFieldContainer[FacetValue]
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FacetValue, _Mapping]]] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("repositories", "next_page_token", "facets", "cached")
    REPOSITORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    repositories: _containers.RepeatedCompositeFieldContainer[Repository]
    next_page_token: str
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    cached: _timestamp_pb2.Timestamp
    def __init__(self, repositories: _Optional[_Iterable[_Union[Repository, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., cached: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("repository", "revision", "context_tokens")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    repository: str
    revision: str
    context_tokens: int
    def __init__(self, repository: _Optional[str] = ..., revision: _Optional[str] = ..., context_tokens: _Optional[int] = ...) -> None: ...

class Variant(_message.Message):
    __slots__ = ("files", "tag", "format", "size_bytes", "quantization", "platform", "toolkit_version", "parameters", "context_tokens", "verdict", "verdict_detail", "needed_bytes", "advice", "recommended", "projector", "projector_bytes")
    FILES_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    TOOLKIT_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_DETAIL_FIELD_NUMBER: _ClassVar[int]
    NEEDED_BYTES_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_FIELD_NUMBER: _ClassVar[int]
    PROJECTOR_FIELD_NUMBER: _ClassVar[int]
    PROJECTOR_BYTES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedScalarFieldContainer[str]
    tag: str
    format: _types_pb2.WeightsFormat
    size_bytes: int
    quantization: str
    platform: str
    toolkit_version: str
    parameters: int
    context_tokens: int
    verdict: Verdict
    verdict_detail: str
    needed_bytes: int
    advice: str
    recommended: bool
    projector: str
    projector_bytes: int
    def __init__(self, files: _Optional[_Iterable[str]] = ..., tag: _Optional[str] = ..., format: _Optional[_Union[_types_pb2.WeightsFormat, str]] = ..., size_bytes: _Optional[int] = ..., quantization: _Optional[str] = ..., platform: _Optional[str] = ..., toolkit_version: _Optional[str] = ..., parameters: _Optional[int] = ..., context_tokens: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., verdict_detail: _Optional[str] = ..., needed_bytes: _Optional[int] = ..., advice: _Optional[str] = ..., recommended: _Optional[bool] = ..., projector: _Optional[str] = ..., projector_bytes: _Optional[int] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("variants", "revision", "repository")
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    variants: _containers.RepeatedCompositeFieldContainer[Variant]
    revision: str
    repository: Repository
    def __init__(self, variants: _Optional[_Iterable[_Union[Variant, _Mapping]]] = ..., revision: _Optional[str] = ..., repository: _Optional[_Union[Repository, _Mapping]] = ...) -> None: ...

class GetCardRequest(_message.Message):
    __slots__ = ("repository", "revision")
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    repository: str
    revision: str
    def __init__(self, repository: _Optional[str] = ..., revision: _Optional[str] = ...) -> None: ...

class GetCardResponse(_message.Message):
    __slots__ = ("text", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    text: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, text: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...
