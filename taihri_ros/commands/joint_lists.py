"""Recognition of lists of joint names in any notation, and of names in such a list that are misspelt."""

from __future__ import annotations

import difflib
import re
import unicodedata

from taihri_ros.skeleton import JOINTS, in_order

_COMPACT = {joint.replace("_", ""): joint for joint in JOINTS}
_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
_NOUNS = tuple(dict.fromkeys(joint.rpartition("_")[2] for joint in JOINTS if "_" in joint))
_SPOKEN_NOUNS = {"hand": "wrist", "hands": "wrist", "feet": "foot", "toes": "foot", "collarbone": "collar"}
_BODY_PARTS = frozenset(
    (
        *("nose", "eye", "eyes", "ear", "ears", "mouth", "chin", "face", "hair", "forehead", "chest", "back", "belly"),
        *("waist", "arm", "arms", "forearm", "palm", "fist", "fists", "thumb", "finger", "fingers", "leg", "legs"),
        *("thigh", "shin", "heel"),
    )
)
_ORDINARY_WORDS = _BODY_PARTS | frozenset(
    (
        *("side", "angle", "angles", "wish", "list", "food", "heat", "kneel", "keep", "spine"),
        *("lift", "light", "fight", "tight", "night", "might", "sight", "let", "felt"),
    )
)
"""Words that are similar to the name of a joint or a side, but are not misspelt."""

_POLITE_WORDS = ("please", "bitte", "now", "thanks", "thank you")

_SIMILAR, _LISTED_SIMILAR, _SIMILAR_SIDE, _SIMILAR_NAME = 0.76, 0.7, 0.7, 0.8
"""Smallest ratios of `difflib` for a misspelt noun, for one in a list, for a misspelt side, and for a whole name."""

_LONG_NAME = 6
"""Smallest length of a misspelt name that stands alone, in characters: "hear" is not a misspelt head."""

_LONG_NAMES = [name for name in _COMPACT if len(name) >= _LONG_NAME]

_SEPARATORS = re.compile(
    r"\.\s|[,;&+/|:*`\[\](){}\"\u201c\u201d\u201e\u00ab\u00bb]|(?<!\w)['\u2018\u201a]|['\u2019](?!\w)"
    r"|(?<![\w-])(?:and|und|et|y)(?![\w-])"
)
_DETERMINERS = re.compile(r"(?<![\w-])(?:the|my)\s+")
_CLOSING_MARKS = " .!?"


def named_joints(words: str) -> tuple[str, ...]:
    """Return the joints of a text that is nothing but a list of joint names.

    Args:
        words: The text. Names may be written with spaces, underscores, hyphens or nothing between their words, after
            "the" or "my"; between names may stand punctuation, "and", or spaces.

    Returns:
        The joints in the skeleton's order; empty if there is anything else in the text.

    Example:
        >>> named_joints("Left Wrist and head"), named_joints("shake my left wrist")
        (('head', 'left_wrist'), ())
    """
    joints: set[str] = set()
    for part in _parts(words):
        found = _whole_names(part)
        if not found:
            return ()
        joints |= found
    return in_order(joints)


def misspelt_joint(words: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the first wrong name of a text that is meant as a list of joints.

    A text is meant as a list if each of its parts is a joint or resembles one: in its spelling, as an identifier such
    as `left_thumb`, or as a body part beside the name of a joint ("left_wrist, elbow").

    Args:
        words: A text that is no list of joint names.

    Returns:
        The wrong name and the joints that it resembles most, which may be none; None for free words.

    Example:
        >>> misspelt_joint("left_wirst, right_wrist"), misspelt_joint("left, right"), misspelt_joint("look here, head")
        (('left_wirst', ('left_wrist',)), None, None)
    """
    parts = [part for part in _parts(words) if part not in _POLITE_WORDS]
    wrong_parts = [part for part in parts if not _whole_names(part)]
    is_list = len(wrong_parts) < len(parts)
    wrong = [(part, _resembled(part, is_list=is_list)) for part in wrong_parts]
    if not wrong or any(resembled is None for _, resembled in wrong):
        return None
    name, resembled = wrong[0]
    return name, resembled or ()


def _parts(words: str) -> list[str]:
    plain = _DETERMINERS.sub("", unicodedata.normalize("NFKC", words).casefold().rstrip(_CLOSING_MARKS))
    parts = [part for part in (part.strip(_CLOSING_MARKS) for part in _SEPARATORS.split(plain)) if part.strip(" -")]
    identifiers = [all("_" in token for token in part.split()) for part in parts]
    return [
        token
        for part, separable in zip(parts, identifiers, strict=True)
        for token in (part.split() if separable else [part])
    ]


def _whole_names(part: str) -> set[str]:
    """Return the joints whose names, one after the other, are the whole part; empty if there is anything else."""
    compact, joints = re.sub(r"[\s_-]", "", part), set()
    while compact:
        name = next((name for name in _COMPACT if compact.startswith(name)), None)
        if name is None:
            return set()
        joints.add(_COMPACT[name])
        compact = compact[len(name) :]
    return joints


def _resembled(part: str, *, is_list: bool) -> tuple[str, ...] | None:
    """Return the joints that a part resembles, maybe none if it is surely meant as a name; None for free words."""
    tokens = re.sub(r"[\s_-]+", " ", part).split()
    is_name = is_list or "_" in part
    if resembled := _similar_name(tokens) or _similar_sided(tokens, is_name=is_name):
        return resembled
    if not is_name or not tokens:
        return None
    if tokens[0] in ("spine", "spines"):
        return ("spine1", "spine2", "spine3")
    if tokens[0] == "both" or len(tokens) == 1:
        return _either_side(tokens[-1])
    return () if tokens[0] in _SIDES and (len(tokens) == 2 or " " not in part) else None


def _similar_name(tokens: list[str]) -> tuple[str, ...]:
    """Return the joint whose whole name the words resemble; none for ordinary words."""
    if not _ORDINARY_WORDS.isdisjoint(tokens):
        return ()
    if len(tokens) == 1 and len(tokens[0]) >= _LONG_NAME:
        return tuple(_COMPACT[name] for name in difflib.get_close_matches(tokens[0], _LONG_NAMES, 1, _SIMILAR_NAME))
    if len(tokens) == 2:
        side = difflib.get_close_matches(tokens[0], ("left", "right"), 1, _SIMILAR_SIDE)
        noun = difflib.get_close_matches(tokens[1], _NOUNS, 1, _SIMILAR)
        return tuple(f"{side[0]}_{match}" for match in noun if side)
    return ()


def _similar_sided(tokens: list[str], *, is_name: bool) -> tuple[str, ...]:
    """Return the joint that a side, maybe abbreviated, and a noun mean, in either order; only for a certain name."""
    if len(tokens) != 2 or not is_name:
        return ()
    side, noun = tokens if tokens[0] in _SIDES else reversed(tokens)
    if side not in _SIDES:
        return ()
    if noun in _SPOKEN_NOUNS:
        return (f"{_SIDES[side]}_{_SPOKEN_NOUNS[noun]}",)
    near = [] if noun in _ORDINARY_WORDS else difflib.get_close_matches(noun, _NOUNS, 1, _LISTED_SIMILAR)
    return tuple(f"{_SIDES[side]}_{match}" for match in near)


def _either_side(noun: str) -> tuple[str, ...] | None:
    """Return the joints of both sides that a body part without a side resembles; None for another word."""
    if noun in _BODY_PARTS:
        return ()
    names = (*_NOUNS, "head", "neck", "pelvis")
    near = difflib.get_close_matches(_SPOKEN_NOUNS.get(noun, noun), names, 1, _LISTED_SIMILAR)
    if not near or noun in _ORDINARY_WORDS:
        return None
    return tuple(near) if near[0] not in _NOUNS else (f"left_{near[0]}", f"right_{near[0]}")
