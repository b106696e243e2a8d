"""Tell sequences apart: unequal lengths, text labels, probabilities."""

import numpy as np

from elman import SequenceClassifier

random = np.random.default_rng(0)


def recordings(count: int) -> tuple[list[np.ndarray], list[str]]:
    """Waves of 15 to 30 steps (T, 1), each slow or fast, with noise."""
    x, y = [], []
    for i in range(count):
        steps, kind = random.integers(15, 31), ("slow", "fast")[i % 2]
        wave = np.sin(np.arange(steps) * (0.3 if kind == "slow" else 0.6) + random.uniform(0, 6))
        x.append((wave + random.normal(0, 0.3, steps))[:, None])
        y.append(kind)
    return x, y


x, y = recordings(200)
model = SequenceClassifier(hidden_size=16, learning_rate=0.01, epochs=40, patience=10, class_weight="balanced")
model.fit(x, y)

new_x, new_y = recordings(100)
print("accuracy on new recordings:", model.score(new_x, new_y))
print("classes:", model.classes_)
print("probabilities of the first:", model.predict_proba(new_x[:1]).round(3))
