"""What a sentence in one language asks for, by word lists and patterns: a task, parts of the body, or nothing.

The words come from a file such as `data/english.yaml`; docs/commands.md explains it. A sentence is read in four steps.
Polite words, fillers and phrases that only look like a side ("right now") are left out. Parts of a body get their side
and their owner from the words around them; those of the robot ("your hand") are left out, too. A sentence that fits a
pattern under `nothing` asks for nothing; otherwise it asks for the first task that it fits. A sentence that fits none,
but orders or asks something about parts of the person's body, or only lists them, is about their joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.commands.lexicon import Lexicon
from taihri_ros.commands.task_table import SIDES
from taihri_ros.commands.word_patterns import PatternIndex, Tagged, WordPattern
from taihri_ros.skeleton import in_order

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""A loader that leaves every word a string, also "on", "no" and numbers."""

_SIDE_LISTS = frozenset(("<left>", "<right>", "<both>"))
_CLOSING = ("<polite>", "<closing>")
_AFTER = frozenset(("<left>", "<right>", "<the>", "<link>"))
_AROUND = _AFTER | {"<both>", "<my>", "<your>", "<and>"}
"""The lists of the words after and before a part of the body that may say its side and its owner."""

_DETERMINERS = frozenset(("<the>", "<my>", "<your>", "<both>"))
_MOST_ADJECTIVES = 2
"""Number of words between the article and the noun of a person, as in "my dear little girl"."""

_REACH = 3
"""Number of words before and after a part of the body that may say its side and its owner."""


@dataclass(frozen=True)
class Meaning:
    """What a sentence asks for; nothing if it has neither a task nor joints.

    Attributes:
        task: Name of a task, without a side.
        sides: The sides that are said: none, one or both.
        joints: The joints of the parts of the body that it is about, in the skeleton's order, if no task is meant.
    """

    task: str = ""
    sides: frozenset[str] = frozenset()
    joints: tuple[str, ...] = ()


NOTHING = Meaning()
"""The meaning of a sentence that surely asks for nothing."""


@dataclass(frozen=True)
class _Mention:
    """A part of a body in a sentence, and what the words around it say.

    Attributes:
        part: Name of the part.
        at, length: Index of the first word of its name, and number of its words.
        words: Indices of its words, and of those around it that belong to it.
        sides: The sides that are said of it.
        owner: `my` for the person, `your` for the robot, `the` for an article, or empty.
    """

    part: str
    at: int
    length: int
    words: range
    sides: frozenset[str]
    owner: str


class Language:
    """The words and patterns of a language.

    Attributes:
        tasks: Names of the tasks that it has patterns for, without a side.
        unknown_lists: Lists that a pattern refers to, but that the file does not have; none in a right file.

    Example:
        >>> from taihri_ros.resources import PACKAGE
        >>> english = Language.load(PACKAGE / "data" / "english.yaml")
        >>> english.meaning("uh could you maybe shake my left hand")
        Meaning(task='handshake', sides=frozenset({'left'}), joints=())
        >>> english.meaning("blow on my left knee and the right elbow").joints
        ('left_knee', 'right_elbow')
        >>> english.meaning("thanks for the hug") == NOTHING, english.meaning("sharpen the saw")
        (True, None)
    """

    def __init__(self, content: Mapping[str, Any], names: Mapping[str, Sequence[str]] | None = None) -> None:
        """Index the words and patterns.

        Args:
            content: The contents of a language file.
            names: Joints by more names of parts of the body, such as "left pulse" or "throat".
        """
        self._parts = {f"<{part}>": tuple(entry["joints"]) for part, entry in content["parts"].items()}
        lists = {f"<{name}>": words for name, words in content["words"].items()}
        lists |= {f"<{part}>": entry["said"] for part, entry in content["parts"].items()}
        said = {word.removesuffix("*") for entry in content["parts"].values() for word in entry["said"]}
        for name, joints in (names or {}).items():
            side, _, noun = name.partition(" ")
            side, noun = (side, noun) if side in SIDES else ("", name)
            if noun not in said and not noun.startswith("both "):
                self._parts[f"<{noun}>"] = tuple(joint.replace(side, "{side}") if side else joint for joint in joints)
                lists[f"<{noun}>"] = [noun]
        asking, nothing = (list(map(WordPattern, content[key])) for key in ("asking", "nothing"))
        tasks = [(WordPattern(pattern), name) for name, entries in content["tasks"].items() for pattern in entries]
        self.tasks = tuple(content["tasks"])
        self._asking = PatternIndex([(pattern, "") for pattern in asking])
        self._meant = PatternIndex([*((pattern, "") for pattern in nothing), *tasks])
        patterns = [*asking, *nothing, *(pattern for pattern, _ in tasks)]
        referred = {name for pattern in patterns for name in pattern.names}
        lists |= {name: [name] for name in referred if not name.startswith("<")}
        self.unknown_lists = referred - {*lists, "<part>", "<subject>"}
        self._lexicon = Lexicon(lists, content["words"].get("endings", ()))

    @classmethod
    def load(cls, file: Path, names: Mapping[str, Sequence[str]] | None = None) -> Language:
        """Read a language file.

        Args:
            file: The file.
            names: As for the constructor.

        Returns:
            The language.
        """
        return cls(yaml.load(file.read_text(encoding="utf-8"), _Loader), names)

    def familiarity(self, text: str) -> int:
        """Return how many words of a text are words of the language."""
        return sum(map(bool, self._lexicon.names(self._lexicon.words(text))))

    def meaning(self, text: str) -> Meaning | None:
        """Return what a sentence asks for.

        Args:
            text: Free words.

        Returns:
            The meaning; NOTHING for a sentence that surely asks for nothing; None for one that is not understood.
        """
        sentence = self._look_up(self._lexicon.words(text))
        mentions = self._mentions(sentence)
        tagged = self._with_parts(sentence, mentions)
        task = self._meant.first(tagged)
        if task == "":
            return NOTHING
        asks = self._asking.first(tagged) is not None
        about = mentions if _is_list(tagged, mentions) else self._about(tagged, mentions, asks)
        several = {(mention.part, mention.sides) for mention in about if mention.owner == "my" or mention.sides}
        if task and not (asks and len(several) > 1):
            return Meaning(task, _sides(tagged, range(len(tagged.words))))
        return Meaning(joints=self._joints(tagged, about)) if about else None

    def _look_up(self, words: Sequence[str]) -> Tagged:
        """Look the words up, without fillers, and without polite words at the beginning and the end."""
        names = self._lexicon.names(words)
        kept: list[str] = []
        at = 0
        while at < len(words):
            length = max((0, *names[at].get("<filler>", ()), *names[at].get("<ignored>", ())))
            if not length:
                kept.append(words[at])
            at += max(length, 1)
        if len(kept) < len(words):
            names = self._lexicon.names(kept)
        start, end = 0, len(kept)
        while start < end and (length := max(names[start].get("<polite>", (0,)))):
            start += length
        while length := next((n for n in range(1, end - start + 1) if n in _lengths(names[end - n], _CLOSING)), 0):
            if self._end_of_person(names[:end], max(start, end - length - 1)) == end:
                break  # "your friend"
            end -= length
        names = names[start:end]
        self._add_people(names)
        for at, found in enumerate(names):
            if max(found.get("<my>", ()), default=0) > max(found.get("<person>", ()), default=0):
                found.pop("<person>", None)  # "the visitor's" does not mean the visitor
            for name in _AROUND & found.keys():
                for place in range(at + 1, min(at + max(found[name], default=1), len(names))):
                    names[place].setdefault(name, ())  # the other words of "the visitor's"
        return Tagged(tuple(kept[start:end]), names)

    def _add_people(self, names: Sequence[dict[str, tuple[int, ...]]]) -> None:
        """Add the persons that are described by several words: "my little girl", "the new nurse", "Mr Brown".

        They are in the list `person`, at the beginning of a sentence in `subject`, too, and in `my` if something is
        theirs: "the new nurse's hand".
        """
        for at, found in enumerate(names):
            end = self._end_of_person(names, at)
            if not end:
                continue
            if end < len(names) and "<genitive>" in names[end]:
                found["<my>"] = (*found.get("<my>", ()), end + 1 - at)
            elif at and "<of>" in names[at - 1]:
                names[at - 1]["<my>"] = (*names[at - 1].get("<my>", ()), end + 1 - at)
            elif "<of>" in found:
                found["<my>"] = (*found.get("<my>", ()), end - at)
            else:
                found["<person>"] = (*found.get("<person>", ()), end - at)
                if at == 0:
                    found["<subject>"] = (end,)
        if names and "<folk>" in names[0] and "<person>" in names[0]:
            names[0]["<subject>"] = (1,)

    def _end_of_person(self, names: Sequence[Mapping[str, tuple[int, ...]]], at: int) -> int:
        """Return the index after the words from `at` on that describe a person; 0 if they do not."""
        if "<title>" in names[at] and at + 1 < len(names) and not names[at + 1]:
            return at + 2
        if names[at].keys().isdisjoint(_DETERMINERS):
            return 0
        for noun in range(at + 1, min(at + _MOST_ADJECTIVES + 2, len(names))):
            if "<folk>" in names[noun]:
                end = noun + max(names[noun]["<folk>"])
                return end + (end < len(names) and not names[end])  # "my friend Tom"
            if names[noun] and "<adjective>" not in names[noun]:
                return 0
        return 0

    def _mentions(self, sentence: Tagged) -> list[_Mention]:
        """Find the parts of bodies in a sentence, the longest names first where they overlap."""
        mentions: list[_Mention] = []
        at, size = 0, len(sentence.words)
        while at < size:
            found = [(max(lengths), part) for part, lengths in sentence.names[at].items() if part in self._parts]
            if not found:
                at += 1
                continue
            length, part = max(found)
            if at + length < size and "<compound>" in sentence.names[at + length]:
                at += length
                continue
            mentions.append(self._mention(sentence, part, at, at + length, mentions[-1].words.stop if mentions else 0))
            at += length
        return mentions

    def _mention(self, sentence: Tagged, part: str, at: int, end: int, earliest: int) -> _Mention:
        """Read the side and the owner of the part whose name is the words from `at` to `end`."""
        start, size, length, owner, owned = at, len(sentence.words), end - at, "", False
        while start > max(earliest, at - _REACH) and (names := sentence.names[start - 1]):
            if not names.keys() & _AROUND or (owned and names.get("<my>")):  # not the first "her" of "her to her feet"
                break
            owned = owned or bool(names.get("<my>"))
            start -= 1
            owner = owner or next((kind for kind in ("my", "your", "the") if f"<{kind}>" in names), "")
        sides = _sides(sentence, range(start, at))
        if not sides:
            stop = end
            while stop < min(size, end + _REACH) and not sentence.names[stop].keys().isdisjoint(_AFTER):
                stop += 1
            if stop == size or self._parts.keys().isdisjoint(sentence.names[stop]):  # else it is the next part's side
                sides = _sides(sentence, range(end, stop))
                end = stop if sides else end
        return _Mention(part, at, length, range(start, end), sides, owner)

    def _with_parts(self, sentence: Tagged, mentions: Sequence[_Mention]) -> Tagged:
        """Keep only the names of the parts that are mentioned, without those of the robot and their sides.

        The owner of a part is not a person that is mentioned: "her" in "her leg".
        """
        names = [{name: at[name] for name in at if name not in self._parts} for at in sentence.names]
        for mention in mentions:
            left_out = _SIDE_LISTS if mention.owner == "your" else ("<person>",) if mention.owner == "my" else ()
            for place in mention.words:
                names[place] = {name: lengths for name, lengths in names[place].items() if name not in left_out}
            if mention.owner != "your":
                names[mention.at] |= {mention.part: (mention.length,), "<part>": (mention.length,)}
        return Tagged(sentence.words, names)

    def _about(self, sentence: Tagged, mentions: Sequence[_Mention], asks: bool) -> list[_Mention]:
        """Return the parts of the person's body that a sentence orders or asks something about."""
        if not sentence.words or not (asks or "<statement>" not in sentence.names[0]):
            return []
        of_person = asks or "<person>" in sentence.present
        meant = [
            mention
            for mention in mentions
            if mention.owner == "my"
            or (mention.owner == "the" and of_person)
            or (mention.owner != "your" and (mention.sides or (asks and mention.at > 0)))  # at 0: "hand in", "head to"
        ]
        listed = [mention for mention in mentions if meant and not mention.owner and self._is_listed(sentence, mention)]
        return [mention for mention in mentions if mention in meant or mention in listed]

    def _is_listed(self, sentence: Tagged, mention: _Mention) -> bool:
        """Check whether a part stands beside "and"."""
        places = (mention.words.start - 1, mention.words.stop)
        return any(0 <= place < len(sentence.words) and "<and>" in sentence.names[place] for place in places)

    def _joints(self, sentence: Tagged, about: Sequence[_Mention]) -> tuple[str, ...]:
        """Return the joints of parts of the body; the side of a single one may stand anywhere in the sentence."""
        said = _sides(sentence, range(len(sentence.words))) if len(about) == 1 else frozenset()
        joints = {
            joint.replace("{side}", side)
            for mention in about
            for joint in self._parts[mention.part]
            for side in (mention.sides or said or SIDES)
        }
        return in_order(frozenset(joints))


def _is_list(sentence: Tagged, mentions: Sequence[_Mention]) -> bool:
    """Check whether a sentence holds nothing but parts of the person's body: "left and right wrist", "the knees"."""
    listed = {place for mention in mentions for place in mention.words}
    others = set(range(len(sentence.words))) - listed
    return (
        bool(mentions)
        and all(mention.owner != "your" for mention in mentions)
        and all("<and>" in sentence.names[place] for place in others)
    )


def _sides(sentence: Tagged, places: Iterable[int]) -> frozenset[str]:
    names = {name for place in places for name in sentence.names[place]}
    if "<both>" in names:
        return frozenset(SIDES)
    return frozenset(side for side in SIDES if f"<{side}>" in names)


def _lengths(names: Mapping[str, Sequence[int]], wanted: Iterable[str]) -> set[int]:
    return {length for name in wanted for length in names.get(name, ())}
