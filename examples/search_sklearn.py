"""A search with scikit-learn's tools, over sequences of unequal length."""

import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score

from elman import SequenceClassifier

random = np.random.default_rng(0)
lengths = random.integers(10, 30, 200)
y = np.where(np.arange(200) % 2, "fast", "slow")
x = [
    np.sin(np.arange(n) * (0.6 if kind == "fast" else 0.3) + random.uniform(0, 6))[:, None]
    for n, kind in zip(lengths, y, strict=True)
]

model = SequenceClassifier(epochs=30, validation=0.0)
grid = {"hidden_size": [4, 16], "learning_rate": [0.001, 0.01]}
search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(x[:150], y[:150])
print("best:", search.best_params_, "with accuracy", round(search.best_score_, 3), "in cross-validation")
print("folds of the best:", cross_val_score(model.clone(**search.best_params_), x[:150], y[:150], cv=3))
print("accuracy on recordings that chose nothing:", search.score(x[150:], y[150:]))
