"""Pictures on their way to an engine: decoded in the worker, and marked in the prompt."""
