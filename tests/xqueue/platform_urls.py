"""Addresses as an Open edX platform mounts them."""

from django.urls import include, path

import submissions.urls

urlpatterns = [
    path("xqueue/", include((submissions.urls, "submissions"), namespace="submissions")),
    path("elsewhere/queue/", include("submissions.urls")),
]
