"""The words of a command that say whom it means: "shake the hand of the person on the left".

Left and right are those of the picture, which is what the robot sees in front of it; "on your left" is the same. "On my
left" is refused, because it is not known where the speaker stands. English, German, French and Spanish are understood.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass

from taihri_ros.errors import TaihriError


class PersonWordsError(TaihriError):
    """The words of a command do not say clearly whom it means."""


class Who(enum.Enum):
    """A rule that picks people out of several."""

    NEAREST = "nearest"
    FURTHEST = "furthest"
    LARGEST = "largest"
    CENTRED = "centred"
    LEFT = "left"
    RIGHT = "right"
    MIDDLE = "middle"
    EVERYONE = "everyone"
    ID = "id"


@dataclass(frozen=True)
class Whom:
    """Whom a command means.

    Attributes:
        who: The rule.
        id: The id of the person, for the rule ID; otherwise empty.
    """

    who: Who
    id: str = ""


@dataclass(frozen=True)
class PersonWords:
    """A command, and whom it means.

    Attributes:
        text: The command with "the person" in place of the words that say who; unchanged without such words.
        whom: Whom it means; None if it does not say.
    """

    text: str
    whom: Whom | None = None


PARAMETER_RULES = (Who.NEAREST, Who.LARGEST, Who.CENTRED, Who.EVERYONE)
"""The rules that the parameter `people.select` may name."""

_ID = re.compile(r"[a-z]{5}")

_SOMEBODY = "(?:person|human|man|woman|guy|lady|girl|boy|kid|child|visitor)"
_ONE = f"(?:(?:the )?{_SOMEBODY}|the one)"
_IS = "(?:,? (?:who|that)(?: is|'s)?)?(?: standing| sitting| over there)?"
_YOU = "(?: to (?:you|here|the robot))?"
_AWAY = "(?: away)?(?: from (?:you|here|the robot))?"
_DER = "(?P<article>der|die|das|den|dem)"
_DE = "(?:Person|Mann|Frau|Mensch(?:en)?|Kind)"
_STEHT = "(?:,? (?:die|der|das))?(?: ganz)?"
_FR = "(?:la |le |l['\u2019])?(?:personne|homme|femme|fille|gar[çc]on|enfant)(?: qui est)?"
_ES = "(?:la |el )?(?:persona|hombre|mujer|chic[ao]|niñ[ao])(?: que est[áa])?"


def _english(side: str) -> tuple[str, ...]:
    return (
        rf"{_ONE}{_IS} (?:on|to|at) (?:the|your) (?:far )?{side}(?:[- ]hand)?(?: side)?",
        rf"the (?:{side}(?:[- ]hand)? {_SOMEBODY}|{side}-?most (?:{_SOMEBODY}|one))",
    )


_PHRASES: dict[str, dict[Who, tuple[str, ...]]] = {
    "the person": {
        Who.LEFT: _english("left"),
        Who.RIGHT: _english("right"),
        Who.MIDDLE: (
            rf"{_ONE}{_IS} (?:in|at) the (?:middle|cent(?:re|er))",
            rf"the (?:middle|cent(?:re|er)) (?:{_SOMEBODY}|one)",
        ),
        Who.NEAREST: (
            rf"the (?:nearest|closest) (?:{_SOMEBODY}|one){_YOU}",
            rf"(?:{_ONE}{_IS}|whoever(?: is|'s| stands)) (?:the )?(?:nearest|closest){_YOU}",
        ),
        Who.FURTHEST: (
            rf"the (?:furthest|farthest|most distant) (?:{_SOMEBODY}|one){_AWAY}",
            rf"(?:{_ONE}{_IS}|whoever(?: is|'s| stands)) (?:the )?(?:furthest|farthest){_AWAY}",
            rf"{_ONE}{_IS} (?:at|in) the back(?:ground)?",
        ),
        Who.LARGEST: (rf"the (?:largest|biggest) (?:{_SOMEBODY}|one)",),
        Who.EVERYONE: (
            "every(?:one|body)(?! else)",
            "all (?:of )?(?:the )?(?:people|persons)|(?:all|each) of (?:us|them)",
            f"(?:each|every) {_SOMEBODY}",
        ),
    },
    r"\g<article> Person": {
        Who.LEFT: (rf"{_DER} (?:link(?:e|en|er|es) {_DE}|{_DE}{_STEHT} (?:links|auf der linken Seite)(?: steht)?)",),
        Who.RIGHT: (
            rf"{_DER} (?:recht(?:e|en|er|es) {_DE}|{_DE}{_STEHT} (?:rechts|auf der rechten Seite)(?: steht)?)",
        ),
        Who.MIDDLE: (rf"{_DER} (?:mittlere[nrs]? {_DE}|{_DE}{_STEHT} in der Mitte(?: steht)?)",),
        Who.NEAREST: (rf"{_DER} (?:n[äa]chste[nrs]? {_DE}|{_DE}{_STEHT} am n[äa]chsten(?: steht,?)?)",),
        Who.FURTHEST: (
            rf"{_DER} hinterste[nrs]? {_DE}",
            rf"{_DER} {_DE}{_STEHT} (?:hinten|am weitesten (?:weg|entfernt))(?: steht,?| ist,?)?",
        ),
    },
    "die Person": {Who.EVERYONE: ("alle[nr]? (?:Personen|Leuten?|Menschen)|jede[nr]? (?:Person|Menschen)",)},
    "la personne": {
        Who.LEFT: (rf"{_FR} (?:de|[àa]|sur la) gauche",),
        Who.RIGHT: (rf"{_FR} (?:de|[àa]|sur la) droite",),
        Who.MIDDLE: (rf"{_FR} (?:du|au) (?:milieu|centre)",),
        Who.NEAREST: (rf"{_FR} (?:la |le )?plus proche",),
        Who.FURTHEST: (rf"{_FR} (?:la |le )?plus (?:[ée]loign[ée]e?|loin)",),
        Who.EVERYONE: ("tout le monde|toutes les personnes|chaque personne",),
    },
    "la persona": {
        Who.LEFT: (rf"{_ES} (?:de|a) la izquierda",),
        Who.RIGHT: (rf"{_ES} (?:de|a) la derecha",),
        Who.MIDDLE: (rf"{_ES} (?:del|en el) (?:medio|centro)",),
        Who.NEAREST: (rf"{_ES} m[áa]s (?:cercan[ao]|cerca)",),
        Who.FURTHEST: (rf"{_ES} m[áa]s (?:lejan[ao]|lejos|alejad[ao])",),
        Who.EVERYONE: ("todo el mundo|todas las personas|cada persona",),
    },
}
"""Phrases, as regular expressions, by what stands in their place in the command; capitals are ignored."""

_OF_THE_SPEAKER = re.compile(rf"(?<!\w){_ONE}{_IS} (?:on|to|at) (?:my|our) (left|right)(?!\w)", re.IGNORECASE)
_RELATION = re.compile(r" (?:of|from|von|vom|de|du|des|del) \w+(?: \w+)?|(?<=est)(?: to)? the \w+", re.IGNORECASE)
"""What follows a phrase that relates to something else: "the person on the left of the table", "nearest the door"."""

_WORN = (
    r"(?!front|your|my|his|her|their)(?:\w+[ -]){0,3}(?:shirt|t-?shirt|jacket|coat|dress|suit|hoodie|sweater|uniform|"
    r"vest|hat|cap|helmet|scarf|tie|mask|glasses|sunglasses|beard|moustache|hair|backpack|bag|badge|umbrella|stick|cane|"
    r"dog|wheelchair|red|blue|green|black|white|yellow|grey|gray|orange|pink|brown)"
)
_GETRAGEN = (
    r"(?:\w+ ){0,2}(?:hemd|jacke|mantel|kleid|anzug|pullover|hut|mütze|helm|schal|brille|bart|haaren?|rucksack|"
    r"rollstuhl|rot|blau|grün|schwarz|weiß|gelb)"
)
_PORTE = r"(?:\w+ ){0,2}(?:chapeau|lunettes|barbe|veste|manteau|chemise|robe|rouge|bleu|vert|noir|blanc|jaune)"
_LLEVA = r"(?:\w+ ){0,2}(?:sombrero|gafas|barba|chaqueta|abrigo|camisa|vestido|rojo|azul|verde|negro|blanco|amarillo)"
_DESCRIPTIONS = (
    rf"(?<!help )(?<!dress )(?:the|an?|that|this) {_SOMEBODY} (?:in|with) {_WORN}",
    rf"(?:the|an?|that|this) {_SOMEBODY} who (?!.*\bin front\b)\w+",
    rf"(?:the|an?|that|this) {_SOMEBODY} (?:wearing|behind|beside|next to|between|holding|waving|called|named) ?\w*",
    rf"the (?:tall|short|small|old|young)(?:er|est) (?:{_SOMEBODY}|one)",
    rf"the (?:first|second|third|fourth|last) {_SOMEBODY}",
    rf"(?<!the ){_SOMEBODY} (?:number )?(?:\d+|two|three|four|five)",
    rf"{_DE} (?:mit|in|im) {_GETRAGEN}",
    rf"(?:größte|kleinste|älteste|jüngste|erste|zweite|dritte|letzte)[nrs]? {_DE}",
    rf"(?:personne|homme|femme|fille|gar[çc]on) (?:avec|en|au) {_PORTE}",
    rf"(?:persona|hombre|mujer|chic[ao]) (?:con|de) {_LLEVA}",
)
_DESCRIBED = re.compile(rf"(?<!\w)(?:{'|'.join(_DESCRIPTIONS)})(?!\w)", re.IGNORECASE)
"""Descriptions of a person by what the robot does not read from a picture: clothes, ages, an order, a name."""

_Entry = tuple[Whom, "re.Pattern[str]", str]


def _entries() -> list[_Entry]:
    return [
        (Whom(who), re.compile(rf"(?<!\w)(?:{phrase})(?!\w)", re.IGNORECASE), substitute)
        for substitute, table in _PHRASES.items()
        for who, phrases in table.items()
        for phrase in phrases
    ]


_ENTRIES = _entries()


def find_person_words(text: str, ids: Collection[str] = ()) -> PersonWords:
    """Return whom a command means, and the command without the words that say so.

    Args:
        text: The command in free words.
        ids: The ids of the people who are tracked, which are found anywhere in the text. Any other five letters are an
            id only where they are written together with "person" or "id" (`person_kamul`).

    Returns:
        The remaining command, and whom it means.

    Raises:
        PersonWordsError: The text names two different people, a side of the speaker ("on my left"), or a person by
            something else than people ("the person nearest the door") or than their place ("the man in the red shirt").

    Example:
        >>> find_person_words("Shake the hand of the person on the left")
        PersonWords(text='Shake the hand of the person', whom=Whom(who=<Who.LEFT: 'left'>, id=''))
        >>> find_person_words("shake my left hand").whom is None
        True
    """
    if side := _OF_THE_SPEAKER.search(text):
        raise PersonWordsError(
            f"{side[0]!r} depends on where the speaker stands: say 'the person on the {side[1]}', as the robot sees it"
        )
    entries = [*_ENTRIES, *_id_entries(text, ids)]
    found = {entry: match for entry in entries if (match := entry[1].search(text))}
    if len({whom for whom, _, _ in found}) > 1:
        names = " and ".join(repr(match[0]) for match in list(found.values())[:2])
        raise PersonWordsError(f"the command names {names}: name one person")
    for (whom, pattern, substitute), match in found.items():
        if whom.who is not Who.EVERYONE and (relation := _RELATION.match(text, match.end())):
            raise PersonWordsError(
                f"it is not known who is {match[0] + relation[0]!r}: say where the robot sees the person"
            )
        return PersonWords(pattern.sub(substitute, text), whom)
    if described := _DESCRIBED.search(text):
        raise PersonWordsError(f"it is not known who is {described[0]!r}: say where the robot sees the person")
    return PersonWords(text)


def parse_select(value: str) -> Whom:
    """Return whom the value of the parameter `people.select` means.

    Args:
        value: `nearest`, `largest`, `centred`, `everyone`, or an id of five letters.

    Returns:
        Whom it means.

    Raises:
        PersonWordsError: The value is none of these.
    """
    for rule in PARAMETER_RULES:
        if value == rule.value:
            return Whom(rule)
    if _ID.fullmatch(value):
        return Whom(Who.ID, value)
    rules = ", ".join(rule.value for rule in PARAMETER_RULES)
    raise PersonWordsError(f"people.select must be one of {rules}, or an id of five small letters, not {value!r}")


def _id_entries(text: str, ids: Collection[str]) -> list[_Entry]:
    """Return an entry for each id in a text."""
    known = "".join(f"|{re.escape(identity)}" for identity in sorted(ids))
    prefix = r"(?<!\w)(?:the )?(?:(?:person|human|body|id)[ _])?"
    spoken = re.compile(rf"{prefix}((?<=_)[a-z]{{5}}{known})(?!\w)", re.IGNORECASE).findall(text)
    return [
        (Whom(Who.ID, identity), re.compile(rf"{prefix}{identity}(?!\w)", re.IGNORECASE), "the person")
        for identity in sorted({each.lower() for each in spoken})
    ]
