"""
`python -m rkd_console.chat.pdftext`: a PDF on stdin, its text as JSON on stdout.

A child of its own: it bounds its own time and memory before it looks at a byte of the file.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys

MAX_PAGES = 500
MAX_CHARACTERS = 1 << 20
MAX_MEMORY_BYTES = 768 << 20
MAX_CPU_S = 25


def text_of(content: bytes) -> dict[str, object]:
    """Return the text of a PDF, how many pages it has and how many were read, or why not."""
    from pypdf import PdfReader  # noqa: PLC0415 - after the bounds are set
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    pieces: list[str] = []
    length = pages = 0
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"text": "", "pages": 0, "read": 0, "why": "it wants a password"}
        pages = len(reader.pages)
        for page in reader.pages[:MAX_PAGES]:
            pieces.append(page.extract_text()[: MAX_CHARACTERS - length])
            length += len(pieces[-1]) + 2
            if length >= MAX_CHARACTERS:
                break
    except MemoryError:
        return {"text": "", "pages": pages, "read": 0, "why": "it wants too much memory"}
    except (
        PyPdfError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
        ArithmeticError,
        OSError,
        NotImplementedError,
        AssertionError,
        ImportError,
    ) as error:  # fmt: skip - whatever a broken file leads a reader to
        if not pieces:
            return {"text": "", "pages": pages, "read": 0, "why": f"{error}"[:200]}
    text = "\n\n".join(pieces).encode("utf-8", "replace").decode()
    return {"text": text.replace("\0", ""), "pages": pages, "read": len(pieces)}


def main() -> None:
    """Bound this process, read, answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    sys.stdout.write(json.dumps(text_of(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
