"""What goes into the build of an image, and what its name depends on."""

from __future__ import annotations

import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.places import docker_folder
from harness.stacks.docker_context import BuildContext, find_folder, pieces_of, pieces_of_the_package, tag_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a Dockerfile and a program."""
    made = tmp_path / "image"
    made.mkdir()
    (made / "Dockerfile").write_text("FROM scratch\n")
    (made / "start").write_text("#!/bin/sh\n")
    return made


def _tag(folder: Path) -> str:
    return BuildContext("image", pieces_of(folder)).tag


def test_the_tag_stays_while_nothing_changes(folder: Path) -> None:
    """Times and owners do not count: every checkout of a state has the same tag."""
    before = _tag(folder)
    os.utime(folder / "start", (0, 0))
    assert _tag(folder) == before
    assert re.fullmatch(r"chat-chaos/image:[0-9a-f]{12}", before)


def test_the_tag_changes_with_the_content(folder: Path) -> None:
    """Text, a name, an execute bit and a link each make another image."""
    tags = [_tag(folder)]
    (folder / "start").write_text("#!/bin/bash\n")
    tags.append(_tag(folder))
    (folder / "start").chmod(0o755)
    tags.append(_tag(folder))
    (folder / "start").rename(folder / "begin")
    tags.append(_tag(folder))
    (folder / "link").symlink_to("begin")
    tags.append(_tag(folder))
    assert len(set(tags)) == 5


def test_what_dockerignore_leaves_out_counts_for_nothing(folder: Path) -> None:
    """Files that the build does not see neither change the tag nor are sent to the engine."""
    (folder / ".dockerignore").write_text("# notes are not part of it\n*.md\n")
    before = _tag(folder)
    (folder / "notes.md").write_text("new")
    assert _tag(folder) == before
    assert "notes.md" not in pieces_of(folder)


def test_helpers_are_sent_but_do_not_decide(folder: Path) -> None:
    """The same image comes out whichever machine's CA bundle helped to build it."""
    pieces = pieces_of(folder)
    helped = BuildContext("image", pieces, helpers=lambda: {"machine/ca.crt": b"trusted"})
    assert helped.tag == BuildContext("image", pieces).tag
    archive = io.BytesIO()
    helped.tar(archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as sent:
        assert set(sent.getnames()) == {"Dockerfile", "start", "machine/ca.crt"}
        assert {(entry.uid, entry.mtime) for entry in sent} == {(0, 0)}


def test_a_folder_beside_the_stack_file_comes_first(folder: Path) -> None:
    """Users may replace an image of chat-chaos by one of their own with the same name."""
    mine = folder.parent / "docker" / "redis"
    mine.mkdir(parents=True)
    (mine / "Dockerfile").write_text("FROM scratch\n")
    assert find_folder("docker/redis", folder.parent) == mine.resolve()
    assert find_folder("docker/chat", folder.parent) == (docker_folder() / "chat").resolve()


@pytest.mark.parametrize("build", ["docker/nothing", "elsewhere", "../image/none"])
def test_a_folder_without_dockerfile_is_a_mistake_of_the_file(folder: Path, build: str) -> None:
    """The user learns which folders were looked at."""
    with pytest.raises(UsageError, match=re.escape(build)) as told:
        find_folder(build, folder)
    assert str(folder / build) in told.value.what


def test_the_package_goes_in_without_what_only_the_harness_needs() -> None:
    """Backends, providers and proxy are there; engine and command line are not: changing them builds nothing."""
    names = pieces_of_the_package()
    assert {"harness/__init__.py", "harness/reference/chat.py", "harness/proxy/server.py"} <= set(names)
    assert {name.split("/")[1] for name in names} == {
        "__init__.py",
        "core",
        "drivers",
        "history",
        "proxy",
        "providers",
        "reference",
        "tencent_simulator",
    }
    assert not any("__pycache__" in name for name in names)


def test_any_name_of_a_folder_makes_a_tag() -> None:
    """An engine takes small letters, digits and dashes."""
    assert [tag_name(name) for name in ("My Chat_2", "__", "chat")] == ["my-chat-2", "image", "chat"]


def test_the_image_has_the_versions_that_everything_was_tested_with() -> None:
    """The lock of the image says nothing else than the lock of the project, where both name a package."""
    pins = [
        dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
        for lock in (docker_folder() / "chat/requirements.lock", docker_folder().parent / "requirements.lock")
    ]
    image, project = pins
    assert {name: version for name, version in image.items() if project.get(name, version) != version} == {}
    assert set(image) - set(project) <= {"libfaketime", "python-dateutil", "pytz", "tzdata"}
