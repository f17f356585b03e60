"""The dashboard's login: that of the admin, throttled like it, but open to observers, who are not staff."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from gradequeue.accounts.logins import LoginForm
from gradequeue.dashboard.views.page import POLICY


class Form(LoginForm):
    error_messages = AuthenticationForm.error_messages

    def confirm_login_allowed(self, user: User) -> None:
        # Not the admin's, which takes staff only; what one may see is each page's question.
        AuthenticationForm.confirm_login_allowed(self, user)


class Login(LoginView):
    template_name = "dashboard/login.html"
    authentication_form = Form
    next_page = "dashboard:overview"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class Logout(LogoutView):
    next_page = "dashboard:login"

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Its address opened as a page: nobody is logged out by a link, and the button is on each page."""
        return redirect("dashboard:overview")
