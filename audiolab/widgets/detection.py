"""What chapter 11 shows of soundscapes: events in step with their player, and how thresholds make them."""

import base64
import functools

import numpy as np

from .. import audio, detection, features, plots, preprocess
from .explorer import _run, explore, present, slider, static
from .played import SLACK, Played

KILOHERTZ = (0.5, 1, 2, 4, 8, 16)
NAMED = 20                      # events of a track that are named one by one in words


def soundscape(y, sr, tracks, *, labels, title=""):
    """Events under a spectrogram, with a line across both that shows where the player is.

    What sounds is named below. Press an event, and it is played from its onset; press another place, and the player
    goes there. Arrow keys go from event to event. The cell of the notebook also stores a picture, for pages without a
    kernel.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [2, n]
        Floats, full scale ±1. Channels are averaged for the spectrogram.
    sr : int
        Samples per second.
    tracks : dict of str to pandas.DataFrame
        Events with `onset` and `offset` in seconds and `label`, as `audiolab.plots.events` takes them.
    labels : sequence of str
        All classes, in the order of the lanes; those that do not occur have none.
    title : str
        What to see and hear.

    Raises
    ------
    ValueError
        If an event is none (`audiolab.plots.events`) or ends after the sound does. `AudioError` if the sound cannot be
        played, as `audiolab.play`.

    Examples
    --------
    >>> clip = al.corpora.scenes.render_soundscape(row)                                 # doctest: +SKIP
    >>> truth = pd.DataFrame(clip.sidecars["events"])                                   # doctest: +SKIP
    >>> soundscape(clip.y, clip.sr, {"truth": truth}, labels=al.corpora.scenes.CLASSES)     # doctest: +SKIP

    Taught in: notebooks/11_event_detection.ipynb, "What sounds when?"
    """
    title = title or "What sounds when"
    player = audio.player_html(y, sr, title)                            # refuses what is no sound
    duration = np.shape(y)[-1] / sr
    logmel = features.log_mel(preprocess.to_mono(y), sr)
    hop, rows = features.log_mel_sizes(sr)["hop_length"] / sr, _kilohertz(sr, len(logmel))
    alt = _words(tracks, duration)
    still = _run(plots.events, {"logmel": logmel, "tracks": tracks, "labels": labels, "step": hop, "rows": rows,
                                "title": title, "alt": alt})            # refuses what is no event
    end = max((track.offset.max() for track in tracks.values() if len(track)), default=0)
    if end > duration + SLACK:
        raise ValueError(f"The events end at {end:.2f} s and the sound at {duration:.2f} s: give the sound of all of "
                         "them, and onsets in seconds.")
    lanes = [label for label in labels if any(label in set(track.label) for track in tracks.values())]
    events = sorted((lanes.index(label), i, float(onset), float(offset)) for i, track in enumerate(tracks.values())
                    for onset, offset, label in track[["onset", "offset", "label"]].itertuples(index=False))
    picture = base64.b64encode(plots.strip(logmel)).decode()
    present(Soundscape(player=player, drawn={
        "title": title, "alt": alt, "picture": f"data:image/png;base64,{picture}", "duration": duration,
        "rows": [{"name": f"{name} kHz", "place": (row + 0.5) / len(logmel)} for row, name in rows.items()],
        "lanes": lanes, "tracks": [_style(name, i) for i, name in enumerate(tracks)],
        "events": [[round(onset, 4), round(offset, 4), lane, i] for lane, i, onset, offset in events]}), still)


class Soundscape(Played):
    """What `soundscape` shows; `drawn` has `title`, `alt`, the spectrogram as `picture`, the `rows` of it that have a
    name, `duration`, `lanes`, `tracks`, and `events`, row by row: onset, offset, lane, track."""

    _esm = static("clips.js", "played.js", "soundscape.js")
    _css = static("clips.css", "played.css", "soundscape.css")


def thresholds(p, corpus, labels, hop, *, show=0):
    """Move the threshold, how far an event may fall below it, and the filter; see one clip, and the scores of all.

    A clip's probabilities and decisions are drawn under its spectrogram, with the truth. The title says how good the
    decisions are in all clips: over segments of 1 s, and over events with a collar of 200 ms.

    Parameters
    ----------
    p : np.ndarray, shape [clips, frames, classes]
        Probabilities, 0 to 1.
    corpus : audiolab.corpus.Corpus
        The same clips in the same order, with a table ``events``.
    labels : sequence of str
        The classes, in the order of `p`.
    hop : float
        Seconds from frame to frame; a second holds a whole number of them.
    show : int
        Which clip is drawn.

    Raises
    ------
    ValueError
        If `p` does not fit the clips and the classes, there is no clip `show`, or no clip has an event.

    Examples
    --------
    >>> thresholds(p, validation, al.corpora.scenes.CLASSES, 0.04, show=3)             # doctest: +SKIP

    Taught in: notebooks/11_event_detection.ipynb, "Where does one draw the line?"
    """
    p, labels = np.asarray(p), list(labels)
    if p.ndim != 3 or (len(p), p.shape[2]) != (len(corpus), len(labels)):
        raise ValueError(f"p has shape {list(p.shape)}: for {len(corpus)} clips and {len(labels)} classes it must be "
                         f"[{len(corpus)}, frames, {len(labels)}].")
    if show not in range(len(corpus)):
        raise ValueError(f"show is the number of a clip, 0 to {len(corpus) - 1}, not {show}.")
    clips, n, k = p.shape
    gap = round(1 / hop)                                                # frames
    begins = dict(zip(corpus.table.path, hop * (n + gap) * np.arange(clips), strict=True))

    def together(events):
        """On the time of one recording that holds all clips, a second of silence after each: scored at one go."""
        begin = events.path.map(begins)
        return events.assign(onset=events.onset + begin, offset=events.offset + begin, path="all")

    def segments(events):                                               # of the clips alone: [clips, segments, k]
        grid = detection.to_frames(events, labels, clips * (n + gap), hop).reshape(clips, n + gap, k)
        return detection.segments(grid[:, :n], hop)

    @functools.lru_cache                                                # of the settings of a slider
    def smoothed(frames):
        each = detection.median_filter(p.transpose(1, 0, 2).reshape(n, -1), frames).reshape(n, clips, k)
        return np.pad(each, ((0, gap), (0, 0), (0, 0))).transpose(1, 0, 2)

    events, (y, sr, row) = corpus.sidecar("events"), corpus[show]
    truth, own, begin = together(events), events[events.path == row["path"]], begins[row["path"]]
    wanted = segments(truth)
    picture = {"logmel": features.log_mel(preprocess.to_mono(y), sr), "labels": labels, "frame": hop,
               "step": features.log_mel_sizes(sr)["hop_length"] / sr}

    def draw(high, low, smooth):
        chain = smoothed(smooth)
        found = detection.decide(chain.reshape(-1, k), labels, hop, detection.Rule((high,) * k, low))
        scores = {"Segments": detection.segment_f1(wanted, segments(found)),
                  "Events": detection.event_f1(truth, found.assign(path="all"))}
        said = [f"{what}: F1 {s['f1']:.2f}, precision {s['precision']:.2f}, recall {s['recall']:.2f}"
                for what, s in scores.items()]
        here = found[found.onset.between(begin, begin + n * hop)]
        tracks = {"truth": own, "found": here.assign(onset=here.onset - begin, offset=here.offset - begin)}
        plots.events(**picture, tracks=tracks, probabilities=chain[show, :n], thresholds=(high,) * k,
                     title="\n".join(said), alt=f"{'. '.join(said)}. {_words(tracks, np.shape(y)[-1] / sr)}")

    explore(draw, high=slider("threshold", 0.5, 0.05, 0.95, 0.05), low=slider("low, share of it", 1.0, 0.2, 1.0, 0.1),
            smooth=slider("filter (frames)", 1, 1, 25, 2))


def _words(tracks, duration):
    """Tracks in words, for those who do not see them: which event lasts from when to when, if they are few."""
    def said(track):
        if not 0 < len(track) <= NAMED:
            return f"{len(track) or 'no'} events"
        return ", ".join(f"{e.label} {e.onset:.1f} to {e.offset:.1f} s" for e in track.itertuples())

    each = ". ".join(f"{name}: {said(track)}" for name, track in tracks.items())
    return f"Log-mel spectrogram of {duration:.1f} s, and under it what sounds when. {each}."


def _style(name, i):
    color, hatch = plots.track_style(i)
    return {"name": name, "color": color, "filling": plots.TRACK_HATCHES.index(hatch)}


def _kilohertz(sr, channels):
    """Names of some channels of a log-mel: where in it the frequencies lie that people name."""
    ends = np.linspace(0, features.hz_to_mel(sr / 2), channels + 2)     # channel i has its middle at i + 1
    return {round(np.interp(features.hz_to_mel(1000 * f), ends, np.arange(-1, channels + 1))): f"{f:g}"
            for f in KILOHERTZ if 1000 * f < sr / 2}
