"""
How each row of the table judges a model; pure.

Reasons are clauses behind `NAME cannot be used with this model: `; remedies say what to do without
it and what would make it a yes.
"""

from __future__ import annotations

from collections.abc import Callable

from rkd.capability.ability import Ability, no, yes
from rkd.capability.call_formats import USUAL
from rkd.capability.purpose import Pooling
from rkd.capability.rerank import reads_instruction
from rkd.capability.traits import Traits
from rkd.inference import ContextOverflow, Run, TemplateWay
from rkd.librkllmrt import Family

Judge = Callable[[Traits], Ability]

NO_TEMPLATE = "it has no chat template"
OLD_RUNTIME = "this runtime is older than 1.2.1"
_NEWER_RUNTIME = "install librkllmrt.so 1.2.1 or newer"
_FILES = "put the tokenizer files of the model beside its weights (`rkctl pull` brings them)"
_ADD_TEMPLATE = "give it a TEMPLATE in its Modelfile"

_RERANKERS = (
    "Use a reranker (bge-reranker, Qwen3-Reranker …), or give the model a TEMPLATE that reads "
    "`query` and `document`."
)

ALWAYS_THINKS = no(
    "it always thinks, its chat template has no switch for it", "Leave `thinking` unset."
)
"""What is said of `thinking` false where the template opens the reasoning all the same."""


ON_CPU = "Ask without it, or use a GGUF of the model on the CPU (`--backend cpu`)."
"""What to do about something the NPU's runtime lacks."""


def served(_traits: Traits) -> Ability:
    """Both engines have it."""
    return yes()


def cpu_only(traits: Traits) -> Ability:
    """llama.cpp has it, Rockchip's runtime has not."""
    return no("the NPU's runtime has no such thing", ON_CPU) if traits.on_npu else yes()


def generate(traits: Traits) -> Ability:
    """Everything but encoders goes on behind a prompt."""
    if traits.encoder:
        return no("it is an encoder", "Ask it for embeddings, or use another model.")
    return yes()


def chat(traits: Traits) -> Ability:
    """With a template, or as one text without."""
    ability = generate(traits)
    if not ability.supported:
        return ability
    return yes(template="none" if traits.way is TemplateWay.RAW else traits.way.value)


def vision(traits: Traits) -> Ability:
    """By the projector beside its GGUF, or the encoder beside its .rkllm."""
    if traits.on_npu and not traits.projector:
        return no(
            traits.blind_because.removesuffix(".")
            or "no vision encoder (.rknn) lies beside its .rkllm",
            ON_CPU,
        )
    if not traits.projector:
        return no(
            traits.blind_because.removesuffix(".")
            or "no projector (mmproj) lies beside its weights",
            "Ask a model that sees (`rkctl show` says vision), or put its projector beside its "
            "weights: `rkctl pull` brings it.",
        )
    one = traits.family is not None and traits.family < Family.V1_2_1B1
    return yes(pictures="1" if one else "")


def history(traits: Traits) -> Ability:
    """The runtime's own template takes one user turn."""
    if traits.way is TemplateWay.RUNTIME:
        return no(
            "an assistant or tool turn has no place in the runtime's own template, which is used "
            "without tokenizer files beside the weights and takes one user turn",
            f"Send one user turn; or {_FILES}, or {_ADD_TEMPLATE}.",
        )
    return yes()


def tools(traits: Traits) -> Ability:
    """By what the template reads; the runtime's own can since 1.2.1."""
    template = traits.template(tools=True)
    if template is not None:
        if template.tools:
            return yes(format=template.calls)
        return no(
            "this model's chat template has no place for tools",
            "Ask without tools, or use a model made for them.",
        )
    if traits.way is not TemplateWay.RUNTIME:
        return no(NO_TEMPLATE, f"Ask without tools, or {_ADD_TEMPLATE} that shows them.")
    if _old(traits):
        return no(OLD_RUNTIME, f"Ask without tools; or {_FILES}, or {_NEWER_RUNTIME}.")
    return yes(format=USUAL)


def tool_choice(traits: Traits) -> Ability:
    """A call is forced by a grammar."""
    ability = tools(traits)
    if ability.supported and traits.on_npu:
        return no("its runtime has no grammar to hold a call to", ON_CPU)
    return ability


def thinking(traits: Traits) -> Ability:
    """By the template's switch, or because it opens the reasoning anyway."""
    template = traits.template()
    if template is not None:
        if template.switch or template.think:
            think = template.think
            marks = {"opens": think.open.strip(), "closes": think.close} if think else {}
            return yes(switch=template.switch or "none", **marks)
        return no(
            "it cannot be asked to think, its chat template has no switch for it",
            "Leave `thinking` unset, or use a model made to reason.",
        )
    if traits.way is not TemplateWay.RUNTIME:
        return no(NO_TEMPLATE, f"Leave `thinking` unset, or {_ADD_TEMPLATE} with a switch for it.")
    if _old(traits):
        return no(OLD_RUNTIME, f"Leave `thinking` unset; or {_FILES}, or {_NEWER_RUNTIME}.")
    return yes(switch="enable_thinking")


def asks_thinking(run: Run, traits: Traits) -> bool:
    """Whether *run* needs the switch; the runtime's own template has to be told both ways."""
    told = run.thinking is not None and traits.way is TemplateWay.RUNTIME
    return bool(run.messages) and (run.thinking is True or told)


def thinking_budget(traits: Traits) -> Ability:
    """The reasoning is cut and another request goes on behind its end."""
    if traits.on_npu:
        why = "its runtime cannot be made to end its reasoning"
        return no(why, ON_CPU)
    return yes()


def asks_trimming(run: Run, _traits: Traits) -> bool:
    """Whether *run* wants its oldest turns left out where they do not fit: they are counted."""
    return bool(run.messages) and run.context_overflow is ContextOverflow.TRIM_OLDEST


def reasoning_effort(traits: Traits) -> Ability:
    """A variable of the template."""
    template = traits.template()
    if template is not None and template.effort:
        return yes()
    return no(
        "its chat template knows no reasoning_effort",
        "Leave `reasoning_effort` unset, or limit it with `thinking_budget`.",
    )


def session(traits: Traits) -> Ability:
    """A hint: where nothing can be kept, nothing is, and the answer is the same."""
    if not traits.on_npu:
        return yes(keeps="prompt and answer")
    return yes(keeps="nothing" if traits.way is TemplateWay.RUNTIME else "prompt")


def lora(traits: Traits) -> Ability:
    """The Modelfile names them."""
    if not traits.adapters:
        return no("its Modelfile names no ADAPTER", "Add `ADAPTER file` to its Modelfile.")
    return yes(adapters=", ".join(name for name, _scale in traits.adapters))


def lora_scale(traits: Traits) -> Ability:
    """The NPU's runtime fixes it when an adapter is loaded."""
    why = "a scale of the request's own has no place, the NPU fixes it when it is loaded"
    return _more_of_lora(traits, no(why, ON_CPU))


def asks_lora_scale(run: Run, traits: Traits) -> bool:
    """Whether *run* names an adapter of the model with another scale than its own."""
    own = dict(traits.adapters)
    return any(name in own and scale != own[name] for name, scale in run.lora)


def lora_mix(traits: Traits) -> Ability:
    """The NPU's runtime applies one to a run."""
    return _more_of_lora(traits, no("the NPU runtime applies one to a run", "Name one of them."))


def _more_of_lora(traits: Traits, on_npu: Ability) -> Ability:
    ability = lora(traits)
    return on_npu if ability.supported and traits.on_npu else ability


def embed(traits: Traits) -> Ability:
    """Every model has a last state; a ranker has no vector."""
    if traits.pooling is Pooling.RANK:
        return no("it ranks pairs of texts", "Use an embedding model.")
    if not traits.embeddings:
        return no("it was loaded without embeddings", "Load it with them.")
    size = str(traits.vector_size) if traits.vector_size else ""
    return yes(pooling=traits.pooling.name.lower(), dimensions=size)


def truncate(traits: Traits) -> Ability:
    """A text is cut by its tokens."""
    ability = embed(traits)
    return ability if not ability.supported else _by_tokens(traits, yes())


def fim(traits: Traits) -> Ability:
    """By a template that reads `suffix`, or by the vocabulary's tokens for it."""
    ability = generate(traits)
    if not ability.supported:
        return ability
    if traits.fills_by_template:
        return yes(filled_by="template")
    if traits.infill is None:
        return no(
            "its vocabulary has no tokens for a beginning, an end and what is between, and its "
            "template reads no `suffix`",
            "Use a model trained to fill in (Qwen2.5-Coder, StarCoder2, DeepSeek-Coder …), or give "
            "it a TEMPLATE that reads `.Suffix`.",
        )
    first = "suffix" if traits.infill.suffix_first else "prefix"
    return _by_tokens(traits, yes(filled_by="tokens", first=first))


def rerank(traits: Traits) -> Ability:
    """By a head that scores, or by yes and no behind a template of query and document."""
    if traits.head:
        return yes(scored_by="head")
    if traits.pooling is Pooling.RANK:
        return no("its file says it ranks, and brings no head that scores", "Convert it anew.")
    if traits.encoder:
        return no("it is an encoder without a head that scores", _RERANKERS)
    return _by_tokens(traits, _by_answer(traits))


def _by_answer(traits: Traits) -> Ability:
    """Whether it can be asked if a document answers a query."""
    if traits.family is not None and traits.family < Family.V1_2_0:
        why = "this runtime is older than 1.2.0 and gives no logits"
        return no(why, f"{ON_CPU} Or {_NEWER_RUNTIME}.")
    if not traits.rank_template:
        return no("it has neither a head that scores nor a template of a reranker", _RERANKERS)
    return yes(scored_by="answer")


def instruction(traits: Traits) -> Ability:
    """A place in the template of a reranker."""
    ability = rerank(traits)
    if not ability.supported or (traits.rank_template and reads_instruction(traits.rank_template)):
        return ability
    return no("nothing of it reads one", "Leave it unset, or put what you mean into the query.")


def tokenize(traits: Traits) -> Ability:
    """The NPU's runtime has no such function; rkd does it with the files beside the weights."""
    return _by_tokens(traits, yes())


def _by_tokens(traits: Traits, otherwise: Ability) -> Ability:
    if not traits.tokenizer:
        return no(
            "there is no tokenizer.json beside its weights",
            f"{_FILES[0].upper()}{_FILES[1:]}, or use a GGUF of it on the CPU (`--backend cpu`).",
        )
    return otherwise


def _old(traits: Traits) -> bool:
    return traits.family is not None and traits.family < Family.V1_2_1
