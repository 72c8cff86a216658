"""What is written is said as people say it, and what cannot be said is refused in words."""

import random
import re
import warnings

import pytest
from num2words import num2words

from audiolab import pronounce
from audiolab.corpora import speech
from audiolab.recipes import phones


def bare(words):
    """num2words' British words as they are written here."""
    return " ".join(re.sub(r"[-,]| and ", " ", words).split())


# ---- numbers ---------------------------------------------------------------------------------------------


def numbers():
    rng = random.Random(0)
    return [*range(1300), *(rng.randrange(10**k) for k in range(4, 22) for _ in range(50)),
            *(10**k + d for k in range(2, 21) for d in (-1, 0, 1))]


def test_cardinals_and_ordinals_are_those_of_num2words():
    for n in numbers():
        if n < 10**21:
            assert pronounce.cardinal(n) == bare(num2words(n))
            assert pronounce.ordinal(n) == bare(num2words(n, to="ordinal"))
    assert pronounce.cardinal(-1002) == "minus one thousand two"
    assert pronounce.cardinal(10**21) == "one" + 21 * " zero"


def test_years_are_those_of_num2words():
    for n in range(1000, 10000):
        assert pronounce.year(n) == bare(num2words(n, to="year"))
    assert pronounce.year(476) == "four hundred seventy six" and pronounce.year(12000) == "twelve thousand"


def test_decimals_are_those_of_num2words():
    rng = random.Random(1)
    for _ in range(500):
        numeral = f"{rng.randrange(10**6)}.{rng.randrange(10**3)}{rng.randrange(1, 10)}"       # it drops a last zero
        assert pronounce.amount(numeral) == bare(num2words(numeral))
        assert pronounce.amount(f"{int(numeral.partition('.')[0]):,}") == bare(num2words(numeral.partition(".")[0]))
    assert pronounce.amount("2.50") == "two point five zero" and pronounce.amount(".5") == "zero point five"


# ---- the table ---------------------------------------------------------------------------------------------

CASES = {
    # numbers
    "0": "zero", "007": "zero zero seven", "It was -5.": "It was minus five.",
    "\N{MINUS SIGN}3.5": "minus three point five",
    "1,234.56": "one thousand two hundred thirty four point five six", "3.14": "three point one four",
    "100,000 people": "one hundred thousand people", "1,2345": "one, two thousand three hundred forty five",
    "version 1.2.3": "version one point two point three", "5 - 3 = 2": "five minus three equals two",
    "He came 21st, she 3rd.": "He came twenty first, she third.", "the 1,000th": "the one thousandth",
    # years and dates
    "in 1984": "in nineteen eighty four", "in 2005.": "in two thousand five.", "in 1905": "in nineteen oh five",
    "the 1980s and '90s": "the nineteen eighties and nineties", "3 May 2026": "the third of May, twenty twenty six",
    "the 3rd of May": "the third of May", "5/3/2026": "May third, twenty twenty six",
    "13/5/26": "May thirteenth, twenty six",
    "3.5.2026": "May third, twenty twenty six", "May 3rd": "May third", "2026-05-03": "May third, twenty twenty six",
    "on Dec. 25, 2026, we": "on December twenty fifth, twenty twenty six, we",
    "Sept. 2026": "September twenty twenty six",
    "2026-13-40": "two zero two six, one three, four zero", "1939-1945": "nineteen thirty nine to nineteen forty five",
    "31/4/2026": "thirty one slash four slash twenty twenty six",
    "29.2.2024": "February twenty ninth, twenty twenty four",
    "13/13/2026": "thirteen slash thirteen slash twenty twenty six",
    "30.2.2026": "thirty point two point two thousand twenty six",
    "2026-05-03T14:05Z": "May third, twenty twenty six, fourteen oh five U T C",
    "May 5-7, 2026": "May fifth to seventh, twenty twenty six",
    "the 5th\N{EN DASH}7th of May": "the fifth to the seventh of May",
    "Jan. 5\N{EN DASH}Feb. 7": "January fifth to February seventh",
    "in the 20s": "in the twenties", "the '80s and 90s": "the eighties and nineties", "in her 30s": "in her thirties",
    "100s of people": "hundreds of people",
    # times
    "It took 20s": "It took twenty seconds", "in 5m 20s": "in five minutes twenty seconds",
    "9am-5pm": "nine A M to five P M",
    "10:30": "ten thirty", "10:00": "ten o'clock", "at 9:05 a.m.": "at nine oh five A M.",
    "5pm sharp": "five P M sharp",
    "10:30:15": "ten thirty and fifteen seconds", "10:30\N{EN DASH}11:00": "ten thirty to eleven o'clock",
    "At 5 p.m. He left.": "At five P M. He left.", "at 5 p.m. Monday": "at five P M Monday",
    # money
    "$3.50": "three dollars and fifty cents", "£20": "twenty pounds", "€5m": "five million euros", "$1": "one dollar",
    "$0.99": "ninety nine cents", "£1.01": "one pound and one penny", "£2.02": "two pounds and two pence",
    "$1.5 million": "one point five million dollars", "-$5": "minus five dollars", "20 €": "twenty euros",
    "¥500": "five hundred yen", "$5-$10": "five dollars to ten dollars", "$0": "zero dollars", "$0.00": "zero cents",
    "$5M": "five million dollars", "£3M": "three million pounds", "$5K": "five thousand dollars",
    "$2Bn": "two billion dollars", "US$100": "one hundred U S dollars", "A$5": "five Australian dollars",
    "$.50": "fifty cents", "$3\N{EN DASH}5 million": "three to five million dollars", "$5Mio": "dollars five Mio",
    "₹500": "five hundred rupees", "₩1000": "one thousand won",
    "€1.234,56": "one thousand two hundred thirty four euros and fifty six cents",
    # units and fractions
    "5 m/s²": "five meters per second squared", "5 g/l": "five grams per liter", "5'11\"": "five feet eleven inches",
    "40°F\N{EN DASH}50°F": "forty degrees Fahrenheit to fifty degrees Fahrenheit", "24/7": "twenty four seven",
    "9/11": "nine eleven",
    "5%": "five percent", "5 km": "five kilometers", "1 km": "one kilometer", "20 °C": "twenty degrees Celsius",
    "1°": "one degree", "3 kHz": "three kilohertz", "20 m²": "twenty square meters",
    "60 km/h": "sixty kilometers per hour",
    "10 µs": "ten microseconds", "10 μs": "ten microseconds", "6 ft": "six feet",
    "wait 5 min. here": "wait five minutes here",
    "1/2": "one half", "3/4": "three quarters", "3/2": "three over two", "2 1/2": "two and one half",
    "2½ cups": "two and one half cups", "7/8": "seven eighths", "x² + 2^8": "x squared plus two to the power of eight",
    # telephones
    "555-0199": "five five five, zero one nine nine",
    "(415) 555-2671": "four one five, five five five, two six seven one",
    "call 555-123-4567 now": "call five five five, one two three, four five six seven now",
    "+44 20 7946 0958": "plus four four, two zero, seven nine four six, zero nine five eight",
    # codes and large numbers
    "4111-1111-1111-1111": "four one one one, one one one one, one one one one, one one one one",
    "978-3-16-148410-0": "nine seven eight, three, one six, one four eight four one zero, zero",
    "1-800-FLOWERS": "one, eight zero zero Flowers", "1 000 000": "one million", "10 000 people": "ten thousand people",
    "2.5e-5": "two point five times ten to the power of minus five",
    # names, abbreviations, letters
    "Please STOP now": "Please Stop now", "NO": "No", "We DON'T": "We Don't", "IT'S I'LL": "It's I'll",
    "the BBC'S": "the B B C's", "Approx. five": "Approximately five",
    "OAuth": "O Auth", "HTMLParser": "H T M L Parser", "XBox, IPad": "X Box, I Pad", "PCMag": "P C Mag",
    "World War II": "World War two", "Henry VIII had six.": "Henry the eighth had six.", "Chapter IV": "Chapter four",
    "Elizabeth I.": "Elizabeth the first.", "Louis XIV": "Louis the fourteenth", "James I think": "James I think",
    "Dr. Smith": "Doctor Smith", "Mr. and Mrs. Jones": "Mister and Missus Jones", "St. Paul": "Saint Paul",
    "at 12 Main St., Dr. Li": "at twelve Main Street, Doctor Li",
    "We live on Main St. He left.": "We live on Main Street. He left.",
    "e.g., apples, pears, etc.": "for example, apples, pears, et cetera.", "apples etc. are": "apples et cetera are",
    "No. 5": "number five", "Take no. It is": "Take no. It is", "#5": "number five", "p. 12": "page twelve",
    "BBC": "B B C", "CDs and the BBC's": "C D's and the B B C's", "the U.S. Army": "the U S Army",
    "the U.S.": "the U S.",
    "NASA": "Nasa", "OK": "okay", "John F. Kennedy": "John F Kennedy", "J. R. R. Tolkien": "J R R Tolkien",
    "plan B. He left": "plan B. He left", "MP3, H2O": "M P three, H two O", "Ph.D. work": "P H D work",
    "STOP! BBC NEWS": "Stop! B B C News",
    # symbols and addresses
    "2*3": "two times three", "a * b": "a times b", "**bold** *it*": "bold it", "# Heading": "Heading",
    "a -> b": "a, b",
    "C#, #tag": "C hash, hash tag", "rock & roll": "rock and roll",
    "AT&T and C++": "A T and T and C plus plus", "a_b": "a b",
    "me@example.com": "me at example dot com",
    "https://www.example.com/page1.": "W W W dot example dot com slash page one.",
    "see my-site.co.uk, please": "see my dash site dot co dot U K, please", "the .venv": "the dot venv",
    # marks and letters
    "“Hello,” she said — ‘yes’…": "Hello, she said, yes.", "Wait... what?!": "Wait, what?",
    "(in brackets) here": "in brackets, here",
    "dogs' tails don't": "dogs' tails don't", "He said 'go on' twice": "He said go on twice",
    "well-known": "well known",
    "cafe\N{COMBINING ACUTE ACCENT}": "café", "naïve Dvořák": "naïve Dvorák", "tab\tand\nline": "tab and line",
    "zero\N{ZERO WIDTH SPACE}width\x07": "zerowidth", "５ｋｍ": "five kilometers",
    "5\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}": "five",
}  # fmt: skip


@pytest.mark.parametrize("written", CASES)
def test_what_is_written_is_said(written):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = pronounce.normalise(written)
    assert said == CASES[written]
    assert pronounce.phonemes(said)[-1] in pronounce.PAUSES


@pytest.mark.parametrize("before", ["", "it is ", '"', "'", "(", "[", "x=", "10^", "1e", "$", "US$", "1,", "~", ">"])
@pytest.mark.parametrize("sign", ["-", "\N{MINUS SIGN}", "\N{EN DASH}"])
def test_a_sign_before_a_numeral_is_said(before, sign):
    for numeral in ("5", ".5", "40") if before != "1e" else ("5", "40"):
        said = pronounce.normalise(before + sign + numeral)
        assert said.split().count("minus") == 1, said


@pytest.mark.parametrize(("text", "says"), [
    ("", "nothing to say"), ("  \n", "nothing to say"), ("?!", "nothing to say"), ("\x00\x07", "nothing to say"),
    ("Привет, мир", "П р и в е т м cannot be said"), ("Hello 你好", "你 好 cannot"), ("٣ apples", "٣ cannot"),
    ("a" * 1001, "1001 characters.*pronounce.sentences")])
def test_what_cannot_be_said_is_one_clear_error(text, says):
    with pytest.raises(ValueError, match=says):
        pronounce.normalise(text)


def test_emoji_are_left_out_with_a_word():
    with pytest.warns(UserWarning, match="Left out.*😀 →") as seen:
        assert pronounce.normalise("Hello 😀 world → 😀") == "Hello world"
    assert len(seen) == 1 and seen[0].filename == __file__
    with pytest.warns(UserWarning, match="Left out"), pytest.raises(ValueError, match="nothing to say"):
        pronounce.normalise("😀")
    with pytest.raises(TypeError, match="not int"):
        pronounce.normalise(42)


def test_whatever_comes_only_words_and_marks_go_out():
    rng, some = random.Random(0), "0123456789+-()/.,:;$€% akmSTAP'@\"\n^#é–_…×½²"
    for size in [3, 8, 30, 200] * 100:
        text = "".join(rng.choice(some) for _ in range(size))
        try:
            said = pronounce.normalise(text)
        except ValueError:
            assert not re.search(r"[0-9A-Za-zé]", text)
            continue
        assert re.fullmatch(r"[^\W\d_']?['\w ,.?!]*", said) and not re.search(r"[\d_]|  |^[ ,.?!]|[ ,]$", said), text


# ---- sentences ---------------------------------------------------------------------------------------------


def test_a_text_is_cut_where_a_sentence_ends():
    parts = ["Dr. Smith paid $3.50.", "He left.", '"Why?" she asked.', "The U.S. Army came at 5 p.m. on Monday.",
             "They ate apples, etc.", "He said no.", "J. R. R. Tolkien wrote it...", "See No. 5 vs. No. 6!",
             "Main St. is long.", "3.5 is a number."]
    assert pronounce.sentences(" ".join(parts)) == parts
    assert pronounce.sentences("One\nline\n\nother part") == ["One\nline", "other part"]
    assert pronounce.sentences(" \n ") == []


@pytest.mark.parametrize("parts", [
    ["We met on Jan. 5.", "It was cold."], ["Feb. 3 and Sept. 4 at 5 p.m. on Jan. 5.", "He left."],
    ["We left in May.", "5 came back."], ["It is approx. 5.", "Approx. 6 are left."],
    ["I said No.", "www.a.com is slow."], ["The iPhone is good.", "eBay won."],
    ["At 5 p.m.  on Monday we met, i.e. iPhone users."]])
def test_a_text_is_said_as_its_sentences_are(parts):
    text = " ".join(parts)
    assert pronounce.sentences(text) == parts
    assert pronounce.normalise(text) == " ".join(map(pronounce.normalise, parts))


def test_a_long_text_is_cut_into_pieces_that_can_be_said():
    text = " ".join(speech.prompts())[:5000] + " " + "word " * 400 + "x" * 1500 + ", " + "one, two, " * 300
    pieces = pronounce.sentences(text)
    assert max(map(len, pieces)) <= pronounce.LONGEST and all(pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(pronounce.normalise(piece) for piece in pieces)


# ---- phonemes ----------------------------------------------------------------------------------------------


def test_units_are_phonemes_word_boundaries_and_marks():
    assert pronounce.phonemes("Four zero, two?") == [
        "f", "ˈɔːɹ", " ", "z", "ˈiə", "ɹ", "oʊ", ",", "t", "ˈuː", "?"]
    assert pronounce.phonemes("two") == ["t", "ˈuː", "."]
    assert pronounce.phonemes("U S A")[-2:] == ["ˈeɪ", "."] and pronounce.phonemes("A M")[0] == "ˈeɪ"
    assert pronounce.phonemes("a man")[0] == "ɐ"
    assert pronounce.phonemes("JupyterLab") == pronounce.phonemes("Jupyter Lab")
    assert pronounce.phonemes("HTMLParser") == pronounce.phonemes("HTML Parser")


@pytest.mark.parametrize("word", [
    "OAuth", "XBox", "IPad", "HTMLParser", "JSONPath", "XMLHttpRequest", "PCMag", "OKed", "DJing", "IJsselmeer",
    "AWSome", "SGVsbG8gV29ybGQh", "aGVsbG9XT1JMRA", "a" * 1000])
def test_what_espeak_takes_for_several_words_is_said(word):
    assert len(pronounce.phonemes(pronounce.normalise(word))) > 3
    *_, words, sounds = speech.say_with_times(word)
    spoken = [unit for unit in pronounce.units(word, words, sounds) if unit not in (" ", *pronounce.PAUSES)]
    assert spoken == [sound["phoneme"] for sound in sounds]


def test_a_corpus_and_a_text_give_the_same_units():
    for text in speech.prompts()[::12]:
        for rate in (130, 175, 220):
            *_, words, sounds = speech.say_with_times(text, "en-us+Annie", rate=rate, pitch=60)
            made = pronounce.units(text, words, sounds)
            assert made == pronounce.phonemes(pronounce.normalise(text))
            spoken = [unit for unit in made if unit not in (" ", *pronounce.PAUSES)]
            assert spoken == [sound["phoneme"] for sound in sounds] and made.count(" ") < len(words)
            assert {unit.strip("ˈˌ") for unit in spoken} <= set(phones.PHONEMES.split())


def test_what_is_no_word_has_no_phonemes():
    with pytest.raises(ValueError, match=r"'24'.*normalise first"):
        pronounce.phonemes("42")
    with pytest.raises(ValueError, match="There is no text"):
        pronounce.phonemes("")
    with pytest.raises(ValueError, match="no voice called"):
        pronounce.phonemes("two", "nobody")
    *_, words, sounds = speech.say_with_times("forty two")
    with pytest.raises(ValueError, match="'forty' was said and is not in '42'"):
        pronounce.units("42", words, sounds)
    with pytest.raises(ValueError) as raised:
        pronounce.phonemes("4" * 1000)
    assert len(str(raised.value)) < 200
