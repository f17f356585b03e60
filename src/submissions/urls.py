"""What a platform mounts: ``path("xqueue/", include("submissions.urls"))``."""

from django.urls import path

from submissions.views.files import download
from submissions.xqueue.urls import urlpatterns as xqueue_urls

urlpatterns = [
    *xqueue_urls,
    path("files/<int:file_id>/<str:name>", download, name="submissions-file"),
]
