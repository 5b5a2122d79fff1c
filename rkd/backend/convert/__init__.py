"""Checkpoints to GGUF, without torch."""
