"""Conversations with models: the rooms behind the page `/chat`."""
