"""Which text of the runtime's tokens is an answer's."""

from __future__ import annotations

from types import SimpleNamespace

from rkd.backend.rkllm.abi_shared import LLMCallState
from rkd.backend.rkllm.answer import CallbackAnswer
from rkd.inference import Chunk, PrefillProgress
from rkd.worker.handle import Handle


def test_special_tokens_show_no_text_but_for_markers() -> None:
    """Those to hide are dropped by id and by text, counted all the same; a marker comes through."""
    heard: list[Chunk | PrefillProgress] = []
    answer = CallbackAnswer(
        handle=Handle(),
        emit=heard.append,
        stops=(),
        max_tokens=0,
        splitter=None,
        stop=lambda: None,
        hidden={7: "<|im_end|>"},
    )
    answer.begin()
    for token, text in ((1, b"a"), (7, b"<|im_end|>"), (9, b"<|im_end|>"), (8, b"<tool_call>")):
        result = SimpleNamespace(text=text, token_id=token)
        answer.on_result(result, LLMCallState.RKLLM_RUN_NORMAL.value)
    answer.finish()

    assert "".join(one.text for one in heard if isinstance(one, Chunk)) == "a<tool_call>"
    assert answer.tokens == 4
