"""What scikit-learn asks an estimator about itself. scikit-learn is imported when it asks, and not otherwise."""

from __future__ import annotations

from typing import Any


def sklearn_tags(task: str) -> Any:
    """scikit-learn's `Tags` (1.6 and later) for an estimator of this task.

    Sequences are (N, T, D), (N, T) or a list of (T_i, D). Classifiers and regressors are told apart by these tags, which is how
    `GridSearchCV` comes to stratify its folds.
    """
    from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

    sequences, supervised = task in ("classification", "regression"), task != "language"
    return Tags(
        estimator_type={"classification": "classifier", "regression": "regressor"}.get(task),
        target_tags=TargetTags(
            required=sequences, one_d_labels=task == "classification", multi_output=task == "regression"
        ),
        classifier_tags=ClassifierTags() if task == "classification" else None,
        regressor_tags=RegressorTags() if task == "regression" else None,
        input_tags=InputTags(
            one_d_array=task == "forecasting", two_d_array=supervised, three_d_array=sequences, string=not supervised
        ),
    )
