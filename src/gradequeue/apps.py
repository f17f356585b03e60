from django.apps import AppConfig


class GradequeueConfig(AppConfig):
    name = "gradequeue"
    verbose_name = "gradequeue"
