"""What sentences ask for, in four languages: tasks with their sides, parts of the body, and nothing."""

from __future__ import annotations

import pytest

from taihri_ros.commands.language import Language
from taihri_ros.commands.task_table import SIDES
from taihri_ros.commands.tasks import LANGUAGE_FILES, Tasks
from taihri_ros.skeleton import INDEX


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


def match(tasks: Tasks, text: str) -> tuple[str, tuple[str, ...]]:
    task = tasks.match(text)
    return (task.name, task.joints) if task else ("", ())


@pytest.mark.parametrize("language", [Language.load(file) for file in LANGUAGE_FILES], ids=lambda language: "")
def test_language_files_refer_to_known_lists_tasks_and_joints(language: Language, tasks: Tasks) -> None:
    assert not language.unknown_lists
    assert set(language.tasks) <= {task.name for task in tasks.tasks}
    joints = {joint.replace("{side}", side) for part in language._parts.values() for joint in part for side in SIDES}
    assert joints <= set(INDEX)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("put 'er there, let's shake on it", "handshake"),
        ("uh can you like bump my right fist", "fist_bump_right"),
        ("up top!", "high_five"),
        ("would you mind hugging me for a second", "hug"),
        ("could you possibly hand me a glass of water", "hand_over"),
        ("pass the screwdriver over to my left hand", "hand_over_left"),
        ("i'm done with this mug, please take it", "take"),
        ("there's a crumb on my left shoulder could you wipe it off", "pat_shoulder_left"),
        ("help grandpa get up from the sofa", "help_up"),
        ("my left arm, hold it while i stand up", "help_up_left"),
        ("strap this fitness tracker onto my left wrist", "put_on_watch_left"),
        ("my shoelace came undone on the right", "tie_shoe_right"),
        ("put some ice on her knee, the left one", "check_knee_left"),
        ("i feel dizzy, grab me by the shoulders", "steady_shoulders"),
        ("don't let me fall, hold my shoulders", "steady_shoulders"),
        ("grip his shoulders so that he does not tip over", "steady_shoulders"),
        ("am i slouching", "check_posture"),
        ("buckle this seat belt around my waist", "put_on_belt"),
        ("do my tie up please", "put_on_scarf"),
        ("pop this beanie on my head", "put_on_hat"),
        ("help her into her raincoat", "help_into_jacket"),
        ("where does my left finger point", "follow_pointing_left"),
        ("spoon the soup to my mouth", "feed"),
        ("my sunglasses are slipping", "put_on_glasses"),
        ("hang the rucksack over my shoulders", "put_on_backpack"),
    ],
)
def test_english_sentences_in_other_words_match_their_task(tasks: Tasks, text: str, name: str) -> None:
    assert match(tasks, text)[0] == name


@pytest.mark.handles("Commands", "German, French or Spanish command", "the joints of its task, as in English")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Kannst du mir bitte die Hand geben?", "handshake"),
        ("Schüttle meine linke Hand", "handshake_left"),
        ("Drück mich mal ganz fest", "hug"),
        ("Könntest du mir das Buch reichen?", "hand_over"),
        ("Hilf mir bitte auf die Füße", "help_up"),
        ("Meine Schnürsenkel sind offen", "tie_shoe"),
        ("Zieh mir den Mantel an", "help_into_jacket"),
        ("Serre-moi la main gauche, s'il te plaît", "handshake_left"),
        ("fais-moi un câlin", "hug"),
        ("apporte-moi un verre d'eau", "hand_over"),
        ("Pourriez-vous m'aider à me mettre debout ?", "help_up"),
        ("mes lacets sont défaits", "tie_shoe"),
        ("mets l'écharpe autour de mon cou", "put_on_scarf"),
        ("¿puedes estrecharme la mano izquierda?", "handshake_left"),
        ("abrázame fuerte", "hug"),
        ("pásame la taza", "hand_over"),
        ("ayúdame a levantarme", "help_up"),
        ("tengo los cordones desatados", "tie_shoe"),
        ("ponme el sombrero", "put_on_hat"),
    ],
)
def test_sentences_in_other_languages_match_their_task(tasks: Tasks, text: str, name: str) -> None:
    assert match(tasks, text)[0] == name


@pytest.mark.handles(
    "Commands", "hug my little girl, take the tray from the new waiter", "a person may be described in several words"
)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hug my little girl", "hug"),
        ("go and hug your friend Tom", "hug"),
        ("give our new colleague a high five", "high_five"),
        ("hand this to Mrs Lee", "hand_over"),
        ("take the tray from the young waiter", "take"),
        ("give the nurse the thermometer", "hand_over"),
        ("take my youngest daughter by the left hand", "hold_hand_left"),
        ("huggg me", "hug"),
        ("help her to her feet", "help_up"),
        ("bring me my slippers", "hand_over"),
        ("drück meine kleine Schwester", "hug"),
        ("nimm dem jungen Mann das Tablett ab", "take"),
        ("miss meiner Oma den Blutdruck", "measure_blood_pressure"),
        ("donne le thermomètre à l'infirmière", "hand_over"),
        ("serre la main gauche du nouveau docteur", "handshake_left"),
        ("regarde ce que le garçon montre", "follow_pointing"),
        ("coge a mi hermano pequeño de la mano", "hold_hand"),
        ("quítale la bandeja al camarero", "take"),
        ("tómame la tensión", "measure_blood_pressure"),
    ],
)
def test_persons_are_described_in_several_words(tasks: Tasks, text: str, name: str) -> None:
    assert match(tasks, text)[0] == name


@pytest.mark.handles("Commands", "touch my shoudler, with a mistyped word", "read as the word that is meant")
@pytest.mark.parametrize(
    ("text", "joints"),
    [
        ("show both my ankles and the right hip", ("right_hip", "left_ankle", "right_ankle")),
        ("can you point to my right knee and my left ankle", ("right_knee", "left_ankle")),
        ("sunscreen on my left forearm", ("left_elbow", "left_wrist")),
        ("touch my left shoudler", ("left_shoulder",)),
        ("take my knee with your left hand", ("left_knee", "right_knee")),
        ("Wo ist mein linkes Handgelenk?", ("left_wrist",)),
        ("Zeig mir beide Ellbogen", ("left_elbow", "right_elbow")),
        ("Où est mon poignet gauche ?", ("left_wrist",)),
        ("où sont mon genou droit et mon pied gauche", ("right_knee", "left_foot")),
        ("¿Dónde está mi muñeca izquierda?", ("left_wrist",)),
        ("tócame el hombro derecho", ("right_shoulder",)),
    ],
)
def test_parts_of_the_body_have_the_side_that_is_said_of_them(tasks: Tasks, text: str, joints: tuple[str, ...]) -> None:
    assert match(tasks, text)[1] == joints


@pytest.mark.handles(
    "Commands", "only parts of the body: wrists, left and right wrist, my left hand please", "their joints"
)
@pytest.mark.parametrize(
    ("text", "joints"),
    [
        ("wrists", ("left_wrist", "right_wrist")),
        ("left and right wrist", ("left_wrist", "right_wrist")),
        ("left/right ankle", ("left_ankle", "right_ankle")),
        ("Left wrist please", ("left_wrist",)),
        ("my left hand", ("left_wrist",)),
        ("neck or head", ("neck", "head")),
        ("First my left hand, then my right shoulder", ("right_shoulder", "left_wrist")),
        ("beide Handgelenke", ("left_wrist", "right_wrist")),
        ("le genou gauche", ("left_knee",)),
        ("how many metres away is my head", ("head",)),
    ],
)
def test_parts_of_the_body_alone_are_about_their_joints(tasks: Tasks, text: str, joints: tuple[str, ...]) -> None:
    assert match(tasks, text) == ("question", joints)


def test_both_sides_have_the_joints_of_both(tasks: Tasks) -> None:
    both = ("left_elbow", "right_elbow", "left_wrist", "right_wrist")
    assert match(tasks, "shake both my hands") == ("handshake", both)
    assert match(tasks, "bump my left and right fist") == ("fist_bump", both)


@pytest.mark.handles("Commands", "thanks for the hug, or my knee was sore last week", "no joint: nothing is asked for")
@pytest.mark.parametrize(
    "text",
    [
        "thanks for the hug",
        "hug yourself",
        "your left hand",
        "back!",
        "how many fingers am I holding up",
        "my left wrist is bigger than yours",
        "her hair looks lovely",
        "my back was sore last week but it is fine now",
        "he is the head of the department",
        "raise your right arm",
        "give me a moment",
        "give me a hand",
        "put the cup on the table",
        "hand the letter to the postman",
        "hang my coat in the closet",
        "do you have hands",
        "why do people shake hands",
        "what does a handshake mean",
        "i need a new watch",
        "turn right now",
        "black holes are far away",
        "Du hast schöne Hände",
        "Stell die Tasse auf den Tisch",
        "Danke für die Umarmung",
        "heb deinen linken Arm",
        "éteins la lumière",
        "tu as de belles mains",
        "pose la tasse sur la table",
        "my husband hugs everybody",
        "the nurse held my hand all night",
        "did you shake hands with him",
        'he said "shake my hand"',
        "in the film he holds her hand",
        "I'll give my daughter a hug tonight",
        "raise both arms",
        "show me your left hand",
        "where is my shoulder bag",
        "he is my right-hand man",
        "the handshake protocol failed",
        "the waist of these trousers is too wide",
        "help me carry the sofa",
        "my shoes have holes",
        "give him my love",
        "meine Schwester umarmt alle",
        "nimm den Aufzug",
        "dreh den Kopf nach links",
        "elle a serré la main du patron",
        "tourne la tête",
        "où est mon sac à main",
        "se rompió el brazo",
        "toma la escalera",
        "tienes las manos bonitas",
        "pon la taza en la mesa",
        "levanta tu brazo izquierdo",
    ],
)
def test_sentences_that_ask_for_nothing_match_no_task(tasks: Tasks, text: str) -> None:
    assert match(tasks, text) == ("", ())
