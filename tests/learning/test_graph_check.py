"""Hostile graphs: whatever is not a committee is refused by name, before a runtime sees it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from jpasbatch.errors import InputError
from jpasbatch.learning.classifiers.trees import RandomForest
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.graph_check import check_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.members import TrainedNetwork, TrainedTrees
from jpasbatch.learning.plan import TrainingPlan


@pytest.fixture
def graph(make_member) -> bytes:
    return committee_graph([make_member(1), make_member(2)], 6)


@pytest.fixture
def forest(training_set, validation_set) -> TrainedTrees:
    return RandomForest(trees=3).train(TrainingPlan(), training_set, validation_set, 1)


def changed(graph: bytes, change: Callable[[Any], Any]) -> bytes:
    model = onnx.load_model_from_string(graph)
    change(model)
    return model.SerializeToString()


def test_what_training_writes_passes(graph, make_member, forest):
    check_graph(graph)
    check_graph(committee_graph([make_member(1)], 6, half=True))
    check_graph(committee_graph([forest, make_member(1)], 6))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(make_member, half, number):
    """One of them spoils few objects, or none that is looked at."""

    def change(model: Any) -> None:
        kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        tensor = max(
            (one for one in model.graph.initializer if one.data_type == kind),
            key=lambda one: np.prod(one.dims),
        )
        values = numpy_helper.to_array(tensor).copy()
        values.flat[5] = number
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    with pytest.raises(InputError, match="with numbers that are not finite"):
        check_graph(changed(committee_graph([make_member(1)], 6, half=half), change))


# weights outside the graph, in every spelling


def outside(order: tuple[str, str]) -> Callable[[Any], None]:
    """Return a change that has the first tensor name a file, with key and value of the entry in this order."""
    key, value = b"\n\x08location", b"\x12\x0a/etc/hosts"
    entry = key + value if order == ("key", "value") else value + key

    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        raw = tensor.SerializeToString() + b"\x6a" + bytes([len(entry)]) + entry + b"\x70\x01"
        tensor.ParseFromString(raw)

    return change


@pytest.mark.parametrize("order", [("key", "value"), ("value", "key")])
def test_weights_in_another_file_are_refused_however_they_are_written(graph, order):
    with pytest.raises(InputError, match=r"a tensor has a field number 1[34]"):
        check_graph(changed(graph, outside(order)))


# what can run for ever, or take all memory


def add_node(
    kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any
) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.graph.node.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))

    return change


def with_branch(model: Any) -> None:
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])])
    model.graph.node.append(helper.make_node("If", ["features"], ["y"], then_branch=body, else_branch=body))


def with_hidden_branch(model: Any) -> None:
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])])
    model.graph.node[-1].attribute.append(helper.make_attribute("body", body))


def with_function(model: Any) -> None:
    model.functions.append(helper.make_function("x", "Relu", ["a"], ["b"], [], [helper.make_opsetid("", 17)]))


def doubled(times: int) -> Callable[[Any], None]:
    """Return a change that joins a value with itself, again and again."""

    def change(model: Any) -> None:
        flow = "probabilities"
        for number in range(times):
            model.graph.node.append(helper.make_node("Concat", [flow, flow], [f"twice_{number}"], axis=1))
            flow = f"twice_{number}"

    return change


def outer_product(model: Any) -> None:
    for name, shape in (("tall", (100_000, 1)), ("wide", (1, 100_000))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    model.graph.node.append(helper.make_node("MatMul", ["tall", "wide"], ["huge"]))


def too_wide(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 1 << 40], np.int64), "shape"))
    model.graph.node.append(helper.make_node("Reshape", ["features", "shape"], ["huge"]))


def declared_size(model: Any) -> None:
    model.graph.initializer[1].dims[0] = 1 << 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (add_node("Loop", ["features"], "y"), "the operator 'Loop'"),
        (add_node("Scan", ["features"], "y"), "the operator 'Scan'"),
        (add_node("NonZero", ["features"], "y"), "the operator 'NonZero'"),
        (add_node("Relu", ["features"], "y", "com.example"), "of 'com.example'"),
        (add_node("Relu", ["nowhere"], "y"), "'Relu' of .'nowhere'"),
        (add_node("Relu", ["features"], "probabilities"), "outputs .'probabilities'"),
        (add_node("Relu", ["features"], "y", alpha=1.0), "the attribute 'alpha'"),
        (with_branch, "field number 6|operator 'If'"),
        (with_hidden_branch, "field number 6"),
        (with_function, "the model has a field number 25"),
        (doubled(60), "joined twice"),
        (outer_product, "'MatMul' of .'tall', 'wide'"),
        (too_wide, "'Reshape'"),
        (declared_size, "bytes of its own"),
        (lambda model: model.opset_import.append(helper.make_opsetid("com.microsoft", 1)), "com.microsoft"),
        (lambda model: model.graph.input.append(model.graph.input[0]), "2 of 'input'"),
        (lambda model: model.graph.initializer.append(model.graph.initializer[0]), "twice"),
        (lambda model: model.metadata_props.add(key="a", value="b"), "field number 14"),
    ],
)
def test_what_no_committee_has_is_refused(graph, change, words):
    with pytest.raises(InputError, match=words):
        InferenceEngine(changed(graph, change))


def test_a_second_graph_within_the_bytes_is_refused(graph):
    with pytest.raises(InputError, match="2 of 'graph'"):
        check_graph(graph + graph)


def test_trees_that_lead_back_are_refused(forest):
    check_graph(committee_graph([forest], 6))

    def lead_back(model: Any) -> None:
        for attribute in model.graph.node[0].attribute:
            if attribute.name == "nodes_truenodeids":
                attribute.ints[0] = 0

    with pytest.raises(InputError, match="TreeEnsembleRegressor"):
        check_graph(changed(committee_graph([forest], 6), lead_back))


@pytest.mark.parametrize("name", ["nodes_featureids", "target_ids"])
def test_trees_that_ask_for_what_is_not_there_are_refused(forest, name):
    def beyond(model: Any) -> None:
        for attribute in model.graph.node[0].attribute:
            if attribute.name == name:
                attribute.ints[0] = 10_000

    with pytest.raises(InputError, match="TreeEnsembleRegressor"):
        check_graph(changed(committee_graph([forest], 6), beyond))


# damage


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff" * 40, b"\x3a\x05ab", b"\x0b"])
def test_bytes_that_are_no_graph_are_refused(content):
    with pytest.raises(InputError, match="no committee has"):
        check_graph(content)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(data):
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(6, 3)).astype(np.float32), np.zeros(3, np.float32)
    content = bytearray(committee_graph([TrainedNetwork([(kernel, bias)], None, 1, 1)], 6))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    try:
        engine = InferenceEngine(bytes(content[:cut]))
    except InputError:
        return
    assert engine.members(np.zeros((2, engine.n_inputs), np.float32)).shape == (
        2,
        engine.n_members,
        engine.n_classes,
    )
