"""What the walks need of a course: an item, its rubric, and answers."""

from __future__ import annotations

from typing import Any

from submissions import api

COURSE = "course-v1:Ünï+CS1+2026"
ESSAY = "block-v1:Ünï+CS1+2026+type@openassessment+block@essay"
RUBRIC: dict[str, Any] = {
    "prompts": [{"description": "Why?"}],
    "criteria": [
        {
            "name": "ideas",
            "label": "Ideas",
            "prompt": "How many?",
            "options": [
                {"name": "none", "label": "None", "points": 0, "explanation": ""},
                {"name": "some", "label": "Some", "points": 2, "explanation": ""},
                {"name": "many", "label": "Many", "points": 5, "explanation": ""},
            ],
        }
    ],
}


def item(student: str) -> dict[str, Any]:
    return {"student_id": student, "course_id": COURSE, "item_id": ESSAY, "item_type": "openassessment"}


def earned(student: str, item_id: str = ESSAY, item_type: str = "openassessment") -> tuple[float, float]:
    """The points of a learner's score, and those possible."""
    score = api.get_score({**item(student), "item_id": item_id, "item_type": item_type})
    assert score is not None
    return score["points_earned"], score["points_possible"]


def answer(text: str) -> dict[str, list[dict[str, str]]]:
    return {"parts": [{"text": text}]}


def chosen(option: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Options, feedback on criteria, and feedback: as an assessor gives them."""
    return {"ideas": option}, {}, "Füße ☃"
