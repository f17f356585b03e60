"""edx-submissions' own tests, run on our package: ``make peer-suite PEER=PATH``, with a checkout of edx-submissions.

Not part of the suite: the package index has that package without its tests, and they are not ours to keep here. What
they say of the public API, `test_side_by_side.py` and `test_names.py` ask anew.

Exit 0: the tests that fail are those below, and no others. Exit 1: a list of the rest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import uv

from tests.compat.environment import ROOT

# What these tests import, beside pytest and what we need ourselves.
PACKAGES = ("ddt", "factory-boy", "freezegun", "pytz", "six")
FOLDERS = ("tests", "management/commands/tests")

# A private name without which a whole file of tests cannot be imported.
CONFTEST = """
import functools

def pytest_configure():
    import django
    django.setup()
    from submissions import models
    models._get_storage_cached = functools.cache(models.get_storage)
"""

ADMIN = "test_admin.TestExternalGraderDetailAdmin"
API = "test_api.TestSubmissionsApi"
VIEWS = "test_viewsets.TestXqueueViewSet"

# Why a test fails, and which ones fail for it.
FAILING = {
    "our admin shows jobs in other columns, and moves them by other actions": [
        f"{ADMIN}.test_admin_action_description",
        f"{ADMIN}.test_admin_list_display_methods",
        f"{ADMIN}.test_fieldsets_structure",
        f"{ADMIN}.test_get_readonly_fields_existing_object",
        f"{ADMIN}.test_get_readonly_fields_new_object",
        f"{ADMIN}.test_reset_failed_to_pending_mixed_statuses",
        f"{ADMIN}.test_reset_failed_to_pending_no_failed_submissions",
        f"{ADMIN}.test_reset_failed_to_pending_success",
        f"{ADMIN}.test_reset_failed_to_pending_with_update_error",
        f"{ADMIN}.test_status_badge_colors",
        f"{ADMIN}.test_submission_info_display",
    ],
    "our admin searches for whole ids, along indexes": [f"{ADMIN}.test_get_search_results_submission_fields"],
    "staff may do in our admin what they have a permission for": [f"{ADMIN}.test_has_change_permission"],
    "the command says what is wrong in other words": [
        "test_analyze_uploaded_file_sizes.TestDateRange.test_max_date_before_min_date",
        "test_analyze_uploaded_file_sizes.TestDateRange.test_max_range",
    ],
    "it replaces, or counts calls of, a method of a manager or of a model through which ours does not go": [
        f"{API}.test_create_external_grader_detail_directly_database_error",
        f"{API}.test_create_student_item_validation",
        f"{API}.test_error_on_submission_creation",
        f"{API}.test_get_old_submission",
    ],
    "it calls or replaces a private function": [
        f"{API}.test_get_or_create_student_item_race_condition__item_created",
        f"{API}.test_get_or_create_student_item_race_condition__item_not_created",
        "test_models.TestSubmissionFile.test_get_storage_default_with_mock",
        "test_read_replica.ReadReplicaTest.test_get_latest_score_for_submission",
        "test_read_replica.ReadReplicaTest.test_get_submission_and_student",
        "test_read_replica.ReadReplicaTest.test_get_top_submissions",
        "test_team_api.TestTeamSubmissionsApi.test_create_submission_for_team_error_creating_individual_submission",
        "test_team_api.TestTeamSubmissionsApi.test_reset_scores_error",
        "test_team_api.TestTeamSubmissionsApi.test_set_score_error",
    ],
    "an answer has no place in a repr, which ends in logs": ["test_models.TestSubmission.test_submission_repr"],
    "it reads `response.data`, which answers of the XQueue endpoints do not have": [
        f"{VIEWS}.test_get_submission_already_pulled",
        f"{VIEWS}.test_get_submission_file_urls_format",
        f"{VIEWS}.test_get_submission_missing_queue_name",
        f"{VIEWS}.test_get_submission_queue_empty",
        f"{VIEWS}.test_get_submission_success",
        f"{VIEWS}.test_get_submission_with_files",
        f"{VIEWS}.test_get_submission_with_multiple_files",
        f"{VIEWS}.test_login_invalid_credentials",
        f"{VIEWS}.test_login_missing_credentials",
        f"{VIEWS}.test_login_success",
        f"{VIEWS}.test_logout",
    ],
    "it replaces what the module of views has imported": [
        f"{VIEWS}.test_get_submission_value_error",
        f"{VIEWS}.test_put_result_set_score_fail_multiple_times",
        f"{VIEWS}.test_put_result_set_score_failure",
        f"{VIEWS}.test_put_result_success",
    ],
    "the XQueue dialect answers in its own way (docs/xqueue.md)": [
        f"{VIEWS}.test_dispatch_invalid_session",
        f"{VIEWS}.test_put_result_invalid_key",
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compat.peer_suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of edx-submissions 4.0.2")
    checkout = parser.parse_args().checkout
    with tempfile.TemporaryDirectory(prefix="gradequeue-peer-") as name:
        outcomes = run(checkout / "submissions", Path(name))
    failed = {test for test, passed in outcomes.items() if not passed}
    expected = {test for tests in FAILING.values() for test in tests}
    for test in sorted(failed - expected):
        print(f"FAILED, and is expected to pass: {test}")
    for test in sorted(expected - failed):
        print(f"PASSED, or is not there, and is expected to fail: {test}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 0 if failed == expected and outcomes else 1


def run(theirs: Path, folder: Path) -> dict[str, bool]:
    """Each test of edx-submissions, and whether it passed on our package, with which it is laid into one folder."""
    package, packages, report = folder / "submissions", folder / "packages", folder / "report.xml"
    shutil.copytree(ROOT / "src" / "submissions", package, ignore=shutil.ignore_patterns("__pycache__"))
    for tests in FOLDERS:
        shutil.copytree(theirs / tests, package / tests)
    (folder / "conftest.py").write_text(CONFTEST)
    # An empty file, so that no settings of ours are read.
    (folder / "pytest.ini").write_text("[pytest]\n")
    subprocess.run([uv.find_uv_bin(), "pip", "install", "--quiet", "--target", packages, *PACKAGES], check=True)
    path = os.pathsep.join(map(str, (folder, packages, ROOT)))
    variables = os.environ | {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "tests.compat.host.peer_settings"}
    words = ("-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", f"--junitxml={report}", str(package))
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    return {
        f"{case.get('classname', '').rpartition('tests.')[2]}.{case.get('name')}": len(case) == 0
        for case in ElementTree.parse(report).iter("testcase")
    }


if __name__ == "__main__":
    sys.exit(main())
