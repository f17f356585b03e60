"""Addresses of a host that has something of its own where ours would be."""

from django.http import HttpRequest, HttpResponse
from django.urls import re_path


def own(request: HttpRequest) -> HttpResponse:
    return HttpResponse("its own")


urlpatterns = [re_path(r"^.*$", own)]
