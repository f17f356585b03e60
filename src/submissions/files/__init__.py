"""Learners' files: stored with their job or not at all, and handed out by signed addresses that expire.

A storage that signs addresses itself (S3) does so; everything else is served by `submissions.views.files`, and only to
who brings our signature. Nothing here asks who somebody is: a grader's downloader has no session (``docs/xqueue.md``).
"""

from submissions.files.addresses import address, is_signed, signature
from submissions.files.contents import AnyFile, as_file, prepare, without_links
from submissions.files.digests import BLOCK, digest, find_damage, is_near, require_intact
from submissions.files.downloads import download
from submissions.files.names import name_for_graders
from submissions.files.rows import in_batches, is_there
from submissions.files.storage import kept_for_a_moment, store, sync, sync_place

__all__ = [
    "BLOCK",
    "AnyFile",
    "address",
    "as_file",
    "digest",
    "download",
    "find_damage",
    "in_batches",
    "is_near",
    "is_signed",
    "is_there",
    "kept_for_a_moment",
    "name_for_graders",
    "prepare",
    "require_intact",
    "signature",
    "store",
    "sync",
    "sync_place",
    "without_links",
]
