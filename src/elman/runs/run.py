"""The run folder: what a training leaves behind, and how it is written so that a kill at any moment does no harm.

::

    runs/sine-online/
        recipe.toml      complete and re-runnable; written first: it makes the folder a run
        metrics.jsonl    a line an epoch, appended
        checkpoint/      all that an exact resume needs
        model/           config.json + model.safetensors; of a model per series, config.json + models/
        plots/           PNG pictures
        sample.txt       generated text, for language models
        forecasts.csv    forecasts, for time series
        report.html      self-contained
        result.json      the numbers of a finished run
        manifest.json    checksums of what the training came to; written last: it says that the training is done

Every file but `metrics.jsonl` takes the place of the old one at once: a reader finds the old content or the new, never half of it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.errors import RunError, UsageError
from elman.files import (
    FORMAT,
    MANIFEST,
    FolderReader,
    is_leftover,
    json_text,
    open_folder,
    parse_json,
    plain,
    remove_leftovers,
    run_errors,
    write_atomically,
    write_manifest,
)
from elman.runs.metrics import append_record, read_records, truncate_records, with_present_names

RECIPE, METRICS, RESULT, REPORT, SAMPLE = "recipe.toml", "metrics.jsonl", "result.json", "report.html", "sample.txt"
MODEL, CHECKPOINT, PLOTS, FORECASTS = "model", "checkpoint", "plots", "forecasts.csv"
MODEL_FILES = ("config.json", "model.safetensors")
RESULT_FILES = (RESULT, SAMPLE, FORECASTS, f"{MODEL}/{MANIFEST}")
"""What the manifest of a run names, where it is there. Pictures and the report can be drawn again."""

# What starting over removes, the signs of a finished run first, so that a kill in between cannot leave an old result to a new run.
REPLACED_FILES = (MANIFEST, RESULT, METRICS, CHECKPOINT, MODEL, PLOTS, REPORT, SAMPLE, FORECASTS, RECIPE)


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
        with run_errors("write", run.folder):
            if resume:
                run._require_recipe_to_resume()
                remove_leftovers(run.folder)
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
        with run_errors("read", run.folder):
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

    @property
    def forecasts_path(self) -> Path:
        """`forecasts.csv`: forecasts of time series."""
        return self.folder / FORECASTS

    def recipe_text(self) -> str:
        """The text of `recipe.toml`. Raises RunError where it cannot be read or is not UTF-8."""
        with run_errors("read", self.recipe_path):
            data = self.recipe_path.read_bytes()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RunError(
                f"{self.recipe_path}: not UTF-8 at byte {error.start}. Save it as UTF-8, or train anew with another --out."
            ) from error

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one epoch's numbers to `metrics.jsonl`.

        Args:
            record: numbers by name, `epoch` among them; NaN and infinity become null.

        Raises:
            RunError: the system refused, or a line before the last is damaged.
        """
        append_record(self.metrics_path, record, next_step=self._start_over)

    def truncate_metrics(self, epochs: int) -> None:
        """Drop the metrics of epochs after `epochs`, and a torn last line.

        A resume calls this with the number of epochs in its checkpoint, so that no epoch is there twice.

        Args:
            epochs: the last epoch whose line stays, byte for byte.

        Raises:
            RunError: the system refused, or a line is damaged.
        """
        truncate_records(self.metrics_path, epochs, next_step=self._start_over)

    def metrics(self) -> list[dict[str, Any]]:
        """One record an epoch, in order; empty before the first. A torn last line is left out.

        Raises:
            RunError: a line before the last is not a JSON object; the message has its number.
        """
        return read_records(self.metrics_path, next_step=self._start_over)

    def write_result(self, document: dict[str, Any]) -> dict[str, Any]:
        """Write `result.json` and, as the last act of a training, the manifest of what it came to.

        Args:
            document: numbers, texts and the like by name; NaN and infinity become null.

        Returns:
            What `result.json` holds: the document in plain values, and the format.

        Raises:
            RunError: the system refused.
        """
        result: dict[str, Any] = plain({"format": FORMAT, **document})
        write_atomically(self.result_path, json_text(result, indent=2) + "\n")
        with run_errors("write", self.folder / MANIFEST):
            write_manifest(self.folder, [name for name in RESULT_FILES if (self.folder / name).is_file()])
        return result

    def remove_result(self) -> None:
        """Take away the result of an earlier training in this folder, before what it tells of is replaced."""
        for path in (self.folder / MANIFEST, self.result_path):
            with run_errors("write", path):
                path.unlink(missing_ok=True)

    def has_result(self) -> bool:
        """Whether a training wrote its result to the end; it may have been damaged since."""
        if not self.result_path.is_file():
            return False
        if (self.folder / MANIFEST).is_file():
            return True
        try:
            return bool(parse_json(self.result_path.read_bytes()).get("format", 1) == 1)
        except (OSError, ValueError):
            return True

    def result(self) -> dict[str, Any]:
        """The content of `result.json`.

        Raises:
            RunError: it is missing, torn or changed; the message says how to finish the run.
        """
        document = self._result_files().read_json(RESULT)
        metrics = document.get("metrics")
        return {**document, "metrics": with_present_names(metrics)} if isinstance(metrics, dict) else document

    def missing_model_files(self) -> list[str]:
        """The files of the model that are not there, as `model/config.json`."""
        # Of models of many series, each has its weights in a folder of its own.
        names = MODEL_FILES[:1] if (self.model_path / "models").is_dir() else MODEL_FILES
        return [f"{MODEL}/{name}" for name in names if not (self.model_path / name).is_file()]

    def _result_files(self) -> FolderReader:
        """The reader of what the manifest names."""
        if not self.result_path.is_file():
            raise RunError(f"{self.folder}: has no {RESULT}: the training did not finish. {self._finish}")
        if not self.has_result():
            raise RunError(f"{self.folder}: has no {MANIFEST}: the training did not finish. {self._finish}")
        next_step = f"finish it with `{self.resume_command}`"
        return open_folder(self.folder, what="run", label=RESULT, whole=False, next_step=next_step)

    @property
    def _finish(self) -> str:
        return f"Finish it with `{self.resume_command}`."

    @property
    def _start_over(self) -> str:
        recipe = shlex.quote(str(self.recipe_path))
        return f"The file was changed or damaged; mend that line, or train anew: `elman train {recipe} --out ANOTHER`."

    def _is_run(self) -> bool:
        return self.recipe_path.is_file()

    def _contents(self) -> list[str]:
        """Names in the folder, without what a kill left."""
        with run_errors("read", self.folder):
            return sorted(name for name in os.listdir(self.folder) if not is_leftover(name))

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
        missing = self.missing_model_files()
        if missing:
            raise RunError(
                f"{self.folder}: {' and '.join(missing)} missing: the training did not finish. {self._finish}"
            )
        self.result()
        files, model_manifest = self._result_files(), f"{MODEL}/{MANIFEST}"
        if model_manifest in files:
            files.read(model_manifest)  # so that the result is of this model

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
        remove_leftovers(self.folder)
        try:
            write_atomically(self.recipe_path, recipe_text)
        except RunError:
            if is_new:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            raise

    def _remove_run(self) -> None:
        for path in (self.folder / name for name in REPLACED_FILES):
            with run_errors("write", path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
