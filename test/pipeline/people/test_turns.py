"""The model is asked about the selected person in every image, and about the others in turn."""

from __future__ import annotations

from collections import Counter

from taihri_ros.pipeline.people.turns import Turns


def test_the_others_are_asked_about_equally_often() -> None:
    turns, asked = Turns(lambda: 1), Counter[str]()
    turns.select({"kamul"})
    names = ["jodan", "kamul", "wezit", "tilon"]
    for stamp in range(30):
        order = names[stamp % 4 :] + names[: stamp % 4]
        chosen = turns.choose(order, float(stamp))
        assert chosen == sorted(chosen)
        assert len(chosen) == 2
        asked.update(order[place] for place in chosen)
    assert asked == {"kamul": 30, "jodan": 10, "wezit": 10, "tilon": 10}


def test_a_newcomer_is_next_and_while_nobody_is_selected_one_more_is_asked_about() -> None:
    turns = Turns(lambda: 1)
    assert turns.choose(["jodan", "wezit", "tilon"], 1.0) == [0, 1]
    assert turns.choose(["jodan", "wezit", "tilon"], 2.0) == [0, 2]
    turns.select({"jodan"})
    assert turns.choose(["jodan", "wezit", "tilon", ""], 3.0) == [0, 3]
    assert turns.choose(["jodan", "wezit", "tilon"], 4.0) == [0, 1]
    assert turns.choose(["wezit", "tilon"], 5.0) == [0, 1], "the selected person is hidden"


def test_everybody_who_is_selected_is_asked_about() -> None:
    turns = Turns(lambda: 1)
    turns.select({"jodan", "wezit", "tilon"})
    assert turns.choose(["jodan", "wezit", "tilon"], 1.0) == [0, 1, 2]
    assert Turns().choose(["jodan", "wezit", "tilon", "", ""], 1.0) == [0, 1, 2, 3, 4]


def test_turns_begin_anew_when_time_jumps_back() -> None:
    turns = Turns(lambda: 1)
    turns.select({"kamul"})
    for stamp in (100.0, 101.0, 1.0, 2.0, 3.0):
        chosen = turns.choose(["kamul", "jodan", "wezit"], stamp)
        assert len(chosen) == 2
    assert turns.choose(["kamul", "jodan", "wezit"], 4.0) != chosen
