"""Builds, verifies and boots every combination, one after the other, and writes docs/matrix.md: `make matrix`.

    .venv/bin/python -m tools.matrix -o out/matrix [--only NAME …] [--qemu] [--keep] [--table-only]

Results are kept in OUTPUT/results.json, each with the plan that it is about: what has not changed is not done again,
and a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from imagebuild.errors import ImagebuildError, PlanError
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.plan.planner import make_plan
from imagebuild.recipe.load import LoadedRecipe, load_recipe
from imagebuild.report import Check, Outcome, Stage
from imagebuild.verify.runner import Request, Verification, verify_image
from imagebuild.vocabulary import MachineName
from tools.matrix.combinations import COMBINATIONS, Combination
from tools.matrix.table import DOCUMENT, table

Result = dict[str, Any]
READERS = ("loader-reads", "pygrub", "filesystem")


class Told:
    """Progress as lines on the terminal, and everything in a log file."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("w", encoding="utf-8")

    def stage_started(self, name: str) -> None:
        pass

    def stage_finished(self, stage: Stage) -> None:
        self.note(f"{stage.name} {stage.seconds:.1f} s" + (" (cached)" if stage.cached else ""))

    def log(self, line: str) -> None:
        print(line, file=self._log, flush=True)

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        print(f"    {line}", flush=True)
        self.log(line)

    def waiting(self, name: str, line: str) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/matrix"))
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--qemu", action="store_true", help="boot each under QEMU as well")
    parser.add_argument("--keep", action="store_true", help="keep the images")
    parser.add_argument("--table-only", action="store_true", help="write the table from the results that are there")
    words = parser.parse_args()
    words.output.mkdir(parents=True, exist_ok=True)
    chosen = [item for item in COMBINATIONS if not words.only or item.name in words.only]
    results = read_results(words.output)
    machines: tuple[MachineName, ...] = ("static", "qemu", "xen") if words.qemu else ("static", "xen")
    for item in [] if words.table_only else chosen:
        print(item.name, flush=True)
        loaded = loaded_recipe(item, words.output)
        digest = sha256(json.dumps(item.recipe, sort_keys=True).encode()).hexdigest()
        known = results.get(item.name)
        before = known if known and known["recipe"] == digest and known["verdict"] in ("passed", "refused") else None
        missing = tuple(name for name in machines if before is None or name not in before.get("machines", machines))
        if before and (not missing or before["verdict"] == "refused"):
            print("    as before", flush=True)
            continue
        results[item.name] = joined(
            before, {"recipe": digest, "machines": missing, **one(item, loaded, words, missing)}
        )
        (words.output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    DOCUMENT.write_text(table(COMBINATIONS, results), encoding="utf-8")
    print(f"table: {DOCUMENT}")
    bad = [item.name for item in chosen if results.get(item.name, {}).get("verdict") not in ("passed", "refused")]
    if bad:
        print(f"neither booted nor rightly refused: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def joined(before: Result | None, now: Result) -> Result:
    """What was seen of the same recipe earlier, on other machines, and what was seen now."""
    if before is None or now["verdict"] != "passed":
        return now
    both = {**before, **now, "machines": [*before["machines"], *now["machines"]]}
    return both | {key: {**before[key], **now[key]} for key in ("boots", "checks")}


def read_results(output: Path) -> dict[str, Result]:
    path = output / "results.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def loaded_recipe(item: Combination, output: Path) -> LoadedRecipe:
    path = output / f"{item.name}.yaml"
    path.write_text(json.dumps(item.recipe, indent=1), encoding="utf-8")
    return load_recipe(path)


def one(item: Combination, loaded: LoadedRecipe, words: Any, machines: tuple[MachineName, ...]) -> Result:
    """Plan it, build it, verify it. An error is a result as well."""
    begin = time.monotonic()
    image = words.output / f"{item.name}.raw"
    told = Told(words.output / f"{item.name}.log")
    result: Result = {"date": datetime.date.today().isoformat()}
    try:
        plan = make_plan(loaded.recipe, None)
        if item.refused:
            return result | {"verdict": "wrongly planned"}
        built = build_image(loaded, image, cache=Cache(), progress=told, secrets={})
        result |= {"notes": list(plan.notes), "build_seconds": round(time.monotonic() - begin, 1)}
        result["plan"] = built.plan.digest
        consoles = words.output / item.name
        consoles.mkdir(exist_ok=True)
        request = Request(image=image, output=consoles, machines=machines, loader=item.judge)  # type: ignore[arg-type]
        return result | judged(verify_image(request, cache=Cache(), progress=told))
    except PlanError as error:
        right = item.refused and item.refused in error.brief
        told.note(error.brief)
        return result | {"verdict": "refused" if right else "wrongly refused", "reason": error.brief}
    except ImagebuildError as error:
        told.note(f"{error.brief}\n{error.details}")
        return result | {"verdict": "not built", "reason": error.brief}
    finally:
        if not words.keep:
            image.unlink(missing_ok=True)


def judged(verification: Verification) -> Result:
    boots = {
        boot.machine: {"end": boot.end.value, "loader": boot.loader.kind, "version": boot.loader.version,
                       "seconds": boot.seconds, "detail": boot.detail}
        for boot in verification.boots
    }  # fmt: skip
    seen = {check.name for check in verification.checks}
    checks = {name: outcome_of(verification.checks, name) for name in READERS if name in seen}
    failed = [f"{check.name}: {check.detail}" for check in verification.checks if check.outcome is Outcome.FAILED]
    reason = "; ".join(failed) or verification.unverified_because
    return {"verdict": verification.verdict.value, "boots": boots, "checks": checks, "reason": reason}


def outcome_of(checks: tuple[Check, ...], name: str) -> dict[str, str]:
    """The worst finding of one check, with its words."""
    order = [Outcome.FAILED, Outcome.WARNED, Outcome.SKIPPED, Outcome.PASSED]
    found = sorted((check for check in checks if check.name == name), key=lambda check: order.index(check.outcome))
    return {"outcome": found[0].outcome.value, "detail": found[0].detail} if found else {}


if __name__ == "__main__":
    sys.exit(main())
