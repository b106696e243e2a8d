"""How data become pieces: every sequence once an epoch, carried state where it belongs, the next token as target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import batches as batches_module
from elman.data.batches import Batches, SequenceBatches, SharedEpochs, TextBatches
from elman.data.windows import WindowsOf
from elman.engines import Batch
from elman.errors import DataError, UsageError


def numbered(count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (count, T, 1) whose every entry is its own number, and targets 1000 more."""
    x = np.arange(float(count * steps)).reshape(count, steps, 1)
    return x, x + 1000


def pieces_of(batches: Batches, number: int = 0) -> list[tuple[Batch, bool]]:
    return [(p[i], bool(p.fresh[i])) for p in batches.epoch(number) for i in range(len(p))]


@given(
    count=st.integers(1, 12), steps=st.integers(1, 9), size=st.integers(1, 5), cut=st.none() | st.integers(1, 10),
    carry=st.booleans(), shuffle=st.booleans(), number=st.integers(0, 3), ragged=st.booleans(), chunk=st.integers(1, 40),
)  # fmt: skip
def test_every_step_once_an_epoch_with_its_own_target(
    count: int,
    steps: int,
    size: int,
    cut: int | None,
    carry: bool,
    shuffle: bool,
    number: int,
    ragged: bool,
    chunk: int,
) -> None:
    x, y = numbered(count, steps)
    lengths = np.random.default_rng(count).integers(1, steps + 1, count) if ragged else None
    batches = SequenceBatches(x, y, lengths, batch_size=size, shuffle=shuffle, steps=cut, carry=carry, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "CHUNK", chunk)
        pieces = pieces_of(batches, number)
    assert len(pieces) <= batches.updates
    if lengths is None or not shuffle:
        assert len(pieces) == batches.updates
    seen = []
    for batch, fresh in pieces:
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.shape[0] <= size
        assert batch.inputs.shape[1] <= (cut or steps)
        starts = batch.inputs[:, 0, 0] % steps == 0
        if cut is None or not carry:
            assert fresh
        else:
            assert starts.all() == fresh
        ends = np.full(len(batch.inputs), batch.inputs.shape[1]) if batch.lengths is None else batch.lengths
        for row, target, end in zip(batch.inputs, batch.targets, ends, strict=True):
            seen += row[:end, 0].tolist()
            assert (target == row + 1000).all()
    ends = np.full(count, steps) if lengths is None else lengths
    assert sorted(seen) == sorted(x[np.arange(steps) < ends[:, None], 0].tolist())


def test_pieces_of_a_group_follow_each_other_in_time() -> None:
    x, y = numbered(4, 6)
    pieces = pieces_of(SequenceBatches(x, y, batch_size=2, shuffle=False, steps=2, carry=True))
    assert [fresh for _, fresh in pieces] == [True, False, False, True, False, False]
    firsts = [batch.inputs[:, 0, 0].tolist() for batch, _ in pieces]
    assert firsts == [[0, 6], [2, 8], [4, 10], [12, 18], [14, 20], [16, 22]]


def test_the_last_piece_in_time_and_the_last_batch_may_be_smaller() -> None:
    x, y = numbered(3, 5)
    shapes = [b.inputs.shape[:2] for b, _ in pieces_of(SequenceBatches(x, y, batch_size=2, shuffle=False, steps=2))]
    assert shapes == [(2, 2), (2, 2), (2, 1), (1, 2), (1, 2), (1, 1)]


def test_ragged_batches_are_trimmed_to_their_longest() -> None:
    x, y = numbered(4, 6)
    batches = SequenceBatches(x, y, np.array([2, 3, 6, 6]), batch_size=2, shuffle=False)
    (first, _), (second, _) = pieces_of(batches)
    assert first.inputs.shape == (2, 3, 1)
    assert first.lengths is not None
    assert first.lengths.tolist() == [2, 3]
    assert second.inputs.shape == (2, 6, 1)
    assert second.lengths is None


def test_a_sequence_that_has_ended_counts_no_more_steps_in_later_pieces() -> None:
    x, y = numbered(2, 6)
    pieces = pieces_of(SequenceBatches(x, y, np.array([3, 6]), batch_size=2, shuffle=False, steps=2, carry=True))
    assert [b.lengths.tolist() for b, _ in pieces if b.lengths is not None] == [[2, 2], [1, 2], [0, 2]]


def test_one_target_a_sequence() -> None:
    x, _ = numbered(5, 4)
    labels = np.arange(5) * 10
    found = pieces_of(SequenceBatches(x, labels, np.array([1, 2, 3, 4, 4]), batch_size=2, aligned=False, seed=1))
    for batch, fresh in found:
        assert fresh
        assert (batch.targets == batch.inputs[:, 0, 0] / 4 * 10).all()
    assert sorted(np.concatenate([b.targets for b, _ in found]).tolist()) == [0, 10, 20, 30, 40]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int, shuffle: bool = True) -> list[float]:
        batches = SequenceBatches(*numbered(20, 1), batch_size=3, shuffle=shuffle, seed=seed)
        return [v for b, _ in pieces_of(batches, epoch) for v in b.inputs[:, 0, 0].tolist()]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(*key)) for key in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))}) == 5
    assert order(0, 5, shuffle=False) == list(range(20))


def test_windows_are_gathered_as_batches() -> None:
    y = np.arange(10.0)[:, None]
    inputs = WindowsOf([y], [np.arange(6)], 3)
    targets = WindowsOf([y], [np.arange(6) + 3], 2, flat=True)
    found = pieces_of(SequenceBatches(inputs, targets, batch_size=4, shuffle=False, aligned=False))
    assert found[0][0].inputs[:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert found[1][0].targets.tolist() == [[7, 8], [8, 9]]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"batch_size": 0}, UsageError, "`batch_size` must be at least 1; got 0"),
        ({"steps": 0}, UsageError, "`steps` must be at least 1; got 0"),
        ({"steps": 2, "aligned": False}, UsageError, "`steps` needs an answer at every step"),
        ({"targets": np.zeros((2, 4, 1))}, DataError, "`X` holds 3 sequences and `y` 2; they must be as many"),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], match: str) -> None:
    x, y = numbered(3, 4)
    targets = options.pop("targets", y)
    with pytest.raises(error, match=match):
        SequenceBatches(x, targets, **options)


@pytest.mark.parametrize("updates", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("ragged", [False, True])
def test_shared_epochs_go_on_where_the_last_one_stopped(updates: int, ragged: bool) -> None:
    """All epochs one after the other are the passes through the data one after the other: nothing twice, nothing left."""
    x, y = numbered(3, 5)
    lengths = np.array([5, 1, 3]) if ragged else None
    inner = SequenceBatches(x, y, lengths, batch_size=1, shuffle=False, steps=2, carry=True)
    shared = SharedEpochs(inner, updates)
    assert shared.updates == updates
    found, passes = [], [p for _ in range(12) for p in pieces_of(inner)]
    for number in range(4):
        epoch = pieces_of(shared, number)
        assert len(epoch) == updates
        found += epoch
    for (batch, fresh), (wanted, begins) in zip(found, passes, strict=False):
        assert (batch.inputs == wanted.inputs).all()
        assert fresh == begins


def test_shared_epochs_need_an_update() -> None:
    with pytest.raises(UsageError, match="`updates_per_epoch` must be at least 1; got 0"):
        SharedEpochs(SequenceBatches(*numbered(1, 2)), 0)


@given(size=st.integers(1, 5), steps=st.integers(1, 9), spare=st.integers(0, 60), fixed=st.booleans(),
       sampling=st.sampled_from(["sequential", "random"]), epoch=st.integers(0, 5))  # fmt: skip
def test_the_target_is_the_next_token(
    size: int, steps: int, spare: int, fixed: bool, sampling: str, epoch: int
) -> None:
    count = size * steps + 1 + (0 if fixed else steps) + spare
    tokens = np.arange(count)
    batches = TextBatches(tokens, batch_size=size, steps=steps, sampling=sampling, fixed_offset=fixed, seed=2)
    (pieces,) = batches.epoch(epoch)
    assert pieces.inputs.shape[1:] == (size, steps)
    assert (pieces.targets == pieces.inputs + 1).all()
    assert (np.diff(pieces.inputs, axis=2) == 1).all()
    assert len(np.unique(pieces.inputs)) == pieces.inputs.size  # no token is read twice
    assert pieces.inputs.min() >= 0
    assert pieces.targets.max() < count
    assert 1 <= len(pieces) <= batches.updates
    left = count - pieces.inputs.size
    assert left <= size * steps + steps + size  # all is read but the offset and what does not fill another piece
    if fixed:
        assert pieces.inputs.min() < (steps * (count // steps) if sampling == "random" else 1)
        assert len(pieces) == batches.updates


@given(size=st.integers(1, 5), steps=st.integers(1, 9), spare=st.integers(0, 60), epoch=st.integers(0, 5))
def test_sequential_rows_go_on_from_piece_to_piece(size: int, steps: int, spare: int, epoch: int) -> None:
    batches = TextBatches(np.arange(size * steps + steps + 1 + spare), batch_size=size, steps=steps, seed=2)
    (pieces,) = batches.epoch(epoch)
    assert (pieces.inputs[1:, :, 0] == pieces.inputs[:-1, :, -1] + 1).all()
    assert pieces.fresh.tolist() == [True] + [False] * (len(pieces) - 1)
    width = np.diff(pieces.inputs[0, :, 0])
    assert (width == width[:1]).all()  # the rows are as far apart as they are long
    assert pieces.inputs[0, 0, 0] <= steps


@given(size=st.integers(1, 5), steps=st.integers(1, 9), spare=st.integers(0, 60), epoch=st.integers(0, 5))
def test_random_pieces_start_fresh_on_a_grid(size: int, steps: int, spare: int, epoch: int) -> None:
    batches = TextBatches(
        np.arange(size * steps + steps + 1 + spare), batch_size=size, steps=steps, sampling="random", seed=2
    )
    (pieces,) = batches.epoch(epoch)
    assert pieces.fresh.all()
    starts = pieces.inputs[:, :, 0].ravel()
    assert len(set((starts % steps).tolist())) == 1


@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_offsets_differ_between_epochs_and_reach_every_value(sampling: str) -> None:
    def offsets(fixed: bool, seed: int = 0) -> list[int]:
        batches = TextBatches(np.arange(500), batch_size=3, steps=7, sampling=sampling, fixed_offset=fixed, seed=seed)
        return [int(next(iter(batches.epoch(e))).inputs.min()) % 7 for e in range(60)]

    assert set(offsets(False)) == set(range(7))
    assert offsets(False) == offsets(False) != offsets(False, seed=1)
    if sampling == "sequential":
        assert set(offsets(True)) == {0}
        first = [
            int(next(iter(TextBatches(np.arange(500), batch_size=3, steps=7).epoch(e))).inputs.min()) for e in range(60)
        ]
        assert set(first) == set(range(8))  # 0 to T, both included


def test_random_order_differs_between_epochs() -> None:
    batches = TextBatches(np.arange(500), batch_size=3, steps=7, sampling="random", fixed_offset=True)
    first, second = (next(iter(batches.epoch(e))).inputs[:, :, 0].ravel().tolist() for e in (0, 1))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize(("fixed", "needed"), [(True, 7), (False, 9)])
def test_a_text_too_short(fixed: bool, needed: int) -> None:
    TextBatches(np.arange(needed), batch_size=3, steps=2, fixed_offset=fixed)
    with pytest.raises(
        DataError, match=rf"the text has {needed - 1} tokens, fewer than the {needed} .* batches of 3 x 2"
    ):
        TextBatches(np.arange(needed - 1), batch_size=3, steps=2, fixed_offset=fixed)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sampling": "rnd"}, "`sampling` must be sequential or random; got 'rnd'"),
        ({"batch_size": 0}, "`batch_size` and `steps` must be at least 1; got 0 and 35"),
        ({"steps": 0}, "`batch_size` and `steps` must be at least 1; got 32 and 0"),
    ],
)
def test_text_refusals(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        TextBatches(np.arange(5000), **options)
