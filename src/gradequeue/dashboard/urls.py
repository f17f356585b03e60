"""The dashboard's addresses."""

from django.urls import path, re_path
from django.views.i18n import set_language

from gradequeue.dashboard import logins
from gradequeue.dashboard.views import (
    activity,
    bulk,
    deliveries,
    finding,
    frames,
    graders,
    jobs,
    notifications,
    pages,
    verbs,
)

app_name = "dashboard"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("login/", logins.Login.as_view(), name="login"),
    path("logout/", logins.Logout.as_view(), name="logout"),
    path("language/", set_language, name="language"),
    path("activity/", activity.activity, name="activity"),
    path("activity/<int:pk>/", activity.move, name="move"),
    path("deliveries/", deliveries.deliveries, name="deliveries"),
    path("deliveries/resend/", deliveries.resend_host, name="resend-all"),
    re_path(r"^deliveries/(?P<name>try-now|give-up)/$", deliveries.move_host, name="move-host"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/<int:pk>/remove/", notifications.remove, name="remove-notification"),
    path("notifications/<int:pk>/test/", notifications.test, name="test-notification"),
    path("find/", finding.find, name="find"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/move/", bulk.move_many, name="move-many"),
    re_path(r"^jobs/export\.(?P<form>csv|json)$", jobs.export, name="export"),
    path("graders/", graders.graders, name="graders"),
    path("graders/<int:pk>/", graders.grader, name="grader"),
    path("graders/<int:pk>/<slug:name>/", graders.change, name="change-grader"),
    # By number: a queue's name may hold what a path may not.
    path("queues/<int:pk>/", pages.queue, name="queue"),
    path("queues/<int:pk>/retry/", verbs.retry_cause, name="retry-cause"),
    path("queues/<int:pk>/resend/", verbs.resend_host, name="resend-host"),
    re_path(r"^queues/(?P<pk>\d{1,9})/(?P<name>pause|resume)/$", verbs.pause, name="pause"),
    path("submissions/<int:submission_id>/", pages.submission, name="submission"),
    path("submissions/<int:submission_id>/reply/", frames.reply, name="reply"),
    path("submissions/<int:submission_id>/files/<int:pk>/", frames.file, name="file"),
    path("submissions/<int:submission_id>/resend/", verbs.resend, name="resend"),
    path("submissions/<int:submission_id>/<slug:name>/", verbs.move_job, name="move-job"),
]
