"""Multiple choice: the options that a prompt lists, and the letters that an answer names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from meta.answers.spelling import LONGEST, spelled

_OPTION = re.compile(
    r"(?:(?<=^)|(?<=\n)|(?<=[\s,;:?(（【\[]))[-*•]?[ \t]*\**[(（【\[]?([A-Z])"
    r"(?:[)）】\]][.:：、]?|[.:：、．])\**[ \t]*",
)
_NAMED = (
    r"(?:the\s+)?(?:(?:correct\s+)?(?:options?|choices?|answers?|letters?)|选项?|选择)?"
    r"\s*(?:is\s+)?"
)
_KEY = r"[(\[{]?\s*([A-Za-z])\s*[)\]}]?"
_ALONE = re.compile(rf"{_NAMED}[:：]?\s*{_KEY}[.:,]?(?:\s*(?:选项|项))?", re.IGNORECASE)
_WITH_TEXT = re.compile(
    r"(?:options?\s+|choices?\s+)?(?:[(\[]([A-Z])[)\]][.:,]?|([A-Z])(?:[).:]|\s+-(?=\s)))"
    r"\s*(?!or\b|and\b|[,/&]|或|和)(.+)",
    re.DOTALL,
)
_JOINED = re.compile(
    rf"{_NAMED}{_KEY}(?:(?:\s*[,;&/+或和]\s*|\s+)(?:and\s+|or\s+)?(?:options?\s+)?{_KEY})+".replace(
        "([A-Za-z])", "[A-Z]"
    )
)
_OTHER = re.compile(r"[(\[][A-Z][)\]]|\b(?:so|option|choice|answer|is)\s+[A-Z]\b")
_CONCEDED = re.compile(
    r"\b(?:although|though|while|whereas|despite|unlike)\b[^,]*,|.*,\s*but\b",
    re.IGNORECASE | re.DOTALL,
)
_DENIED = re.compile(
    r"(?:,\s*|\b)(?:not|rather than|instead of|and not|unlike|whereas)\b[^,.;]*", re.IGNORECASE
)
_SAID = re.compile(
    r"(?:(?:answer|option|choice|letter)s?(?:\s+(?:is|are|would|should|must|be|to|choose|select|as"
    r"|choice|option|the|correct|best|right)\b)*"
    r"|\b(?:choose|choosing|select|pick|chose|go with|going with)"
    r"(?:\s+(?:option|choice|answer|letter|with))*"
    r"|(?:[Aa]ntwort|[Rr]espuesta|[Rr]éponse|[Rr]isposta|[Rr]esposta|[Оо]твет)"
    r"(?:\s+(?:correcta|correcte|correta|corretta|final|finale|ist|lautet|es|est|è|é)\b)*"
    r"|(?:答案|故选|应选|选择|选项|选|正确的?是)[为是]?)\s*[:：]?\s*[(（\[]?([A-Z])[)）\]]?(?![A-Za-z'])"
    r"|(?:\b(?:so|thus|hence|therefore),?\s+\(?|[(（])([A-Z])(?:[)）]|\b)[.。]?\s*$"
    r"|[(（]?\b([A-Z])[)）]?\s+(?:is|are)\s+(?:the\s+)?(?:correct|right|best|true|answer)"
)
_JOINING = re.compile(r"\s*(?:,|/|or|and|或|和|、)\s*[(（]?([A-Z])[)）]?(?![A-Za-z'])")

_JOINED_BEFORE = re.compile(r"(?<![A-Za-z'])[(（]?([A-Z])[)）]?\s*(?:,|/|or|and|或|和|、)\s*\Z")


def options(prompt: str) -> Mapping[str, str]:
    """The options that a prompt lists, by letter, as spelled texts: the last list from A on."""
    found: list[re.Match[str]] = []
    for match in _OPTION.finditer(prompt):
        if match[1] == "A":
            found = [match]
        elif found and ord(match[1]) == ord(found[-1][1]) + 1:
            found.append(match)
    if len(found) < 2:
        return {}
    ends = [match.start() for match in found[1:]] + [len(prompt)]
    texts = [prompt[match.end() : end] for match, end in zip(found, ends, strict=True)]
    texts[-1] = texts[-1].partition("\n")[0]
    return {match[1]: spelled(text) for match, text in zip(found, texts, strict=True)}


def letters(text: str, listed: Mapping[str, str]) -> frozenset[str]:
    """The letters that all of a spelled text names: `B`, `(B)`, `option B`, `B) Paris`, `A and C`.

    None are named by an ordinary text, or one longer than `LONGEST`. A letter with the text of
    another option names both; one that is no option's, but an option's text, names that option.
    """
    found = _letters(text, listed) if len(text) <= LONGEST else ()
    return frozenset(key_of(letter, listed) for letter in found)


def key_of(letter: str, listed: Mapping[str, str]) -> str:
    """The option that a letter names: its own, or the one whose text it is (`x` of "A) x B) y")."""
    if letter.upper() in listed:
        return letter.upper()
    alike = [key for key, option in listed.items() if _alike(option, letter)]
    exact = [key for key in alike if listed[key].rstrip(".") == letter]
    return next((keys[0] for keys in (exact, alike) if len(keys) == 1), letter.upper())


def _letters(text: str, listed: Mapping[str, str]) -> frozenset[str]:
    if match := _ALONE.fullmatch(text):
        return frozenset(match[1])
    if match := _WITH_TEXT.fullmatch(text):
        key, rest = match[1] or match[2], spelled(match[3])
        if _JOINED.fullmatch(text):
            return _all_letters(text)
        if listed and not _begins(rest, listed.get(key, "")) and _OTHER.search(rest):
            return frozenset()  # prose about an option, and another one
        others = {other for other, option in listed.items() if _alike(option, rest)}
        return frozenset({key} | (others if key not in others else set()))
    if _JOINED.fullmatch(text):
        return _all_letters(text)
    if listed and text.isalpha() and len(set(text)) == len(text) and set(text) <= set(listed):
        return frozenset(text)
    if behind := re.fullmatch(r"(.+?)\s*\(([A-Z])\)", text):
        text = f"{behind[2]} {behind[1]}"
    key, _, rest = text.partition(" ")
    alike = {other for other, option in listed.items() if _alike(option, rest)}
    return frozenset({key} | alike) if key in listed and alike else frozenset()


def _all_letters(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", text))


def _alike(one: str, other: str) -> bool:
    return one.casefold().rstrip(".") == other.casefold().rstrip(".")


def _begins(text: str, option: str) -> bool:
    return bool(option) and text.casefold().startswith(option.casefold().rstrip("."))


def mentioned(sentence: str, listed: Mapping[str, str]) -> frozenset[str]:
    """The options in words that a sentence asserts: "Canberra is the capital of Australia".

    What it concedes or denies beside that ("although Sydney is larger, …", "…, not Sydney") is left
    out, and an option's words within those of a longer one.
    """
    text = _DENIED.sub(" ", _CONCEDED.sub("", sentence)).casefold()
    words = {key: option.casefold().rstrip(".") for key, option in listed.items()}
    found = {
        key: word
        for key, word in words.items()
        if len(re.sub(r"[^a-z\u4e00-\u9fff]", "", word)) >= 2
        and re.search(
            rf"(?<!\w){re.escape(word)}(?!\w)" if word.isascii() else re.escape(word), text
        )
    }
    inner = {
        key for key, word in found.items() if any(word in w and word != w for w in found.values())
    }
    return frozenset(found) - inner


def said(text: str) -> frozenset[str]:
    """The letters that prose names last: "I think the correct option is (C) because …"."""
    matches = [match for match in _SAID.finditer(text) if not _negated(text, match)]
    if not matches:
        return frozenset()
    found, position = {next(filter(None, matches[-1].groups()))}, matches[-1].end()
    while more := _JOINING.match(text, position):
        found.add(more[1])
        position = more.end()
    position = matches[-1].start()
    while (before := _JOINED_BEFORE.search(text, 0, position)) and before[1] not in found:
        found.add(before[1])
        position = before.start()
    return frozenset(found)


def _negated(text: str, match: re.Match[str]) -> bool:
    return re.search(r"\b(?:not|isn't|never|n't)\s*$|不$", text[: match.start()]) is not None
