"""What the service worker keeps: a version whole or not at all, the host's own word before an earlier one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from web.build.inputs import ROOT, node

ONE = {"./": "page one", "a/engine-1": "engine", "a/code-1": "code one"}
TWO = {"./": "page two", "a/engine-1": "engine", "a/code-2": "code two"}
LATER = {"a/wheels-1/x.whl": "wheel"}
SERVED: list[list[Any]] = [["host", ONE | LATER], ["version", "one", ONE, LATER], ["install"], ["activate"]]


def told(*steps: list[Any]) -> list[Any]:
    """What each step gave; the steps are told in keep.mjs."""
    done = subprocess.run(
        [node(), Path(__file__).with_name("keep.mjs")],
        input=json.dumps({"steps": steps}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    gave: list[Any] = json.loads(done.stdout)
    return gave


def test_without_a_host_the_page_is_there_whole() -> None:
    gave = told(
        *SERVED, ["host", None], *(["get", path] for path in ONE if path != "./"), ["get", "?x=1#y", "navigate"]
    )
    assert gave[-3:] == [[200, "engine", False], [200, "code one", False], [200, "page one", False]]


def test_a_version_that_is_not_whole_is_not_installed_and_the_one_before_goes_on() -> None:
    for broken in ({"a/code-2": 404}, {"a/code-2": "somebody else's"}, {"./": "page three"}):
        gave = told(
            *SERVED,
            ["host", TWO | broken],
            ["version", "two", TWO],
            ["install"],
            ["version", "one", ONE],
            ["get", "", "navigate"],
            ["get", "a/code-1"],
        )
        assert gave[6].startswith("fault: ")
        assert gave[-2:] == [[200, "page one", False], [200, "code one", False]]


def test_what_an_installation_had_is_not_fetched_again() -> None:
    cut = {name: text for name, text in TWO.items() if name != "a/code-2"}
    gave = told(["host", cut], ["version", "two", TWO], ["install"], ["asked"], ["host", TWO], ["install"], ["asked"])
    assert gave[2].startswith("fault: ")
    assert gave[5:] == ["done", ["a/code-2"]]


def test_what_others_wrote_into_a_cache_is_never_served() -> None:
    planted = [["plant", "two", path, "evil"] for path in ("whole", "./", "a/code-2", "a/wheels-1/x.whl")]
    gave = told(
        *SERVED,
        ["plant", "one", "a/engine-1", "evil"],
        *planted,
        ["host", TWO | LATER],
        ["version", "two", TWO, LATER],
        ["install"],
        ["activate"],
        *(["get", path] for path in ("a/engine-1", "a/code-2", "a/wheels-1/x.whl")),
        ["get", "", "navigate"],
    )
    assert [text for _, text, _ in gave[-4:]] == ["engine", "code two", "wheel", "page two"]


def test_a_new_version_takes_over_what_did_not_change() -> None:
    gave = told(
        *SERVED, ["asked"], ["host", TWO], ["version", "two", TWO], ["install"], ["asked"], ["activate"], ["caches"]
    )
    assert sorted(gave[8]) == ["./", "a/code-2"]
    assert set(gave[-1]) == {"one", "two"}


def test_of_earlier_versions_the_last_stays_for_tabs_that_show_it() -> None:
    three = {"./": "page three"}
    gave = told(
        *SERVED,
        ["host", TWO],
        ["version", "two", TWO],
        ["install"],
        ["activate"],
        ["host", three],
        ["version", "half", TWO | {"a/none": "none"}],
        ["install"],
        ["version", "three", three],
        ["install"],
        ["activate"],
        ["caches"],
        ["get", "a/code-2"],
        ["get", "a/code-1"],
    )
    assert set(gave[-3]) == {"two", "three"}
    assert gave[-2] == [200, "code two", False]
    assert gave[-1][0] == 404


def test_what_only_a_plain_start_needs_is_kept_once_it_was_asked_for() -> None:
    gave = told(*SERVED, ["asked"], ["get", "a/wheels-1/x.whl"], ["host", None], ["get", "a/wheels-1/x.whl"])
    assert "a/wheels-1/x.whl" not in gave[4]
    assert gave[-1] == gave[5] == [200, "wheel", False]


def test_the_hosts_word_on_the_chain_is_never_stale_while_it_answers() -> None:
    site = "tallystick.json"
    gave = told(
        *SERVED,
        ["host", {site: "first"}],
        ["get", site],
        ["host", {site: "second"}],
        ["get", site],
        ["host", None],
        ["get", site],
        ["host", {site: 503}],
        ["get", site],
        ["host", {site: "never"}],
        ["get", site],
        ["host", {}],
        ["get", site],
        ["host", None],
        ["get", site],
    )
    kept = [200, "second", True]
    assert gave[5::2] == [
        [200, "first", False],
        [200, "second", False],
        kept,
        kept,
        kept,
        [404, "", False],
        "fault: no network",
    ]


def test_other_addresses_and_other_ways_are_left_alone() -> None:
    gave = told(
        *SERVED,
        ["get", "", "cors", "POST"],
        ["get", "../elsewhere"],
        ["get", "https://other.example/"],
        ["get", "manifest.json"],
        ["host", None],
        ["get", "no/such/page", "navigate"],
    )
    assert gave[4:8] == [None] * 4
    assert gave[-1] == [302, "https://host.example/some/where/", False]
