"""The dialect of Ollama: its paths, fields and shapes."""
