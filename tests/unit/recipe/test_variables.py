"""${name}: where values come from, and that they stay values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagebuild.errors import RecipeError
from imagebuild.recipe.load import LoadedRecipe

Loader = Callable[..., LoadedRecipe]


def test_set_wins_and_variables_may_use_others(load: Loader, minimal: str) -> None:
    text = (
        'variables: {release: bookworm, full: "${name}-${release}", name: web, wait: 5}\n'
        + minimal.replace("web", "${full}").replace("bookworm", "'${release}'")
        + "boot: {timeout: '${wait}'}\n"
    )
    assert load({"recipe.yaml": text}).recipe.name == "web-bookworm"
    loaded = load({"recipe.yaml": text}, {"release": "trixie", "wait": "7"})
    assert loaded.recipe.name == "web-trixie"
    assert loaded.recipe.boot.timeout == 7
    assert loaded.recipe.rootfs.debian is not None
    assert loaded.recipe.rootfs.debian.suite == "trixie"


def test_a_value_stays_one_scalar(load: Loader, minimal: str) -> None:
    value = "x\nname: evil\n- [${release}] {a: b} !!python/none"
    text = minimal + "files:\n  - {path: /etc/motd, content: '${motd}'}\n"
    loaded = load({"recipe.yaml": text}, {"motd": value})
    assert loaded.recipe.files[0].content == value
    assert loaded.recipe.name == "web"


def test_the_text_itself_is_escaped(load: Loader, minimal: str) -> None:
    text = minimal + "files:\n  - {path: /a, content: '$${HOME} $HOME $$ $1 $$${n} ${n}'}\n"
    assert load({"recipe.yaml": text}, {"n": "1"}).recipe.files[0].content == "${HOME} $HOME $$ $1 $${n} 1"


def test_truth_values_and_sizes(load: Loader, minimal: str) -> None:
    text = minimal + "verify: {xen: '${xen}', qemu: {memory: '${memory}'}}\n"
    verify = load({"recipe.yaml": text}, {"xen": "false", "memory": "1GiB"}).recipe.verify
    assert verify.xen is None
    assert verify.qemu is not None
    assert verify.qemu.memory == 2**30
    assert load({"recipe.yaml": text}, {"xen": "true", "memory": "1GiB"}).recipe.verify.xen is not None


def test_variables_of_included_files(load: Loader, minimal: str) -> None:
    loaded = load(
        {
            "base.yaml": "variables: {release: bookworm, host: web}\n" + minimal.replace("web", "${host}-${release}"),
            "recipe.yaml": "include: [base.yaml]\nvariables: {host: db}\n",
        }
    )
    assert loaded.recipe.name == "db-bookworm"


def test_keys_are_never_filled_in(load: Loader, minimal: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load({"recipe.yaml": minimal + "'${key}': 3\n"}, {"key": "boot"})
    assert {problem.key for problem in caught.value.problems} == {"${key}", "--set key"}


def test_unused_set_names_the_nearest(load: Loader, minimal: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load({"recipe.yaml": "variables: {release: x}\n" + minimal}, {"relaese": "bookworm"})
    [problem] = caught.value.problems
    assert problem.key == "--set relaese"
    assert "did you mean 'release'?" in problem.message


@pytest.mark.parametrize("value", ["a\0b", "\udcff"])
def test_set_to_what_no_text_holds(load: Loader, minimal: str, value: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load({"recipe.yaml": minimal.replace("web", "${n}")}, {"n": value})
    assert "a text must not contain it" in str(caught.value.problems[0])


def test_doubling_ends(load: Loader, minimal: str) -> None:
    content = "\n".join(f"  a{level + 1}: " + f"${{a{level}}}" * 2 for level in range(60))
    with pytest.raises(RecipeError) as caught:
        load({"recipe.yaml": f"variables:\n  a0: 0123456789\n{content}\n" + minimal.replace("web", "${a60}")})
    assert "more than 1 MiB" in caught.value.problems[0].message
