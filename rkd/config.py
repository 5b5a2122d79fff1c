"""
The configuration: `/etc/rkd/rkd.toml`, then `RKD_*`, as one frozen dataclass, read once.

Every setting is a field of `Config`, which says beside its type how text becomes a value, the
default, and what it means; `docs/configuration.md` holds the same table, compared by a test. Only
`daemon/` reads this; the rooms get plain values.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

from rkd import kvcache
from rkd.errors import InvalidInputError, Reason, Violation
from rkd.outside import quoted, shown
from rkd.setting import (
    Listen,
    boolean,
    byte_count,
    bytes_up_to,
    choice,
    duration,
    fraction,
    integer,
    listen_addresses,
    loopback_address,
    path,
    paths,
    required,
    text,
    wait,
    web_address,
    words,
)
from rkd.setting import board_name as label

DEFAULT_FILE = Path("/etc/rkd/rkd.toml")
DEFAULT_PORT = 7588
MAX_FILE_BYTES = 64 * 1024
"""Every setting with a comment of its own takes five."""
MAX_LINE_BYTES = 8 * 1024
"""Longer than every value may be. tomllib takes the square of a dotted key's length."""
UNNAMED = re.compile(r"[^A-Za-z0-9._-]")
"""What a host may be called by and a board not."""
MAX_PROBLEMS = 10
"""So many are told, the rest are counted."""
SECRET = frozenset({"hf_token", "hf_endpoint"})
"""Never repeated; an address may hold a password."""
MADE_TOKENS = "tokens"
"""Of the state directory: tokens made over the wire."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What is said of one setting.

    Args:
        key: in the file and in `Config`.
        variable: in the environment, or "" when the file alone may set it.
        parse: text or TOML value to value; raises ValueError saying what is allowed.
        default: as text; the words in `defaults` are resolved for the running user.
        live: applied by a reload without restart.
        meaning: one line for people.
    """

    key: str
    variable: str
    parse: Callable[[object], object]
    default: str
    live: bool
    meaning: str


def once(
    parse: Callable[[object], _Value],
    default: str,
    meaning: str,
    *,
    variable: str | None = None,
    live: bool = False,
) -> _Value:
    """Say what a field of `Config` is, read once; its variable is `RKD_` and its name, or else."""
    said = {"parse": parse, "default": default, "meaning": meaning, "live": live}
    found: _Value = field(metadata=said if variable is None else said | {"variable": variable})
    return found


live = partial(once, live=True)
"""A field that a reload applies."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, validated: each field with its reader, default and meaning."""

    models: Path = once(required(path), "~/RKLLAMA/models", "Folder of the models.")
    listen: tuple[Listen, ...] = once(
        listen_addresses, "(socket),127.0.0.1:7588", "Where to listen; port 0 is any."
    )
    board_name: str = once(label, "(hostname)", "What answers call this board, among several.")
    state_dir: Path = once(required(path), "(state)", "Operations, measured memory, caches.")
    rkllm_library: tuple[Path, ...] = once(
        paths, "", "librkllmrt.so, or several by colons; empty: look."
    )
    rkllm_version: str = once(
        text, "", "Version to assume for a library that does not tell its own."
    )
    rknn_library: Path | None = once(
        path, "", "librknnrt.so, for encoders of pictures; empty: look."
    )
    rknn_cores: int = once(
        integer(0, 7), "0", "Mask of the NPU cores encoders run on; 0: all alike."
    )
    backend: str = live(choice("auto", "npu", "cpu"), "auto", "Where models run.")
    max_resident: int = live(integer(0, 64), "0", "Most models in memory; 0: as fit.")
    memory_fraction: float = live(fraction, "0.8", "Part of all memory models may take.")
    memory_reserve: int = live(byte_count, "256M", "Memory never given to models.")
    keep_alive: float = live(duration, "5m", "How long an idle model stays; -1: for ever.")
    max_queue: int = live(integer(1, 100_000), "64", "Most requests that may wait.")
    parallel: int = live(integer(1, 64), "1", "Slots of a CPU model.")
    npu_parallel: int = once(integer(1, 3), "1", "Runs on the NPU at a time, all models.")
    max_context: int = live(integer(64, 1 << 20), "4096", "Context of a slot, tokens.")
    kv_cache_type: str = live(choice(*kvcache.CHOICES), kvcache.AUTO, "KV cache.")
    max_pictures: int = live(integer(0, 64), "8", "Most pictures in a request.")
    max_picture_megapixels: int = live(integer(1, 250), "40", "Largest picture.")
    max_picture_bytes: int = live(bytes_up_to(12 << 20), "12M", "Pictures of a request.")
    max_image_tokens: int = live(
        integer(0, 16_384), "1024", "Most tokens a picture becomes on the CPU; 0: the model's own."
    )
    prompt_cache: int = live(byte_count, "256M", "Caches of waiting chats, a CPU model.")
    session_disk: int = live(byte_count, "1G", "Disk for named conversations; 0: none.")
    threads: int = live(integer(0, 256), "0", "CPU threads of an engine; 0: the big cores.")
    omp_wait_policy: str = once(choice("auto", "passive", "active"), "auto", "How threads wait.")
    spare_worker: bool = once(boolean, "true", "Keep one process ready for the next model.")
    llama_server: Path | None = once(path, "", "A native llama-server to use instead of the wheel.")
    llama_server_npu: bool = once(
        boolean, "false", "Let a llama-server that can compute on the NPU."
    )
    confine: bool = once(
        boolean, "true", "Models' workers write and connect nowhere else (Landlock)."
    )
    first_answer: int = live(
        integer(0, 64), "8", "Tokens heard when a model first meets an NPU library; 0: none."
    )
    loop_guard: int = live(
        integer(0, 100_000),
        "400",
        "Tokens of a circle after which an NPU answer is ended; 0: never.",
    )
    load_timeout: float = live(wait(1, 86_400), "5m", "Longest silence of a load.")
    stop_grace: float = live(wait(0, 3_600), "30s", "How long running answers may go on at stop.")
    preload: tuple[str, ...] = once(words, "", "Models to load at start, by commas.")
    token_file: Path | None = once(path, "(tokens)", "Hashed access tokens (see rkctl token).")
    tls_cert: Path | None = once(path, "", "Certificate chain of the TCP listeners (PEM).")
    tls_key: Path | None = once(path, "", "Its key (PEM).")
    tls_client_ca: Path | None = once(path, "", "Clients must show a certificate of this CA (PEM).")
    insecure: bool = once(boolean, "false", "Allow open non-loopback listeners.", variable="")
    metrics_listen: Listen | None = once(
        loopback_address, "", "host:port for Prometheus, loopback; empty: none."
    )
    log_level: str = live(choice("debug", "info", "warning", "error"), "info", "Log level.")
    offline: bool = live(boolean, "false", "Never contact the Hub.")
    sysroot: Path = once(required(path), "/", "Prefix of the board's /proc, /sys and /dev.")
    ready_file: Path | None = once(path, "", "Written when ready: addresses and pid as JSON.")
    hf_endpoint: str = once(
        web_address, "", "Address of the Hub or a mirror.", variable="HF_ENDPOINT"
    )
    hf_token: str = once(text, "", "Token for the Hub; environment only.", variable="HF_TOKEN")
    hf_token_file: Path | None = once(path, "", "File with the token for the Hub.")
    hub_connect_timeout: float = live(wait(0.1, 600), "10s", "Longest wait for the Hub to accept.")
    hub_read_timeout: float = live(wait(0.1, 3_600), "30s", "Longest silence of the Hub.")
    disk_reserve: int = live(byte_count, "512M", "Disk space never filled by downloads.")


SETTINGS = tuple(
    Setting(one.name, **{"variable": f"RKD_{one.name.upper()}", **one.metadata})
    for one in fields(Config)
)


def defaults(environment: Mapping[str, str], user_id: int) -> dict[str, str]:
    """Say every default as text, those that depend on who runs the daemon resolved."""
    home = environment.get("HOME", "").rstrip("/")
    if user_id == 0:
        socket_, state, tokens = "/run/rkd/rkd.sock", "/var/lib/rkd", "/etc/rkd/tokens"
    else:
        runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{user_id}"
        state_home = environment.get("XDG_STATE_HOME") or f"{home}/.local/state"
        socket_, state = f"{runtime}/rkd/rkd.sock", f"{state_home}/rkd"
        tokens = f"{environment.get('XDG_CONFIG_HOME') or f'{home}/.config'}/rkd/tokens"
    listen = f"unix:{socket_},127.0.0.1:7588"
    words_ = {"(state)": state, "(tokens)": tokens, "(socket),127.0.0.1:7588": listen}
    words_["(hostname)"] = UNNAMED.sub("-", socket.gethostname())[:63].strip("-") or "board"
    resolved = {row.key: words_.get(row.default, row.default) for row in SETTINGS}
    return {
        key: value.replace("~", home, 1) if value.startswith("~") else value
        for key, value in resolved.items()
    }


def _from_file(file: Path, *, required: bool) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, PermissionError) as error:
        # the system's file is closed to others: a user's own daemon goes by its defaults
        if not required:
            return {}
        said = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise _refuse([Violation("RKD_CONFIG", f"{_named(file)} {said}")]) from error
    except OSError as error:
        raise _refuse([Violation(_named(file), shown(str(error)))]) from error
    if len(content) > MAX_FILE_BYTES:
        raise _refuse([Violation(_named(file), f"longer than {MAX_FILE_BYTES} bytes")])
    if any(len(line) > MAX_LINE_BYTES for line in content.splitlines()):
        raise _refuse([Violation(_named(file), f"a line is longer than {MAX_LINE_BYTES} bytes")])
    try:
        return tomllib.loads(content.decode())
    except RecursionError as error:
        raise _refuse([Violation(_named(file), "nested too deep")]) from error
    except ValueError as error:  # no TOML, no UTF-8, or a number nobody can read
        raise _refuse([Violation(_named(file), shown(str(error))[:200])]) from error


def _named(file: Path) -> str:
    return shown(str(file))


def _refuse(problems: list[Violation]) -> InvalidInputError:
    violations = tuple(problems[:MAX_PROBLEMS])
    listed = "; ".join(f"{one.field}: {one.description}" for one in violations)
    if len(problems) > MAX_PROBLEMS:
        listed += f"; and {len(problems) - MAX_PROBLEMS} more"
    return InvalidInputError(
        Reason.INVALID_FIELD,
        f"The configuration is wrong: {listed}",
        remedy="Correct it and look at the result with `rkd --check-config`.",
        violations=violations,
    )


def read(environment: Mapping[str, str], *, user_id: int | None = None) -> Config:
    """
    Read file and environment and check everything.

    Args:
        environment: usually `os.environ`.
        user_id: whose defaults apply; the running user's when None.

    Raises:
        InvalidInputError: INVALID_FIELD with the first ten problems found, not only one.
    """
    user = os.geteuid() if user_id is None else user_id
    named = environment.get("RKD_CONFIG", "")
    file = Path(named) if named else DEFAULT_FILE
    given = _from_file(file, required=bool(named))
    known = {row.key for row in SETTINGS if row.key != "hf_token"}
    problems = [
        Violation(f"{_named(file)}: {shown(key[:60])}", "no such setting")
        for key in given
        if key not in known
    ]
    otherwise = defaults(environment, user)
    values: dict[str, object] = {}
    for row in SETTINGS:
        where, raw = f"{_named(file)}: {row.key}", given.get(row.key, otherwise[row.key])
        if row.variable and environment.get(row.variable):
            where, raw = row.variable, environment[row.variable]
        try:
            values[row.key] = row.parse(raw)
        except ValueError as error:
            said = f"the value {error}" if row.key in SECRET else f"{_quoted(raw)} {error}"
            problems.append(Violation(where, said))
    if problems:
        raise _refuse(problems)
    config = Config(**values)  # type: ignore[arg-type] # each row's parse gives its field's type
    problems = _contradictions(config)
    if problems:
        raise _refuse(problems)
    return config


def _quoted(raw: object) -> str:
    """Repeat a value as an error may; a whole number can be too long to be written at all."""
    if isinstance(raw, int) and raw.bit_length() > 64:  # noqa: PLR2004 - 20 digits say enough
        return f"a number of {raw.bit_length()} bits"
    return quoted(raw if not isinstance(raw, str) else raw[:60])


def _contradictions(config: Config) -> list[Violation]:
    """Settings that are right alone and wrong together."""
    found = []
    if (config.tls_cert is None) != (config.tls_key is None):
        found.append(Violation("tls_cert, tls_key", "both or neither must be set"))
    if config.tls_client_ca and not config.tls_cert:
        found.append(Violation("tls_client_ca", "needs tls_cert and tls_key"))
    # whether a file holds a token is judged where it is read (service/gate/auth.py)
    kept = (config.token_file, config.state_dir / MADE_TOKENS)
    has_tokens = any(one and os.path.exists(one) for one in kept)  # noqa: PTH110 - Path's raises where a folder may not be looked into
    guarded = config.tls_cert and (has_tokens or config.tls_client_ca)
    exposed = [str(one) for one in config.listen if not one.is_local]
    if exposed and not guarded and not config.insecure:
        found.append(
            Violation(
                "listen",
                f"{', '.join(exposed)} can be reached by other machines: set tls_cert and tls_key "
                "(rkctl cert init) and token_file (rkctl token create) or tls_client_ca, or write "
                "insecure = true in the configuration file",
            )
        )
    return found


def describe(config: Config) -> str:
    """The effective configuration as TOML, secrets left out, for `rkd --check-config`."""
    lines = []
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name == "hf_token":
            continue
        if isinstance(value, tuple):
            # as an array: libraries are separated by colons in text, the others by commas
            said = json.dumps([str(part) for part in value], ensure_ascii=False)
        elif isinstance(value, bool):
            said = str(value).lower()
        elif value is None:
            said = '""'
        elif isinstance(value, int | float):
            said = f"{value}"
        else:
            clean = _without_password(str(value)) if one.name == "hf_endpoint" else str(value)
            said = json.dumps(clean, ensure_ascii=False)
        lines.append(f"{one.name} = {said}")
    return "\n".join(lines)


def _without_password(address: str) -> str:
    """Return *address* without the name and password in front of its host."""
    scheme, mark, rest = address.partition("://")
    host, slash, path_ = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path_}"
