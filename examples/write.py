"""Learn a text, judge it on text held out, and write on."""

from elman import LanguageModel
from elman.data import python_topics

text = python_topics()[:30_000]
model = LanguageModel(hidden_size=64, epochs=6, steps=32, learning_rate=0.01)
model.fit(text)

unseen = text[-3_000:]  # the last tenth, on which fit only validated
print("bits per character:", round(model.bits_per_character(unseen), 2))
print("perplexity of the network and of an n-gram:")
print(round(model.perplexity(unseen), 2), round(model.floor(text[:-3_000], unseen)["perplexity"], 2))
print("The " + model.generate("The ", 80, temperature=0.5, seed=1))
