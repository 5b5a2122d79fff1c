"""
Some two hundred JSON Schemas of the kinds that public generators make; always the same ones.

Kinds: pydantic, zod-to-json-schema, TypeBox, msgspec and OpenAPI, by hand and multiplied. Where
the engine is known not to hold an answer to one, it is in `BEYOND`, with the place.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

FORMATS = (
    "date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri",
    "idn-email", "iri", "iri-reference", "uri-reference", "uri-template", "json-pointer",
    "relative-json-pointer", "path", "file-path", "password", "binary", "int32", "uuid4", "color",
)  # fmt: skip
PATTERNS = (
    "^[A-Z]{2}-[0-9]{4}$", r"^\d{3}$", r"^\w+$", "^(red|green|blue)$", "abc", "^a", "b$",
    r"^\+?[1-9]\d{1,14}$", "^[^ ]{1,8}$", r"^#(?:[0-9a-f]{3}){1,2}$", r"^v\d+\.\d+\.\d+$", "^a|b$",
    r"^[a-z][a-z0-9_\-]*$", r"^\s*x\s*$", r"^(?:[01]\d|2[0-3]):[0-5]\d$", "^$", r"^\/[a-z]+$",
)  # fmt: skip
STRINGS: tuple[Schema, ...] = (
    {}, {"minLength": 1}, {"maxLength": 8}, {"minLength": 2, "maxLength": 5},
    {"minLength": 3, "maxLength": 3},
)  # fmt: skip
NUMBERS: tuple[Schema, ...] = (
    {}, {"minimum": 0}, {"minimum": -5, "maximum": 5}, {"exclusiveMinimum": 0}, {"maximum": 100},
    {"exclusiveMinimum": 1, "exclusiveMaximum": 9}, {"minimum": 0.5, "maximum": 7.25},
    {"multipleOf": 5}, {"minimum": 1000, "maximum": 1000},
)  # fmt: skip
LEAVES: tuple[Schema, ...] = (
    {"type": "string", "maxLength": 6}, {"type": "integer", "minimum": 0, "maximum": 99},
    {"type": "boolean"}, {"type": "null"},
    {"enum": ["a", "b", 3, None]}, {"const": {"k": [1, "x"]}},
)  # fmt: skip


def loose(**properties: Any) -> Schema:
    """An object that may have these properties."""
    return {"type": "object", "properties": properties}


def obj(**properties: Any) -> Schema:
    """An object of these properties."""
    return {**loose(**properties), "required": list(properties)}


def tagged(tag: str, **properties: Any) -> Schema:
    """One of a union told apart by `kind`."""
    return obj(kind={"const": tag, "type": "string", "title": "Kind"}, **properties)


GENERATED = Path(__file__).parents[1] / "data" / "generated_schemas.json"
"""What pydantic 2.14, zod 4 and TypeBox make of models of every kind they have."""


def generated() -> dict[str, Schema]:
    """Those of generators, by what made them of what; some of them no grammar keeps."""
    found: dict[str, Schema] = json.loads(GENERATED.read_text(encoding="utf-8"))
    return found


def kept() -> Iterator[tuple[str, Schema]]:
    """Yield those an answer can be held to."""
    for name in FORMATS:
        yield f"format {name}", {"type": "string", "format": name}
    for pattern in PATTERNS:
        yield f"pattern {pattern}", {"type": "string", "pattern": pattern}
    for at, bounds in enumerate(STRINGS):
        yield f"string {at}", {"type": "string", **bounds}
    for kind, (at, bounds) in itertools.product(("integer", "number"), enumerate(NUMBERS)):
        yield f"{kind} {at}", {"type": kind, **bounds}
    for at, leaf in enumerate(LEAVES):
        yield f"leaf {at}", leaf
        yield f"required {at}", {**obj(a=leaf), "additionalProperties": False}
        yield f"optional {at}", {**loose(a=leaf, b=LEAVES[0]), "additionalProperties": False}
        yield f"list {at}", {"type": "array", "items": leaf, "minItems": 1, "maxItems": 3}
        yield f"map {at}", {"type": "object", "additionalProperties": leaf, "maxProperties": 2}
        yield f"nullable {at}", {"anyOf": [leaf, {"type": "null"}], "default": None}
        yield f"tuple {at}", {
            "type": "array", "prefixItems": [leaf, LEAVES[2]], "minItems": 2, "maxItems": 2,
        }  # fmt: skip
        yield f"draft 7 tuple {at}", {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array", "items": [leaf, LEAVES[2]], "additionalItems": False, "minItems": 2,
        }  # fmt: skip
    for depth in (1, 2, 4, 8):
        nested: Schema = LEAVES[1]
        for _ in range(depth):
            nested = {**obj(inner=nested), "additionalProperties": False}
        yield f"nested {depth}", nested
    for count in (1, 2, 5, 20):
        yield f"enum {count}", {"enum": [f"value {at}" for at in range(count)]}
        wide = {f"p{at}": LEAVES[at % 4] for at in range(count)}
        yield f"wide {count}", {**obj(**wide), "additionalProperties": False}
        yield (
            f"union {count}",
            {"oneOf": [tagged(f"t{at}", v=LEAVES[at % 6]) for at in range(count)]},
        )
    for first, second in itertools.combinations(range(4), 2):
        yield f"either {first} {second}", {"oneOf": [LEAVES[first], LEAVES[second]]}
        yield f"both {first} {second}", {
            "allOf": [obj(a=LEAVES[first]), obj(b=LEAVES[second])], "type": "object",
        }  # fmt: skip
    yield from _singles()


def _singles() -> Iterator[tuple[str, Schema]]:
    pets = {"Cat": tagged("cat", lives=LEAVES[1]), "Dog": tagged("dog", name=LEAVES[0])}
    refs = [{"$ref": f"#/$defs/{name}"} for name in pets]
    yield "pydantic discriminated", {
        "$defs": pets, "discriminator": {"propertyName": "kind"}, "oneOf": refs,
    }  # fmt: skip
    yield "pydantic model", {
        "$defs": pets, "title": "Owner", "type": "object", "required": ["pet", "age"],
        "properties": {
            "pet": {"anyOf": refs, "title": "Pet"},
            "age": {"type": "integer", "exclusiveMinimum": 0, "maximum": 150, "title": "Age"},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
    }  # fmt: skip
    yield (
        "pydantic Decimal",
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
            ]
        },
    )
    tree = obj(value=LEAVES[1], children={"type": "array", "items": {"$ref": "#"}, "maxItems": 1})
    yield "recursive root", {**tree, "additionalProperties": False}
    yield (
        "recursive list",
        {
            "$ref": "#/definitions/Node",
            "definitions": {
                "Node": obj(
                    v=LEAVES[2], next={"anyOf": [{"$ref": "#/definitions/Node"}, LEAVES[3]]}
                )
            },
        },
    )
    yield (
        "openapi component",
        {
            "$ref": "#/components/schemas/a~1b%20c",
            "components": {
                "schemas": {"a/b c": {"type": "string", "maxLength": 3, "nullable": True}}
            },
        },
    )
    yield "own address", {
        "$id": "https://example.org/s.json", "type": "array", "maxItems": 2,
        "items": {"$ref": "https://example.org/s.json#/$defs/n"}, "$defs": {"n": LEAVES[1]},
    }  # fmt: skip
    yield "zod strict", {
        "$schema": "http://json-schema.org/draft-07/schema#", "additionalProperties": False,
        **obj(id={"type": "string", "format": "uuid"}, tags={"type": "array", "items": LEAVES[0]}),
    }  # fmt: skip
    yield "types", {"type": ["string", "integer", "null"], "maxLength": 4, "minimum": 0}
    yield "types of enum", {"type": ["string", "integer"], "enum": ["a", 1, None, 2.5]}
    yield "integer enum", {"type": "integer", "enum": [1, 2, 40], "description": "one of"}
    yield "boolean schema", obj(a=True)
    yield "true not named", {"type": "object", "additionalProperties": True, "maxProperties": 1}
    yield "any", {"type": "object"}
    yield "no type", {"properties": {"a": LEAVES[2]}, "required": ["a"], "type": "object"}
    yield "pattern names", {
        "type": "object",
        "patternProperties": {r"^x_\d$": LEAVES[1]}, "additionalProperties": False,
    }  # fmt: skip
    yield (
        "uniqueItems false",
        {"type": "array", "items": LEAVES[1], "uniqueItems": False, "maxItems": 2},
    )
    yield (
        "uniqueItems of one",
        {"type": "array", "items": LEAVES[1], "uniqueItems": True, "maxItems": 1},
    )
    yield "unevaluated", {**obj(a=LEAVES[1]), "unevaluatedProperties": False}
    yield "string names", {
        "type": "object", "propertyNames": {"type": "string"}, "maxProperties": 1,
        "additionalProperties": LEAVES[1],
    }  # fmt: skip
    yield "draft 4 bound", {
        "$schema": "http://json-schema.org/draft-04/schema#", "type": "integer",
        "minimum": 0, "exclusiveMinimum": True,
    }  # fmt: skip
    yield "not nothing", {"type": "boolean", "not": False}
    yield "if alone", {"type": "boolean", "if": {"const": True}}
    yield "format and pattern", {"type": "string", "format": "date", "pattern": "^20"}
    yield "all of strings", {"allOf": [{"type": "string", "minLength": 2}, {"maxLength": 4}]}
    yield "examples and notes", {
        "type": "boolean", "examples": [True], "deprecated": True, "x-order": 3, "readOnly": True,
        "contentEncoding": "base64", "$comment": "c", "enumNames": ["y"],
        "x-guidance": {"lenient": 1},
    }  # fmt: skip
    yield "named twice", {**obj(a=LEAVES[1], b=LEAVES[2]), "minProperties": 2}
    yield "price", {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 9.99}
    yield "unicode", {"enum": ["é", "日本", "😀", 'a"b\\c\n']}
    yield from _narrowed()
    yield "name of a word", obj(**{"$ref": LEAVES[1], "type": LEAVES[2], "a/b~c": LEAVES[3]})


def _narrowed() -> Iterator[tuple[str, Schema]]:
    """Yield those that are said by words that allow less."""
    yield "names by an expression", {
        "type": "object", "propertyNames": {"pattern": "^a"}, "maxProperties": 2,
        "additionalProperties": LEAVES[1],
    }  # fmt: skip
    yield "names by a list", {
        "type": "object", "propertyNames": {"$ref": "#/$defs/C"},
        "additionalProperties": LEAVES[2], "$defs": {"C": {"enum": ["a", "b"]}},
    }  # fmt: skip
    yield "names that are dates", {
        "type": "object", "propertyNames": {"format": "date"}, "maxProperties": 1,
        "additionalProperties": LEAVES[3],
    }  # fmt: skip
    yield "short names", {
        "type": "object", "propertyNames": {"minLength": 1, "maxLength": 3}, "maxProperties": 1,
        "additionalProperties": LEAVES[2],
    }  # fmt: skip
    few = {"enum": ["a", "b", 1, True, None]}
    yield "a set of few", {"type": "array", "items": few, "uniqueItems": True}
    yield "a set of some", {
        "type": "array", "items": {"const": "x"}, "uniqueItems": True, "minItems": 1, "maxItems": 4,
    }  # fmt: skip
    yield "never", {**loose(a={"not": {}}, b=LEAVES[1]), "additionalProperties": False}
    yield "no text", {"not": {"type": ["string", "object", "array"]}, "maximum": 9}
    yield (
        "a tag with a default",
        {
            "oneOf": [
                loose(kind={"const": tag, "default": tag}, v=LEAVES[at])
                for at, tag in enumerate("ab")
            ]
        },
    )
    yield "bounds of a float", {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38}
    yield "places by their address", {
        "$id": "T", "type": "object", "properties": {"kid": {"$ref": "T"}, "n": {"$ref": "#leaf"}},
        "additionalProperties": False, "maxProperties": 1,
        "$defs": {"x": {"$anchor": "leaf", **LEAVES[1]}},
    }  # fmt: skip


BEYOND: dict[str, tuple[Schema, str]] = {
    "pydantic set[int]": (
        obj(tags={"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        "#/properties/tags/uniqueItems",
    ),
    "not": ({"type": "string", "not": {"const": "a"}}, "#/not"),
    "if then": ({"if": {"type": "string"}, "then": {"minLength": 2}}, "#/if"),
    "then else": (obj(a={"if": {"const": 1}, "else": {"const": 2}}), "#/properties/a/if"),
    "look ahead": (obj(p={"type": "string", "pattern": "^(?!a)b"}), "#/properties/p"),
    "look behind": ({"type": "string", "pattern": "(?<=a)b"}, "#"),
    "reference back": ({"items": {"type": "string", "pattern": r"(a)\1"}}, "#/items"),
    "contains": ({"type": "array", "contains": {"type": "integer"}}, "#/contains"),
    "least contained": ({"contains": {"const": 1}, "minContains": 2}, "#/contains"),
    "format regex": (obj(a={"type": "string", "format": "regex"}), "#/properties/a/format"),
    "oneOf integer number": ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "#/oneOf"),
    "oneOf required": (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, "#/oneOf",
    ),
    "oneOf in a definition": (
        {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"oneOf": [{}, {"type": "null"}]}}},
        "#/$defs/a/oneOf",
    ),
    "dependent": (
        {**loose(a=LEAVES[0], b=LEAVES[0]), "dependentRequired": {"a": ["b"]}},
        "#/dependentRequired",
    ),
    "dependent schemas": ({"dependentSchemas": {"a": {}}}, "#/dependentSchemas"),
    "dependencies": ({"dependencies": {"a": {"required": ["b"]}}}, "#/dependencies"),
    "names": (
        {"type": "object", "propertyNames": {"pattern": "^a", "maxLength": 3}}, "#/propertyNames",
    ),
    "some names": (
        {**loose(a=LEAVES[1]), "propertyNames": {"pattern": "^a"}}, "#/propertyNames",
    ),
    "unevaluated of all": (
        {"allOf": [obj(a=LEAVES[1])], "unevaluatedProperties": False}, "#/unevaluatedProperties",
    ),
    "two of any name": (
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
        "#/minProperties",
    ),
    "names of two kinds": (
        {"type": "object", "patternProperties": {"^a": LEAVES[0], "b$": LEAVES[1]}}, "#",
    ),
    "dynamic": ({"$dynamicRef": "#meta"}, "#/$dynamicRef"),
    "draft 3": ({"disallow": "string"}, "#/disallow"),
}  # fmt: skip
"""What no grammar keeps, with the place that is told."""

WRONG: dict[str, tuple[Schema, str]] = {
    "lengths": (obj(s={"minLength": 5, "maxLength": 2}), "#/properties/s/minLength"),
    "items": ({"minItems": 3, "maxItems": 1}, "#/minItems"),
    "range": ({"type": "integer", "minimum": 5, "maximum": 3}, "#/minimum"),
    "nowhere": (obj(a={"$ref": "#/$defs/none"}), "#/properties/a/$ref"),
    "elsewhere": ({"$ref": "https://example.org/other.json"}, "#/$ref"),
    "another file": ({"items": {"$ref": "other.json#/a"}}, "#/items/$ref"),
    "itself": ({"$ref": "#"}, "#"),
    "itself in a ring": (
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
        },
        "#/$defs/a",
    ),
    "a type": (obj(a={"type": "str"}), "#/properties/a/type"),
    "no values": ({"enum": []}, "#/enum"),
    "no value of the type": ({"type": "integer", "enum": ["a"]}, "#/enum"),
    "no schema": (obj(a="string"), "#/properties/a"),
    "no schemas": ({"anyOf": {}}, "#/anyOf"),
    "names": ({"type": "object", "required": "a"}, "#/required"),
    "a multiple": ({"multipleOf": 0}, "#/multipleOf"),
    "a count": ({"minLength": -1}, "#/minLength"),
    "a huge count": ({"minItems": 10**9}, "#/minItems"),
    "an expression": ({"type": "string", "pattern": "("}, "#"),
    "required and forbidden": ({"required": ["a"], **loose(a=False)}, "#"),
    "two types": ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "#"),
}  # fmt: skip
"""What is no schema, or has no answer."""
