"""What is the torch engine's own: devices, precision, masks on the device, truncation by windows, and when it is missing."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.closeness import assert_all_same_bits, assert_close, assert_same_bits
from tests.engines.cases import CELLS, LOSSES, case, network
from torch.func import functional_call

import elman.engines
from elman.engines import Loss, Optimiser, dropout, make_engine
from elman.engines.processes import ALONE
from elman.engines.torch import device as devices
from elman.engines.torch import dropout as torch_dropout
from elman.engines.torch.engine import TorchEngine
from elman.engines.torch.layers import TorchLayers
from elman.engines.torch.losses import loss_total
from elman.engines.torch.truncation import windows_of
from elman.errors import DeviceError, MissingExtraError, UsageError

# Which engine, and where --------------------------------------------------------------------------------------------------------


def test_auto_never_means_torch() -> None:
    assert make_engine("auto", network("gru")).name != "torch"


def test_float32_on_the_cpu_is_what_one_gets() -> None:
    engine = make_engine("torch", network("gru"))
    assert isinstance(engine, TorchEngine)
    assert (engine.name, str(engine.dtype), engine.device) == ("torch", "float32", torch.device("cpu"))
    assert elman.engines.dtype_of("torch", None) == "float32"


def test_without_pytorch_the_pip_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("elman.engines.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(elman.engines, "torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingExtraError, match=r"the torch engine needs PyTorch.*pip install 'elman\[torch\]'"
    ) as caught:
        make_engine("torch", network("gru"))
    assert caught.value.exit_code == 3
    for function in (elman.to_torch, elman.from_torch):
        with pytest.raises(MissingExtraError, match=r"_torch` needs PyTorch.*pip install 'elman\[torch\]'"):
            function(network("gru"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"device": "gpu"}, "`device` must be cpu, cuda, cuda:1 or another of PyTorch's; got 'gpu'"),
        ({"device": "meta"}, "`device` must be one that computes; got 'meta'"),
        ({"device": "cuda"}, "`device` 'cuda' needs a GPU that PyTorch .* can use, and finds none; take device='cpu'"),
        ({"device": "xpu"}, "`device` 'xpu' cannot be used with torch.float32: .*; take device='cpu'"),
        ({"precision": "float16"}, "`precision` must be one of float32, bfloat16; got 'float16'"),
        (
            {"precision": "bfloat16", "dtype": "float64"},
            "`precision` bfloat16 goes with dtype='float32'; got 'float64'",
        ),
    ],
    ids=str,
)
def test_what_the_torch_engine_refuses(options: dict[str, Any], match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=match):
        make_engine("torch", network("gru"), **options)


@pytest.mark.parametrize("name", ["auto", "native", "reference"])
def test_other_engines_have_one_device_and_no_mixed_precision(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"`device` 'cuda' needs engine='torch'; got engine='{name}', which computes on"
    ):
        make_engine(name, network("gru"), device="cuda")
    with pytest.raises(UsageError, match="`precision` 'bfloat16' needs engine='torch'; got engine="):
        make_engine(name, network("gru"), precision="bfloat16")
    assert make_engine(name, network("gru"), device="cpu", precision="float32").processes is ALONE


def test_memory_that_ends() -> None:
    with pytest.raises(DeviceError, match="the memory of cpu is full .*; make `batch_size`"):  # noqa: SIM117
        with devices.within_memory(torch.device("cpu")):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")


@pytest.mark.parametrize("backprop_steps", [None, 7])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_left_behind_on_the_host(cell: str, backprop_steps: int | None) -> None:
    """Forward, loss and backward with every number on another device: meta, which computes nothing, but mixes with none."""
    device = torch.device("meta")
    made = network(cell, num_layers=2, dropout=0.3, bidirectional=True, inputs="embedding", input_size=6)
    with device:
        layers = TorchLayers(made, backprop_steps=backprop_steps)
    state = tuple(torch.empty((4, 4, 5), device=device) for _ in made.recurrence.state_names)

    def mask(layer: int) -> torch.Tensor:
        return torch_dropout.dropout_mask(1, 2, layer, (4, 7, 10), 0.3, dtype=torch.float32, device=device)

    tokens = torch.zeros((4, 7), dtype=torch.int64, device=device)
    for loss in LOSSES.values():
        size = 3 if loss.kind == "cross_entropy" else 2 * loss.outputs_per_target()
        head = {
            "head.weight": torch.empty((size, 10), device=device, requires_grad=True),
            "head.bias": torch.empty(size, device=device),
        }
        outputs, last = functional_call(layers, head, (tokens, state, None, mask))
        shape = (4, 7) if loss.kind == "cross_entropy" else (4, 7, 2)
        targets = torch.zeros(shape, dtype=torch.int64 if len(shape) == 2 else torch.float32, device=device)
        total, correct = loss_total(loss, outputs, targets, torch.ones((4, 7), dtype=torch.bool, device=device))
        total.backward()  # type: ignore[no-untyped-call]
        assert {t.device for t in (outputs, *last, total, correct, head["head.weight"].grad)} == {device}
    with pytest.raises(RuntimeError, match="device"):
        layers(tokens, tuple(torch.zeros((4, 4, 5)) for _ in state), None, mask)


# Numbers ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7, 2**63 + 5, 2**64 - 1])
@pytest.mark.parametrize("rate", [0.1, 0.5, 1 / 3])
def test_masks_on_the_device_are_those_of_the_other_engines(seed: int, rate: float) -> None:
    for dtype in (torch.float32, torch.float64):
        whole = dropout.dropout_mask(seed, 3, 1, (5, 7, 6), rate).astype(str(dtype).removeprefix("torch."))
        for first, rows in ((0, 5), (2, 3), (4, 1)):
            part = torch_dropout.dropout_mask(
                seed, 3, 1, (rows, 7, 6), rate, first=first, dtype=dtype, device=torch.device("cpu")
            )
            assert_same_bits(part.numpy(), np.ascontiguousarray(whole[first : first + rows]))


def walked(lengths: np.ndarray, steps: int, reverse: bool, backprop_steps: int | None) -> list[list[tuple[int, bool]]]:
    """By the definition: each sequence's steps in the order of the walk, and whether the state before each is let go."""
    found = []
    for length in lengths:
        order = range(length - 1, -1, -1) if reverse else range(length)
        found.append(
            [(t, bool(backprop_steps) and (length - i) % (backprop_steps or 1) == 0) for i, t in enumerate(order)]
        )
    return found


@given(st.data())
def test_windows_walk_through_each_sequence_and_cut_by_the_definition(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 9))
    lengths = np.array(data.draw(st.lists(st.integers(0, steps), min_size=1, max_size=4)))
    reverse, backprop_steps = data.draw(st.booleans()), data.draw(st.none() | st.integers(1, 10))
    windows = windows_of(len(lengths), steps, lengths, reverse, backprop_steps)
    for row, wanted in enumerate(walked(lengths, steps, reverse, backprop_steps)):
        found = []
        for taken, there, cut in zip(windows.taken[:, row], windows.steps[:, row], windows.cut[:, row], strict=True):
            found += [(int(t), bool(cut) and k == 0) for k, t in enumerate(taken[:there])]
        assert found == wanted
        for t, _ in wanted:
            assert windows.taken[:, row].ravel()[windows.back[row, t]] == t
    assert windows.taken.min() >= 0
    assert windows.taken.max() < steps


def test_whole_sequences_are_those_of_full_length() -> None:
    for reverse in (False, True):
        plain, full = windows_of(2, 5, None, reverse, 2), windows_of(2, 5, np.array([5, 5]), reverse, 2)
        for field in ("taken", "steps", "cut", "back"):
            assert_same_bits(getattr(plain, field), getattr(full, field))


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_the_same_bits(cell: str) -> None:
    made = case(cell, lengths=True, num_layers=2, dropout=0.4)
    engines = [made.engine("torch", dtype="float32", optimiser=Optimiser(), seed=s) for s in (3, 3, 4)]
    for engine in engines:
        for _ in range(3):
            engine.train_step(made.batch)
    assert_all_same_bits(engines[0].parameters(), engines[1].parameters())
    assert np.abs(engines[0].parameters()["head.bias"] - engines[2].parameters()["head.bias"]).max() > 1e-6


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "dropout": 0.3, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_is_near_and_keeps_parameters_in_float32(cell: str, options: dict[str, Any], lengths: bool) -> None:
    """bfloat16 has 8 binary places: outputs are within some hundredths, and not what float32 gives."""
    made = case(cell, lengths=lengths, **options)
    full, mixed = (made.engine("torch", dtype="float32", precision=p) for p in ("float32", "bfloat16"))
    (wanted, _), (found, state) = (e.forward(made.batch.inputs, made.state, made.batch.lengths) for e in (full, mixed))
    assert 1e-5 < np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()
    assert {a.dtype for a in (found, *state)} == {np.dtype("float32")}
    trained = made.engine("torch", dtype="float32", precision="bfloat16", optimiser=Optimiser(learning_rate=0.02))
    losses = [trained.train_step(made.batch, made.state).losses[0] for _ in range(30)]
    assert losses[-1] < losses[0]
    kept = {**trained.parameters(), **trained.optimiser_state()}
    assert {a.dtype for a in kept.values()} == {np.dtype("float32")}


def test_random_numbers_of_the_user_are_left_alone() -> None:
    before = torch.get_rng_state()
    made = case("gru", num_layers=2, dropout=0.4)
    made.engine("torch", optimiser=Optimiser()).train_step(made.batch)
    assert torch.equal(before, torch.get_rng_state())


def test_arrays_that_pytorch_would_not_take_as_they_are() -> None:
    made = case("gru", Loss())
    engine = made.engine("torch")
    wanted = engine.forward(made.batch.inputs)[0]
    frozen = made.batch.inputs.copy()
    frozen.flags.writeable = False
    backwards = made.batch.inputs[:, ::-1].copy()[:, ::-1]
    for x in (frozen, backwards, made.batch.inputs.astype(">f8"), np.broadcast_to(frozen, frozen.shape)):
        assert_close(engine.forward(x)[0], wanted)
