"""Learners' files: stored with their job or not at all, and handed out by signed addresses that expire.

A storage that signs addresses itself (S3) does so; everything else is served by `submissions.views.files`, and only to
who brings our signature. Nothing here asks who somebody is: a grader's downloader has no session (``docs/xqueue.md``).
"""

from submissions.files.addresses import address, download_name, is_signed, signature
from submissions.files.contents import AnyFile, as_file, prepare
from submissions.files.storage import store

__all__ = ["AnyFile", "address", "as_file", "download_name", "is_signed", "prepare", "signature", "store"]
