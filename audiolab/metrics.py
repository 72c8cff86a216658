"""How good, and how sure: the field's measures under the field's names, by the libraries that own them.

A figure from few clips is a draw: beside it belongs the interval in which it would fall for other clips of the kind.
Answers that do not stand beside the truth one by one (other shapes, none at all, NaN or nothing among them, names
beside numbers) are a ValueError in each of them.
"""

import warnings

import numpy as np
import pandas as pd

from . import features
from .features import frames
from .features.frames import one_channel
from .preprocess import resample


def confusion_matrix(truth, predicted, labels):
    """How often each class was taken for each.

    Parameters
    ----------
    truth, predicted : array_like, shape [n]
    labels : sequence, length k
        All classes, in the order of rows and columns.

    Returns
    -------
    np.ndarray of int, shape [k, k]
        ``[i, j]`` clips of class i were called j.

    Raises
    ------
    ValueError
        If a class occurs that is not among `labels`.

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    from sklearn.metrics import confusion_matrix

    truth, predicted = _beside(truth, predicted)
    if unknown := {*truth.tolist(), *predicted.tolist()} - {*np.asarray(labels).tolist()}:
        raise ValueError(f"Not among the labels: {', '.join(map(repr, sorted(unknown)))}. Name all classes.")
    return confusion_matrix(truth, predicted, labels=labels)


def accuracy(truth, predicted):
    """Share of clips that got the right name, 0 to 1.

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    truth, predicted = _beside(truth, predicted)
    return float(np.mean(truth == predicted))


def macro_f1(truth, predicted):
    """Mean over the classes in `truth` of F1, the harmonic mean of precision and recall: 0 to 1.

    Every class counts alike, however rare. A class that is never predicted has F1 = 0.

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    from sklearn.metrics import f1_score

    truth, predicted = _beside(truth, predicted)
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0))


def wilson(right, n, level=0.95):
    """Interval of a share, from `right` of `n` independent trials (Wilson, 1927).

    Unlike ``p ± 1.96 sqrt(p (1 - p) / n)`` it does not shrink to nothing at 0 or 1.

    Parameters
    ----------
    right, n : int
    level : float
        How often such an interval holds the true share.

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If `right` is no whole number from 0 to `n`, there is no trial, or `level` is not between 0 and 1.

    Taught in: notebooks/06_classification.ipynb, "How sure are we?"
    """
    from scipy.stats import binomtest

    if not (0 <= right <= n and n > 0 and right % 1 == n % 1 == 0 and 0 < level < 1):
        raise ValueError(f"{right} right of {n} at level {level}: counts are whole, 0 to n with n at least 1, and the "
                         "level is between 0 and 1, such as 0.95.")
    low, high = binomtest(int(right), int(n)).proportion_ci(level, method="wilson")
    return float(low), float(high)


def bootstrap(score, *arrays, groups=None, level=0.95, draws=1000, seed=0):
    """Interval of a score by drawing the clips again and again, with replacement (percentile bootstrap).

    Parameters
    ----------
    score : callable
        ``score(*arrays) -> float``.
    *arrays : np.ndarray, shape [n, …]
        What it is computed from, drawn together: ``bootstrap(macro_f1, truth, predicted)``. For a difference of two
        models pass both predictions, so that both are asked about the same clips.
    groups : np.ndarray, shape [n], optional
        Clips that belong together (of one speaker) are drawn together.
    level : float
    draws, seed : int

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        If the arrays or `groups` differ in length, there are fewer than two clips or groups to draw from, a group is
        NaN, `level` is not between 0 and 1, or the score of a draw is NaN.

    References
    ----------
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    Taught in: notebooks/06_classification.ipynb, "How sure are we?"
    """
    rng, arrays = np.random.default_rng(seed), [np.asarray(a) for a in arrays]
    n = len(arrays[0])
    groups = np.arange(n) if groups is None else np.asarray(groups)
    if lengths := {len(a) for a in (*arrays, groups)} - {n}:
        raise ValueError(f"Drawn together are arrays of one length, not of {n} and {sorted(lengths)[0]}.")
    if len(set(groups.tolist())) < 2 or pd.isna(groups).any() or not 0 < level < 1:
        raise ValueError("Needed are two clips or groups at least, none of them NaN, and a level between 0 and 1: "
                         "what was drawn once says nothing about other draws.")
    which = np.unique(groups, return_inverse=True)[1]
    members = [np.flatnonzero(which == g) for g in range(which.max() + 1)]
    scores = []
    for _ in range(draws):
        at = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        scores.append(score(*(a[at] for a in arrays)))
    if np.isnan(scores).any():
        raise ValueError("The score of some draws is NaN: is it defined where a class happens to be absent?")
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar(truth, one, other):
    """Whether two models that were asked about the same clips differ: p-value of McNemar's exact test.

    Only clips that one has right and the other wrong tell. If both were equally good, each would fall to either side
    like a coin.

    Parameters
    ----------
    truth, one, other : array_like, shape [n]

    Returns
    -------
    float
        How often equally good models would differ so much or more; 1 when they never do.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.

    Taught in: notebooks/06_classification.ipynb, "How sure are we?"
    """
    from scipy.stats import binomtest

    truth, one, other = _beside(truth, one, other)
    first, second = truth == one, truth == other
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return float(binomtest(only_first, only_first + only_second).pvalue) if only_first + only_second else 1.0


def word_errors(truth, said):
    """Where what was recognised departs from what was said: the fewest words to replace, leave out and put in.

    Parameters
    ----------
    truth, said : str or list of str, length n
        One text, or one for each clip.

    Returns
    -------
    dict of str to int
        `words` of the truth, `substitutions`, `deletions`, `insertions`.

    Raises
    ------
    ValueError
        If there is not one text for each, or none at all.

    Taught in: notebooks/04_speech_recognition.ipynb, "How wrong is it?"
    """
    import jiwer

    found = jiwer.process_words(*_texts(truth, said))
    return {"words": found.hits + found.substitutions + found.deletions, "substitutions": found.substitutions,
            "deletions": found.deletions, "insertions": found.insertions}


def wer(truth, said):
    """Word error rate: substitutions, deletions and insertions of all clips, per word of the truth. It may pass 1.

    Parameters as `word_errors`. Raises ValueError also where the truth has no words: silence has no rate.

    Taught in: notebooks/04_speech_recognition.ipynb, "How wrong is it?"
    """
    errors = word_errors(truth, said)
    if not errors["words"]:
        raise ValueError("There is no word in the truth: count the words that were put in with word_errors.")
    return (errors["substitutions"] + errors["deletions"] + errors["insertions"]) / errors["words"]


def cer(truth, said):
    """Character error rate: as `wer`, of letters and spaces.

    Taught in: notebooks/04_speech_recognition.ipynb, "How wrong is it?"
    """
    import jiwer

    truth, said = _texts(truth, said)
    if not any(truth):
        raise ValueError("There is no letter in the truth: count the words that were put in with word_errors.")
    return float(jiwer.process_characters(truth, said).cer)


def _texts(truth, said):
    truth, said = ([texts] if isinstance(texts, str) else list(texts) for texts in (truth, said))
    if len(truth) != len(said) or not truth:
        raise ValueError(f"One text for each clip: there are {len(truth)} of the truth and {len(said)} recognised.")
    return truth, said


def stoi(reference, degraded, sr):
    """Short-time objective intelligibility: how much of the words should get through, about 0 to 1.

    In each third of an octave, over 0.4 s, how well the course of the level follows the reference (correlation).

    Parameters
    ----------
    reference, degraded : np.ndarray, shape [n]
        Sample for sample: a sound that is late is a bad one here.
    sr : int
        Any; it is measured at 10 kHz, up to 4.3 kHz.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the lengths differ, a sample is NaN, or less than 0.4 s of the reference is not silent.

    Notes
    -----
    By pystoi.

    References
    ----------
    Taal et al., "An algorithm for intelligibility prediction of time-frequency weighted noisy speech", 2011.

    Taught in: notebooks/05_text_to_speech.ipynb, "How good is a copy?"
    """
    import pystoi

    reference, degraded = _sounds(reference, degraded)
    if not reference.any():
        raise ValueError("The reference is silent: STOI asks how much of its words gets through, and there are none.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(pystoi.stoi(reference, degraded, sr))
        except RuntimeWarning:
            raise ValueError("STOI looks at 0.4 s at a time, and so much is not there when silence is left out: take "
                             "a longer recording.") from None


def pesq(reference, degraded, sr):
    """Perceptual evaluation of speech quality, wide band: an estimated opinion, 1 (bad) to 4.6.

    Parameters
    ----------
    reference, degraded : np.ndarray, shape [n]
    sr : int
        Brought to 16 kHz.

    Returns
    -------
    float

    Raises
    ------
    ImportError
        If the package pesq is not there: it is built by a C compiler, so it does not come with the course.
    ValueError
        If the lengths differ, a sample is NaN, or no speech is found in one of them.

    References
    ----------
    ITU-T P.862.2, "Wideband extension to recommendation P.862", 2007.

    Taught in: notebooks/05_text_to_speech.ipynb, "How good is a copy?"
    """
    try:
        import pesq
    except ImportError:
        raise ImportError("PESQ needs the package pesq, which a C compiler builds: `pip install pesq`. STOI and the "
                          "other measures do without.") from None
    reference, degraded = (resample(y, sr, 16000) for y in _sounds(reference, degraded))
    try:
        return float(pesq.pesq(16000, reference, degraded, "wb"))
    except (pesq.PesqError, ValueError) as error:               # of a silent sound it wants to make a NaN whole
        raise ValueError("PESQ cannot judge this: it needs a quarter of a second of speech, in the reference and in "
                         "the other.") from error


def mel_cepstral_distortion(reference, other, sr, align=False, n_mfcc=13):
    """MCD: how many decibels lie between the outlines of two spectra, mean over the frames; levels do not count.

    ``10 / ln 10 · sqrt(2 sum_{k=1}^{K} (c[k] - c'[k])²)`` with the cepstrum c of the log-mel spectrum, whose
    cosines add up to the logarithm of the magnitude: ``ln |X[m]| = sum_k c[k] cos(π k (m + 1/2) / M)``. With all
    K = M - 1 it is the root mean square, over the M mel channels, of the difference in decibels.

    Parameters
    ----------
    reference, other : np.ndarray, shape [n]
    sr : int
        Samples per second, of both.
    align : bool
        Let frames that belong together find each other (dynamic time warping), for sounds of different pace. It finds
        the way that is best for the figure, which is then lower.
    n_mfcc : int
        K, 1 or more.

    Returns
    -------
    float
        Decibels; 0 for the same sound at another level.

    Raises
    ------
    ValueError
        If the lengths differ and `align` is not set, a sample is NaN, or `n_mfcc` is below 1.

    Notes
    -----
    Figures of different papers cannot be compared: they come from other cepstra (often SPTK's) and other frames.

    References
    ----------
    Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993.

    Taught in: notebooks/05_text_to_speech.ipynb, "How good is a copy?"
    """
    if n_mfcc < 1:
        raise ValueError(f"n_mfcc={n_mfcc}: 1 or more. The level alone, c[0], does not count.")
    a, b = (features.mfcc(y, sr, n_mfcc + 1)[1:] for y in _sounds(reference, other, alike=not align))  # [K, frames]
    if align:
        import librosa

        i, j = librosa.sequence.dtw(a, b, metric="euclidean")[1].T
        a, b = a[:, i], b[:, j]
    M = features.log_mel_sizes(sr)["n_mels"]
    c = (a - b) / np.sqrt(2 * M)                                # the orthonormal transform of ln power, made c[k]
    return float(np.mean(10 / np.log(10) * np.sqrt(2 * np.sum(c**2, axis=0))))


def f0_error(reference, other, sr, **options):
    """How far the pitch of two sounds is apart, frame by frame.

    Parameters
    ----------
    reference, other : np.ndarray, shape [n]
    sr : int
    **options
        Of `audiolab.features.yin`, such as ``fmax=600``.

    Returns
    -------
    dict of str to float
        `voicing`: share of frames that are voiced in one sound alone (voicing decision error). Of those voiced in both
        `gross`: share that is off by more than a fifth, most often by an octave (gross pitch error); and `cents`: root
        mean square of the others, in hundredths of a semitone (fine pitch error). Both are NaN where no frame is left.

    Raises
    ------
    ValueError
        If the lengths differ, or a sample is NaN.

    References
    ----------
    Rabiner et al., "A comparative performance study of several pitch detection algorithms", 1976; Chu and Alwan,
    "Reducing F0 frame error of F0 tracking algorithms under noisy conditions", 2009.

    Taught in: notebooks/05_text_to_speech.ipynb, "How good is a copy?"
    """
    (f, voiced), (g, sounding) = (features.yin(y, sr, **options) for y in _sounds(reference, other))
    ratio = (g / f)[voiced & sounding]
    gross = np.abs(ratio - 1) > 0.2
    fine = 1200 * np.log2(ratio[~gross])
    return {"voicing": float(np.mean(voiced != sounding)),
            "gross": float(gross.mean()) if gross.size else np.nan,
            "cents": float(np.sqrt(np.mean(fine**2))) if fine.size else np.nan}


def _sounds(reference, other, alike=True):
    """Both as float64 of one channel, refused where they cannot be compared."""
    reference, other = (one_channel(y).astype(np.float64) for y in (reference, other))
    if alike and len(reference) != len(other):
        raise ValueError(f"Compared sample by sample are sounds of one length, not of {len(reference)} and "
                         f"{len(other)} samples: cut the longer one.")
    return reference, other


def si_sdr(reference, estimate):
    """Scale-invariant signal-to-distortion ratio: how far an estimate stands out of its own errors, at any level.

    ``10 log10(|a s|² / |a s - ŝ|²)`` with ``a = <ŝ, s> / |s|²``: the part of the estimate ŝ that is the reference s,
    however loud, over all the rest. ``1 / tan²`` of the angle between the two is the same.

    Parameters
    ----------
    reference, estimate : np.ndarray, shape [..., n]
        Sample for sample; each channel is judged alone.

    Returns
    -------
    np.ndarray, shape [...], or float for one channel
        Decibels. A silent estimate, or one that holds nothing of the reference, has ``-inf``; a copy at another level
        has ``inf``, or what rounding leaves of it: over 100.

    Raises
    ------
    ValueError
        If the shapes differ, a sample is NaN, or a reference is silent: nothing can be compared with silence.

    Notes
    -----
    As ``torchmetrics.functional.audio.scale_invariant_signal_distortion_ratio`` without `zero_mean`: a constant counts
    as an error like any other.

    References
    ----------
    Le Roux et al., "SDR - half-baked or well done?", 2019.

    Taught in: notebooks/08_separation.ipynb, "How far is an estimate from the truth?"
    """
    s, e = _references(reference, estimate)
    wanted = np.sum(e * s, axis=-1, keepdims=True) / np.sum(s**2, axis=-1, keepdims=True) * s
    return _ratio_db(np.sum(wanted**2, axis=-1), np.sum((wanted - e) ** 2, axis=-1))


def si_sdr_improvement(reference, estimate, mixture):
    """SI-SDRi: by how many decibels an estimate is nearer to its reference than the mixture was.

    Parameters
    ----------
    reference, estimate : np.ndarray, shape [..., n]
    mixture : np.ndarray, shape [n], or as the others
        What was heard.

    Returns
    -------
    np.ndarray, shape [...], or float for one channel

    Raises
    ------
    ValueError
        As `si_sdr`; also if the mixture holds its reference alone or not at all, so that nothing can be gained.

    Taught in: notebooks/08_separation.ipynb, "How far is an estimate from the truth?"
    """
    before = si_sdr(reference, np.broadcast_to(mixture, np.shape(reference)))
    if not np.isfinite(before).all():
        raise ValueError("The mixture is its reference alone, or holds nothing of it: from there on no gain is told.")
    return si_sdr(reference, estimate) - before


def sdr(reference, estimate, taps=512):
    """Signal-to-distortion ratio of BSS Eval: what any short filter makes of the reference counts as right.

    As `si_sdr`, with the best filter h of so many taps in place of the best level: ``10 log10(|h∗s|² / |h∗s - ŝ|²)``.
    It forgives a room, a delay of less than `taps` and a tone control. Never lower than SI-SDR.

    Parameters
    ----------
    reference, estimate : np.ndarray, shape [n]
    taps : int
        32 ms at 16 kHz.

    Returns
    -------
    float
        Decibels; from about 80 on rounding decides.

    Raises
    ------
    ValueError
        As `si_sdr`; also for several channels, or if there are fewer samples than taps.

    Notes
    -----
    As ``torchmetrics.functional.audio.signal_distortion_ratio``.

    References
    ----------
    Vincent et al., "Performance measurement in blind audio source separation", 2006.

    Taught in: notebooks/08_separation.ipynb, "How far is an estimate from the truth?"
    """
    from scipy.linalg import solve, toeplitz
    from scipy.signal import correlate

    s, e = _references(one_channel(reference), one_channel(estimate))
    if len(s) < taps:
        raise ValueError(f"A filter of {taps} taps is not known from {len(s)} samples: take a longer sound.")
    s, e = s / np.linalg.norm(s), e / (np.linalg.norm(e) or 1)
    own = correlate(s, s, method="fft")[len(s) - 1 :][:taps]
    cross = correlate(e, s, method="fft")[len(s) - 1 :][:taps]
    own[0] += 1e-10                                             # bands without sound leave the filter open
    explained = min(float(cross @ solve(toeplitz(own), cross, assume_a="pos")), 1.0)
    return float(_ratio_db(explained, float(e @ e) - explained))


def _references(reference, estimate):
    """Both as float64, refused where they cannot be compared."""
    reference, estimate = (frames.signal(y).astype(np.float64) for y in (reference, estimate))
    if reference.shape != estimate.shape:
        raise ValueError(f"Compared sample by sample are sounds of one shape, not {list(reference.shape)} and "
                         f"{list(estimate.shape)}: cut the longer one, or choose a channel.")
    if not np.any(reference, axis=-1).all():
        raise ValueError("A reference is silent: nothing can be compared with silence. Leave that clip out.")
    return reference, estimate


def _ratio_db(wanted, rest):
    """``10 log10(wanted / rest)``; ``-inf`` where nothing is wanted, ``inf`` where there is no rest."""
    with np.errstate(divide="ignore"):
        return np.where(wanted > 0, 10 * (np.log10(wanted) - np.log10(np.where(wanted > 0, rest, 1))), -np.inf)[()]


def musical_noise(noise, left, sr):
    """How much of the residue of a denoiser stands out as single tones: logarithm of a ratio of kurtoses.

    Noise has a smooth spectrogram. A denoiser that takes most of it and leaves a bin here and there makes it ring.
    Kurtosis, ``E[p²] / E[p]²`` of the power p in bins and frames, tells the two apart: 2 for Gaussian noise, more the
    rarer and taller the peaks are.

    Parameters
    ----------
    noise, left : np.ndarray, shape [n]
        Noise alone, and what the denoiser left of it.
    sr : int

    Returns
    -------
    float
        ``ln(kurtosis after / kurtosis before)``: 0 where noise is only softer.

    Raises
    ------
    ValueError
        As `si_sdr`; also if nothing is left.

    References
    ----------
    Uemura et al., "Automatic optimization scheme of spectral subtraction based on musical noise assessment via
    higher-order statistics", 2008.

    Taught in: notebooks/08_separation.ipynb, "What is left when noise is subtracted?"
    """
    pair = _references(one_channel(noise), one_channel(left))
    if not pair[1].any():
        raise ValueError("Nothing is left of the noise: there is nothing that could ring.")
    powers = [np.abs(features.stft(y, 2 ** round(np.log2(0.032 * sr)))) ** 2 for y in pair]
    before, after = (np.mean(np.mean(p**2, axis=1) / np.maximum(np.mean(p, axis=1), 1e-300) ** 2) for p in powers)
    return float(np.log(after / before))


def note_f1(truth, found, tolerance=0.05, offsets=False):
    """How many notes of a transcription are right: its precision, recall and F1.

    A note is right when its pitch is the same and its onset at most `tolerance` away; each counts once, in the best of
    all pairings.

    Parameters
    ----------
    truth, found : pandas.DataFrame or sequence of dict
        `onset` and `offset` in seconds, `pitch` as MIDI number: as in a corpus's table ``notes``.
    tolerance : float
        Seconds.
    offsets : bool
        Ask also for the end: within a fifth of the note's length, or 50 ms if that is more.

    Returns
    -------
    dict of str to float
        `precision`, `recall`, `f1`, 0 to 1; all 0 if no note was found.

    Raises
    ------
    ValueError
        If the truth has no notes, or a note has no length, no pitch, or begins before 0.

    Notes
    -----
    By ``mir_eval.transcription``, as in the yearly comparisons of MIREX.

    References
    ----------
    Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", 2014.

    Taught in: notebooks/08_separation.ipynb, "Which sounds is it made of?"
    """
    from mir_eval.transcription import precision_recall_f1_overlap

    tables = [pd.DataFrame(notes, columns=["onset", "offset", "pitch"]).to_numpy(float) for notes in (truth, found)]
    if not len(tables[0]):
        raise ValueError("The truth has no notes: there is nothing to find.")
    for notes in tables:
        if not (np.isfinite(notes).all() and (notes[:, 0] >= 0).all() and (notes[:, 0] < notes[:, 1]).all()):
            raise ValueError("A note needs a pitch, an onset of 0 s or later, and an offset after it.")
    if not len(tables[1]):
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    (ref, ref_hz), (est, est_hz) = ((t[:, :2], 440 * 2 ** ((t[:, 2] - 69) / 12)) for t in tables)
    scores = precision_recall_f1_overlap(ref, ref_hz, est, est_hz, onset_tolerance=tolerance,
                                         offset_ratio=0.2 if offsets else None)
    return {name: float(score) for name, score in zip(("precision", "recall", "f1"), scores, strict=False)}


def frechet_distance(x, y):
    """How far two clouds of embeddings lie apart, each taken for a normal distribution (Fréchet, Wasserstein-2).

    ``|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, with mean m and covariance C of each. Of embeddings of sounds it is
    known as the Fréchet audio distance; its unit is that of the embeddings, squared.

    Parameters
    ----------
    x, y : np.ndarray, shape [n, dim] and [m, dim]
        Clips of two kinds. Few clips make it larger: compare figures of equally many, more than `dim`.

    Returns
    -------
    float
        0 for the same mean and covariance.

    Raises
    ------
    ValueError
        If the clouds have other dimensions, fewer than two rows, or NaN.

    Notes
    -----
    With the rows of X and Y centred, ``C1 = X'X / (n - 1)``, so that the eigenvalues of ``C1 C2`` are the squared
    singular values of ``R1 R2'``, where R is what a QR decomposition leaves of X and Y. No root of a matrix is needed,
    which for few clips would not be real.

    References
    ----------
    Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; Kilgour et al., "Fréchet
    audio distance: a reference-free metric for evaluating music enhancement algorithms", 2019.

    Taught in: notebooks/12_transfer.ipynb, "Why do real voices sound so different?"
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError("Clouds are [clips, dim] with two clips at least and the same dim, not "
                         f"{list(x.shape)} and {list(y.shape)}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("There is NaN or infinity among the embeddings.")
    r1, r2 = (np.linalg.qr(z - z.mean(axis=0), mode="r") / np.sqrt(len(z) - 1) for z in (x, y))
    both = np.linalg.svd(r1 @ r2.T, compute_uv=False).sum()
    apart = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    return float(max(0, apart + np.sum(r1**2) + np.sum(r2**2) - 2 * both))


def eer(scores, same):
    """Equal error rate of a verification: where as many strangers are let in as rightful people are turned away.

    With a threshold t, who scores t or more is let in. The false acceptance rate falls as t rises, the false rejection
    rate rises; between two neighbouring scores both are taken as straight lines, and they cross once.

    Parameters
    ----------
    scores : array_like, shape [trials]
        Higher for pairs that are more alike.
    same : array_like of bool, shape [trials]
        Whether a pair is of one person.

    Returns
    -------
    rate : float
        0 to 1; a coin has 0.5.
    threshold : float
        At which it is reached.

    Raises
    ------
    ValueError
        If there is no pair of one person, or none of two.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    same, scores = _beside(same, scores)
    same = same.astype(bool)
    if same.all() or not same.any():
        raise ValueError("Needed are pairs of one person and pairs of two: one of the two errors cannot be made here.")
    t = np.unique(scores).astype(np.float64)
    rejected = np.searchsorted(np.sort(scores[same]), t) / same.sum()           # below t
    accepted = 1 - np.searchsorted(np.sort(scores[~same]), t) / (~same).sum()
    t, rejected, accepted = np.append(t, t[-1]), np.append(rejected, 1), np.append(accepted, 0)     # nobody is let in
    i = int(np.argmax(rejected >= accepted))                    # the first threshold past the crossing; never the first
    gap = accepted[i - 1 : i + 1] - rejected[i - 1 : i + 1]
    part = gap[0] / (gap[0] - gap[1])
    return (float(rejected[i - 1] + part * (rejected[i] - rejected[i - 1])),
            float(t[i - 1] + part * (t[i] - t[i - 1])))


def mean_absolute_error(truth, estimate):
    """MAE: by how much an estimate is off on average, in its own unit.

    Taught in: notebooks/06_classification.ipynb, "How much, instead of what?"
    """
    truth, estimate = _beside(truth, estimate)
    return float(np.mean(np.abs(np.subtract(truth, estimate, dtype=float))))


def mean_squared_error(truth, estimate):
    """MSE: the mean of the squared error, in which large ones weigh more.

    Taught in: notebooks/06_classification.ipynb, "How much, instead of what?"
    """
    truth, estimate = _beside(truth, estimate)
    return float(np.mean(np.subtract(truth, estimate, dtype=float) ** 2))


def _beside(truth, *answers):
    """All as arrays, refused unless each answer stands beside its truth."""
    arrays = [np.asarray(a) for a in (truth, *answers)]
    if len({a.shape for a in arrays}) > 1:                      # [n] and [n, 1] would be compared each with each
        raise ValueError(f"One answer for each clip: the shapes are {' and '.join(str(a.shape) for a in arrays)}.")
    if not arrays[0].size:
        raise ValueError("There is no clip to measure on.")
    if any(pd.isna(a).any() for a in arrays):
        raise ValueError("There is NaN, or nothing, among the answers or the truth.")
    if len({isinstance(a.flat[0], str) for a in arrays}) > 1:
        raise ValueError("Names stand beside numbers: turn one into the other first.")
    return arrays
