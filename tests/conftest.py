"""What every test may use: `needs`, which skips on a laptop and fails in CI, a cache, and the Xen test host.

    def test_it(needs): needs("mmdebstrap", "guestfs")      # inside a test or a fixture
    pytestmark = pytest.mark.needs("qemu")                  # for a whole module

A name is one of imagebuild.host.capabilities (what `imagebuild doctor` tries: mmdebstrap, namespace, guestfs, qemu …),
`root`, `kvm`, `testhost`, `pv-grub`, or any program's.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator

import pytest

from imagebuild.events import Quiet
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.capabilities import probes
from imagebuild.testhost import TestHost, prepare
from tests.ordinary_user import new_user

Needs = Callable[..., None]
# Registries hold no sources of the genuine loader, so a machine without one is no fault of CI's. What takes root makes
# an ordinary user and builds as that one: where the tests run as an ordinary user, all of them do.
_MAY_LACK_IN_CI = frozenset({"pv-grub", "kvm", "root"})


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): skip where one is lacking; fail where CI=true")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        require(*mark.args)


@pytest.fixture(scope="session")
def needs() -> Needs:
    return require


def require(*names: str) -> None:
    """Skip (CI=true: fail) the running test unless this machine has all of `names`."""
    for name in names:
        if reason := lacking(name):
            if os.environ.get("CI") == "true" and name not in _MAY_LACK_IN_CI:
                pytest.fail(f"this machine lacks {name}: {reason}", pytrace=False)
            pytest.skip(f"this machine lacks {name}: {reason}")


@functools.cache
def lacking(name: str) -> str | None:
    """Why `name` cannot be used here; None when it can. Tried once for the whole run."""
    if name == "root":
        return None if os.geteuid() == 0 else "the tests do not run as root"
    if name == "kvm":
        return None if os.access("/dev/kvm", os.R_OK | os.W_OK) else "no usable /dev/kvm"
    if name == "testhost":  # made on first use, by the fixture `test_host`
        return lacking("mmdebstrap") or lacking("qemu")
    if name == "pv-grub":
        return None if os.environ.get("IMAGEBUILD_PV_GRUB") else "IMAGEBUILD_PV_GRUB names no genuine PV-GRUB"
    for probe in probes(Cache()):
        if probe.name == name:
            bad = [answer.evidence for answer in probe.run() if answer.state == "lacking"]
            return "; ".join(bad) or None
    return None if command.find(name) else f"there is no program {name}"


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[str]:
    """The name of an ordinary user with sub-uids, to build as when the tests run as root."""
    require("root", "useradd", "newuidmap")
    with new_user() as name:
        yield name


@pytest.fixture(scope="session")
def user_cache() -> Cache:
    """The user's own cache: what is dear to make (the test host, a tree) is made once, not once a run."""
    return Cache()


@pytest.fixture(scope="session")
def test_host(user_cache: Cache) -> TestHost:
    """The Xen test host, made if need be (some minutes)."""
    require("testhost")
    return prepare(user_cache, Quiet())[0]
