"""In the place of `docker compose ... run SERVICE sh -e -c TASK`: the task runs here, with the service's environment.

The service must stand in the files that Tutor names. Anything else is only written down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

words = sys.argv[1:]
with Path(os.environ["DOCKER_LOG"]).open("a") as log:
    log.write(json.dumps(words) + "\n")
if "ls" in words:
    print("[]")
elif "run" in words:
    services = {}
    for place in [words[i + 1] for i, word in enumerate(words) if word == "-f"]:
        services |= yaml.safe_load(Path(place).read_text())["services"] or {}
    name = next(word for word in words[words.index("run") + 1 :] if not word.startswith("-"))
    given = services[name].get("environment") or {}
    task = words[words.index(name) + 1 :]
    environment = os.environ | {key: str(value).replace("$$", "$") for key, value in given.items()}
    sys.exit(subprocess.run(task, env=environment, check=False).returncode)
