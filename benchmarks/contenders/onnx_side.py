"""ONNX Runtime: one step of its recurrent operator and a linear head, the state fed back by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]
THREADS = 1


def start(threads: int) -> str:
    import onnxruntime

    global THREADS
    THREADS = threads
    return f"onnxruntime {onnxruntime.__version__}"


def make(kind: str, params: dict[str, Any]) -> Made:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    h, d = params["H"], params["D"]
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[params["cell"]]
    generator = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(generator.uniform(-0.1, 0.1, shape).astype(np.float32), name)

    def value(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    states = ["h", "c"][: 2 if params["cell"] == "lstm" else 1]
    options = {"linear_before_reset": 1} if params["cell"] == "gru" else {}
    nodes = [
        helper.make_node(params["cell"].upper(), ["x", "W", "R", "B", "", *states], ["", *(f"{s}_next" for s in states)],
                         hidden_size=h, **options),
        helper.make_node("Squeeze", ["h_next", "axis"], ["row"]),
        helper.make_node("Gemm", ["row", "V", "b"], ["y"]),
    ]  # fmt: skip
    weights = [constant("W", 1, gates * h, d), constant("R", 1, gates * h, h), constant("B", 1, 2 * gates * h),
               constant("V", h, 1), constant("b", 1), numpy_helper.from_array(np.array([0]), "axis")]  # fmt: skip
    graph = helper.make_graph(nodes, "step", [value("x", 1, 1, d), *(value(s, 1, 1, h) for s in states)],
                              [value("y", 1, 1), *(value(f"{s}_next", 1, 1, h) for s in states)], weights)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1  # its best for one step: more only wait for each other
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    feed = {"x": np.ones((1, 1, d), np.float32), **{s: np.zeros((1, 1, h), np.float32) for s in states}}

    def run() -> None:
        for _ in range(1000):
            _, *after = session.run(None, feed)
            for name, state in zip(states, after, strict=True):
                feed[name] = state

    return run, lambda: None
