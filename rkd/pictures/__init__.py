"""Pictures as they come from outside: what a file is, by its first bytes, and how large."""
