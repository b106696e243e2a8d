"""The report: self-contained, escaped, complete, and honest in its headline."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from elman.errors import RunError
from elman.runs.plots import confusion_matrix, loss_curves, save
from elman.runs.report import Headline, ReportTable, headline_of, write_report
from elman.runs.run import Run

RECIPE = 'task = "forecasting"\n[network]\ncell = "gru" # <not & a tag>\n'
RESULT = {
    "task": "forecasting",
    "metrics": {"train_loss": 0.003, "mase": 0.5, "mae": 17.3},
    "baselines": {"seasonal naive": {"mase": 1.0}, "drift": {"mase": 2.0}},
}
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A strict reader: every tag is closed in its turn; collects tags, attributes and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def every(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "my run", RECIPE)
    run.plots_path.mkdir()
    for name in ("forecast.png", "loss.png"):
        save(loss_curves([{"epoch": 1, "train_loss": 1.0}]), run.plots_path / name)
    run.write_result(RESULT)
    return run


def report(run, **options):
    """Write a report with everything in it, or with what `options` say, and read it."""
    whole = {
        "title": "Airline passengers",
        "summary": "A GRU forecasts a year.",
        "facts": [("hidden units", "32")],
        "metrics": [("mean absolute error", "17.3"), ("MASE", "0.5")],
        "tables": [
            ReportTable("Backtest", ["model", "MAE"], [["this network", "17.3"], ["naive", "31"]], "Three folds.")
        ],
        "plots": [("forecast.png", "The forecast"), ("loss.png", "The loss")],
        "sample": "time traveller went on",
        "sample_prompt": "time traveller",
        "notes": ["Three folds are few."],
    }
    write_report(run, **(whole | options))
    return run.report_path.read_text(encoding="utf-8")


def test_everything_is_there_and_in_order(run):
    page = Page(report(run))
    order = [
        "Airline passengers", "A GRU forecasts a year.", "MASE on the backtest", "0.5", "seasonal naive", "The forecast",
        "hidden units", "Three folds are few.", "The loss", "mean absolute error", "Backtest", "Three folds.",
        "time traveller went on", "elman train", "elman predict", "The complete recipe, 3 lines of TOML", 'cell = "gru"', "Python",
    ]  # fmt: skip
    places = [page.text.find(words) for words in order]
    assert -1 not in places
    # Searching each after the one before proves the order even where words come twice.
    place = 0
    for words in order:
        place = page.text.find(words, place)
        assert place >= 0, words


def test_it_is_self_contained(run):
    text = report(run)
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed"}
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert sources and all(source.startswith("data:") for source in sources)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert any("default-src 'none'" in attributes.get("content", "") for attributes in page.every("meta"))


def test_pictures_are_the_files_in_the_order_given(run):
    images = Page(report(run, plots=[("loss.png", "B"), ("forecast.png", "A")])).every("img")
    assert [image["alt"] for image in images] == ["B", "A"]
    stored = base64.b64decode(images[0]["src"].removeprefix("data:image/png;base64,"))
    assert stored == (run.plots_path / "loss.png").read_bytes()
    assert (images[0]["width"], images[0]["height"]) == ("640", "380")


def test_a_wide_picture_takes_the_width_of_the_page_unless_it_is_the_first(run):
    labels = [f"a long class name {index}" for index in range(20)]
    save(confusion_matrix(np.eye(20, dtype=int), labels), run.plots_path / "wide.png")
    page = Page(report(run, plots=[("wide.png", ""), ("loss.png", ""), ("wide.png", "")]))
    assert [figure.get("class") for figure in page.every("figure")] == [None, None, "wide"]


def test_without_a_list_all_pictures_come_by_name(run):
    assert [image["alt"] for image in Page(report(run, plots=None)).every("img")] == ["forecast", "loss"]


EVIL = "<script>alert('x')</script>&\"\x00\ud800"


@pytest.mark.parametrize(
    "options",
    [
        {"title": EVIL},
        {"summary": EVIL},
        {"facts": [(EVIL, EVIL)]},
        {"metrics": [(EVIL, EVIL)]},
        {"tables": [ReportTable(EVIL, [EVIL], [[EVIL]], EVIL)]},
        {"plots": [("loss.png", EVIL)]},
        {"sample": EVIL, "sample_prompt": EVIL},
        {"sample": "x", "sample_prompt": EVIL, "result": {"task": "language"}},
        {"notes": [EVIL]},
        {"headline": Headline(EVIL, EVIL, EVIL, [(EVIL, EVIL, 1.0, True)])},
        {"result": {"task": EVIL, "metrics": {"mae": 1.0}, "baselines": {EVIL: {"mae": 2.0}}}},
    ],
)
def test_every_text_is_escaped(run, options):
    text = report(run, **options)
    page = Page(text)
    assert not page.every("script")
    assert "\x00" not in text
    if "task" not in options.get("result", {}) or "baselines" in options["result"]:
        assert "<script>alert('x')</script>&\"" in page.text + "".join(image["alt"] for image in page.every("img"))


def test_quotation_marks_do_not_end_an_attribute(run):
    page = Page(report(run, plots=[("loss.png", 'a "b" onerror="x"')]))
    assert page.every("img")[0]["alt"] == 'a "b" onerror="x"'
    assert "onerror" not in page.every("img")[0]


def test_the_recipe_is_escaped_and_folded_away(run):
    page = Page(report(run))
    assert RECIPE.strip() in "".join(page.words)
    assert len(page.every("details")) == 1


def test_sections_without_content_are_left_out(run):
    page = Page(
        report(run, tables=[], metrics=[], plots=[], sample=None, sample_prompt=None, notes=[], facts=[], result={})
    )
    headings = re.findall(r"<h2 id=\"(\w+)\"", run.report_path.read_text())
    assert headings == ["use", "recipe", "environment"]
    assert not page.every("img")


def test_the_prompt_stands_out_whether_or_not_the_sample_repeats_it(run):
    for sample in ("time traveller went on", " went on"):
        assert "<b>time traveller</b> went on</blockquote>" in report(run, sample=sample)
    assert '<blockquote dir="auto">alone</blockquote>' in report(run, sample="alone", sample_prompt=None)


def test_commands_fit_the_task_and_survive_a_space_in_the_path(run):
    text = Page(report(run)).text
    assert f"elman predict '{run.folder}' DATA --out predictions.csv" in text
    assert f"elman train '{run.recipe_path}' --out ANOTHER-FOLDER" in text
    text = Page(report(run, result={"task": "language"})).text
    assert f"elman generate '{run.folder}' --prompt 'time traveller'" in text and "elman predict" not in text


def test_columns_of_numbers_are_aligned_right(run):
    text = report(run)
    assert '<th scope="col" class="n">MAE</th>' in text and '<td class="n">31</td>' in text
    assert '<th scope="row">naive</th>' in text
    mixed = report(run, tables=[ReportTable("", ["a", "b"], [["x", "3.5"], ["y", "about 4"]])])
    assert "<td>3.5</td>" in mixed
    assert '<th scope="row">7</th>' in report(run, tables=[ReportTable("", ["fold", "b"], [["7", "3.5"]])])


def test_rows_of_uneven_length_are_kept(run):
    assert "extra" in Page(report(run, tables=[ReportTable("t", ["a"], [["x", "extra"], []])])).text


def test_a_page_fits_phones_printers_and_dark_rooms(run):
    text = report(run)
    for words in ("width=device-width", "prefers-color-scheme: dark", "@media print", "max-width: 700px", 'lang="en"'):
        assert words in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, r"gone.png: cannot read this \(No such file"),
        (b"\x89PNG\r\n", "gone.png: not a PNG picture, or a torn one"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named_and_the_old_report_stays(run, content, says):
    run.report_path.write_text("old")
    if content:
        (run.plots_path / "gone.png").write_bytes(content)
    with pytest.raises(RunError, match=says):
        report(run, plots=[("gone.png", "")])
    assert run.report_path.read_text() == "old"


def test_before_the_result_is_written_it_may_be_given(run):
    run.result_path.unlink()
    assert "MASE on the backtest" not in report(run)
    assert "MASE on the backtest" in report(run, result=RESULT)


# The headline -------------------------------------------------------------------------------------------------------------------


def test_the_headline_stands_beside_its_baselines():
    headline = headline_of(RESULT)
    assert (headline.label, headline.value) == ("MASE on the backtest", "0.5")
    assert headline.meaning == (
        "Its error is 0.5 times that of a naive forecast. Below 1 is better than naive. "
        "Better than the best baseline, seasonal naive, by 50 %."
    )
    assert list(headline.rivals) == [
        ("this network, backtest", "0.5", 0.25, True),
        ("seasonal naive", "1", 0.5, False),
        ("drift", "2", 1.0, False),
    ]


@pytest.mark.parametrize(
    ("task", "metrics", "baselines", "verdict"),
    [
        ("language", {"train_perplexity": 1.27, "validation_perplexity": 13.9}, {"5-gram": {"perplexity": 9.6}}, "Worse than the best baseline, 5-gram, by 45 %"),
        ("classification", {"test_accuracy": 0.9}, {"a": {"accuracy": 0.5}, "b": {"accuracy": 0.75}}, "Better than the best baseline, b, by 15.0 points"),
        ("classification", {"test_accuracy": 0.5}, {"a": {"accuracy": 0.5}}, "The same as the best baseline, a"),
        ("classification", {"test_accuracy": 0.25}, {"a": {"accuracy": 0.5}}, "Worse than the best baseline, a, by 25.0 points"),
        ("forecasting", {"mae": 2.0}, {"a": {"mae": 0.0}}, "Worse than the best baseline, a, by 2."),
    ],
)  # fmt: skip
def test_the_verdict_is_honest(task, metrics, baselines, verdict):
    assert verdict in headline_of({"task": task, "metrics": metrics, "baselines": baselines}).meaning


def test_a_number_of_training_data_says_so_and_stands_beside_the_first_epoch():
    result = {"task": "regression", "metrics": {"train_loss": 0.05}}
    headline = headline_of(result, [{"epoch": 1, "train_loss": 2.5}, {"epoch": 2, "train_loss": 0.05}])
    assert headline.label == "loss on training data"
    assert (
        "Measured on the training data: it says what was learnt, not how the network does on new data."
        in headline.meaning
    )
    assert list(headline.rivals) == [("this network", "0.05", 0.02, True), ("in the first epoch", "2.5", 1.0, False)]
    assert (
        "that it was trained on" in headline_of({"task": "classification", "metrics": {"train_accuracy": 0.94}}).meaning
    )


def test_held_out_stands_beside_training():
    headline = headline_of({"task": "classification", "metrics": {"train_accuracy": 0.99, "test_accuracy": 0.9}})
    assert headline.value == "90.0 %"
    assert "Of 100 sequences that it had not seen, about 90 are named correctly." in headline.meaning
    assert [rival[:3] for rival in headline.rivals] == [
        ("this network, held-out data", "90.0 %", 0.9),
        ("this network, training data", "99.0 %", 0.99),
    ]


@pytest.mark.parametrize(
    "result", [{}, {"metrics": None}, {"metrics": {"train_loss": None}}, {"metrics": {"train_loss": float("nan")}}]
)
def test_no_number_no_headline(result):
    assert headline_of(result) is None


def test_no_bars_for_values_below_zero():
    assert list(headline_of({"metrics": {"train_loss": -2.0, "validation_loss": 1.0}}).rivals) == []


@pytest.mark.parametrize("text", ["<p>", "<p></b>", "<b><p></b></p>"])
def test_the_strict_reader_can_fail(text):
    with pytest.raises((AssertionError, IndexError)):
        Page(text)
