"""Networks that compose give probabilities that add up, do not look ahead, and neither copy nor leak."""

import math
from dataclasses import replace
from itertools import chain, combinations, pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from audiolab import counterpoint, recipes, scores
from audiolab.corpora import music as pieces
from audiolab.corpora import remote
from audiolab.models import infilling, music
from audiolab.models.infilling import InfillTransformer
from audiolab.models.music import ChordNGram, ChordTransformer, KeysLSTM, KeysTransformer, VoiceTransformer
from audiolab.recipes import composing
from audiolab.scores import HOLD, MISSING, REST, ScoreError

SMALL = dict(dim=32, layers=2, heads=2)
STEPS = [(48, 60, 64, 67), (47, 62, 67), (), (48, 60, 64, 67), (41, 60, 65, 69)]
GRID = np.array([[72, 67, 64, 48], [HOLD, 65, HOLD, REST], [71, HOLD, 62, 55], [HOLD, HOLD, REST, HOLD]])


def small(kind, **other):
    torch.manual_seed(0)
    return kind(**SMALL, **other).eval()


def needs_jsb():
    if not remote.at_hand("jsb-chorales"):
        pytest.skip("needs AUDIOLAB_MIRROR")


# ---- attention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m, n", [(7, 7), (1, 9), (3, 8)])
def test_attention_agrees_with_pytorch(m, n):
    q, k, v = (torch.randn(2, 3, size, 16) for size in (m, n, n))
    h, weights = music.attention(q, k, v, music.causal(m, n))
    assert torch.allclose(h, scaled_dot_product_attention(q, k, v, music.causal(m, n)), atol=1e-5)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 3, m), atol=1e-5)
    everywhere, _ = music.attention(q, k, v)
    assert torch.allclose(everywhere, scaled_dot_product_attention(q, k, v), atol=1e-5)


def test_causal_is_a_triangle_and_its_last_rows():
    assert music.causal(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert music.causal(2, 3).int().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_turned_questions_and_answers_know_only_the_distance():
    q, k = torch.randn(2, 1, 1, 1, 16)
    meet = [(music.turned(q, torch.tensor([[a]])) * music.turned(k, torch.tensor([[b]]))).sum()
            for a, b in ((0, 3), (40, 43), (0, 4))]
    assert meet[0] == pytest.approx(meet[1].item(), abs=1e-4) and abs(meet[0] - meet[2]) > 1e-3
    assert music.turned(q, torch.tensor([[9]])).norm() == pytest.approx(q.norm().item(), rel=1e-5)


# ---- likelihoods, by hand --------------------------------------------------------------------------------


def test_factorised_nats_of_a_case_worked_out_by_hand():
    logits = torch.full((1, 2, 88), -100.0)                     # of which each costs nothing when the key is up
    logits[0, 0, 39], logits[0, 0, 43] = math.log(3), 0.0       # p = 3/4 and 1/2
    logits[0, 1, 39] = math.log(1 / 4)                          # p = 1/5
    rolls = torch.from_numpy(scores.roll_of([(60,), ()]))[None]
    by_hand = [-math.log(3 / 4) - math.log(1 / 2), -math.log(4 / 5)]
    assert music.keys_nll(logits, rolls)[0].tolist() == pytest.approx(by_hand, rel=1e-5)
    y = rolls, torch.tensor([2])
    assert float(KeysLSTM.loss(logits, y)) == pytest.approx(sum(by_hand) / 2, rel=1e-5)
    assert torch.cat(KeysLSTM.by_step(logits, y)).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_who_knows_nothing_pays_88_ln_2():
    rolls = torch.from_numpy(scores.roll_of(STEPS))[None]
    assert music.keys_nll(torch.zeros(1, 5, 88), rolls)[0].tolist() == pytest.approx([88 * math.log(2)] * 5)


def test_the_published_figure_leaves_first_steps_out_and_counts_steps_alike():
    assert music.per_step([np.array([90.0, 1.0]), np.array([70.0, 2.0, 3.0, 6.0])]) == pytest.approx(12 / 4)


def test_joint_nats_of_a_step_are_those_of_its_tokens():
    tokens = ChordTransformer.tokens([(60, 64), ()])
    _, wanted = ChordTransformer.batch([tokens])
    assert wanted.tolist() == [[43, 39, 88, 88]]
    logits = torch.zeros(1, 4, 89)
    logits[0, 0, 43], logits[0, 3, 88] = math.log(12), math.log(88)     # p = 12/100 and 1/2; else 1/89
    model = small(ChordTransformer)
    by_hand = [-math.log(12 / 100) + 2 * math.log(89), math.log(2)]
    assert model.by_step(logits, wanted)[0].tolist() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("few", [(0, 1, 2, 3), (20, 40, 60, 87)])
def test_probabilities_of_all_chords_add_up_to_one(few, monkeypatch):
    """Of four keys, the others never down: 16 chords, each with one text."""
    model, score = small(ChordTransformer), ChordTransformer.scores
    never = torch.ones(89, dtype=torch.bool)
    never[[*few, 88]] = False
    monkeypatch.setattr(ChordTransformer, "scores", lambda *args: score(*args).masked_fill(never, -math.inf))
    sets = chain.from_iterable(combinations(few, n) for n in range(5))
    items = [ChordTransformer.tokens([(60, 64), tuple(key + 21 for key in keys)]) for keys in sets]
    after = [ChordTransformer.tokens([tuple(few[i] + 21 for i in (0, 2)), ChordTransformer.steps(item)[1]])
             for item in items]
    p = [math.exp(-each[1]) for each in music.nll(model, after)]
    assert len(p) == 16 and sum(p) == pytest.approx(1, abs=1e-4)


def test_a_chord_has_one_text_and_no_other_is_possible():
    tokens = ChordTransformer.tokens(STEPS)
    assert ChordTransformer.steps(tokens) == STEPS
    assert ChordTransformer.tokens([(67, 60, 64, 60)]).tolist() == [89, 46, 43, 39, 88]    # unisons vanish, order too
    p = small(ChordTransformer)(tokens[None]).softmax(dim=2)[0].detach()
    assert p[1, 46:88].sum() == 0 and p[1, :46].sum() + p[1, 88] == pytest.approx(1)       # below the last, or the end
    assert p[4, :88].sum() > 0.5                                                           # after a chord, any


def test_tokens_of_voices_lead_back():
    tokens = VoiceTransformer.tokens(GRID)
    assert len(tokens) == 16 and np.array_equal(VoiceTransformer.grid(tokens), GRID)


# ---- nobody looks ahead ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeysLSTM, KeysTransformer])
def test_factorised_answers_do_not_see_their_step(kind):
    torch.manual_seed(0)
    model = (kind(dim=16) if kind is KeysLSTM else kind(**SMALL)).eval()
    roll = torch.from_numpy(scores.roll_of(STEPS))
    other = roll.clone()
    other[3:] = 1 - other[3:]
    one, two = (model(model.batch([each])[0]) for each in (roll, other))
    assert torch.allclose(one[:, :4], two[:, :4], atol=1e-5) and not torch.allclose(one[:, 4], two[:, 4])


@pytest.mark.parametrize("kind, piece", [(ChordTransformer, STEPS), (VoiceTransformer, GRID)])
def test_joint_answers_do_not_see_what_comes(kind, piece):
    model = small(kind)
    x, _ = model.batch([kind.tokens(piece)])
    for cut in range(1, x.shape[1]):
        assert torch.allclose(model(x[:, :cut]), model(x)[:, :cut], atol=1e-5)


@pytest.mark.parametrize("kind, piece", [(ChordTransformer, STEPS), (VoiceTransformer, GRID)])
def test_a_batch_is_read_as_each_piece_alone(kind, piece):
    model = small(kind)
    alone, longer = kind.tokens(piece), kind.tokens([*piece, *piece])
    together = music.nll(model, [alone, longer])
    assert np.allclose(together[0], music.nll(model, [alone])[0], atol=1e-4)
    assert np.allclose(together[1], music.nll(model, [longer])[0], atol=1e-4)


def test_who_fills_in_reads_a_batch_as_each_piece_alone():
    model = small(InfillTransformer)
    short, long = VoiceTransformer.tokens(GRID), VoiceTransformer.tokens(np.vstack([GRID, GRID[:2]]))
    x, wanted = model.batch([short, long])
    assert wanted[0, 16:].tolist() == [-100] * 8
    assert torch.allclose(model(x)[0, :16], model(short[None])[0], atol=1e-4)


def test_a_network_that_is_asked_in_all_transpositions_says_the_same_of_a_piece_in_another():
    model = small(KeysTransformer)
    (rolls, shifts), _ = model.batch([torch.from_numpy(scores.roll_of(STEPS))])
    asked = music.in_all_transpositions(model, (rolls, shifts))
    moved = music.in_all_transpositions(model, (rolls.roll(5, dims=2), (shifts + 5) % 12)).roll(-5, dims=2)
    middle = slice(30, 60)                                      # what is moved over an end of the keyboard is not alike
    by_hand = [model((rolls.roll(by, dims=2), (shifts + by) % 12)).roll(-by, dims=2) for by in range(-6, 6)]
    assert torch.allclose(asked, torch.stack(by_hand).mean(dim=0), atol=1e-5)
    assert (asked - moved)[..., middle].abs().mean() < (asked - model((rolls, shifts)))[..., middle].abs().mean()


def test_who_fills_in_hears_nothing_of_what_is_held_after_a_gap():
    model = small(InfillTransformer)
    one, two = GRID.copy(), GRID.copy()
    two[0, 0] = 74                                              # held at step 1, struck anew at step 2
    one, two = (InfillTransformer.tokens(grid) for grid in (one, two))
    assert not torch.equal(model(one[None]), model(two[None]))
    one[0] = two[0] = model.MISSING
    assert torch.equal(model(one[None]), model(two[None]))


def test_who_fills_in_counts_each_piece_alike():
    logits = torch.randn(2, 4, 90)
    wanted = torch.tensor([[3, -100, -100, -100], [3, 4, 5, 6]])
    nats = torch.nn.functional.cross_entropy
    each = nats(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="none")
    assert InfillTransformer.loss(logits, wanted) == pytest.approx(((each[0] + each[4:].mean()) / 2).item())


# ---- keys and values are kept ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind, piece", [(ChordTransformer, STEPS), (VoiceTransformer, GRID)])
@pytest.mark.parametrize("portion", [1, 3])
def test_a_cache_changes_no_logit(kind, piece, portion):
    model = small(kind)
    x, _ = model.batch([kind.tokens(piece), kind.tokens(piece)])
    cache = []
    ends = [*range(portion, x.shape[1], portion), x.shape[1]]
    parts = torch.cat([model(x[:, :end], cache) for end in ends], dim=1)
    assert torch.allclose(parts, model(x), atol=1e-5)


@pytest.mark.parametrize("kind", [ChordTransformer, VoiceTransformer])
def test_a_cache_changes_nothing_that_is_written(kind):
    model = small(kind)
    start = torch.full((3, 1), kind.START)
    one, two = (music.go_on(model, start, 6, seed=1, cached=cached) for cached in (True, False))
    assert torch.equal(one, two) and not torch.equal(one, music.go_on(model, start, 6, seed=2))


# ---- drawing ---------------------------------------------------------------------------------------------


def test_probabilities_by_hand():
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()
    assert music.probabilities(logits).tolist() == pytest.approx([0.1, 0.4, 0.3, 0.2])
    assert music.probabilities(logits, top_k=2).tolist() == pytest.approx([0, 4 / 7, 3 / 7, 0])
    assert music.probabilities(logits, top_p=0.7).tolist() == pytest.approx([0, 4 / 7, 3 / 7, 0], abs=1e-5)
    assert music.probabilities(logits, top_p=0.71).tolist() == pytest.approx([0, 4 / 9, 3 / 9, 2 / 9])
    assert music.probabilities(logits, top_p=0.01).tolist() == [0, 1, 0, 0]
    assert music.probabilities(logits, temperature=0).tolist() == [0, 1, 0, 0]
    squared = np.array([0.01, 0.16, 0.09, 0.04])
    assert music.probabilities(logits, temperature=0.5).tolist() == pytest.approx(squared / squared.sum())
    assert music.probabilities(logits, top_k=9, top_p=1.0).tolist() == pytest.approx([0.1, 0.4, 0.3, 0.2])


def test_what_is_impossible_stays_so():
    p = music.probabilities(torch.tensor([[0.0, -math.inf, 1.0]]), temperature=5, top_k=3, top_p=1.0)
    assert p[0, 1] == 0 and p.sum() == pytest.approx(1)


@pytest.mark.parametrize("logits", [[-math.inf, -math.inf], [math.nan, 0.0]])
def test_logits_of_which_none_is_possible_are_refused(logits):
    with pytest.raises(ValueError, match="something must be possible"):
        music.probabilities(torch.tensor(logits))


def test_a_very_small_temperature_is_the_most_probable_alone():
    assert music.probabilities(torch.tensor([1.0, 3.0, 2.0]), temperature=1e-40).tolist() == [0, 1, 0]


@pytest.mark.parametrize("options, words", [
    (dict(temperature=-1), "temperature"), (dict(temperature=math.nan), "temperature"), (dict(top_k=0), "top_k=0"),
    (dict(top_p=0), "top_p=0"), (dict(top_p=1.5), "top_p=1.5"),
])
def test_daring_has_its_bounds(options, words):
    with pytest.raises(ValueError, match=words):
        music.probabilities(torch.zeros(4), **options)


# ---- composing and filling in ----------------------------------------------------------------------------


def test_a_piece_goes_on_with_what_it_was_given():
    piece = music.compose(small(VoiceTransformer), steps=5, prompt=GRID, seed=3)
    assert piece.shape == (9, 4) and np.array_equal(piece[:4], GRID)
    scores.from_grid(piece)                                     # which refuses what is no grid
    assert music.compose(small(VoiceTransformer), steps=5).shape == (5, 4)


@pytest.mark.parametrize("prompt, words", [
    (np.zeros((0, 4), int), "prompt is empty"), (np.full((2, 4), 5), "Pitch 5 is no key"),
    (np.full((2, 4), HOLD), "holds at step 0"), (np.zeros((2, 3), int), r"\[2, 3\]"),
    (np.full((2, 4), REST), "Nothing sounds"),
])
def test_a_prompt_that_is_none_is_refused(prompt, words):
    with pytest.raises(ScoreError, match=words):
        music.compose(small(VoiceTransformer), prompt=prompt)


@pytest.mark.parametrize("kind", [float, np.int8])
def test_whole_numbers_of_any_type_are_a_grid(kind):
    hidden = np.where(np.arange(4) == 1, MISSING, GRID)
    assert np.array_equal(music.compose(small(VoiceTransformer), 3, prompt=GRID.astype(kind)),
                          music.compose(small(VoiceTransformer), 3, prompt=GRID))
    assert np.array_equal(infilling.fill_in(small(InfillTransformer), hidden.astype(kind), rounds=2),
                          infilling.fill_in(small(InfillTransformer), hidden, rounds=2))


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="steps=0"):
        music.compose(small(VoiceTransformer), steps=0)


@pytest.mark.parametrize("times", [1, 40])                      # within a window, and beyond
def test_what_is_missing_is_filled_in_and_nothing_else_is_touched(times):
    model = small(InfillTransformer)
    given = np.tile(GRID, (times, 1))
    hidden = given.copy()
    hidden[:, 1] = hidden[1, 3] = MISSING
    piece = infilling.fill_in(model, hidden, rounds=3)
    assert np.array_equal(piece[:, [0, 2]], given[:, [0, 2]]) and not (piece == MISSING).any()
    scores.from_grid(piece)
    assert np.array_equal(piece, infilling.fill_in(model, hidden, rounds=3))
    assert not np.array_equal(piece, infilling.fill_in(model, hidden, rounds=3, seed=1))


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_held_where_nothing_sounds_and_what_is_given_to_be_held_is(seed):
    model = small(InfillTransformer)
    hidden = np.full((70, 4), MISSING)
    hidden[1] = hidden[66] = HOLD                               # in the first window, and in a later one
    piece = infilling.fill_in(model, hidden, rounds=2, seed=seed)
    scores.from_grid(piece)                                     # which refuses what is held where nothing sounds
    assert (piece[1] == HOLD).all() and (piece[66] == HOLD).all() and (piece[0] >= 0).all()


def test_a_network_of_another_kind_is_refused():
    composer, filler, lstm = small(VoiceTransformer), small(InfillTransformer), KeysLSTM(dim=16)
    for call, words in ((lambda: infilling.fill_in(composer, [[60, MISSING, REST, REST]]), "takes a InfillTransformer"),
                        (lambda: music.compose(filler), "takes a VoiceTransformer, not InfillTransformer"),
                        (lambda: music.compose((composer, {})), "of which the model is the first"),
                        (lambda: music.draw_keys(composer, 3), "KeysLSTM or KeysTransformer"),
                        (lambda: music.go_on(lstm, torch.tensor([[89]]), 3), "not KeysLSTM")):
        with pytest.raises(TypeError, match=words):
            call()


@pytest.mark.parametrize("roll, steps, words", [
    (np.full((3, 88), 7.0), 2, "holds 1 where"), (np.full((3, 88), np.nan), 2, "holds 1 where"),
    (np.zeros((3, 80)), 2, r"\[3, 80\]"), (np.zeros((3, 88)), -3, "steps=-3"),
])
def test_a_roll_that_is_none_is_refused(roll, steps, words):
    with pytest.raises(ValueError, match=words):
        music.draw_keys(KeysLSTM(dim=16), steps, roll)


def test_filling_in_refuses_what_has_no_gap_or_is_no_grid():
    model = small(InfillTransformer)
    with pytest.raises(ScoreError, match="Nothing is missing"):
        infilling.fill_in(model, GRID)
    with pytest.raises(ScoreError, match="Pitch 5"):
        infilling.fill_in(model, [[5, MISSING, REST, REST]])
    with pytest.raises(ValueError, match="rounds=0"):
        infilling.fill_in(model, [[60, MISSING, REST, REST]], rounds=0)


@pytest.mark.parametrize("kind", [KeysLSTM, KeysTransformer])
def test_a_factorised_model_draws_what_it_finds_probable(kind):
    torch.manual_seed(0)
    model = kind(dim=32)
    head = model.head if kind is KeysLSTM else model.of_key
    with torch.no_grad():
        head.bias.fill_(-50)
        head.bias[[39, 43]] = 50
    roll = music.draw_keys(model, 3, scores.roll_of(STEPS))
    assert np.array_equal(roll[:5], scores.roll_of(STEPS)) and scores.chords(roll[5:]) == [(60, 64)] * 3
    with pytest.raises(ValueError, match=r"\[88, 4\]"):
        music.draw_keys(model, 1, np.zeros((88, 4)))


def test_what_was_written_can_be_heard():
    y, sr = pieces.render(scores.to_midi(scores.from_grid(GRID), programs=(68, 68, 70, 70)))
    assert y.shape[0] == 2 and sr == 22050 and np.abs(y).max() > 0.5


# ---- counting --------------------------------------------------------------------------------------------


def test_a_markov_chain_counts_and_walks_what_it_saw():
    bigram = music.MarkovChain([[60, 62, 60, 64], [60, 62]])
    assert bigram.next() == {60: 1} and bigram.next([99]) == {}
    assert bigram.next([7, 60]) == pytest.approx({62: 2 / 3, 64: 1 / 3})
    assert bigram.next([62]) == {60: 0.5, None: 0.5} and bigram.next([64]) == {None: 1}
    walks = [bigram.walk(50, seed) for seed in range(200)]
    assert all(set(pairwise(walk)) <= {(60, 62), (62, 60), (60, 64)} for walk in walks)
    ends = np.mean([walk[-1] == 64 for walk in walks])          # from 60: 1/3, or 2/3 · 1/2 and again: 1/2
    assert ends == pytest.approx(0.5, abs=0.12)
    assert music.MarkovChain([[1, 2, 3], [4, 2, 5]], order=2).next([1, 2]) == {3: 1}


def test_a_markov_chain_needs_something_to_remember():
    with pytest.raises(ValueError, match="order=0"):
        music.MarkovChain([[60]], order=0)
    with pytest.raises(ValueError, match="no sequences"):
        music.MarkovChain([])


def test_an_n_gram_of_chords_knows_what_it_counted_in_any_key():
    items = [ChordTransformer.tokens(STEPS * 3)]
    moved = [ChordTransformer.tokens([tuple(pitch + 5 for pitch in step) for step in STEPS * 3])]
    in_any_key, as_it_stands = ChordNGram(items, 8), ChordNGram(items, 8, transposing=False)
    mean = {name: music.per_step(model.nll(some)) for model, name, some in (
        (in_any_key, "any", items), (in_any_key, "any, moved", moved),
        (as_it_stands, "stands", items), (as_it_stands, "stands, moved", moved))}
    assert mean["any, moved"] < 1.5 * mean["any"] and mean["stands, moved"] > 3 * mean["stands"]
    for before in ((), (50,), (50, 47), (50, 47, 88)):
        p = np.exp(in_any_key.next(before))
        assert p.sum() == pytest.approx(1) and (p[before[-1] : 88].sum() == 0 if before and before[-1] < 88 else True)


# ---- what is learnt from ---------------------------------------------------------------------------------


def test_changed_batches_are_the_pieces_in_another_key():
    generator = torch.Generator().manual_seed(0)
    x, y = ChordTransformer.batch([ChordTransformer.tokens(STEPS)] * 20)
    moved, wanted = composing.chords_in_any_key(x.clone(), y.clone(), generator)
    shifts = (moved[:, 1] - x[:, 1])
    assert set(shifts.tolist()) <= set(range(-6, 6)) and len(set(shifts.tolist())) > 5
    for one, target, shift in zip(moved, wanted, shifts.tolist(), strict=True):
        told = ChordTransformer.tokens([tuple(pitch + shift for pitch in step) for step in STEPS], shift)
        assert torch.equal(one, told[:-1]) and torch.equal(target, told[1:])
    x, y = KeysTransformer.batch([torch.from_numpy(scores.roll_of(STEPS))] * 20)
    (rolls, shifts), _ = composing.rolls_in_any_key(x, y, generator)
    for roll, shift in zip(rolls, shifts.tolist(), strict=True):
        assert [{(pitch - 60 - shift) % 12 for pitch in step} for step in scores.chords(roll)] == [
            {(pitch - 60) % 12 for pitch in step} for step in STEPS]


def test_voices_stay_where_voices_can_sing():
    generator = torch.Generator().manual_seed(0)
    model = small(VoiceTransformer)
    x, y = model.batch([VoiceTransformer.tokens(GRID)] * 50)
    moved, wanted = composing.voices_in_any_key(x, y, generator)
    keys = moved[moved < 88] + 21
    assert keys.min() >= 36 and keys.max() <= 81 and len(set(moved[:, 1].tolist())) > 5
    assert torch.equal(moved[:, 1:], wanted[:, :-1]) and torch.equal(moved >= 88, x >= 88)


def test_what_is_asked_for_is_hidden_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    model = small(InfillTransformer)
    x, y = model.batch([VoiceTransformer.tokens(np.tile(GRID, (40, 1))), VoiceTransformer.tokens(GRID)])
    for _ in range(20):
        hidden, wanted = composing.voices_missing(x, y, generator)
        assert hidden.shape == (2, 256) and ((hidden == model.MISSING) == (wanted >= 0)).all()
        assert (wanted[0] >= 0).any() and not ((hidden == model.FILL) & (wanted >= 0)).any()


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A course of its own in which the chorales are a few bars each, alike in all splits but for their key."""
    (tmp_path / "exercises").mkdir()
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    splits = {"train": (0, 1), "validation": (2,), "test": (3,)}
    grid = np.tile(np.array([[72, 67, 64, 48], [HOLD, 65, HOLD, REST], [71, 67, 62, 55], [HOLD] * 4]), (5, 1))
    monkeypatch.setattr(composing, "grids", lambda split: tuple(
        np.where(grid > 0, grid + shift, grid) for shift in splits[split]))
    monkeypatch.setattr(remote, "jsb", lambda: {split: [
        [tuple(pitch + shift for pitch in step) for step in STEPS] for shift in shifts]
        for split, shifts in splits.items()})
    return tmp_path


@pytest.mark.parametrize("name", composing.RECIPES)
def test_a_recipe_leads_to_a_checkpoint_that_is_worth_what_its_card_says(few, monkeypatch, name):
    recipe = composing.RECIPES[name]
    for one in {"keys-lstm-jsb", name} if name == "keys-transformer-jsb" else {name}:     # which asks the other, too
        sizes = dict(dim=16) if composing.RECIPES[one].model is KeysLSTM else SMALL
        quick = replace(composing.RECIPES[one], epochs=2, fit=dict(batch_size=2),
                        arguments=composing.RECIPES[one].arguments | sizes)
        for known in (recipes.RECIPES, composing.RECIPES):
            monkeypatch.setitem(known, one, quick)
    if name == "keys-transformer-jsb":
        recipes.train("keys-lstm-jsb", progress=False)
    card = recipes.train(name, progress=False)
    assert card["metrics"]["test"]["clips"] == 1 and card["steps"] == 2 and card["corpus"] == recipe.corpus
    assert recipes.evaluate(name) == pytest.approx(card["metrics"]["test"], rel=1e-4)
    if recipe.written:                                          # the test's piece is the training's, in another key
        assert card["metrics"]["written"]["longest_test"] == (2 if "jsb" in name else 10)
    if recipe.model is ChordTransformer:                        # moved with the piece, or not
        assert card["metrics"]["beside"]["nll"] < card["metrics"]["beside"]["nll_as_written"]
    assert (few / "data" / "checkpoints" / f"{name}.safetensors").exists()


def together(steps):
    """What stands for a piece in whatever key."""
    zero = min(next(step for step in steps if step))
    return tuple(tuple(pitch - zero for pitch in step) for step in steps)


def test_no_test_piece_is_in_the_training_for_the_table_in_any_key():
    needs_jsb()
    splits = {name: {together(steps) for steps in remote.jsb()[name]} for name in ("train", "validation", "test")}
    assert [len(each) for each in splits.values()] == [229, 76, 77]
    assert not splits["test"] & (splits["train"] | splits["validation"]) and not splits["train"] & splits["validation"]
    # What is trained on is what was published, moved as a whole, and nothing besides.
    assert [ChordTransformer.steps(item) for item in composing.chords("train")] == remote.jsb()["train"]
    assert [scores.chords(roll) for roll in composing.rolls("train")] == [
        [tuple(sorted(set(step))) for step in steps] for steps in remote.jsb()["train"]]


def test_the_splits_of_our_own_share_no_melody():
    split = pieces.four_voices()
    sizes = {side: len(names) for side, names in split.items()}
    assert sum(sizes.values()) == len(set(chain(*split.values()))) > 350
    assert min(sizes["validation"], sizes["test"]) >= 30
    steps = {side: [counterpoint.quarters(grid) for grid in composing.grids(side)] for side in split}
    learnt = {together(each) for each in steps["train"] + steps["validation"]}
    assert not learnt & {together(each) for each in steps["test"]}
    tunes = {side: counterpoint.sopranos(each) for side, each in steps.items()}
    assert max(counterpoint.longest_runs(tunes["test"], tunes["train"])) < min(map(len, tunes["test"]))
