"""The XQueue dialect: what graders for Open edX have spoken since 2012 (``docs/xqueue.md``)."""
