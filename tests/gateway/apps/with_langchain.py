"""What people write with langchain-ollama; prints what came, as JSON."""

import json
import sys

from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM


@tool
def weather(unit: str) -> str:
    """Look at the weather."""
    return unit


url = sys.argv[1]
chat = ChatOllama(model="tiny", base_url=url, temperature=0, num_predict=6, num_ctx=512, tfs_z=1.0)
whole = chat.invoke("Hi")
pieces = [piece.content for piece in chat.stream("Hi")]
shaped = ChatOllama(
    model="tiny",
    base_url=url,
    format={"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]},
)
called = ChatOllama(model="caller", base_url=url, num_predict=6).bind_tools([weather])
vectors = OllamaEmbeddings(model="tiny", base_url=url)
print(
    json.dumps(
        {
            "whole": whole.content,
            "pieces": "".join(pieces),
            "reason": whole.response_metadata["done_reason"],
            "counted": whole.usage_metadata["output_tokens"],
            "shaped": shaped.invoke("Hi").content,
            "called": called.invoke("Hi").response_metadata["done"],
            "continued": OllamaLLM(model="tiny", base_url=url, num_predict=3).invoke("Hi"),
            "vectors": [len(one) for one in vectors.embed_documents(["a", "b"])],
        }
    )
)
