"""OpenAI's `/v1/responses`: answers made of items, and remembered for the next one."""
