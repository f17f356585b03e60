"""The dashboard's addresses."""

from django.urls import path, re_path

from gradequeue.dashboard import logins
from gradequeue.dashboard.views import frames, pages, verbs

app_name = "dashboard"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("login/", logins.Login.as_view(), name="login"),
    path("logout/", logins.Logout.as_view(), name="logout"),
    path("find/", pages.find, name="find"),
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
