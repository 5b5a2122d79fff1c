"""Engines that turn a prompt into tokens."""
