"""PyTorch's own test matrix, from its wheel: the ModuleInfo entries of its layers and cells, run on ours."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_close
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

import elman.nn

pytest.importorskip("expecttest", reason="PyTorch's test matrix needs expecttest")
from torch.testing._internal import common_modules

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
NAMES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")
INFOS = {i.module_cls.__name__: i for i in common_modules.module_db if i.module_cls.__name__ in NAMES}
PACKED = {"with_packed_sequence": True}


def test_all_entries_are_there() -> None:
    assert set(INFOS) == set(NAMES)


def samples(
    name: str, dtype: torch.dtype = torch.float64, *, grad: bool = False, training: bool = True, packed: bool = False
) -> Iterator[tuple[Any, Any, Any, tuple[Any, ...]]]:
    """Each sample's module of ours, torch.nn's from the same seed, the sample, and its arguments."""
    info = INFOS[name]
    more = PACKED if packed and name in ("RNN", "GRU") else {}
    found = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=grad, training=training, **more)
    for sample in found:
        made = []
        for library in (elman.nn, torch.nn):
            torch.manual_seed(0)
            c = sample.constructor_input
            made.append(getattr(library, name)(*c.args, **{**c.kwargs, "dtype": dtype}).train(training))
        yield made[0], made[1], sample, sample.forward_input.args


def unpacked(value: Any) -> Any:
    return tree_map(
        lambda v: v.data if isinstance(v, PackedSequence) else v, value, is_leaf=lambda v: isinstance(v, PackedSequence)
    )


def tensors(value: Any) -> list[Any]:
    flat = tree_flatten(unpacked(value))[0]
    return [v.detach().numpy() for v in flat if isinstance(v, torch.Tensor)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_forward_and_its_references(name: str, dtype: torch.dtype) -> None:
    count = 0
    for ours, theirs, sample, given in samples(name, dtype, packed=True):
        actual, expected = ours(*given), theirs(*given)
        for a, b in zip(tensors(actual), tensors(expected), strict=True):
            assert_close(a, b, "float64 rounding" if dtype == torch.float64 else "float32 rounding", zero=not b.any())
        if sample.reference_fn is not None and not isinstance(given[0], PackedSequence):
            wanted = sample.reference_fn(ours, *given)
            for a, b in zip(tensors(actual), tensors(wanted), strict=True):
                assert_close(a, b, "float64" if dtype == torch.float64 else "float32 rounding", zero=not b.any())
        count += 1
    assert count >= 2


@pytest.mark.parametrize("name", NAMES)
def test_parameters_names_and_repr(name: str) -> None:
    for ours, theirs, _, _ in samples(name):
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)
        own = {key for key in vars(theirs) if not key.startswith("_")}
        assert {key: getattr(ours, key) for key in own} == {key: getattr(theirs, key) for key in own}


@pytest.mark.parametrize("name", NAMES)
def test_errors(name: str) -> None:
    info = INFOS[name]
    count = 0
    for error in info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=False
    ):
        given = error.module_error_input
        c, f = given.constructor_input, given.forward_input

        def make(c: Any = c, f: Any = f) -> Any:
            dtype = {} if f is None or "dtype" in c.kwargs else {"dtype": torch.float64}
            module = getattr(elman.nn, name)(*c.args, **{**c.kwargs, **dtype})
            return module if f is None else module(*f.args, **f.kwargs)

        with pytest.raises(error.error_type, match=error.error_regex):
            make()
        count += 1
    assert count >= 4


@pytest.mark.parametrize("name", NAMES)
def test_gradients_by_differences(name: str) -> None:
    for index, (ours, _, _, given) in enumerate(samples(name, grad=True, packed=True)):
        if index % 2 == 0 or index < 4:  # slow; test_derivatives.py has every kind of layer
            assert _checked(gradcheck, ours, given)
        if index % 8 == 0:
            assert _checked(gradgradcheck, ours, given)


def _checked(check: Any, module: Any, given: tuple[Any, ...]) -> bool:
    given = tuple(
        g._replace(data=g.data.detach().requires_grad_()) if isinstance(g, PackedSequence) else g for g in given
    )
    flat, shape = tree_flatten(unpacked(given))
    weights = list(module.parameters())

    def run(*leaves: torch.Tensor) -> list[torch.Tensor]:
        args = list(tree_unflatten(list(leaves[: len(flat)]), shape))
        if isinstance(given[0], PackedSequence):
            args[0] = given[0]._replace(data=args[0])
        named = {name: p for (name, _), p in zip(module.named_parameters(), leaves[len(flat) :], strict=True)}
        found = torch.func.functional_call(module, named, tuple(args))
        return [v for v in tree_flatten(unpacked(found))[0] if isinstance(v, torch.Tensor) and v.requires_grad]

    done: bool = check(run, (*flat, *weights), fast_mode=True)
    return done


@pytest.mark.parametrize("name", NAMES)
def test_saving_copying_and_moving(name: str) -> None:
    for ours, _, _, given in samples(name):
        expected = tensors(ours(*given))
        place = io.BytesIO()
        torch.save(ours, place)
        place.seek(0)
        loaded = torch.load(place, weights_only=False)
        moved = getattr(ours.to("meta"), "to_empty")(device="cpu")  # noqa: B009
        moved.load_state_dict(loaded.state_dict())
        for module in (loaded, copy.deepcopy(loaded), moved, moved.float().double()):
            found = tensors(module(*given))
            tolerance = "float32 rounding" if module is moved else "float64 rounding"
            for a, b in zip(found, expected, strict=True):
                assert_close(a, b, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_that_are_not_contiguous(name: str) -> None:
    for ours, theirs, _, given in samples(name):

        def spread(v: torch.Tensor) -> torch.Tensor:
            wide = torch.full((*v.shape, 2), float("nan"), dtype=v.dtype)
            wide[..., 1] = v
            return wide[..., 1]

        turned = tree_map(spread, given)
        for a, b in zip(tensors(ours(*turned)), tensors(theirs(*given)), strict=True):
            assert_close(a, b, "float64 rounding")


@pytest.mark.parametrize("name", NAMES[:3])
def test_training_differs_from_evaluation_only_by_dropout(name: str) -> None:
    for ours, _, _, given in samples(name):
        trained = tensors(ours(*given))
        for a, b in zip(tensors(ours.eval()(*given)), trained, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_device_is_taken(name: str) -> None:
    with torch.device("meta"):
        module = getattr(elman.nn, name)(3, 4)
    assert {p.device.type for p in module.parameters()} == {"meta"}
