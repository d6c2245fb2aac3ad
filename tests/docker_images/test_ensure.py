"""Building and pulling what is missing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError, ImageNotFound

from harness.core.errors import EnvironmentFault
from harness.core.stack import DockerService
from harness.stacks import docker_images
from harness.stacks.docker_images import ensure, image_of, is_here, present
from harness.stacks.docker_toxiproxy import PUBLISHED

if TYPE_CHECKING:
    from docker.client import DockerClient


@dataclass
class Registry:
    """An engine's images, and a registry that gives what ``offers`` names."""

    has: set[str] = field(default_factory=set)
    offers: set[str] = field(default_factory=set)
    pulled: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """Find an image as the SDK does."""
        if name not in self.has:
            raise ImageNotFound(name)

    def pull(self, name: str) -> None:
        """Pull an image as the SDK does."""
        self.pulled.append(name)
        if name not in self.offers:
            raise APIError("no route to the registry")
        self.has.add(name)


@pytest.fixture
def registry() -> Registry:
    """An engine without images on a machine without a registry."""
    return Registry()


@pytest.fixture
def offline(registry: Registry) -> Any:
    """A client of that engine."""
    return SimpleNamespace(images=registry)


@pytest.fixture
def folder(tmp_path: Path, engine: DockerClient) -> Iterator[Path]:
    """A folder from which an image is built without any network; the image is removed."""
    made = tmp_path / f"cc-test-{tmp_path.parent.name}"
    made.mkdir()
    (made / "Dockerfile").write_text(f"FROM scratch\nCOPY note /{tmp_path.name}\n")
    (made / "note").write_text(str(tmp_path))
    yield made
    for image in engine.images.list(filters={"label": f"chat-chaos.image={made.name}"}):
        engine.images.remove(image.id, force=True)


def _silent(_: str) -> None:
    """Tell nobody."""


def test_the_published_toxiproxy_is_pulled_where_it_can_be(
    registry: Registry, offline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is pulled once and then used."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHAT_CHAOS_TOXIPROXY", raising=False)
    registry.offers.add(PUBLISHED)
    assert [ensure("docker/toxiproxy", offline, say=_silent) for _ in range(2)] == [PUBLISHED] * 2
    assert registry.pulled == [PUBLISHED]


def test_without_registry_binary_and_compiler_there_is_a_way_out(offline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to pull and nothing to build from: the user is told how to get a Toxiproxy, and what was tried."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHAT_CHAOS_TOXIPROXY", raising=False)
    said: list[str] = []
    with pytest.raises(EnvironmentFault, match="neither be pulled") as told:
        ensure("docker/toxiproxy", offline, say=said.append)
    assert "go install" in told.value.hint
    assert any("could not be pulled (no route to the registry)" in sentence for sentence in said)


def test_a_named_image_is_pulled_once(registry: Registry, offline: Any) -> None:
    """What a stack file names by ``image`` comes from its registry, if the engine has not got it."""
    registry.offers.add("example/chat:1")
    assert [present("example/chat:1", offline, say=_silent) for _ in range(2)] == ["example/chat:1"] * 2
    assert registry.pulled == ["example/chat:1"]


def test_an_image_that_cannot_be_pulled_is_an_error_of_the_surroundings(offline: Any) -> None:
    """The user learns which image, why, and what to do."""
    with pytest.raises(EnvironmentFault, match="example/none:1 could not be pulled: no route") as told:
        present("example/none:1", offline, say=_silent)
    assert "docker load" in told.value.hint


def test_whether_an_image_is_here_is_told_without_getting_it(registry: Registry, offline: Any, tmp_path: Path) -> None:
    """A named one, and one that would have to be built."""
    named, built = DockerService(port=80, image="example/chat:1"), DockerService(port=80, build="chatd")
    (tmp_path / "chatd").mkdir()
    (tmp_path / "chatd" / "Dockerfile").write_text("FROM scratch\n")
    registry.offers.add("example/chat:1")
    assert [is_here(each, offline, tmp_path) for each in (named, built)] == [False, False]
    registry.has.add("example/chat:1")
    assert is_here(named, offline, tmp_path)
    assert registry.pulled == []


def test_a_service_that_names_an_image_gets_it(registry: Registry, offline: Any) -> None:
    """A launcher asks for a service's image without caring whence it comes."""
    registry.has.add("example/chat:1")
    service = DockerService(port=80, image="example/chat:1")
    assert asyncio.run(image_of(service, offline, say=_silent)) == "example/chat:1"


def test_trouble_of_a_build_reaches_the_launcher(offline: Any) -> None:
    """What goes wrong in the thread that builds is raised where the image was asked for."""
    service = DockerService(port=80, image="example/none:1")
    with pytest.raises(EnvironmentFault, match="example/none:1"):
        asyncio.run(image_of(service, offline, say=_silent))


def test_a_cancelled_launch_does_not_wait_for_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during a build ends the run at once; the build's thread keeps neither loop nor process."""
    begun, leave = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> str:
        begun.set()
        leave.wait(30)
        return "late"

    async def play() -> None:
        asking = asyncio.create_task(image_of(DockerService(port=80, build="docker/chat"), client))
        await asyncio.to_thread(begun.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    client: Any = SimpleNamespace()
    monkeypatch.setattr(docker_images, "ensure", slow)
    asyncio.run(play())
    assert not leave.is_set()
    leave.set()


@pytest.mark.docker
def test_an_image_is_built_once_for_all_who_ask(engine: DockerClient, folder: Path) -> None:
    """Two that ask at the same time get one image, which one of them builds."""
    said: list[str] = []
    tags: list[str] = []

    def ask() -> None:
        tags.append(ensure(folder.name, engine, beside=folder.parent, say=said.append))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(set(tags)) == 1
    assert sum(sentence.startswith("building") for sentence in said) == 1
    assert engine.images.get(tags[0]).labels["chat-chaos.image"] == folder.name


@pytest.mark.docker
def test_a_changed_folder_is_another_image(engine: DockerClient, folder: Path) -> None:
    """Nobody has to remember to build anew."""
    before = ensure(folder.name, engine, beside=folder.parent, say=_silent)
    (folder / "note").write_text("changed")
    assert ensure(folder.name, engine, beside=folder.parent, say=_silent) != before


@pytest.mark.docker
def test_a_build_that_fails_shows_its_last_lines(engine: DockerClient, folder: Path) -> None:
    """The user sees what the engine said, in one error without a traceback."""
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY nothing-of-this-name /\n")
    with pytest.raises(EnvironmentFault, match=r"could not be built: .*nothing-of-this-name") as told:
        ensure(folder.name, engine, beside=folder.parent, say=_silent)
    assert "COPY nothing-of-this-name" in told.value.hint
