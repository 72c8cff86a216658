"""Checks of chapter 02, preprocessing: noise at a ratio, trimming, a high-pass, a split, a level, SpecAugment."""

import warnings

import numpy as np

from .spec import Exercise, briefly, edge_signals, two_numbers

# ---------------------------------------------------------------------------------------------- 02.1


def _speech_and_short_noise():
    i = np.arange(26)
    y, noise = 0.5 * np.sin(0.7 * i + 0.2), 0.3 * np.cos(2.1 * i[:10] ** 1.3) + 0.05
    return y.astype(np.float32), noise.astype(np.float32)


mix_at_snr = Exercise(
    "02.1", "mix_at_snr(y, noise, snr_db)",
    example=lambda: (*_speech_and_short_noise(), 6.0),
    hints=[
        "Two steps: first a piece of noise as long as `y`, then its gain. How strong is the voice, how strong is that "
        "piece, and how strong should the piece be?",
        "Solve the definition for the power that the noise should have: P_y divided by 10 to the power of "
        "`snr_db / 10`. "
        "A gain g multiplies the power by g².",
        "`np.resize` repeats or cuts an array to a length. The gain is a square root of a ratio of powers; "
        "where a power "
        "is 0, return a copy before you divide. Turn the sum into float32 last.",
    ],
    learned="At −5 dB the noise has three times the power of the voice, and people still catch words.",
)


@mix_at_snr.output
def is_float32_as_long_as_the_voice(t, got, y, noise, snr_db):
    t.array(got, shape=y.shape, dtype=np.float32)


@mix_at_snr.edges
def silence_has_no_ratio(t):
    y, noise = t.rng.normal(0, 0.2, (2, 40)).astype(np.float32)
    late = np.concatenate([0 * y, noise])
    cases = {"a silent voice": (0 * y, noise, 0 * y), "silent noise": (y, 0 * noise, y),
             "noise that begins with silence as long as the voice": (y, late, y)}
    for name, (voice, other, want) in cases.items():
        t.close(t.on(name)(voice, other, 10.0), want, atol=0,
                says=f"With {name} there is no ratio: the voice comes back as it was.",
                ask="What does the formula divide by, and when is that 0?")

    def mix_at_snr(y, noise, snr_db):
        return np.shares_memory(t.answer(y, noise, snr_db), y)

    shared = t.call(mix_at_snr, y, 0 * noise, 10.0)
    t.holds(not shared, "With silent noise you hand back `y` itself: whoever changes the result changes the recording.",
            ask="The task says a *copy*: which array is it that you return?", values=False)


@mix_at_snr.edges
def one_sample(t):
    (_, y), = edge_signals("one sample")
    got = t.on("a voice and a noise of one sample, at 0 dB")(y, np.array([-0.5], np.float32), 0.0)
    t.close(got, [0.0], atol=1e-6, ask="At 0 dB, how strong is the noise beside the voice?",
            says="At 0 dB the two are equally strong, and these two are opposite: they cancel.")
    (_, y), = edge_signals("DC")
    got = t.on("a voice of 64 samples, a noise of one")(y, np.array([0.125], np.float32), 0.0)
    t.close(got, np.full(64, 1.0), atol=1e-6, ask="How often does the noise fit into the voice?",
            says="One sample of noise, repeated, is a constant; at 0 dB it is as strong as the voice, 0.5.")


@mix_at_snr.edges
def faint_noise_is_not_silence(t):
    y, noise = t.rng.normal(size=(2, 300)).astype(np.float32)
    got = t.on("noise at −100 dBFS")(y, 1e-5 * noise, 10.0)
    t.close(got, t(y, noise, 10.0), atol=1e-3, ask="Did you add something small, and how small are these powers?",
            says="Noise 100 dB softer needs 100 dB more gain, and the mixture is the same.")


@mix_at_snr.edges
def beyond_full_scale(t):
    y = np.tile([0.9, -0.9, 0.3, -0.3], 10).astype(np.float32)
    t.close(t.on("a voice within ±0.9 and noise like it at 0 dB")(y, y, 0.0), 2 * y, atol=1e-4,
            says="The two are equally strong and add up to ±1.8. Nothing is clipped or rescaled here.",
            ask="Which line of yours knows where full scale is?")


@mix_at_snr.properties
def the_voice_keeps_its_level(t):
    y, noise = t.rng.normal(size=(2, 400))
    noise -= y * (noise @ y) / (y @ y)                      # nothing of the voice is in the noise
    y, noise = y.astype(np.float32), noise.astype(np.float32)
    share = t.on("noise that has nothing of the voice, at 5 dB")(y, noise, 5.0) @ y / (y @ y)
    t.holds(abs(share - 1) < 1e-3, "The voice should be in the mixture as it was, at 1 times its level; in yours it "
            f"is at **{share:.3f}** times.", ask="Which of the two is multiplied?")


@mix_at_snr.properties
def has_the_ratio(t):
    for snr, k in ((20.0, 400), (6.0, 400), (-5.0, 400), (10.0, 150), (10.0, 900)):
        y, noise = t.rng.normal(size=400), t.rng.normal(size=k) + 0.8
        noise[: k // 3] *= 0.2                              # its parts are not alike
        y, noise = y.astype(np.float32), noise.astype(np.float32)
        case = f"a voice of 400 samples and a noise of {k} at {snr:g} dB"
        added = t.on(case)(y, noise, snr).astype(float) - y
        t.holds(added.any(), f"For {case}, you add nothing.", ask="Does the noise come into your result?")
        found = 10 * np.log10(np.mean(y.astype(float) ** 2) / np.mean(added**2))
        t.holds(abs(found - snr) < 0.01, f"For {case}, what you add lies **{found:.2f} dB** below the voice; it "
                f"should be {snr:g}.",
                ask="Which samples does the power of the noise come from, and is a gain a ratio of powers?")


@mix_at_snr.properties
def the_noise_starts_at_its_start(t):
    y = np.full(30, 0.5, np.float32)
    for k in (7, 30, 45):
        noise = t.rng.uniform(0.1, 1, k).astype(np.float32)
        piece = np.take(noise, np.arange(30) % k)
        added = t.on(f"a voice of 30 samples and a noise of {k} at 0 dB")(y, noise, 0.0) - y
        t.close(added, piece * 0.5 / np.sqrt(np.mean(piece**2)), atol=1e-4,
                says="What you add should be the noise from its start" + (", over and over." if k < 30 else "."),
                ask="Which sample of the noise goes with the first sample of the voice, and which with the last?")


@mix_at_snr.reference
def agrees_with_numpy_norm_and_torchaudio(t):
    y = np.array([0.5, -0.25, 0.75, 0.1, -0.6, 0.3], np.float32)
    noise = np.array([0.2, 0.1, -0.4, 0.3, 0.05, -0.1], np.float32)
    known = {7.0: [0.684648, -0.157676, 0.380703, 0.376973, -0.553838, 0.207676],          # torchaudio 2.11 gave these
             -4.0: [1.155157, 0.077579, -0.560315, 1.082736, -0.436211, -0.027579]}
    for snr, want in known.items():
        t.close(t.on(f"six samples of each at {snr:g} dB")(y, noise, snr), want, atol=1e-5,
                says="It has to agree with `torchaudio.functional.add_noise`.", ask="Is a gain a ratio of powers?")
    for n, k in ((500, 500), (333, 100), (200, 700)):
        y, noise = (t.rng.normal(size=m).astype(np.float32) for m in (n, k))
        snr = float(t.rng.uniform(-10, 30))
        piece = np.take(noise.astype(float), np.arange(n) % k)
        want = y + piece * np.linalg.norm(y) / np.linalg.norm(piece) * 10 ** (-snr / 20)
        t.close(t.on(f"a voice of {n} samples and a noise of {k} at {snr:.1f} dB")(y, noise, snr), want, atol=1e-4,
                says="It has to agree with the Euclidean norms, `np.linalg.norm`, of voice and piece.",
                ask="Which samples does the power of the noise come from?")


def _mixed(y, noise, snr_db, strength=lambda x: np.mean(x**2), piece=np.resize,
           gain=lambda ratio, snr: np.sqrt(ratio / 10 ** (snr / 10))):
    """What a mistake hands back: another measure of strength, gain or piece."""
    y, noise = y.astype(float), noise.astype(float)
    added = piece(noise, len(y))
    if not strength(y) or not strength(added):
        return y.astype(np.float32)
    return (y + gain(strength(y) / strength(added), snr_db) * added).astype(np.float32)


@mix_at_snr.mistake("You divide an amplitude by 10 to the power of `snr_db / 10`, which is meant for powers: the "
                    "noise is twice as many decibels down.",
                    ask="By how much does the amplitude change when the power is a tenth?")
def decibels_of_power_on_amplitudes(y, noise, snr_db):
    return _mixed(y, noise, snr_db, gain=lambda ratio, snr: np.sqrt(ratio) / 10 ** (snr / 10))


@mix_at_snr.mistake("Your gain is a ratio of powers. Samples are amplitudes.",
                    ask="What does a gain g make of the power?")
def no_root(y, noise, snr_db):
    return _mixed(y, noise, snr_db, gain=lambda ratio, snr: ratio / 10 ** (snr / 10))


@mix_at_snr.mistake("You scale the voice and leave the noise.", ask="Which of the two should keep its level?")
def scales_the_voice(y, noise, snr_db):
    added = np.resize(noise, len(y)).astype(float)
    gain = np.sqrt(np.mean(added**2) * 10 ** (snr_db / 10) / max(np.mean(y.astype(float) ** 2), 1e-30))
    return (gain * y + added).astype(np.float32)


@mix_at_snr.mistake("Your decibels count the other way: the noise becomes stronger as `snr_db` grows.",
                    ask="At an SNR of 20 dB, which is the stronger: voice or noise?")
def upside_down(y, noise, snr_db):
    return _mixed(y, noise, -snr_db)


@mix_at_snr.mistake("That is the power of the whole noise recording, of which you add only a part, or parts more "
                    "often than others.", ask="Which samples are added?")
def power_of_the_whole_noise(y, noise, snr_db):
    power = np.mean(noise.astype(float) ** 2)
    if not power or not np.resize(noise, len(y)).any():
        return y.copy()
    gain = np.sqrt(np.mean(y.astype(float) ** 2) / power / 10 ** (snr_db / 10))
    return (y + gain * np.resize(noise, len(y))).astype(np.float32)


@mix_at_snr.mistake("Where the noise ends, you go on without it.", ask="What should follow after its last sample?")
def filled_with_zeros(y, noise, snr_db):
    return _mixed(y, noise, snr_db, piece=lambda noise, n: np.pad(noise[:n], (0, max(n - len(noise), 0))))


@mix_at_snr.mistake("That compares peaks. A ratio of powers compares means of squares.",
                    ask="How many samples does each of your two numbers depend on?")
def compares_peaks(y, noise, snr_db):
    return _mixed(y, noise, snr_db, strength=lambda x: np.max(np.abs(x)) ** 2)


@mix_at_snr.mistake("That is the variance: it leaves out a constant part, which is added all the same.",
                    ask="What is the power of a constant?")
def variances(y, noise, snr_db):
    return _mixed(y, noise, snr_db, strength=np.var)


@mix_at_snr.mistake("You clip the sum at full scale.", ask="Which line of yours knows where full scale is?")
def clips(y, noise, snr_db):
    return np.clip(_mixed(y, noise, snr_db), -1, 1)


@mix_at_snr.mistake("You bring the sum back to full scale, and with it the voice down.",
                    ask="Which line of yours knows where full scale is?")
def rescales_what_is_too_loud(y, noise, snr_db):
    mixed = _mixed(y, noise, snr_db)
    return mixed / max(np.max(np.abs(mixed)), np.float32(1))


# ---------------------------------------------------------------------------------------------- 02.2


def _steps(levels, frame=16, last=None):
    """A signal of one level in decibels per frame, by the same square wave; `last` samples of the last frame."""
    y = np.repeat(10.0 ** (np.asarray(levels, float) / 20), frame) * np.resize([1, -1], len(levels) * frame)
    return y[: len(y) - frame + (last or frame)].astype(np.float32)


def _word_with_a_click():
    y = 0.02 * _steps([-26, -26, -14, -2, 0, -26, -2, -90, -26], 8, last=5)
    y[[45, 65]] = 0.02, 0.25
    return y


trim_bounds = Exercise(
    "02.2", "trim_bounds(y, top_db=40.0, frame=256)",
    example=lambda: (_word_with_a_click(), 30.0, 8),
    hints=[
        "First a list of levels, one for each frame; then the first and the last that is loud enough. Where does each "
        "frame start, and how long is the last one?",
        "`range(0, len(y), frame)` gives the starts, and a slice past the end is simply shorter. Compare "
        "with the loudest "
        "frame: `top_db` decibels are a factor of 10 to the power of `top_db / 20` in RMS.",
        "`np.flatnonzero(loud)` lists the loud frames; only its first and last matter. The last one ends "
        "a frame after its "
        "start, or at the end of the signal. Catch silence before you take a logarithm.",
    ],
    learned="A threshold relative to the loudest frame works at every gain. That it fails in noise is "
            "what detectors of "
            "speech are for.",
)


@trim_bounds.output
def is_two_whole_numbers(t, got, y, top_db=40.0, frame=256):
    two_numbers(t, got, "two whole numbers, `(start, stop)`")
    t.holds(all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in got),
            f"Your bounds are **{briefly(got)}**; to cut with them they have to be whole numbers.",
            ask="Which operation made a float of them?", values=False)
    t.holds(y.any() or tuple(got) == (0, 0),
            f"Of a silent signal the bounds are (0, 0); yours are **{briefly(got)}**.",
            ask="Which frame of a silent signal is the loudest, and how loud is that?")
    t.holds(0 <= got[0] <= got[1] <= len(y), f"Your bounds are **{briefly(got)}**, in a signal of {len(y)} samples; "
            f"the start should not be after the stop, and the stop not after {len(y)}.",
            ask="How long is the last frame?", show=None)


def _bounds_are(t, case, y, want, says, ask, top_db=40.0, frame=16):
    """Hold the bounds to what they should be; the picture shows what is kept."""
    def kept(bounds):
        i = np.arange(len(y))
        return np.where((i >= bounds[0]) & (i < bounds[1]), y, 0)

    got = t.on(case)(y, top_db, frame)
    t.holds(tuple(got) == want, f"For {case}, you keep **{briefly(got)}**, expected {want}. {says}", ask=ask,
            show=(kept(got), kept(want)))


@trim_bounds.edges
def nothing_and_everything(t):
    (_, silence), (_, one), (_, constant), (_, odd) = edge_signals("silence", "one sample", "DC", "odd length")
    _bounds_are(t, "a single sample", one, (0, 1), "It is a frame of its own, and the loudest.",
                "How many frames has a signal shorter than one?")
    _bounds_are(t, "64 samples in a frame of 256", constant, (0, 64), "The only frame is the loudest one.",
                "How many frames has a signal shorter than one?", frame=256)
    _bounds_are(t, "a constant of 1, 0 dB below the loudest frame", 2 * constant, (0, 64),
                "No frame is more than 0 dB below the loudest.", "Is the loudest frame loud itself?", top_db=0.0)
    _bounds_are(t, "a ramp of 65 samples", odd, (0, 65), "It is loud at both ends.", "How long is the last frame?")
    t.on("silence")(silence, 40.0, 16)          # last, so that a wrong stop is named first; the contract knows (0, 0)


@trim_bounds.edges
def a_frame_alone(t):
    (_, impulse), = edge_signals("impulse")
    _bounds_are(t, "an impulse at sample 0", impulse, (0, 16),
                "It makes its frame loud, the first, and that is kept whole.", "Where does the last loud frame end?")
    late = np.zeros(69, np.float32)
    late[66] = 0.5
    _bounds_are(t, "an impulse in the last 5 of 69 samples", late, (64, 69),
                "The last frame is short, and the only loud one.",
                "How many frames are there, and does the last one count?")
    _bounds_are(t, "a faint constant of 1e-6 in the second of 4 frames", 1e-6 * _steps([-400, 0, -400, -400]), (16, 32),
                "However soft the whole recording is: what counts is how far a frame lies below the loudest.",
                "What is your threshold relative to?")


@trim_bounds.properties
def decibels_below_the_loudest(t):
    y = 0.2 * _steps([-60, -35, -25, -15, -5, 0, -5, -15, -25, -35, -60])
    for top_db, first in ((10.0, 4), (20.0, 3), (30.0, 2), (40.0, 1)):
        _bounds_are(t, f"frames that rise to the loudest and fall again, {top_db:g} dB", y,
                    (16 * first, 16 * (11 - first)),
                    f"The first frame less than {top_db:g} dB below the loudest is frame {first}.", top_db=top_db,
                    ask="Decibels below what, and by which factor of RMS?")


@trim_bounds.properties
def a_pause_inside_stays(t):
    y = _steps([-90, -6, -90, 0, -90, -90, -6, -90])
    _bounds_are(t, "three loud frames with pauses between them", y, (16, 112), "A pause inside the word belongs to it.",
                "Which loud frame is the last?")


@trim_bounds.properties
def loud_on_average(t):
    y = 0.5 * _steps([-90, 0, 0, -90, -90, -90])
    y[5], y[88] = 0.9, -0.9                                 # -0.9 dBFS at the peak, but -13 on average
    _bounds_are(t, "clicks before and after two loud frames, 6 dB", y, (16, 48),
                "A click has a high peak, but the RMS of its frame is low.",
                "How many samples does your level depend on?", top_db=6.0)


@trim_bounds.properties
def a_short_frame_has_its_own_mean(t):
    y = _steps([-90, 0, -3], last=3)
    _bounds_are(t, "a last frame of 3 samples, 3 dB below the loudest, 6 dB", y, (16, 35),
                "The RMS of a short frame is that of its own samples.", "By how many samples do you divide?",
                top_db=6.0)


@trim_bounds.properties
def gain_changes_nothing(t):
    y, top_db = _random_word(t)
    want = tuple(int(b) for b in t(y, top_db, 16))
    for gain in (3.0, 1e-3):
        _bounds_are(t, f"the same signal times {gain:g}", np.float32(gain) * y, want,
                    "The same word, louder or softer, begins and ends where it did.",
                    "What is your threshold relative to?", top_db=top_db)


@trim_bounds.reference
def agrees_with_scipy_ndimage(t):
    from scipy.ndimage import mean

    for frame in (16, 50, 7):
        y, top_db = _random_word(t, frame)
        number = np.arange(len(y)) // frame
        power = mean(y.astype(float) ** 2, number, np.arange(number[-1] + 1))
        loud = np.flatnonzero(10 * np.log10(power / power.max()) >= -top_db)
        want = int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, len(y))
        _bounds_are(t, f"noise of {len(y)} samples in frames of {frame}, {top_db:.1f} dB", y, want,
                    "It has to agree with the means of `scipy.ndimage.mean` over the frames.",
                    "What is the level of the first frame that you keep, and of the one before it?", top_db, frame)


def _random_word(t, frame=16):
    """Noise that swells and fades, shape [n], and a threshold in decibels that the level of no frame is near."""
    frames = int(t.rng.integers(12, 20))
    levels = -60 * np.abs(np.linspace(-1, 1, frames)) + t.rng.normal(0, 6, frames)
    y = (_steps(levels, frame, last=frame - 3) * t.rng.uniform(0.5, 1.5, frames * frame - 3)).astype(np.float32)
    power = np.array([np.mean(y[s : s + frame].astype(float) ** 2) for s in range(0, len(y), frame)])
    below = -10 * np.log10(power / power.max())
    tries = t.rng.uniform(10, 40, 100)
    return y, float(tries[np.argmax(np.min(np.abs(tries[:, None] - below), axis=1))])


def _bounds(y, threshold, frame, level=lambda x, frame: np.sqrt(np.mean(x**2)), pick=lambda loud: (loud[0], loud[-1]),
            whole=False):
    """What a mistake hands back: frames by another level, threshold (of the levels) or choice."""
    starts = range(0, len(y) // frame * frame if whole else len(y), frame)
    levels = np.array([level(y[s : s + frame].astype(float), frame) for s in starts])
    if not levels.any():
        return 0, 0
    loud = np.flatnonzero(levels >= threshold(levels))
    if not len(loud):
        return 0, 0
    first, last = pick(loud)
    return int(first * frame), int(min((last + 1) * frame, len(y)))


def _relative(top_db, factor=20):
    return lambda levels: levels.max() * 10 ** (-top_db / factor)


@trim_bounds.mistake("Your threshold lies `top_db` below full scale, not below the loudest frame: a soft recording "
                     "would be cut away.", ask="What is your threshold relative to?")
def below_full_scale(y, top_db=40.0, frame=256):
    return _bounds(y, lambda levels: 10 ** (-top_db / 20), frame)


@trim_bounds.mistake("You stop at the first pause.", ask="Which loud frame is the last?")
def stops_at_the_first_pause(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db), frame,
                   pick=lambda loud: (loud[0], loud[0] + np.argmax(np.append(np.diff(loud), 0) != 1)))


@trim_bounds.mistake("You go by the peak of each frame.", ask="How many samples does your level depend on?")
def goes_by_the_peak(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db), frame, level=lambda x, frame: np.max(np.abs(x)))


@trim_bounds.mistake("You compare RMS, an amplitude, by 10 to the power of `top_db / 10`, which is meant for powers: "
                     "the threshold is twice as far down.", ask="Which factor of amplitude is 20 dB?")
def power_decibels_of_amplitudes(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db, 10), frame)


@trim_bounds.mistake("You compare powers by 10 to the power of `top_db / 20`, which is meant for amplitudes: the "
                     "threshold is half as far down.", ask="Which factor of power is 20 dB?")
def amplitude_decibels_of_powers(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db, 40), frame)


@trim_bounds.mistake("You leave out the last frame, because it is short.", ask="How many frames are there?")
def only_whole_frames(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db), frame, whole=True)


@trim_bounds.mistake("You fill up the last frame with zeros, which lowers its RMS.",
                     ask="By how many samples do you divide?")
def last_frame_filled_with_zeros(y, top_db=40.0, frame=256):
    return _bounds(y, _relative(top_db), frame, level=lambda x, frame: np.sqrt(np.sum(x**2) / frame))


@trim_bounds.mistake("Your stop is where the last loud frame starts, so that frame is lost.",
                     ask="Is `y[stop]` still in the piece?")
def without_the_last_loud_frame(y, top_db=40.0, frame=256):
    start, stop = _bounds(y, _relative(top_db), frame)
    return start, max(stop - 1, 0) // frame * frame


@trim_bounds.mistake("Your stop is the last sample to keep; a slice ends before its stop.",
                     ask="Is `y[stop]` in the piece?")
def stop_included(y, top_db=40.0, frame=256):
    start, stop = _bounds(y, _relative(top_db), frame)
    return start, max(stop - 1, 0)


@trim_bounds.mistake("Your stop lies beyond the signal, as if the last frame were whole.",
                     ask="How long is the last frame?")
def beyond_the_end(y, top_db=40.0, frame=256):
    start, stop = _bounds(y, _relative(top_db), frame)
    return start, -(-stop // frame) * frame


@trim_bounds.mistake("These are numbers of frames; the task asks for samples.",
                     ask="How many samples come before frame 2?")
def counts_frames(y, top_db=40.0, frame=256):
    start, stop = _bounds(y, _relative(top_db), frame)
    return start // frame, -(-stop // frame)


# ---------------------------------------------------------------------------------------------- 02.3

design_highpass = Exercise(
    "02.3", "design_highpass(passband, stopband, ripple_db, attenuation_db, sr)",
    example=lambda: (3000.0, 1800.0, 1.0, 40.0, 16000),
    hints=[
        "Warp both edges first, and leave hertz alone until the end. Of the two equations, which one "
        "holds exactly, and "
        "which one only has to hold at least?",
        "Divided by one another the equations lose `w_c`: (w_p / w_s) to the power of 2N is at least ε_s "
        "/ ε_p. Logarithms "
        "bring N down; it has to be whole, and meet the specification.",
        "With N known, the first equation gives `w_c` as `w_p` times ε_p to the power of 1 / (2N). Back "
        "in hertz, undo the "
        "tangent with `np.arctan`, then undo the π and `sr`. `int(np.ceil(…))` makes a whole number.",
    ],
    learned="Steepness costs order: twice the attenuation in decibels is nearly twice the order. And "
            "the tangent matters "
            "only near Nyquist: at 100 Hz it changes nothing that you could measure.",
)


@design_highpass.output
def is_an_order_and_a_frequency(t, got, passband, stopband, ripple_db, attenuation_db, sr):
    two_numbers(t, got, "two numbers, `(order, cutoff)`")
    order, cutoff = got
    t.holds(isinstance(order, int | np.integer), f"Your order is **{order}**, of type {type(order).__name__}; an "
            "order is a whole number, of type int.", ask="What type does the rounding of NumPy return?", values=False)
    t.number(cutoff)
    t.holds(order >= 1, f"Your order is **{order}**; the smallest filter has order 1.", ask="Which way did you round?")
    t.holds(0 < cutoff < sr / 2, f"Your cutoff is **{cutoff:.6g} Hz**; it should lie between 0 and `sr / 2` = "
            f"{sr / 2:g}.", ask="Is it in hertz, and not warped any more?")


def _loss(order, cutoff, f, sr):
    """Decibels that SciPy's filter of this order and cutoff loses at each frequency."""
    from scipy.signal import butter, sosfreqz

    response = sosfreqz(butter(order, cutoff, "highpass", fs=sr, output="sos"), f, fs=sr)[1]
    return -20 * np.log10(np.abs(response) + 1e-30)


def _asked(t, *spec):
    """Order and cutoff for a specification, and words for it."""
    passband, stopband, ripple, attenuation, sr = spec
    words = f"at most {ripple:g} dB lost at {passband:g} Hz, at least {attenuation:g} dB at {stopband:g} Hz, sr = {sr}"
    order, cutoff = t.on(words)(*spec)
    return int(order), float(cutoff), words


@design_highpass.edges
def one_section_or_many(t):
    for spec, want in (((1000.0, 100.0, 3.0, 10.0, 16000), 1), ((110.0, 100.0, 1.0, 40.0, 16000), 56)):
        order, _, words = _asked(t, *spec)
        t.holds(order == want, f"For {words}, order {want} is enough and no smaller one; yours is **{order}**.",
                ask="What is left of the logarithm when the edges are far apart, or close together?")


@design_highpass.edges
def half_power_at_the_passband(t):
    half = 10 * np.log10(2)
    _, cutoff, _ = _asked(t, 2000.0, 1000.0, half, 30.0, 16000)
    t.close(cutoff, 2000.0, atol=0.01, ask="What is ε_p when half of the power is lost?",
            says="If 3.01 dB may be lost at 2000 Hz, half of the power, then the half-power frequency is 2000 Hz.")


@design_highpass.edges
def just_below_nyquist(t):
    order, _, words = _asked(t, 7800.0, 7000.0, 1.0, 40.0, 16000)
    t.holds(order == 4, f"For {words}, order 4 is enough: so near to Nyquist a few hertz are a wide step for the "
            f"digital filter. Yours is **{order}**.",
            ask="What is the tangent of 7800 / 16000 × π, and what of 7000 / 16000 × π?")


@design_highpass.properties
def loses_exactly_the_ripple(t):
    for _ in range(3):
        spec = _specification(t)
        order, cutoff, words = _asked(t, *spec)
        t.holds(order <= 99, f"For {words}, your order is **{order}**, far more than it takes.",
                ask="Which logarithm is divided by which?")
        lost = _loss(order, cutoff, spec[:1], spec[4])[0]
        t.holds(abs(lost - spec[2]) < 1e-3, f"For {words}, your filter (order {order}, {cutoff:.2f} Hz) loses "
                f"**{lost:.3f} dB** at the passband edge; it should be exactly {spec[2]:g}.",
                ask="Which of the two equations fixes the cutoff, and is your frequency warped, or in hertz?")


@design_highpass.properties
def loses_enough_and_no_order_is_wasted(t):
    for _ in range(3):
        spec = _specification(t)
        order, cutoff, words = _asked(t, *spec)
        lost = _loss(order, cutoff, spec[1:2], spec[4])[0]
        t.holds(lost > spec[3] - 1e-3, f"For {words}, your filter of order {order} loses only **{lost:.2f} dB** at "
                "the stopband edge.", ask="If 4.3 sections would do, how many do you take?")
        if order > 1:
            ratio = np.divide(*np.tan(np.pi * np.array(spec[:2]) / spec[4]))
            less = 10 * np.log10(1 + (10 ** (spec[2] / 10) - 1) * ratio ** (2 * (order - 1)))
            t.holds(less < spec[3], f"For {words}, you take order **{order}**, but order {order - 1} would lose "
                    f"{less:.1f} dB already.", ask="What is the exponent of the whole fraction?")


@design_highpass.properties
def only_ratios_count(t):
    passband, stopband, ripple, attenuation, sr = _specification(t)
    order, cutoff = t(passband, stopband, ripple, attenuation, sr)
    twice = t(2 * passband, 2 * stopband, ripple, attenuation, 2 * sr)
    t.holds(twice[0] == order and abs(twice[1] - 2 * cutoff) < 1e-4 * sr, "With all frequencies and `sr` doubled the "
            f"order stays and the cutoff doubles; yours goes from {order}, {cutoff:.2f} Hz to {twice[0]}, "
            f"{twice[1]:.2f} Hz.", ask="Which number of yours is in hertz, and not divided by `sr`?")


@design_highpass.reference
def agrees_with_scipy_buttord(t):
    from scipy.signal import buttord

    for _ in range(20):
        passband, stopband, ripple, attenuation, sr = spec = _specification(t)
        want = buttord(passband, stopband, ripple, attenuation, fs=sr)
        order, cutoff, words = _asked(t, *spec)
        t.holds(order == want[0] and abs(cutoff / want[1] - 1) < 1e-6, f"For {words}, `scipy.signal.buttord` says "
                f"order {want[0]}, {want[1]:.3f} Hz; yours is **{order}, {cutoff:.3f} Hz**.",
                ask="Is your cutoff in full precision, and does the order hold for every attenuation?")


def _specification(t):
    """A random one, for which no whole order is nearly right by chance."""
    while True:
        sr = int(t.rng.choice([8000, 16000, 44100]))
        passband = float(np.round(t.rng.uniform(0.1, 0.45) * sr, 1))
        stopband = float(np.round(passband * t.rng.uniform(0.4, 0.8), 1))
        ripple, attenuation = (float(np.round(t.rng.uniform(*range_), 2)) for range_ in ((0.2, 2.5), (20, 70)))
        exact = _order(*np.tan(np.pi * np.array([passband, stopband]) / sr), ripple, attenuation)
        if 0.03 < exact % 1 < 0.97:
            return passband, stopband, ripple, attenuation, sr


def _order(w_p, w_s, ripple, attenuation, root=1, less=1):
    """Order before it is made whole, for warped edges."""
    e_p, e_s = 10 ** (ripple / 10 / root) - less, 10 ** (attenuation / 10 / root) - less
    return np.log(e_s / e_p) / (2 * np.log(w_p / w_s))


def _designed(passband, stopband, ripple_db, attenuation_db, sr, whole=np.ceil, warp=np.tan, unwarp=np.arctan, times=1,
              sign=1, root=1, less=1):
    """What a mistake hands back: another rounding, warping, exponent or meaning of the decibels."""
    w_p, w_s = warp(np.pi * np.array([passband, stopband]) / sr)
    order = max(1, int(whole(times * _order(w_p, w_s, ripple_db, attenuation_db, root, less))))
    w_c = w_p * (10 ** (ripple_db / 10 / root) - less) ** (sign / (2 * order))
    return order, float(unwarp(w_c) * sr / np.pi)


@design_highpass.mistake("The frequencies are not warped: that is a filter for analogue signals.",
                         ask="Where does the tangent of the task come in?")
def not_warped(*spec):
    return _designed(*spec, warp=lambda w: w, unwarp=lambda w: w)


@design_highpass.mistake("Your cutoff is still warped: the tangent is not undone.",
                         ask="What is the inverse of a tangent?")
def left_warped(*spec):
    return _designed(*spec, unwarp=lambda w: w)


@design_highpass.mistake("Your cutoff is the edge of the passband, where 3.01 dB would be lost, whatever was allowed.",
                         ask="How much does a filter lose at its half-power frequency?")
def cutoff_at_the_passband(*spec):
    return _designed(*spec)[0], spec[0]


@design_highpass.mistake("That is the cutoff of a low-pass: it lies on the other side of the passband edge.",
                         ask="Should the half-power frequency of a high-pass lie above its passband or below?")
def cutoff_of_a_lowpass(*spec):
    return _designed(*spec, sign=-1)


@design_highpass.mistake("You round the order down, and the stopband is not met.",
                         ask="If 4.3 sections would do, how many do you take?")
def rounded_down(*spec):
    return _designed(*spec, whole=np.floor)


@design_highpass.mistake("You round the order to the nearest whole number; half of the time that is too few.",
                         ask="If 4.3 sections would do, how many do you take?")
def rounded_to_the_nearest(*spec):
    return _designed(*spec, whole=np.round)


@design_highpass.mistake("The 2 of the exponent is missing: your order is twice what it takes.",
                         ask="What is the exponent of the whole fraction?")
def no_two(*spec):
    return _designed(*spec, times=2)


@design_highpass.mistake("Your cutoff loses exactly `attenuation_db` at the stopband edge; the task wants exactly "
                         "`ripple_db` at the passband edge.", ask="Which of the two equations holds exactly?")
def exact_in_the_stopband(passband, stopband, ripple_db, attenuation_db, sr):
    order, _ = _designed(passband, stopband, ripple_db, attenuation_db, sr)
    w_c = np.tan(np.pi * stopband / sr) * (10 ** (attenuation_db / 10) - 1) ** (1 / (2 * order))
    return order, float(np.arctan(w_c) * sr / np.pi)


@design_highpass.mistake("You divide the decibels by 20, which gives a ratio of amplitudes; |H|² is one of powers.",
                         ask="Is it H that stands in the formula, or its square?")
def decibels_of_amplitude(*spec):
    return _designed(*spec, root=2)


@design_highpass.mistake("The 1 of the denominator is forgotten: ε is what is left when 1 is taken away.",
                         ask="Solve 10 to the power of ripple / 10 = 1 + ε for ε: what do you get?")
def one_forgotten(*spec):
    return _designed(*spec, less=0)


# ---------------------------------------------------------------------------------------------- 02.4


def _clips():
    return np.array([int(speaker) for speaker in "20131402304110213112555"])


grouped_split = Exercise(
    "02.4", "grouped_split(groups, fraction, rng)",
    example=lambda: (_clips(), 0.55, np.random.default_rng(0)),
    hints=[
        "Two questions, one after the other: *which groups* go to the test set, and then *which clips* "
        "belong to those. "
        "Chance has a say in the first only.",
        "`np.unique` with `return_counts=True` gives the groups and how many clips each has. Go through "
        "them in shuffled "
        "order, all but the last, and count clips until there are enough.",
        "`rng.permutation` of the names is that order. Ask before you take a group, not after: are there "
        "still fewer than "
        "`round(fraction * len(groups))`? `np.isin(groups, chosen)` makes the mask.",
    ],
    learned="A test with known voices flatters: it measures in part how well they are remembered.",
)


@grouped_split.output
def is_a_mask(t, got, groups, fraction, rng):
    t.array(got, shape=groups.shape, dtype=np.bool_)


def _dealt(t, groups, fraction, seed=0, case=""):
    """Mask of the answer, and the names of the groups in it as a message shows them."""
    mask = t.on(case or f"{len(groups)} clips of {len(np.unique(groups))} groups, fraction {fraction:g}")(
        groups, fraction, np.random.default_rng(seed))
    return mask, ", ".join(str(name) for name in np.unique(groups[mask])) or "none"


@grouped_split.edges
def clips_in_any_order(t):
    groups = np.array(["di", "bo", "di", "anna-maria", "bo", "di", "anna-maria", "cy", "bo", "cy", "di", "eve"])
    for seed in range(5):
        mask, _ = _dealt(t, groups, 0.4, seed, "groups whose clips do not stand together")
        _nobody_on_both_sides(t, groups, mask)


def _nobody_on_both_sides(t, groups, mask):
    both = [str(name) for name in np.unique(groups) if 0 < mask[groups == name].sum() < np.sum(groups == name)]
    t.holds(not both, f"Clips of group **{both[0] if both else ''}** are on both sides.",
            ask="What is dealt out: clips, or groups?")


@grouped_split.edges
def training_gets_a_group(t):
    for words, groups in (("five clips of one group", np.array(["ann"] * 5)), ("a single clip", np.array([7]))):
        mask, _ = _dealt(t, groups, 0.5, case=words)
        t.holds(not mask.any(), f"Of {words} nothing goes to the test set, because a group has to be left for "
                f"training; yours takes **{mask.sum()}**.", ask="Which group is always left for training?")
    for names, fraction in (("ab", 0.9), ("abcdef", 0.99)):
        groups = np.repeat(np.array(list(names)), 3)
        for seed in range(5):
            mask, said = _dealt(t, groups, fraction, seed)
            left = names[np.random.default_rng(seed).permutation(len(names))[-1]]
            t.holds(not mask[groups == left].any() and mask[groups != left].all(),
                    f"Of the groups {', '.join(names)} with fraction {fraction}, all but the last in the shuffled "
                    f"order, {left}, should be in the test set; yours holds **{said}**.",
                    ask="By which generator are the groups shuffled, and which one is left over?")


@grouped_split.edges
def a_tiny_fraction(t):
    groups = np.repeat(np.arange(5), 4)
    mask, said = _dealt(t, groups, 0.02)
    t.holds(not mask.any(), "2 % of 20 clips are 0 clips when rounded: the test set should be empty; yours holds "
            f"group **{said}**.", ask="Do you ask before a group is taken, or after?")


@grouped_split.properties
def nobody_is_on_both_sides(t):
    for seed in range(5):
        groups = _random_groups(t)
        mask, _ = _dealt(t, groups, 0.3, seed)
        _nobody_on_both_sides(t, groups, mask)


@grouped_split.properties
def takes_groups_until_there_are_enough(t):
    for seed in range(8):
        groups = np.append(_random_groups(t), ["ada"] * (seed % 2 * 20))        # every other time one is large
        fraction = float(t.rng.uniform(0.04, 0.6))
        want = round(fraction * len(groups))
        mask, said = _dealt(t, groups, fraction, seed)
        names, counts = np.unique(groups, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(names))
        chosen = [bool(mask[groups == names[i]].any()) for i in order]
        taken = counts[order][chosen]
        t.holds(mask.sum() >= want or len(taken) >= len(names) - 1, f"For fraction {fraction:.2f} of {len(groups)} "
                f"clips the test set should have {want} clips or more, as long as a group is left; yours has "
                f"**{mask.sum()}**, of {said}.", ask="Is it clips that you count, or groups?")
        t.holds(all(chosen[: len(taken)]), f"Shuffled, the groups are {', '.join(names[order])}; those of the test set "
                f"should be the first of them, yours are **{said}**.",
                ask="What is shuffled, in which order before, and by which generator?")
        t.holds(sum(taken[:-1]) < want, f"For fraction {fraction:.2f} of {len(groups)} clips {want} were wanted. Your "
                f"test set had **{sum(taken[:-1])}** already, and took one group more.", ask="When are there enough?")


@grouped_split.properties
def chance_is_the_generators(t):
    groups = _random_groups(t)
    masks = [t(groups, 0.3, np.random.default_rng(t.seed)) for _ in range(2)]
    t.holds(np.array_equal(*masks), "Two splits with equal generators differ: nobody could repeat your experiment.",
            ask="Where do your random numbers come from?")
    many = {t(groups, 0.3, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    t.holds(len(many) > 1, "Twenty different generators give the same split.",
            ask="Where do your random numbers come from?")


@grouped_split.properties
def a_clip_follows_its_group(t):
    groups = _random_groups(t)
    other = t.rng.permutation(len(groups))
    here, there = t(groups, 0.3, np.random.default_rng(1)), t(groups[other], 0.3, np.random.default_rng(1))
    t.holds(np.array_equal(here[other], there), "The same clips in another order are dealt otherwise: "
            f"**{np.sum(here[other] != there)}** of {len(groups)} changed sides.",
            ask="In which order are the groups before they are shuffled?")


@grouped_split.reference
def agrees_with_sklearn_and_numpy(t):
    for seed in range(6):                                   # unequal groups, in one line of NumPy
        groups, fraction = _random_groups(t), float(t.rng.uniform(0.1, 0.9))
        names, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(names))
        before = np.cumsum(counts[order]) - counts[order]
        want = np.isin(which, order[:-1][before[:-1] < round(fraction * len(groups))])
        got, said = _dealt(t, groups, fraction, seed)
        t.holds(np.array_equal(got, want), f"With fraction {fraction:.3f} of {len(groups)} clips, "
                f"{round(fraction * len(groups))}, the test set should hold "
                f"{', '.join(map(str, np.unique(groups[want]))) or 'none'}; yours holds **{said}**.",
                ask="How many clips does `round` ask for, and does each group before the last get its chance?")
    from sklearn.model_selection import GroupShuffleSplit

    for seed in range(3):                                   # equal groups: there scikit-learn does the same
        groups = t.rng.permutation(np.repeat(np.arange(12), 5))
        share = int(t.rng.integers(2, 10))
        splitter = GroupShuffleSplit(1, test_size=share, random_state=_Shuffles(np.random.default_rng(seed)))
        _, test = next(splitter.split(groups, groups=groups))
        got, said = _dealt(t, groups, share / 12, seed)
        t.holds(np.array_equal(np.flatnonzero(got), np.sort(test)), "Of 12 groups with 5 clips each, "
                f"`GroupShuffleSplit` of scikit-learn puts {', '.join(map(str, np.unique(groups[test])))} into the "
                f"test set; yours holds **{said}**.", ask="When are there enough?")


class _Shuffles(np.random.RandomState):
    """What scikit-learn takes for a generator of the old kind, shuffling as the new one does."""

    def __init__(self, rng):
        super().__init__(0)
        self.rng = rng

    def permutation(self, n):
        return self.rng.permutation(n)


def _random_groups(t):
    """Clips of 6 to 12 named groups, of 1 to 12 clips each, in mixed order."""
    names = np.array(["ada", "ben", "cleo", "dov", "emmy", "finn", "gus", "hal", "ida", "jo", "kim", "lou"])
    names = names[: int(t.rng.integers(6, 13))]
    return t.rng.permutation(np.repeat(names, t.rng.integers(1, 13, len(names))))


def _split(groups, fraction, rng, whole=round, enough=lambda have, new, target: have >= target,
           order=lambda order: order[:-1], shuffle=lambda rng, n: rng.permutation(n)):
    """What a mistake hands back: another target, end or order."""
    names, counts = np.unique(groups, return_counts=True)
    chosen, have = [], 0
    for i in order(shuffle(rng, len(names))):
        if enough(have, counts[i], whole(fraction * len(groups))):
            break
        chosen.append(names[i])
        have += counts[i]
    return np.isin(groups, np.array(chosen, names.dtype))


@grouped_split.mistake("You deal out clips one by one, so that a group lands on both sides.",
                       ask="What is dealt out: clips, or groups?")
def deals_clips(groups, fraction, rng):
    mask = np.zeros(len(groups), bool)
    mask[rng.permutation(len(groups))[: round(fraction * len(groups))]] = True
    return mask


@grouped_split.mistake("You take a fraction of the groups, however many clips they have.",
                       ask="Of what is `fraction` a part?")
def fraction_of_the_groups(groups, fraction, rng):
    names = np.unique(groups)
    order = rng.permutation(len(names))
    return np.isin(groups, names[order[: min(round(fraction * len(names)), len(names) - 1)]])


@grouped_split.mistake("Every group may go to your test set, the last one too: nothing is left to train with.",
                       ask="Which group is always left for training?")
def none_left(groups, fraction, rng):
    return _split(groups, fraction, rng, order=lambda order: order)


@grouped_split.mistake("Your mask is inverted: `True` stands for training.", ask="For which clips is the mask `True`?")
def inverted(groups, fraction, rng):
    return ~_split(groups, fraction, rng)


@grouped_split.mistake("You go on when there are exactly enough, and take one group more.",
                       ask="As long as it has *fewer*: is that still so when there are as many?")
def one_group_more(groups, fraction, rng):
    return _split(groups, fraction, rng, enough=lambda have, new, target: have > target)


@grouped_split.mistake("You stop before a group that would make it too many, so the test set stays too small.",
                       ask="Is it asked before a group is taken how large it is?")
def never_too_many(groups, fraction, rng):
    return _split(groups, fraction, rng, enough=lambda have, new, target: have + new > target)


@grouped_split.mistake("Your groups come in the order of their names: nothing is shuffled.",
                       ask="What do you do with `rng`?")
def not_shuffled(groups, fraction, rng):
    return _split(groups, fraction, rng, shuffle=lambda rng, n: np.arange(n))


@grouped_split.mistake("You take groups from the back of the shuffled order.",
                       ask="Which group of the order comes first?")
def from_the_back(groups, fraction, rng):
    return _split(groups, fraction, rng, order=lambda order: order[::-1][:-1])


@grouped_split.mistake("You cut the number of clips, where the task rounds it.", ask="What does `int` make of 7.8?")
def cut_not_rounded(groups, fraction, rng):
    return _split(groups, fraction, rng, whole=int)


# ---------------------------------------------------------------------------------------------- 02.5


def _uneven_stereo():
    i = np.arange(25)
    left = 0.6 * np.sin(0.9 * i) + 0.1
    return np.stack([left, 0.2 * np.cos(0.4 * i) - 0.15]).astype(np.float32)


normalize_rms = Exercise(
    "02.5", "normalize_rms(y, target_db=-20.0, ceiling_db=-1.0)",
    example=lambda: (_uneven_stereo(), -8.0, -2.0),
    hints=[
        "There are two gains: one that would bring the RMS to its target, one that would bring the largest "
        "sample to the "
        "ceiling. Which of them may be used?",
        "A level of L dBFS is an amplitude of 10 to the power of `L / 20`. Each gain is a wanted amplitude "
        "divided by the "
        "one that there is; the smaller gain keeps both promises.",
        "`np.mean` and `np.max` without an axis take all channels together; the largest sample may "
        "be negative. Return a "
        "copy of silence before you divide, and turn the product into float32.",
    ],
    learned="The distance from RMS to peak, the crest factor, decides: a voice has some 15 dB, a click 40 and more.",
)


@normalize_rms.output
def is_float32_of_the_same_shape(t, got, y, target_db=-20.0, ceiling_db=-1.0):
    t.array(got, shape=y.shape, dtype=np.float32)


def _dbfs(y):
    """Level of all samples together, and of the largest, in dBFS."""
    y = np.asarray(y, float)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.sqrt(np.mean(y**2))), 20 * np.log10(np.max(np.abs(y)))


@normalize_rms.edges
def silence_stays(t):
    (_, silence), = edge_signals("silence")
    for name, y in (("silence", silence), ("stereo silence", np.stack([silence, silence]))):
        t.close(t.on(name)(y), y, atol=0, says="Silence stays as it is.", ask="Which gain would make silence louder?")


@normalize_rms.edges
def known_signals(t):
    (_, constant), (_, one), (_, impulse) = edge_signals("DC", "one sample", "impulse")
    for sign in (1, -1):
        got = t.on(f"an impulse of {sign}, −6 dBFS wanted")(sign * impulse, -6.0)
        t.close(got, sign * impulse * 10 ** (-1 / 20), atol=1e-5,
                ask="How large may the largest sample become, whatever its sign?",
                says="Its RMS would take a gain that pushes the impulse above the ceiling: it ends at the ceiling, "
                     "±0.891.")
    t.close(t.on("a constant of 0.5")(constant), np.full(64, 0.1), atol=1e-5, ask="What is the RMS of a constant?",
            says="Of a constant every sample is the RMS: at −20 dBFS they are 0.1.")
    t.close(t.on("a single sample")(-one), [-0.1], atol=1e-5, ask="What is the RMS of a single sample?",
            says="A single sample is its own RMS: at −20 dBFS it is 0.1 large.")


@normalize_rms.edges
def one_gain_for_both_channels(t):
    (_, stereo), = edge_signals("stereo")
    stereo[1] = 0
    got = t.on("stereo, the right channel silent")(stereo)
    want = stereo * 0.1 / np.sqrt(np.mean(stereo.astype(float) ** 2))
    t.close(got, want, atol=1e-5, ask="Over which axes do you take the mean?",
            says="One gain for the whole signal, from the RMS of all channels together, the silent one too.")


@normalize_rms.edges
def faint_is_not_silent(t):
    y = np.tile([1e-6, -1e-6], 40).astype(np.float32)
    level = _dbfs(t.on("a square wave at −120 dBFS")(y))[0]
    t.holds(abs(level + 20) < 0.01, "A square wave at −120 dBFS needs 100 dB of gain, and should come out at −20 "
            f"dBFS; yours is at **{level:.2f}**.", ask="Did you add something so that nothing is divided by zero?")


@normalize_rms.properties
def reaches_its_target(t):
    for gain in (0.01, 0.3, 3.0):
        y = gain * t.rng.uniform(-1, 1, 600).astype(np.float32)
        for target in (-20.0, -35.0):
            case = f"noise at {_dbfs(y)[0]:.1f} dBFS, {target:g} wanted"
            level = _dbfs(t.on(case)(y, target))[0]
            t.holds(abs(level - target) < 0.01, f"For {case}, yours comes out at **{level:.2f}** dBFS, far from the "
                    "ceiling.", ask="Which factor of amplitude is it from one level to the other?")


@normalize_rms.properties
def stops_at_its_ceiling(t):
    spiky, soft = 0.02 * t.rng.uniform(-1, 1, 600), 0.01 * t.rng.normal(size=600)
    spiky[t.rng.integers(600)] = -0.7
    for name, y in (("one sample that stands out", spiky), ("a soft noise", soft)):
        y = y.astype(np.float32)
        for ceiling in (-1.0, -6.0):
            case = f"{name}, −3 dBFS wanted, a ceiling of {ceiling:g}"
            got = t.on(case)(y, -3.0, ceiling)
            peak = _dbfs(got)[1]
            t.holds(abs(peak - ceiling) < 0.01, f"For {case}, the gain should stop when the largest sample is at "
                    f"{ceiling:g} dBFS; in yours it is at **{peak:.2f}**.",
                    ask="How large will the largest sample be *after* the gain?")
            t.close(got, y * 10 ** ((ceiling - _dbfs(y)[1]) / 20), atol=1e-4, ask="What happens to all other samples?",
                    says="It is the gain that gives way, for all samples alike; the wave keeps its form.")


@normalize_rms.properties
def the_level_that_came_does_not_count(t):
    y = t.rng.normal(0, 0.1, (2, 300)).astype(np.float32)
    once = t(y, -15.0, -6.0)
    for words, other in (("twice", once), ("a signal 20 dB softer", 0.1 * y)):
        t.close(t.on(f"the same noise, {words}")(other, -15.0, -6.0), once, atol=1e-4,
                says="Normalised once or twice, loud or soft before: the result is the same.",
                ask="Does your gain depend on anything but the signal's form?")


@normalize_rms.properties
def the_stereo_picture_stays(t):
    y = t.rng.normal(size=(2, 500)) * [[0.2], [0.05]]
    got = t.on("noise, the left channel 12 dB above the right")(y.astype(np.float32))
    before, after = (_dbfs(x[0])[0] - _dbfs(x[1])[0] for x in (y, got))
    t.holds(abs(before - after) < 0.01, f"Left was {before:.1f} dB above right; in yours it is **{after:.1f}**.",
            ask="Over which axes do you take the mean?")
    level = _dbfs(got)[0]
    t.holds(abs(level + 20) < 0.01, f"All channels together should be at −20 dBFS; yours are at **{level:.2f}**.",
            ask="Is it the mean of the squares over all channels, or something of each channel first?")


@normalize_rms.reference
def agrees_with_pyloudnorm(t):
    from pyloudnorm import normalize

    for shape in ((700,), (1,), (2, 300), (3, 50)):
        for _ in range(4):
            y = (t.rng.standard_t(3, size=shape) * t.rng.uniform(0.01, 0.5)).astype(np.float32)
            target, ceiling = float(t.rng.uniform(-30, -6)), float(t.rng.uniform(-8, 0))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")             # it warns of full scale, which is what the ceiling is for
                by_level = normalize.loudness(y.astype(float), _dbfs(y)[0], target)
                by_peak = normalize.peak(y.astype(float), ceiling)
            want = min(by_level, by_peak, key=lambda x: np.max(np.abs(x)))
            t.close(t.on(f"noise of shape {list(shape)}, {target:.1f} dBFS wanted, a ceiling of "
                         f"{ceiling:.1f}")(y, target, ceiling),
                    want, atol=1e-4, says="It has to agree with `pyloudnorm.normalize`, by level or by peak, "
                                          "whichever is softer.",
                    ask="Which of your two gains is it, and does it hold for every level?")


def _normalized(y, target_db, ceiling_db, rms=lambda x: np.sqrt(np.mean(x**2)), peak=lambda x: np.max(np.abs(x)),
                factor=20, choose=np.minimum):
    """What a mistake hands back: another measure, decibels or choice of gain."""
    x = y.astype(float)
    if not x.any():
        return y.copy()
    with np.errstate(all="ignore"):
        by_rms, by_peak = 10 ** (target_db / factor) / rms(x), 10 ** (ceiling_db / factor) / peak(x)
        return (choose(by_rms, by_peak) * x).astype(np.float32)


@normalize_rms.mistake("Each channel has a gain of its own: what was on the left moves to the middle.",
                       ask="Over which axes do you take the mean?")
def a_gain_for_each_channel(y, target_db=-20.0, ceiling_db=-1.0):
    channels = np.atleast_2d(y)
    return np.stack([_normalized(channel, target_db, ceiling_db) for channel in channels]).reshape(y.shape)


@normalize_rms.mistake("You clip what passes the ceiling; it is the gain that should give way.",
                       ask="What does a clipped wave sound like?")
def clips_at_the_ceiling(y, target_db=-20.0, ceiling_db=-1.0):
    limit = 10 ** (ceiling_db / 20)
    return np.clip(_normalized(y, target_db, ceiling_db, choose=lambda by_rms, by_peak: by_rms), -limit, limit)


@normalize_rms.mistake("You do not look at the ceiling.", ask="How large will the largest sample be after the gain?")
def no_ceiling(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, choose=lambda by_rms, by_peak: by_rms)


@normalize_rms.mistake("You compare the ceiling with the largest sample as it was, before the gain.",
                       ask="How large will the largest sample be *after* the gain?")
def peak_before_the_gain(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, choose=lambda by_rms, by_peak: by_rms if by_peak > 1 else by_peak)


@normalize_rms.mistake("You divide the decibels by 10, which gives a power; samples are amplitudes.",
                       ask="Which amplitude is −20 dBFS?")
def decibels_of_power(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, factor=10)


@normalize_rms.mistake("You always go up to the ceiling: that is peak normalisation.", ask="What is `target_db` for?")
def always_to_the_ceiling(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, choose=lambda by_rms, by_peak: by_peak)


@normalize_rms.mistake("You take the larger of the two gains, which breaks one of the promises.",
                       ask="Which gain keeps both the target and the ceiling?")
def larger_gain(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, choose=np.maximum)


@normalize_rms.mistake("The largest sample may be a negative one.",
                       ask="What is the maximum of −0.9 and 0.2, as loudness goes?")
def only_positive_peaks(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, peak=lambda x: max(np.max(x), 1e-30))


@normalize_rms.mistake("That is the standard deviation: it leaves out a constant part, which RMS counts.",
                       ask="What is the RMS of a constant?")
def standard_deviation(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, rms=np.std)


@normalize_rms.mistake("You take each channel's RMS and then their mean; that is not the RMS of all channels together.",
                       ask="What is averaged, and when is the root taken?")
def mean_of_the_channels_rms(y, target_db=-20.0, ceiling_db=-1.0):
    return _normalized(y, target_db, ceiling_db, rms=lambda x: np.mean(np.sqrt(np.mean(x**2, axis=-1))))


# ---------------------------------------------------------------------------------------------- 02.6


def _logmel(rng, mel=12, time=30):
    """A log-mel spectrogram as logarithms of energies are: mostly below zero, no two values alike."""
    return rng.uniform(-9, 1, (mel, time)).astype(np.float32)


spec_augment = Exercise(
    "02.6", "spec_augment(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20)",
    example=lambda: (_logmel(np.random.default_rng(6)), np.random.default_rng(1), 2, 4, 2, 7),
    hints=[
        "A mask is a slice that is overwritten: whole rows for a band of channels, whole columns for a "
        "stretch of frames. "
        "What do you overwrite it with, and when do you have to know that number?",
        "The mean comes from the spectrogram as it was given, before anything is hidden. For each mask "
        "draw the width, then "
        "the start: frequency masks first, all of them, then the time masks.",
        "The upper end of `rng.integers` is not reached, hence the + 1 in both draws. `min(width, size)` keeps "
        "a mask from "
        "being wider than the picture. Write into a copy.",
    ],
    learned="Two masks of each kind hide about a quarter of the picture, and cost nothing but two lines.",
)


@spec_augment.output
def is_a_picture_of_the_same_size(t, got, logmel, *_, **__):
    t.array(got, shape=logmel.shape, dtype=np.float32)


@spec_augment.edges
def nothing_to_hide(t):
    logmel = _logmel(t.rng)
    for name, sizes in {"no masks": (0, 10, 0, 20), "masks of no width": (2, 0, 2, 0)}.items():
        t.close(t.on(name)(logmel, np.random.default_rng(t.seed), *sizes), logmel, atol=0,
                says="With nothing to hide the picture stays as it is.",
                ask="What is the smallest width that you draw?")


@spec_augment.edges
def a_constant_picture(t):
    flat = np.full((12, 30), -4.0, np.float32)
    t.close(t.on("a picture that is −4 everywhere")(flat, np.random.default_rng(t.seed)), flat, atol=1e-5,
            says="Where all values are alike the mean is that value, and hiding changes nothing.",
            ask="What do you put where a mask lies?")


@spec_augment.edges
def smaller_than_the_masks(t):
    for mel, time in ((4, 6), (1, 1), (3, 50), (80, 2)):
        logmel = _logmel(t.rng, mel, time)
        for seed in range(6):
            case = f"{mel} channels and {time} frames, masks of up to 10 and 20"
            got = t.on(case)(logmel, np.random.default_rng(seed))
            want = np.where(_changed(got, logmel), np.mean(logmel), logmel)
            t.close(got, want, atol=1e-4, says="In a small picture too, what is hidden becomes the mean of all.",
                    ask="Of which values is your mean, and is anything hidden in them already?")


def _changed(got, logmel):
    return np.abs(got - logmel) > 1e-6


@spec_augment.properties
def draws_from_the_generator(t):
    logmel = _logmel(t.rng)
    got = [t(logmel, np.random.default_rng(seed)) for seed in (t.seed, t.seed, *range(20))]
    t.holds(np.array_equal(got[0], got[1]), "Two calls with equal generators hide different parts: nobody could "
            "repeat your experiment.", ask="Where do your random numbers come from?")
    t.holds(any(not np.array_equal(got[2], other) for other in got[3:]),
            "Twenty different generators hide the same part.", ask="Where do your random numbers come from?")


@spec_augment.properties
def masks_are_whole_rows_and_columns(t):
    logmel = _logmel(t.rng)
    for axis, words, lines, sizes in ((0, "frequency", "channels", (1, 5, 0, 5)), (1, "time", "frames", (0, 5, 1, 5))):
        for seed in range(8):
            got = t.on(f"one {words} mask")(logmel, np.random.default_rng(seed), *sizes)
            changed = _changed(got, logmel)
            found = np.flatnonzero(changed.any(axis=1 - axis))
            share = changed.sum() / max(1, len(found) * logmel.shape[1 - axis])
            t.holds(not len(found) or share > 0.9, f"A {words} mask hides {lines} from end to end; yours hides "
                    f"**{share:.0%}** of each that it touches.", ask="Which axis is frequency, and which is time?",
                    show=(got, _masked(logmel, np.random.default_rng(seed), *sizes)))
            t.holds(not len(found) or np.ptp(found) < 5, f"One {words} mask of width 5 at most hides {lines} "
                    f"**{', '.join(map(str, found))}** in yours.",
                    ask="How many masks are asked for, and are the lines of each neighbours?")


@spec_augment.properties
def the_mean_is_that_of_the_given_picture(t):
    logmel = _logmel(t.rng)
    for seed in range(8):
        got = t(logmel, np.random.default_rng(seed), 2, 6, 2, 12)
        fills = got[_changed(got, logmel)]
        low, high = (fills.min(), fills.max()) if len(fills) else (logmel.mean(),) * 2
        t.holds(max(high - logmel.mean(), logmel.mean() - low) < 1e-3, "What is hidden should be the mean of the given "
                f"spectrogram, {logmel.mean():.3f}; yours lies from **{low:.3f}** to **{high:.3f}**.",
                ask="Of which values is your mean, and is anything hidden in them already?",
                show=(got, _masked(logmel, np.random.default_rng(seed), 2, 6, 2, 12)))


@spec_augment.properties
def every_width_and_place_can_happen(t):
    logmel = _logmel(t.rng, 6, 6)
    for words, sizes, axis in (("channels", (1, 3, 0, 0), 0), ("frames", (0, 0, 1, 3), 1)):
        widths, ends = [], []
        for seed in range(60):
            got = t.on(f"one mask of up to 3 of 6 {words}")(logmel, np.random.default_rng(seed), *sizes)
            found = np.flatnonzero(_changed(got, logmel).any(axis=1 - axis))
            widths.append(len(found))
            ends += [*found[:1], *found[-1:]]
        t.holds(set(widths) == {0, 1, 2, 3}, f"In 60 masks of up to 3 {words} the widths 0, 1, 2 and 3 should all "
                f"occur; yours are **{', '.join(map(str, sorted(set(widths))))}**.",
                ask="Does `rng.integers` reach its upper end?")
        t.holds({0, 5} <= set(ends), f"In 60 masks of up to 3 of 6 {words} both the first and the last should be "
                f"hidden at times; yours reach from **{min(ends)}** to **{max(ends)}**.",
                ask="Where may a mask of width 3 start at the latest?")


@spec_augment.reference
def agrees_with_masked_arrays(t):
    for _ in range(12):
        mel, time = int(t.rng.integers(2, 40)), int(t.rng.integers(3, 80))
        logmel, seed = _logmel(t.rng, mel, time), int(t.rng.integers(1000))
        sizes = tuple(int(n) for n in t.rng.integers([0, 1, 0, 1], [4, 12, 4, 25]))
        case = (f"{sizes[0]} masks of up to {sizes[1]} of {mel} channels, {sizes[2]} of up to {sizes[3]} "
                f"of {time} frames, "
                f"`np.random.default_rng({seed})`")
        got = t.on(case)(logmel, np.random.default_rng(seed), *sizes)
        t.close(got, _masked(logmel, np.random.default_rng(seed), *sizes), atol=1e-4,
                says="With the same draws it has to agree with NumPy's masked arrays, `np.ma`.",
                ask="In which order are the numbers drawn, from where to where, and how many?")


def _masked(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20):
    """The same draws, hidden by NumPy's masked arrays."""
    picture = np.ma.array(logmel, mask=np.zeros(logmel.shape, bool))
    for view, masks, widest in ((picture, n_freq_masks, freq_width), (picture.T, n_time_masks, time_width)):
        for _ in range(masks):
            width = rng.integers(min(widest, len(view)), endpoint=True)
            start = rng.integers(len(view) - width, endpoint=True)
            view[start : start + width] = np.ma.masked
    return np.ma.filled(picture, np.mean(logmel, dtype=float))


def _hidden(logmel, rng, n_freq_masks=2, freq_width=10, n_time_masks=2, time_width=20, *,
            fill=lambda out, given, part: given.mean(),
            width=lambda rng, widest, size: rng.integers(0, min(widest, size) + 1),
            start=lambda rng, room, size: rng.integers(0, room + 1),
            axes=(0, 1), turn=(0, 1)):
    """What a mistake hands back: another fill, draw, or order of the axes."""
    out, sizes = logmel.copy(), ((n_freq_masks, freq_width), (n_time_masks, time_width))
    for kind in turn:
        masks, widest = sizes[kind]
        size = logmel.shape[axes[kind]]
        for _ in range(masks):
            wide = int(width(rng, widest, size))
            first = int(start(rng, size - wide, size))
            where = slice(first, first + wide)
            part = (where, slice(None)) if axes[kind] == 0 else (slice(None), where)
            out[part] = fill(out, logmel, part)
    return out


@spec_augment.mistake("You hide with zero. In a log-mel zero is loud, often the loudest there is.",
                      ask="Which energy has a logarithm of zero?")
def fills_with_zero(*args, **kwargs):
    return _hidden(*args, **kwargs, fill=lambda out, given, part: 0)


@spec_augment.mistake("Your mean is taken anew for every mask, from a picture of which parts are hidden already.",
                      ask="When do you compute the mean?")
def mean_of_what_is_left(*args, **kwargs):
    return _hidden(*args, **kwargs, fill=lambda out, given, part: out.mean())


@spec_augment.mistake("You hide with the mean of each row or column by itself: its shape shines through.",
                      ask="Of how many values is your mean?")
def mean_of_each_line(logmel, *args, **kwargs):
    def fill(out, given, part):
        return given.mean(axis=0, keepdims=True)[:, part[1]] if part[0] == slice(None) else \
            given.mean(axis=1, keepdims=True)[part[0]]

    return _hidden(logmel, *args, **kwargs, fill=fill)


@spec_augment.mistake("You hide with the mean of the part that is hidden, not of the whole.",
                      ask="Of which values is your mean?")
def mean_of_the_hidden_part(*args, **kwargs):
    return _hidden(*args, **kwargs, fill=lambda out, given, part: given[part].mean() if given[part].size else 0)


@spec_augment.mistake("Your frequency masks lie along time, and your time masks along frequency.",
                      ask="The shape is [mel, time]: which axis is frequency?")
def axes_swapped(*args, **kwargs):
    return _hidden(*args, **kwargs, axes=(1, 0))


@spec_augment.mistake("The largest width never happens: `rng.integers` does not reach its upper end.",
                      ask="Which numbers can `rng.integers(0, 3)` give?")
def largest_width_excluded(*args, **kwargs):
    return _hidden(*args, **kwargs, width=lambda rng, widest, size: rng.integers(0, max(min(widest, size), 1)))


@spec_augment.mistake("A width of 0 never happens.", ask="Which is the smallest width that the task names?")
def smallest_width_excluded(*args, **kwargs):
    return _hidden(*args, **kwargs,
                   width=lambda rng, widest, size: rng.integers(min(1, widest), min(widest, size) + 1))


@spec_augment.mistake("No mask of yours reaches the last line: `rng.integers` does not reach its upper end.",
                      ask="Where may a mask of width 3 start at the latest, in a picture of 6?")
def last_start_excluded(*args, **kwargs):
    return _hidden(*args, **kwargs, start=lambda rng, room, size: rng.integers(0, max(room, 1)))


@spec_augment.mistake("Your masks may start so late that they do not fit, and lose a part beyond the edge.",
                      ask="Where may a mask of width 3 start at the latest, in a picture of 6?")
def cut_at_the_edge(*args, **kwargs):
    return _hidden(*args, **kwargs, start=lambda rng, room, size: rng.integers(0, size))


@spec_augment.mistake("You cap a width after it was drawn, so that a small picture is hidden entirely too often.",
                      ask="Up to where does the draw go when there are only 4 lines?")
def capped_after_the_draw(*args, **kwargs):
    return _hidden(*args, **kwargs, width=lambda rng, widest, size: min(rng.integers(0, widest + 1), size))


@spec_augment.mistake("You draw the time masks before the frequency masks.",
                      ask="Which masks does the task draw first?")
def time_first(*args, **kwargs):
    return _hidden(*args, **kwargs, turn=(1, 0))
