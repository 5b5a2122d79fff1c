"""
Read the table of tensors out of a PyTorch checkpoint's pickle without unpickling it.

A small machine steps through the opcodes and understands only what `torch.save` writes for a dict
of tensors: dicts, tuples, texts, numbers, storages, and the one call that makes a tensor of a
storage. It imports nothing and calls nothing; any other name in the pickle is refused by name.

**Source**: `pickletools.opcodes`; `torch/_utils.py` `_rebuild_tensor_v2(storage, offset, size,
stride, requires_grad, hooks)`; `torch/serialization.py` persistent ids `("storage", type, key,
location, numel)`.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from rkd.outside import quoted, shown

STORAGES = {
    "torch DoubleStorage": "F64",
    "torch FloatStorage": "F32",
    "torch HalfStorage": "F16",
    "torch BFloat16Storage": "BF16",
}
_EIGHT_BIT = ("torch CharStorage", "torch ByteStorage", "torch QInt8Storage")
_REBUILD = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_ORDERED = "collections OrderedDict"
_KNOWN = frozenset({*STORAGES, *_EIGHT_BIT, _REBUILD, _PARAMETER, _ORDERED})
MAX_STEPS = 2_000_000
"""A checkpoint of 10,000 tensors takes 400,000 opcodes."""
MAX_MEMO = 500_000
MAX_DIMENSIONS = 8
MAX_DEPTH = 4
"""`{"model": {"state_dict": …}}` is as deep as tensors lie."""


class UnreadableError(ValueError):
    """The pickle is damaged, or holds something else than tensors; the text says what."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A flat run of numbers: a file of the archive."""

    type: str
    key: str
    numbers: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor's place in a storage; strides and offset count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A global the pickle names, never imported."""

    text: str


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a group of values begins on the stack."""


@dataclass(slots=True)
class _Machine:
    stack: list[object] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    steps: int = 0

    def since_mark(self) -> list[object]:
        """Take everything above the last mark off the stack, and the mark."""
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise UnreadableError("a group without a beginning")

    def take(self, count: int) -> list[object]:
        """Take *count* values off the stack."""
        if count > len(self.stack):
            raise UnreadableError("an operation without its values")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def top_dict(self) -> dict[object, object]:
        """The dict on top of the stack, left there."""
        if self.stack and isinstance(self.stack[-1], dict):
            return self.stack[-1]
        raise UnreadableError("entries without a table")

    def step(self, name: str, argument: object) -> None:
        """Carry out one opcode."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise UnreadableError(f"more than {MAX_STEPS} operations")
        action = _ACTIONS.get(name)
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif action is not None:
            action(self, argument)
        elif name not in {"PROTO", "FRAME"}:
            raise UnreadableError(f"the opcode {name}, which no checkpoint needs")


def read(pickled: bytes) -> dict[str, Placed]:
    """
    Return the tensors of a checkpoint by name; nested dicts (`model`, `state_dict`) are opened.

    Raises:
        UnreadableError: anything but a table of tensors.
    """
    machine = _Machine()
    try:
        # Python warns of an odd escape in a string of protocol 0; here it is just damage.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _carried_out(machine, pickled)
    except UnreadableError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, Warning) as trouble:
        raise UnreadableError(f"a damaged pickle ({quoted(str(trouble))})") from trouble


def _carried_out(machine: _Machine, pickled: bytes) -> dict[str, Placed]:
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "STOP":
            return _tensors(machine.take(1)[0])
        machine.step(opcode.name, argument)
    raise UnreadableError("the pickle ends early")


def _tensors(value: object) -> dict[str, Placed]:
    for _ in range(MAX_DEPTH):
        if not isinstance(value, dict):
            break
        found = {key: item for key, item in value.items() if isinstance(item, Placed)}
        if found:
            return {key: item for key, item in found.items() if isinstance(key, str)}
        inner = (value.get(name) for name in ("state_dict", "model", "module"))
        value = next((one for one in inner if isinstance(one, dict)), None)
        if value is None:
            return {}
    raise UnreadableError("no table of tensors")


def _reduce(machine: _Machine, _: object) -> None:
    """Carry out the three calls a checkpoint makes, without making them."""
    called, arguments = machine.take(2)
    if not isinstance(called, _Name) or not isinstance(arguments, tuple):
        raise UnreadableError("a call of something unknown")
    match called.text, arguments:
        case "collections OrderedDict", ():
            machine.stack.append({})
        case "torch._utils _rebuild_parameter", (Placed() as tensor, *_):
            machine.stack.append(tensor)
        case (
            "torch._utils _rebuild_tensor_v2",
            (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
        ):
            whole = _whole((offset,))[0], _whole(shape), _whole(strides)
            machine.stack.append(Placed(storage, *whole))
        case _:
            raise UnreadableError(f"a call of {called.text.replace(' ', '.')}")


def _whole(values: tuple[object, ...]) -> tuple[int, ...]:
    numbers = tuple(
        value
        for value in values[:MAX_DIMENSIONS]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    )
    if len(numbers) != len(values):
        raise UnreadableError("a tensor with an odd shape")
    return numbers


def _name(machine: _Machine, argument: object) -> None:
    """Note a global; STACK_GLOBAL finds its two words on the stack."""
    words = [argument] if isinstance(argument, str) else machine.take(2)
    text = " ".join(word if isinstance(word, str) else "?" for word in words)
    if text not in _KNOWN:
        called = shown(text[:100].replace(" ", "."))
        raise UnreadableError(f"{called}, which is code and not a tensor")
    machine.stack.append(_Name(text))


def _persistent(machine: _Machine, _: object) -> None:
    match machine.take(1)[0]:
        case ("storage", _Name(kind), str(key), str(), int(numbers)):
            machine.stack.append(Storage(kind, key, numbers))
        case _:
            raise UnreadableError("a reference to something that is no storage")


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def act(machine: _Machine, _: object) -> None:
        machine.stack.append(tuple(machine.take(count)))

    return act


def _set_items(machine: _Machine, _: object) -> None:
    values = machine.since_mark()
    machine.top_dict().update(zip(map(_key, values[::2]), values[1::2], strict=True))


def _set_item(machine: _Machine, _: object) -> None:
    key, value = machine.take(2)
    machine.top_dict()[_key(key)] = value


def _key(value: object) -> object:
    """Let texts and numbers be keys: the hash of a nested tuple never ends, or ends the process."""
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError("a table with odd keys")


def _append(values: Callable[[_Machine], list[object]]) -> Callable[[_Machine, object], None]:
    def act(machine: _Machine, _: object) -> None:
        items = values(machine)
        target = machine.stack[-1]
        if not isinstance(target, list):
            raise UnreadableError("items without a list")
        target.extend(items)

    return act


def _drop(machine: _Machine, _: object) -> None:
    machine.take(1)


def _remember(machine: _Machine, argument: object) -> None:
    if len(machine.memo) >= MAX_MEMO:
        raise UnreadableError(f"more than {MAX_MEMO} values to remember")
    machine.memo[argument if isinstance(argument, int) else len(machine.memo)] = machine.stack[-1]


def _recall(machine: _Machine, argument: object) -> None:
    machine.stack.append(machine.memo[argument if isinstance(argument, int) else -1])


_PUSH = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
)
_CONSTANTS: dict[str, Callable[[], object]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_ACTIONS: dict[str, Callable[[_Machine, object], None]] = {
    "GLOBAL": _name,
    "STACK_GLOBAL": _name,
    "REDUCE": _reduce,
    "BINPERSID": _persistent,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "SETITEMS": _set_items,
    "SETITEM": _set_item,
    "APPEND": _append(lambda machine: machine.take(1)),
    "APPENDS": _append(_Machine.since_mark),
    # The attributes of an OrderedDict (`_metadata`): nothing a conversion needs.
    "BUILD": _drop,
    "POP": _drop,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": _remember,
    "BINGET": _recall,
    "LONG_BINGET": _recall,
}
