"""Forward, loss and every gradient against PyTorch: its layers where it has them, its cells step by step elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_all_close, assert_close
from tests.engines.cases import CELLS, LOSSES, TORCH_CELLS, Case, case, exists
from tests.engines.torch_twin import Answer, layers, unrolled

from elman.engines import Batch, Gradients, Loss
from elman.engines.dropout import dropout_mask


def assert_same_answer(found: Gradients, wanted: Answer) -> None:
    assert_close(found.loss, wanted.loss)
    assert_close(found.outputs, wanted.outputs)
    for ours, theirs in zip(found.state, wanted.state, strict=True):
        assert_close(ours, theirs, zero=not theirs.any())
    assert set(found.parameters) == set(wanted.parameters)
    for name, theirs in wanted.parameters.items():
        assert_close(found.parameters[name], theirs, zero=not theirs.any())
    if wanted.inputs is not None:
        assert found.inputs is not None
        assert_close(found.inputs, wanted.inputs)
    else:
        assert found.inputs is None
    for ours, theirs in zip(found.initial_state, wanted.initial_state, strict=True):
        assert_close(ours, theirs, zero=not theirs.any())


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_layers_of_torch(
    engine_name: str, cell: str, num_layers: int, bidirectional: bool, bias: bool, head: str, lengths: bool
) -> None:
    given = case(
        cell, lengths=lengths, num_layers=num_layers, bidirectional=bidirectional, bias=bias, head_bias=bias, head=head
    )
    found = given.engine(engine_name).gradients(given.batch, given.state)
    assert_same_answer(found, layers(given.network, given.loss, given.batch, given.state))


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("inputs", ["one_hot", "embedding"])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_tokens(engine_name: str, cell: str, inputs: str, lengths: bool) -> None:
    given = case(
        cell, LOSSES["cross_entropy"], lengths=lengths, inputs=inputs, input_size=6, num_layers=2, bidirectional=True
    )
    found = given.engine(engine_name).gradients(given.batch, given.state)
    assert_same_answer(found, layers(given.network, given.loss, given.batch, given.state))


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_tokens_are_dense_one_hot_vectors(engine_name: str, cell: str) -> None:
    given = case(cell, inputs="one_hot", input_size=6, num_layers=2)
    dense = case(cell, input_size=6, num_layers=2)
    by_token = given.engine(engine_name).gradients(given.batch, given.state)
    vectors = Batch(np.eye(6)[given.batch.inputs], given.batch.targets)
    by_vector = (
        Case(dense.network, given.loss, vectors, given.state).engine(engine_name).gradients(vectors, given.state)
    )
    assert_close(by_token.outputs, by_vector.outputs)
    assert_all_close(by_token.parameters, by_vector.parameters)


@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(engine_name: str, loss: str, head: str) -> None:
    given = case("gru", LOSSES[loss], lengths=True, head=head, seed=3)
    found = given.engine(engine_name).gradients(given.batch, given.state)
    assert_same_answer(found, layers(given.network, given.loss, given.batch, given.state))


@pytest.mark.parametrize("backprop_steps", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"head": "last"}], ids=str)
@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_truncation_is_a_detached_state(
    engine_name: str, cell: str, lengths: bool, options: dict[str, Any], backprop_steps: int
) -> None:
    """Counted from each sequence's own end, in each layer and direction."""
    given = case(cell, lengths=lengths, **options)
    found = given.engine(engine_name, backprop_steps=backprop_steps).gradients(given.batch, given.state)
    wanted = unrolled(given.network, given.loss, given.batch, given.state, backprop_steps=backprop_steps)
    assert_same_answer(found, wanted)
    if backprop_steps > 7:
        assert_all_close(found.parameters, given.engine(engine_name).gradients(given.batch, given.state).parameters)
    elif options == {"head": "last"} and not lengths and backprop_steps < 7:
        whole = given.engine(engine_name).gradients(given.batch, given.state).parameters["weight_hh_l0"]
        assert np.abs(found.parameters["weight_hh_l0"] - whole).max() > 1e-9 * np.abs(whole).max()


@pytest.mark.parametrize("update", [0, 1])
@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_multiplies_each_layer_but_the_last_by_its_mask(
    engine_name: str, cell: str, lengths: bool, update: int
) -> None:
    given = case(cell, lengths=lengths, num_layers=3, bidirectional=True, dropout=0.4)
    engine = given.engine(engine_name, seed=11)
    engine.updates = update
    n, t = given.batch.inputs.shape[:2]
    shape = (n, t, 2 * given.network.hidden_size)
    masks = [dropout_mask(11, update, layer, shape, 0.4) for layer in range(2)]
    wanted = unrolled(given.network, given.loss, given.batch, given.state, masks=masks)
    assert_same_answer(engine.gradients(given.batch, given.state), wanted)
    without = unrolled(given.network, given.loss, given.batch, given.state)
    assert_same_answer(engine.gradients(given.batch, given.state, train=False), without)
    assert_close(engine.evaluate(given.batch, given.state).loss, without.loss)
    assert_close(engine.forward(given.batch.inputs, given.state, given.batch.lengths)[0], without.outputs)


@pytest.mark.parametrize("cell", CELLS)
def test_the_two_twins_agree(cell: str) -> None:
    """Where PyTorch has the layer, its layer and its cells step by step are one; sigmoid has only the second."""
    given = case(cell, lengths=True, num_layers=2, bidirectional=True)
    slow = unrolled(given.network, given.loss, given.batch, given.state)
    if cell == "elman-sigmoid":
        assert np.isfinite(slow.loss)
        return
    quick = layers(given.network, given.loss, given.batch, given.state)
    assert_close(slow.loss, quick.loss)
    assert_all_close(slow.parameters, quick.parameters)


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_step_by_step(engine_name: str, cell: str, head: str, lengths: bool) -> None:
    given = case(cell, lengths=lengths, head=head, num_layers=2, bidirectional=True, seed=5)
    found = given.engine(engine_name).gradients(given.batch, given.state)
    assert_same_answer(found, unrolled(given.network, given.loss, given.batch, given.state))


@pytest.mark.parametrize(
    ("n", "t", "d", "h"), [(1, 1, 1, 1), (7, 1, 1, 63), (1, 100, 7, 1), (63, 7, 100, 7), (7, 63, 1, 100)]
)
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_odd_sizes(engine_name: str, cell: str, n: int, t: int, d: int, h: int) -> None:
    given = case(cell, Loss(kind="mse"), n=n, t=t, input_size=d, hidden_size=h, lengths=n > 1)
    weights = {name: p * (0.6 / h**0.5) for name, p in given.network.parameters.items()}
    given = Case(given.network.with_parameters(weights), given.loss, given.batch, given.state)
    found = given.engine(engine_name).gradients(given.batch, given.state)
    assert_same_answer(found, layers(given.network, given.loss, given.batch, given.state))
    assert exists(given.batch).any()
