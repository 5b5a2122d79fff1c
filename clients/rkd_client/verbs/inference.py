"""Running models: the answer in pieces, vectors, tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from rkd.v1 import inference_pb2 as pb
from rkd_client.ask import SLOW_S, Ask, StreamAsk
from rkd_client.follow import FollowAnswer
from rkd_client.options import Options, RunOptions, options_of
from rkd_client.parts import parts_of
from rkd_client.turns import tools_of, turns_of
from rkd_client.values import fill

if TYPE_CHECKING:
    from rkd_client.parts import Piece
    from rkd_client.turns import Function, Turn
    from rkd_client.v1 import inference as v1


def generate(
    model: str,
    prompt: str | Iterable[Piece],
    *,
    system: str | None = None,
    raw: bool = False,
    template: str | None = None,
    suffix: str | None = None,
    **options: Unpack[Options],
) -> StreamAsk[pb.GenerateResponse, v1.GenerateResponse]:
    """
    Continue *prompt* with *model*, piece by piece; each piece has its `.text`.

    *system* and *template* take the place of the model's; *raw* sends the prompt as it is. With
    *suffix* the gap between prompt and suffix is filled in. A list holds texts and pictures:
    `["What is this?", Path("cat.jpg")]`, see `rkd_client.parts`.
    """
    plain = isinstance(prompt, str)
    request = fill(
        pb.GenerateRequest(model=model, raw=raw),
        prompt=prompt if plain else None,
        parts=None if plain else parts_of(prompt),
        system=system,
        template=template,
        suffix=suffix,
        options=options_of(options),
    )
    return StreamAsk(request, follow=FollowAnswer)


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

    Turns and tools are `Message` and `Tool`, or dictionaries as OpenAI and Ollama have them;
    a list as content holds texts and pictures, see `rkd_client.parts`.
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
    return StreamAsk(request, follow=FollowAnswer)


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
    return Ask(request, bound_s=SLOW_S, repeatable=True)


def rerank(
    model: str,
    query: str,
    documents: str | Sequence[str],
    *,
    top_n: int | None = None,
    normalize: bool | None = None,
    truncate: bool | None = None,
    instruction: str | None = None,
    **options: Unpack[RunOptions],
) -> Ask[pb.RerankResponse, v1.RerankResponse]:
    """
    Score each of *documents* against *query*, best first: `.results[0].index`, `.score`.

    Scores are probabilities, or with *normalize* False log-odds.
    """
    request = fill(
        pb.RerankRequest(model=model, query=query),
        documents=documents,
        top_n=top_n,
        normalize=normalize,
        truncate=truncate,
        instruction=instruction,
        options=options_of(options),
    )
    return Ask(request, bound_s=SLOW_S, repeatable=True)


def tokenize(
    model: str,
    text: str,
    *,
    add_special: bool = False,
    parse_special: bool | None = None,
    with_pieces: bool | None = None,
    **options: Unpack[RunOptions],
) -> Ask[pb.TokenizeResponse, v1.TokenizeResponse]:
    """Turn *text* into the model's token ids; *with_pieces* tells the bytes of each."""
    request = fill(
        pb.TokenizeRequest(model=model, text=text, add_special=add_special),
        parse_special=parse_special,
        with_pieces=with_pieces,
        options=options_of(options),
    )
    return Ask(request, bound_s=SLOW_S, repeatable=True)


def detokenize(
    model: str,
    token_ids: Sequence[int],
    *,
    with_data: bool | None = None,
    **options: Unpack[RunOptions],
) -> Ask[pb.DetokenizeResponse, v1.DetokenizeResponse]:
    """Turn *token_ids* into text; *with_data* tells the bytes, whole characters or not."""
    request = fill(
        pb.DetokenizeRequest(model=model),
        token_ids=token_ids,
        with_data=with_data,
        options=options_of(options),
    )
    return Ask(request, bound_s=SLOW_S, repeatable=True)


def cancel(*request_ids: str) -> Ask[pb.CancelResponse, v1.CancelResponse]:
    """Stop running or waiting requests of any client."""
    return Ask(pb.CancelRequest(request_ids=request_ids), repeatable=True)
