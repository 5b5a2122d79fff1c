"""Asking a model, and conversations in a terminal."""
