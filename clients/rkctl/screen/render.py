"""
How data is shown: tables, pairs, sizes, durations, JSON.

On a terminal tables are headed in bold and laid out for its width; elsewhere they are plain
aligned text, whole and without colour. Control characters of foreign texts never reach a terminal.
Sizes are decimal everywhere, as disks and the Hub count: 1 GB is 10^9 bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click
from rkd_client import quantity

from rkctl.screen import layout

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

_CONTROLS = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}"
)
NARROWEST = 20
"""Text is broken into lines of at least this many columns: less is for the terminal to do."""


def to_json(message: Message) -> str:
    """
    Return *message* as one line of JSON: the proto's field names, every field also when empty.

    Numbers are numbers, times RFC 3339, durations `1.5s`, enums their names; an `optional` field
    and a member of a `oneof` appear only when set.
    """
    from google.protobuf import json_format  # noqa: PLC0415 - only --json pays for it

    plain = json_format.MessageToDict(
        message,
        always_print_fields_with_no_presence=True,
        preserving_proto_field_name=True,
        unquote_int64_if_possible=True,
    )
    return json.dumps(plain, ensure_ascii=False)


def out(text: str) -> None:
    """Print a line of data, at once."""
    click.echo(clean(text) if sys.stdout.isatty() else text)


def paragraph(text: str) -> None:
    """Print a sentence of data; on a terminal broken between words."""
    for line in lines_of(text, 0):
        click.echo(line)


def note(text: str) -> None:
    """Print a line for the user that is no data."""
    # Not click.echo: another stream takes the place of sys.stderr while bars are shown, and click
    # would write past it, into the bars.
    sys.stderr.write(f"{clean(text)}\n")
    sys.stderr.flush()


def told(text: str) -> None:
    """Print a sentence for the user, broken between words on a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    for line in [text] if columns is None else layout.wrapped(text, max(NARROWEST, columns)):
        note(line)


def left(value_s: float) -> str:
    """Return how long something will still take, in whole seconds: nobody waits 697 ms."""
    return f"{quantity.seconds(max(1.0, float(round(value_s))))} left"


def clean(text: str) -> str:
    """Return *text* without what a terminal would obey."""
    return text.translate(_CONTROLS)


def styled(text: str, *, stream: TextIO | None = None, **style: Any) -> str:
    """Return *text* in *style* where *stream*, else stdout, shows one: a terminal, no NO_COLOR."""
    stream = stream or sys.stdout
    if not text or not stream.isatty() or not _has_styles():
        return text
    return click.style(text, **style)


def is_live(stream: TextIO) -> bool:
    """Tell whether *stream* is a terminal on which lines can be written anew."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def shows(text: str, stream: TextIO) -> bool:
    """Tell whether the encoding of *stream* has every character of *text*."""
    # What stands before stderr while bars are drawn names no encoding.
    encoding = stream.encoding or getattr(sys.__stdout__, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _has_styles() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def room() -> int | None:
    """Return the columns of the terminal on stdout; None when there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* under *columns*; a column whose name begins with `>` holds numbers."""
    listed = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    head, lines = layout.table(columns, listed, room())
    for line in head:
        click.echo(styled(line, bold=True))
    for line in lines:
        click.echo(line)


def by_board(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Print rows under *columns*, each with its board first where any has one."""
    listed = list(rows)
    if any(board for board, _ in listed):
        table(("BOARD", *columns), [(board, *cells) for board, cells in listed])
    else:
        table(columns, [cells for _, cells in listed])


def lines_of(text: str, indent: int) -> list[str]:
    """Return *text* in lines; on a terminal broken between words, for what stands *indent* in."""
    plain, columns = clean(text).rstrip("\n"), room()
    if columns is None:
        return plain.splitlines() or [""]
    return layout.wrapped(plain, max(NARROWEST, columns - indent))


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Print `name  value` lines, values aligned, those without value left out."""
    shown = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        lines = lines_of(value, width + 2)
        click.echo(f"{styled(name.ljust(width), bold=True)}  {lines[0]}".rstrip())
        for line in lines[1:]:
            click.echo(f"{' ' * width}  {line}".rstrip())


def duration(value: Duration) -> str:
    """Return a protobuf duration in words."""
    return quantity.seconds(value.ToNanoseconds() / 1e9)


def ago(moment: Timestamp, now: datetime | None = None) -> str:
    """Return how long ago *moment* was; `-` where none is set."""
    if not moment.seconds:
        return "-"
    past_s = ((now or datetime.now(UTC)) - moment.ToDatetime(UTC)).total_seconds()
    for limit_s, unit in ((86400 * 365, "year"), (86400, "day"), (3600, "hour"), (60, "minute")):
        if past_s >= limit_s:
            number = int(past_s // limit_s)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def until(moment: Timestamp, now: datetime | None = None) -> str:
    """Return how long it is until *moment*."""
    left_s = (moment.ToDatetime(UTC) - (now or datetime.now(UTC))).total_seconds()
    return f"in {quantity.seconds(left_s)}" if left_s > 0 else "now"


def word(name: str, prefix: str) -> str:
    """Return an enum value as a word: `MODEL_STATE_NEEDS_MODELFILE` -> `needs modelfile`."""
    rest = name.removeprefix(prefix).replace("_", " ").lower()
    return "" if rest == "unspecified" else rest


def markdown(text: str) -> None:
    """Print Markdown as it is written, broken between words; headings stand out on a terminal."""
    for line in lines_of(text, 0):
        click.echo(styled(line, bold=line.startswith("#")))
