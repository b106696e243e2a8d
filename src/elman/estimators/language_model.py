"""Learn a text, judge how well unseen text is predicted, and write on.

Shapes: T tokens in a text, V tokens in the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from elman.data.batches import TextBatches
from elman.data.vocabulary import Vocabulary, join_units
from elman.engines import Batch, Loss
from elman.errors import DataError, UsageError
from elman.estimators.estimator import Estimator, arrays_in, check_share
from elman.estimators.ngram import NGram
from elman.estimators.sampling import Sampler
from elman.files import Array
from elman.training import Callbacks

READ_AT_ONCE = 512


@final
@dataclass(kw_only=True, eq=False)
class LanguageModel(Estimator):
    """A recurrent network that predicts the next character, byte or word of a text.

    Its own options:
        unit: `char`, `byte` or `word`.
        min_frequency: tokens that come less often become `<unk>`.
        sampling: `sequential` reads the text in `batch_size` rows side by side and carries the state on; `random` draws
            pieces and starts each from zero.
        embedding_size: size of the learned table of token vectors; 0 for one-hot inputs.

    `validation` is the last share of the text, and `steps` counts tokens. `shuffle` and `carry` follow from `sampling`.

    {shared options}

    After `fit`:
        vocabulary_: the tokens.
        network_, history_: the trained network; a record an epoch.
        ngram_loss_, ngram_order_: of the n-gram floor on the validation part; None without one.

    >>> model = LanguageModel(hidden_size=16, epochs=60, steps=8, batch_size=4, learning_rate=0.02, validation=0.0)
    >>> model.fit("the cat sat on the mat. " * 20).generate("the cat", length=8, temperature=0)
    ' sat on '
    """

    unit: str = "char"
    min_frequency: int = 1
    sampling: str = "sequential"
    embedding_size: int = 0
    hidden_size: int = 256
    epochs: int = 50
    steps: int | None = 64
    learning_rate: float = 2e-3
    clip_norm: float | None = 1.0
    validation: float = 0.1

    task: ClassVar[str] = "language"
    measures: ClassVar[tuple[str, ...]] = ("perplexity",)

    def fit(
        self, X: str, y: None = None, *, validation_data: str | None = None, vocabulary: Vocabulary | None = None,
        callbacks: Callbacks = (), checkpoint: str | Path | None = None, resume: bool = False,
    ) -> LanguageModel:  # fmt: skip
        """Train.

        Args:
            X: one text.
            y: there for scikit-learn, not used.
            validation_data: a text to validate on, instead of the last share of X.
            vocabulary: to use instead of that of the training part.
            callbacks: `Callback` objects, or functions called with each epoch's record.
            checkpoint: a folder for the checkpoint; None keeps none and leaves Ctrl-C to Python.
            resume: go on from the checkpoint in that folder, if there is one.

        Raises:
            DataError: a text too short, or no text.
            UsageError: options that cannot be.
        """
        text, validation_text = self.split(X, validation_data)
        self.vocabulary_ = vocabulary or Vocabulary.of(text, unit=self.unit, min_frequency=self.min_frequency)
        size = self.vocabulary_.size
        tokens = self.vocabulary_.encode(text)
        batches = TextBatches(
            tokens, batch_size=self.batch_size, steps=self.steps or 64, sampling=self.sampling, seed=self.seed
        )
        validation_tokens = None if validation_text is None else self.vocabulary_.encode(validation_text)
        validation_batches = None if validation_tokens is None else self._validation_batches(validation_tokens)
        inputs = "embedding" if self.embedding_size else "one_hot"
        network = self.make_network(
            input_size=size, output_size=size, inputs=inputs, embedding_size=self.embedding_size, head="every"
        )
        self._train(
            network, Loss(kind="cross_entropy"), batches, validation_batches, arrays_in(tokens, validation_tokens),
            callbacks=callbacks, checkpoint=checkpoint, resume=resume,
        )  # fmt: skip
        self._measure_floor(tokens, validation_text)
        return self

    def measure(self, text: str) -> dict[str, float]:
        """How well a text is predicted, read as one stream from zero state, its first token known.

        Args:
            text: at least two tokens.

        Returns:
            `loss`, `perplexity`, `bits_per_character` and `bits_per_byte` by name, as `elman.measures` defines them.

        Raises:
            DataError: a text of fewer than two tokens.
        """
        network = self._fitted()
        tokens = self.vocabulary_.encode(text)
        if len(tokens) < 2:
            raise DataError(f"`text` must have at least 2 tokens to be measured; got {len(tokens)}")
        loss = Loss(kind="cross_entropy", reduction="sum")
        engine = self._make_engine(network, loss)
        state, total = None, 0.0
        for first in range(0, len(tokens) - 1, READ_AT_ONCE):
            piece = tokens[first : first + READ_AT_ONCE + 1][None]
            evaluation = engine.evaluate(Batch(piece[:, :-1], piece[:, 1:]), state)
            state, total = evaluation.state, total + evaluation.loss
        return _measures(total / (len(tokens) - 1), len(tokens), text)

    def perplexity(self, text: str) -> float:
        """exp of the mean loss: how many equally likely tokens the model is left choosing between."""
        return self.measure(text)["perplexity"]

    def bits_per_character(self, text: str) -> float:
        """How many bits a character of the text costs with this model."""
        return self.measure(text)["bits_per_character"]

    def score(self, X: str, y: None = None) -> float:
        """Mean log likelihood of the text, in nats a token; higher is better."""
        return -self.measure(X)["loss"]

    def floor(self, train: str, test: str) -> dict[str, float]:
        """The same measures for an n-gram model counted on `train`, with this model's vocabulary; and its `order`."""
        self._fitted()
        tokens, test_tokens = self.vocabulary_.encode(train), self.vocabulary_.encode(test)
        if len(test_tokens) < 2:
            raise DataError(f"`test` must have at least 2 tokens to be measured; got {len(test_tokens)}")
        ngram = NGram.fit(tokens, self.vocabulary_.size)
        return {**_measures(ngram.loss(test_tokens, start=1), len(test_tokens), test), "order": ngram.order}

    def predict_proba(self, X: str) -> Array:
        """Probabilities of the token after X, (V,) in the order of `vocabulary_.tokens`."""
        tokens = self._tokens_of(X)
        logits = self._engine.forward(tokens[None])[0][0, -1]
        return Sampler().probabilities(logits)

    def predict(self, X: str) -> str:
        """The most probable token after X."""
        best = int(self.predict_proba(X).argmax())
        return self.vocabulary_.tokens[best]

    def generate(
        self, prompt: str, length: int = 200, *, temperature: float = 1.0, top_k: int | None = None,
        top_p: float | None = None, seed: int | None = None, stop: str | None = None,
    ) -> str:  # fmt: skip
        """Write on after a prompt.

        Args:
            prompt: the beginning of the text, at least one character.
            length: tokens to write.
            temperature: 0 always takes the most probable token, 1 draws from the model's own probabilities, more is wilder.
            top_k: draw from the k most probable tokens only; None for all.
            top_p: draw from the fewest tokens whose probabilities reach p; None for all.
            seed: of the draws; None draws anew each time.
            stop: end after this text.

        Returns:
            The text after the prompt, up to and including `stop`.

        Raises:
            UsageError: a bidirectional network, which reads the future; an option that cannot be.
        """
        sampler = Sampler(temperature=temperature, top_k=top_k, top_p=top_p)
        tokens: list[str] = []
        for token in self._write(prompt, length, sampler, np.random.default_rng(seed)):
            tokens.append(token)
            if stop:
                text = join_units(tokens, self.unit)
                if stop in text:
                    return text[: text.index(stop) + len(stop)]
        return join_units(tokens, self.unit)

    def _write(self, prompt: str, length: int, sampler: Sampler, generator: np.random.Generator) -> Iterator[str]:
        network = self._fitted()
        if network.bidirectional:
            raise UsageError("a bidirectional network reads the future of a text and cannot write one; train without")
        if length < 0:
            raise UsageError(f"`length` must be at least 0; got {length!r}")
        stream = self._engine.stream()
        logits = stream.step_many(self._tokens_of(prompt))[-1]
        reserved = np.arange(self.vocabulary_.size) < len(self.vocabulary_.reserved)
        for _ in range(length):
            token = sampler.draw(np.where(reserved, -np.inf, logits), generator)
            yield self.vocabulary_.tokens[token]
            logits = stream.step(token)

    def _tokens_of(self, prompt: str) -> Array:
        self._fitted()
        tokens = self.vocabulary_.encode(prompt)
        if not len(tokens):
            raise UsageError("`prompt` must not be empty; give the beginning of a text, at least one character")
        return tokens

    def split(self, text: str, validation_data: str | None = None) -> tuple[str, str | None]:
        """The text that `fit` trains on and the one it validates on, None for none."""
        if not isinstance(text, str):
            raise DataError(f"`X` must be one text (str); got {type(text).__name__}")
        share = check_share("validation", self.validation)
        if validation_data is not None or not share:
            return text, validation_data
        cut = len(text) - round(len(text) * share)
        return text[:cut], text[cut:]

    def _validation_batches(self, tokens: Array) -> TextBatches:
        """The validation text in as many rows as leave each at least a piece long."""
        steps = min(self.steps or 64, max(1, len(tokens) - 1))
        rows = max(1, min(self.batch_size, (len(tokens) - 1) // (steps * 4)))
        if len(tokens) < 2:
            raise DataError(
                f"the validation text has {len(tokens)} tokens, at least 2 are needed; "
                "bring more text, or set validation=0 and patience=None"
            )
        return TextBatches(tokens, batch_size=rows, steps=steps, fixed_offset=True)

    def _measure_floor(self, tokens: Array, validation_text: str | None) -> None:
        self.ngram_loss_: float | None = None
        self.ngram_order_: int | None = None
        if validation_text is not None:
            ngram = NGram.fit(tokens, self.vocabulary_.size)
            self.ngram_loss_, self.ngram_order_ = (
                ngram.loss(self.vocabulary_.encode(validation_text), start=1),
                ngram.order,
            )

    def _learned(self) -> dict[str, Any]:
        return {
            "vocabulary": self.vocabulary_.config(), "ngram_loss": self.ngram_loss_, "ngram_order": self.ngram_order_,
        }  # fmt: skip

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.vocabulary_ = Vocabulary.from_config(learned["vocabulary"])
        self.ngram_loss_, self.ngram_order_ = learned["ngram_loss"], learned["ngram_order"]


def _measures(loss: float, tokens: int, text: str) -> dict[str, float]:
    bits = loss * (tokens - 1) / math.log(2)
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "bits_per_character": bits / max(1, len(text) - len(text) / tokens),
        "bits_per_byte": bits / max(1.0, len(text.encode()) * (1 - 1 / tokens)),
    }
