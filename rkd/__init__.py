"""rkd: an always-on LLM service for RK3588 boards."""

__version__ = "0.1.0"
