"""The tables. Names and columns of edx-submissions stay; what is ours is only added."""

from submissions.models.delivery import Delivery, DeliveryHost, DeliveryState, Told, Transport
from submissions.models.fields import AnonymizedUserIDField, BrokenJSON, JSONTextField, PointsField, whole
from submissions.models.file import SubmissionFile, get_storage, submission_file_path
from submissions.models.job import DatabaseNow, ExternalGraderDetail, Status
from submissions.models.login_counter import LoginCounter
from submissions.models.queue import GraderQueue, GraderSighting, ScoreMeaning
from submissions.models.score import Score, ScoreAnnotation, ScoreSummary
from submissions.models.statistics import ClaimEnd, ClaimOutcome, QueueMinute, QueueTotal, RollUp, Tally
from submissions.models.student_item import StudentItem
from submissions.models.submission import ACTIVE, DELETED, STATUS_CHOICES, Submission
from submissions.models.team import TeamSubmission
from submissions.signals import score_reset, score_set

__all__ = [
    "ACTIVE",
    "DELETED",
    "STATUS_CHOICES",
    "AnonymizedUserIDField",
    "BrokenJSON",
    "ClaimEnd",
    "ClaimOutcome",
    "DatabaseNow",
    "Delivery",
    "DeliveryHost",
    "DeliveryState",
    "ExternalGraderDetail",
    "GraderQueue",
    "GraderSighting",
    "JSONTextField",
    "LoginCounter",
    "PointsField",
    "QueueMinute",
    "QueueTotal",
    "RollUp",
    "Score",
    "ScoreAnnotation",
    "ScoreMeaning",
    "ScoreSummary",
    "Status",
    "StudentItem",
    "Submission",
    "SubmissionFile",
    "Tally",
    "TeamSubmission",
    "Told",
    "Transport",
    "get_storage",
    "score_reset",
    "score_set",
    "submission_file_path",
    "whole",
]
