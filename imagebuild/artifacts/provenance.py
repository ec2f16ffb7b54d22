"""provenance.json: an in-toto Statement with SLSA's provenance v1: what was made, from what, by whom, and the verdict.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance.
SLSA has no place for a verdict: it stands as a by-product of the run, with what gave it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from imagebuild import __version__
from imagebuild.artifacts.sbom import Contents, package_url
from imagebuild.formats.text import json_text
from imagebuild.report import Outcome, Report

BUILD_TYPE = "urn:imagebuild:recipe:v1"
BUILDER = "urn:imagebuild:builder"


def provenance_text(contents: Contents, report: Report, subjects: Mapping[str, str], tree: Any, begun: datetime) -> str:
    """`subjects`: sha256 by file name. `tree`: the plan's source of the root tree, as data. No secret is in any."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"recipe": {"name": report.name, "sha256": report.recipe_digest}, "tree": tree},
                "internalParameters": {"plan": {"sha256": report.plan_digest}},
                "resolvedDependencies": _dependencies(contents),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"imagebuild": __version__}},
                "metadata": {"startedOn": _stamp(begun), "finishedOn": _stamp(contents.made)},
                "byproducts": [{"name": "verification", "annotations": _verdict(report)}],
            },
        },
    }
    return json_text(json.dumps(statement, indent=2, ensure_ascii=False)) + "\n"


def _dependencies(contents: Contents) -> list[dict[str, Any]]:
    """The tree's source, and every package with the digest of its .deb."""
    found: list[dict[str, Any]] = [{"name": "root tree", "digest": {"sha256": contents.packages.tree}}]
    for package in contents.packages.packages:
        uri = package_url(package, contents).to_string()
        found.append({"uri": uri} | ({"digest": {"sha256": package.sha256}} if package.sha256 else {}))
    return found


def _verdict(report: Report) -> dict[str, Any]:
    counts = {str(outcome): sum(check.outcome is outcome for check in report.checks) for outcome in Outcome}
    boots = [
        {
            "machine": boot.machine,
            "proves": boot.proves,
            "end": str(boot.end),
            "seconds": boot.seconds,
            "loader": boot.loader.model_dump(),
        }
        for boot in report.boots
    ]
    return {"verdict": str(report.verdict), "because": report.unverified_because, "checks": counts, "boots": boots}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
