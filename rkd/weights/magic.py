"""Name a file by its first bytes: what people hand in where weights were meant."""

from __future__ import annotations

import re

RKLLM_MAGIC = bytes.fromhex("daeeb336")
"""
First bytes of a .rkllm as written by toolkit 1.3.1 (masked `GGUF`).

**Source**: recovered by third parties from 1.3.1 files; older versions are unverified, so an
unknown magic is a warning, never a refusal.
"""

_BEGINNINGS = (
    (b"GGUF", "GGUF"),
    (RKLLM_MAGIC, ".rkllm"),
    # Formats from before GGUF (llama.cpp until August 2023): little-endian words, so reversed.
    (b"lmgg", "an old ggml file"),
    (b"fmgg", "an old ggmf file"),
    (b"tjgg", "an old ggjt file"),
    (b"algg", "an old ggla file"),
    (b"RKNN", "an .rknn file (vision or audio, not a language model)"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a git-lfs pointer (the text that stands for a file not downloaded)",
    ),
    (b"PK\x03\x04", "a PyTorch checkpoint or a zip archive"),
    (b"\x80\x02", "a PyTorch checkpoint of the old kind"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x1f\x8b\x08", "a compressed file (gzip)"),
    (b"\xfd7zXZ\x00", "a compressed file (xz)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b'{"error"', "a refusal of the place it was fetched from"),
    (b"Entry not found", "a refusal of the place it was fetched from"),
    (b"Invalid username or password", "a refusal of the place it was fetched from"),
    (b"Access to model ", "a refusal of the place it was fetched from"),
)
_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?<(?:!doctype|html|head|\?xml)", re.IGNORECASE)


def name(first: bytes) -> str:
    """
    Say in words what begins with *first* (64 bytes are enough), or "" where nothing is recognised.

    `GGUF` and `.rkllm` are the two names that are weights for rkd.
    """
    for beginning, kind in _BEGINNINGS:
        if first.startswith(beginning):
            return kind
    if _HTML.match(first):
        return "a web page"
    # Eight bytes of length, then JSON.
    if first[8:9] == b"{" and first[4:8] == bytes(4):
        return "a safetensors file"
    return ""


WAY_OUT = {
    "old": "Convert the original checkpoint again, or pull a .gguf of the same model.",
    "lfs": "Fetch the file itself: `git lfs pull`, or `rkctl pull hf.co/user/repo`.",
    "page": "Download the file itself, not the page about it.",
    "packed": "Unpack it first, and name the file that was in it.",
    "checkpoint": "Create from the folder that holds the checkpoint: `FROM ./folder`.",
    "": "Name a .gguf file, a .rkllm file, or a folder with a checkpoint.",
}


def way_out(what: str) -> str:
    """Say what to do with a file that is *what* (from `name`) where weights were meant."""
    if what.startswith("an old"):
        return WAY_OUT["old"]
    if "git-lfs" in what:
        return WAY_OUT["lfs"]
    if what == "a web page" or "refusal" in what:
        return WAY_OUT["page"]
    if "compressed" in what or (what.endswith("archive") and "PyTorch" not in what):
        return WAY_OUT["packed"]
    return WAY_OUT["checkpoint" if "PyTorch" in what or "safetensors" in what else ""]
