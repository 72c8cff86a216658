"""Every figure of the course: axes with units, a title that says what to see, and a text for those who cannot.

Each function draws one figure, displays it and returns nothing. Several signals are passed as a
dictionary from label to signal.
"""

import contextlib
import contextvars
import functools
import io
import threading

import numpy as np

from . import measure

BLUE, ORANGE, GREEN, PURPLE, GREY = "#1f6fb4", "#d9660f", "#2f8f5b", "#7b4fa3", "#6b6b6b"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
# Of classes: apart from one another, and 3:1 against white paper and against a dark theme. Who cannot tell two of them
# apart goes by the marker.
CLASS_COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#8a8f98", "#9c5030", "#e8417a", "#b478f0", "#18929f", "#8a8a10",
                "#b8207c", "#4a4fd8")
CLASS_MARKERS = "osD^vPX*ph<>"
TRACK_HATCHES = ("", "////", "....")      # fillings of events, so that tracks differ not by colour alone
BLACK_KEYS = (1, 3, 6, 8, 10)            # of a piano, in semitones above C
DPI = 85
# Set by explorers, in their own thread, while a slider moves: files 6 % larger, drawn 20 ms sooner.
QUICK = contextvars.ContextVar("quick", default=False)
_FREQUENCY_TICKS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
_STYLE = {
    "axes.edgecolor": "#888888", "axes.grid": True, "axes.spines.right": False, "axes.spines.top": False,
    "axes.titlelocation": "left", "axes.titlesize": 12, "axes.labelsize": 10, "figure.facecolor": "white",
    "font.size": 10, "grid.color": "#dddddd", "grid.linewidth": 0.6, "legend.frameon": False,
    "lines.linewidth": 1.3, "lines.markersize": 5,
}
_KEPT = contextvars.ContextVar("kept", default=None)     # a list that takes the figures, where they are not displayed
_DRAWING = threading.Lock()     # matplotlib's settings belong to all threads; a cell and an explorer draw in two


def waveform(signals, sr, *, title="", alt="", start=0.0, stop=None, points=False, steps=False, overlay=False):
    """Amplitude over time, one row per signal.

    Parameters
    ----------
    signals : np.ndarray, shape [n] or [channels, n], or dict of str to np.ndarray
        With a dictionary each signal has a row of its own, labelled.
    sr : int
        Samples per second.
    title, alt : str
        What to see, and the same in words for a reader who cannot see the figure.
    start, stop : float
        Part to draw, in seconds. Shorter than 0.1 s is drawn in milliseconds.
    points : bool
        Mark each sample.
    steps : bool
        Hold each sample until the next, instead of joining them by straight lines.
    overlay : bool
        Draw all signals on one pair of axes.

    Taught in: notebooks/01_fundamentals.ipynb, "How does a number become a sound?"
    """
    signals = _labelled(signals)
    rows = 1 if overlay else len(signals)
    figure, axes = _figure(rows, 1, height=2.4 if rows == 1 else 0.6 + 1.3 * rows, sharex=True, sharey=True)
    scale, unit = (1000, "ms") if (stop or max(y.shape[-1] for y in signals.values()) / sr) - start < 0.1 else (1, "s")
    for i, (label, y) in enumerate(signals.items()):
        axis = axes[0 if overlay else i]
        first, last = round(start * sr), None if stop is None else round(stop * sr)
        y = np.atleast_2d(measure.floats(y))[:, first:last]
        t = (first + np.arange(y.shape[1])) / sr * scale
        t, y = _outline(t, y)
        for k, channel in enumerate(y):
            name = label if len(y) == 1 else f"{label} {('left', 'right')[k] if len(y) == 2 else k}".strip()
            axis.plot(t, channel, color=COLORS[(i + k) % len(COLORS)], label=name or None,
                      marker="o" if points else None, drawstyle="steps-mid" if steps else None,
                      linewidth=0.8 if y.shape[1] > 4000 else 1.3)
        if label or len(y) > 1:
            _legend(axis)
        axis.set_ylabel("amplitude")
        axis.margins(x=0)
    axes[-1].set_xlabel(f"time ({unit})")
    _display(figure, title, alt)


def spectrum(signals, sr, *, title="", alt="", log=True, low=None, high=None, floor=-100.0, window="hann"):
    """Level over frequency of one signal or of several, in one pair of axes.

    Parameters
    ----------
    signals : np.ndarray, shape [n], or dict of str to np.ndarray
    sr : int
        Samples per second.
    title, alt : str
        What to see, and the same in words.
    log : bool
        Logarithmic frequency axis, from 20 Hz.
    low, high : float, optional
        Hertz at the ends of the axis.
    floor : float
        Decibels at the bottom.
    window : str
        As in :func:`audiolab.measure.spectrum`.

    Taught in: notebooks/01_fundamentals.ipynb, "Which frequencies are in it?"
    """
    signals = _labelled(signals)
    figure, (axis,) = _figure(1, 1, height=3.0)
    top = floor
    for i, (label, y) in enumerate(signals.items()):
        f, level = measure.spectrum(y, sr, window)
        axis.plot(f, np.maximum(level, floor), color=COLORS[i % len(COLORS)], label=label or None, linewidth=1.0)
        top = max(top, level.max())
    axis.set(xscale="log" if log else "linear", xlim=(low or (20 if log else 0), high or sr / 2), ylim=(floor, top + 6),
             xlabel="frequency (Hz)", ylabel="level (dB re full-scale sine)")
    if log:
        _frequency_ticks(axis)
    if any(signals):
        _legend(axis)
    _display(figure, title, alt)


def spectrogram(signals, sr, *, title="", alt="", n_fft=None, high=None, floor=-80.0, curve=None, marks=()):
    """Level over time and frequency; several signals side by side.

    Parameters
    ----------
    signals : np.ndarray, shape [n], or dict of str to np.ndarray
    sr : int
        Samples per second.
    title, alt : str
        What to see, and the same in words.
    n_fft : int, optional
        Samples per window; the power of two next to 46 ms when not given.
    high : float, optional
        Hertz at the top; ``sr / 2`` when not given.
    floor : float
        Decibels of the darkest colour.
    curve : tuple of two np.ndarray, optional
        Seconds and hertz of a line over each picture: a pitch. NaN leaves a gap.
    marks : sequence of float
        Seconds at which something begins: a thin line each.

    Taught in: notebooks/01_fundamentals.ipynb, "Where in time is each frequency?"
    """
    signals = _labelled(signals)
    figure, axes = _figure(1, len(signals), height=2.6, sharey=True)
    for axis, (label, y) in zip(axes, signals.items(), strict=True):
        image = _spectrogram(axis, y, sr, n_fft, high, floor)
        axis.set(xlabel="time (s)", title=label)
        for t in marks:
            axis.axvline(t, color="white", linewidth=0.8, linestyle="--")
        if curve is not None:
            axis.plot(curve[0], curve[1] / 1000, color="#59d98e", linewidth=2)
    axes[0].set_ylabel("frequency (kHz)")
    figure.colorbar(image, ax=list(axes), label="dB re full-scale sine", pad=0.01)
    _display(figure, title, alt)


def overview(y, sr, *, title="", alt="", n_fft=None, high=None, floor=-80.0):
    """Waveform above spectrogram, on one time axis: the first look at a recording.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
        Channels are averaged for the spectrogram.
    sr : int
        Samples per second.
    title, alt : str
        What to see, and the same in words.
    n_fft, high, floor
        As in :func:`spectrogram`.

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    y = np.atleast_2d(measure.floats(y))
    figure, (upper, lower) = _figure(2, 1, height=3.8, sharex=True, height_ratios=[1, 2])
    t, outline = _outline(np.arange(y.shape[1]) / sr, y)
    for k, channel in enumerate(outline):
        upper.plot(t, channel, color=COLORS[k % len(COLORS)], linewidth=0.7)
    upper.set_ylabel("amplitude")
    upper.margins(x=0)
    image = _spectrogram(lower, y.mean(axis=0), sr, n_fft, high, floor)
    lower.set(xlabel="time (s)", ylabel="frequency (kHz)")
    figure.colorbar(image, ax=[upper, lower], label="dB re full-scale sine", pad=0.01)
    _display(figure, title, alt)


def lines(x, curves, *, x_label, y_label, title="", alt="", log_x=False, y_range=None, points=False):
    """Curves over one axis.

    Parameters
    ----------
    x : np.ndarray, shape [n], or list of str
    curves : dict of str to np.ndarray, shape [n]
    x_label, y_label : str
        With units.
    title, alt : str
        What to see, and the same in words.
    log_x : bool
        Logarithmic horizontal axis, of frequencies in hertz.
    y_range : tuple of float, optional
        Ends of the vertical axis.
    points : bool
        Mark each value.

    Taught in: notebooks/01_fundamentals.ipynb, "What gives a sound its colour?"
    """
    figure, (axis,) = _figure(1, 1, height=2.8)
    for i, (label, y) in enumerate(curves.items()):             # the first is broad: a second on top of it shows both
        axis.plot(x, y, color=COLORS[i % len(COLORS)], label=label or None, marker="o" if points else None,
                  linewidth=1.3 if i or len(curves) == 1 else 3)
    axis.set(xlabel=x_label, ylabel=y_label, ylim=y_range)
    axis.margins(x=0.01)
    if log_x:
        axis.set_xscale("log")
        _frequency_ticks(axis)
    if any(curves):
        _legend(axis)
    _display(figure, title, alt)


def bands(x, curves, *, x_label, y_label, title="", alt=""):
    """Curves with how sure each of their points is: a line through the means, and a band from end to end of intervals.

    Parameters
    ----------
    x : sequence of float, length n
        Above 0: the axis is logarithmic, and has a tick at each.
    curves : dict of str to tuple of np.ndarray, shape [n]
        Means, and the lower and upper ends of their intervals.
    x_label, y_label : str
        With units.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/12_transfer.ipynb, "How many examples are enough?"
    """
    figure, (axis,) = _figure(1, 1, height=3.2)
    for i, (label, (mean, low, high)) in enumerate(curves.items()):
        color, marker = class_style(i)
        axis.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
        axis.plot(x, mean, color=color, marker=marker, label=label)
    axis.set(xscale="log", xlabel=x_label, ylabel=y_label)
    axis.set_xticks(x, [f"{one:g}" for one in x])
    axis.minorticks_off()
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
    _display(figure, title, alt)


def compare(x, predicted, measured, *, x_label, y_label, title="", alt="", names=("predicted", "measured")):
    """Prediction as a line, measurement as dots.

    Parameters
    ----------
    x, predicted : array_like, shape [n]
    measured : array_like, shape [n], or a pair of two arrays, shape [m]
        At each `x`; or at instants of its own, given first.
    x_label, y_label : str
        With units.
    title, alt : str
        What to see, and the same in words.
    names : tuple of two str
        What line and dots are called.

    Taught in: notebooks/01_fundamentals.ipynb, "How many bits does an ear need?"
    """
    figure, (axis,) = _figure(1, 1, height=2.8)
    axis.plot(x, predicted, color=BLUE, label=names[0])
    axis.plot(*(measured if isinstance(measured, tuple) else (x, measured)), "o", color=ORANGE, label=names[1])
    axis.set(xlabel=x_label, ylabel=y_label)
    _legend(axis)
    _display(figure, title, alt)


def roofline(roofs, points, *, title="", alt=""):
    """What a processor could do, over how often it uses each byte; and what was done, as dots below that roof.

    Parameters
    ----------
    roofs : dict of str to tuple of float
        Of each processor, its multiply-accumulates and its bytes per second; first that which did what the dots show.
        The others are thin and grey.
    points : dict of str to tuple of array_like, shape [n]
        Multiply-accumulates per byte, and per second, of layers or networks.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/10_edge_profiling.ipynb, "What does a network cost?"
    """
    figure, (axis,) = _figure(1, 1, height=3.4)
    ridges = [peak / bandwidth for peak, bandwidth in roofs.values()]
    shown = np.concatenate([ridges, *(np.ravel(x) for x, _ in points.values())])
    x = np.geomspace(shown.min() / 4, shown.max() * 4, 200)
    for i, (label, (peak, bandwidth)) in enumerate(roofs.items()):
        style = {"color": GREY, "linewidth": 1, "linestyle": ("-", "--", ":", "-.")[i % 4]} if i else {"color": BLUE}
        axis.loglog(x, np.minimum(peak, bandwidth * x), label=f"{label}, measured", **style)
    for i, (label, (intensity, rate)) in enumerate(points.items()):
        color, marker = class_style(i + 1)
        axis.loglog(intensity, rate, marker, color=color, label=label, markersize=6)
    axis.set(xlabel="multiply-accumulates per byte", ylabel="multiply-accumulates per second")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
    _display(figure, title, alt)


def latencies(calls, limit=None, *, x_label="time of a call (ms)", title="", alt=""):
    """How long each of many calls took: a row for each way of calling, with what half, nine of ten and 99 of 100 kept.

    Parameters
    ----------
    calls : dict of str to array_like, shape [n]
        Seconds of each call.
    limit : float, optional
        Seconds that a call may take: a dotted line.
    x_label : str
        What was measured, in ms.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/10_edge_profiling.ipynb, "How long does it take?"
    """
    figure, axes = _figure(len(calls), 1, height=0.7 + 1.2 * len(calls), sharex=True)
    ms = {label: 1000 * np.asarray(seconds, dtype=float) for label, seconds in calls.items()}
    low, high = min(map(np.min, ms.values())) / 1.1, max(1000 * (limit or 0), *map(np.max, ms.values())) * 1.1
    bins, labelled = np.geomspace(low, high, 80), "2345" if high < 10 * low else "25"
    for axis, (label, times) in zip(axes, ms.items(), strict=True):
        axis.hist(times, bins, color=BLUE)
        axis.axvline(np.mean(times), color=GREY, linestyle="--", label=f"mean {np.mean(times):.3g}")
        for q, color in ((50, GREEN), (90, PURPLE), (99, ORANGE)):
            t = np.percentile(times, q, method="inverted_cdf")              # as `edge.Timing`
            axis.axvline(t, color=color, label=f"p{q} {t:.3g}")
        if limit is not None:
            axis.axvline(1000 * limit, color="black", linestyle=":", label=f"limit {1000 * limit:.3g}")
        axis.set(xscale="log", xlim=(low, high), ylabel="calls")
        axis.set_title(label, fontsize=10, loc="left")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in labelled else "")
        axis.tick_params(axis="x", which="minor", labelsize=8)
        _legend(axis)
    axes[-1].set_xlabel(x_label)
    _display(figure, title, alt)


def budgets(shares, unsure=None, *, title="", alt=""):
    """How much of each limit a candidate takes: a row for each, a mark for each limit, and the line that none may pass.

    Parameters
    ----------
    shares : pandas.DataFrame
        A row for each candidate, a column for each limit: 1 is all of it.
    unsure : dict of str to float, optional
        Of a limit, the factor by which the shares may be wrong either way: a bar through each mark.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/10_edge_profiling.ipynb, "Which one fits?"
    """
    figure, (axis,) = _figure(1, 1, height=1.1 + 0.34 * len(shares))
    rows, values = np.arange(len(shares)), shares.to_numpy(dtype=float)
    fits = (values <= 1).all(axis=1)
    low, high = min(values.min() / 2, 0.1), max(values.max() * 2, 10)
    axis.axvspan(1, high, color="#f6dccb", linewidth=0)
    axis.axvline(1, color=ORANGE)
    axis.hlines(rows, values.min(axis=1), values.max(axis=1), color="#bbbbbb", linewidth=1)
    for i, limit in enumerate(shares.columns):
        color, marker = class_style(i)
        axis.plot(values[:, i], rows, marker, color=color, markersize=7, linestyle="", label=limit)
        if factor := (unsure or {}).get(limit):
            axis.hlines(rows, values[:, i] / factor, values[:, i] * factor, color=color, linewidth=1.5)
    axis.set_yticks(rows, [f"{name} {'✓' if fit else '✗'}" for name, fit in zip(shares.index, fits, strict=True)])
    axis.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), xlabel="share of the limit")
    axis.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g} %")
    _legend(axis)
    _display(figure, title, alt)


def panels(x, rows, *, x_label, marks=(), spans=(), title="", alt=""):
    """Curves that share one axis of time and nothing else, one above the other.

    Parameters
    ----------
    x : np.ndarray, shape [n]
    rows : dict of str to dict of str to np.ndarray, shape [n]
        Label of a vertical axis, with its unit, to curves by name. Where a value is NaN, nothing is drawn.
    x_label : str
        With a unit.
    marks : sequence of float
        Where something happened: a line through all rows.
    spans : sequence of (float, float)
        Where something lasted: shaded.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    figure, axes = _figure(len(rows), 1, height=0.8 + 1.15 * len(rows), sharex=True)
    for axis, (label, curves) in zip(axes, rows.items(), strict=True):
        for begin, end in spans:
            axis.axvspan(begin, end, color="#eeeeee", linewidth=0)
        for at in marks:
            axis.axvline(at, color=ORANGE, linestyle="--")
        for i, (name, y) in enumerate(curves.items()):
            axis.plot(x, y, color=(BLUE, GREEN, PURPLE, GREY)[i % 4], label=name or None)
        axis.set_ylabel(label, fontsize=9)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]) if any(np.nanmin(y) < 0 for y in curves.values()) else 0)
        axis.margins(x=0.01)
        if any(curves):
            _legend(axis)
    axes[-1].set_xlabel(x_label)
    _display(figure, title, alt)


def stacked(parts, *, x_label, marks=None, title="", alt=""):
    """What a sum is made of: a bar for each row, its parts one after the other.

    Parameters
    ----------
    parts : pandas.DataFrame
        A bar for each row, a part for each column, none negative.
    x_label : str
        With a unit.
    marks : dict of str to float, optional
        Values that a sum is held against: a dotted line each, with its name.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/13_real_time.ipynb, "How late is too late?"
    """
    figure, (axis,) = _figure(1, 1, height=1.3 + 0.42 * len(parts))
    rows, values = np.arange(len(parts)), parts.to_numpy(dtype=float)
    begin = np.cumsum(values, axis=1) - values
    for i, name in enumerate(parts.columns):
        axis.barh(rows, values[:, i], left=begin[:, i], height=0.6, color=COLORS[i % len(COLORS)], label=name)
    for name, at in (marks or {}).items():
        axis.axvline(at, color="black", linestyle=":")
        axis.text(at, len(rows) - 0.45, f" {name}", fontsize=8, va="top")
    axis.set_yticks(rows, list(parts.index))
    axis.set(xlabel=x_label, ylim=(len(rows) - 0.2, -0.5), axisbelow=True)
    _legend(axis)
    _display(figure, title, alt)


def polar(azimuths, curves, *, title="", alt="", floor=-30.0):
    """Decibels over directions, seen from above: what a loudspeaker sends out, or an array of microphones hears.

    Parameters
    ----------
    azimuths : np.ndarray, shape [n]
        Degrees, 0 to the right, 90 to the top.
    curves : dict of str to np.ndarray, shape [n]
        Decibels.
    title, alt : str
        What to see, and the same in words.
    floor : float
        Decibels in the middle; what is below is drawn there.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    figure, (axis,) = _figure(1, 1, height=4.2, subplot_kw={"projection": "polar"})
    for i, (label, gain) in enumerate(curves.items()):
        axis.plot(np.radians(azimuths), np.maximum(gain, floor), color=COLORS[i % len(COLORS)], label=label or None)
    axis.set(ylim=(floor, max(5.0, *(np.max(gain) + 1 for gain in curves.values()))))
    levels = np.arange(floor + 10, 1, 10)
    axis.set_yticks(levels, [f"{level:g} dB" for level in levels], fontsize=8)
    axis.legend(loc="upper left", bbox_to_anchor=(1.1, 1), fontsize=9, frameon=False)
    _display(figure, title, alt)


def matrices(pictures, *, x_label, y_label, title="", alt="", step=1.0, label=None, rows=None, columns=None):
    """Matrices as colours, side by side: spectrograms and what is made from them.

    Parameters
    ----------
    pictures : dict of str to np.ndarray, shape [rows, columns]
        Drawn with the first row at the bottom.
    x_label, y_label : str
        With units.
    title, alt : str
        What to see, and the same in words.
    step : float
        What one column is worth on the horizontal axis: seconds per frame, for example.
    label : str, optional
        What the colours mean, with its unit. All pictures then share one scale, shown beside them; without it each
        has its own, from its smallest to its largest value.
    rows, columns : dict of int to str, optional
        Names of some rows or columns, in place of their numbers.

    Taught in: notebooks/03_features.ipynb, "How short may a look be?"
    """
    height = max(2.6, 0.9 + 0.17 * len(rows or ()))             # inches: names that do not touch
    figure, axes = _figure(1, len(pictures), height, sharey=len({len(x) for x in pictures.values()}) == 1)
    ends = (min(map(np.min, pictures.values())), max(map(np.max, pictures.values()))) if label else (None, None)
    for axis, (name, x) in zip(axes, pictures.items(), strict=True):
        image = axis.imshow(x, aspect="auto", origin="lower", interpolation="nearest", cmap="magma",
                            extent=(0, x.shape[1] * step, -0.5, len(x) - 0.5), vmin=ends[0], vmax=ends[1])
        axis.set(xlabel=x_label, title=name)
        axis.grid(False)
        if rows:
            axis.set_yticks(list(rows), list(rows.values()))
        if columns:
            axis.set_xticks([(column + 0.5) * step for column in columns], list(columns.values()))
    axes[0].set_ylabel(y_label)
    if label:
        figure.colorbar(image, ax=list(axes), label=label, pad=0.01)
    _display(figure, title, alt)


def attributions(logmel, maps, *, step=0.01, start=0.0, rows=None, marks=(), title="", alt=""):
    """What spoke for a class, in red, and against it, in blue, over the log-mel in grey; several maps side by side.

    Parameters
    ----------
    logmel : np.ndarray, shape [mel, time]
        Loud is dark.
    maps : dict of str to np.ndarray, shape [mel, time]
        Of `audiolab.explain`. Each has its own scale, which ends at the 99th percentile of its absolute values.
    step, start : float
        Seconds per frame, and of the first one in its clip.
    rows : dict of int to str, optional
        Kilohertz of some mel channels; without it they are numbered.
    marks : sequence of float
        Seconds of the clip at which the event begins and ends: a thin line each.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/06_classification.ipynb, "What did it listen to?"
    """
    import matplotlib

    figure, axes = _figure(1, len(maps), height=2.6, sharey=True)
    place = {"aspect": "auto", "origin": "lower", "interpolation": "nearest",
             "extent": (start, start + logmel.shape[1] * step, -0.5, len(logmel) - 0.5)}
    low, high, colours = logmel.min(), logmel.max(), matplotlib.colormaps["bwr"].resampled(7)
    for axis, (name, a) in zip(axes, maps.items(), strict=True):
        share = np.round(3 * np.clip(a / (np.quantile(np.abs(a), 0.99) or 1), -1, 1)) / 3       # few colours: see `png`
        axis.imshow(np.round(4 * (logmel - low) / (high - low or 1)), cmap="gray_r", vmin=0, vmax=8, **place)
        image = axis.imshow(share, cmap=colours, vmin=-1, vmax=1, alpha=np.abs(share) > 0, **place)
        axis.set(xlabel="time (s)", title=name)
        axis.grid(False)
        for t in marks:
            axis.axvline(t, color="black", linewidth=1, linestyle="--")
    axes[0].set_ylabel("frequency (kHz)" if rows else "mel channel")
    if rows:
        axes[0].set_yticks(list(rows), list(rows.values()))
    bar = figure.colorbar(image, ax=list(axes), pad=0.01, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["against", "0", "for"])
    _display(figure, title, alt)


def intervals(values, means, low, high, *, x_label, title="", alt="", x_range=None):
    """A row for each name: single values as faint dots, their mean as a large one, its interval as a bar.

    Of dots with the same value each lies a little above the last, or they would look like one.

    Parameters
    ----------
    values : dict of str to array_like
        The single values under each name; the first is drawn on top.
    means, low, high : array_like, shape [len(values)]
        The mean and the ends of its interval.
    x_label : str
        With units.
    title, alt : str
        What to see, and the same in words.
    x_range : tuple of float, optional
        Ends of the axis.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    figure, (axis,) = _figure(1, 1, height=0.9 + 0.34 * len(values))
    rows = np.arange(len(values))
    for row, single in zip(rows, values.values(), strict=True):
        again = np.array([list(single[:i]).count(value) for i, value in enumerate(single)])
        axis.plot(single, row - 0.4 * again / max(len(single), 1), "o", color=ORANGE, alpha=0.4, markersize=4)
    axis.hlines(rows, low, high, color=BLUE, linewidth=3)
    axis.plot(means, rows, "o", color=BLUE, markersize=8)
    axis.set_yticks(rows, list(values))
    axis.set(xlabel=x_label, xlim=x_range, ylim=(len(values) - 0.5, -0.5))
    _display(figure, title, alt)


def pareto(points, *, x_label, y_label, title="", alt=""):
    """What candidates cost and what they are worth, as dots; and a line along those that no cheaper one equals.

    Parameters
    ----------
    points : dict of str to tuple of float
        Of each candidate its cost, above 0, on a logarithmic axis, and its worth.
    x_label, y_label : str
        With units.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/09_quantization.ipynb, "Which one would you ship?"
    """
    from matplotlib.ticker import LogLocator

    figure, (axis,) = _figure(1, 1, height=3.8)
    cost, worth = np.transpose(sorted(points.values(), key=lambda one: (one[0], -one[1])))
    axis.step([*cost, 1.2 * cost[-1]], np.maximum.accumulate([*worth, worth[-1]]), where="post", color=GREY)
    for i, (name, one) in enumerate(points.items()):
        color, marker = class_style(i)
        axis.plot(*one, marker, color=color, label=name, markersize=8)
    axis.set(xscale="log", xlabel=x_label, ylabel=y_label)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    _display(figure, title, alt)


def confusion(matrix, labels, *, title="", alt=""):
    """A confusion matrix: counts in the cells; right ones in blue, others in orange, by their share of the row.

    Parameters
    ----------
    matrix : array_like of int, shape [k, k]
        ``[i, j]`` clips of class i were called j: `audiolab.metrics.confusion_matrix`.
    labels : sequence of str, length k
        The classes.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    matrix, k = np.asarray(matrix), len(labels)
    figure, (axis,) = _figure(1, 1, height=1.8 + 0.3 * k)
    hue = np.where(np.eye(k, dtype=bool)[..., None], _rgb(BLUE), _rgb(ORANGE))                # shape [k, k, 3]
    steps = np.ceil(10 * tint(matrix)) / 10                     # few colours: a PNG of this module holds 40
    axis.imshow(1 - steps[..., None] * (1 - hue), aspect="auto", interpolation="nearest")
    size = np.clip(200 / k, 6, 10)
    for i, j in np.argwhere(matrix):
        axis.text(j, i, matrix[i, j], ha="center", va="center", fontsize=size)
    names = [_short(label) for label in labels]
    axis.set_yticks(range(k), names, fontsize=size, parse_math=False)
    axis.set_xticks(range(k), names, fontsize=size, parse_math=False, rotation=35, ha="left", rotation_mode="anchor")
    for one in (axis.xaxis, axis.yaxis):
        one.set_ticks(np.arange(1, k) - 0.5, minor=True)
    axis.tick_params(which="both", length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.grid(False)
    axis.grid(which="minor")
    _display(figure, title, alt)


def tint(matrix):
    """How strongly the cells of a confusion matrix are coloured: by their share of the row.

    Parameters
    ----------
    matrix : np.ndarray of int, shape [k, k]

    Returns
    -------
    np.ndarray, shape [k, k]
        0 where there is no clip, else 0.15, so that a single one is seen, to 0.7, under which a number can be read.
    """
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return np.where(matrix > 0, 0.15 + 0.55 * share, 0)


def scatter(points, labels, *, title="", alt=""):
    """Clips as points of a plane, a colour and a marker for each class: a map in which only nearness counts.

    Parameters
    ----------
    points : np.ndarray, shape [n, 2]
        Of t-SNE, for example. Both axes have one scale, and no numbers.
    labels : sequence of str, length n
        The class of each point.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    points, labels = np.asarray(points), np.asarray(labels)
    names = sorted(set(labels))
    figure, (axis,) = _figure(1, 1, height=4.8)
    drawn = []
    for i, name in enumerate(names):
        color, marker = class_style(i)
        drawn.append(axis.scatter(*points[labels == name].T, s=32, color=color, marker=marker, linewidth=0))
    axis.set_aspect("equal", adjustable="datalim")
    axis.tick_params(length=0, labelleft=False, labelbottom=False)
    axis.grid(False)
    axis.spines[:].set_visible(True)
    legend = axis.legend(drawn, [""] * len(drawn), loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False,
                         ncols=-(-len(names) // 20), handletextpad=0.2, columnspacing=1.0)
    for text, name in zip(legend.get_texts(), names, strict=True):      # as it is spelt, whatever it begins with
        text.set(parse_math=False, text=_short(name))
    _display(figure, title, alt)


def piano_roll(notes, *, title="", alt="", names=(), x_label="time (s)"):
    """Notes as bars over time, a colour for each part. Lower parts are thinner: of a unison both are seen.

    Parameters
    ----------
    notes : pandas.DataFrame
        With `onset`, `offset`, `pitch` (MIDI number, A4 = 69) and `part`, as `audiolab.scores.table` makes them.
    title, alt : str
        What to see, and the same in words.
    names : sequence of str
        Of the parts; those without one are called by their number.
    x_label : str
        With the unit of onsets and offsets: "time (quarter notes)" for a score.

    Raises
    ------
    ValueError
        If there are no notes, or one is NaN or infinite.

    Taught in: notebooks/07_music_generation.ipynb, "What is a note to a computer?"
    """
    if not len(notes) or not np.isfinite(notes[["onset", "offset", "pitch", "part"]].to_numpy(float)).all():
        raise ValueError("There is nothing to draw: a piano roll takes one note or more, and none of them NaN.")
    if not notes.pitch.between(0, 127).all() or not (notes.onset < notes.offset).all():
        raise ValueError("A piano roll takes pitches from 0 to 127, and notes that end after they begin.")
    low, high = keys_around(notes.pitch)
    figure, (axis,) = _figure(1, 1, height=np.clip(0.9 + 0.08 * (high - low), 2.4, 5))
    for key in range(low, high + 1):
        if key % 12 in BLACK_KEYS:
            axis.axhspan(key - 0.5, key + 0.5, color="#f0f0f0", linewidth=0)
    for part in np.unique(notes.part):
        name, color, thickness = part_style(part, names)
        own = notes[notes.part == part]
        length = own.offset - own.onset
        length = np.maximum(length - 0.002 * notes.offset.max(), 0.75 * length)         # a gap before the next note
        axis.barh(own.pitch, length, thickness, own.onset, color=color, linewidth=0, label=name, snap=True, zorder=2)
    octaves = range(-(-low // 12) * 12, high + 1, 12)
    axis.set_yticks(octaves, [f"C{key // 12 - 1}" for key in octaves])
    axis.set(xlabel=x_label, ylabel="key", ylim=(low - 0.5, high + 0.5))
    axis.margins(x=0)
    if notes.part.nunique() > 1:
        _legend(axis)
    _display(figure, title, alt)


def part_style(part, names=()):
    """How a part of a score is drawn in a piano roll: its name, its colour, and how thick its bars are.

    Parameters
    ----------
    part : int
        0 for the highest staff.
    names : sequence of str
        Of the first parts.

    Returns
    -------
    name, color : str
    thickness : float
        Of the room that a key has: four in turn, so that parts differ not by colour alone.
    """
    name = names[part] if part < len(names) else f"part {part}"
    return name, class_style(part)[0], (0.95, 0.7, 0.5, 0.3)[part % 4]


def keys_around(pitches):
    """Lowest and highest key of a picture of some notes: one more on each side, and an octave at least, with its C.

    Parameters
    ----------
    pitches : array_like of int
        MIDI numbers.

    Returns
    -------
    low, high : int
    """
    low, high = int(np.min(pitches)) - 1, int(np.max(pitches)) + 1
    more = max(0, 11 - (high - low))
    return low - more // 2, high + more - more // 2


def class_style(i):
    """Colour and marker of class i: each twelve of one kind, and 144 pairs.

    Parameters
    ----------
    i : int

    Returns
    -------
    color, marker : str
        As matplotlib takes them.
    """
    n = len(CLASS_COLORS)
    return CLASS_COLORS[i % n], CLASS_MARKERS[(i + i // n) % n]


def thumbnail(y, sr):
    """A spectrogram the size of a stamp, for lists: 0 Hz to ``sr / 2``, the upper 60 dB of the clip, no axes.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
        Channels are averaged.
    sr : int
        Samples per second.

    Returns
    -------
    bytes
        A PNG of 238 x 85 pixels.
    """
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=(2.8, 1), dpi=DPI)
        axis = figure.add_axes((0, 0, 1, 1))
        image = _spectrogram(axis, np.atleast_2d(y).mean(axis=0), sr, None, None, -120.0)
        loudest = max(-60, image.get_array().max())              # silence stays dark
        image.set_clim(loudest - 60, loudest)
        axis.axis("off")
        return png(figure)


def training(history, handle=None):
    """Loss and score over the epochs of `audiolab.training.fit`, drawn again as they grow.

    Parameters
    ----------
    history : audiolab.training.History
    handle : IPython.display.DisplayHandle, optional
        Of an earlier drawing, whose place this one takes.

    Returns
    -------
    IPython.display.DisplayHandle or None
        Of a new drawing.

    Taught in: notebooks/06_classification.ipynb, "How does a network learn?"
    """
    rows = history.rows
    columns = {"loss": "training", "validation_loss": "validation"}
    scored = bool(rows) and "score" in rows[0]
    figure, axes = _figure(1, 1 + scored, height=2.6)
    epoch = [row["epoch"] for row in rows]
    for color, (name, label) in zip(COLORS, columns.items(), strict=False):
        if rows and name in rows[0]:
            axes[0].plot(epoch, [row[name] for row in rows], color=color, label=label)
    axes[0].set(xlabel="epoch", ylabel="loss")
    if scored:
        axes[1].plot(epoch, [row["score"] for row in rows], color=ORANGE, label="validation")
        axes[1].set(xlabel="epoch", ylabel="score")
    for axis in axes:
        if rows:
            _legend(axis)
    title = "The loss falls"
    if rows and "validation_loss" in rows[0]:
        title += ", on clips that it learns from and on others"
    said = f"After {len(rows)} epochs the training loss is {rows[-1]['loss']:.2g}" if rows else "No epoch yet"
    if rows and "validation_loss" in rows[0]:
        said += f", the validation loss {rows[-1]['validation_loss']:.2g}"
    if scored:
        said += f", the score {rows[-1]['score']:.2f}"
    return _display(figure, title, f"{said}.", handle or True)


def samples(t, curves, n, values, *, title="", alt=""):
    """Continuous curves and the samples taken from them.

    Parameters
    ----------
    t : np.ndarray, shape [m]
        Seconds, on a fine grid.
    curves : dict of str to np.ndarray, shape [m]
        The first is drawn full, the others dashed.
    n : np.ndarray, shape [k]
        Instants of the samples, in seconds.
    values : np.ndarray, shape [k]
        The samples.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    figure, (axis,) = _figure(1, 1, height=2.8)
    for i, (label, y) in enumerate(curves.items()):
        axis.plot(1000 * t, y, "--" if i else "-", color=COLORS[i % len(COLORS)], label=label)
    axis.plot(1000 * n, values, "o", color="black", label="samples", markersize=6, zorder=3)
    axis.set(xlabel="time (ms)", ylabel="amplitude")
    axis.margins(x=0.01)
    _legend(axis)
    _display(figure, title, alt)


def segments(y, sr, parts, *, title="", alt=""):
    """A waveform with stretches of time shaded.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    parts : array_like, shape [k, 2]
        Onset and offset of each stretch in seconds.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/02_preprocessing.ipynb, "Where does the speech begin?"
    """
    y = measure.one_channel(y)
    figure, (axis,) = _figure(1, 1, height=2.2)
    t, outline = _outline(np.arange(len(y)) / sr, y[None])
    for onset, offset in parts:
        axis.axvspan(onset, offset, color=ORANGE, alpha=0.25, linewidth=0)
    axis.plot(t, outline[0], color=BLUE, linewidth=0.7)
    axis.set(xlabel="time (s)", ylabel="amplitude")
    axis.margins(x=0)
    _display(figure, title, alt)


def transcript(y, sr, words, truth=(), *, title="", alt=""):
    """A waveform with the words that were recognised above it, and, if known, those that were said below.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
        Samples per second.
    words : list of dict
        ``{"word", "onset", "offset"}`` in seconds, and `confidence`, 0 to 1, which makes the shade darker.
    truth : list of dict
        ``{"word", "onset", "offset"}``, drawn below.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/04_speech_recognition.ipynb, "When was it said?"
    """
    y = measure.one_channel(y)
    figure, (axis,) = _figure(1, 1, height=2.4)
    t, outline = _outline(np.arange(len(y)) / sr, y[None])
    top = 1.05 * np.abs(y).max() or 1.0
    axis.plot(t, outline[0], color=BLUE, linewidth=0.7)
    for word in words:
        shade = 0.05 + 0.4 * word.get("confidence", 1)
        axis.axvspan(word["onset"], word["offset"], facecolor=ORANGE, alpha=shade, edgecolor="white", linewidth=1)
        axis.text((word["onset"] + word["offset"]) / 2, 1.08 * top, word["word"], ha="center", va="bottom", fontsize=9)
    for word in truth:
        axis.hlines(-1.08 * top, word["onset"], word["offset"], color="black", linewidth=1.5)
        axis.vlines([word["onset"], word["offset"]], -1.16 * top, -1.0 * top, color="black", linewidth=1)
        axis.text((word["onset"] + word["offset"]) / 2, -1.14 * top, word["word"], ha="center", va="top", fontsize=9)
    axis.set(xlabel="time (s)", ylabel="amplitude", ylim=(-1.5 * top, 1.5 * top))
    axis.margins(x=0)
    _display(figure, title, alt)


def posteriors(logmel, probabilities, names, *, step=0.01, frame=0.03, least=0.2, title="", alt=""):
    """What a recogniser says of each frame, under the spectrogram that it looked at.

    Parameters
    ----------
    logmel : np.ndarray, shape [mel, time]
    probabilities : np.ndarray, shape [frames, units]
        Unit 0 is the blank, drawn in grey.
    names : sequence of str, length units - 1
        Of units 1 and up; each is written at its peaks.
    step, frame : float
        Seconds from one column of the spectrogram, and from one frame of the probabilities, to the next.
    least : float
        Units that never reach it are left out.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/04_speech_recognition.ipynb, "What can it learn in a minute?"
    """
    figure, (above, below) = _figure(2, 1, height=3.6, sharex=True, height_ratios=(1, 1.2))
    above.imshow(logmel, aspect="auto", origin="lower", interpolation="nearest", cmap="magma",
                 extent=(0, logmel.shape[1] * step, -0.5, len(logmel) - 0.5))
    above.set_ylabel("mel channel")
    above.grid(False)
    t = frame * np.arange(len(probabilities))
    below.plot(t, probabilities[:, 0], color="0.75", linewidth=1, label="blank")
    for unit in np.flatnonzero(probabilities[:, 1:].max(axis=0) >= least) + 1:
        p = probabilities[:, unit]
        below.plot(t, p, linewidth=1.2, color=class_style(int(unit))[0])
        peaks = np.flatnonzero((p >= least) & (p >= np.append(0, p[:-1])) & (p > np.append(p[1:], 0)))
        for i in peaks:
            below.text(t[i], p[i] + 0.02, names[unit - 1].replace(" ", "␣"), ha="center", va="bottom", fontsize=9)
    below.set(xlabel="time (s)", ylabel="probability", ylim=(0, 1.2), xlim=(0, logmel.shape[1] * step))
    _legend(below)
    _display(figure, title, alt)


def events(logmel, tracks, *, labels, probabilities=None, thresholds=None, step=0.01, frame=0.04, rows=None, title="",
           alt=""):
    """What sounds when, under a spectrogram: a lane for each class that occurs, with a bar for each event.

    Several tracks share the lanes, one above the other, each with its own colour and filling.

    Parameters
    ----------
    logmel : np.ndarray, shape [mel, time]
    tracks : dict of str to pandas.DataFrame
        Events with `onset` and `offset` in seconds and `label`: ``{"truth": ..., "found": ...}``.
    labels : sequence of str
        All classes, in the order of the lanes.
    probabilities : np.ndarray, shape [frames, classes], optional
        0 to 1, of `labels`: a curve in each lane. A class that reaches 0.05 then has a lane as well.
    thresholds : sequence of float, length classes, optional
        A dotted line in each lane.
    step, frame : float
        Seconds from one column of the spectrogram, and from one frame of the probabilities, to the next.
    rows : dict of int to str, optional
        Kilohertz of some mel channels; without it they are numbered.
    title, alt : str
        What to see, and the same in words.

    Raises
    ------
    ValueError
        If an event does not end after it begins, or has a label that is none of `labels`.

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    labels = list(labels)
    for name, track in tracks.items():
        if unknown := sorted(set(track.label) - set(labels)):
            raise ValueError(f"{name} holds “{unknown[0]}”, which is none of the classes: {', '.join(labels)}.")
        if not (np.isfinite(track.onset) & np.isfinite(track.offset) & (track.onset < track.offset)).all():
            raise ValueError(f"{name} holds an event that does not end after it begins: onset and offset are seconds.")
    there = {label for track in tracks.values() for label in track.label}
    if probabilities is not None:
        there |= {label for label, p in zip(labels, np.max(probabilities, axis=0), strict=True) if p >= 0.05}
    lanes, curved = [label for label in labels if label in there], probabilities is not None
    room = 0.45 if curved else 1.0                              # of a lane, that its bars share; a curve has the rest
    low = (0.24 + 0.22 * curved) * max(len(lanes), 1)            # inches
    figure, (above, below) = _figure(2, 1, height=2.3 + low, sharex=True, height_ratios=(1.4, low))
    seconds = logmel.shape[1] * step
    above.imshow(logmel, aspect="auto", origin="lower", interpolation="nearest", cmap="magma",
                 extent=(0, seconds, -0.5, len(logmel) - 0.5))
    above.set_ylabel("frequency (kHz)" if rows else "mel channel")
    above.grid(False)
    if rows:
        above.set_yticks(list(rows), list(rows.values()))
    thick = 0.76 * room / len(tracks)
    for i, (name, track) in enumerate(tracks.items()):
        color, hatch = track_style(i)
        y = [lanes.index(label) + 1 - 0.88 * room + (i + 0.5) * thick for label in track.label]
        below.barh(y, track.offset - track.onset, 0.9 * thick, track.onset, facecolor="white" if hatch else color,
                   edgecolor=color, hatch=hatch, label=name, zorder=2)
    if curved and lanes:
        floor, height = np.arange(1, len(lanes) + 1) - room, 0.85 * (1 - room)
        own = [labels.index(label) for label in lanes]
        below.plot(frame * (np.arange(len(probabilities)) + 0.5), floor - height * probabilities[:, own], color="black",
                   linewidth=0.9, label=["probability"] + ["_"] * (len(lanes) - 1))
        if thresholds is not None:
            below.hlines(floor - height * np.asarray(thresholds)[own], 0, seconds, color=PURPLE, linestyle=":",
                         linewidth=1.2, label="threshold")
    below.set_yticks(np.arange(len(lanes)) + 0.5, lanes, fontsize=9, parse_math=False)
    below.set_yticks(np.arange(len(lanes) + 1), minor=True)
    below.tick_params(axis="y", which="both", length=0)
    below.grid(False, axis="y")
    below.grid(axis="y", which="minor")
    below.set(xlabel="time (s)", ylabel="class", xlim=(0, seconds), ylim=(max(len(lanes), 1), 0))
    below.set_axisbelow(True)
    if lanes:
        _legend(below)
    _display(figure, title, alt)


def track_style(i):
    """How the events of track i are drawn: each three of another filling, and 15 pairs.

    Parameters
    ----------
    i : int

    Returns
    -------
    color, hatch : str
        As matplotlib takes them; an empty hatch stands for a full bar.
    """
    return COLORS[i % len(COLORS)], TRACK_HATCHES[i % len(TRACK_HATCHES)]


def phonemes(logmel, names, durations, *, step=0.0125, title="", alt=""):
    """A spectrogram, and above it which phoneme sounds when.

    Parameters
    ----------
    logmel : np.ndarray, shape [mel, time]
    names : sequence of str
    durations : sequence of int, length of `names`
        Frames of each; what has none is not written.
    step : float
        Seconds per frame.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/05_text_to_speech.ipynb, "How long does a sound last?"
    """
    figure, (axis,) = _figure(1, 1, height=2.8)
    axis.imshow(logmel, aspect="auto", origin="lower", interpolation="nearest", cmap="magma",
                extent=(0, logmel.shape[1] * step, -0.5, len(logmel) - 0.5))
    axis.set(xlabel="time (s)", ylabel="mel channel")
    axis.grid(False)
    durations = np.asarray(durations)
    ends = step * np.cumsum(durations)
    sounding = np.flatnonzero(durations)
    axis.vlines(ends[sounding], -0.5, len(logmel) - 0.5, color="white", alpha=0.4, linewidth=0.6)
    for row, i in enumerate(sounding):                          # two rows, so that short ones stand beside each other
        axis.annotate(names[i], (ends[i] - step * durations[i] / 2, len(logmel) - 0.5), (0, 3 + 11 * (row % 2)),
                      textcoords="offset points", ha="center", fontsize=9)
    _display(figure, title, alt)


def corpus(report, *, title="", alt=""):
    """A corpus at a glance: how long, how loud, which frequencies, which classes; broken files stand apart.

    Parameters
    ----------
    report : pandas.DataFrame
        Of `audiolab.preprocess.inspect`.
    title, alt : str
        What to see, and the same in words.

    Taught in: notebooks/02_preprocessing.ipynb, "What is in the folder?"
    """
    figure, (durations, levels, bands, classes) = _figure(2, 2, height=5.0)
    bad = report.problem != ""
    kinds = {"good": ~bad, "with a problem": bad} if bad.any() else {"good": ~bad}
    for axis, column, label in ((durations, "duration", "duration (s)"), (levels, "rms", "level (dBFS RMS)")):
        values = [report[column][rows & np.isfinite(report[column])] for rows in kinds.values()]
        axis.hist(values, bins=25, stacked=True, color=[BLUE, ORANGE][: len(values)], label=list(kinds))
        axis.set(xlabel=label, ylabel="files")
    if len(kinds) > 1:
        _legend(durations)

    columns = [column for column in report if column.startswith("band_")]
    octaves = report.loc[~bad, columns].replace(-np.inf, np.nan).dropna(axis=1, how="all")
    hz = [int(column.removeprefix("band_")) for column in octaves]
    low, middle, high = (octaves.quantile(q) for q in (0.1, 0.5, 0.9))
    bands.fill_between(hz, low, high, color=BLUE, alpha=0.25, linewidth=0, label="10 to 90 % of the files")
    bands.plot(hz, middle, "o-", color=BLUE, label="median")
    bands.set(xscale="log", xlabel="octave around (Hz)", ylabel="level (dBFS)")
    bands.set_xticks(hz, [f"{f / 1000:g}k" if f >= 1000 else str(f) for f in hz])
    bands.minorticks_off()
    _legend(bands)

    count = {name: report.label[rows].value_counts() for name, rows in kinds.items()}
    names = report.label.value_counts().index[:20][::-1]                        # the commonest on top
    start = np.zeros(len(names))
    for color, numbers in zip((BLUE, ORANGE), count.values(), strict=False):
        width = numbers.reindex(names, fill_value=0).to_numpy()
        classes.barh(range(len(names)), width, left=start, color=color)
        start += width
    classes.set_yticks(range(len(names)), [name or "no label" for name in names], fontsize=8)
    classes.set(xlabel="files", title="")
    classes.grid(False, axis="y")
    _display(figure, title, alt)


def _legend(axis):
    """Labels above the axes, at the right, where no curve runs."""
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, fontsize=9, borderaxespad=0.1)


def _frequency_ticks(axis):
    """Hertz as people name them: 20, 50, 100 … 1k, 2k."""
    low, high = axis.get_xlim()
    ticks = [f for f in _FREQUENCY_TICKS if low <= f <= high]
    axis.set_xticks(ticks, [f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks])
    axis.minorticks_off()


def _rgb(color):
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _short(label, most=18):
    """A name that somebody else chose, so that it leaves room for the picture."""
    return label if len(label) <= most else label[: most - 1] + "…"


def _labelled(signals):
    return signals if isinstance(signals, dict) else {"": signals}


def _outline(t, y, most=8000):
    """A long signal as the smallest and the largest sample of each pixel, which draws the same picture."""
    if y.shape[1] <= most:
        return t, y
    edges = np.linspace(0, y.shape[1], most // 2, endpoint=False, dtype=int)
    both = np.minimum.reduceat(y, edges, axis=1), np.maximum.reduceat(y, edges, axis=1)
    return np.repeat(t[edges], 2), np.stack(both, axis=-1).reshape(len(y), -1)


def _spectrogram(axis, y, sr, n_fft, high, floor):
    """Draw one spectrogram: Hann windows that overlap by three quarters, a sine of amplitude A at 20 log10(A)."""
    from scipy.signal import ShortTimeFFT, get_window

    y = measure.one_channel(y)
    n_fft = min(n_fft or 2 ** round(np.log2(0.046 * sr)), max(len(y), 4))
    y = np.pad(y, (0, max(0, n_fft - len(y))))
    w = get_window("hann", n_fft)
    hop = max(n_fft // 4, len(y) // 600, 1)                 # no more columns than the figure has pixels
    stft = ShortTimeFFT(w, hop, sr, fft_mode="onesided")
    magnitude = 2 * np.abs(stft.stft(y)) / w.sum()
    level = measure.dbfs(np.maximum(magnitude, 10 ** (floor / 20)))
    axis.grid(False)
    extent = [0, len(y) / sr, 0, sr / 2000]
    image = axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=floor, vmax=0,
                        interpolation="nearest")
    axis.set_ylim(0, (high or sr / 2) / 1000)
    return image


def _figure(rows, columns, height, **options):
    """A figure at page width in the house style, without pyplot and so without global state."""
    from matplotlib.figure import Figure

    ratios = {"gridspec_kw": {"height_ratios": options.pop("height_ratios")}} if "height_ratios" in options else {}
    with _style():
        figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options, **ratios)
    return figure, axes.ravel()


@contextlib.contextmanager
def _style():
    """The house style, for one thread at a time: settings that two threads put back in turn would stay."""
    import matplotlib

    with _DRAWING, matplotlib.rc_context(_STYLE):
        yield


def png(figure):
    """Draw a matplotlib figure as a small PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    bytes
        In a palette of 40 colours, a quarter of the size of full colour.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _packed(np.asarray(canvas.buffer_rgba())[..., :3])


def strip(logmel):
    """A spectrogram as a picture without axes, for widgets: a pixel for each value, from its smallest to its largest.

    Parameters
    ----------
    logmel : np.ndarray, shape [mel, time]

    Returns
    -------
    bytes
        A PNG with the first row at the bottom.
    """
    import matplotlib

    share = (logmel - np.min(logmel)) / (np.ptp(logmel) or 1)
    return _packed(matplotlib.colormaps["magma"](share[::-1], bytes=True)[..., :3])


def _packed(pixels):
    """Pixels [height, width, 3] of 8 bits as a PNG of 40 colours."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image = image.quantize(40, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=not QUICK.get())
    return stream.getvalue()


def in_notebook():
    """Whether figures are seen: in a kernel, not at a prompt or in a script."""
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


@contextlib.contextmanager
def kept():
    """Keep the figures that are drawn meanwhile, in place of displaying them.

    Yields
    ------
    list of (bytes, str, str)
        PNG, text and title of each.
    """
    before = _KEPT.set([])
    try:
        yield _KEPT.get()
    finally:
        _KEPT.reset(before)


def _display(figure, title, alt, handle=None):
    """Show a figure; with `handle` True one that can be replaced, and with its handle in that one's place."""
    from IPython.display import display

    with _style():
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        data = png(figure)
    alt = alt or title or "A figure without a description."
    if _KEPT.get() is not None:
        _KEPT.get().append((data, alt, title))
        return None
    width = round(figure.get_figwidth() * DPI)
    show = handle.update if hasattr(handle, "update") else functools.partial(display, display_id=handle)
    return show({"image/png": data, "text/plain": alt}, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)
