"""What the random model of these tests is asked."""

from __future__ import annotations

from taihri_ros.model.answer_format import AnswerFormat

FORMAT = AnswerFormat(box=False, absent=True)
NAMED = (("left_wrist",), ("pelvis", "head", "left_wrist"))
GROUP = 3
