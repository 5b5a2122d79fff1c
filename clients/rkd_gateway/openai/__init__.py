"""The dialect of OpenAI: its paths, fields and shapes."""
