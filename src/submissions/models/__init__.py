"""The tables. Names and columns of edx-submissions stay; what is ours is only added."""

from submissions.errors import DuplicateTeamSubmissionsError, TeamSubmissionInternalError, TeamSubmissionNotFoundError
from submissions.models.activity import Door, MovedJob, OperatorMove
from submissions.models.claim import ClaimNote, ClaimRequest, SubmitRequest
from submissions.models.delivery import Delivery, DeliveryHost, DeliveryState, Told, Transport
from submissions.models.fields import AnonymizedUserIDField, BrokenJSON, JSONTextField, PointsField, whole
from submissions.models.file import SubmissionFile, get_storage, submission_file_path
from submissions.models.grader import DrainedGrader
from submissions.models.job import DatabaseNow, ExternalGraderDetail, ExternalGraderDetailManager, Status
from submissions.models.login_counter import LoginCounter
from submissions.models.notification import Channel, Kind, Notice, NoticeTurn, Subscription
from submissions.models.queue import GraderQueue, GraderSighting, ScoreMeaning
from submissions.models.score import Score, ScoreAnnotation, ScoreSummary
from submissions.models.statistics import ClaimEnd, ClaimOutcome, DepthSample, QueueMinute, QueueTotal, RollUp, Tally
from submissions.models.student_item import StudentItem
from submissions.models.submission import ACTIVE, DELETED, STATUS_CHOICES, Submission
from submissions.models.team import TeamSubmission
from submissions.models.token import Scope, Token
from submissions.signals import score_reset, score_set

__all__ = [
    "ACTIVE",
    "DELETED",
    "STATUS_CHOICES",
    "AnonymizedUserIDField",
    "BrokenJSON",
    "Channel",
    "ClaimEnd",
    "ClaimNote",
    "ClaimOutcome",
    "ClaimRequest",
    "DatabaseNow",
    "Delivery",
    "DeliveryHost",
    "DeliveryState",
    "DepthSample",
    "Door",
    "DrainedGrader",
    "DuplicateTeamSubmissionsError",
    "ExternalGraderDetail",
    "ExternalGraderDetailManager",
    "GraderQueue",
    "GraderSighting",
    "JSONTextField",
    "Kind",
    "LoginCounter",
    "MovedJob",
    "Notice",
    "NoticeTurn",
    "OperatorMove",
    "PointsField",
    "QueueMinute",
    "QueueTotal",
    "RollUp",
    "Scope",
    "Score",
    "ScoreAnnotation",
    "ScoreMeaning",
    "ScoreSummary",
    "Status",
    "StudentItem",
    "Submission",
    "SubmissionFile",
    "SubmitRequest",
    "Subscription",
    "Tally",
    "TeamSubmission",
    "TeamSubmissionInternalError",
    "TeamSubmissionNotFoundError",
    "Token",
    "Told",
    "Transport",
    "get_storage",
    "score_reset",
    "score_set",
    "submission_file_path",
    "whole",
]
