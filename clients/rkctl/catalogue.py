"""
All verbs by name, with what the help says of each; and the verbs other tools taught people.

Nothing is imported for it: a verb's module is, when it is used. A test compares the lines here
with the verbs' own help.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """
    One line of the help.

    Args:
        place: `module:command` below `rkctl.verbs`.
        group: under which heading it stands.
        help: its first sentence, or a shorter one.
    """

    place: str
    group: str
    help: str


ASK, MODELS, MEMORY, HUB, BOARD, ACCESS, HERE = GROUPS = (
    "Ask a model",
    "Models on the board",
    "Models in memory",
    "The Hub, and what takes long",
    "The board",
    "Who may, and which board",
    "This program",
)

VERBS: dict[str, Verb] = {
    "run": Verb("run:run", ASK, "Ask a model, or chat with it."),
    "chat": Verb("chat:chat", ASK, "Answer the next turn of a conversation."),
    "generate": Verb("generate:generate", ASK, "Continue a prompt."),
    "embed": Verb("tokens:embed", ASK, "Print vectors of texts."),
    "rerank": Verb("tokens:rerank", ASK, "Sort documents by how well they answer a query."),
    "tokenize": Verb("tokens:tokenize", ASK, "Print the token ids of a text."),
    "detokenize": Verb("tokens:detokenize", ASK, "Print the text of token ids."),
    "list": Verb("models:list_models", MODELS, "List the models (also ls)."),
    "show": Verb("show:show", MODELS, "Show everything about a model."),
    "create": Verb("create:create", MODELS, "Make a model as a Modelfile says."),
    "cp": Verb("models:copy", MODELS, "Copy a model; the weights are shared."),
    "rm": Verb("models:remove", MODELS, "Delete models."),
    "lint": Verb("lint:lint", MODELS, "Check Modelfiles; needs no daemon."),
    "migrate": Verb("models:migrate", MODELS, "Move weights lying flat into folders."),
    "ps": Verb("residents:ps", MEMORY, "List the models in memory."),
    "load": Verb("residents:load", MEMORY, "Make a model resident."),
    "stop": Verb("residents:stop", MEMORY, "Let models leave memory."),
    "pin": Verb("residents:pin", MEMORY, "Keep a model in memory."),
    "unpin": Verb("residents:unpin", MEMORY, "Take the pin of a model away."),
    "sessions": Verb("sessions:sessions", MEMORY, "List and remove what is kept of chats."),
    "search": Verb("hub:search", HUB, "Find models on the Hub."),
    "files": Verb("hub:files", HUB, "List a repository's weights, with a verdict for this board."),
    "card": Verb("hub:card", HUB, "Show a repository's model card."),
    "pull": Verb("hub:pull", HUB, "Download a model."),
    "push": Verb("hub:push", HUB, "Upload a model."),
    "ops": Verb("ops:ops", HUB, "List, attach, cancel, pause, resume what goes on."),
    "status": Verb("system:status", BOARD, "Show versions, NPU, memory, temperatures."),
    "top": Verb("top:top", BOARD, "The same and what runs, live."),
    "doctor": Verb("doctor:doctor", BOARD, "Find what is wrong, with one remedy each."),
    "verify": Verb("verify:verify", BOARD, "Prove what is assumed of this board."),
    "watch": Verb("watch:watch", BOARD, "Print what changes, as it does."),
    "bench": Verb("bench:bench", BOARD, "Measure how fast a model answers."),
    "reload": Verb("system:reload", BOARD, "Let the daemon read its settings anew."),
    "fleet": Verb("fleet:fleet", ACCESS, "Ask all boards at once."),
    "context": Verb("context:context", ACCESS, "Name boards, and choose one."),
    "token": Verb("token:token", ACCESS, "Make, list and revoke access tokens."),
    "cert": Verb("cert:cert", ACCESS, "Make certificates for TLS."),
    "completion": Verb("completion:completion", HERE, "Print what makes a shell complete."),
    "version": Verb("version:version", HERE, "Print the version."),
}
"""In the order of the help."""

ALIASES = {
    "ls": "list",
    "models": "list",
    "info": "show",
    "delete": "rm",
    "remove": "rm",
    "copy": "cp",
    "download": "pull",
    "upload": "push",
    "unload": "stop",
}
"""What other tools call a verb of ours."""

HIDDEN = {"mv": "models:move", "help": "help:help_"}
"""Verbs that stand in no list."""

_SERVICE = "the daemon is a service that is always on"

ELSEWHERE: dict[str, tuple[str, str]] = {
    "serve": (_SERVICE, "start it: systemctl start rkd (as a service) or rkd (by hand)"),
    "start": (_SERVICE, "start it: systemctl start rkd; load a model: rkctl load MODEL"),
    "restart": (_SERVICE, "restart it: systemctl restart rkd"),
    "logs": ("the log is the system's", "read it: journalctl -u rkd -f"),
    "login": (
        "nobody logs in here",
        "for the Hub: HF_TOKEN in /etc/rkd/rkd.env; for a board: rkctl context add --token",
    ),
    "config": (
        "settings are the daemon's",
        "see what is in force: rkd --check-config; change /etc/rkd/rkd.toml, then rkctl reload",
    ),
    "update": ("rkd is updated where it was installed", "there: git pull && sudo ./install.sh"),
    "exit": ("this is no conversation", "begin one: rkctl run MODEL"),
}
"""What other tools do by a verb and rkd does not: why, and what to type."""

ELSEWHERE |= {"signin": ELSEWHERE["login"], "logout": ELSEWHERE["login"]}
