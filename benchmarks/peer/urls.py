"""Where the platform mounts the XQueue views."""

from django.urls import include, path

urlpatterns = [path("xqueue/", include(("submissions.urls", "submissions"), namespace="submissions"))]
