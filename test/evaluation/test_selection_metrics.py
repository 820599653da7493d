from __future__ import annotations

import pytest

from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.question_plan import Question
from taihri_ros.evaluation.selection_metrics import selection_metrics, task_table_metrics
from taihri_ros.evaluation.spoken_commands import RightAnswer, read_spoken_commands
from taihri_ros.skeleton import JOINTS

WRISTS = ("left_wrist", "right_wrist")
COMMAND = Command("shake my hand")


def question(needed: tuple[str, ...] | None, task: str = "", phrasing: str = "of_the_data", *answers: str) -> Question:
    return Question(0, "a.png", COMMAND, "", task, phrasing, needed, tuple(map(RightAnswer.parse, answers)))


def test_joint_selection_for_free_commands() -> None:
    metrics = selection_metrics(
        [
            (question(("right_wrist",), "handshake", "held_out"), ("right_wrist",)),
            (question(("right_wrist",), "handshake", "trained"), WRISTS),
            (question(WRISTS, "hug", "held_out"), ("head",)),
            (question(None), ("head",)),
        ]
    )
    assert metrics["questions"] == 3, "the joints of one command are unknown"
    assert metrics["precision"] == pytest.approx(2 / 4)
    assert metrics["recall"] == pytest.approx(2 / 4)
    assert metrics["exact_share"] == pytest.approx(1 / 3, abs=1e-3)
    assert metrics["exact_interval"] == pytest.approx([0.0615, 0.7923], abs=1e-3)
    assert metrics["by_phrasing"]["held_out"]["f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert metrics["by_phrasing"]["trained"]["recall"] == 1
    assert metrics["by_task"]["handshake"]["precision"] == pytest.approx(2 / 3)
    assert metrics["by_task"]["hug"]["f1"] == 0


def test_an_answer_that_chose_no_joint_has_no_recall() -> None:
    assert selection_metrics([(question(("head",)), ())])["recall"] == 0


@pytest.mark.parametrize(
    ("chosen", "exact"),
    [
        ("neck", True),
        ("neck left_collar right_collar", True),
        ("neck left_collar", True),
        ("head", True),
        ("neck head", False),
        ("left_collar", False),
        ("", False),
    ],
)
def test_each_right_answer_counts_with_or_without_its_optional_joints(chosen: str, exact: bool) -> None:
    several = question(("neck",), "", "spoken", "neck (left_collar right_collar)", "head")
    metrics = selection_metrics([(several, tuple(chosen.split()))])
    assert metrics["by_phrasing"]["spoken"]["exact_share"] == exact
    assert (metrics["f1"] == 1) is exact


def test_a_sentence_that_asks_for_nothing_needs_no_joint() -> None:
    nothing = question((), "", "asking_for_nothing", "")
    metrics = selection_metrics([(nothing, ()), (nothing, ("head",)), (nothing, ())])
    entry = metrics["by_phrasing"]["asking_for_nothing"]
    assert entry["exact_share"] == pytest.approx(2 / 3, abs=1e-3)
    assert entry["f1"] is entry["precision"] is entry["recall"] is None, "no joint is needed"


def test_the_spoken_set_has_60_commands_and_20_sentences_that_ask_for_nothing() -> None:
    commands = read_spoken_commands()
    asking = [spoken for spoken in commands if spoken.asks]
    assert (len(asking), len(commands)) == (60, 80)
    assert len({spoken.command.text.casefold() for spoken in commands}) == 80
    for spoken in commands:
        assert not spoken.command.joints, "a list of joints measures no choice"
        assert spoken.answers
        for answer in spoken.answers:
            assert answer.joints | answer.optional <= set(JOINTS)
    assert all(answer.joints for spoken in asking for answer in spoken.answers)


def test_no_spoken_command_is_a_sentence_of_the_task_table() -> None:
    """Neither model nor table is measured by a sentence that it was made from."""
    tasks = Tasks.load()
    sentences = {text.casefold() for task in tasks.tasks for text in (*task.phrasings, *task.held_out)}
    assert not sentences & {spoken.command.text.casefold() for spoken in read_spoken_commands()}


def test_the_task_table_is_measured_without_a_model() -> None:
    metrics = task_table_metrics()
    assert metrics["by_phrasing"]["spoken"]["questions"] == 60
    assert metrics["by_phrasing"]["asking_for_nothing"]["questions"] == 20
    assert metrics["exact_share"] > 0.5
