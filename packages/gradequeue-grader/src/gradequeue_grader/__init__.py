"""Grades what waits in a gradequeue: a typed client, and a worker that runs graders of four kinds."""

__version__ = "0.2.0"

from gradequeue_grader.claims import Beat, Claim, Claimed, File, Link, Me
from gradequeue_grader.client import AsyncClient, Client
from gradequeue_grader.problems import (
    AlreadyGraded,
    Busy,
    ClaimLost,
    GraderError,
    NotAllowed,
    NotGradequeue,
    Problem,
    Refused,
    Unreachable,
)

__all__ = [
    "AlreadyGraded",
    "AsyncClient",
    "Beat",
    "Busy",
    "Claim",
    "ClaimLost",
    "Claimed",
    "Client",
    "File",
    "GraderError",
    "Link",
    "Me",
    "NotAllowed",
    "NotGradequeue",
    "Problem",
    "Refused",
    "Unreachable",
]
