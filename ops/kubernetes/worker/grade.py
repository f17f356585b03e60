"""The smallest grader: ten words are the full score. Put your own here, or into an image made of the worker's."""

import json
import sys

claim = json.load(sys.stdin)
words = len(claim["answer"].split())
print(json.dumps({"score": min(words / 10, 1), "feedback": {"text": f"{words} words."}}))
