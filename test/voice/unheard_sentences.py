"""Sentences to report figures with: written before any tuning and without sight of the patterns."""

from __future__ import annotations

_SHOULDERS = ("left_shoulder", "right_shoulder")
_WRISTS = ("left_wrist", "right_wrist")
_ARMS = (*_SHOULDERS, "left_elbow", "right_elbow", *_WRISTS)

UNHEARD_ORDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("shake hands with my brother", ("right_elbow", "right_wrist")),
    ("please shake my left hand firmly", ("left_elbow", "left_wrist")),
    ("bump my right fist", ("right_elbow", "right_wrist")),
    ("high five my left hand", ("left_wrist",)),
    ("come and give my sister a big hug", ("spine3", *_SHOULDERS)),
    ("I really need a hug", ("spine3", *_SHOULDERS)),
    ("pass me the hammer please", _WRISTS),
    ("put the spoon in my right hand", ("right_wrist",)),
    ("take the plate out of my left hand", ("left_wrist",)),
    ("pat me on the left shoulder", ("left_shoulder",)),
    ("tap her on the right shoulder", ("right_shoulder",)),
    ("help my father to stand up", _ARMS),
    ("put the watch on my left wrist", ("left_elbow", "left_wrist")),
    ("tie the lace of my left shoe", ("left_ankle", "left_foot")),
    ("examine my left knee please", ("left_knee",)),
    ("follow my right elbow with your camera", ("right_elbow",)),
    ("look at her face when she talks", ("neck", "head")),
    ("hold me by the shoulders", _SHOULDERS),
    ("am I sitting with a straight back", ("pelvis", "spine1", "spine2", "spine3", "neck")),
    ("fasten the belt around my waist", ("pelvis", "left_hip", "right_hip")),
    ("put the scarf around my neck", ("neck", "left_collar", "right_collar")),
    ("put the cap on my head", ("head",)),
    ("help me put on my coat", _ARMS),
    ("where is her left wrist", ("left_wrist",)),
    ("show me where my right hip is", ("right_hip",)),
    ("find my left ankle", ("left_ankle",)),
    ("tell me the position of my neck", ("neck",)),
    ("locate both of my knees", ("left_knee", "right_knee")),
    ("point at my right foot", ("right_foot",)),
    ("touch my left elbow gently", ("left_elbow",)),
)

UNHEARD_OTHER: tuple[str, ...] = (
    *("the train to the city leaves at seven", "could you turn the volume down", "we are out of milk and bread"),
    *("my daughter starts school in august", "let me check the weather first", "the printer is out of paper again"),
    *(
        "please vacuum the living room",
        "what did the doctor say about the results",
        "I parked the car behind the house",
    ),
    *("set an alarm for half past six", "did you feed the cat this morning", "charge your battery and wait for me"),
    *(
        "he told me the whole story yesterday",
        "the soup needs a little more salt",
        "go to the front door and see who it is",
    ),
    *("put the books back on the table", "give the plants some water", "take the second door on the right"),
    *("hold the line please", "pick up the paper from the floor", "shake the rug out of the window"),
    *("put a new bag in the bin", "look at the map on the wall", "show me the pictures of our trip"),
    *("second hand jeans are cheap", "the top of the page is torn", "we got off at the wrong spot"),
    *("I left my umbrella on the bus", "find a good film for tonight", "move the chair closer to the window"),
    *("that was a lovely song", "where did I leave my glasses", "the shop opens at nine o'clock"),
    *("tell the children that dinner is ready", "it is getting cold in here", "how do you spell that name"),
    *(
        "nobody knows what happened after that",
        "carry this basket to the laundry room",
        "I will be back in five minutes",
    ),
    *("open the curtains in the bedroom",),
)

UNHEARD_STOPS: tuple[str, ...] = (
    *("stop!", "stop right now", "hey, stop", "stop this", "now stop", "stop, robot", "will you stop", "just stop"),
    *("you must stop", "stop, stop"),
)
