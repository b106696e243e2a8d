"""The model folder: what is written is what is read, to the bit, and what is refused."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.closeness import assert_all_same_bits
from tests.files.trees import refusing, reseal
from tests.network.networks import make
from torch import nn

from elman.errors import FolderWarning, RunError
from elman.files import FORMAT, MANIFEST, open_folder, replace_folder
from elman.network import CONFIG, WEIGHTS, load_model, save_model, write_model

EXTRA = {"extra": {"key": [1, None, "ä"]}}
FILES = [CONFIG, MANIFEST, WEIGHTS]


def model(folder: Path, **options: Any) -> Path:
    """A saved model."""
    save_model(folder / "model", make(**options).initialise(0), EXTRA)
    return folder / "model"


def rewritten(folder: Path, config: bytes | None = None, weights: bytes | None = None) -> Path:
    """The model with other content in a file, and a manifest that fits."""
    for name, content in ((CONFIG, config), (WEIGHTS, weights)):
        if content is not None:
            (folder / name).write_bytes(content)
    return reseal(folder)


def config_with(folder: Path, **changes: Any) -> bytes:
    return json.dumps({**open_folder(folder).read_json(CONFIG), **changes}).encode()


@pytest.mark.parametrize("options", [{"cell": "lstm", "num_layers": 2, "dropout": 0.25, "bidirectional": True},
                                     {"inputs": "embedding", "embedding_size": 4, "head": "last", "bias": False},
                                     {"cell": "elman", "nonlinearity": "relu", "head_bias": False}])  # fmt: skip
def test_what_is_saved_is_loaded(tmp_path: Path, options: dict[str, Any]) -> None:
    made = make(**options).initialise(5)
    save_model(tmp_path / "deep" / "model", made, EXTRA)
    network, config = load_model(str(tmp_path / "deep" / "model"))
    assert network.config() == made.config()
    assert_all_same_bits(network.parameters, made.parameters)
    assert config["extra"] == EXTRA["extra"]
    assert config["format"] == FORMAT
    assert os.listdir(tmp_path / "deep") == ["model"]
    assert sorted(os.listdir(tmp_path / "deep" / "model")) == FILES


def test_numbers_of_numpy_in_what_belongs_to_the_model_are_numbers(tmp_path: Path) -> None:
    save_model(tmp_path / "model", make().initialise(0), {"option": np.float64(0.5)})
    assert load_model(tmp_path / "model")[1]["option"] == 0.5


def test_torch_reads_the_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file as load_tensors

    tensors = load_tensors(model(tmp_path) / WEIGHTS)
    layer = nn.GRU(3, 5).double()
    layer.load_state_dict({name: p for name, p in tensors.items() if not name.startswith("head.")})
    assert torch.equal(layer.get_parameter("weight_hh_l0"), tensors["weight_hh_l0"])


def test_saving_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "stale").write_text("old")
    save_model(folder, make(hidden_size=7).initialise(1), {})
    assert load_model(folder)[0].hidden_size == 7
    assert sorted(os.listdir(folder)) == FILES
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-mother.txt").write_text("dear")
    with pytest.raises(RunError, match="letters: holds to-mother.txt, but no config.json: .* was not touched"):
        save_model(tmp_path / "letters", make().initialise(0), {})
    assert os.listdir(tmp_path / "letters") == ["to-mother.txt"]


def test_other_files_may_lie_in_the_same_folder(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "model", CONFIG) as files:
        write_model(files, make().initialise(0), {})
        files.write("cells/mine.cell", "h = x")
    load_model(tmp_path / "model")
    assert open_folder(tmp_path / "model").read("cells/mine.cell") == b"h = x"


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path)
    whole = (folder / name).read_bytes()
    for place in range(0, len(whole), 7):
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(RunError, match=rf"model/{name} (was changed after it was written|has format \d)"):
            load_model(folder)


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = model(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(
        RunError, match=f"model is not a whole model: {missing} is missing.*copy the folder again, or train"
    ):
        load_model(folder)
    with pytest.raises(RunError, match="nowhere is not a whole model"):
        load_model(tmp_path / "nowhere")


def test_a_manifest_without_the_weights(tmp_path: Path) -> None:
    with replace_folder(tmp_path / "model", CONFIG) as files:
        files.write(CONFIG, "{}")
    with pytest.raises(RunError, match=r"is not a whole model: model.safetensors missing"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
@pytest.mark.filterwarnings("ignore::elman.errors.FolderWarning")
def test_a_missing_file_of_format_1_is_named(tmp_path: Path, missing: str) -> None:
    folder = of_format_1(model(tmp_path))
    (folder / missing).unlink()
    with pytest.raises(RunError, match=f"is not a whole model: {missing}"):
        load_model(folder)


def of_format_1(folder: Path) -> Path:
    """The same model as Elman 0.1.0 left it."""
    config = config_with(folder, format=1)
    (folder / MANIFEST).unlink()
    (folder / CONFIG).write_bytes(config)
    return folder


@pytest.mark.filterwarnings("ignore::elman.errors.FolderWarning")
def test_another_format_names_the_version_that_wrote_it(tmp_path: Path) -> None:
    folder = of_format_1(model(tmp_path))
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "format": 99, "elman": "12.3"}))
    with pytest.raises(
        RunError,
        match=r"format 99, this Elman reads formats 1 and 2; it was written by Elman 12.3: install that version",
    ):
        load_model(folder)


def test_format_1_opens_with_a_remark(tmp_path: Path) -> None:
    folder = of_format_1(model(tmp_path))
    with pytest.warns(FolderWarning, match="model was written by Elman .* in format 1, which has no checksums"):
        network, config = load_model(folder)
    assert_all_same_bits(network.parameters, make().initialise(0).parameters)
    assert config["extra"] == EXTRA["extra"]


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    folder = model(tmp_path)
    arrays = load_model(folder)[0].parameters
    arrays["head.bias"][1] = np.nan
    with pytest.raises(
        RunError, match=r"model.safetensors: `head.bias` holds numbers that are not finite; train again"
    ):
        load_model(rewritten(folder, weights=save(arrays)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_size": 6}, r"`weight_ih_l0` must have shape \(18, 3\); got \(15, 3\)"),
        ({"novelty": 1}, "novelty"),
        ({"cell": "x"}, "`cell` must be one of"),
        ({"num_layers": 10**12, "hidden_size": 10**9}, "tells of 1000000000000 layers, but there are 6 arrays"),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    folder = model(tmp_path)
    config = config_with(folder, network={**make().config(), **changes})
    with pytest.raises(RunError, match=f"cannot be read as a model: .*{says}"):
        load_model(rewritten(folder, config))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.filterwarnings("ignore::elman.errors.FolderWarning")
def test_torn_weights(tmp_path: Path, share: float) -> None:
    folder = of_format_1(model(tmp_path))
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: int(share * len(whole))])
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
    try:
        load_model(rewritten(folder, config))
    except RunError as error:
        assert str(folder) in str(error)  # noqa: PT017 - an error is allowed here, not asked for


@given(junk=st.binary(min_size=1, max_size=300))
def test_random_bytes_as_config(whole_model: Path, junk: bytes) -> None:
    with pytest.raises(RunError):
        load_model(rewritten(whole_model, junk))


@given(junk=JSON, format_=st.just(FORMAT) | JSON)
def test_random_json_as_config(whole_model: Path, junk: Any, format_: Any) -> None:
    only_run_errors(whole_model, json.dumps(junk).encode())
    only_run_errors(whole_model, json.dumps({"format": format_, "network": junk}).encode())


@given(name=st.sampled_from(sorted(make().config())), junk=JSON)
def test_random_json_in_the_description(whole_model: Path, name: str, junk: Any) -> None:
    only_run_errors(whole_model, json.dumps({"format": FORMAT, "network": {**make().config(), name: junk}}).encode())


@pytest.mark.parametrize("config", [b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b"\xff\xfe{}", b" ", b"null"])
def test_configs_that_break_readers(whole_model: Path, config: bytes) -> None:
    with pytest.raises(RunError):
        load_model(rewritten(whole_model, config))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        RunError, match=r"file.model: cannot write this .*A file stands where a folder is needed; choose another"
    ):
        save_model(tmp_path / "file" / "model", make().initialise(0), {})
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_failure_on_the_way_leaves_the_old_model_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = model(tmp_path)
    before = load_model(folder)[0].parameters
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refusing(number))
        with pytest.raises(RunError, match=rf"model: cannot write this \({os.strerror(number)}\)\. (Free|Choose)"):
            save_model(folder, make(hidden_size=9).initialise(1), {})
    assert_all_same_bits(load_model(folder)[0].parameters, before)
    assert os.listdir(tmp_path) == ["model"]


def test_a_full_disk_while_the_weights_are_written(tmp_path: Path) -> None:
    import resource

    folder = model(tmp_path)
    before = load_model(folder)[0].parameters
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(RunError, match="model: cannot write this"):
            save_model(folder, make(hidden_size=200).initialise(1), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_all_same_bits(load_model(folder)[0].parameters, before)
    assert os.listdir(tmp_path) == ["model"]


def test_what_is_no_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for value, kind in ((float("nan"), ValueError), ({1, 2}, TypeError)):
        with pytest.raises(kind, match="JSON"):
            save_model(tmp_path / "model", make().initialise(0), {"extra": value})
    assert os.listdir(tmp_path) == []
