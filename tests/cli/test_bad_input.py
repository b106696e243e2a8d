"""What is wrong, where, and what to do: one message, the right exit code, and nothing touched."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.cli.command import Outcome, elman, process, tree

FAILED, USAGE, DATA = 1, 2, 5
KINDS = {FAILED: "RunError", USAGE: "UsageError", DATA: "DataError"}


class Bad(NamedTuple):
    """A command as one would type it, its exit code, and what its message says, in this order."""

    command: str
    code: int
    says: tuple[str, ...]


FORECAST = "forecast {} --time t --target y --horizon 3 --out new"
CLASSIFY = "classify {} --series id --label kind --out new"
TRAIN = "train {} --out new"
TEXT = "train text-file --set data.path={} --set training.batch_size=4 --set training.steps=8 --out new"


def forecast(rest: str, *says: str, code: int = DATA) -> Bad:
    return Bad(FORECAST.format(rest), code, says)


def classify(rest: str, *says: str, code: int = DATA) -> Bad:
    return Bad(CLASSIFY.format(rest), code, says)


def train(rest: str, *says: str, code: int = USAGE) -> Bad:
    return Bad(TRAIN.format(rest), code, says)


def text(rest: str, *says: str, code: int = DATA) -> Bad:
    return Bad(TEXT.format(rest), code, says)


TABLE: dict[str, Bad] = {
    # Files that cannot be read as a table.
    "a table that is not there": forecast("none.csv", "none.csv does not exist; check the path (looked from "),
    "a folder for a table": forecast("labels", "labels is a folder; give one file in it (.csv, .tsv or .parquet)"),
    "an unknown kind of file": forecast("table.xls", "table.xls is of no known kind (.xls)", "Convert or rename it"),
    "recordings for a table": forecast("train.ts", "train.ts is of no known kind (.ts)", "`elman classify`"),
    "an empty table": forecast("empty.csv", "empty.csv is empty; give a table with a header and rows"),
    "a header only": forecast("header.csv", "header.csv has a header but no rows; add rows below it"),
    "blank lines only": forecast("blank.csv", "blank.csv holds only blank lines; give a table with a header and rows"),
    "a wrong encoding": forecast("latin.csv", "latin.csv is not UTF-8: byte 0xe9", "(line 62)", "re-save the file as UTF-8"),
    "a row with more fields": forecast("ragged.csv", "ragged.csv, line 8: 3 fields, but the header has 2; correct this line"),
    "a column named twice": forecast("doubled.csv", "doubled.csv, line 1: the column 'y' appears twice; give every column its"),
    # Columns and what they hold.
    "missing columns, all told": Bad(
        "forecast good.csv --time time --target Y --horizon 3 --out new", DATA,
        ("good.csv has no column 'Y' (did you mean 'y'?) and no 'time'", "its columns are 't', 'y'"),
    ),
    "text in a number column": forecast(
        "words.csv", "words.csv, line 4: the column 'y' must hold numbers; it holds 'about ", "(1 such in all); correct it",
    ),
    "NaN": forecast("nan.csv", "nan.csv, line 5: the column 'y' is missing (empty, NA or NaN)", "1 of 60", "fill or drop"),
    "infinity": forecast("infinite.csv", "infinite.csv, line 6: the column 'y' is infinite, and 1 of 60", "fill or drop"),
    "an unknown time format": forecast(
        "named-months.csv", "named-months.csv, line 15: the time column 't' holds 'Feb 2001', which is no date; write 2020-01-31",
    ),
    "a time twice": forecast(
        "twice.csv", "twice.csv, line 62: the time 2000-06-01 in 't' comes a second time (first: twice.csv, line 7); drop one",
    ),
    "a gap in time": forecast(
        "gap.csv", "gap.csv, line 21: a gap in 't': after 2001-07-01 comes 2001-09-01", "the step is one month", "resample",
    ),
    "one column in two roles": Bad(
        "forecast good.csv --time t --target t --horizon 3 --out new", USAGE,
        ("the column 't' is named as both `target` and `time`; each column has one role",),
    ),
    # Too little data.
    "a series too short for its backtest": forecast(
        "short.csv", "series 'y' has 9 steps; the backtest's 3 folds of 3 steps leave 0, too few to train on. Bring a longer",
        "--set data.folds=0 leaves the backtest out",
    ),
    "more folds than the series has room for": forecast(
        "good.csv --set data.folds=30", "series 'y' has 60 steps; the backtest's 30 folds of 3 steps leave 0, too few",
    ),
    "a series shorter than the window": forecast(
        "good.csv --set data.window=100 --set data.folds=0", "good.csv: series 'y' has ", " steps, fewer than the ",
        "window of 100", "make `window` or `horizon` shorter, or bring a longer series",
    ),
    "a horizon that leaves nothing to learn from": forecast(
        "good.csv --set data.horizon=40 --set data.folds=0", "good.csv: series 'y' has ", "fewer than the ", "longer series",
    ),
    # Labelled sequences.
    "one class only": classify(
        "one-class.csv one-class.csv", "one-class.csv: `y` needs at least two classes to tell apart; all 8 labels are 'A'. Check",
    ),
    "one class only, in a .ts file": Bad(
        "classify one-class.ts one-class.ts --out new", DATA, ("one-class.ts: `y` needs at least two classes", "are 'A'"),
    ),
    "a label that changes within a sequence": classify(
        "two-labels.csv other.csv", "two-labels.csv, line 11: the label 'B' in 'kind' differs from 'A' before it", "'s1'",
    ),
    "a test file with other features": Bad(
        "classify train.ts wide.ts --out new", DATA,
        ("wide.ts has 3 features a step, but train.ts has 2; bring a test file like the training file",),
    ),
    "a test file without one of the columns": classify("long.csv fewer.csv", "fewer.csv has no column 'b'", "columns are 'id'"),
    "a test file with a label of its own": classify(
        "long.csv unseen.csv", "unseen.csv holds the label 'C', which long.csv does not (known labels: A, B); drop these",
    ),
    "a table without the names of its columns": Bad(
        "classify long.csv other.csv --out new", USAGE,
        ("long.csv is a table: say which column tells the sequences apart and which holds the label", "--series and --label"),
    ),
    "a test file that is not there": classify("long.csv none.csv", "none.csv does not exist; check the path"),
    "a .ts file without labels": Bad(
        "classify unlabelled.ts test.ts --out new", DATA,
        ("unlabelled.ts has no class labels (@classLabel false); bring a file with labels",),
    ),
    "a .ts file that was cut": Bad("classify cut.ts test.ts --out new", DATA, ("cut.ts has no @data line", "fetch it again")),
    "text in a .ts file": Bad(
        "classify words.ts test.ts --out new", DATA,
        ("words.ts, line 6: dimension 0, step 6 (counting from 0) must be a number; it is 'x'",),
    ),
    # Texts.
    "an empty text": text("empty.txt", "empty.txt is empty; give a file with text in it"),
    "a blank text": text("white.txt", "white.txt holds only white space (3 bytes); give a file with text in it"),
    "a text in a wrong encoding": text("latin.txt", "latin.txt is not UTF-8: byte 0xe9 at offset 3 (line 1); re-save as UTF-8"),
    "a text too short": text(
        "tiny.txt", "tiny.txt: the text has 5 tokens, fewer than the 41 that batches of 4 x 8 need", "bring a longer text",
    ),
    "a text that is not there": text("none.txt", "none.txt does not exist; check the path"),
    "an unknown encoding": text(
        "text.txt --set data.encoding=klingon", "`encoding` must be one that Python knows", "got 'klingon'", code=USAGE,
    ),
    "another text for The Time Machine": train(
        "time-machine --set data.path=text.txt", "text.txt is not the text of The Time Machine", "expected 178979 bytes",
        "got 2400 bytes", "train on any text with the recipe for your own file", code=DATA,
    ),
    # Recipes.
    "an unknown recipe": train(
        "sine-onlin", "there is no recipe `sine-onlin` (did you mean `sine-online`?), and no file of that name; `elman recipes`",
    ),
    "unknown keys, all told": train(
        "classify-sums --set training.epoch=1 --set network.hiden_size=3 --set data.hidden_size=2 --set network.warmup=1"
        " --set data.num_sample=9",
        "recipe classify-sums: ", "`data.hidden_size` belongs into [network]",
        "`data.num_sample` (did you mean `data.num_samples`?)",
        "`network.hiden_size` (did you mean `network.hidden_size`?)", "`network.warmup` belongs into [training]",
        "`training.epoch` (did you mean `training.epochs`?)",
    ),
    "an unknown table": train("classify-sums --set trainin.epochs=1", "`trainin` (did you mean `training`?)"),
    "a table of another task": train(
        "classify-sums --set generate.length=5", "`generate.length`: this task has no [generate]",
    ),
    "values of wrong types, all told": train(
        "classify-sums --set training.epochs=many --set training.shuffle=1 --set network.cell=7 --set training.learning_rate=nan"
        " --set network.initialisation=small --set seed=1.5 --set title=7",
        "`network.cell` must be a text; got 7", "`network.initialisation` must be a table of texts or left out; got 'small'",
        "`training.learning_rate` must be a finite number; got nan", "`training.epochs` must be a whole number; got 'many'",
        "`training.shuffle` must be true or false; got 1", "`seed` must be a whole number; got 1.5",
        "`title` must be a text; got 7",
    ),
    "required data missing": train("text-file", "`data.path` is missing; add it to the recipe or give --set data.path=..."),
    "all that is required missing": train("forecast-table", "`data.path` is missing", "`data.target` is missing"),
    "an unknown source": train("classify-sums --set data.source=web", "`data.source` must be one of sums, file", "got 'web'"),
    "an unknown task": train("classify-sums --set task=clustering", "`task` must be one of classification,", "'clustering'"),
    "settings that are none, all told": train(
        "classify-sums --set epochs=5 --set training.epochs --set training.=5",
        "--set 'epochs=5' must look like training.epochs=5", "--set 'training.epochs'", "--set 'training.=5'",
    ),
    "a recipe that is not TOML": train(
        "broken.toml", "broken.toml is not a TOML recipe: ", "(at line 2, column 6); correct that place", code=DATA,
    ),
    "a recipe in a wrong encoding": train("latin.toml", "latin.toml is not a TOML recipe: ", "0xe9", code=DATA),
    "an unknown engine": train("sine-online --engine warp", "`engine` must be one of auto, native, reference, torch", "got 'warp'"),
    "a device without its engine": train(
        "sine-online --engine native --device cuda", "`device` 'cuda' needs engine='torch'; got engine='native'",
    ),
    "mixed precision without its engine": train(
        "sine-online --set precision=bfloat16", "`precision` 'bfloat16' needs engine='torch'; got engine='auto'",
    ),
    "a precision that is none": train(
        "sine-online --engine torch --set precision=half", "`precision` must be one of float32, bfloat16; got 'half'",
    ),
    "a device that is no text": train("sine-online --set device=1", "`device` must be a text; got 1"),
    "another engine that is none": Bad(
        "evaluate labels --engine warp", USAGE, ("`engine` must be one of auto, native, reference, torch; got 'warp'",)
    ),
    "epochs below one": train("sine-online --set training.epochs=-1", "`epochs` must be at least 1; got -1"),
    "a seed below zero": train("sine-online --set seed=-1", "recipe sine-online: `seed` must be at least 0; got -1"),
    "a horizon of zero": Bad(
        "forecast good.csv --time t --target y --horizon 0 --out new", USAGE, ("`horizon` must be at least 1; got 0",)
    ),
    "a cell that is none": train("sine-online --set network.cell=gruu", "`cell` must be one of elman, gru, lstm; got 'gruu'"),
    "an initialiser for no parameter": train(
        "sine-online --set 'network.initialisation={wait=\"zero\"}'", "`initialisation` key 'wait' fits no parameter",
    ),
    "no characters to learn from": train("python-topics --set data.characters=-5", "`data.characters` must be at least 1; got -5"),
    "no tokens to learn from": train("time-machine --set data.max_tokens=0", "`data.max_tokens` must be at least 1; got 0"),
    "a sample that cannot be drawn, told before training": text(
        "text.txt --set generate.temperature=-1 --set generate.length=-5 --set generate.seed=-2 --set 'generate.prompts=[\"\"]'",
        "[generate] `temperature` must be a finite number of at least 0; got -1", "`generate.length` must be at least 0; got -5",
        "`generate.seed` must be at least 0; got -2", "`generate.prompts` must not hold an empty text", code=USAGE,
    ),
    # Folders of runs.
    "an out folder that holds a run": Bad(
        "train sine-online --out labels", FAILED, ("labels: exists; choose another --out, or --resume to go on.",)
    ),
    "an out folder of somebody else's": Bad(
        "train sine-online --out not-a-run", FAILED,
        ("not-a-run: exists and holds thesis.tex, but no recipe.toml: it is no run folder and was not touched. Choose another",),
    ),
    "a file for an out folder": Bad(
        "train sine-online --out good.csv", FAILED, ("good.csv: a file, not a run folder. Choose another --out",)
    ),
    "an out folder below a file": Bad(
        "train sine-online --out good.csv/new", FAILED, ("good.csv/new: cannot write this (Not a directory). A file stands",)
    ),
    "nothing to resume": train(
        "sine-online --resume", "new: no such folder. There is nothing to go on with; leave out --resume", code=FAILED,
    ),
    "no run to resume": Bad(
        "train sine-online --out not-a-run --resume", FAILED,
        ("not-a-run: has no recipe.toml, so it is half-written or no run folder; nothing in it was touched.", "--out"),
    ),
    "another training to resume": Bad(
        "train sine-online --out labels --resume", FAILED,
        ("labels/checkpoint belongs to a training with other data or other settings; resume with the same",),
    ),
    "a torn checkpoint to resume": Bad(
        "train torn-checkpoint/recipe.toml --out torn-checkpoint --resume", FAILED,
        (".safetensors was changed after it was written: it has 2 bytes, manifest.json says ",
         "; remove torn-checkpoint/checkpoint to start this run again from its beginning, or choose another --out"),
    ),
    "a checkpoint without its manifest": Bad(
        "train lost-checkpoint/recipe.toml --out lost-checkpoint --resume", FAILED,
        ("lost-checkpoint/checkpoint: manifest.json is missing", "; remove lost-checkpoint/checkpoint to start this run again"),
    ),
    "a checkpoint of an old version": Bad(
        "train old-checkpoint/recipe.toml --out old-checkpoint --resume", FAILED,
        ("old-checkpoint/checkpoint/state.safetensors was written by Elman 0.1.0, whose trainings this version cannot go on with",),
    ),
    "torn metrics to resume": Bad(
        "train torn-metrics/recipe.toml --out torn-metrics --resume", FAILED,
        ("torn-metrics/metrics.jsonl, line 1: not a JSON object", "train anew: `elman train torn-metrics/recipe.toml --out"),
    ),
    "no folder of runs": Bad("runs none", FAILED, ("none: cannot list the runs here (No such file or directory). Train one",)),
    "a file for a folder of runs": Bad("runs good.csv", FAILED, ("good.csv: cannot list the runs here (Not a directory)",)),
    # Trained models.
    "no run": Bad("evaluate none", FAILED, ("none: no such folder. Train one with `elman train RECIPE --out DIR`",)),
    "a run without a model": Bad(
        "evaluate no-model", FAILED,
        ("no-model: model/config.json and model/model.safetensors missing: the training did not finish. Finish it with "
         "`elman train no-model/recipe.toml --out no-model --resume`",),
    ),
    "a run without weights": Bad("predict no-weights other.csv", FAILED, ("no-weights: model/model.safetensors missing:",)),
    "a run without a recipe": Bad(
        "evaluate no-recipe", FAILED, ("no-recipe: has no recipe.toml, so it is no run folder, or one half-written. Name a",)
    ),
    "a run that did not finish": Bad(
        "evaluate no-result", FAILED, ("no-result: has no result.json: the training did not finish. Finish it with `elman train",)
    ),
    "a run that has only started": Bad("generate started --prompt a", FAILED, ("started: model/config.json and", "--resume`")),
    "a torn result": Bad(
        "evaluate torn-result", FAILED, ("torn-result/result.json was changed after it was written: it has 12 bytes", "--out torn-result --resume`",)
    ),
    "a torn recipe": Bad("evaluate torn-recipe", DATA, ("torn-recipe/recipe.toml is not a TOML recipe: ", "correct that")),
    "torn weights": Bad(
        "evaluate torn-weights", FAILED, ("torn-weights/model/model.safetensors was changed after it was written: it has 2 bytes, manifest.json says ",)
    ),
    "a torn description": Bad("evaluate torn-config", FAILED, ("torn-config/model/config.json was changed after it was written: it has 9 bytes", "train again")),
    "a model of another version": Bad(
        "evaluate later-version", FAILED,
        ("later-version/manifest.json has format 99, this Elman reads formats 1 and 2; it was written by Elman 9.9.9: install that",),
    ),
    "a file to judge that is not there": Bad("evaluate archive none.ts", DATA, ("none.ts does not exist; check the path",)),
    "a file to judge with other features": Bad(
        "evaluate archive wide.ts", DATA, ("wide.ts: `X` must have shape (N, T, 2)", "got (N, T, D) = (6, 6, 3)", "Bring a file")
    ),
    "a table to judge without a column": Bad("evaluate labels fewer.csv", DATA, ("fewer.csv has no column 'b'; its columns",)),
    "labels to judge that were not learned": Bad(
        "evaluate labels unseen.csv", DATA, ("unseen.csv: `y` holds the label 'C'", "known labels: 'A', 'B'", "Bring a file like"),
    ),
    "a series to judge that is too short": Bad("evaluate months short.csv", DATA, ("short.csv: ", "9 steps", "Bring a file")),
    "a table for a made-up sequence": Bad(
        "evaluate sine other.csv", DATA, ("other.csv: this model was trained on sine-next, which names no columns; train on a",),
    ),
    "a text to judge that is empty": Bad("evaluate text empty.txt", DATA, ("empty.txt is empty; give a file with text in it",)),
    "a file to predict with other features": Bad(
        "predict archive wide.ts", DATA, ("wide.ts: `X` must have shape (N, T, 2)", "(6, 6, 3). Bring a file like the one it was")
    ),
    "a table to predict without a column": Bad("predict labels fewer.csv", DATA, ("fewer.csv has no column 'b'; its columns",)),
    "another table to predict": Bad("predict table good.csv", DATA, ("good.csv has no column 'id'; its columns are 't', 'y'",)),
    "a table for a model of recordings": Bad(
        "predict archive other.csv", DATA, ("other.csv: this model was not trained from a table", "bring a .ts file")
    ),
    "a text to predict from": Bad("predict text text.txt", USAGE, ("use `elman generate RUN --prompt TEXT`",)),
    "a folder for predictions": Bad(
        "predict archive test.ts --out labels", FAILED, ("labels: cannot write this (Is a directory). Check the path",)
    ),
    "predictions into a folder that is not there": Bad(
        "predict archive test.ts --out none/answers.csv", FAILED, ("none/answers.csv: cannot write this (No such file or",)
    ),
    "a classifier asked to write": Bad(
        "generate labels --prompt a", USAGE, ("labels holds a model for classification; `generate` needs one for language",)
    ),
    "an empty prompt": Bad("generate text --prompt ''", USAGE, ("`prompt` must not be empty; give the beginning of a text",)),
    "a temperature below zero": Bad(
        "generate text --prompt the --temperature -1", USAGE, ("`temperature` must be a finite number of at least 0; got -1.0",)
    ),
    "no tokens to draw from": Bad(
        "generate text --prompt the --top-k 0 --top-p 2", USAGE,
        ("`top_k` must be at least 1; got 0", "`top_p` must be above 0 and at most 1; got 2.0"),
    ),
    "a length below zero": Bad("generate text --prompt the --length -1", USAGE, ("`length` must be at least 0; got -1",)),
}  # fmt: skip

PARSED: dict[str, tuple[str, str]] = {
    # What the parser of the command line refuses by itself.
    "no such command": ("tarin sine-online", "No such command 'tarin'."),
    "no such option": ("train sine-online --sed 3", "No such option: --sed"),
    "no recipe": ("train", "Missing argument 'RECIPE'."),
    "no prompt": ("generate text", "Missing option '--prompt'."),
    "an option without its value": ("train sine-online --out", "Option '--out' requires an argument."),
    "a word for a number": ("train sine-online --seed three", "Invalid value for '--seed'"),
    "a word for a horizon": ("forecast good.csv --target y --horizon far", "Invalid value for '--horizon'"),
    "a seed below zero": ("train sine-online --seed -1", "Invalid value for '--seed'"),
    "a seed below zero for a text": ("generate text --prompt a --seed -1", "Invalid value for '--seed'"),
    "one word too many": ("recipes all", "Got unexpected extra argument"),
}


def assert_one_message(outcome: Outcome, code: int, says: tuple[str, ...], *, after_progress: bool = False) -> None:
    """The exit code; one line on standard error and nothing on standard output; the fragments, in order.

    after_progress: lines of progress may stand before it.
    """
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert outcome.err.endswith("\n")
    *before, rest = outcome.err.splitlines()
    assert rest.startswith("elman: ")
    assert after_progress or not before, outcome.err
    assert all(line.startswith(("epoch ", "all epochs done", "early stopping", "going on")) for line in before), (
        outcome.err
    )
    for fragment in says:
        assert fragment in rest, f"{fragment!r} is not in {rest!r}"
        rest = rest[rest.index(fragment) + len(fragment) :]


@pytest.mark.parametrize("bad", TABLE.values(), ids=TABLE.keys())
def test_bad_input_is_told_once_and_nothing_is_touched(bad: Bad, there: Path) -> None:
    existed = tree(there)
    outcome = elman(*shlex.split(bad.command))
    assert_one_message(outcome, bad.code, bad.says)
    assert tree(there) == existed


@pytest.mark.parametrize("bad", TABLE.values(), ids=TABLE.keys())
def test_bad_input_is_told_as_json_too(bad: Bad, there: Path) -> None:
    outcome = elman(*shlex.split(bad.command), "--json")
    assert outcome.code == bad.code
    told = outcome.document()
    assert set(told) == {"error", "kind", "exit_code"}
    assert (told["kind"], told["exit_code"]) == (KINDS[bad.code], bad.code)
    assert outcome.err == f"elman: {told['error']}\n"


@pytest.mark.parametrize(
    "name", ["text in a number column", "unknown keys, all told", "an out folder that holds a run", "torn weights"]
)
def test_a_process_of_its_own_tells_the_same(name: str, there: Path) -> None:
    bad = TABLE[name]
    existed = tree(there)
    with_json = process(*shlex.split(bad.command), "--json")
    assert with_json.code == bad.code
    assert with_json.err == f"elman: {with_json.document()['error']}\n"
    assert_one_message(Outcome(with_json.code, "", with_json.err), bad.code, bad.says)
    assert tree(there) == existed


@pytest.mark.parametrize(("command", "says"), PARSED.values(), ids=PARSED.keys())
def test_what_the_parser_refuses(command: str, says: str, there: Path) -> None:
    existed = tree(there)
    outcome = elman(*shlex.split(command))
    assert outcome.code == USAGE
    assert outcome.out == ""
    assert says in outcome.err
    assert outcome.err.count(" Error ") <= 1
    assert "Traceback" not in outcome.err
    assert tree(there) == existed


def test_a_table_of_messages_that_is_not_obeyed_would_be_noticed(there: Path) -> None:
    outcome = elman("train", "sine-onlin")
    for code, says in (
        (DATA, ("there is no recipe",)),
        (USAGE, ("no file", "there is no recipe")),
        (USAGE, ("nonsense",)),
    ):
        with pytest.raises(AssertionError):
            assert_one_message(outcome, code, says)
    with pytest.raises(AssertionError):
        assert_one_message(Outcome(USAGE, "", outcome.err + "elman: and another thing\n"), USAGE, ())
    with pytest.raises(AssertionError):
        assert_one_message(Outcome(USAGE, "half a result", outcome.err), USAGE, ())


# The Time Machine without a network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [urllib.error.URLError("no route to host"), TimeoutError("timed out"), ConnectionResetError(104, "reset")],
)
def test_the_time_machine_offline(
    failure: Exception, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: Any, **options: Any) -> None:
        raise failure

    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ELMAN_DATA", raising=False)
    existed = tree(there)
    outcome = elman("train", "time-machine", "--out", "new")
    says = (
        "The Time Machine could not be fetched from https://",
        str(failure),
        "--set data.path=FILE",
        "ELMAN_DATA=FOLDER",
    )
    assert_one_message(outcome, DATA, says)
    assert tree(there) == existed
    assert tree(tmp_path) == {}


# Places that cannot be written --------------------------------------------------------------------------------------------------

REFUSALS = {
    "a full disk": (errno.ENOSPC, "No space left on device", "Free some space there"),
    "a read-only disk": (errno.EROFS, "Read-only file system", "Choose a folder you may write with --out"),
    "no permission": (errno.EACCES, "Permission denied", "Choose a folder you may write with --out"),
}  # fmt: skip


def refusing(number: int) -> Callable[..., None]:
    """A system call that fails with an error number."""

    def call(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(("number", "reason", "step"), REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("call", ["pathlib.Path.mkdir", "os.replace", "os.fsync"])
def test_a_run_folder_that_cannot_be_made(
    number: int, reason: str, step: str, call: str, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    existed = tree(there)
    with monkeypatch.context() as patch:
        patch.setattr(call, refusing(number))
        outcome = elman("train", "sine-online", "--out", "new")
    assert_one_message(outcome, FAILED, ("new", f"cannot write this ({reason})", step))
    assert tree(there) == existed


@pytest.mark.parametrize(("number", "reason", "step"), REFUSALS.values(), ids=REFUSALS.keys())
def test_predictions_that_cannot_be_written_leave_the_old_ones(
    number: int, reason: str, step: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch / "answers.csv").write_text("those of yesterday", encoding="utf-8")
    existed = tree(scratch)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", refusing(number))
        outcome = elman("predict", "archive", "test.ts", "--out", "answers.csv")
    assert_one_message(outcome, FAILED, ("answers.csv: cannot write this", reason, step))
    assert tree(scratch) == existed


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_write_permission(there: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        outcome = elman("train", "sine-online", "--out", tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)
    assert_one_message(outcome, FAILED, (str(tmp_path), "Permission denied", "Choose a folder you may write"))
    assert list(tmp_path.iterdir()) == []


SMALL = ("--set", "training.epochs=2", "--set", "data.num_samples=40", "--set", "training.checkpoint_seconds=0")


def assert_can_be_resumed(run: Path) -> None:
    """Going on with `run`, if it came to be, ends with the model of a run that nothing stopped."""
    whole = run.with_name("whole")
    elman("train", "classify-sums", "--out", whole, *SMALL).succeeded()
    resume = ["--resume"] if run.exists() else []
    elman("train", "classify-sums", "--out", run, *resume, *SMALL).succeeded()
    assert (run / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("good", range(9))
def test_a_disk_that_is_full_after_so_many_files(good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, replace = good, os.replace

    def until_full(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", until_full)
        outcome = elman("train", "classify-sums", "--out", tmp_path / "new", *SMALL)
    assert_one_message(outcome, FAILED, (str(tmp_path / "new"), "No space left on device", "ree "), after_progress=True)
    assert not [name for name in tree(tmp_path) if name.endswith(("-tmp", ".new")) or "/.model" in name]
    assert_can_be_resumed(tmp_path / "new")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts small disks in memory, where that is allowed."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"no small disk can be mounted here: {error}")
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_disk(disk: Callable[..., Path]) -> None:
    place = disk("size=64k,ro")
    outcome = elman("train", "sine-online", "--out", place / "new")
    assert_one_message(
        outcome, FAILED, (f"{place / 'new'}: cannot write this (Read-only file system). Choose a folder",)
    )
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("kilobytes", [4, 8, 44, 48, 60, 140, 220])
def test_a_disk_that_fills_up_keeps_what_can_be_resumed(kilobytes: int, disk: Callable[..., Path]) -> None:
    place = disk(f"size={kilobytes}k")
    other = place / "the only copy.txt"
    other.write_text("of something", encoding="utf-8")
    outcome = elman("train", "classify-sums", "--out", place / "new", *SMALL)
    assert_one_message(outcome, FAILED, (str(place / "new"), "No space left on device", "ree "), after_progress=True)
    assert other.read_text(encoding="utf-8") == "of something"
    assert not [name for name in tree(place) if name.endswith(("-tmp", ".new")) or "/.model" in name]
    subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
    assert_can_be_resumed(place / "new")


@pytest.mark.parametrize("command", ["train sine-online --seed x", "train sine-online --sed 1", "trai", "train"])
def test_what_the_parser_refuses_is_told_as_json_too(command: str, there: Path) -> None:
    outcome = elman(*shlex.split(command), "--json")
    assert outcome.code == 2
    assert outcome.document() == {"error": "wrong usage; see standard error", "kind": "UsageError", "exit_code": 2}
    assert "Usage: elman" in outcome.err
