"""Running models: the answer in pieces, vectors, tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from google.protobuf.message import Message

from rkd.v1 import inference_pb2 as pb
from rkd_client.ask import SLOW_S, Ask, StreamAsk
from rkd_client.follow import FollowAnswer
from rkd_client.options import Options, RunOptions, options_of
from rkd_client.turns import tools_of, turns_of
from rkd_client.values import fill

if TYPE_CHECKING:
    from rkd_client.turns import Function, Turn
    from rkd_client.v1 import inference as v1

Answered = TypeVar("Answered", bound=Message)


def generate(
    model: str,
    prompt: str,
    *,
    system: str | None = None,
    raw: bool = False,
    template: str | None = None,
    **options: Unpack[Options],
) -> StreamAsk[pb.GenerateResponse, v1.GenerateResponse]:
    """
    Continue *prompt* with *model*, piece by piece; each piece has its `.text`.

    *system* and *template* take the place of the model's; *raw* sends the prompt as it is.
    """
    request = fill(
        pb.GenerateRequest(model=model, prompt=prompt, raw=raw),
        system=system,
        template=template,
        options=options_of(options),
    )
    return StreamAsk(
        "InferenceService.Generate",
        request,
        pb.GenerateResponse,
        model=model,
        follow=FollowAnswer,
    )


def chat(
    model: str,
    messages: str | Iterable[Turn],
    *,
    tools: Iterable[Function] = (),
    template: str | None = None,
    tool_choice: str | None = None,
    template_arguments: Mapping[str, Any] | None = None,
    **options: Unpack[Options],
) -> StreamAsk[pb.ChatResponse, v1.ChatResponse]:
    """
    Answer the last of *messages*, piece by piece; each piece has its `.text`.

    Turns and tools are `Message` and `Tool`, or dictionaries as OpenAI and Ollama have them.
    `tool_choice` is `auto`, `none`, `required` or the name of a tool.
    """
    request = fill(
        pb.ChatRequest(model=model, messages=turns_of(messages), tools=tools_of(tools)),
        template=template,
        tool_choice=tool_choice,
        options=options_of(options),
    )
    if template_arguments:
        request.template_arguments.update(template_arguments)
    return StreamAsk(
        "InferenceService.Chat",
        request,
        pb.ChatResponse,
        model=model,
        follow=FollowAnswer,
    )


def embed(
    model: str,
    inputs: str | Sequence[str],
    *,
    normalize: bool | None = None,
    dimensions: int | None = None,
    truncate: bool | None = None,
    **options: Unpack[RunOptions],
) -> Ask[pb.EmbedResponse, v1.EmbedResponse]:
    """Turn each of *inputs* into a vector: `.embeddings[0].values`."""
    request = fill(
        pb.EmbedRequest(model=model),
        inputs=inputs,
        normalize=normalize,
        dimensions=dimensions,
        truncate=truncate,
        options=options_of(options),
    )
    return _slow("Embed", request, pb.EmbedResponse, model)


def tokenize(
    model: str,
    text: str,
    *,
    add_special: bool = False,
    parse_special: bool | None = None,
    **options: Unpack[RunOptions],
) -> Ask[pb.TokenizeResponse, v1.TokenizeResponse]:
    """Turn *text* into the model's token ids."""
    request = fill(
        pb.TokenizeRequest(model=model, text=text, add_special=add_special),
        parse_special=parse_special,
        options=options_of(options),
    )
    return _slow("Tokenize", request, pb.TokenizeResponse, model)


def detokenize(
    model: str, token_ids: Sequence[int], **options: Unpack[RunOptions]
) -> Ask[pb.DetokenizeResponse, v1.DetokenizeResponse]:
    """Turn *token_ids* into text."""
    request = fill(
        pb.DetokenizeRequest(model=model), token_ids=token_ids, options=options_of(options)
    )
    return _slow("Detokenize", request, pb.DetokenizeResponse, model)


def cancel(*request_ids: str) -> Ask[pb.CancelResponse, v1.CancelResponse]:
    """Stop running or waiting requests of any client."""
    request = pb.CancelRequest(request_ids=request_ids)
    return Ask("InferenceService.Cancel", request, pb.CancelResponse, repeatable=True)


def _slow(name: str, request: Message, answer: type[Answered], model: str) -> Ask[Answered, Any]:
    """Return a call that may load the model and changes nothing."""
    return Ask(
        f"InferenceService.{name}",
        request,
        answer,
        model=model,
        bound_s=SLOW_S,
        repeatable=True,
    )
