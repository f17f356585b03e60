"""JUnit XML, as Maven Surefire, pytest and their like write it: https://github.com/testmoapp/junitxml

It has no points. Properties may have them: ``score`` of a suite (0 to 1), ``points`` and ``max_points`` of a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

import defusedxml
from defusedxml.ElementTree import fromstring

from gradequeue_grader.formats.parts import name_of, passed_share
from gradequeue_grader.result import NotAResult, Result, Status, Test

Element = ElementTree.Element
# The first of them that a test has says how it ended.
OUTCOMES: dict[str, Status] = {"error": "error", "failure": "failed", "skipped": "skipped"}
ENDINGS = {status: tag for tag, status in OUTCOMES.items()} | {"timeout": "error"}
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ELEMENTS = (*OUTCOMES, "properties")
POINTS = ("points", "max_points")


# Text to plain data and back: {properties, tests: [{name, classname..., failure: {...}, properties: {...}}]}. -------


def load(text: bytes) -> dict[str, Any]:
    """Raises NotAResult for what is no JUnit XML, also for XML with a DTD or entities."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ElementTree.ParseError, defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        raise NotAResult(f"this is no XML that is read here: {error!r}") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise NotAResult(f"this is no JUnit XML: it begins with {root.tag}")
    suites = [suite for suite in root.iter() if suite.tag in ("testsuites", "testsuite")]
    properties: dict[str, str] = {}
    for suite in suites:
        properties |= _properties(suite)
    return {"properties": properties, "tests": [test for suite in suites for test in _tests(suite)]}


def _properties(element: Element) -> dict[str, str]:
    found = element.findall("./properties/property")
    return {one.get("name", ""): one.get("value") or one.text or "" for one in found}


def _tests(suite: Element) -> Iterator[dict[str, Any]]:
    for case in suite.findall("testcase"):
        # What these are called is an element; an attribute of that name is nothing of JUnit's.
        test: dict[str, Any] = {name: value for name, value in case.attrib.items() if name not in ELEMENTS}
        if suite.get("name"):
            test["suite"] = suite.get("name")
        for part in case:
            if part.tag == "properties":
                test["properties"] = _properties(case)
            elif part.tag in OUTCOMES:
                test[part.tag] = dict(part.attrib) | {"text": part.text or ""}
            else:
                test[part.tag] = part.text or ""
        yield test


def dump(found: dict[str, Any]) -> str:
    """XML, indented; characters that XML does not have are replaced."""
    root = Element("testsuites")
    _add_properties(root, found.get("properties", {}))
    for name, tests in groupby(found["tests"], lambda test: test.get("suite", "")):
        _add_suite(root, name, list(tests))
    ElementTree.indent(root)
    # ElementTree would name the locale's encoding.
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _add_suite(root: Element, name: str, tests: list[dict[str, Any]]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_clean(name), tests=str(len(tests)))
    for tag, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(plural, str(sum(tag in test for test in tests)))
    for test in tests:
        _add_test(suite, test)


def _add_properties(element: Element, properties: dict[str, str]) -> None:
    if properties:
        parent = ElementTree.SubElement(element, "properties")
        for name, value in properties.items():
            ElementTree.SubElement(parent, "property", name=_clean(name), value=_clean(value))


def _add_test(suite: Element, test: dict[str, Any]) -> None:
    parts = {name: value for name, value in test.items() if name in OUTCOMES or name.startswith("system-")}
    inside = {*parts, "properties", "suite"}
    attributes = {name: _clean(str(value)) for name, value in test.items() if name not in inside}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    _add_properties(case, test.get("properties", {}))
    for tag, value in parts.items():
        told = value if isinstance(value, dict) else {"text": value}
        attributes = {name: _clean(str(one)) for name, one in told.items() if name != "text"}
        ElementTree.SubElement(case, tag, attributes).text = _clean(str(told.get("text", ""))) or None


def _clean(text: str) -> str:
    return NOT_IN_XML.sub("\ufffd", text)


# Plain data to a result and back. -----------------------------------------------------------------------------------


def read(found: dict[str, Any]) -> Result:
    """The score is passed / (all - skipped), unless a property says."""
    tests = [_read_test(one, place) for place, one in enumerate(found["tests"], 1)]
    score = _float(found.get("properties", {}).get("score"))
    if score is not None:
        return {"score": score, "tests": tests}
    return {"tests": tests} if any("points" in test for test in tests) else {**passed_share(tests), "tests": tests}


def _read_test(found: dict[str, Any], place: int) -> Test:
    tag = next((tag for tag in OUTCOMES if tag in found), None)
    test: Test = {"name": found.get("name") or f"Test {place}", "status": OUTCOMES[tag] if tag else "passed"}
    group = found.get("classname") or found.get("suite")
    if group:
        test["group"] = group
    if (seconds := _float(found.get("time"))) is not None and seconds >= 0:
        test["duration_ms"] = seconds * 1000
    said = found[tag] if tag else {}
    if said.get("message"):
        test["message"] = said["message"]
    output = [text for text in (said.get("text"), found.get("system-out")) if text]
    if output:
        test["output"] = "\n".join(output)
    for name in POINTS:
        if (points := _float(found.get("properties", {}).get(name))) is not None:
            test[name] = points  # type: ignore[literal-required]
    return test


def _float(text: str | None) -> float | None:
    try:
        # A thousand seconds are 1,000.0 in some writers.
        value = float((text or "").replace(",", ""))
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _plain(value: float) -> str:
    """As people write it: 2, not 2.0."""
    return repr(value).removesuffix(".0")


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """Whatever it has no place for is in a property ``gradequeue``, as JSON."""
    properties = {"score": _plain(result["score"])} if "score" in result else {}
    return {"properties": properties, "tests": list(map(_write_test, result.get("tests", [])))}


def _write_test(test: Test) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name_of(test)}
    if "group" in test:
        found["classname"] = test["group"]
    if "duration_ms" in test:
        found["time"] = _plain(test["duration_ms"] / 1000)
    points = {name: _plain(test[name]) for name in POINTS if name in test}  # type: ignore[literal-required]
    if points:
        found["properties"] = points
    if test["status"] == "passed":
        return found | ({"system-out": test["output"]} if test.get("output") else {})
    ending = ENDINGS[test["status"]]
    return found | {ending: {"message": test.get("message", ""), "text": test.get("output", "")}}
