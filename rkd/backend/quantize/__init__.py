"""GGUF to smaller GGUF."""
