"""The pictures of a run: plain arrays in, a matplotlib `Figure` out, all in one style.

Figures are made through matplotlib's object API: no pyplot, no change of its global settings, no window. Matplotlib is imported
when the first picture is made. Colours are from Okabe and Ito's palette, which colour-blind people can tell apart; the background
is light, so that a report in a dark theme shows the picture on a light card.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.errors import UsageError
from elman.files import write_atomically
from elman.measures import is_share, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Record = Mapping[str, Any]
Times = Sequence[Any] | NDArray[Any]

DPI = 150
WIDTH, HEIGHT = 6.4, 3.8  # inches: 960 x 570 pixels
TEXT, SMALL = 11.0, 10.0  # points
INK, MUTED, GRID, PAPER = "#1f2933", "#5f6b7a", "#e3e7ec", "#fdfdfc"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#a6527f"
LOG_RATIO = 30.0  # a range of values wider than this is drawn on a logarithmic axis
MARKED_POINTS = 30  # a line of at most so many points shows each of them
LABEL_GAP = 0.075  # least distance of two labels at line ends, as a share of the axes' height
MAX_CLASS_LABEL = 22  # characters


def save(figure: Figure, path: Path | str) -> None:
    """Write `figure` as a PNG of 150 dots an inch, atomically; the same figure gives the same bytes.

    The folder must exist. Raises RunError where the system refuses.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A label in a script that the font lacks shows boxes; that is no reason to fail a training.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        # Compression at level 3 takes a fifth off the time of a picture and makes it a tenth larger.
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    write_atomically(path, buffer.getvalue())


def loss_curves(history: Sequence[Record], *, y_label: str = "loss") -> Figure:
    """Training and validation loss by epoch; below them the learning rate, where it changes.

    The loss axis is logarithmic where the values span more than a factor of 30. The epoch of the least validation loss is ringed.

    Args:
        history: a record an epoch with `epoch`, `train_loss` and, where there are any, `validation_loss` and `learning_rate`.
        y_label: what the loss is, with its unit where it has one.

    Raises:
        UsageError: `history` is empty or holds no loss.
    """
    epochs, train, validation = _curves(history, "loss")
    rates = _column(history, "learning_rate")
    known = rates[np.isfinite(rates)]
    has_strip = known.size > 1 and bool(np.any(known != known[0]))
    figure = _figure(height=HEIGHT + 0.9 * has_strip)
    grid = figure.add_gridspec(2 if has_strip else 1, 1, height_ratios=[4, 1] if has_strip else [1], hspace=0.06)
    axes = figure.add_subplot(grid[0])
    logarithmic = _draw_pair(axes, epochs, train, validation, text=_short)
    _title(axes, "Loss by epoch", _best_epoch(axes, epochs, validation))
    _style(axes, x_label="" if has_strip else "epoch", y_label=y_label + (" (logarithmic)" if logarithmic else ""))
    if has_strip:
        _rate_strip(figure.add_subplot(grid[1], sharex=axes), epochs, rates)
        axes.tick_params(labelbottom=False)
    return figure


def measure_curves(history: Sequence[Record], measure: str = "accuracy") -> Figure:
    """A measure by epoch on the training and the validation data.

    Args:
        history: a record an epoch with `epoch` and `train_MEASURE`, `validation_MEASURE` or both.
        measure: `accuracy` (0 to 1, drawn in per cent), `perplexity`, or any other name.

    Raises:
        UsageError: `history` is empty or holds nothing of that measure.
    """
    epochs, train, validation = _curves(history, measure)
    figure = _figure()
    axes = figure.add_subplot()
    percent = is_share(measure)
    logarithmic = _draw_pair(axes, epochs, train, validation, text=_percent if percent else _short)
    words = title_of(measure)
    _title(axes, f"{words[:1].upper()}{words[1:]} by epoch")
    _style(axes, x_label="epoch", y_label=words + (" (logarithmic)" if logarithmic else ""))
    return figure


def actual_against_predicted_over_time(
    x: Times, actual: ArrayLike, predicted: ArrayLike, *, x_label: str, y_label: str, scatter: bool = False
) -> Figure:
    """The actual series and the predicted one over the same x.

    Args:
        x: (T,) numbers or times, as in `forecast`.
        actual: (T,); gaps (NaN) are left open.
        predicted: (T,), as `actual`.
        x_label: what the x axis shows, with its unit.
        y_label: what the y axis shows, with its unit.
        scatter: dots and crosses instead of lines, for few or unordered points.

    Raises:
        UsageError: the lengths differ or are zero.
    """
    (x,), names = _timelines([x])
    x, actual, predicted = _same_length(x=x, actual=actual, predicted=predicted)
    figure = _figure()
    axes = figure.add_subplot()
    if scatter:
        axes.scatter(x, actual, s=58, facecolors="none", edgecolors=INK, linewidths=1.5, label="Actual", zorder=3)
        axes.scatter(x, predicted, s=44, marker="x", color=BLUE, linewidths=1.9, label="Predicted", zorder=4)
    else:
        width = 1.8 if x.size <= 500 else 1.0
        marker = "o" if x.size <= MARKED_POINTS else ""
        axes.plot(x, actual, color=INK, linewidth=width + 0.4, marker=marker, markersize=4.5, label="Actual")
        axes.plot(
            x, predicted, color=BLUE, linewidth=width, marker=marker, markersize=4.5, label="Predicted", alpha=0.9
        )
    _title(axes, "Actual and predicted", has_legend=True)
    _legend(axes)
    _style(axes, x_label=x_label, y_label=y_label)
    _time_axis(axes, names)
    return figure


def truth_against_prediction(actual: ArrayLike, predicted: ArrayLike, y_label: str) -> Figure:
    """Every predicted value over its actual one; a perfect prediction lies on the diagonal.

    Args:
        actual: of any shape; points with a NaN are left out.
        predicted: of the same shape.
        y_label: the quantity with its unit.

    Raises:
        UsageError: the sizes differ, or no point is finite.
    """
    actual, predicted = _same_length(actual=actual, predicted=predicted)
    finite = np.isfinite(actual) & np.isfinite(predicted)
    actual, predicted = actual[finite], predicted[finite]
    if actual.size == 0:
        raise UsageError("`actual` and `predicted` have no point where both are finite; there is nothing to draw.")
    low, high = _padded(min(actual.min(), predicted.min()), max(actual.max(), predicted.max()))
    figure = _figure(width=5.4, height=5.2)
    axes = figure.add_subplot()
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2)
    opacity = float(np.clip(12.0 / math.sqrt(actual.size), 0.08, 0.75))
    axes.scatter(
        actual, predicted, s=26 if actual.size <= 500 else 12, color=BLUE, alpha=opacity, linewidths=0, zorder=3
    )
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    mean_error = float(np.mean(np.abs(predicted - actual)))
    count = f"{actual.size:,} value{'s' if actual.size > 1 else ''}"
    _title(
        axes, "Actual against predicted", f"{count}, off by {_short(mean_error)} on average; exact on the dashed line"
    )
    _style(axes, x_label=f"actual {y_label}", y_label=f"predicted {y_label}")
    return figure


def confusion_matrix(matrix: ArrayLike, labels: Sequence[object]) -> Figure:
    """How often each class was taken for which: the count and, as text and shade, its share of the row.

    Args:
        matrix: (C, C) counts, a row for each actual class, a column for each predicted one.
        labels: the C class names; long ones are shortened.

    Raises:
        UsageError: `matrix` is not square, has negative counts, or does not fit `labels`.
    """
    counts = np.asarray(matrix)
    names = [str(label) for label in labels]
    if counts.shape != (len(names), len(names)) or not names:
        raise UsageError(
            f"`matrix` must have shape (C, C) with a label for each of the C classes; got {counts.shape} and {len(names)} labels."
        )
    if np.any(counts < 0):
        raise UsageError("`matrix` must hold counts; got a negative one.")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [_shortened(name, MAX_CLASS_LABEL if len(names) <= 10 else 16) for name in names]
    cell = 1.0 if len(names) <= 6 else 0.72 if len(names) <= 10 else 0.46  # inches
    width = max(5.4, cell * len(names) + 0.9 + 0.08 * max(map(len, names)))
    figure = _figure(width=width, height=max(4.2, cell * 0.88 * len(names) + 1.7 + 0.03 * max(map(len, names))))
    axes = figure.add_subplot()
    _cells(axes, counts, shares, fontsize=TEXT if cell > 0.6 else 9.0)
    _class_axes(axes, names)
    right, total = int(np.trace(counts)), int(counts.sum())
    share = f" ({100 * right / total:.1f} %)" if total else ""
    _title(axes, "Confusion matrix", f"{right:,} of {total:,} right{share}; % of each row")
    return figure


def forecast(
    times: Times,
    actual: ArrayLike,
    future_times: Times,
    mean: ArrayLike,
    low: ArrayLike | None,
    high: ArrayLike | None,
    *,
    backtest: Sequence[tuple[Times, ArrayLike]] | None = None,
    title: str,
    y_label: str = "",
    x_label: str = "",
    level: str = "90",
) -> Figure:
    """The last part of a series, its forecast with its range, and the folds of the backtest.

    Args:
        times: (T,) times of the series: dates (datetime64, datetime, ISO text), numbers, or any text (then evenly spaced).
        actual: (T,) its values, original units.
        future_times: (K,) times of the forecast.
        mean: (K,) the forecast.
        low: (K,) the lower end of its range; None for no range.
        high: (K,) the upper end; None for no range.
        backtest: for each fold its times and its forecasts, each (K,).
        title: of the picture, such as the name of the series.
        y_label: what the y axis shows, with its unit.
        x_label: what the x axis shows, with its unit.
        level: the probability that the range shall enclose, in per cent.

    Raises:
        UsageError: lengths that differ or are zero.
    """
    folds = list(backtest or [])
    timelines, names = _timelines([times, future_times, *(fold_times for fold_times, _ in folds)])
    past, future = timelines[0], timelines[1]
    values, means = _floats(actual), _floats(mean)
    _require_lengths(times=past, actual=values)
    _require_lengths(future_times=future, mean=means)
    start = max(0, past.size - max(5 * future.size, 48, (len(folds) + 3) * future.size))
    figure = _figure(height=4.0)
    axes = figure.add_subplot()
    axes.plot(past[start:], values[start:], color=INK, linewidth=1.8, label="actual")
    for index, (fold, (_, predicted)) in enumerate(zip(timelines[2:], folds, strict=True)):
        _forecast_line(axes, fold, _floats(predicted), ORANGE, "backtest" if index == 0 else "")
    axes.plot([past[-1], future[0]], [values[-1], means[0]], color=BLUE, linewidth=1.2, linestyle=(0, (2, 2)))
    _forecast_line(axes, future, means, BLUE, "forecast")
    if low is not None and high is not None:
        lows, highs = _floats(low), _floats(high)
        _require_lengths(mean=means, low=lows, high=highs)
        _band(axes, future, lows, highs, level)
    _title(axes, title, has_legend=True)
    _legend(axes)
    _style(axes, x_label=x_label, y_label=y_label)
    _time_axis(axes, names)
    return figure


# Drawing ------------------------------------------------------------------------------------------------------------------------


def _figure(*, width: float = WIDTH, height: float = HEIGHT) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0.12, h_pad=0.1)  # type: ignore[call-arg]
    return figure


def _style(axes: Axes, *, x_label: str, y_label: str) -> None:
    """The look of every picture: no frame but the base line, a quiet horizontal grid, muted labels."""
    axes.set_facecolor(PAPER)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=GRID, linewidth=0.9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(axis="both", which="both", colors=MUTED, labelcolor=INK, labelsize=SMALL, length=3.5)
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_xlabel(x_label, fontsize=TEXT, color=MUTED, parse_math=False)
    axes.set_ylabel(y_label, fontsize=TEXT, color=MUTED, parse_math=False)


def _title(axes: Axes, title: str, subtitle: str = "", *, has_legend: bool = False) -> None:
    """The title, left; below it the subtitle, or room for the row of a legend."""
    has_second_line = bool(subtitle) or has_legend
    lines = textwrap.wrap(title, 52) or [""]
    above = 24 if has_second_line else 11
    axes.set_title(
        "\n".join(lines), loc="left", fontsize=TEXT + 1.5, fontweight="bold", color=INK, pad=above, parse_math=False
    )
    if subtitle:
        axes.annotate(
            subtitle,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 7),
            textcoords="offset points",
            fontsize=SMALL,
            color=MUTED,
            parse_math=False,
        )


def _legend(axes: Axes) -> None:
    """Names of the lines in one row between the title and the axes."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.5,
        handletextpad=0.5,
        borderaxespad=0.15,
        borderpad=0.1,
    )


def _draw_pair(axes: Axes, epochs: Floats, train: Floats, validation: Floats, *, text: Callable[[float], str]) -> bool:
    """Draw the training and the validation curve with their names at the right end; True for a logarithmic axis."""
    drawn = [(train, BLUE, "training"), (validation, ORANGE, "validation")]
    drawn = [curve for curve in drawn if np.isfinite(curve[0]).any()]
    for values, colour, _ in drawn:
        marker = "o" if epochs.size <= MARKED_POINTS else ""
        axes.plot(
            epochs, values, color=colour, linewidth=1.9 if epochs.size <= 400 else 1.3, marker=marker, markersize=4
        )
    values = np.concatenate([curve for curve, _, _ in drawn])
    values = values[np.isfinite(values)]
    logarithmic = text is not _percent and bool(values.min() > 0 and values.max() > LOG_RATIO * values.min())
    if logarithmic:
        axes.set_yscale("log")
        _log_ticks(axes.yaxis, values)
    elif values.max() - values.min() <= 1e-12 * abs(values.max()):
        axes.set_ylim(*_padded(values.min(), values.max()))
    if text is _percent and axes.get_ylim()[1] > 1.0:
        axes.set_ylim(top=1.02)
    if not logarithmic:
        axes.yaxis.set_major_formatter(lambda value, _: text(value))
    _epoch_axis(axes, epochs)
    _name_line_ends(axes, epochs, drawn, text)
    return logarithmic


def _epoch_axis(axes: Axes, epochs: Floats) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    first, last = float(epochs.min()), float(epochs.max())
    margin = 0.5 if first == last else 0.015 * (last - first)
    axes.set_xlim(first - margin, last + margin)


def _log_ticks(axis: Axis, values: Floats) -> None:
    """Ticks at 1, 2 and 5 for few decades, else at powers of ten, written plainly."""
    from matplotlib.ticker import LogLocator, NullFormatter

    decades = math.log10(values.max() / values.min())
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,), numticks=12))
    axis.set_major_formatter(lambda value, _: _short(value))
    axis.set_minor_formatter(NullFormatter())


def _name_line_ends(
    axes: Axes, epochs: Floats, drawn: Sequence[tuple[Floats, str, str]], text: Callable[[float], str]
) -> None:
    """Write each line's name and last value at its right end, far enough apart to read."""
    to_share = axes.transData + axes.transAxes.inverted()
    ends = []
    for values, colour, name in drawn:
        last = int(np.flatnonzero(np.isfinite(values))[-1])
        share = float(to_share.transform((epochs[last], values[last]))[1])
        ends.append((share, f"{name} {text(values[last])}", colour))
    ends.sort()
    heights = spread([share for share, _, _ in ends], LABEL_GAP)
    for height, (_, words, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            words,
            (1.0, height),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=colour,
            fontweight="bold",
            annotation_clip=False,
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Two ascending heights (or one) moved apart about their middle to be at least `gap` apart."""
    if len(heights) < 2 or heights[1] - heights[0] >= gap:
        return list(heights)
    middle = sum(heights) / 2
    return [middle - gap / 2, middle + gap / 2]


def _best_epoch(axes: Axes, epochs: Floats, validation: Floats) -> str:
    """Ring the least validation loss and say in words which it is; "" without validation."""
    if epochs.size < 2 or not np.isfinite(validation).any():
        return ""
    best = int(np.nanargmin(validation))
    axes.plot(
        epochs[best],
        validation[best],
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.6,
        zorder=5,
        clip_on=False,
    )
    return f"best validation {_short(validation[best])} at epoch {epochs[best]:,.0f} (ringed)"


def _rate_strip(axes: Axes, epochs: Floats, rates: Floats) -> None:
    axes.plot(epochs, rates, color=MUTED, linewidth=1.4, drawstyle="steps-mid")
    known = rates[np.isfinite(rates)]
    if known.min() > 0 and known.max() > LOG_RATIO * known.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    else:
        axes.set_ylim(bottom=0.0, top=1.12 * known.max())
    axes.set_yticks([known.min(), known.max()] if known.max() > 3 * known.min() else [0, known.max()])
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    _style(axes, x_label="epoch", y_label="learning\nrate")


def _cells(axes: Axes, counts: NDArray[Any], shares: Floats, *, fontsize: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("elman", ["#f4f6f8", "#9cc7e3", BLUE, "#003f66"])
    axes.imshow(shares, cmap=shades, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    gap = " " if len(counts) <= 10 else ""
    for row, column in np.ndindex(counts.shape):
        count, share = float(counts[row, column]), float(shares[row, column])
        colour = "white" if share > 0.45 else INK if count else "#aab3be"
        text = f"{_count(count)}\n{_row_share(share)}{gap}%" if count else "0"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=fontsize,
            color=colour,
            linespacing=1.15,
            fontweight="bold" if row == column and count else "normal",
        )


def _class_axes(axes: Axes, names: Sequence[str]) -> None:
    positions = range(len(names))
    is_crowded = max(map(len, names)) > (9 if len(names) <= 6 else 5 if len(names) <= 10 else 3)
    angle = 40.0 if len(names) <= 10 else 90.0
    turned: dict[str, Any] = {"rotation": angle, "ha": "right", "va": "center", "rotation_mode": "anchor"}
    _style(axes, x_label="predicted class", y_label="actual class")
    axes.set_xticks(positions, names, parse_math=False, **(turned if is_crowded else {}))
    axes.set_yticks(positions, names, parse_math=False)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    edges = np.arange(len(names) + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], color=PAPER, linewidth=2)
    axes.vlines(edges, edges[0], edges[-1], color=PAPER, linewidth=2)


def _band(axes: Axes, x: Floats, low: Floats, high: Floats, level: str) -> None:
    if x.size == 1:
        axes.vlines(x, low, high, color=BLUE, alpha=0.35, linewidth=7, label=f"{level} % range")
    else:
        axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0, label=f"{level} % range")


def _forecast_line(axes: Axes, x: Floats, values: Floats, colour: str, name: str) -> None:
    _require_lengths(times=x, forecast=values)
    marker = "o" if x.size <= MARKED_POINTS else ""
    axes.plot(x, values, color=colour, linewidth=1.7, marker=marker, markersize=3.6, label=name or None)


def _time_axis(axes: Axes, names: Sequence[str] | None) -> None:
    """Dates for dates, the given names at some of the places for other text, numbers for numbers."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    if names is None:
        return
    if names:
        left, right = axes.get_xlim()
        shown = [
            place
            for place in MaxNLocator(7, integer=True).tick_values(left, right)
            if max(left, 0) <= place <= min(right, len(names) - 1)
        ]
        axes.set_xticks(shown, [names[int(place)] for place in shown], parse_math=False)
        return
    # From three ticks of a unit on that unit is taken: with the default of five, four years of months find no interval.
    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]


# Numbers ------------------------------------------------------------------------------------------------------------------------


def _floats(values: ArrayLike) -> Floats:
    """`values` flattened as float64; None becomes NaN."""
    return np.asarray(values, dtype=np.float64).ravel()


def _column(history: Sequence[Record], key: str) -> Floats:
    """(epochs,) what the records say for `key`; NaN where they say nothing or null."""
    return np.array([record.get(key) for record in history], dtype=np.float64)


def _curves(history: Sequence[Record], measure: str) -> tuple[Floats, Floats, Floats]:
    if not history:
        raise UsageError("`history` must have at least one epoch; got none. Draw after the first epoch.")
    train, validation = _column(history, f"train_{measure}"), _column(history, f"validation_{measure}")
    if not (np.isfinite(train).any() or np.isfinite(validation).any()):
        keys = ", ".join(sorted(history[-1]))
        raise UsageError(
            f"`history` must hold finite numbers under train_{measure} or validation_{measure}; it has {keys}."
        )
    return _column(history, "epoch"), train, validation


def _same_length(**arrays: ArrayLike) -> list[Floats]:
    flat = {name: _floats(array) for name, array in arrays.items()}
    _require_lengths(**flat)
    return list(flat.values())


def _require_lengths(**arrays: Floats) -> None:
    sizes = {name: array.size for name, array in arrays.items()}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        names = " and ".join(f"`{name}`" for name in sizes)
        raise UsageError(
            f"{names} must have the same number of values, one or more; got {', '.join(map(str, sizes.values()))}."
        )


def _timelines(series: Sequence[Times]) -> tuple[list[Floats], list[str] | None]:
    """Places on one axis for several lists of times.

    Returns:
        (places, names): names is None for plain numbers, [] for dates (places are matplotlib's days since 1970), and for other text
        the text at each whole place.
    """
    arrays = [np.asarray(times).ravel() for times in series]
    if all(array.dtype.kind in "iufb" for array in arrays):
        return [_floats(array) for array in arrays], None
    try:
        return [_days(array) for array in arrays], []
    except (ValueError, TypeError, Warning):
        pass
    texts = [[str(item) for item in array] for array in arrays]
    names = list(dict.fromkeys(text for row in texts for text in row))
    place = {name: float(index) for index, name in enumerate(names)}
    return [np.array([place[text] for text in row]) for row in texts], names


def _days(times: NDArray[Any]) -> Floats:
    """Days since 1970 of dates given as datetime64, datetime or ISO text. Raises ValueError or TypeError for anything else."""
    if times.dtype.kind in "iufb":
        raise TypeError("numbers are no dates")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of a time zone that it drops
        dates = times.astype("datetime64[us]")
    if np.isnat(dates).any():
        raise ValueError("a time is missing")
    return dates.astype(np.int64) / 86_400e6


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range a little wider than [low, high], and never empty."""
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _short(value: float) -> str:
    """A number as short text: 0.0493, 2.85, 1,234, 1.2e+07."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _row_share(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:.3g}k"


def _shortened(label: str, size: int) -> str:
    """At most `size` characters of `label`: its beginning and its end, since classes often differ there."""
    label = " ".join(label.split())
    tail = size // 3
    return label if len(label) <= size else f"{label[: size - tail - 1]}…{label[-tail:]}"
