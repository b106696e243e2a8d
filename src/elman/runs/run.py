"""The run folder: what a training leaves behind, and how it is written so that a kill at any moment does no harm.

::

    runs/sine-online/
        recipe.toml      complete and re-runnable; written first: it makes the folder a run
        metrics.jsonl    a line an epoch, appended
        checkpoint/      all that an exact resume needs
        model/           config.json + model.safetensors; of a model per series, config.json + models/
        plots/           PNG pictures
        sample.txt       generated text, for language models
        report.html      self-contained
        result.json      written last: it says that the training is done

Every file but `metrics.jsonl` is written to a temporary file beside it, synced and renamed over the old one, so a reader finds the
old content or the new, never half of it. `metrics.jsonl` may lose its last line to a kill; readers drop a torn last line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import RunError, UsageError

RECIPE, METRICS, RESULT, REPORT, SAMPLE = "recipe.toml", "metrics.jsonl", "result.json", "report.html", "sample.txt"
MODEL, CHECKPOINT, PLOTS = "model", "checkpoint", "plots"
MODEL_FILES = ("config.json", "model.safetensors")
TEMPORARY_SUFFIX = ".elman-tmp"
# What starting over removes, the mark of a finished run first, so that a kill in between cannot leave an old result to a new run.
REPLACED_FILES = (RESULT, METRICS, CHECKPOINT, MODEL, PLOTS, REPORT, SAMPLE, "forecasts.csv", RECIPE)


def write_atomically(path: Path | str, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) so that `path` holds the old content or the new one, never a part of it.

    The bytes go to a temporary file in the same folder, are synced, and the file is renamed over `path`.

    Raises:
        RunError: the operating system refused; `path` is untouched and no temporary file stays.
    """
    path = Path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot("write", path, error) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system can (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def cannot(verb: str, path: Path, error: OSError) -> RunError:
    """The RunError for an operation the system refused: the path, the system's reason and the next step."""
    reason = error.strerror or str(error) or type(error).__name__
    if verb == "read":
        step = "Check the path and its permissions."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        step = "Free some space there, or choose another place with --out."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        step = "Choose a folder you may write with --out, or change its permissions."
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        step = "A file stands where a folder is needed; choose another place with --out."
    else:
        step = "Check the path, or choose another place with --out."
    return RunError(f"{path}: cannot {verb} this ({reason}). {step}")


@contextlib.contextmanager
def translated(verb: str, path: Path) -> Iterator[None]:
    """Turn what the system refuses inside the block into the RunError of `cannot`."""
    try:
        yield
    except OSError as error:
        raise cannot(verb, path, error) from error


def to_json(value: Any) -> Any:
    """`value` in strict JSON's terms: NumPy numbers and arrays as plain ones, paths as text, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _parse(data: bytes) -> dict[str, Any]:
    """One strict JSON object. Raises ValueError for anything else, NaN and invalid UTF-8 included."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    document = json.loads(data.decode("utf-8"), parse_constant=refuse)
    if isinstance(document, dict):
        return document
    raise ValueError("not a JSON object")


def _read(path: Path) -> bytes:
    with translated("read", path):
        return path.read_bytes()


@dataclass(frozen=True)
class Run:
    """One run folder. `Run.create` starts or continues one, `Run.open` takes a finished one."""

    folder: Path

    @classmethod
    def create(cls, folder: Path | str, recipe_text: str, *, resume: bool = False, force: bool = False) -> Run:
        """Make `folder` with `recipe.toml` in it, or take the run that is there.

        Args:
            folder: where the run goes; made with its parents. A folder that is there must be empty.
            recipe_text: the complete recipe, TOML.
            resume: go on with the run in `folder`; its `recipe.toml` stays as it is and `recipe_text` is not looked at.
            force: start over in `folder` if it holds a run: the old run's files are removed, other files stay.

        Raises:
            RunError: `folder` holds something already, or cannot be made or written. What existed is untouched.
            UsageError: both `resume` and `force`.
        """
        run = cls(Path(folder))
        if resume and force:
            raise UsageError("`resume` goes on with a run and `force` starts it over; give one of them.")
        with translated("write", run.folder):
            if resume:
                run._require_recipe_to_resume()
                run._remove_leftovers()
                return run
            if force and run._is_run():
                run._remove_run()
            else:
                run._require_free()
            run._start(recipe_text)
        return run

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """The finished run in `folder`.

        Raises:
            RunError: the folder, its recipe, its model or its result is missing or torn; the message says how to finish it.
        """
        run = cls(Path(folder))
        with translated("read", run.folder):
            run._require_finished()
        return run

    @property
    def recipe_path(self) -> Path:
        """`recipe.toml`: the complete recipe."""
        return self.folder / RECIPE

    @property
    def metrics_path(self) -> Path:
        """`metrics.jsonl`: a JSON line an epoch."""
        return self.folder / METRICS

    @property
    def model_path(self) -> Path:
        """`model/`: the trained model, written by its estimator."""
        return self.folder / MODEL

    @property
    def checkpoint_path(self) -> Path:
        """`checkpoint/`: what an exact resume needs, written by the training loop."""
        return self.folder / CHECKPOINT

    @property
    def plots_path(self) -> Path:
        """`plots/`: PNG pictures."""
        return self.folder / PLOTS

    @property
    def report_path(self) -> Path:
        """`report.html`."""
        return self.folder / REPORT

    @property
    def result_path(self) -> Path:
        """`result.json`: the numbers of a finished run, written last."""
        return self.folder / RESULT

    @property
    def sample_path(self) -> Path:
        """`sample.txt`: text generated by a language model."""
        return self.folder / SAMPLE

    @property
    def resume_command(self) -> str:
        """The shell command that goes on with this run."""
        return f"elman train {shlex.quote(str(self.recipe_path))} --out {shlex.quote(str(self.folder))} --resume"

    def recipe_text(self) -> str:
        """The text of `recipe.toml`. Raises RunError where it cannot be read or is not UTF-8."""
        try:
            return _read(self.recipe_path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise RunError(
                f"{self.recipe_path}: not UTF-8 at byte {error.start}. Save it as UTF-8, or train anew with another --out."
            ) from error

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one epoch's numbers as one JSON line, flushed. NaN and infinity become null. Raises RunError."""
        line = json.dumps(to_json(record), allow_nan=False) + "\n"
        with translated("write", self.metrics_path):
            if _ends_torn(self.metrics_path):
                write_atomically(self.metrics_path, b"".join(whole for whole, _ in self._metric_lines()))
            with open(self.metrics_path, "ab") as file:
                file.write(line.encode("utf-8"))

    def truncate_metrics(self, epochs: int) -> None:
        """Keep the lines of epochs 1 to `epochs`, byte for byte, and drop later ones and a torn last line.

        A resume calls this with the number of epochs in its checkpoint, so that no epoch is there twice.
        """
        lines = self._metric_lines()
        for number, (_, record) in enumerate(lines, start=1):
            if not isinstance(record.get("epoch"), int):
                raise RunError(f"{self.metrics_path}, line {number}: has no whole number `epoch`. {self._start_over}")
        if self.metrics_path.exists():
            write_atomically(self.metrics_path, b"".join(line for line, record in lines if record["epoch"] <= epochs))

    def metrics(self) -> list[dict[str, Any]]:
        """One record an epoch, in order; empty before the first. A torn last line is left out.

        Raises:
            RunError: a line before the last is not a JSON object; the message has its number.
        """
        return [record for _, record in self._metric_lines()]

    def write_result(self, document: dict[str, Any]) -> None:
        """Write `result.json`, atomically and as strict JSON: the last act of a training. Raises RunError."""
        write_atomically(self.result_path, json.dumps(to_json(document), indent=2, allow_nan=False) + "\n")

    def result(self) -> dict[str, Any]:
        """The content of `result.json`. Raises RunError where it is missing or torn, saying how to finish the run."""
        if not self.result_path.is_file():
            raise RunError(f"{self.folder}: has no {RESULT}: the training did not finish. {self._finish}")
        try:
            return _parse(_read(self.result_path))
        except ValueError as error:
            raise RunError(f"{self.result_path}: torn or not JSON ({error}). {self._finish}") from error

    @property
    def _finish(self) -> str:
        return f"Finish it with `{self.resume_command}`."

    @property
    def _start_over(self) -> str:
        recipe = shlex.quote(str(self.recipe_path))
        return f"The file was changed or damaged; mend that line, or train anew: `elman train {recipe} --out ANOTHER`."

    def _metric_lines(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Every whole line of the metrics, with its newline, and what it says."""
        with translated("read", self.metrics_path):
            content = self.metrics_path.read_bytes() if self.metrics_path.exists() else b""
        lines = [line for line in content.split(b"\n") if line.strip()]
        parsed: list[tuple[bytes, dict[str, Any]]] = []
        for number, line in enumerate(lines, start=1):
            try:
                parsed.append((line + b"\n", _parse(line)))
            except ValueError as error:
                if number == len(lines):
                    break  # a kill tore it
                raise RunError(
                    f"{self.metrics_path}, line {number}: not a JSON object ({error}). {self._start_over}"
                ) from error
        return parsed

    def _is_run(self) -> bool:
        return self.recipe_path.is_file()

    def _contents(self) -> list[str]:
        """Names in the folder, without temporary files that a kill left."""
        with translated("read", self.folder):
            return sorted(name for name in os.listdir(self.folder) if not name.endswith(TEMPORARY_SUFFIX))

    def _require_folder(self, next_step: str) -> None:
        if not self.folder.exists():
            raise RunError(f"{self.folder}: no such folder. {next_step}")
        if not self.folder.is_dir():
            raise RunError(f"{self.folder}: a file, not a run folder. {next_step}")

    def _require_finished(self) -> None:
        self._require_folder("Train one with `elman train RECIPE --out DIR`; `elman runs` lists those there are.")
        if not self.recipe_path.is_file():
            raise RunError(
                f"{self.folder}: has no {RECIPE}, so it is no run folder, or one half-written. "
                "Name a folder that `elman train` made; `elman runs` lists them."
            )
        # Of models of many series, each has its weights in a folder of its own.
        files = MODEL_FILES[:1] if (self.model_path / "models").is_dir() else MODEL_FILES
        missing = [f"{MODEL}/{name}" for name in files if not (self.model_path / name).is_file()]
        if missing:
            raise RunError(
                f"{self.folder}: {' and '.join(missing)} missing: the training did not finish. {self._finish}"
            )
        self.result()

    def _require_recipe_to_resume(self) -> None:
        self._require_folder("There is nothing to go on with; leave out --resume to start the run.")
        if self._is_run():
            return
        if not self._contents():
            raise RunError(f"{self.folder}: empty, nothing to go on with. Leave out --resume to start the run.")
        raise RunError(
            f"{self.folder}: has no {RECIPE}, so it is half-written or no run folder; nothing in it was touched. "
            "Choose another --out and leave out --resume."
        )

    def _require_free(self) -> None:
        if not self.folder.exists():
            return
        self._require_folder("Choose another --out.")
        contents = self._contents()
        if not contents:
            return
        if self._is_run():
            raise RunError(f"{self.folder}: exists; choose another --out, or --resume to go on.")
        raise RunError(
            f"{self.folder}: exists and holds {contents[0]}{' and more' if len(contents) > 1 else ''}, but no {RECIPE}: "
            "it is no run folder and was not touched. Choose another --out."
        )

    def _start(self, recipe_text: str) -> None:
        is_new = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        try:
            write_atomically(self.recipe_path, recipe_text)
        except RunError:
            if is_new:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            raise

    def _remove_leftovers(self) -> None:
        """Remove temporary files of a writer that was killed."""
        for path in self.folder.glob(f".*{TEMPORARY_SUFFIX}"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _remove_run(self) -> None:
        for path in (self.folder / name for name in REPLACED_FILES):
            with translated("write", path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def _ends_torn(path: Path) -> bool:
    """Whether the file ends within a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def default_folder(recipe_name: str, base: Path | str = Path("runs")) -> Path:
    """The first free one of `base/NAME`, `base/NAME-2`, `base/NAME-3`, ...; it is not made.

    `recipe_name` may be a path to a TOML file; its stem is taken, and what does not belong in a file name becomes `-`.
    """
    stem = re.split(r"[/\\]", recipe_name.removesuffix(".toml"))[-1]
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    folder, number = Path(base) / name, 1
    while os.path.lexists(folder):
        number += 1
        folder = Path(base) / f"{name}-{number}"
    return folder
