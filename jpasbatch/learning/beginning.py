"""The networks of a committee that is whole, taken out of its graph again: what another training begins with.

Fine-tuning: members that learnt from mocks go on with objects whose classes are known from elsewhere. Features and
input scaling stay those that the weights were learnt with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.manifest import DescribedScaling, Manifest
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.network import Network, Weights
from jpasbatch.learning.scaling import InputScaling


def networks_of(manifest: Manifest, graph: bytes, model: Network) -> list[TrainedNetwork]:
    """Return the networks of a committee, with weights in single precision.

    Parameters
    ----------
    manifest : Manifest
    graph : bytes
        As `jpasbatch.learning.graph.committee_graph` writes it.
    model : Network
        What the networks must be.

    Raises
    ------
    InputError
        When the committee is of another model, or the graph lacks a weight.
    """
    _check_model(manifest, model)
    constants = _constants(graph)
    return [
        TrainedNetwork(
            _weights(constants, number), _scaling(member.input_scaling), member.seed, 1, layout=model.layout
        )
        for number, member in enumerate(manifest.members)
    ]


def _check_model(manifest: Manifest, model: Network) -> None:
    trained = manifest.options.get("model", {})
    wanted = asdict(model) if is_dataclass(model) and not isinstance(model, type) else {}
    # what is left out while training decides no shape
    differing = [
        key
        for key, value in wanted.items()
        if key != "dropout" and trained.get(key) != (list(value) if isinstance(value, tuple) else value)
    ]
    if differing:
        found = ", ".join(f"{key} = {trained.get(key)!r}" for key in differing)
        ours = ", ".join(f"{key} = {wanted[key]!r}" for key in differing)
        raise InputError(
            f"[committee] begin: the committee's networks have {found}, [model] has {ours}; weights fit into the same "
            "network only: write the committee's [model]"
        )


def _constants(graph: bytes) -> dict[str, np.ndarray]:
    import onnx

    try:
        model = onnx.load_model_from_string(graph)
        return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    except Exception as error:  # the parser's errors have no common base
        raise InputError(f"the graph of the committee cannot be read: {error}") from None


def _weights(constants: Mapping[str, np.ndarray], number: int) -> Weights:
    """Return kernels and biases of one member; kernels may be kept in half precision."""
    layers: Weights = []
    while (bias := constants.get(f"bias_{number}_{len(layers)}")) is not None:
        place = f"kernel_{number}_{len(layers)}"
        kernel = constants.get(place, constants.get(f"half_{place}"))
        if kernel is None:
            break
        layers.append((kernel.astype(np.float32), bias.astype(np.float32)))
    if not layers:
        raise InputError(f"the graph of the committee has no weights of a network for its member {number}")
    return layers


def _scaling(kept: DescribedScaling | None) -> InputScaling | None:
    if kept is None:
        return None
    return InputScaling(np.array(kept.centre, np.float32), np.array(kept.scale, np.float32))
