"""Every error Elman raises on purpose, and the exit code its command line gives it.

::

    ElmanError                 1   anything below; catch this to catch them all
    ├── UsageError             2   an argument, an option or a recipe key is wrong (also a ValueError)
    │   ├── NotFittedError     2   a trained model was asked for before `fit`
    │   └── DeviceError        2   a device is not there, or cannot do what is asked of it
    ├── MissingExtraError      3   an optional dependency is not installed (also an ImportError)
    ├── DataError              5   a file or an array cannot be used as it is (also a ValueError)
    ├── RunError               1   a run folder or a model folder cannot be read or written
    ├── NonFiniteError         1   the loss or a gradient stopped being a number during training
    ├── ProcessError           1   another process of a training is gone, or was never met
    └── InterruptedTraining    1   Ctrl-C or SIGTERM arrived; everything was saved first

A message names the argument or the file, states the rule, shows what came, and says what to do next.
What is no error but should be known comes as a warning of Python's own kind; FolderWarning is the one of model and run folders.
"""

from __future__ import annotations


class ElmanError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UsageError(ElmanError, ValueError):
    """An argument, an option or a recipe key is wrong."""

    exit_code = 2


class NotFittedError(UsageError):
    """A trained model was asked for before `fit` or `load`."""


class DeviceError(UsageError):
    """A device is not there, has no such numbers, or too little memory."""


class MissingExtraError(ElmanError, ImportError):
    """An optional dependency is not installed; the message holds the pip command."""

    exit_code = 3


class DataError(ElmanError, ValueError):
    """A file or an array cannot be used as it is; the message says where and what to do."""

    exit_code = 5


class RunError(ElmanError):
    """A run folder or a model folder cannot be read or written."""


class NonFiniteError(ElmanError):
    """The loss or a gradient stopped being a finite number."""


class ProcessError(ElmanError):
    """Another process of the same training is gone, or was never met."""


class InterruptedTraining(ElmanError):
    """Ctrl-C or SIGTERM arrived during training; the checkpoint is written."""


class FolderWarning(UserWarning):
    """A folder is read, but it is of an old format, or holds files that nobody wrote there with it."""
