"""The shipped recipes, what no recipe may do, and what every mistake must do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imagebuild.errors import PlanError, RecipeError
from imagebuild.plan.planner import make_plan
from imagebuild.recipe.files import FILE_KEYS
from imagebuild.recipe.load import LoadedRecipe, load_recipe

ROOT = Path(__file__).parents[3]
Loader = Callable[..., LoadedRecipe]

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(path: Path) -> list[str]:
    """The problems of a recipe; none when it is valid. Anything else that is raised fails the test."""
    try:
        make_plan(load_recipe(path).recipe, None)
    except RecipeError as error:
        return [str(problem) for problem in error.problems] or ["no problem at all"]
    except PlanError as error:
        return [error.brief]
    return []


@quick
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
@example(b'a: "\\UFFFFFFFF"')
@example(b"%YAML 9.9\n--- a")
@example(b"? \n")
@example(b"&a *a")
@example(b"\xef\xbb\xbf")
@example("\u2028a: b\x85".encode())
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    assert outcome(path)


_KEYS_AND_WORDS = """
name rootfs debian suite tar disk layout hd0 hd00 size filesystem ext4 partitions volume_groups mount rest 50% 9e99GiB
include variables ${name} ${ boot kernels version verify xen timeout files path source system root_password hash /boot
2GiB vg0 [key] recipe.yaml type default pattern
"""
_HUGE = "9" * 400
_WORDS = st.sampled_from([*_KEYS_AND_WORDS.split(), _HUGE, f"{_HUGE}MiB", f"{_HUGE}%", f"{_HUGE}s"])
_SCALARS = st.one_of(
    _WORDS,
    st.text(max_size=8),
    st.integers(),
    st.integers(10**30, 10**300),
    st.floats(),
    st.booleans(),
    st.none(),
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(_WORDS, st.text(max_size=5)), inner, max_size=5)
    ),
    max_leaves=25,
)


def yaml_of(tree: Any) -> str:
    """JSON is YAML; Infinity and NaN as YAML writes them."""
    return json.dumps(tree).replace("Infinity", ".inf").replace("NaN", ".nan")


@quick
@given(st.dictionaries(_WORDS, _TREES, max_size=6))
def test_any_tree(tmp_path: Path, tree: dict[str, Any]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml_of(tree), encoding="utf-8")
    outcome(path)


def places(tree: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [prefix, *(place for key, value in items for place in places(value, (*prefix, key)))]


VALID: dict[str, Any] = {
    "name": "web",
    "rootfs": {"debian": {"suite": "bookworm", "packages": ["linux-image-amd64"]}},
    "disk": {
        "layout": "hd00",
        "table": "mbr",
        "size": "2GiB",
        "free": "10%",
        "partitions": [
            {"mount": "/boot", "size": "256MiB", "filesystem": {"type": "ext3", "label": "boot"}},
            {"size": "rest", "volume_group": "vg0"},
        ],
        "volume_groups": {
            "vg0": [
                {"name": "root", "size": "50%", "mount": "/", "filesystem": "ext4"},
                {"name": "swap", "size": "128MiB", "filesystem": "swap"},
            ]
        },
    },
    "system": {"hostname": "web", "root_password": {"env": "ROOT_PW"}},
    "files": [{"path": "/etc/motd", "content": "hello", "mode": "0644"}],
    "boot": {"timeout": 3, "kernels": [{"version": "6.1*", "title": "Linux"}]},
    "verify": {"xen": {"timeout": "300s", "memory": "512MiB"}, "qemu": False},
}


@quick
@given(st.data())
def test_any_change_of_a_valid_recipe(tmp_path: Path, data: st.DataObject) -> None:
    tree = json.loads(json.dumps(VALID))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([place for place in places(tree) if place]))
        parent = tree
        for step in above:
            parent = parent[step]
        parent[last] = data.draw(_TREES)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml_of(tree), encoding="utf-8")
    for problem in outcome(path):
        assert "no problem" not in problem
        assert "pydantic" not in problem
        assert "Input should" not in problem


def test_every_problem_has_a_place(load: Loader, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load({"recipe.yaml": "nmae: x\ndisk: {layuot: hd0}\nboot: {timeout: -1}\noutputs: [x]\n"})
    assert len(caught.value.problems) == 7
    assert all(problem.line and problem.column and problem.key for problem in caught.value.problems)


def test_a_password_is_never_shown(load: Loader, minimal: str) -> None:
    loaded = load({"recipe.yaml": minimal + "system: {root_password: {hash: $6$abc$hunter2}}\n"})
    assert "hunter2" not in repr(loaded)
    for value in ("hunter2", "{hash: hunter2}", "{hash: [hunter2]}", "[hunter2]", "{hash: 12345hunter2, env: hunter2}"):
        with pytest.raises(RecipeError) as caught:
            load({"recipe.yaml": minimal + f"system: {{root_password: {value}}}\n"})
        assert "hunter2" not in "".join(str(problem) for problem in caught.value.problems)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes(path: Path) -> None:
    assert outcome(path) == []
    assert load_recipe(path).recipe.name == path.stem


def test_file_keys_are_keys_of_the_model() -> None:
    from imagebuild.recipe.allowed import Allowed

    for key in FILE_KEYS:
        *above, last = (0 if step == "*" else step for step in key.removesuffix(".*").split("."))
        assert str(last) in list(Allowed.at(tuple(above)).keys())
