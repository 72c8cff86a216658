"""How good a detector is: by segments, by events, over all thresholds at once."""

import numpy as np
import pandas as pd


def segment_f1(truth, found):
    """Segment-based F1: of each segment and class, is it on or off?

    ``F1 = 2 TP / (2 TP + FP + FN)``, counted over all clips, segments and classes (micro average, as the field reports
    it), and for each class by itself.

    Parameters
    ----------
    truth, found : np.ndarray of bool, shape [clips, segments, classes]

    Returns
    -------
    dict
        `f1`, `precision`, `recall`, 0 to 1, `error_rate` (substitutions, deletions and insertions for each one that
        is there: 0 is perfect, 1 is as bad as to find nothing, more is worse), and `per_class`, an array of F1; NaN
        becomes 0 where a class neither occurs nor is found.

    Raises
    ------
    ValueError
        If the shapes differ or nothing occurs in the truth.

    References
    ----------
    Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", 2016.

    Taught in: notebooks/11_event_detection.ipynb, "How is a detection scored?"
    """
    truth, found = (np.asarray(a, bool) for a in (truth, found))
    if truth.shape != found.shape:
        raise ValueError(f"Truth and findings differ in shape: {truth.shape} and {found.shape}.")
    if not truth.any():
        raise ValueError("Nothing occurs in these clips: there is nothing to find.")
    over = tuple(range(truth.ndim - 1))
    tp, fp, fn = ((a & b).sum(axis=over) for a, b in ((truth, found), (~truth, found), (truth, ~found)))
    missed, extra = ((a & ~b).sum(axis=-1) for a, b in ((truth, found), (found, truth)))       # of each segment
    errors = np.maximum(missed, extra).sum()                    # a wrong name for a right one is one error, not two
    return {**_f1(tp.sum(), fp.sum(), fn.sum()), "error_rate": float(errors / truth.sum()),
            "per_class": 2 * tp / np.maximum(2 * tp + fp + fn, 1)}


def _f1(tp, fp, fn):
    return {"f1": float(2 * tp / max(2 * tp + fp + fn, 1)), "precision": float(tp / max(tp + fp, 1)),
            "recall": float(tp / max(tp + fn, 1))}


def average_precision(truth, p):
    """mAP: the area under precision over recall, as the threshold falls, of each class; and the mean of all.

    ``AP = sum over n of (R[n] - R[n - 1]) P[n]``, at every threshold that changes a decision.

    Parameters
    ----------
    truth : np.ndarray of bool, shape [..., classes]
        Of segments, or of clips.
    p : np.ndarray, shape of `truth`
        Probabilities, or anything that grows with them.

    Returns
    -------
    mean : float
        Over the classes that occur.
    per_class : np.ndarray, shape [classes]
        NaN for those that do not.

    Raises
    ------
    ValueError
        If the shapes differ or nothing occurs.

    Taught in: notebooks/11_event_detection.ipynb, "How is a detection scored?"
    """
    from sklearn.metrics import average_precision_score

    truth, p = np.asarray(truth, bool), np.asarray(p)
    if truth.shape != p.shape or not truth.any():
        raise ValueError(f"Truth {truth.shape} and probabilities {p.shape} need one shape, and something to find.")
    truth, p = (a.reshape(-1, a.shape[-1]) for a in (truth, p))
    each = np.array([average_precision_score(t, q) if t.any() else np.nan for t, q in zip(truth.T, p.T, strict=True)])
    return float(np.nanmean(each)), each


def event_f1(truth, found, *, collar=0.2, share=0.2, offsets=True):
    """Event-based F1: is each event there, with its name, from its beginning to its end?

    An event that was found is right when an event of its clip and class begins within `collar` of it and, if asked,
    ends within `collar` or `share` of its length, whichever is more. Each counts once, in the best of all pairings.

    Parameters
    ----------
    truth, found : pandas.DataFrame
        `path` of the clip, `onset` and `offset` in seconds, `label`.
    collar : float
        Seconds.
    share : float
        Of the length of the true event.
    offsets : bool
        Ask for the ends.

    Returns
    -------
    dict
        `f1`, `precision`, `recall` over all events (micro), `macro_f1`, the mean over the classes that occur, and
        `per_class`, a dict of F1.

    Raises
    ------
    ValueError
        If the truth has no event.

    References
    ----------
    Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", 2016. `sed_eval` takes the best of
    all pairings as well, unless told otherwise; its own default for `share` is 0.5. DCASE reports `macro_f1`.

    Taught in: notebooks/11_event_detection.ipynb, "How is a detection scored?"
    """
    if not len(truth):
        raise ValueError("There is no event in the truth: there is nothing to find.")
    counts = {label: np.zeros(3, int) for label in sorted({*truth.label, *found.label})}        # tp, fp, fn
    there, here = ({key: rows.to_numpy(float) for key, rows in
                    table.set_index(["path", "label"])[["onset", "offset"]].groupby(level=[0, 1])}
                   for table in (truth, found))
    nothing = np.empty((0, 2))
    for key in there.keys() | here.keys():
        want, got = there.get(key, nothing), here.get(key, nothing)
        tp = _pairs(want, got, collar, share, offsets)
        counts[key[1]] += tp, len(got) - tp, len(want) - tp
    per_class = {label: _f1(*n)["f1"] for label, n in counts.items()}
    occur = set(truth.label)
    return {**_f1(*sum(counts.values())), "per_class": per_class,
            "macro_f1": float(np.mean([f1 for label, f1 in per_class.items() if label in occur]))}


def _pairs(want, got, collar, share, offsets):
    """How many of the events can be paired with one of their own each: the largest matching of two sets."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not (len(want) and len(got)):
        return 0
    fits = np.abs(want[:, None, 0] - got[None, :, 0]) <= collar + 1e-9
    if offsets:
        slack = np.maximum(collar, share * (want[:, 1] - want[:, 0]))
        fits &= np.abs(want[:, None, 1] - got[None, :, 1]) <= slack[:, None] + 1e-9
    return int((maximum_bipartite_matching(csr_array(fits)) >= 0).sum())


def psds(truth, found, durations, *, dtc=0.7, gtc=0.7, cttc=0.3, alpha_ct=0.0, alpha_st=1.0, e_max=100.0):
    """PSDS, the polyphonic sound detection score: how many events are found at how many false alarms an hour.

    A detection is relevant when truth of its class covers `dtc` of it; an event is found when relevant detections
    cover `gtc` of it. What is not relevant is a false alarm, and confuses one class with another when events of that
    cover `cttc` of it. Over all thresholds that gives each class a curve: the share of its events found, against the
    effective rate of false alarms, ``FP an hour + alpha_ct · mean over the others of confusions an hour of theirs``.
    The score is the area under ``mean - alpha_st · standard deviation`` of the curves of all classes, up to `e_max`
    false alarms an hour, as a share of the most that is possible.

    Parameters
    ----------
    truth : pandas.DataFrame
        `path`, `onset`, `offset`, `label`.
    found : sequence of pandas.DataFrame
        The same for each of many thresholds, in any order. More thresholds never lower the score of a single class.
    durations : dict of str to float
        Seconds of each clip, also of those without events.
    dtc, gtc, cttc : float
        0 to 1. The defaults are scenario 1 of DCASE, which asks for times; scenario 2, which asks for names, is
        ``dtc=0.1, gtc=0.1, alpha_ct=0.5``.
    alpha_ct, alpha_st, e_max : float

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ValueError
        If there is no event in the truth, or a clip has no duration.

    References
    ----------
    Bilen et al., "A framework for the robust evaluation of sound event detection", 2020.

    Taught in: notebooks/11_event_detection.ipynb, "How is a detection scored?"
    """
    if not len(truth):
        raise ValueError("There is no event in the truth: there is nothing to find.")
    if unknown := {*truth.path, *(path for table in found for path in table.path)} - set(durations):
        raise ValueError(f"{sorted(unknown)[0]!r} has no duration.")
    labels, hours = sorted(set(truth.label)), sum(durations.values()) / 3600
    sounding = truth.assign(length=truth.offset - truth.onset).groupby("label").length.sum() / 3600     # hours
    points = [_operating_point(truth, table, labels, hours, sounding, (dtc, gtc, cttc, alpha_ct)) for table in found]
    rates = np.array(points)                                    # [thresholds, classes, (share found, false alarms)]
    e = np.unique(np.concatenate([[0, e_max], rates[..., 1].ravel()]))
    e = e[e <= e_max]
    curves = np.array([[_most(rates[:, k], limit) for limit in e] for k in range(len(labels))])
    height = np.maximum(curves.mean(axis=0) - alpha_st * curves.std(axis=0), 0)
    return float(np.sum(height[:-1] * np.diff(e)) / e_max)      # steps: a point holds until the next


def _most(points, limit):
    """Largest share found at no more than so many false alarms an hour."""
    return max(points[points[:, 1] <= limit, 0], default=0.0)


def _operating_point(truth, found, labels, hours, sounding, criteria):
    """Of each class the share of events found, and the effective rate of false alarms an hour: [classes, 2]."""
    dtc, gtc, cttc, alpha_ct = criteria
    truth, found = (table[table.label.isin(labels)].reset_index(drop=True) for table in (truth, found))
    want, got = (pd.Categorical(table.label, labels).codes.astype(int) for table in (truth, found))     # class numbers
    lasts, length = ((table.offset - table.onset).to_numpy(float) for table in (truth, found))          # seconds
    pairs = truth.reset_index().merge(found.reset_index(), on="path")           # each true event with each found one
    i, j = pairs.index_x.to_numpy(), pairs.index_y.to_numpy()
    shared = np.maximum(np.minimum(pairs.offset_x, pairs.offset_y) - np.maximum(pairs.onset_x, pairs.onset_y), 0)
    inside = np.bincount(j * len(labels) + want[i], shared, len(found) * len(labels)).reshape(-1, len(labels))
    own = np.arange(len(labels)) == got[:, None]                # [found, classes], as `inside`, which is in seconds
    relevant = inside[own] >= dtc * length
    counts = (want[i] == got[j]) & relevant[j]
    is_found = np.bincount(i[counts], shared[counts], len(truth)) >= gtc * lasts
    hits, false, occur = (np.bincount(k, minlength=len(labels)) for k in (want[is_found], got[~relevant], want))
    confused = np.zeros((len(labels), len(labels)))
    np.add.at(confused, got, (inside >= cttc * length[:, None]) & ~own & ~relevant[:, None])
    others = (confused / sounding[labels].to_numpy()).sum(axis=1) / max(len(labels) - 1, 1)
    return np.stack([hits / occur, false / hours + alpha_ct * others], axis=1)


def pauc(truth, score, most=0.1):
    """Partial AUC: how well a score tells what is out of order, where no more than `most` of the rest may be touched.

    The area under the ROC curve up to the false positive rate `most`, scaled so that guessing gives 0.5 and
    perfection 1 (McClish, 1989).

    Parameters
    ----------
    truth : array_like of bool, shape [n]
    score : array_like, shape [n]
        Larger is more suspicious.
    most : float
        0 to 1; 1 gives the whole AUC.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If only one kind is there.

    Taught in: notebooks/11_event_detection.ipynb, "What is not as it should be?"
    """
    from sklearn.metrics import roc_auc_score

    if len(set(np.asarray(truth, bool).tolist())) < 2:
        raise ValueError("An AUC needs sounds that are in order and sounds that are not.")
    return float(roc_auc_score(truth, score, max_fpr=most if most < 1 else None))
