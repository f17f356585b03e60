"""Whether results may only go where they should, and whether they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from submissions.conf import conf
from submissions.statistics import hosts, lights
from submissions.text import counted
from submissions.upkeep.findings import Finding

# Whoever may let results be sent there reads the machine's own credentials.
METADATA = (ip_network("169.254.169.254/32"), ip_network("fd00:ec2::254/128"))


def findings() -> Iterator[Finding]:
    yield _guard()
    yield _deliveries()


def _guard() -> Finding:
    allowed = ", ".join(conf.OUTBOUND_NETWORKS)
    if not (wide := [given for given in conf.OUTBOUND_NETWORKS if _is_wide(given)]):
        also = f", and to {allowed}" if allowed else " only"
        return Finding("outbound", True, f"Results go to public addresses{also}.")
    return Finding(
        "outbound",
        False,
        f"OUTBOUND_NETWORKS has {wide[0]}: results may be sent to the metadata of the cloud, and to what else is "
        "private there. Name the platform's own network, such as 10.1.0.0/16.",
    )


def _is_wide(given: str) -> bool:
    network = ip_network(given, strict=False)
    return any(one.version == network.version and network.supernet_of(one) for one in METADATA)  # type: ignore[arg-type]


def _deliveries() -> Finding:
    """The worst host, in the words of the dashboard."""
    found, _ = hosts.standing()
    bad = [one for one in found if one.light.colour != lights.GREEN]
    if not bad:
        return Finding("deliveries", True, "No result is overdue, and none was given up.")
    worst = bad[0]
    more = f" {counted(len(bad) - 1, 'more host is', 'more hosts are')} in trouble." if len(bad) > 1 else ""
    return Finding("deliveries", False, f"{worst.light.causes[0]}. {_remedy(worst)}{more}")


def _remedy(host: hosts.Host) -> str:
    if host.given_up:
        return (
            "When it is mended, send again: gradequeue deliveries resend --all-matching --state given_up "
            f"--host {host.name}."
        )
    return (
        "They are tried again by themselves; 'gradequeue deliveries hosts' says when. Is 'serve' or 'deliver' running?"
    )
