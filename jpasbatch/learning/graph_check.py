"""Whether bytes are the graph of a committee and nothing else: read field by field before any runtime sees them.

A committee may come from anywhere. ONNX can name files that hold weights, hold functions, loops and branches, and ask
for more memory than there is. What is not known here is refused: a field of the format, an operator, a shape. So a
graph that passes computes what `jpasbatch.learning.graph.committee_graph` can write, in memory that follows from its
own size.

The format is that of onnx.proto3 (github.com/onnx/onnx, IR version 8 to 10) in the encoding of Protocol Buffers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from jpasbatch.learning.protobuf import (
    Fields,
    Message,
    bytes_of,
    exactly,
    numbers_of,
    read_message,
    refused,
    text_of,
    texts_of,
    unpacked,
)

LARGEST_GRAPH = 2 << 30
"""Bytes of a graph."""

MOST_NODES = 100_000

WIDEST_ROW = 1 << 22
"""Numbers that one object may become anywhere in the graph."""

MODEL: Fields = {
    1: "ir_version",
    2: "producer_name",
    3: "producer_version",
    4: "domain",
    5: "model_version",
} | {
    6: "doc_string",
    7: "graph",
    8: "opset_import",
}
GRAPH: Fields = {
    1: "node",
    2: "name",
    5: "initializer",
    10: "doc_string",
    11: "input",
    12: "output",
    13: "value_info",
}
NODE: Fields = {
    1: "input",
    2: "output",
    3: "name",
    4: "op_type",
    5: "attribute",
    6: "doc_string",
    7: "domain",
}
ATTRIBUTE: Fields = {1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 7: "floats", 8: "ints", 9: "strings"} | {
    13: "doc_string",
    20: "type",
}
TENSOR: Fields = {1: "dims", 2: "data_type", 4: "float_data", 5: "int32_data", 7: "int64_data", 8: "name"} | {
    9: "raw_data",
    12: "doc_string",
}
VALUE: Fields = {1: "name", 2: "type", 3: "doc_string"}
TYPE: Fields = {1: "tensor_type"}
TENSOR_TYPE: Fields = {1: "elem_type", 2: "shape"}
SHAPE: Fields = {1: "dim"}
DIMENSION: Fields = {1: "dim_value", 2: "dim_param"}
OPSET: Fields = {1: "domain", 2: "version"}

FLOAT, INT64, HALF = 1, 7, 10
BYTES = {FLOAT: 4, INT64: 8, HALF: 2}
"""Types of tensors, and the size of one number."""

TREES = "TreeEnsembleRegressor"
OPERATORS = {
    "": {
        "Sub",
        "Div",
        "Asinh",
        "Cast",
        "Gemm",
        "Relu",
        "Add",
        "Reshape",
        "MatMul",
        "Softmax",
        "Unsqueeze",
        "Concat",
    },
    "ai.onnx.ml": {TREES},
}
ATTRIBUTES = {
    "Cast": {"to"},
    "Softmax": {"axis"},
    "Concat": {"axis"},
    TREES: {
        *("aggregate_function", "post_transform", "n_targets", "base_values"),
        *(f"nodes_{name}" for name in ("treeids", "nodeids", "modes", "featureids", "values")),
        *("nodes_truenodeids", "nodes_falsenodeids"),
        *(f"target_{name}" for name in ("treeids", "nodeids", "ids", "weights")),
    },
}
NAMED = 0x0A
INTS, FLOATS, STRINGS = b"\xa0\x01\x07", b"\xa0\x01\x06", b"\xa0\x01\x08"
LONG = 100
MODES = re.compile(rb"(?:J\x04LEAF|J\x0aBRANCH_LEQ)*")
MODE = re.compile(rb"J.(LEAF|BRANCH_LEQ)", re.DOTALL)
"""How long lists of trees are written: the first byte of an attribute, its last three, and the lists of texts."""

OPSETS = {"": range(13, 23), "ai.onnx.ml": range(1, 5)}

Row = tuple[int, ...]
"""Shape of a value without its first axis, which counts the objects."""


@dataclass
class _Tensors:
    """Constants of a graph: shape of each, and the values of whole numbers."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    whole: dict[str, tuple[int, ...]] = field(default_factory=dict)


def check_graph(graph: bytes) -> None:
    """Refuse bytes that are not the graph of a committee.

    Raises
    ------
    InputError
        Naming what was found that no committee has.
    """
    if len(graph) > LARGEST_GRAPH:
        raise refused(f"{len(graph)} bytes; {LARGEST_GRAPH} are allowed")
    model = read_message(graph, MODEL, "the model")
    for opset in model.get("opset_import", []):
        _check_opset(read_message(bytes_of(opset), OPSET, "an operator set"))
    (content,) = exactly(model, "graph", 1, "the model")
    parts = read_message(bytes_of(content), GRAPH, "the graph")
    if len(parts.get("node", [])) > MOST_NODES:
        raise refused(f"{len(parts['node'])} nodes; {MOST_NODES} are allowed")
    tensors = _tensors(parts)
    source, target = (
        _value(bytes_of(exactly(parts, key, 1, "the graph")[0]), key) for key in ("input", "output")
    )
    _follow(parts, tensors, source, target)


# what the parts are


def _check_opset(opset: Message) -> None:
    domain = text_of(opset, "domain")
    version = (numbers_of(opset, "version", "an operator set") or (0,))[-1]
    if domain not in OPSETS or version not in OPSETS[domain]:
        raise refused(f"operators of {domain or 'ONNX'!r}, version {version}")


def _tensors(parts: Message) -> _Tensors:
    found = _Tensors()
    for one in parts.get("initializer", []):
        tensor = read_message(bytes_of(one), TENSOR, "a tensor")
        name = text_of(tensor, "name")
        shape = numbers_of(tensor, "dims", f"tensor {name!r}")
        (kind,) = numbers_of(tensor, "data_type", f"tensor {name!r}") or (0,)
        if name in found.shapes or kind not in BYTES or min(shape, default=1) < 0:
            raise refused(f"tensor {name!r} twice, or of type {kind} and shape {shape}")
        raw = b"".join(map(bytes_of, tensor.get("raw_data", [])))
        listed = {"float_data", "int32_data", "int64_data"} & tensor.keys()
        if listed or len(raw) != prod(shape) * BYTES[kind]:
            raise refused(f"tensor {name!r} of shape {shape} with {len(raw)} bytes of its own")
        found.shapes[name] = shape
        if kind == INT64:
            found.whole[name] = struct.unpack(f"<{len(raw) // 8}q", raw)
        elif not np.isfinite(np.frombuffer(raw, dtype="<f4" if kind == FLOAT else "<f2")).all():
            raise refused(f"tensor {name!r} with numbers that are not finite")
    return found


def _value(data: bytes, what: str) -> tuple[str, Row]:
    """Return the name of an input or output, and the shape of one object's part of it."""
    value = read_message(data, VALUE, what)
    (kind,) = exactly(value, "type", 1, what)
    (tensor,) = exactly(read_message(bytes_of(kind), TYPE, what), "tensor_type", 1, what)
    content = read_message(bytes_of(tensor), TENSOR_TYPE, what)
    (shape,) = exactly(content, "shape", 1, what)
    if numbers_of(content, "elem_type", what) != (FLOAT,):
        raise refused(f"the {what} is not in single precision")
    sizes = []
    for one in read_message(bytes_of(shape), SHAPE, what).get("dim", []):
        size = numbers_of(read_message(bytes_of(one), DIMENSION, what), "dim_value", what)
        sizes.append(size[-1] if size else 0)
    if not sizes or min(sizes[1:], default=0) < 1:
        raise refused(f"the {what} has the shape {tuple(sizes)}")
    return text_of(value, "name"), tuple(sizes[1:])


# what the graph computes


def _follow(parts: Message, tensors: _Tensors, source: tuple[str, Row], target: tuple[str, Row]) -> None:
    """Follow the values of one object through the nodes, and refuse what is unknown or too wide."""
    rows: dict[str, Row] = {source[0]: source[1]}
    constants = dict(tensors.shapes)
    joined = 0
    for one in parts.get("node", []):
        node = read_message(bytes_of(one), NODE, "a node")
        kind, domain = text_of(node, "op_type"), text_of(node, "domain")
        if kind not in OPERATORS.get(domain, ()):
            raise refused(f"the operator {kind!r}" + (f" of {domain!r}" if domain else ""))
        attributes = _attributes(node, kind)
        inputs, outputs = texts_of(node, "input"), texts_of(node, "output")
        if len(outputs) != 1 or outputs[0] in rows or outputs[0] in constants:
            raise refused(f"a node {kind!r} with the outputs {outputs}")
        if kind == "Cast":
            if len(inputs) != 1 or inputs[0] not in constants:
                raise refused("a cast of what is no weight")
            constants[outputs[0]] = constants[inputs[0]]
            continue
        joined += kind == "Concat"
        if joined > 1:
            raise refused("values that are joined twice")
        row = _row(kind, inputs, rows, constants, tensors.whole, attributes)
        if row is None or prod(row) > WIDEST_ROW:
            raise refused(f"a node {kind!r} of {inputs} that makes {row}")
        rows[outputs[0]] = row
    if rows.get(target[0]) != target[1]:
        raise refused(f"the output {target[0]!r} is {rows.get(target[0])} and not {target[1]}")


def _attributes(node: Message, kind: str) -> dict[str, Message]:
    found = {}
    for one in node.get("attribute", []):
        attribute = _long_attribute(bytes_of(one)) or read_message(
            bytes_of(one), ATTRIBUTE, f"an attribute of {kind!r}"
        )
        name = text_of(attribute, "name")
        if name not in ATTRIBUTES.get(kind, ()) or name in found or "t" in attribute:
            raise refused(f"the attribute {name!r} of {kind!r}")
        found[name] = attribute
    return found


def _long_attribute(data: bytes) -> Message | None:
    """Return an attribute of trees that lists millions, read at once; None where it is written in another way.

    Lists are not packed: before each value stands its field.
    """
    name = data[2 : 2 + data[1]] if len(data) > 1 and data[0] == NAMED and data[1] < 0x80 else b""
    body, kind = data[2 + len(name) : -3], data[-3:]
    if not name or len(body) < LONG:
        return None
    if kind == INTS:
        numbers = unpacked(body, TREES)
        fields, values = numbers[::2], numbers[1::2]
        return (
            {"name": [name], "ints": values}
            if len(fields) == len(values) and (fields == 0x40).all()
            else None
        )
    if kind == FLOATS and not len(body) % 5 and set(body[::5]) == {0x3D}:
        return {"name": [name], "floats": []}
    found = MODES.fullmatch(body) if kind == STRINGS else None
    return {"name": [name], "strings": MODE.findall(body)} if found else None


def _array(attribute: Message) -> np.ndarray:
    """Return the whole numbers of an attribute, int64."""
    values = attribute.get("ints", [])
    if isinstance(values, np.ndarray):
        return values
    return np.array(numbers_of(attribute, "ints", TREES), dtype=np.int64)


def _row(
    kind: str,
    inputs: list[str],
    rows: Mapping[str, Row],
    constants: Mapping[str, tuple[int, ...]],
    whole: Mapping[str, tuple[int, ...]],
    attributes: dict[str, Message],
) -> Row | None:
    """Return the shape of what a node makes of one object; None where no committee has such a node."""
    if not inputs or any(name not in rows for name in inputs if name not in constants):
        return None
    if inputs[0] not in rows:
        return None
    first, others = rows[inputs[0]], inputs[1:]
    shapes = [constants.get(name) for name in others]
    if kind in ("Relu", "Asinh", "Softmax"):
        return first if not others else None
    if kind in ("Sub", "Div"):
        return first if shapes == [first] else None
    if kind == "Add":
        same_row = len(others) == 1 and rows.get(others[0]) == first
        return first if same_row or shapes == [first[-1:]] else None
    if kind == "Gemm":
        fits = len(first) == 1 and shapes[0] is not None and shapes[0][:1] == first and len(shapes[0]) == 2
        return shapes[0][1:] if fits and shapes[0] and shapes[1:] == [shapes[0][1:]] else None
    if kind == "MatMul":
        fits = (
            shapes[0] is not None and len(shapes[0]) == 2 and shapes[0][0] == first[-1] and len(shapes) == 1
        )
        return (*first[:-1], shapes[0][1]) if fits and shapes[0] else None
    if kind == "Reshape":
        return _reshaped(first, whole.get(others[0]) if len(others) == 1 else None)
    if kind == "Unsqueeze":
        return (1, *first) if len(others) == 1 and whole.get(others[0]) == (1,) else None
    if kind == "Concat":
        parts = [rows.get(name, ()) for name in inputs]
        fits = all(len(part) == 2 and part[1:] == parts[0][1:] for part in parts)
        return (sum(part[0] for part in parts), parts[0][1]) if fits else None
    return _leaves(first, attributes) if not others else None


def _reshaped(first: Row, shape: tuple[int, ...] | None) -> Row | None:
    if shape is None or not shape or shape[0] != 0:  # 0: the number of objects stays
        return None
    if shape[1:] == (-1,):
        return (prod(first),)
    return shape[1:] if min(shape[1:], default=0) > 0 and prod(shape[1:]) == prod(first) else None


def _leaves(first: Row, attributes: dict[str, Message]) -> Row | None:
    """Return the shape of what trees give; None where one could be walked for ever, or asks for what is not there."""
    names = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    whole = [_array(attributes.get(f"nodes_{name}", {})) for name in names]
    modes = [bytes_of(one) for one in attributes.get("nodes_modes", {}).get("strings", [])]
    if {len(values) for values in whole} != {len(modes)} or len(first) != 1:
        return None
    _, node, feature, left, right = whole
    if not set(modes) <= {b"LEAF", b"BRANCH_LEQ"}:
        return None
    branch = np.array([mode != b"LEAF" for mode in modes], dtype=bool)
    asks = (feature >= 0) & (feature < first[0])
    forward = np.minimum(left, right) > node  # children after their parent: no walk comes back
    if not (asks & forward)[branch].all():
        return None
    targets = numbers_of(attributes.get("n_targets", {}), "i", TREES)
    ids = _array(attributes.get("target_ids", {}))
    if len(targets) != 1 or targets[0] < 1 or not ((ids >= 0) & (ids < targets[0])).all():
        return None
    return (targets[0],)
