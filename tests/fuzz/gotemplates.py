"""Go templates by grammar: whole ones, nested ones, and ones with a single thing wrong."""

from __future__ import annotations

from random import Random

EXAMPLES = (
    b"{{ if .System }}<|s|>{{ .System }}{{ end }}<|u|>{{ .Prompt }}<|a|>{{ .Response }}",
    b"{{- range $i, $_ := .Messages }}{{ if eq .Role `user` }}{{ .Content }}{{ end }}{{- end }}",
    b'{{ $l := "" }}{{ range .Messages }}{{ $l = .Role }}{{ end }}{{ if ne $l "user" }}x{{ end }}',
    b"{{ with .Tools }}{{ range . }}{{ json .Function }}{{ else }}none{{ end }}{{ end }}",
    b'{{/* note */}}{{ if and (gt (len .Messages) 1) (not .Think) }}{{ "a\\n" }}{{ end }}',
    b"{{ if .Think }}a{{ else if .System }}b{{ else }}c{{ end }}",
    b"{{ range $i, $_ := .Messages }}{{ if eq (len (slice $.Messages $i)) 1 }}x{{ end }}{{ end }}",
)
WORDS = (
    *(
        b"{{ ",
        b" }}",
        b"{{- ",
        b" -}}",
        b"{{",
        b"}}",
        b"{{/*",
        b"*/}}",
        b"{{ end }}",
        b"{{ else }}",
    ),
    *(b"{{ else if .System }}", b"{{ if ", b"{{ with ", b"{{ range ", b" := ", b" = ", b"$x", b"$"),
    *(
        b".System",
        b".Messages",
        b".Tools",
        b".Role",
        b"(eq ",
        b"(or ",
        b"(and ",
        b"(len ",
        b"(not ",
    ),
    *(b"(slice ", b"(index ", b"|", b"| json", b"nil", b"true", b"``", b'""', b'"\\x"', b"`", b'"'),
)
_DEPTHS = (1, 2, 3, 3, 4, 6, 12)
_ATOMS = (
    ".System",
    ".Prompt",
    ".Messages",
    ".Tools",
    ".Think",
    "$x",
    ".",
    '"a"',
    "`b`",
    "1",
    "true",
)
_MANY = ("eq", "and", "or", "ne", "lt", "gt", "slice", "index")
_ONE = ("len", "not", "json", "print", "currentDate")


def template(random: Random) -> bytes:
    """Return a template: most of them whole, none too large."""
    return _nodes(random, random.choice(_DEPTHS)).encode()[:20_000]


def _nodes(random: Random, depth: int) -> str:
    return "".join(_node(random, depth) for _ in range(random.choice((1, 1, 2, 3))))


def _node(random: Random, depth: int) -> str:
    if depth <= 0:
        return random.choice((" text ", "{{ .Prompt }}", "{{ .Content }}", "\n"))
    value, inside = _expression(random, depth), _nodes(random, depth - 1)
    other = _nodes(random, depth - 2)
    shapes = (
        f"{{{{ if {value} }}}}{inside}{{{{ end }}}}",
        f"{{{{- if {value} -}}}}{inside}{{{{ else }}}}{other}{{{{ end }}}}",
        f"{{{{ range $i, $x := {value} }}}}{inside}{{{{ end }}}}",
        f"{{{{ with {value} }}}}{inside}{{{{ end }}}}",
        f"{{{{ $x := {value} }}}}{inside}",
        f"{{{{ {value} }}}}{inside}",
    )
    return random.choice(shapes)


def _expression(random: Random, depth: int) -> str:
    if depth <= 0 or random.random() < 0.3:
        return random.choice(_ATOMS)
    if random.random() < 0.3:
        return f"({random.choice(_ONE)} {_expression(random, depth - 1)})"
    width = random.choice((2, 2, 3))
    arguments = " ".join(_expression(random, depth - 1) for _ in range(width))
    return f"({random.choice(_MANY)} {arguments})"
