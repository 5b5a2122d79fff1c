"""
A client that knows nothing of rkd: it asks the server for its services and makes do with that.

    python client.py ADDRESS [MODEL PROMPT [MAX_TOKENS]]

No stub, no .proto file, nothing of rkd is imported; needs grpcio and grpcio-reflection. Prints the
services with their methods, the models, then the events of a Generate, a JSON object a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

BOUND_S = 120.0


class Explorer:
    """
    Finds services by reflection and calls their methods with plain dictionaries.

    Args:
        channel: to any server with reflection.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> dict[str, list[str]]:
        """Return the methods of every service the server names."""
        found = {}
        for name in sorted(self._database.get_services()):
            service = self._pool.FindServiceByName(name)
            found[name] = [method.name for method in service.methods]
        return found

    def call(self, service: str, method: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Call a method with *fields* and yield every answer: one, or those of the stream."""
        described: MethodDescriptor = self._pool.FindServiceByName(service).methods_by_name[method]
        request = json_format.ParseDict(fields, GetMessageClass(described.input_type)())
        answer_class = GetMessageClass(described.output_type)
        make = self._channel.unary_unary
        if described.server_streaming:
            make = self._channel.unary_stream
        invoke = make(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )
        answers = invoke(request, timeout=BOUND_S)
        for answer in answers if described.server_streaming else [answers]:
            yield json_format.MessageToDict(answer, preserving_proto_field_name=True)


def main(address: str, model: str = "", prompt: str = "", max_tokens: str = "32") -> None:
    """Explore the server at *address* and, with *model*, let it answer *prompt*."""
    with grpc.insecure_channel(address) as channel:
        explorer = Explorer(channel)
        say({"services": explorer.services()})
        for answer in explorer.call("rkd.v1.ModelService", "List"):
            say({"models": [one["name"] for one in answer.get("models", [])]})
        if not model:
            return
        options = {"sampling": {"temperature": 0, "max_tokens": int(max_tokens)}}
        asked = {"model": model, "prompt": prompt, "options": options}
        for event in explorer.call("rkd.v1.InferenceService", "Generate", **asked):
            say(event)


def say(plain: dict[str, Any]) -> None:
    """Print *plain* as a line."""
    sys.stdout.write(json.dumps(plain, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
