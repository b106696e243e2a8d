"""The pictures: what they show, for any size of run, without warnings and without touching matplotlib's settings."""

from __future__ import annotations

import datetime
import io
import itertools
import os
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elman.errors import RunError, UsageError
from elman.runs import plots


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def history(epochs, *, valid=True, first=2.0, last=0.5, rate=0.1):
    """Losses that fall geometrically from `first` to `last`; validation is least at 3/4 of the way."""
    records = []
    for epoch in range(1, epochs + 1):
        share = (epoch - 1) / max(1, epochs - 1)
        record = {"epoch": epoch, "train_loss": first * (last / first) ** share, "learning_rate": rate}
        record |= {"train_accuracy": 0.5 + 0.5 * share, "train_perplexity": 1 + 100 * (1 - share)}
        if valid:
            record["validation_loss"] = 1.0 + (share - 0.75) ** 2
        records.append(record)
    return records


def pixels(figure):
    """The picture as an array (height, width, 3); drawing it raises on any warning."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    return np.asarray(Image.open(buffer).convert("RGB"))


def texts(figure):
    """Every text of the picture, after drawing, that lies on it."""
    pixels(figure)
    found = figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_visible() and text.get_text()]


def line(axes, colour):
    """The y values of the first line of a colour."""
    return next(item.get_ydata() for item in axes.lines if item.get_color() == colour)


def inside(figure):
    """Whether everything drawn lies within the picture."""
    pixels(figure)
    box, whole = figure.get_tightbbox(), figure.bbox_inches
    return box.x0 >= -0.02 and box.y0 >= -0.02 and box.x1 <= whole.x1 + 0.02 and box.y1 <= whole.y1 + 0.02


# Curves -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 2, 3, 30, 31, 1000])
@pytest.mark.parametrize("valid", [True, False])
def test_loss_curves_for_any_number_of_epochs(epochs, valid):
    records = history(epochs, valid=valid)
    figure = plots.loss_curves(records)
    assert inside(figure)
    (axes,) = figure.axes
    assert line(axes, plots.BLUE).tolist() == [record["train_loss"] for record in records]
    assert axes.lines[0].get_marker() == ("o" if epochs <= 30 else "")
    names = " ".join(texts(figure))
    assert "training " in names and ("validation " in names) == valid


def test_the_best_epoch_is_ringed_and_named():
    figure = plots.loss_curves(history(21))
    (ring,) = [item for item in figure.axes[0].lines if item.get_markerfacecolor() == "none"]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (16, 1.0)
    assert "best validation 1 at epoch 16 (ringed)" in texts(figure)
    assert not any("best" in text for text in texts(plots.loss_curves(history(21, valid=False))))


@pytest.mark.parametrize(("first", "scale"), [(29.0, "linear"), (31.0, "log"), (101185.6, "log")])
def test_the_loss_axis_is_logarithmic_for_a_range_above_thirty(first, scale):
    figure = plots.loss_curves(history(10, valid=False, first=first, last=1.0))
    assert figure.axes[0].get_yscale() == scale
    assert ("loss (logarithmic)" in texts(figure)) == (scale == "log")
    assert inside(figure)


def test_a_loss_that_passes_zero_stays_linear():
    records = [{"epoch": 1, "train_loss": 100.0}, {"epoch": 2, "train_loss": 0.0}, {"epoch": 3, "train_loss": -1.0}]
    assert plots.loss_curves(records).axes[0].get_yscale() == "linear"


def test_missing_and_non_finite_losses_leave_gaps():
    records = [
        {"epoch": 1, "train_loss": 2.0, "validation_loss": None},
        {"epoch": 2, "train_loss": None, "validation_loss": 1.5},
        {"epoch": 3, "train_loss": float("inf"), "validation_loss": float("nan")},
    ]
    figure = plots.loss_curves(records)
    assert "best validation 1.5 at epoch 2 (ringed)" in texts(figure)
    assert "training 2" in texts(figure)


def test_a_constant_loss_is_drawn_amid_the_axis():
    figure = plots.loss_curves([{"epoch": epoch, "train_loss": 0.25} for epoch in (1, 2, 3)])
    low, high = figure.axes[0].get_ylim()
    assert low < 0.25 < high
    assert inside(figure)


def test_a_learning_rate_that_changes_gets_a_strip():
    records = history(10)
    assert len(plots.loss_curves(records).axes) == 1
    records[5]["learning_rate"] = 0.01
    figure = plots.loss_curves(records)
    assert len(figure.axes) == 2
    assert figure.axes[1].lines[0].get_ydata()[5] == 0.01
    assert "learning\nrate" in texts(figure)
    records[6]["learning_rate"] = 0.0
    figure = plots.loss_curves(records)
    assert figure.axes[1].get_yscale() == "linear"
    assert inside(figure)
    records[6]["learning_rate"] = 0.001
    assert plots.loss_curves(records).axes[1].get_yscale() == "log"


@given(st.floats(-300, 300), st.floats(0, 300))
def test_names_at_line_ends_keep_apart(end, distance):
    heights = plots.spread([end, end + distance], plots.LABEL_GAP)
    assert heights[1] - heights[0] >= plots.LABEL_GAP * 0.999
    assert sum(heights) == pytest.approx(2 * end + distance)


def test_two_names_at_one_place_do_not_overlap():
    figure = plots.loss_curves(
        [{"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1 / epoch} for epoch in (1, 2, 3)]
    )
    pixels(figure)
    labels = [item for item in figure.axes[0].texts if item.get_text().startswith(("training", "validation"))]
    first, second = (item.get_window_extent() for item in labels)
    assert not first.overlaps(second)


def test_accuracy_is_in_per_cent_and_never_above_a_hundred():
    records = [
        {"epoch": epoch, "train_accuracy": min(1.0, epoch - 1.0), "validation_accuracy": 0.9375}
        for epoch in range(1, 5)
    ]
    figure = plots.measure_curves(records, "accuracy")
    assert {"training 100 %", "validation 93.8 %", "Accuracy by epoch"} <= set(texts(figure))
    assert figure.axes[0].get_ylim()[1] <= 1.03
    assert inside(figure)


def test_perplexity_curves():
    figure = plots.measure_curves(history(50, valid=False), "perplexity")
    assert figure.axes[0].get_yscale() == "log"
    assert "perplexity (logarithmic)" in texts(figure)


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: plots.loss_curves([]), "`history` must have at least one epoch; got none"),
        (
            lambda: plots.loss_curves([{"epoch": 1, "loss": 2.0}]),
            "train_loss or validation_loss; it has epoch, loss",
        ),
        (lambda: plots.loss_curves([{"epoch": 1, "train_loss": None}]), "`history` must hold finite numbers"),
        (lambda: plots.measure_curves([{"epoch": 1}], "f1"), "train_f1 or validation_f1"),
    ],
)
def test_a_history_that_cannot_be_drawn(draw, says):
    with pytest.raises(UsageError, match=says):
        draw()


# Actual and predicted -----------------------------------------------------------------------------------------------------------


def test_actual_and_predicted_as_lines():
    x = np.linspace(0, 3, 10)
    figure = plots.actual_against_predicted_over_time(x, np.cos(x), np.cos(x) + 0.1, x_label="x (rad)", y_label="cos x")
    (axes,) = figure.axes
    assert line(axes, plots.INK) == pytest.approx(np.cos(x))
    assert line(axes, plots.BLUE) == pytest.approx(np.cos(x) + 0.1)
    assert {"Actual", "Predicted", "x (rad)", "cos x"} <= set(texts(figure))
    assert inside(figure)


def test_actual_and_predicted_as_scatter():
    x = np.arange(20.0)
    figure = plots.actual_against_predicted_over_time(x, x**2, x**2 - 1, x_label="t", y_label="y", scatter=True)
    (axes,) = figure.axes
    assert [len(axes.lines), len(axes.collections)] == [0, 2]
    assert axes.collections[1].get_offsets().tolist() == [[t, t**2 - 1] for t in x]
    assert {"Actual", "Predicted"} <= set(texts(figure))


def test_columns_and_dates_are_taken():
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    values = np.ones((days.size, 1))
    figure = plots.actual_against_predicted_over_time(days, values, values, x_label="day", y_label="y")
    assert "Feb" in texts(figure)


def test_truth_against_prediction_has_the_diagonal_and_equal_axes():
    actual, predicted = np.array([[1.0, 2.0], [np.nan, 4.0]]), np.array([[1.5, 2.0], [3.0, 3.0]])
    figure = plots.truth_against_prediction(actual, predicted, "CO₂ (%)")
    (axes,) = figure.axes
    assert axes.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 2.0], [4.0, 3.0]]
    assert list(axes.lines[0].get_xdata()) == list(axes.lines[0].get_ydata())
    assert axes.get_xlim() == axes.get_ylim() and axes.get_aspect() == 1
    assert "3 values, off by 0.5 on average; exact on the dashed line" in texts(figure)
    assert {"actual CO₂ (%)", "predicted CO₂ (%)"} <= set(texts(figure))
    assert inside(figure)


def test_a_single_point_and_a_constant_are_drawn():
    assert inside(plots.truth_against_prediction([0.0], [0.0], "y"))
    assert inside(plots.actual_against_predicted_over_time([1], [2], [2], x_label="x", y_label="y"))


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (
            lambda: plots.actual_against_predicted_over_time([1, 2], [1, 2], [1], x_label="", y_label=""),
            r"`x` and `actual` and `predicted` must have the same number of values, one or more; got 2, 2, 1",
        ),
        (lambda: plots.truth_against_prediction([], [], "y"), "one or more; got 0, 0"),
        (lambda: plots.truth_against_prediction([np.nan], [1.0], "y"), "no point where both are finite"),
    ],
)
def test_series_that_do_not_fit(draw, says):
    with pytest.raises(UsageError, match=says):
        draw()


# Confusion matrix ---------------------------------------------------------------------------------------------------------------


def cell_texts(figure):
    return [text.get_text() for text in figure.axes[0].texts][: len(figure.axes[0].get_xticks()) ** 2]


def test_a_confusion_matrix_shows_counts_and_row_shares():
    figure = plots.confusion_matrix([[8, 2, 0], [0, 0, 0], [1, 0, 999]], ["a", "b", "c"])
    assert cell_texts(figure) == ["8\n80 %", "2\n20 %", "0", "0", "0", "0", "1\n<1 %", "0", "999\n100 %"]
    assert "1,007 of 1,010 right (99.7 %); % of each row" in texts(figure)
    assert figure.axes[0].get_ylabel() == "actual class"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]


def test_rows_are_the_actual_classes():
    figure = plots.confusion_matrix([[0, 5], [0, 0]], ["a", "b"])
    (wrong,) = [text for text in figure.axes[0].texts if text.get_text().startswith("5")]
    assert wrong.get_position() == (1, 0)  # column b, row a
    assert figure.axes[0].images[0].get_array().tolist() == [[0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("classes", [2, 3, 6, 7, 10, 11, 20])
@pytest.mark.parametrize("label", ["{}", "a class with a very long name, number {}"])
def test_texts_of_a_confusion_matrix_stay_in_their_cells_and_on_the_picture(classes, label):
    matrix = np.full((classes, classes), 12)
    np.fill_diagonal(matrix, 9999)
    figure = plots.confusion_matrix(matrix, [label.format(index) for index in range(classes)])
    assert inside(figure)
    axes = figure.axes[0]
    (left, bottom), (right, top) = axes.transData.transform([(0, 0), (1, 1)])
    for text in axes.texts[: classes**2]:
        extent = text.get_window_extent()
        assert extent.width <= abs(right - left) and extent.height <= abs(top - bottom)
    shown = [text.get_window_extent() for text in axes.get_yticklabels()]
    assert not any(first.overlaps(second) for first, second in itertools.pairwise(shown))


def test_shortened_labels_keep_both_ends_and_dollars_are_no_mathematics():
    figure = plots.confusion_matrix(np.eye(2, dtype=int), ["measurement of the left sensor", "$x^2$ in $"])
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["measurement of… sensor", "$x^2$ in $"]
    ticks = [*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()]
    assert not any(text.get_parse_math() for text in ticks)
    assert inside(figure)


@pytest.mark.parametrize(
    ("matrix", "labels", "says"),
    [
        ([[1, 2]], ["a", "b"], r"`matrix` must have shape \(C, C\).*got \(1, 2\) and 2 labels"),
        ([[1, 0], [0, 1]], ["a"], "1 labels"),
        ([[1, -1], [0, 1]], ["a", "b"], "`matrix` must hold counts; got a negative one"),
    ],
)
def test_a_matrix_that_does_not_fit(matrix, labels, says):
    with pytest.raises(UsageError, match=says):
        plots.confusion_matrix(matrix, labels)


def test_a_matrix_without_any_count():
    assert "0 of 0 right; % of each row" in texts(plots.confusion_matrix([[0, 0], [0, 0]], ["a", "b"]))


# Forecast -----------------------------------------------------------------------------------------------------------------------


def draw_forecast(times, future, **options):
    steps = len(future)
    values = np.arange(len(times), dtype=float)
    mean = np.full(steps, 7.0)
    return plots.forecast(times, values, future, mean, mean - 1, mean + 2, title="Next", **options)


def test_a_forecast_shows_series_band_and_folds():
    times = np.arange("2000-01", "2010-01", dtype="datetime64[M]")
    future = np.arange("2010-01", "2011-01", dtype="datetime64[M]")
    figure = draw_forecast(
        times, future, backtest=[(times[-24:-12], np.full(12, 3.0)), (times[-12:], np.full(12, 4.0))], y_label="people"
    )
    (axes,) = figure.axes
    folds = [item for item in axes.lines if item.get_color() == plots.ORANGE]
    assert [item.get_ydata().tolist() for item in folds] == [[3.0] * 12, [4.0] * 12]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (6.0, 9.0)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "actual",
        "backtest",
        "forecast",
        "90 % range",
    ]
    assert "2010" in texts(figure) and "people" in texts(figure)
    assert len(line(axes, plots.INK)) == 60  # the last part of 120 months
    assert inside(figure)


@pytest.mark.parametrize("fold_count", [1, 8])
def test_the_part_shown_holds_every_fold(fold_count):
    times = np.arange(500)
    folds = [(times[-10 * (n + 1) :][:10], np.zeros(10)) for n in range(fold_count)]
    axes = draw_forecast(times, np.arange(500, 510), backtest=folds).axes[0]
    shown = next(item.get_xdata() for item in axes.lines if item.get_color() == plots.INK)
    assert shown[0] < 500 - 10 * fold_count


@pytest.mark.parametrize(
    ("times", "future", "shown"),
    [
        ([f"19{year}-{month:02d}" for year in (58, 59, 60) for month in range(1, 13)], ["1961-01", "1961-02"], "1959"),
        ([datetime.datetime(2024, 1, day) for day in range(1, 31)], [datetime.datetime(2024, 1, 31)], "08"),
        ([f"week {n}" for n in range(40)], ["week 40", "week 41"], "week 8"),
        (["2024-01-01", "NaT", "2024-01-03"], ["2024-01-04"], "NaT"),
        (np.arange(40), [40, 41], "30"),
        (np.arange(40) / 4, [10.0], "4"),
        (["1700-01-01", "1750-01-01", "1800-01-01"], ["1850-01-01"], "1760"),
        ([f"2024-01-0{day}T00:00:00Z" for day in range(1, 9)], ["2024-01-09T00:00:00Z"], "2024-01-03T00:00:00Z"),
    ],
)
def test_times_of_every_kind(times, future, shown):
    figure = draw_forecast(times, future)
    assert shown in texts(figure)


def test_one_step_ahead_without_a_range():
    figure = plots.forecast([1, 2, 3], [1.0, 2.0, 3.0], [4], [4.0], None, None, title="A series with a long name " * 4)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["actual", "forecast"]
    assert inside(figure)
    single = draw_forecast(np.arange(9), [9])
    assert "90 % range" in texts(single)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1, 2], [1.0], [3], [1.0], None, None), "`times` and `actual` must have the same number of values"),
        (([1], [1.0], [2, 3], [1.0], None, None), "`future_times` and `mean` must have the same"),
        (([1], [1.0], [2], [1.0], [0.0, 0.0], [2.0]), "`mean` and `low` and `high` must have the same"),
    ],
)
def test_a_forecast_that_does_not_fit(arguments, says):
    with pytest.raises(UsageError, match=says):
        plots.forecast(*arguments, title="")


# Saving and manners -------------------------------------------------------------------------------------------------------------


def test_saving_writes_a_png_of_150_dots_an_inch_and_the_same_bytes_again(tmp_path):
    for name in ("a.png", "b.png"):
        plots.save(plots.loss_curves(history(5)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (960, 570)
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_saving_where_there_is_no_folder(tmp_path):
    with pytest.raises(RunError, match=r"a.png: cannot write this"):
        plots.save(plots.loss_curves(history(5)), tmp_path / "none" / "a.png")


def test_a_script_that_the_font_lacks_does_not_stop_a_run(tmp_path):
    figure = plots.actual_against_predicted_over_time([1, 2], [1, 2], [1, 2], x_label="时间", y_label="$ $")
    plots.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_drawing_leaves_matplotlib_as_it_was_and_pyplot_unloaded():
    code = (
        "import sys; import elman.runs.plots as plots; assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "def settings(): return {k: str(matplotlib.rcParams[k]) for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = settings()\n"
        "plots.loss_curves([{'epoch': 1, 'train_loss': 1.0}]).canvas.draw()\n"
        "plots.forecast(['2020-01'], [1.0], ['2020-02'], [1.0], [0.0], [2.0], title='t').canvas.draw()\n"
        "assert settings() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()


def test_the_background_is_light_in_every_picture():
    assert pixels(plots.loss_curves(history(5)))[0, 0].min() > 240


def test_the_inside_check_can_fail():
    figure = plots.loss_curves(history(5))
    figure.text(0.99, 0.5, "far too long to be on the picture")
    assert not inside(figure)
