"""
The apps people have, over HTTP: a gateway that speaks OpenAI's and Ollama's dialects.

A client of the daemon like any other, built on `rkd_client`: `door` judges a request before it is
read, `callers` says with whose rights it goes on, `endpoint` runs one call and ends it when its
client is gone, `openai/` and `ollama/` are one room a dialect over the small files beside them.
"""
