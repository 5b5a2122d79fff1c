"""
The one table of capabilities: each row says yes or no of a model on a backend, and who needs it.

`Show` and `accepted` tell what the rows say; the daemon before a request waits, and the backend
before it runs, refuse by the same rows. A new capability is a row here and a field of
`Capabilities` in the proto (a sampling parameter of `modelfile/sampling.py` gets its row by
itself); tests hold both and docs/capabilities.md together, and try each ability on the engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rkd.capability import judges
from rkd.capability.ability import Ability, refusal
from rkd.capability.template import TemplateTraits
from rkd.capability.traits import Traits
from rkd.inference import Run, Sampling, TemplateWay
from rkd.model import BackendKind
from rkd.modelfile.sampling import SAMPLING, SamplingParameter


def _never(_run: Run, _traits: Traits) -> bool:
    """Another call than a run asks for it: `require` is for those."""
    return False


def _held(run: Run, traits: Traits) -> bool:
    """Whether it has to be held while it is made; on the NPU it may be tried and judged."""
    return not (traits.on_npu and run.structured_tries)


@dataclass(frozen=True, slots=True)
class CapabilityRow:
    """
    One row.

    Args:
        name: of the capability, of the field in the proto, and in the metadata of a refusal.
        help: what it is, for people: a clause.
        judge: says yes or no of a model.
        asked: whether a run needs it.
        sampling: it is a parameter of `SamplingOptions`.
    """

    name: str
    help: str
    judge: Callable[[Traits], Ability]
    asked: Callable[[Run, Traits], bool] = _never
    sampling: bool = False

    def of(self, traits: Traits) -> Ability:
        """Say yes or no of a model; what a run asks for takes a model that generates."""
        generates = judges.generate(traits)
        if self.asked is not _never and not generates.supported:
            return generates
        return self.judge(traits)


def _of_sampling(row: SamplingParameter) -> CapabilityRow:
    def asked(run: Run, _traits: Traits) -> bool:
        # Of what is off, nothing is asked; what is on is refused by its own name.
        return not row.of and getattr(run.sampling, row.name) not in (None, row.off)

    if row.on_npu:
        return CapabilityRow(row.name, row.help, judges.served, asked, sampling=True)
    return _cpu_only(row.name, row.help, asked, sampling=True)


def _cpu_only(
    name: str, help_: str, asked: Callable[[Run, Traits], bool], *, sampling: bool = False
) -> CapabilityRow:
    return CapabilityRow(name, help_, judges.cpu_only, asked, sampling=sampling)


_ROW = CapabilityRow
# fmt: off
ROWS: tuple[CapabilityRow, ...] = (
    _ROW("generate", "text that goes on behind a prompt", judges.generate,
         lambda _run, _traits: True),
    _ROW("chat", "answers to a conversation", judges.chat, lambda run, _traits: bool(run.messages)),
    _ROW("history", "turns of the assistant and of tools in the conversation", judges.history,
         lambda run, _: any(turn.role not in {"system", "user"} for turn in run.messages)),
    _ROW("vision", "pictures in prompts and turns of the user", judges.vision,
         lambda run, _traits: bool(run.media)),
    _ROW("tools", "tools the model may call", judges.tools,
         lambda run, _traits: bool(run.tools)),
    _ROW("tool_choice", "a call that is made in any case, and keeps its schema", judges.tool_choice,
         lambda run, traits: run.forces_call and _held(run, traits)),
    _ROW("thinking", "reasoning apart from the answer, asked for", judges.thinking,
         judges.asks_thinking),
    _ROW("thinking_budget", "reasoning ended after so many tokens", judges.thinking_budget,
         lambda run, _traits: run.thinking_budget is not None),
    _ROW("reasoning_effort", "how much to reason, in the template's own words",
         judges.reasoning_effort, lambda run, _traits: bool(run.reasoning_effort)),
    _ROW("context_overflow", "a conversation longer than the context trimmed", judges.tokenize,
         judges.asks_trimming),
    _ROW("fim", "a gap between a beginning and an end filled in (`suffix`)", judges.fim,
         lambda run, _traits: run.suffix is not None),
    _cpu_only("grammar", "an answer held to a GBNF grammar",
              lambda run, _traits: bool(run.sampling.grammar)),
    _cpu_only("json_schema", "an answer held to a JSON schema",
              lambda run, traits: run.sampling.json_schema is not None and _held(run, traits)),
    _cpu_only("regex", "an answer that matches a regular expression",
              lambda run, traits: run.sampling.regex is not None and _held(run, traits)),
    _cpu_only("choices", "an answer that is one of several texts",
              lambda run, traits: bool(run.sampling.choices) and _held(run, traits)),
    _cpu_only("ignore_eos", "going on where the model would end",
              lambda run, _traits: bool(run.sampling.ignore_eos)),
    _cpu_only("logit_bias", "a bias on single tokens",
              lambda run, _traits: bool(run.sampling.logit_bias)),
    _ROW("n", "several answers to one request", judges.served,
         lambda run, _traits: run.answers > 1),
    *(_of_sampling(row) for row in SAMPLING),
    _ROW("session", "a named conversation's cache kept on disk", judges.session,
         lambda run, _traits: run.session is not None),
    _ROW("lora", "LoRA adapters chosen by a request", judges.lora,
         lambda run, _traits: bool(run.lora)),
    _ROW("lora_scale", "another scale of an adapter than the Modelfile's", judges.lora_scale,
         judges.asks_lora_scale),
    _ROW("lora_mix", "several adapters in one run", judges.lora_mix,
         lambda run, _traits: len(run.lora) > 1),
    _ROW("embed", "vectors of texts", judges.embed),
    _ROW("truncate", "texts too long to embed cut instead of refused", judges.truncate),
    _ROW("rerank", "documents scored against a query", judges.rerank),
    _ROW("instruction", "what makes a document relevant, said by a request", judges.instruction),
    _ROW("tokenize", "text into token ids", judges.tokenize),
    _ROW("detokenize", "token ids into text", judges.tokenize),
)
# fmt: on
_BY_NAME = {row.name: row for row in ROWS}


def abilities(traits: Traits) -> dict[str, Ability]:
    """What every row says of a model, in the order of the table."""
    return {row.name: row.of(traits) for row in ROWS}


def supports(name: str, traits: Traits) -> bool:
    """Whether the capability *name* is there."""
    return _BY_NAME[name].of(traits).supported


def require(name: str, traits: Traits) -> None:
    """
    Refuse what needs the capability *name* where it is not there.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED.
    """
    ability = _BY_NAME[name].of(traits)
    if not ability.supported:
        raise refusal(name, ability)


def require_of_template(name: str, template: TemplateTraits) -> None:
    """
    Refuse what *template* has no place for; see `require`.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED.
    """
    require(name, Traits(BackendKind.CPU, way=TemplateWay.MODEL, plain=template))


def lacking(run: Run, traits: Traits) -> tuple[str, ...]:
    """Name what *run* itself needs and is not there; what is only the Modelfile's wish is left."""
    own = traits.overridden(run.template)
    asked = (row.name for row in ROWS if row.asked(run, own))
    return missing((name for name in asked if name not in run.sampling.of_model), own)


def missing(names: Iterable[str], traits: Traits) -> tuple[str, ...]:
    """Those of *names* that are not there, in their order."""
    return tuple(name for name in names if not supports(name, traits))


def refuse(run: Run, traits: Traits) -> None:
    """
    Refuse *run* when it needs what is not there.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, the first such capability of the table.
    """
    for name in lacking(run, traits)[:1]:
        require(name, traits.overridden(run.template))


def in_vain(run: Run, traits: Traits) -> tuple[str, ...]:
    """Say for people what only the Modelfile asks for, and is not there."""
    said = []
    for row in ROWS:
        if row.name in run.sampling.of_model and row.asked(run, traits):
            ability = row.of(traits)
            if not ability.supported:
                said.append(f"{row.name} of the Modelfile has no effect: {ability.reason}")
    return tuple(said)


def refuse_sampling(sampling: Sampling, traits: Traits) -> None:
    """
    Refuse *sampling* when it needs what is not there; see `refuse`.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED.
    """
    refuse(Run(sampling=sampling), traits)
