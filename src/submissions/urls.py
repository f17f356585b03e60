"""What a platform mounts: ``path("xqueue/", include("submissions.urls"))``."""

from django.urls import include, path, re_path
from rest_framework.routers import DefaultRouter

from submissions.rest.urls import nothing
from submissions.views.files import download
from submissions.views.xqueue import XQueueViewSet
from submissions.xqueue.urls import tolerant_path
from submissions.xqueue.urls import urlpatterns as xqueue_urls

REST = "api/external_grading/v1/"
# edx-submissions' name, for hosts that include it; what stands below is the same and more.
router = DefaultRouter()
router.register("", XQueueViewSet, basename="xqueue")

urlpatterns = [
    *xqueue_urls,
    path(REST, include("submissions.rest.urls")),
    re_path(rf"^{REST.rstrip('/')}$", nothing),
    tolerant_path("files/<int:file_id>/<str:name>", download, "submissions-file"),
]
