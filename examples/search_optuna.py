"""Search with Optuna: judged on validation data, poor trials stopped early, and interrupted as often as need be.

Run it again after a Ctrl-C or a crash: finished trials are kept, and the one that was on its way goes on from its checkpoint.
One process at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from elman import Callback, SequenceClassifier
from elman.errors import InterruptedTraining

TRIALS, FOLDER = 8, Path("search")
random = np.random.default_rng(0)


def waves(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 40, 1): slow or fast waves under noise."""
    fast = np.arange(count) % 2
    phase = random.uniform(0, 6, (count, 1)) + np.arange(40) * np.where(fast, 0.45, 0.3)[:, None]
    return (np.sin(phase) + random.normal(0, 0.8, phase.shape))[..., None], np.where(fast, "fast", "slow")


train, validation, test = waves(240), waves(120), waves(120)  # the last is for the very end, and chooses nothing


class Report(Callback):
    """Tells Optuna the validation loss of every epoch, and ends a trial that others have left behind."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_train_begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        if history:
            print("going on after epoch", len(history), flush=True)
        for record in history:
            self.trial.report(record["validation_loss"], record["epoch"])

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self.trial.report(record["validation_loss"], record["epoch"])
        if self.trial.should_prune():
            raise optuna.TrialPruned


def model(hidden_size: int, learning_rate: float, cell: str) -> SequenceClassifier:
    """What is searched for."""
    return SequenceClassifier(hidden_size=hidden_size, learning_rate=learning_rate, cell=cell, epochs=40, patience=10)


def objective(trial: optuna.Trial) -> float:
    """The validation loss of the best epoch."""
    candidate = model(
        hidden_size=trial.suggest_int("hidden_size", 4, 32, log=True),
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True),
        cell=trial.suggest_categorical("cell", ["gru", "elman"]),
    )
    # Named by its options, the checkpoint is found again by the trial that tries them again.
    name = " ".join(f"{key}={value}" for key, value in trial.params.items())
    candidate.fit(*train, validation_data=validation, callbacks=[Report(trial)], checkpoint=FOLDER / name, resume=True)
    return float(candidate.final_record()["validation_loss"])


def tell(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """A line for a trial that is over."""
    print(f"trial {trial.number} {trial.state.name.lower()} {trial.params}", flush=True)


optuna.logging.set_verbosity(optuna.logging.ERROR)
FOLDER.mkdir(exist_ok=True)
study = optuna.create_study(
    study_name="waves",
    storage=f"sqlite:///{FOLDER / 'study.db'}",  # survives a kill in the middle of a write, which a journal file may not
    pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=5),
    load_if_exists=True,
)
# A sampler begins its random numbers afresh: with the seed of the last time it would propose the same trials again.
study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
for trial in study.get_trials(states=[TrialState.RUNNING]):  # killed: nobody could say that it was
    study.tell(trial.number, state=TrialState.FAIL)
ended = study.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED])
tried = [trial.params for trial in ended]
for trial in study.get_trials(states=[TrialState.FAIL]):
    if trial.params not in tried:
        study.enqueue_trial(trial.params)
        tried.append(trial.params)

try:
    study.optimize(objective, n_trials=TRIALS - len(ended), callbacks=[tell])
except (InterruptedTraining, KeyboardInterrupt):
    raise SystemExit("stopped; run this again to go on") from None

best = model(**study.best_params).fit(*train, validation_data=validation)
print("best:", study.best_params)
print("accuracy on data that chose nothing:", best.score(*test))
