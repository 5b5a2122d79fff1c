"""What people write with LiteLLM, by way of both dialects; prints what came, as JSON."""

import json
import sys

import litellm

url = sys.argv[1]
said = {}
turns = [{"role": "user", "content": "Hi"}]
for name, model, base in (
    ("ollama", "ollama_chat/tiny", url),
    ("openai", "openai/tiny", f"{url}/v1"),
):
    asked = {"model": model, "messages": turns, "api_base": base, "api_key": "none"}
    whole = litellm.completion(**asked, max_tokens=6, temperature=0)
    pieces = [
        one.choices[0].delta.content or ""
        for one in litellm.completion(**asked, max_tokens=6, temperature=0, stream=True)
    ]
    said[name] = {
        "whole": whole.choices[0].message.content,
        "pieces": "".join(pieces),
        "counted": whole.usage.completion_tokens,
        "reason": whole.choices[0].finish_reason,
    }
vectors = litellm.embedding(model="ollama/tiny", input=["a", "b"], api_base=url)
said["vectors"] = len(vectors.data)
print(json.dumps(said))
