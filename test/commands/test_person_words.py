"""The words that say whom a command means, and the command without them."""

from __future__ import annotations

import pytest

from taihri_ros.commands.person_words import PersonWordsError, Who, Whom, find_person_words, parse_select

IDS = ("kamul", "zotin")


@pytest.mark.parametrize(
    ("text", "who", "rest"),
    [
        ("Shake the hand of the person on the left", Who.LEFT, "Shake the hand of the person"),
        ("shake the left person's left hand", Who.LEFT, "shake the person's left hand"),
        ("hand the leftmost man the cup", Who.LEFT, "hand the person the cup"),
        ("hand the person on the left the cup", Who.LEFT, "hand the person the cup"),
        ("give it to the woman who is standing on your right", Who.RIGHT, "give it to the person"),
        ("hug the person on the right-hand side", Who.RIGHT, "hug the person"),
        ("where is the head of the person in the middle?", Who.MIDDLE, "where is the head of the person?"),
        ("give the nearest person a hug", Who.NEAREST, "give the person a hug"),
        ("hug the one closest to you", Who.NEAREST, "hug the person"),
        ("hand it to whoever is closest", Who.NEAREST, "hand it to the person"),
        ("look at the one furthest away", Who.FURTHEST, "look at the person"),
        ("look at the man at the back", Who.FURTHEST, "look at the person"),
        ("look at the biggest person", Who.LARGEST, "look at the person"),
        ("Give everyone a high five", Who.EVERYONE, "Give the person a high five"),
        ("look at all of them", Who.EVERYONE, "look at the person"),
        ("Gib der Person links die Hand", Who.LEFT, "Gib der Person die Hand"),
        ("schüttle der rechten Frau die Hand", Who.RIGHT, "schüttle der Person die Hand"),
        ("umarme die Person in der Mitte", Who.MIDDLE, "umarme die Person"),
        ("Gib der Person, die am nächsten steht, die Hand", Who.NEAREST, "Gib der Person die Hand"),
        ("Wink allen Leuten", Who.EVERYONE, "Wink die Person"),
        ("serre la main de la personne à gauche", Who.LEFT, "serre la main de la personne"),
        ("la personne la plus proche", Who.NEAREST, "la personne"),
        ("salue tout le monde", Who.EVERYONE, "salue la personne"),
        ("da la mano a la persona de la derecha", Who.RIGHT, "da la mano a la persona"),
        ("abraza a la persona más lejana", Who.FURTHEST, "abraza a la persona"),
    ],
)
def test_a_phrase_says_who_and_is_replaced(text: str, who: Who, rest: str) -> None:
    found = find_person_words(text)
    assert (found.whom, found.text) == (Whom(who), rest)


@pytest.mark.parametrize(
    "text",
    [
        "shake my left hand",
        "left_wrist, right_wrist",
        "put the watch on the person's left wrist",
        "where is my right elbow",
        "not that hand, the left one",
        "move one to the left",
        "take the cup on the right",
        "the closest chair",
        "everyone else can wait",
        "greet the person with a handshake",
        "shake hands with the person with your right hand",
        "take the cup, the one with the red handle",
        "hug the person who is standing in front of you",
        "give the old man the cup",
        "hand the visitor a red cup",
        "put the hat on the child with care",
        "the first time you hug the person",
        "give the person five",
        "help the person with the scarf",
        "hand the cup to the person",
        "jemand soll meine linke Hand nehmen",
    ],
)
def test_other_sentences_do_not_say_who_and_stay_as_they_are(text: str) -> None:
    found = find_person_words(text, IDS)
    assert (found.whom, found.text) == (None, text)


def test_ids_are_found_where_people_have_them() -> None:
    assert find_person_words("shake Kamul's hand", IDS).whom == Whom(Who.ID, "kamul")
    assert find_person_words("shake Kamul's hand", IDS).text == "shake the person's hand"
    assert find_person_words("hug person zotin", IDS).text == "hug the person"
    assert find_person_words("hug person_wojan", ()).whom == Whom(Who.ID, "wojan")
    assert find_person_words("hug kamul", ()).whom is None


@pytest.mark.handles(
    "Commands", "the man in the red shirt, where several people are told apart", "refused: not known who"
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hug the person on my left", "depends on where the speaker stands: say 'the person on the left'"),
        ("hug the nearest person on the left of us and everyone", "name one person"),
        ("hug the person on the left and the person on the right", "name one person"),
        ("hug kamul and zotin", "name one person"),
        ("hug the person nearest the door", "not known who is 'the person nearest the door'"),
        ("hug the person on the left of the table", "not known who"),
        ("Gib der Person links vom Tisch die Hand", "not known who"),
        ("shake the hand of the man in the red shirt", "not known who is 'the man in the red shirt': say where"),
        ("hug the woman with long black hair", "not known who is 'the woman with long black hair'"),
        ("hug the person wearing glasses", "not known who"),
        ("hug the person who raised their hand", "not known who"),
        ("hug the tallest one", "not known who is 'the tallest one'"),
        ("hug person 2", "not known who is 'person 2'"),
        ("hug the person next to me", "not known who"),
        ("umarme die Frau mit dem roten Hut", "not known who"),
        ("serre la main de l'homme en rouge", "not known who"),
        ("abraza al hombre con gafas", "not known who"),
    ],
)
def test_words_that_are_not_clear_are_refused(text: str, message: str) -> None:
    with pytest.raises(PersonWordsError, match=message):
        find_person_words(text, IDS)


def test_the_parameter_names_a_rule_or_an_id() -> None:
    values = ("nearest", "largest", "centred", "everyone", "kamul")
    assert [parse_select(value).who for value in values] == [
        Who.NEAREST,
        Who.LARGEST,
        Who.CENTRED,
        Who.EVERYONE,
        Who.ID,
    ]
    for wrong in ("left of the table", "Kamul", "", "near"):
        with pytest.raises(PersonWordsError, match=r"people\.select must be one of nearest, largest"):
            parse_select(wrong)
