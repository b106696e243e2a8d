"""The network: PyTorch's names, shapes and default ranges; initialisers; reading and writing, and what is refused."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tests.closeness import assert_all_same_bits, assert_close
from torch import nn

from elman.errors import RunError, UsageError
from elman.network import FORMAT, Network, load_model, save_model

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 5, "output_size": 2}


def make(**options: Any) -> Network:
    return Network(**{"cell": "gru", **SIZES, **options})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_names_and_shapes_are_torchs(cell: str, num_layers: int, bidirectional: bool, bias: bool) -> None:
    """In PyTorch's own order, so that a state_dict goes either way without renaming."""
    made = make(cell=cell, num_layers=num_layers, bidirectional=bidirectional, bias=bias, head_bias=bias)
    kind = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    layer = kind(3, 5, num_layers, bias=bias, bidirectional=bidirectional)
    head = nn.Linear(10 if bidirectional else 5, 2, bias=bias)
    wanted = {name: tuple(p.shape) for name, p in layer.state_dict().items()}
    wanted |= {f"head.{name}": tuple(p.shape) for name, p in head.state_dict().items()}
    assert list(made.shapes().items()) == list(wanted.items())
    assert {name: p.shape for name, p in made.initialise(0).parameters.items()} == wanted


def test_embedding_comes_first_and_feeds_the_first_layer() -> None:
    made = make(inputs="embedding", input_size=9, embedding_size=4, cell="lstm")
    assert list(made.shapes().items())[:2] == [("embedding.weight", (9, 4)), ("weight_ih_l0", (20, 4))]
    assert nn.Embedding(9, 4).weight.shape == (9, 4)
    assert make(inputs="one_hot", input_size=9).shapes()["weight_ih_l0"] == (15, 9)


def test_rows_of_a_state() -> None:
    made = make(num_layers=2, bidirectional=True)
    assert made.layer_names() == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert made.state_shape == (4, 5)
    assert [made.layer_input_size(layer) for layer in (0, 1)] == [3, 10]


def test_initialisation_is_a_function_of_the_seed() -> None:
    made = make(num_layers=2)
    assert_all_same_bits(made.initialise(3).parameters, made.initialise(3).parameters)
    other = made.initialise(4).parameters
    for name, p in made.initialise(3).parameters.items():
        assert p.dtype == np.float64
        assert (p != other[name]).all()
    assert made.parameters == {}  # a network is not changed by making another from it


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="`seed` must be at least 0; got -1"):
        make().initialise(-1)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_default_ranges_are_torchs(cell: str) -> None:
    """Uniform within 1 / sqrt(H), the head's within 1 / sqrt(its inputs), a standard normal embedding."""
    made = make(cell=cell, input_size=50, hidden_size=64, output_size=40, bidirectional=True, num_layers=2,
                inputs="embedding", embedding_size=30).initialise(0)  # fmt: skip
    head = nn.Linear(128, 40)
    for name, p in made.parameters.items():
        if name == "embedding.weight":
            assert abs(p.std() - 1) < 0.05
            assert abs(p).max() > 2.5
            continue
        bound = (128 if name.startswith("head") else 64) ** -0.5
        assert np.abs(p).max() <= bound
        assert abs(p.std() - bound / math.sqrt(3)) < 5 * bound / math.sqrt(p.size)
        assert abs(p.mean()) < 5 * bound / math.sqrt(3 * p.size)
    assert head.weight.abs().max() <= 128**-0.5
    twin = nn.GRU(30, 64).get_parameter("weight_hh_l0").detach()
    assert 0.99 / 8 < twin.abs().max() <= 1 / 8


def draw(text: str, name: str = "weight_hh_l0", **options: Any) -> np.ndarray:
    return make(hidden_size=40, **options).initialise(1, {name: text}).parameters[name]


@pytest.mark.parametrize(
    ("text", "mean", "spread", "low", "high"),
    [
        ("normal(0.5, 2)", 0.5, 2.0, -np.inf, np.inf),
        (" normal( -1e-1 ,.01 ) ", -0.1, 0.01, -np.inf, np.inf),
        ("uniform(-1, 3)", 1.0, 4 / math.sqrt(12), -1.0, 3.0),
        ("torch", 0.0, 2 / math.sqrt(40 * 12), -(40**-0.5), 40**-0.5),
    ],
)
def test_random_initialisers(text: str, mean: float, spread: float, low: float, high: float) -> None:
    p = draw(text)
    assert abs(p.mean() - mean) < 5 * spread / math.sqrt(p.size)
    assert abs(p.std() / spread - 1) < 0.1
    assert p.min() >= low
    assert p.max() <= high


def test_fixed_initialisers() -> None:
    assert (draw("zero") == 0).all()
    assert (draw("constant(0.25)") == 0.25).all()


@pytest.mark.parametrize("gain", ["", "(1)", "(0.5)"])
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "head.weight"])
def test_orthogonal_blocks(gain: str, name: str) -> None:
    """Each gate's block has orthonormal rows (or columns, where it is taller than wide), times the gain."""
    size = float(gain.strip("()") or 1)
    p = draw(f"orthogonal{gain}", name, cell="lstm")
    blocks = np.split(p, 1 if name == "head.weight" else 4)
    for block in blocks:
        product = block @ block.T if block.shape[0] <= block.shape[1] else block.T @ block
        assert_close(product, size**2 * np.eye(len(product)))
    assert len(blocks) == 1 or (blocks[0] != blocks[1]).any()


def test_the_longest_key_wins() -> None:
    p = make().initialise(
        0, {"": "zero", "weight": "constant(1)", "weight_hh": "constant(2)", "head.bias": "constant(3)"}
    )
    values = {name: value.flat[0] for name, value in p.parameters.items()}
    assert values == {
        "weight_ih_l0": 1, "weight_hh_l0": 2, "bias_ih_l0": 0, "bias_hh_l0": 0, "head.weight": 0, "head.bias": 3,
    }  # fmt: skip


def test_forget_gate() -> None:
    made = make(cell="lstm", num_layers=2, bidirectional=True)
    p = made.initialise(0, {"forget_gate": "constant(1.5)"}).parameters
    plain = made.initialise(0).parameters
    for name in made.layer_names():
        for kind, value in (("ih", 1.5), ("hh", 0.0)):
            bias = p[f"bias_{kind}_{name}"]
            assert (bias[5:10] == value).all()
            assert (np.delete(bias, slice(5, 10)) == np.delete(plain[f"bias_{kind}_{name}"], slice(5, 10))).all()
        assert (p[f"weight_hh_{name}"] == plain[f"weight_hh_{name}"]).all()


@pytest.mark.parametrize(
    ("options", "scheme", "match"),
    [
        ({}, {"wieght": "zero"}, "`initialisation` key 'wieght' fits no parameter; parameters are weight_ih_l0, .*forget_gate"),
        ({}, {"weight": "nromal(0, 1)"}, r"initialiser 'nromal\(0, 1\)' is not known; use torch, zero, constant\(c\), uniform"),
        ({}, {"weight": "normal(0)"}, r"initialiser 'normal\(0\)' is not known"),
        ({}, {"weight": "normal(0, x)"}, r"initialiser 'normal\(0, x\)' is not known"),
        ({}, {"weight": "normal(0, nan)"}, "is not known"),
        ({}, {"weight": "zero(1)"}, "is not known"),
        ({}, {"": "orthogonal"}, "`orthogonal` is for matrices; give biases another initialiser, e.g. bias = 'zero'"),
        ({}, {"forget_gate": "constant(1)"}, "`forget_gate` sets the forget gate bias of an `lstm` .*got cell='gru'"),
        ({"cell": "lstm", "bias": False}, {"forget_gate": "constant(1)"}, "`forget_gate` .* bias=False"),
        ({"cell": "lstm"}, {"forget_gate": "normal(0, 1)"}, r"`forget_gate` .* as constant\(c\); .*'normal'"),
    ],
)  # fmt: skip
def test_scheme_mistakes(options: dict[str, Any], scheme: dict[str, str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(**options).initialise(0, scheme)


def test_a_scheme_is_not_used_up() -> None:
    scheme = {"": "zero", "forget_gate": "constant(1)"}
    make(cell="lstm").initialise(0, scheme)
    assert scheme == {"": "zero", "forget_gate": "constant(1)"}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cell": "rnn"}, "`cell` must be one of elman, gru, lstm; got 'rnn'"),
        ({"inputs": "onehot"}, "`inputs` must be one of dense, one_hot, embedding; got 'onehot'"),
        ({"head": "first"}, "`head` must be one of every, last; got 'first'"),
        ({"hidden_size": 0}, "`hidden_size` must be a whole number of at least 1; got 0"),
        ({"num_layers": 2.0}, "`num_layers` must be a whole number of at least 1; got 2.0"),
        ({"output_size": True}, "`output_size` must be a whole number of at least 1; got True"),
        ({"nonlinearity": "relu"}, "`nonlinearity` of cell 'gru' must be one of tanh; got 'relu'"),
        ({"cell": "elman", "nonlinearity": "selu"}, "of cell 'elman' must be one of tanh, relu, sigmoid; got 'selu'"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1; got 1.0"),
        ({"dropout": float("nan")}, "`dropout` must be at least 0 and below 1; got nan"),
        ({"inputs": "embedding"}, "`embedding_size` must be at least 1 with inputs='embedding'; got 0"),
        ({"cell": "x", "head": "y", "input_size": -1}, "`cell` must .*; `head` must .*; `input_size` must"),
    ],
)
def test_descriptions_that_cannot_be(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(**options)


def test_parameters_are_checked_by_name_and_shape_and_copied() -> None:
    made = make()
    p = made.initialise(0).parameters
    held = made.with_parameters(p)
    p["head.bias"][0] = 99.0
    assert held.parameters["head.bias"][0] != 99.0
    wrong = {**p, "head.weight": np.zeros((5, 2)), "extra": np.zeros(1)}
    del wrong["bias_hh_l0"]
    with pytest.raises(UsageError) as caught:
        made.with_parameters(wrong)
    assert str(caught.value) == (
        "parameters do not fit the network: `bias_hh_l0` is missing; `extra` is not a parameter of this network; "
        "`head.weight` must have shape (2, 5); got (5, 2)"
    )


def model(folder: Path, **options: Any) -> Path:
    save_model(folder / "model", make(**options).initialise(0), {"extra": {"key": [1, None, "ä"]}})
    return folder / "model"


@pytest.mark.parametrize("options", [{"cell": "lstm", "num_layers": 2, "dropout": 0.25, "bidirectional": True},
                                     {"inputs": "embedding", "embedding_size": 4, "head": "last", "bias": False},
                                     {"cell": "elman", "nonlinearity": "relu", "head_bias": False}])  # fmt: skip
def test_round_trip(tmp_path: Path, options: dict[str, Any]) -> None:
    made = make(**options).initialise(5)
    save_model(tmp_path / "deep" / "model", made, {"extra": {"key": [1, None, "ä"]}})
    found, rest = load_model(tmp_path / "deep" / "model")
    assert found.config() == made.config()
    assert_all_same_bits(found.parameters, made.parameters)
    assert rest["extra"] == {"key": [1, None, "ä"]}
    assert rest["format"] == FORMAT
    assert sorted(os.listdir(tmp_path / "deep")) == ["model"]
    assert sorted(os.listdir(tmp_path / "deep" / "model")) == ["config.json", "model.safetensors"]


def test_torch_reads_the_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file as load_tensors

    tensors = load_tensors(model(tmp_path) / "model.safetensors")
    layer = nn.GRU(3, 5).double()
    layer.load_state_dict({name: p for name, p in tensors.items() if not name.startswith("head.")})
    assert torch.equal(layer.get_parameter("weight_hh_l0"), tensors["weight_hh_l0"])


def test_saving_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "stale").write_text("old")
    save_model(folder, make(hidden_size=7).initialise(1), {})
    assert load_model(folder)[0].hidden_size == 7
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_half_written_folder(tmp_path: Path, missing: str) -> None:
    folder = model(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(
        RunError, match=f"is not a whole model: {missing} is missing; train again or copy the folder again"
    ):
        load_model(folder)
    with pytest.raises(RunError, match="is not a whole model"):
        load_model(tmp_path / "nowhere")


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


def test_another_format_names_the_version_that_wrote_it(tmp_path: Path) -> None:
    folder = model(tmp_path)
    change_config(folder, format=99, elman="12.3")
    with pytest.raises(RunError, match=rf"format 99, this Elman reads format {FORMAT}; it was written by Elman 12.3"):
        load_model(folder)


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    folder = model(tmp_path)
    arrays = load_file(folder / "model.safetensors")
    arrays["head.bias"][1] = np.nan
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(RunError, match=r"`head.bias` holds numbers that are not finite; train again"):
        load_model(folder)


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    folder = model(tmp_path)
    change_config(folder, network={**make().config(), "hidden_size": 6})
    with pytest.raises(
        RunError, match=r"cannot be read as a model: .*`weight_ih_l0` must have shape \(18, 3\); got \(15, 3\)"
    ):
        load_model(folder)


def test_a_description_from_another_version(tmp_path: Path) -> None:
    folder = model(tmp_path)
    change_config(folder, network={**make().config(), "novelty": 1})
    with pytest.raises(RunError, match=r"cannot be read as a model: .*novelty"):
        load_model(folder)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_torn_weights(tmp_path: Path, share: float) -> None:
    folder = model(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RunError, match="cannot be read as a model"):
        load_model(folder)


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("whole"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def only_run_errors(folder: Path, config: bytes) -> None:
    (folder / "config.json").write_bytes(config)
    try:
        load_model(folder)
    except RunError as error:
        assert str(folder) in str(error)  # noqa: PT017 - an error is allowed here, not asked for


@given(junk=st.binary(max_size=300))
def test_random_bytes_as_config(whole_model: Path, junk: bytes) -> None:
    (whole_model / "config.json").write_bytes(junk)
    with pytest.raises(RunError):
        load_model(whole_model)


@given(junk=JSON, format_=st.just(FORMAT) | JSON)
def test_random_json_as_config(whole_model: Path, junk: Any, format_: Any) -> None:
    only_run_errors(whole_model, json.dumps(junk).encode())
    only_run_errors(whole_model, json.dumps({"format": format_, "network": junk}).encode())


@given(name=st.sampled_from(sorted(make().config())), junk=JSON)
def test_random_json_in_the_description(whole_model: Path, name: str, junk: Any) -> None:
    only_run_errors(whole_model, json.dumps({"format": FORMAT, "network": {**make().config(), name: junk}}).encode())


@pytest.mark.parametrize("config", [b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b"\xff\xfe{}", b"", b"null"])
def test_configs_that_break_readers(whole_model: Path, config: bytes) -> None:
    (whole_model / "config.json").write_bytes(config)
    with pytest.raises(RunError):
        load_model(whole_model)


def test_a_huge_network_is_refused_without_being_built(whole_model: Path) -> None:
    description = {**make().config(), "num_layers": 10**12, "hidden_size": 10**9}
    (whole_model / "config.json").write_text(json.dumps({"format": FORMAT, "network": description}))
    with pytest.raises(RunError, match="cannot be read as a model"):
        load_model(whole_model)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write the model to .*file.model: .*; choose another"):
        save_model(tmp_path / "file" / "model", make().initialise(0), {})
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only")])
def test_a_failure_on_the_way_leaves_the_old_model_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    folder = model(tmp_path)
    before = load_model(folder)[0].parameters

    def refuse(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(
        RunError, match=f"cannot write the model to .*model: {error.strerror}; free space or choose another"
    ):
        save_model(folder, make(hidden_size=9).initialise(1), {})
    monkeypatch.undo()
    assert_all_same_bits(load_model(folder)[0].parameters, before)
    assert os.listdir(tmp_path) == ["model"]


def test_a_full_disk_while_the_weights_are_written(tmp_path: Path) -> None:
    import resource

    folder = model(tmp_path)
    before = load_model(folder)[0].parameters
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(RunError, match="cannot write the model to"):
            save_model(folder, make(hidden_size=200).initialise(1), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_all_same_bits(load_model(folder)[0].parameters, before)
    assert os.listdir(tmp_path) == ["model"]


def test_what_is_no_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        save_model(tmp_path / "model", make().initialise(0), {"extra": float("nan")})
    assert os.listdir(tmp_path) == []


def test_an_interrupted_replacement_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    folder = model(tmp_path)
    shutil.copytree(folder, tmp_path / ".model-old")
    save_model(folder, make(hidden_size=7).initialise(1), {})
    assert os.listdir(tmp_path) == ["model"]
    assert load_model(folder)[0].hidden_size == 7
