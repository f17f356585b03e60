"""A site of Tutor's in a folder, whose `docker` runs jobs on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ROOT = HERE.parents[2]
GRADEQUEUE = Path(os.environ.get("GRADEQUEUE", ROOT / ".venv" / "bin" / "gradequeue"))


class Site:
    """The commands of one site, and what they rendered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rendered = folder / "root" / "env"
        self.docker_log = folder / "docker.log"
        tools = folder / "bin"
        tools.mkdir()
        (folder / "plugins").mkdir()
        (tools / "docker").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "docker.py"}" "$@"\n')
        (tools / "docker").chmod(0o755)
        self.env = os.environ | {
            "TUTOR_ROOT": str(folder / "root"),
            "TUTOR_PLUGINS_ROOT": str(folder / "plugins"),
            "PATH": f"{tools}:{BIN}:{GRADEQUEUE.parent}:{os.environ['PATH']}",
            "DOCKER_LOG": str(self.docker_log),
        }

    def tutor(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["tutor", *words], env=self.env | environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert not check or done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def save(self, **settings: Any) -> None:
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
        self.tutor("config", "save", *words)

    def value(self, name: str) -> str:
        return self.tutor("config", "printvalue", name).stdout.strip()

    def text(self, place: str) -> str:
        return (self.rendered / place).read_text()

    def compose(self, *places: str) -> dict[str, Any]:
        """The services of compose files, later ones over earlier ones as docker lays them."""
        services: dict[str, Any] = {}
        for place in places:
            for name, service in (yaml.safe_load(self.text(place))["services"] or {}).items():
                services[name] = services.get(name, {}) | service
        return services

    def objects(self) -> dict[tuple[str, str], Any]:
        """What kustomize makes, by kind and name without a hash."""
        done = subprocess.run(
            [str(BIN / "kubectl"), "kustomize", str(self.rendered)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return {(found["kind"], found["metadata"]["name"]): found for found in yaml.safe_load_all(done.stdout)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("site"))
    made.tutor("plugins", "enable", "gradequeue")
    return made


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Databases and an account of this test's own on the MariaDB of this machine."""
    tail = uuid.uuid4().hex[:10]
    made = {"ours": f"gq_tutor_{tail}", "old": f"gq_old_{tail}", "user": f"gq_{tail}"}
    yield made
    sql(f"DROP DATABASE IF EXISTS {made['ours']}; DROP DATABASE IF EXISTS {made['old']}")
    sql(f"DROP USER IF EXISTS {made['user']}")


def sql(statements: str) -> str:
    done = subprocess.run(
        ["mysql", "--user", "root", "--host", "127.0.0.1", "--port", "3306", "--batch", "--skip-column-names"],
        input=statements, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout
