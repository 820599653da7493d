"""Tasks: the contents of the task table, sampling, recognition, and the task files of a user."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from required import ROOT

from taihri_ros.commands.command import parse_command
from taihri_ros.commands.task_table import Task, TaskError
from taihri_ros.commands.tasks import TASKS_FILE, Tasks
from taihri_ros.skeleton import JOINTS, in_order

FUNCTION_WORDS = {
    *("a", "an", "the", "to", "of", "in", "on", "at", "with", "and", "or", "it", "is", "are", "be", "so", "that", "by"),
    *("from", "me", "my", "i", "you", "your", "for", "both"),
}
OTHER_COMMANDS = (
    "tell me a joke",
    "go to the kitchen",
    "turn on the lights",
    "what is the weather like today",
    "drive forward two metres",
    "charge your battery",
    "vacuum the living room",
    "open the door",
    "sing a song for the visitor",
    "turn left at the corner",
    "count to ten",
    "speak louder",
    "pick up the red block from the table",
    "set a timer for ten minutes",
    "close the window",
    "umarme den Hund",
    "",
    "?!",
)


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, list[str]]]:
    entries: dict[str, dict[str, list[str]]] = yaml.safe_load(TASKS_FILE.read_text(encoding="utf-8"))["tasks"]
    return entries


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+", text.lower()))


def scores(found: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> tuple[float, float]:
    """Return precision and recall of the joints."""
    right = sum(len(set(got) & set(wanted)) for got, wanted in found)
    return right / sum(len(got) for got, _ in found), right / sum(len(wanted) for _, wanted in found)


def joints_of(task: Task | None) -> tuple[str, ...]:
    return task.joints if task else ()


def test_every_task_has_enough_phrasings(written: dict[str, dict[str, list[str]]]) -> None:
    assert len(written) >= 16
    for name, entry in written.items():
        sided = "{side}" in entry["joints"][0]
        for field, least, most in (("phrasings", 20, 99), ("held_out", 4, 6)):
            lines = [line for line in entry[field] if not sided or "{side}" in line]
            assert least <= len(set(lines)) <= most, f"{name}: {field}"


def test_the_joints_of_every_task_are_in_the_skeletons_order(tasks: Tasks) -> None:
    names = [task.name for task in tasks.tasks]
    assert len(set(names)) == len(names)
    for task in tasks.tasks:
        assert task.joints == in_order(frozenset(task.joints))
        assert task.joints
    assert {joint for task in tasks.tasks for joint in task.joints} == set(JOINTS), "every joint is used by a task"


def test_left_and_right_mirror_each_other(tasks: Tasks) -> None:
    for left in (task for task in tasks.tasks if task.name.endswith("_left")):
        right = tasks[left.name.replace("_left", "_right")]
        assert right.joints == tuple(joint.replace("left", "right") for joint in left.joints)
        assert right.phrasings == tuple(text.replace("left", "right") for text in left.phrasings)
        assert all("left" in words(text) for text in left.phrasings + left.held_out)
        assert not any({"left", "right"} & words(text) for text in tasks[left.name.removesuffix("_left")].phrasings)


def test_every_sentence_belongs_to_one_task_and_is_trained_or_held_out(tasks: Tasks) -> None:
    joints_by_words: dict[str, tuple[str, ...]] = {}
    for task in tasks.tasks:
        for text in task.phrasings + task.held_out:
            assert joints_by_words.setdefault(" ".join(sorted(text.lower().split())), task.joints) == task.joints, text
            assert "{" not in text
            assert parse_command(text).joints == (), "a phrasing is free words"  # type: ignore[union-attr]
        assert not {text.lower() for text in task.phrasings} & {text.lower() for text in task.held_out}


def test_the_words_of_a_held_out_sentence_are_in_the_corpus(tasks: Tasks) -> None:
    corpus = set.union(*(words(sentence) for sentence in tasks.corpus()))
    for task in tasks.tasks:
        trained = set.union(*(words(text) for text in task.phrasings))
        for text in task.held_out:
            assert words(text) <= corpus, text
            content = words(text) - FUNCTION_WORDS
            assert len(content & trained) >= 0.6 * len(content), f"{text}: {sorted(content - trained)}"


def test_held_out_sentences_match_their_task(tasks: Tasks) -> None:
    found = [(joints_of(tasks.match(text)), task.joints) for task in tasks.tasks for text in task.held_out[::5]]
    precision, recall = scores(found)
    assert precision > 0.99
    assert recall > 0.98


def test_trained_sentences_match_with_any_polite_words(tasks: Tasks) -> None:
    rng = random.Random(5)
    for task in tasks.tasks:
        for _ in range(5):
            text = tasks.sample_phrasing(rng, task)
            match = tasks.match(text)
            assert match is not None, text
            assert match.joints == task.joints, text


@pytest.mark.parametrize("held_out", [False, True])
def test_questions_match_their_joints(tasks: Tasks, held_out: bool) -> None:
    rng = random.Random(6)
    for _ in range(200):
        text, joints = tasks.sample_question(rng, held_out=held_out)
        assert joints_of(tasks.match(text)) == joints, text


@pytest.mark.parametrize("text", OTHER_COMMANDS)
def test_other_commands_match_no_task(tasks: Tasks, text: str) -> None:
    assert tasks.match(text) is None


@pytest.mark.parametrize(
    ("text", "joints"),
    [
        ("shake my hand", ("right_elbow", "right_wrist")),
        ("Shake my LEFT hand!", ("left_elbow", "left_wrist")),
        ("Give the person a big hug.", ("spine3", "left_shoulder", "right_shoulder")),
        ("give me a hug", ("spine3", "left_shoulder", "right_shoulder")),
        ("Could you tell me the coordinates of right wrist and left wrist?", ("left_wrist", "right_wrist")),
        ("Where is my left elbow?", ("left_elbow",)),
        ("find the head and the neck", ("neck", "head")),
        ("find left_wrist", ("left_wrist",)),
        ("put the watch on my left wrist", ("left_elbow", "left_wrist")),
        ("hand me the cup, please", ("left_wrist", "right_wrist")),
        ("it\u2019s cold, put the scarf around the person\u2019s neck", ("neck", "left_collar", "right_collar")),
    ],
)
def test_a_sentence_matches_the_joints_that_it_needs(tasks: Tasks, text: str, joints: tuple[str, ...]) -> None:
    assert joints_of(tasks.match(text)) == joints


@pytest.mark.parametrize(
    ("text", "joints"),
    [
        ("put the ring on my left hand", ("left_wrist",)),
        ("where are my hands", ("left_wrist", "right_wrist")),
        ("hold my hand", ("left_wrist", "right_wrist")),
        ("find my feet", ("left_foot", "right_foot")),
        ("track both of his wrists", ("left_wrist", "right_wrist")),
        ("massage the person's neck", ("neck",)),
        ("blow on my lower back and my left toes", ("spine1", "left_foot")),
    ],
)
def test_a_sentence_that_mentions_parts_of_the_body_matches_them(
    tasks: Tasks, text: str, joints: tuple[str, ...]
) -> None:
    assert joints_of(tasks.match(text)) == joints


@pytest.mark.parametrize(
    "text", ["put the hat on the shelf", "shake the bottle", "raise your left arm", "nod your head"]
)
def test_a_sentence_that_mentions_no_person_matches_only_if_it_is_almost_a_trained_one(tasks: Tasks, text: str) -> None:
    assert tasks.match(text) is None


def test_samples_vary_and_are_reproducible(tasks: Tasks) -> None:
    samples = [tasks.sample_task(random.Random(seed)) for seed in range(400)]
    assert samples == [tasks.sample_task(random.Random(seed)) for seed in range(400)]
    texts = [text for text, _ in samples]
    assert len(set(texts)) > 390
    assert {text[-1] for text in texts} >= {".", "!", "?"}
    assert 0.3 < sum(text[0].isupper() for text in texts) / len(texts) < 0.8
    assert len({joints for _, joints in samples}) > 15
    assert all(parse_command(text).joints == () for text in texts)  # type: ignore[union-attr]


def test_the_corpus_has_every_trained_word_and_no_held_out_sentence(tasks: Tasks) -> None:
    corpus = tasks.corpus()
    known = set.union(*(words(sentence) for sentence in corpus))
    rng = random.Random(7)
    for _ in range(300):
        assert words(tasks.sample_task(rng)[0]) <= known
        assert words(tasks.sample_question(rng)[0]) <= known
    assert not set(corpus) & {text for task in tasks.tasks for text in task.held_out}


def test_sampled_questions_name_the_given_joints(tasks: Tasks) -> None:
    rng = random.Random(8)
    samples = [tasks.sample_question(rng, ["right_wrist", "left_wrist", "head"]) for _ in range(200)]
    assert {joints for _, joints in samples} == {("head", "left_wrist", "right_wrist")}
    assert all("head" in text.lower() for text, _ in samples)
    assert {"both" in text.lower() for text, _ in samples} == {True, False}
    counts = Counter(len(tasks.sample_question(rng)[1]) for _ in range(300))
    assert set(counts) == {1, 2, 3, 4}
    assert tasks.sample_question(rng, JOINTS)[1] == JOINTS


def test_a_file_of_the_user_adds_changes_and_removes_tasks(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(
        """
tasks:
  hug:
    joints: [spine2]
    phrasings: ["squish {me}"]
  put_on_hat:
  glove:
    joints: ["{side}_wrist"]
    unsided: left
    phrasings: ["pull the glove on {my} {side} hand", "Glove!"]
questions:
  names:
    "{side}_wrist": ["{side} pulse"]
suffixes:
  any: [my dear]
"""
    )
    tasks = Tasks.load(file)
    assert tasks["hug"].joints == ("spine2",)
    assert {"squish her", "give me a hug"} <= set(tasks["hug"].phrasings)
    assert "put_on_hat" not in {task.name for task in tasks.tasks}
    assert tasks["glove_right"].phrasings[0] == "pull the glove on my right hand"
    assert tasks["glove"].joints == ("left_wrist",)
    assert tasks.match("please pull the glove on his right hand, my dear") == tasks["glove_right"]
    assert joints_of(tasks.match("where is my left pulse?")) == ("left_wrist",)
    for seed in range(100):
        tasks.sample_task(random.Random(seed), held_out=True)  # the new tasks have no held-out sentences


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [hug]", r"more.yaml: tasks must be a mapping with strings as keys, not \['hug'\]"),
        ("chores: {}", "task file .*more.yaml: unknown entry 'chores'; known are persons, prefixes"),
        ("tasks: {hug: {joint: [head]}}", "more.yaml: tasks.hug: unknown entry 'joint': did you mean 'joints'"),
        ("tasks: {wave: {joints: [head]}}", "more.yaml: task wave lacks phrasings: list at least one"),
        (
            "tasks: {wave: {joints: [tail], phrasings: [wave]}}",
            "more.yaml: task wave: 'tail' is not a joint; the joints",
        ),
        ("tasks: {wave: {joints: head, phrasings: [wave]}}", "tasks.wave.joints must be a list of strings, not 'head'"),
        (
            "tasks: {wave: {joints: [head], phrasings: [yes]}}",
            r"tasks.wave.phrasings\[0\] must be a string, not True: put it in quotes",
        ),
        (
            "tasks: {wave: {joints: [head], phrasings: ['wave at {you}']}}",
            "task wave: a sentence may contain {me} and {my}, and {side} if the joints contain it, not 'you'",
        ),
        (
            "tasks: {wave: {joints: ['{side}_hip'], phrasings: [wave]}}",
            "wave: its joints contain {side}, but no phrasing does",
        ),
        (
            "tasks: {wave: {joints: ['{side}_hip'], unsided: both, phrasings: ['{side} wave']}}",
            "tasks.wave.unsided must be one of left, right, not 'both'",
        ),
        (
            "tasks: {wave: {joints: [head], phrasings: ['Please give me a hug!']}}",
            "tasks hug and wave share the phrasing 'Please give me a hug!': remove it from one",
        ),
        (
            "tasks: {wave: {joints: [head], phrasings: [wave], held_out: ['Wave, please.']}}",
            "task wave: 'Wave, please.' is in phrasings and in held_out: remove it from one",
        ),
        (
            "tasks: {wave: {joints: [head], phrasings: ['Where is my left wrist?']}}",
            "task wave: the phrasing 'Where is my left wrist[?]' names left_wrist, but the task needs head",
        ),
        ("tasks: {take_left: {joints: [head], phrasings: [wave]}}", "two tasks are named take_left"),
        (
            "questions: {phrasings: [where]}",
            "more.yaml: questions: 'where' must contain {joints} in place of the names",
        ),
        ("questions: {names: [head]}", "more.yaml: questions.names must be a mapping with strings as keys"),
        ("questions: {groups: {tails: [tail]}}", "questions: 'tails': 'tail' is not a joint"),
        ("persons: [me]", r"more.yaml: persons\[0\] must be a mapping with me, my, not 'me'"),
        ("prefixes: {order: please}", "more.yaml: prefixes.order must be a list of strings"),
        ("tasks: {", "more.yaml is not YAML: "),
        ("- a", "task file .*more.yaml must be a mapping with persons"),
    ],
)
def test_an_invalid_file_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(text)
    with pytest.raises(TaskError, match=message.replace("{", r"\{")) as refused:
        Tasks.load(file)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"task file .*none.yaml is not readable"):
        Tasks.load(tmp_path / "none.yaml")


def test_the_documentation_lists_every_task(written: dict[str, dict[str, list[str]]]) -> None:
    documented = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, entry in written.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", documented, re.MULTILINE)
        assert set(re.findall("`([^`]+)`", row)) - {name} == set(entry["joints"])


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    documented = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    file = tmp_path / "more.yaml"
    file.write_text(re.findall("```yaml\n(.*?)```", documented, re.DOTALL)[0])
    tasks = Tasks.load(file)
    assert tasks["put_on_glove"].joints == ("right_elbow", "right_wrist")
    assert tasks.match("where is my throat?") == Task("question", ("neck",), (), ())
