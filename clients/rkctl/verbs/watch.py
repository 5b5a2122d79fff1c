"""`rkctl watch`: what happens on the board, as it happens."""

from __future__ import annotations

from datetime import UTC

import click
from rkd_client.verbs import models as ask

from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import models_pb2 as pb

_TOPICS = ("model", "resident", "operation", "system")


@verb("watch")
@click.option("--topic", "topics", multiple=True, type=click.Choice(_TOPICS), help="Only these.")
@click.option("--since", type=click.IntRange(min=0), metavar="REVISION", help="Begin there.")
def watch(session: CommandSession, topics: tuple[str, ...], since: int | None) -> None:
    """Print changes of models, residents and operations until Ctrl-C."""
    with session.stream(ask.watch(*topics, since=since)) as events:
        for event in events:
            if not event.topic:  # a sign of life
                continue
            render.out(render.to_json(event) if session.json else line(event))


def line(event: pb.WatchResponse) -> str:
    """Return *event* as a line: revision, local time, what, whom, facts."""
    moment = event.time.ToDatetime(UTC).astimezone().strftime("%H:%M:%S")
    facts = " ".join(f"{key}={value}" for key, value in sorted(event.detail.items()) if value)
    what = f"{event.topic} {event.action}"
    return f"{event.revision:>6}  {moment}  {what:<20}  {event.subject}  {facts}".rstrip()
