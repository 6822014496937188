"""A committee as one ONNX graph: every member from features to probabilities, side by side.

One merged graph runs about twice as fast as one session a member, and is one file whose bytes are the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.members import TrainedMember, TrainedNetwork, TrainedTrees
from jpasbatch.learning.scaling import InputScaling

# Old enough for every supported ONNX Runtime (1.20 and later read up to opset 22 and IR version 10).
OPSET = 17
TREE_DOMAIN, TREE_OPSET = "ai.onnx.ml", 3
IR_VERSION = 8
INPUT = "features"
OUTPUT = "probabilities"


def committee_graph(members: Sequence[TrainedMember], n_inputs: int, half: bool = False) -> bytes:
    """Write the graph of a committee.

    Parameters
    ----------
    members : sequence of TrainedMember
        In the order of the graph's output; all with the same inputs and classes.
    n_inputs : int
        Number of features.
    half : bool
        Whether the graph keeps the kernels of networks in half precision: half of the bytes. Runtimes widen them once,
        when they read the graph, and compute as ever.

    Returns
    -------
    bytes
        A serialised ONNX model with all weights inside. Input ``features`` (n, n_inputs) float32, unscaled;
        output ``probabilities`` (n, members, classes) float32. The same members give the same bytes.

    Raises
    ------
    InputError
        When there is no member, the members do not fit together, or a weight is not finite or too large for half
        precision.
    """
    import onnx
    from onnx import TensorProto, helper

    _check_members(members, n_inputs)
    nodes: list[Any] = []
    constants: dict[str, np.ndarray] = {"member_axis": np.array([1], np.int64)}
    scaled = [_scaling_nodes(scaling, n, nodes, constants) for n, scaling in enumerate(_distinct(members))]
    votes = []
    for number, member in enumerate(members):
        source = scaled[_position(_distinct(members), member.scaling)]
        votes.append(_member_nodes(member, number, source, nodes, constants))
    nodes.append(helper.make_node("Concat", votes, [OUTPUT], axis=1))
    if half:
        nodes = [*_halve(constants), *nodes]
    graph = helper.make_graph(
        nodes,
        "committee",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", n_inputs])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(members), members[0].n_classes])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if any(isinstance(member, TrainedTrees) for member in members):
        opsets.append(helper.make_opsetid(TREE_DOMAIN, TREE_OPSET))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _halve(constants: dict[str, np.ndarray]) -> list[Any]:
    """Replace kernels by ones of half precision, and return the nodes that widen them."""
    from onnx import TensorProto, helper

    nodes = []
    for name in [name for name in constants if name.startswith("kernel_")]:
        kernel = constants.pop(name)
        largest = float(np.abs(kernel).max(initial=0.0))
        if largest > float(np.finfo(np.float16).max):
            raise InputError(
                f"a weight of {largest:.3g} is too large for half precision; set [committee] weights = 'float32'"
            )
        constants[f"half_{name}"] = kernel.astype(np.float16)
        nodes.append(helper.make_node("Cast", [f"half_{name}"], [name], to=TensorProto.FLOAT))
    return nodes


def _scaling_nodes(
    scaling: InputScaling | None, number: int, nodes: list[Any], constants: dict[str, np.ndarray]
) -> str:
    """Add the nodes of one scaling and return the name of the scaled features."""
    from onnx import helper

    if scaling is None:
        return INPUT
    centre, scale, scaled = f"centre_{number}", f"scale_{number}", f"scaled_{number}"
    constants |= {centre: np.asarray(scaling.centre), scale: np.asarray(scaling.scale)}
    nodes += [
        helper.make_node("Sub", [INPUT, centre], [f"centred_{number}"]),
        helper.make_node("Div", [f"centred_{number}", scale], [f"ratio_{number}"]),
        helper.make_node("Asinh", [f"ratio_{number}"], [scaled]),
    ]
    return scaled


def _member_nodes(
    member: TrainedMember, number: int, source: str, nodes: list[Any], constants: dict[str, np.ndarray]
) -> str:
    """Add one member and return the name of its vote, shape (n, 1, classes)."""
    from onnx import helper

    if isinstance(member, TrainedNetwork):
        flow = _network_nodes(member, number, source, nodes, constants)
        softmax = True
    elif isinstance(member, TrainedTrees):
        nodes.append(_tree_node(member, source, f"leaves_{number}"))
        flow, softmax = f"leaves_{number}", member.link == "softmax"
    else:
        raise TypeError(f"no graph for a member of type {type(member).__name__}")
    if softmax:
        nodes.append(helper.make_node("Softmax", [flow], [f"softmax_{number}"], axis=-1))
        flow = f"softmax_{number}"
    nodes.append(helper.make_node("Unsqueeze", [flow, "member_axis"], [f"vote_{number}"]))
    return f"vote_{number}"


def _network_nodes(
    member: TrainedNetwork, number: int, source: str, nodes: list[Any], constants: dict[str, np.ndarray]
) -> str:
    """Add the layers of a network and return the name of its logits."""
    from onnx import helper

    def dense(flow: str, layer: int) -> str:
        place = f"{number}_{layer}"
        kernel, bias = member.weights[layer]
        constants.update({f"kernel_{place}": np.ascontiguousarray(kernel), f"bias_{place}": bias})
        nodes.append(helper.make_node("Gemm", [flow, f"kernel_{place}", f"bias_{place}"], [f"sum_{place}"]))
        return f"sum_{place}"

    def relu(flow: str) -> str:
        nodes.append(helper.make_node("Relu", [flow], [f"relu_{flow}"]))
        return f"relu_{flow}"

    last = len(member.weights) - 1
    if member.layout == "banded":
        flow = _banded_nodes(member, number, source, nodes, constants)
        for layer in range(member.banded_layers, last + 1):
            flow = dense(flow, layer) if layer == last else relu(dense(flow, layer))
        return flow
    flow = dense(source, 0)
    if member.layout == "plain":
        for layer in range(1, last + 1):
            flow = dense(relu(flow), layer)
        return flow
    for layer in range(1, last, 2):
        added = dense(relu(dense(flow, layer)), layer + 1)
        nodes.append(helper.make_node("Add", [flow, added], [f"block_{number}_{layer}"]))
        flow = f"block_{number}_{layer}"
    return dense(relu(flow), last)


def _banded_nodes(
    member: TrainedNetwork, number: int, source: str, nodes: list[Any], constants: dict[str, np.ndarray]
) -> str:
    """Add the layers that act on each band alone; return the name of their values, (n, bands x width)."""
    from onnx import helper

    if not member.banded_layers:
        return source
    shapes = {"bands": [0, member.bands, member.n_inputs // member.bands], "flat": [0, -1]}
    constants |= {f"{name}_{number}": np.array(shape, np.int64) for name, shape in shapes.items()}
    flow = f"image_{number}"
    nodes.append(helper.make_node("Reshape", [source, f"bands_{number}"], [flow]))
    for layer in range(member.banded_layers):
        place = f"{number}_{layer}"
        kernel, bias = member.weights[layer]
        constants |= {f"kernel_{place}": np.ascontiguousarray(kernel), f"bias_{place}": bias}
        nodes += [
            helper.make_node("MatMul", [flow, f"kernel_{place}"], [f"product_{place}"]),
            helper.make_node("Add", [f"product_{place}", f"bias_{place}"], [f"sum_{place}"]),
            helper.make_node("Relu", [f"sum_{place}"], [f"relu_{place}"]),
        ]
        flow = f"relu_{place}"
    nodes.append(helper.make_node("Reshape", [flow, f"flat_{number}"], [f"flattened_{number}"]))
    return f"flattened_{number}"


def _tree_node(member: TrainedTrees, source: str, target: str) -> Any:
    """Return one node for all trees; features in, sums of the leaves (n, classes) out."""
    from onnx import helper

    node = helper.make_node("TreeEnsembleRegressor", [source], [target], domain=TREE_DOMAIN)
    sizes = np.diff(member.first)
    tree = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(tree)) - member.first[tree]
    leaf = member.left < 0
    leaves, classes = np.nonzero(member.value * leaf[:, None])
    modes = np.where(leaf, b"LEAF", b"BRANCH_LEQ")
    attributes: dict[str, Any] = {
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "n_targets": member.n_classes,
        "base_values": member.baseline,
        "nodes_treeids": tree,
        "nodes_nodeids": place,
        "nodes_modes": modes,
        "nodes_featureids": np.maximum(member.feature, 0),
        "nodes_values": member.threshold,
        "nodes_truenodeids": np.maximum(member.left, 0),
        "nodes_falsenodeids": np.maximum(member.right, 0),
        "target_treeids": tree[leaves],
        "target_nodeids": place[leaves],
        "target_ids": classes,
        "target_weights": member.value[leaves, classes],
    }
    node.attribute.extend(_attribute(name, value) for name, value in attributes.items())
    return node


def _attribute(name: str, value: Any) -> Any:
    """Return an attribute; arrays of millions at once, which `onnx.helper` would look at one by one."""
    from onnx import AttributeProto, helper

    if not isinstance(value, np.ndarray):
        return helper.make_attribute(name, value)
    kinds = {"i": ("ints", AttributeProto.INTS), "f": ("floats", AttributeProto.FLOATS)}
    field, kind = kinds.get(value.dtype.kind, ("strings", AttributeProto.STRINGS))
    attribute = AttributeProto(name=name, type=kind)
    getattr(attribute, field).extend(value.tolist())
    return attribute


def _distinct(members: Sequence[TrainedMember]) -> list[InputScaling | None]:
    """Return each scaling once: members of one training set share it, and arcsinh is worth sharing."""
    distinct: list[InputScaling | None] = []
    for member in members:
        if not any(_same(member.scaling, other) for other in distinct):
            distinct.append(member.scaling)
    return distinct


def _position(distinct: list[InputScaling | None], scaling: InputScaling | None) -> int:
    return next(n for n, other in enumerate(distinct) if _same(scaling, other))


def _same(one: InputScaling | None, other: InputScaling | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.centre, other.centre) and np.array_equal(one.scale, other.scale)


def _check_members(members: Sequence[TrainedMember], n_inputs: int) -> None:
    if not members:
        raise InputError("a committee needs at least one member, found none")
    n_classes = members[0].n_classes
    for number, member in enumerate(members):
        if (member.n_inputs, member.n_classes) != (n_inputs, n_classes):
            raise InputError(
                f"member {number} maps {member.n_inputs} features to {member.n_classes} classes; "
                f"this committee maps {n_inputs} to {n_classes}"
            )
        member.check(f"member {number}")
