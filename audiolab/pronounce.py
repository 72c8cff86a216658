"""From what is written to what is said: text to words, and words to phonemes.

`normalise` is a table of rules, each a pattern and what to say for it, tried from top to bottom: dates before
fractions, because 5/3/2026 is no fraction. No table is ever complete. `phonemes` asks espeak-ng, whose dictionary and
rules for letters are the work of many years: "though", "through", "rough", "cough" and "bough" obey no rule.
"""

import re
import unicodedata
import warnings
from bisect import bisect_left
from datetime import date
from reprlib import repr as brief

from .corpora.speech import DIGITS, say_with_times, spell

LONGEST = 1000                  # characters that are said at once
SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")       # powers of 1000
IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
             "twelve": "twelfth"}
PAUSES = ",.?!"                 # units of `phonemes` that are no sound


# ---------------------------------------------------------------------------------------- numbers


def cardinal(n):
    """A whole number in words, without "and": -1002 is "minus one thousand two".

    Each group of three digits is said like a number of its own, with its scale: 5 000 342 is five *million* three
    hundred forty two. From 10^21 on the digits are read one by one.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    if n < 0:
        return f"minus {cardinal(-n)}"
    if n < 1000:
        return spell(n)
    if n >= 1000 ** len(SCALES):
        return digits(str(n))
    scale = (len(str(n)) - 1) // 3
    head, rest = divmod(n, 1000**scale)
    words = f"{spell(head)} {SCALES[scale]}"
    return f"{words} {cardinal(rest)}" if rest else words


def ordinal(n):
    """The place that a number is: 21 is "twenty first". Only its last word changes.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    *head, last = cardinal(n).split()
    last = IRREGULAR.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return " ".join([*head, last])


def year(n):
    """A year: 1984 is "nineteen eighty four", 1905 "nineteen oh five", 2005 "two thousand five".

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    century, rest = divmod(n, 100)
    if n < 1000 or n > 9999 or (century % 10 == 0 and rest < 10):
        return cardinal(n)
    return f"{spell(century)} {_after_hundreds(rest)}"


def _after_hundreds(rest):
    return "hundred" if rest == 0 else f"oh {spell(rest)}" if rest < 10 else spell(rest)


def digits(numerals):
    """Numerals one by one: "007" is "zero zero seven".

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    return " ".join(DIGITS[int(numeral)] for numeral in numerals)


def amount(numeral):
    """A number as it is written, with a point and thousands separators or without: "1,234.56".

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    whole, _, part = numeral.replace(",", "").partition(".")
    words = cardinal(int(whole or 0))
    return f"{words} point {digits(part)}" if part else words


# ---------------------------------------------------------------------------------------- what the rules know

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
CURRENCIES = {"$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
              "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "sen", "sen"),
              "₹": ("rupee", "rupees", "paisa", "paise"), "₩": ("won", "won", "jeon", "jeon")}
COUNTRIES = {"US": "U S", "A": "Australian", "C": "Canadian", "NZ": "New Zealand", "HK": "Hong Kong"}   # before a sign
SHORT = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "tn": "trillion"}        # of money
UNITS = {                       # what one is called, and what several are
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "µm": "micrometer", "ft": ("foot", "feet"),
    "mph": ("mile per hour", "miles per hour"), "m^2": "square meter", "km^2": "square kilometer",
    "cm^2": "square centimeter", "m^3": "cubic meter", "cm^3": "cubic centimeter", "kg": "kilogram", "g": "gram",
    "mg": "milligram", "µg": "microgram", "lb": "pound", "lbs": "pound", "oz": "ounce", "l": "liter", "L": "liter",
    "ml": "milliliter", "mL": "milliliter", "h": "hour", "hrs": "hour", "min": "minute", "s": "second", "sec": "second",
    "s^2": "second squared", "ms": "millisecond", "µs": "microsecond", "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"), "dB": "decibel", "W": "watt",
    "kW": "kilowatt", "MW": "megawatt", "kWh": "kilowatt hour", "V": "volt", "mV": "millivolt", "kB": "kilobyte",
    "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "%": ("percent", "percent"), "°": "degree",
    "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
}  # fmt: skip
TITLES = {                      # before a name; never the end of a sentence
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Prof": "Professor", "Rev": "Reverend",
    "Gen": "General", "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Gov": "Governor",
    "Sen": "Senator", "Rep": "Representative", "Mt": "Mount", "St": "Saint",
}  # fmt: skip
ABBREVIATIONS = {               # what never ends a sentence
    "e.g": "for example", "i.e": "that is", "vs": "versus", "cf": "compare", "approx": "approximately", "ca": "about",
}  # fmt: skip
ABBREVIATIONS |= {name.capitalize(): words.capitalize() for name, words in ABBREVIATIONS.items()}
ENDINGS = {                     # what may end one, and then its point is also the full stop
    "etc": "et cetera", "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation",
    "Co": "Company", "St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Dept": "Department",
    "dept": "department", "Ph.D": "P H D", "a.m": "A M", "p.m": "P M",
}  # fmt: skip
NUMBERED = {"No": "number", "no": "number", "Nos": "numbers", "p": "page", "pp": "pages", "vol": "volume",
            "Vol": "volume", "Fig": "figure", "fig": "figure", "ch": "chapter", "Ch": "chapter"}    # before a numeral
SPOKEN = {"NASA": "Nasa", "NATO": "Nato", "FIFA": "Fifa", "UEFA": "Uefa", "OPEC": "Opec", "AIDS": "Aids", "RAM": "Ram",
          "ROM": "Rom", "PIN": "Pin", "SIM": "Sim", "OK": "okay"}       # acronyms that are words
# Words of up to four capitals that are shouted, no acronyms.
SHOUTED = ("ALL AND ANY ARE ASK BAD BEST BIG BUT BUY CALL COLD COME DOWN EASY END EVER EXIT FAST FREE FROM FULL GET GO "
           "GOOD HAVE HELP HERE HIGH HOT JUST KEEP LAST LEFT LESS LIKE LIVE LOOK LOVE LOW MANY MORE MOST MUST MY NEED "
           "NEVER NEW NEXT NO NOT NOW OFF OLD ONE ONLY OPEN OUR OUT OVER PAY PLAY PULL PUSH RUN SAFE SALE SAME SAVE "
           "SEE SHOP SHUT SLOW SOME SOON STAY STOP TAKE TALK THAT THE THEN THIS TIME TO TOO TURN TWO UP USE VERY WAIT "
           "WALK WANT WARM WAS WE WERE WHAT WHEN WHY WILL WITH WORD YES YOU YOUR")
COUNTED = "Chapter|Part|Section|Act|Scene|Volume|Book|War|Appendix|Figure|Table|Type|Phase|Level|Bowl"
RULERS = ("Henry|Elizabeth|Charles|Louis|George|James|William|Edward|Richard|John|Paul|Pius|Benedict|Napoleon|Philip|"
          "Catherine|Francis|Frederick|Peter|Alexander|Mary|Leo|Gregory")
ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
IN_ADDRESSES = {".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "+": "plus",
                "=": "equals", "&": "and", "?": "question mark", "#": "hash", "~": "tilde", "%": "percent"}
SYMBOLS = {"&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "°": "degrees",
           "×": "times", "÷": "divided by", "/": "slash", "\\": "backslash", "_": " ", "~": "about",
           "<": "is less than", ">": "is greater than", "≤": "is at most", "≥": "is at least", "±": "plus or minus",
           "^": "to the power of", "|": ",", "§": "section", "©": "copyright",
           "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "₹": "rupees", "₩": "won", "¢": "cents",
           "µ": "micro"}

NUMERAL = r"(?<!\d)(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
SIGNS = "".join(CURRENCIES)
MONEY = rf"(?<!\w)(?:{'|'.join(COUNTRIES)})?[{SIGNS}]"
FIGURE = rf"(?:{MONEY})?\.?\d"                                   # how an amount begins
MINUS = rf"(?<![\w)\]%°.-])[-–](?={FIGURE})"                    # a hyphen before a number that ties it to nothing
SCALE = r"(?i:thousand|million|billion|trillion|bn|tn|[kmb])\b"
TH = "st|nd|rd|th"
DECADE = r"'?((?:\d\d)?\d0)'?s\b"
MONTH = "(" + "|".join(f"{name[:3]}(?:{name[3:]}|t?\\.?)" for name in MONTHS if name != "May") + r"|May)(?!\w)"
BEGINS = (r"(?:\s*$|\s+[\"'(]?(?:A|An|And|As|At|But|For|He|Her|His|I|If|In|It|Its|My|No|On|Our|She|So|That|The|Then|"
          r"There|These|They|This|To|We|What|When|Where|Who|Why|Yes|You|Your)\b)")  # the end, or how a sentence begins
STOP = rf"(?:\.(?!{BEGINS}))?"                                  # the point of an abbreviation, if not also a full stop
PHONE = (rf"(?<![\w.,{SIGNS}-])" r"(?:\+\d{1,3}(?:[ -]?\(?\d{1,4}\)?){2,5}|\(\d{2,5}\)[ -]?\d{3,4}[ -]?\d{3,4}|"
         r"0\d{2,4}[ -]\d{3,4}(?:[ -]?\d{3,4})?|(?:1[-. ])?\d{3}[-. ]\d{3}[-. ]\d{4}|\d{3}-\d{4})(?![\w-]|[.,]\d)")


# ---------------------------------------------------------------------------------------- what the rules say


def letters(word):
    """A word letter by letter: "BBC" is "B B C".

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    return " ".join(word.upper())


def _address(m):
    parts = re.findall(r"[a-z]+|.", re.sub("^https?://", "", m[0].lower()).rstrip("/"))
    spelled = {"edu", "uk", "eu", "io", "de", "ai", "us"}
    return " ".join(IN_ADDRESSES.get(part) or (digits(part) if part.isdigit() else
                    letters(part) if part in spelled or not re.search("[aeiouy]", part) else part) for part in parts)


def _date(day, month, said, written, order="{month} {day}"):
    """A date in words, or what was written where there is no such day."""
    try:
        date(int(said) if said and len(said) == 4 else 2000, month, day)       # a leap year, if none is written
    except ValueError:
        return written
    words = order.format(month=MONTHS[month - 1], day=ordinal(day))
    if not said:
        return words
    return f"{words}, {year(int(said)) if len(said) == 4 else _after_hundreds(int(said))}"


def _numeric_date(m):
    """Month before day, as in America, unless that cannot be; after points, day before month, as in Europe."""
    first, second = int(m[1]), int(m[3])
    if m[2] == "." or (first > 12 >= second):
        first, second = second, first
    return _date(second, first, m[4], m[0])


def _month(name):
    return [month[:3] for month in MONTHS].index(name[:3]) + 1


def _clock(m):
    """Date and time as computers write them, as people do."""
    return f"{m[1]}, {m[2]}{' UTC' if m[3] else ''}"


def _decade(m):
    *head, last = (year(int(m[1])) if len(m[1]) == 4 else spell(int(m[1]))).split()
    return " ".join([*head, last[:-1] + "ies" if last.endswith("y") else last + "s"])


def _time(m):
    hour, minute, second, half = int(m[1]), m[2], m[3], m[4]
    words = [spell(hour)]
    if minute != "00":
        words.append(f"oh {spell(int(minute))}" if minute[0] == "0" else spell(int(minute)))
    elif not half:
        words.append("o'clock")
    if second:
        words.append(f"and {_several(second, 'second', 'seconds')}")
    return " ".join(words) + (f" {letters(half + 'm')}" if half else "")


def _several(numeral, one, many):
    return f"{amount(numeral)} {one if numeral in ('1', '01') else many}"


def _money(m):
    one, many, coin, coins = CURRENCIES[m["sign"][-1]]
    if country := COUNTRIES.get(m["sign"][:-1]):
        one, many = f"{country} {one}", f"{country} {many}"
    numeral, scale = m["amount"].replace(",", ""), (m["scale"] or "").lower()
    whole, _, part = numeral.partition(".")
    if scale:
        return f"{amount(numeral)} {SHORT.get(scale, scale)} {many}"
    if len(part) != 2 or coin == "sen":
        return _several(numeral, one, many)
    said = [_several(whole, one, many)] if int(whole or 0) else []
    if int(part) or not said:
        said.append(_several(str(int(part)), coin, coins))
    return " and ".join(said)


def _unit(m):
    one, many = _names(m[2])
    return _several(m[1], one, many) + (f" per {_names(m[3])[0]}" if m[3] else "")


def _names(unit):
    names = UNITS[unit]
    return (names, names + "s") if isinstance(names, str) else names


def _fraction(m):
    whole, top, bottom = m[1], int(m[2]), int(m[3])
    if not 0 < top < bottom <= 100:
        return f"{amount(whole) + ' ' if whole else ''}{cardinal(top)} over {cardinal(bottom)}"
    name = {2: "half", 4: "quarter"}.get(bottom, ordinal(bottom))
    part = f"{spell(top)} {name if top == 1 else 'halves' if bottom == 2 else name + 's'}"
    return f"{cardinal(int(whole))} and {part}" if whole else part


def _roman(text):
    values = [ROMAN[letter] for letter in text]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _phone(m):
    if len(re.findall(r"\d", m[0])) < 7:
        return m[0]
    return ("plus " if m[0][0] == "+" else "") + _groups(m)


def _groups(m):
    return ", ".join(map(digits, re.findall(r"\d+", m[0])))


def _capitals(m):
    """Up to four capitals, or capitals without a vowel, are letters; what is longer is a word that was shouted."""
    word, ending = m[1], "'s" if m[2] else ""
    if word in SPOKEN:
        return SPOKEN[word] + ending
    is_word = word in SHOUTED.split() or (len(word) > 4 and re.search("[AEIOUY]", word))
    return (word.capitalize() if is_word else letters(word)) + ending


def _number(m):
    """Leading zeros are read out; four numerals from 1100 to 2099 are taken for a year, whatever they count."""
    numeral = m[0]
    if numeral.count(".") > 1:
        return " point ".join(amount(part) for part in numeral.split("."))
    if re.fullmatch(r"0\d+", numeral):
        return digits(numeral)
    return year(int(numeral)) if re.fullmatch(r"1[1-9]\d\d|20\d\d", numeral) else amount(numeral)


def _any(names):
    """A pattern for any of these, the longest first."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


#: Pattern and what is said for it, in the order in which they are tried.
RULES = [(re.compile(pattern), said) for pattern, said in (
    (rf"(?<![\w.])([A-HJ-Z])\.(?!{BEGINS})(?= [A-Z])", lambda m: m[1]),                                # John F. Kennedy
    # addresses, while their points and slashes mean nothing else
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    (r"(?:https?://|\bwww\.)\S*[\w/]", _address),
    (r"\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|eu|uk|de)\b(?:/[\w/.?=&#%~-]*[\w/])?", _address),
    # numbers as other countries and computers write them
    (r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d+(?![\d.,]*\d)", lambda m: m[0].replace(".", "").replace(",", ".")),
    (rf"(?<![\w.])({NUMERAL})[eE]\+?([-–]?\d+)\b", lambda m: f"{m[1]} times 10^{m[2]}"),                 # 1e-5
    # dates and times, while 5/3/2026 is no fraction and 10:30 no pause
    (r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z\b)?", _clock),
    (rf"\b({MONTH} \d\d?)(?: ?– ?|-)(\d\d?)\b(?!:)", lambda m: f"{m[1]} to {m[3]}th"),               # May 5-7
    (rf"\b(?:the )?(\d\d?)(?:{TH})?(?: ?– ?|-)(?=\d\d?(?:{TH})?(?: of)? {MONTH})",
     lambda m: f"the {ordinal(int(m[1]))} to "),                                                    # 5-7 May
    (r"\b(\d{4})-(\d\d)-(\d\d)\b", lambda m: _date(int(m[3]), int(m[2]), m[1], m[0])),
    (r"\b(\d\d?)([/.])(\d\d?)\2(\d{4}|(?<=/)\d\d)\b", _numeric_date),
    (rf"\b(?:the )?([0-3]?\d)(?:{TH})?(?: of)? {MONTH}(?:,? (\d{{4}})\b)?",
     lambda m: _date(int(m[1]), _month(m[2]), m[3], m[0], "the {day} of {month}")),
    (rf"\b{MONTH} (?:the )?([0-3]?\d)(?:{TH})?\b(?![:.,]\d)(?:,? (\d{{4}})\b)?",
     lambda m: _date(int(m[2]), _month(m[1]), m[3], m[0])),
    (rf"\b{MONTH}(?= \d)", lambda m: MONTHS[_month(m[1]) - 1]),
    (rf"(?<=\w)–(?={_any(MONTHS)})", lambda m: " to "),
    (r"\b(10+)s(?= of\b)", lambda m: cardinal(int(m[1])).removeprefix("one ") + "s"),
    (rf"(?<!\w)(?:(?i:the|early|mid|late|his|her|their|my|our|your)[ -]|(?=')|(?=\d{{4}})){DECADE}"
     rf"(?: (?:and|or|to) {DECADE})?", lambda m: re.sub(DECADE, _decade, m[0])),
    (r"(?<=\d)m(?= ?\d+ ?s\b)", lambda m: " min "),                                               # 5m 20s
    (PHONE, _phone),
    (r"(?<![\w.-])(?:\d+(?:-\d+){2,}(?!\w)|\d+-\d+(?=-[A-Z])|\d{4}(?: \d{4}){3}\b)", _groups),      # cards, ISBN
    (r"(?<![\w.,])[1-9]\d?\d?(?:(?: \d{3}){2,}| 000)(?![\w]|[.,]\d{3})", lambda m: m[0].replace(" ", "")),
    (rf"({MONEY}) ?({NUMERAL})(?: ?– ?|-)(?=\d)", lambda m: f"{m[2]} to {m[1]}"),                   # $3-5 million
    (rf"(\d(?: ?(?:[AaPp]\.?[Mm]\.?|{TH}|{_any(UNITS)}))?)(?: ?– ?|-)(?={FIGURE})", lambda m: f"{m[1]} to "),
    (rf"\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?: ?([AaPp])\.?[Mm]\b{STOP})?(?!\w)", _time),
    (rf"\b(1[0-2]|0?[1-9])()() ?([AaPp])\.?[Mm]\b{STOP}", lambda m: f"{spell(int(m[1]))} {letters(m[4] + 'm')}"),
    # amounts
    (r"(?<=\d) - (?=\d)", lambda m: " minus "),
    (rf"({MONEY})[-–](?=\.?\d)", lambda m: f"-{m[1]}"),                                           # $-5
    (MINUS, lambda m: "minus "),
    (rf"(?P<sign>{MONEY}) ?(?P<amount>{NUMERAL}|\.\d+)(?: ?(?P<scale>{SCALE}))?(?!\w|[.,]\d)", _money),
    (rf"(?P<amount>{NUMERAL})(?P<scale>) ?(?P<sign>[{SIGNS}])(?!\w)", _money),
    (rf"({NUMERAL}) ?¢", lambda m: _several(m[1], "cent", "cents")),
    (rf"(?<![\w./])({NUMERAL})[ -]?({_any(UNITS)})(?:/({_any(UNITS)}))?(?![\w^°])(?:\.(?= [a-z]))?", _unit),
    (r"(?<!\w)(\d)'(\d\d?)\"", lambda m: f"{_several(m[1], 'foot', 'feet')} {_several(m[2], 'inch', 'inches')}"),
    (r"\^([23])(?!\d)", lambda m: " squared" if m[1] == "2" else " cubed"),
    (r"(?<!\d )\b(?:24/7|9/11)\b(?!/)", lambda m: m[0].replace("/", " ")),
    (r"(?<!/)\b(?:(\d+) )?(\d+)/(\d+)\b(?![/.]\d)", _fraction),
    (rf"\b({NUMERAL})(?:{TH})\b", lambda m: ordinal(int(m[1].replace(",", "").partition(".")[0]))),
    # what stands for a word
    (rf"\b({RULERS}) ([XVI]{{2,}}|[VX]|I(?=[.,;:!?]|$))(?!\w)", lambda m: f"{m[1]} the {ordinal(_roman(m[2]))}"),
    (rf"\b({COUNTED}) ([XVLI]+)(?!\w)", lambda m: f"{m[1]} {cardinal(_roman(m[2]))}"),
    (rf"\b({_any(NUMBERED)})\. ?(?=\d)", lambda m: NUMBERED[m[1]] + " "),
    (r"#(?=\d)", lambda m: "number "),
    (r"(?<=\w)#|#(?=\w)", lambda m: " hash "),                                                    # C#, not # Heading
    (r"(?<=[\w)])\*(?=[\w(.-])|(?<=[\w)] )\*(?= [\w(.-])", lambda m: " times "),                   # 2*3, not **bold**
    (r"-+>|<--+", lambda m: ", "),
    (rf"(\b[a-z]\w* [A-Z]\w+|\d [A-Z]\w+) St(?=\.){STOP}", lambda m: f"{m[1]} Street"),
    (rf"\b({_any(TITLES)})\.(?= [A-Z]| and )", lambda m: TITLES[m[1]]),
    (rf"\b({_any(ABBREVIATIONS)})\.", lambda m: ABBREVIATIONS[m[1]]),
    (rf"\b({_any(ENDINGS)})(?=\.){STOP}", lambda m: ENDINGS[m[1]]),
    (rf"\b((?:[A-Z]\.)+[A-Z])(?=\.){STOP}", lambda m: letters(m[1].replace(".", ""))),
    (r"\b(?:[A-Z]+'(?:T|D|M|LL|RE|VE)|(?:IT|HE|SHE|LET|THAT|WHAT|WHO|HERE|THERE)'S)\b", lambda m: m[0].capitalize()),
    (r"(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s\b)", lambda m: " "),                                      # HTMLParser, not CDs
    (r"\b([A-Z]{2,})('?s|'S)?(?![^\W\d_])", _capitals),
    (r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", lambda m: " "),                                # H2O, 4K
    # numerals that are left
    (rf"{NUMERAL}(?:\.\d+)*|\.\d+", _number),
    # marks
    (_any(SYMBOLS), lambda m: f" {SYMBOLS[m[0]]} "),
    (r"(?<!\.)\.(?=[a-z])", lambda m: " dot "),                                                  # read.me
    (r"\.\.+(?=\s*$|\s+[A-Z])", lambda m: "."),
    (r"\.\.+|[;:()\[\]{}–—]|--+|(?<=\s)-(?=\s)", lambda m: ", "),
    (r"(?<!\w)'([^']*[^\s'])'(?!\w)", lambda m: m[1]),                                          # quotes, a pair
    (r"(?<!\w)'(?!(?:tis|twas|em)\b)|(?<![sS])'(?!\w)|[^\w\s',.?!]", lambda m: " "),
)]


# ---------------------------------------------------------------------------------------- text to words


def normalise(text):
    """What is written, as it is said: "Dr. Smith paid $3.50" is "Doctor Smith paid three dollars and fifty cents".

    Of numbers, dates, times, money, units, abbreviations, letters and symbols words are made, by `RULES`. 5/3/2026 is
    May third, as in America; 3.5.2026 the same day, as in Europe. A single quote stays where it belongs to a word.
    It is plain text: what HTML and Markdown mean by their signs is not known, "<p>" is read as "is less than p is
    greater than". Nor is it known what a number counts: "March 5 miles" begins with a date.

    Parameters
    ----------
    text : str
        English, 1 to 1,000 characters. `sentences` cuts longer ones.

    Returns
    -------
    str
        Words of Latin letters and apostrophes, one space apart, and of marks only ``, . ? !``. Letters that are
        spelled stand alone, as capitals.

    Raises
    ------
    TypeError
        If `text` is no text.
    ValueError
        If it is too long, holds letters or numerals of another alphabet, or nothing that can be said.

    Warns
    -----
    UserWarning
        If it holds characters that are left out because nobody would say them: emoji, arrows. What cannot even be
        seen, such as control characters, is left out without a word.

    References
    ----------
    Sproat et al., "Normalization of non-standard words", 2001.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    if not isinstance(text, str):
        raise TypeError(f"A text is a str, not {type(text).__name__}.")
    if len(text) > LONGEST:
        raise ValueError(f"The text has {len(text)} characters; {LONGEST} can be said at once. Cut it with "
                         "pronounce.sentences and say them one by one.")
    said = _quiet(_cleaned(text))
    for pattern, rule in RULES:
        said = pattern.sub(rule, said)
    said = re.sub(r"\s+", " ", re.sub(r"\s*([,.?!])[\s,.?!]*", _strongest, said)).strip(" ,")
    if not re.search(r"[^\W\d_]", said):
        raise ValueError(f"There is nothing to say in {brief(text)}: give it words or numbers.")
    return said.lstrip(" ,.?!")


def _strongest(m):
    """Of several marks in a row the one that counts most, and a space."""
    return next(mark for mark in "?!.," if mark in m[0]) + " "


def _cleaned(text):
    """The same text in few kinds of characters: one apostrophe, one quote, Latin letters."""
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text.replace("²", "^2").replace("³", "^3"))     # 2½ is not 21/2
    text = unicodedata.normalize("NFKC", text.replace("™", "").replace("®", ""))
    text = re.sub(r"(?<=\d)( ?)μ(?=[gms]\b)", r"\1µ", text)
    text = text.translate(str.maketrans("‘’ʼ‚“”„«»‐‑−⁄―", "''''\"\"\"\"\"---/—"))
    kept, strange, left_out = [], [], []
    for letter in text:
        kind = unicodedata.category(letter)
        if letter.isspace() or (letter.isascii() and letter.isprintable()) or letter in "–—" or letter in SYMBOLS:
            kept.append(letter)
        elif kind[0] in "LN":
            latin = unicodedata.name(letter, "").startswith("LATIN")
            (kept if latin else strange).append(letter if letter <= "ÿ" else unicodedata.normalize("NFD", letter)[0])
        elif kind[0] in "PSC" and kind not in ("Cc", "Cf"):
            left_out.append(letter)
            kept.append(" ")
    if strange:
        raise ValueError(f"{' '.join(dict.fromkeys(strange))} cannot be said: only English is spoken here. Write it in "
                         "Latin letters, and numbers as 0 to 9.")
    if left_out:
        warnings.warn(f"Left out, because nobody would say it: {' '.join(dict.fromkeys(left_out))}", stacklevel=3)
    return "".join(kept)


def _quiet(text):
    """A text of several words that is all in capitals, as sentences are written: who shouts spells nothing."""
    if len(text.split()) < 2 or text != text.upper():
        return text
    return re.sub(r"[^\W\d_](?:'?[^\W\d_])+",
                  lambda m: m[0].capitalize() if re.search("[AEIOUY]", m[0]) else m[0], text)


def sentences(text):
    """A text cut into sentences that `normalise` takes.

    A sentence ends at ``. ? !`` before a space and no small letter (but an address, or a name like iPhone), unless the
    point belongs to an abbreviation or an initial, and at an empty line. What is still too long is cut at its last
    comma or space that fits.

    Parameters
    ----------
    text : str
        Of any length.

    Returns
    -------
    list of str
        Each of at most 1,000 characters, without space at its ends; joined they are the text. None of an empty one.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is 1984 said?"
    """
    found, start = [], 0
    for m in re.finditer(r"[.?!…]+[\"'”’)\]]*\s+(?=[^\sa-z]|www\.|https?:|[a-z]+[A-Z])|\n\s*\n", text):
        if not _goes_on(text[start : m.end()].rstrip(), text[m.end() - 1 :]):
            found.append(text[start : m.end()])
            start = m.end()
    pieces = []
    for piece in (part.strip() for part in [*found, text[start:]]):
        while len(piece) > LONGEST:
            head = piece[:LONGEST]
            at = head.rfind(", ") + 1 or head.rfind(" ") + 1 or LONGEST
            pieces.append(piece[:at].strip())
            piece = piece[at:].strip()
        pieces.append(piece)
    return [piece for piece in pieces if piece]


def _goes_on(part, rest):
    """Whether a part of a text ends with the point of an abbreviation, and no full stop."""
    word = re.search(r"(?:^|[\s(])([\w.]+)\.$", part)
    if not word:
        return False
    name = word[1]
    numbered = name in NUMBERED or (name not in MONTHS and re.fullmatch(MONTH, name))
    unclear = name in ENDINGS or re.fullmatch(r"[A-HJ-Z]|(?:[A-Z]\.)+[A-Z]", name)
    return (name in ABBREVIATIONS or (name in TITLES and name not in ENDINGS)
            or (bool(numbered) and bool(re.match(r"\s*\d", rest))) or (bool(unclear) and not re.match(BEGINS, rest)))


# ---------------------------------------------------------------------------------------- words to phonemes


def phonemes(text, voice="en-us"):
    """The sounds of a text, as espeak-ng's rules and dictionary have them.

    Parameters
    ----------
    text : str
        As `normalise` returns it.
    voice : str
        As `speech.say` takes it. An accent has its own phonemes.

    Returns
    -------
    list of str
        As `units`.

    Raises
    ------
    ValueError
        If the text holds anything else, such as numerals, or there is no such voice.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is ough said?"
    """
    if strange := sorted(set(re.findall(r"[^\w\s',.?!-]|[\d_]", text))):
        raise ValueError(f"{''.join(strange)!r} in {brief(text)} is no letter and no mark: make words of it with "
                         "pronounce.normalise first.")
    text = re.sub(r"\bA\b(?=\s[A-Z]\b)|(?<=\b[A-Z]\s)A\b", "eh", text)      # the letter, not the article
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)       # as espeak-ng parts JupyterLab
    _, _, words, sounds = say_with_times(text, voice)
    return units(text, words, sounds)


def units(text, words, sounds):
    """What a synthesiser reads, made of what was said: the same from a corpus's tables as from `phonemes`.

    A unit is one of: a phoneme as espeak-ng names it, with its stress before it (``"ˈɛ"``); ``" "`` between two words;
    ``","``, ``"."``, ``"?"``, ``"!"`` in its place where one is written. At the end stands a mark in any case, ``"."``
    if none is written. The phonemes among them are those of the table, in its order, so each has its times there.

    Parameters
    ----------
    text : str
        What is said, in words.
    words, sounds : list of dict
        As `speech.say_with_times` returns them: rows of a corpus's tables ``words`` and ``phonemes``.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If a word is not in the text.

    Taught in: notebooks/05_text_to_speech.ipynb, "How is ough said?"
    """
    onsets, made, at, done = [sound["onset"] for sound in sounds], [], 0, 0
    for word in words:
        start = text.find(word["word"], at)
        if start < 0:
            if text[:at].endswith(word["word"]):        # espeak-ng took the last for two words: base64
                continue
            raise ValueError(f"{brief(word['word'])} was said and is not in {brief(text)}: are there numerals? Use "
                             "pronounce.normalise before a text is spoken.")
        first = bisect_left(onsets, word["onset"])
        made += [sound["phoneme"] for sound in sounds[done:first]]
        if made:
            made.append(_mark(text[at:start]) or " ")
        at, done = start + len(word["word"]), first
    made += [sound["phoneme"] for sound in sounds[done:]]
    return [*made, _mark(text[at:]) or "."]


def _mark(between):
    return next((mark for mark in "?!.," if mark in between), "")
