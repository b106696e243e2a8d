"""What goes into an engine, checked once and the same for every engine, before anything is computed.

Shapes: N sequences, T steps, D features, L layers, H hidden units, O outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.cells import State
from elman.engines.options import LOSSES, OPTIMISERS, Loss, Optimiser
from elman.engines.pieces import Pieces
from elman.errors import UsageError
from elman.files import Array
from elman.network import Network


def check_inputs(network: Network, inputs: Array) -> Array:
    """Check inputs: (N, T, D) numbers, or (N, T) tokens from 0 to V - 1, with at least one sequence and one step."""
    inputs = np.asarray(inputs)
    if network.tokens:
        if inputs.ndim != 2 or not np.issubdtype(inputs.dtype, np.integer):
            raise UsageError(
                f"`inputs` must be (N, T) token numbers (integers) for a network with inputs={network.inputs!r}; "
                f"got shape {inputs.shape}, dtype {inputs.dtype}"
            )
        if inputs.size and (inputs.min() < 0 or inputs.max() >= network.input_size):
            raise UsageError(
                f"`inputs` must hold tokens from 0 to {network.input_size - 1}; got {inputs.min()} to {inputs.max()}"
            )
    elif inputs.ndim != 3 or inputs.shape[2] != network.input_size:
        hint = ""
        if inputs.ndim == 3 and inputs.shape[1] == network.input_size:
            hint = "; features seem to come before time, pass x.transpose(0, 2, 1)"
        raise UsageError(f"`inputs` must have shape (N, T, {network.input_size}); got {inputs.shape}{hint}")
    if 0 in inputs.shape:
        raise UsageError(f"`inputs` must hold at least one sequence of one step; got shape {inputs.shape}")
    return inputs


def check_state(network: Network, state: State | None, count: int, dtype: type | np.dtype) -> State:
    """Check a state.

    Args:
        network: Whose state it is.
        state: Arrays (L * directions, N, H), or None for zeros.
        count: N.
        dtype: What its numbers become.

    Returns:
        The arrays in this dtype.
    """
    rows, hidden = network.state_shape
    names = network.recurrence.state_names
    shape = (rows, count, hidden)
    if state is None:
        return tuple(np.zeros(shape, dtype) for _ in names)
    if isinstance(state, np.ndarray) or len(state) != len(names) or any(np.shape(s) != shape for s in state):
        came = np.shape(state) if isinstance(state, np.ndarray) else tuple(np.shape(s) for s in state)
        raise UsageError(
            f"`state` must be a tuple ({', '.join(names)},) of arrays of shape (L * directions, N, H) = {shape}; "
            f"got {came}"
        )
    return tuple(np.asarray(s, dtype=dtype) for s in state)


def check_lengths(lengths: Array | None, count: int, steps: int) -> Array | None:
    """Check lengths: (N,) whole numbers from 0 to T; they become int64."""
    if lengths is None:
        return None
    lengths = np.asarray(lengths)
    if lengths.shape != (count,) or not np.issubdtype(lengths.dtype, np.integer):
        raise UsageError(
            f"`lengths` must be ({count},) whole numbers; got shape {lengths.shape}, dtype {lengths.dtype}"
        )
    if lengths.min() < 0 or lengths.max() > steps:
        raise UsageError(f"`lengths` must lie from 0 to T = {steps}; got {lengths.min()} to {lengths.max()}")
    return lengths.astype(np.int64)


def check_targets(network: Network, loss: Loss | None, targets: Array, count: int, steps: int) -> Array:
    """Check what the loss compares with: classes (N, T) or (N,), or numbers (N, T, O) or (N, O)."""
    if loss is None:
        raise UsageError("this engine was made without `loss`; give one to train or to evaluate")
    targets = np.asarray(targets)
    lead = (count, steps) if network.head == "every" else (count,)
    if loss.kind != "cross_entropy":
        wanted = (*lead, network.output_size // loss.outputs_per_target())
        if targets.shape != wanted:
            raise UsageError(f"`targets` must have shape {wanted}; got {targets.shape}")
        return targets
    if targets.shape != lead or not np.issubdtype(targets.dtype, np.integer):
        raise UsageError(
            f"`targets` must be class numbers (integers) of shape {lead}; got shape {targets.shape}, "
            f"dtype {targets.dtype}"
        )
    scored = targets[targets != loss.ignore_index]
    if scored.size and (scored.min() < 0 or scored.max() >= network.output_size):
        raise UsageError(
            f"`targets` must hold classes from 0 to {network.output_size - 1}; got {scored.min()} to {scored.max()}"
        )
    return targets


def check_pieces(
    network: Network, loss: Loss | None, pieces: Pieces, state: State | None, dtype: np.dtype
) -> tuple[Pieces, State | None]:
    """Check pieces, each like a batch, before any is trained on.

    Args:
        network: What will be trained.
        loss: What is minimised.
        pieces: P batches of one shape.
        state: That the first piece goes on from.
        dtype: What numbers become; tokens, classes and lengths become int64.

    Returns:
        The pieces in C order and in these types; and the state, None where the first piece starts from zero.
    """
    inputs = np.asarray(pieces.inputs)
    fresh = check_fresh(pieces.fresh, len(inputs))
    for index in range(len(fresh)):
        batch = pieces[index]
        piece = check_inputs(network, batch.inputs)
        check_lengths(batch.lengths, *piece.shape[:2])
        check_targets(network, loss, batch.targets, *piece.shape[:2])
    if fresh[0]:  # what came before does not matter, whatever its shape
        state = None
    if state is not None:
        state = tuple(np.ascontiguousarray(s) for s in check_state(network, state, inputs.shape[1], dtype))
    classes = loss is not None and loss.kind == "cross_entropy"
    checked = Pieces(
        np.ascontiguousarray(inputs, np.int64 if network.tokens else dtype),
        np.ascontiguousarray(pieces.targets, np.int64 if classes else dtype),
        None if pieces.lengths is None else np.ascontiguousarray(pieces.lengths, np.int64),
        fresh,
    )
    return checked, state


def check_loss(network: Network, loss: Loss) -> None:
    """Raise one UsageError with every rule of a loss that is broken."""
    problems = []
    if loss.kind not in LOSSES:
        problems.append(f"`loss` must be one of {', '.join(LOSSES)}; got {loss.kind!r}")
    if loss.reduction not in ("mean", "sum"):
        problems.append(f"`reduction` must be mean or sum; got {loss.reduction!r}")
    if not loss.delta > 0:
        problems.append(f"`delta` must be above 0; got {loss.delta!r}")
    if loss.kind == "quantile" and (not loss.quantiles or not all(0 < q < 1 for q in loss.quantiles)):
        problems.append(f"`quantiles` must be numbers between 0 and 1; got {loss.quantiles!r}")
    elif network.output_size % max(1, loss.outputs_per_target()):
        problems.append(
            f"`output_size` must be a multiple of {loss.outputs_per_target()} for the {loss.kind} loss; "
            f"got {network.output_size}"
        )
    if loss.class_weights is not None and len(loss.class_weights) != network.output_size:
        problems.append(f"`class_weights` must hold {network.output_size} numbers; got {len(loss.class_weights)}")
    if problems:
        raise UsageError("; ".join(problems))


def check_optimiser(optimiser: Optimiser) -> None:
    """Raise one UsageError with every rule of an optimiser that is broken."""
    problems = []
    if optimiser.kind not in OPTIMISERS:
        problems.append(f"`optimiser` must be one of {', '.join(OPTIMISERS)}; got {optimiser.kind!r}")
    for name in ("learning_rate", "momentum", "weight_decay", "eps"):
        value = getattr(optimiser, name)
        if not (np.isfinite(value) and value >= 0):
            problems.append(f"`{name}` must be a finite number of at least 0; got {value!r}")
    for name in ("clip_value", "clip_norm"):
        value = getattr(optimiser, name)
        if value is not None and not value > 0:
            problems.append(f"`{name}` must be above 0, or None for no clipping; got {value!r}")
    if optimiser.nesterov and not (optimiser.kind == "sgd" and optimiser.momentum > 0):
        problems.append("`nesterov` needs optimiser='sgd' and `momentum` above 0")
    if optimiser.momentum and optimiser.kind in ("adam", "adamw"):
        problems.append(f"`momentum` is for sgd and rmsprop; {optimiser.kind} has `betas`")
    if not all(0 <= beta < 1 for beta in (*optimiser.betas, optimiser.alpha)):
        problems.append(f"`betas` and `alpha` must be at least 0 and below 1; got {optimiser.betas}, {optimiser.alpha}")
    if problems:
        raise UsageError("; ".join(problems))


def check_engine(
    network: Network, loss: Loss | None, optimiser: Optimiser | None, backprop_steps: int | None, dtype: str
) -> None:
    """Check what an engine is made from; arguments as for `Engine`."""
    _ = network.recurrence  # refuses a cell that there is not
    if not network.parameters:
        raise UsageError("`network` has no parameters yet; call `network.initialise(seed)` or load some")
    if loss is not None:
        check_loss(network, loss)
    if optimiser is not None:
        check_optimiser(optimiser)
    if backprop_steps is not None and backprop_steps < 1:
        raise UsageError(f"`backprop_steps` must be at least 1, or None for all steps; got {backprop_steps!r}")
    if dtype not in ("float32", "float64"):
        raise UsageError(f"`dtype` must be float32 or float64; got {dtype!r}")


def check_fresh(fresh: Array, pieces: int) -> Array:
    """Check `Pieces.fresh`: (P,) truth values, one for each piece, of which there is at least one."""
    fresh = np.ascontiguousarray(fresh, bool)
    if fresh.ndim != 1 or len(fresh) != pieces or pieces == 0:
        raise UsageError(
            f"`fresh` must hold a truth value for each of the pieces, at least one; got {fresh.shape} for {pieces}"
        )
    return fresh


def check_stream(network: Network, sessions: int) -> None:
    """Check what a stream is made from: a network that can stream, and at least one session."""
    if network.bidirectional or network.head == "last":
        raise UsageError(
            "`stream` needs a network that reads forward only and answers at every step; this one is "
            + ("bidirectional" if network.bidirectional else "made with head='last'")
        )
    if sessions < 1:
        raise UsageError(f"`sessions` must be at least 1; got {sessions!r}")


def check_step(network: Network, sessions: int, x: Any) -> tuple[Array, bool]:
    """Check what a stream steps with.

    Args:
        network: Whose stream it is.
        sessions: S.
        x: (S, D) numbers or (S,) tokens; for one session also (D,), or a number.

    Returns:
        x with its sessions axis, and whether it came without.
    """
    x = np.asarray(x)
    shape = (sessions,) if network.tokens else (sessions, network.input_size)
    return _with_sessions(x, shape, number=shape == (1, 1))


def check_steps(network: Network, sessions: int, xs: Any) -> tuple[Array, bool]:
    """Check what a stream makes many steps with.

    Args:
        network: Whose stream it is.
        sessions: S.
        xs: (S, T, D) numbers or (S, T) tokens; for one session also without the first axis.

    Returns:
        xs with its sessions axis, and whether it came without.
    """
    xs = np.asarray(xs)
    step_shape = () if network.tokens else (network.input_size,)
    axis = xs.ndim - len(step_shape) - 1  # of time
    steps = xs.shape[axis] if axis in (0, 1) else 1
    return _with_sessions(xs, (sessions, steps, *step_shape))


def _with_sessions(x: Array, shape: tuple[int, ...], *, number: bool = False) -> tuple[Array, bool]:
    """x in this shape, its first axis that of the sessions; without that axis, or a number where one will do, if S = 1."""
    single = shape[0] == 1 and (x.shape == shape[1:] or (number and x.ndim == 0))
    if x.shape != shape and not single:
        raise UsageError(f"`x` must have shape {shape}; got {x.shape}")
    return x.reshape(shape), single
