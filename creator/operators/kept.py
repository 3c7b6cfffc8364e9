"""Whether a rewording may keep its parent's gold answer: what the answer rests on has to be there.

Three things are compared, as far as code can see them:

- the figures, and in their order: "from 3 to 5" asks for something else than "from 5 to 3";
- the names (of people, places, products, months), units, symbols and functions, and words that say
  what is computed ("plus", "even"): those of the parent and no others;
- their order: each name comes first where it did between the figures and the other names, so that
  Tom does not get Anna's apples and is not suddenly the younger one.

A faithful rewording that tells things in another order is lost with the others; a wrong gold answer
that stays teaches the opposite. Names are words with a capital letter, at the start of a sentence
only those that hardly begin one otherwise. Where a parent has letters but no capitals (another
script, all in lower or upper case) its names cannot be told, and no answer is kept.

Left out: what a change of other plain words does ("older" for "younger"), and of names that are
told again, which takes understanding. A unit or sum that is spelled otherwise ("kilometres" for
"km", "the sum of" for "plus") is another one here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from creator.gates.words import figures, figures_in_order

OTHER_FIGURES = "other figures than the parent's"
OTHER_ORDER = "figures or names in another order than the parent's"
OTHER_NAMES = "other names than the parent's"
UNSEEN_NAMES = "no capitals to tell the parent's names by, so its answer cannot be kept"

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’\-][^\W\d_]+)*|[$€£¥%°]")
_ENDS = re.compile(r"(?:\A|[.!?:;\n(\[\"“”«»‘—])[^\w$€£¥%°]*\Z")
_OPENERS = """
    a about according add after all also although altogether among an and another any
    approximately are as ask assume assuming at based because before below between both brief
    briefly build but buy by calculate can choose come compare complete compute consider convert
    could count cut decide define describe determine did divide do does draw drive during each
    either enter estimate evaluate evaluating every expand explain express factor figure fill
    finally find first following for form from further generate get give given giving go has have
    having he help her here hers him his how i i'd i'll i'm i've identify if imagine in initially
    instead is it its just keep last later leave let list look make many may mix more most
    multiply my name neither next no none not note now of on once one only or order other our out
    over pay people perform pick play please point predict produce prove provide put read recall
    reply report required respond rewrite round run same say second select sell several she show
    simplify since so solve some sort start state still subtract sum suppose supposing take tell
    that the their them then there these they think this those though through thus to together
    total translate try turn two under up use using verify walk was watch we were what when where
    whether which while who whole whom whose why will with within without work would write yes yet
    you your
"""
"""Words that begin sentences, and are no names there."""

_COMPUTED = """
    km m cm mm mi ft yd kilometer kilometre meter metre centimeter centimetre millimeter
    millimetre mile foot feet inch inches yard kg g mg lb oz kilogram gram milligram pound ounce ton
    tonne l ml liter litre milliliter millilitre gallon quart pint cup second minute hour day week
    month year decade century centuries mph kph kmh dollar cent euro yen yuan rupee percent degree
    radian celsius fahrenheit kelvin joule newton watt volt ohm hertz hz mole mol byte bit
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt max min gcd lcm
    mod det lim floor ceil plus minus times sum difference product quotient squared cubed halved
    doubled tripled square cube root factorial remainder divisor multiple prime composite even odd
    positive negative area perimeter circumference volume radius diameter median average
    range variance increasing decreasing maximum minimum
"""
"""Units, functions, and words for what is computed, in the singular."""
_BESIDE = r"[\d+*/^=<>(){}\[\]\\|−×÷√≤≥]"
_SYMBOL = re.compile(
    rf"(?:(?<={_BESIDE})|(?<={_BESIDE} )|(?<=\d\W))(?P<after>[^\W\d_])(?![^\W\d_])"
    rf"|(?<![^\W\d_])(?P<before>[^\W\d_])(?= ?{_BESIDE})"
)
"""A letter alone beside a number, bracket or operator: one of mathematics."""


def answer_at_risk(parent: str, child: str) -> str:
    """Why the child's answer may be another one than its parent's; empty where none is seen."""
    if figures(parent) != figures(child):
        return OTHER_FIGURES
    if not _has_case(parent):
        return UNSEEN_NAMES
    said, asked = _words(child), _words(parent)
    names, child_names = _names(parent), _names(child)
    if not names <= said or not child_names <= asked:
        return OTHER_NAMES
    known = names | child_names
    same = figures_in_order(parent) == figures_in_order(child)
    return "" if same and _course(parent, known) == _course(child, known) else OTHER_ORDER


def _has_case(text: str) -> bool:
    """Does the text have letters of both cases, or no letters at all?"""
    letters = [letter for letter in text if letter.isalpha()]
    return not letters or len({letter.isupper() for letter in letters if _cased(letter)}) == 2


def _cased(letter: str) -> bool:
    return letter.lower() != letter.upper()


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Words, numbers and signs of money, each with whether it begins a sentence."""
    plain = unicodedata.normalize("NFKC", text)
    return [
        (_bare(match[0]), bool(_ENDS.search(plain, 0, match.start())))
        for match in _TOKEN.finditer(plain)
    ]


def _bare(token: str) -> str:
    return re.sub(r"['’]s?$", "", token)


def _key(token: str) -> str:
    """What a word is compared by: in lower case, what is computed in the singular."""
    folded = token.casefold()
    return folded[:-1] if folded.endswith("s") and folded[:-1] in _computed() else folded


def _words(text: str) -> frozenset[str]:
    return frozenset(_key(token) for token, _ in _tokens(text))


def _names(text: str) -> frozenset[str]:
    """The names of a text, its signs of money, its symbols and what is computed."""
    symbols = {match["after"] or match["before"] for match in _SYMBOL.finditer(text)}
    return frozenset(
        _key(token)
        for token, begins in _tokens(text)
        if not token[0].isalnum()
        or token in symbols
        or _key(token) in _computed()
        or (
            token[0].isupper()
            and token.casefold() not in _openers()
            and not (begins and _plain(token, text))
        )
    )


def _plain(token: str, text: str) -> bool:
    """Does the word stand in the text in lower case as well, as no name does?"""
    return re.search(rf"\b{re.escape(token.lower())}\b", text) is not None


def _course(text: str, names: frozenset[str]) -> list[str]:
    """The figures, and each name where it comes first, in the order of the text."""
    course: list[str] = []
    for token, _ in _tokens(text):
        name = _key(token)
        course += figures_in_order(token) or [name] * (name in names and name not in course)
    return course


@lru_cache(maxsize=1)
def _computed() -> frozenset[str]:
    return frozenset(_COMPUTED.split())


@lru_cache(maxsize=1)
def _openers() -> frozenset[str]:
    return frozenset(_OPENERS.split())
