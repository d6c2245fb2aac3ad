"""The images of a stack: found, built or pulled when they are missing, once for all runs of this machine."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from docker.client import DockerClient
from docker.errors import BuildError, ImageNotFound

from harness.core.errors import EnvironmentFault
from harness.core.stack import DockerService
from harness.stacks import docker_context
from harness.stacks.docker_client import ENGINE_TROUBLE, reason
from harness.stacks.docker_context import BuildContext
from harness.stacks.docker_machine import machine_files
from harness.stacks.docker_toxiproxy import PUBLISHED, server_binary
from harness.stacks.proxy_choice import find_toxiproxy

OWN = ("docker/chat", "docker/toxiproxy")
"""What any stack needs: the package itself, in which the embedded proxy and providers run, and the other proxy."""
LABEL = "chat-chaos.image"
BASE = "chat-chaos/base:12"
"""What ``make docker-base`` makes; where it is missing, the Dockerfiles name the published base."""

_SILENT_S = 600.0
"""The longest that a step of a build may say nothing: installing packages over a slow line."""
_LAST_LINES = 15

Say = Callable[[str], None]


def to_stderr(sentence: str) -> None:
    """Tell the user how it goes, apart from what a program reads."""
    sys.stderr.write(f"chat-chaos: {sentence}\n")
    sys.stderr.flush()


def ensure(
    build: str,
    client: DockerClient,
    *,
    args: Mapping[str, str] = MappingProxyType({}),
    beside: Path | None = None,
    say: Say = to_stderr,
) -> str:
    """Return the tag of the image that is built from a folder, after building it when it is missing.

    ``build`` is as in stack files: a folder ``beside`` the stack file, or ``docker/NAME``; other arguments make another
    image. Several processes wait for
    each other, so one builds and the others find. Raises ``UsageError`` when there is no such folder, and
    ``EnvironmentFault`` with the last lines of a build that failed.
    """
    context = _context(docker_context.find_folder(build, beside), args)
    known = _known(client, context)
    if known is not None:
        return known
    with _one_at_a_time():
        return _known(client, context) or _pulled(client, context, say) or _built(client, context, say)


def present(image: str, client: DockerClient, *, say: Say = to_stderr) -> str:
    """Return an image's name after pulling it when the engine does not have it; raises ``EnvironmentFault``."""
    with _one_at_a_time():
        if _has(client, image):
            return image
        say(f"pulling the image {image}")
        try:
            client.images.pull(image)
        except ENGINE_TROUBLE as problem:
            hint = "correct its name in the stack file, log in to its registry, or load it with `docker load`"
            raise EnvironmentFault(f"the image {image} could not be pulled: {reason(problem)}", hint=hint) from None
    return image


def is_here(service: DockerService, client: DockerClient, beside: Path | None = None) -> bool:
    """Tell whether the engine has the image of a service already."""
    if service.image is not None:
        return _has(client, service.image)
    context = _context(docker_context.find_folder(service.build or "", beside), service.args)
    return _known(client, context) is not None


async def image_of(
    service: DockerService, client: DockerClient, *, beside: Path | None = None, say: Say = to_stderr
) -> str:
    """As ``image_here``, off the loop.

    A caller that is cancelled does not wait for the rest of a build: the engine gives it up when this process ends.
    """
    return await _in_a_thread_of_its_own(lambda: image_here(service, client, beside=beside, say=say))


def image_here(
    service: DockerService, client: DockerClient, *, beside: Path | None = None, say: Say = to_stderr
) -> str:
    """Return the image of a service, which is pulled or built first when it is missing.

    Raises as ``ensure`` and ``present`` do.
    """
    if service.image is not None:
        return present(service.image, client, say=say)
    return ensure(service.build or "", client, args=service.args, beside=beside, say=say)


async def _in_a_thread_of_its_own(call: Callable[[], str]) -> str:
    """As ``asyncio.to_thread``, but by a thread that neither the loop nor the interpreter waits for at their end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            setter(value)

    def tell(setter: Callable[[Any], None], value: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, setter, value)

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed to the caller as it is
            tell(answer.set_exception, error)
        else:
            tell(answer.set_result, result)

    threading.Thread(target=work, name="images", daemon=True).start()
    return await answer


def _context(folder: Path, args: Mapping[str, str]) -> BuildContext:
    """What a folder is built from; those of chat-chaos get what their Dockerfiles say."""
    pieces = docker_context.pieces_of(folder)
    if docker_context.is_shipped(folder, "chat"):
        return BuildContext("chat", pieces | docker_context.pieces_of_the_package(), helpers=machine_files)
    if docker_context.is_shipped(folder, "synapse"):
        return BuildContext("synapse", pieces, args, helpers=machine_files)
    if docker_context.is_shipped(folder, "toxiproxy"):
        return BuildContext("toxiproxy", pieces, helpers=_toxiproxy, published=PUBLISHED)
    return BuildContext(docker_context.tag_name(folder.name), pieces, args)


def _toxiproxy() -> dict[str, bytes]:
    return {"toxiproxy": server_binary()}


def _known(client: DockerClient, context: BuildContext) -> str | None:
    names = [context.tag, context.published]
    return next((name for name in names if name is not None and _has(client, name)), None)


def _has(client: DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    except ENGINE_TROUBLE as problem:
        raise EnvironmentFault(f"the container engine was asked for {image}: {reason(problem)}") from None
    return True


def _pulled(client: DockerClient, context: BuildContext, say: Say) -> str | None:
    """The published image, unless there is none, it cannot be had, or this machine has what is needed to build it."""
    if context.published is None or find_toxiproxy() is not None:
        return None
    say(f"pulling the image {context.published}")
    try:
        client.images.pull(context.published)
    except ENGINE_TROUBLE as problem:
        say(f"{context.published} could not be pulled ({reason(problem)}): building it instead")
        return None
    return context.published


def _built(client: DockerClient, context: BuildContext, say: Say) -> str:
    tag = context.tag
    say(f"building the image {tag}; that is done once and may take some minutes")
    began = time.monotonic()
    base = {"BASE": BASE} if _has(client, BASE) else {}
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    with tempfile.TemporaryFile() as archive:
        context.tar(archive)
        archive.seek(0)
        try:
            _follow(_build_stream(client, archive, context.name, tag, {**base, **context.args}), lines)
        except ENGINE_TROUBLE as problem:
            raise _not_built(tag, problem, lines) from None
    say(f"built {tag} in {time.monotonic() - began:.0f} s")
    return tag


def _build_stream(client: DockerClient, archive: IO[bytes], name: str, tag: str, args: dict[str, str]) -> Any:
    return client.api.build(
        fileobj=archive,
        custom_context=True,
        tag=tag,
        buildargs=args,
        labels={LABEL: name},
        rm=True,
        forcerm=True,
        decode=True,
        timeout=_SILENT_S,
        use_config_proxy=True,
    )


def _follow(stream: Iterable[dict[str, Any]], lines: deque[str]) -> None:
    """Read what the engine says to its end, which closes the connection; raises ``BuildError`` for its last error."""
    error = None
    for event in stream:
        lines.extend(line for line in str(event.get("stream", "")).splitlines() if line.strip())
        error = event.get("error", error)
    if error is not None:
        raise BuildError(str(error), [])


def _not_built(tag: str, problem: Exception, lines: Iterable[str]) -> EnvironmentFault:
    said = "\n".join(["the end of the build:", *(f"    {line}" for line in lines)])
    no_base = "" if any(lines) else "without a registry, `make docker-base` makes the base image on this machine"
    return EnvironmentFault(f"the image {tag} could not be built: {reason(problem)}", hint=no_base or said)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep other processes of this user from building or pulling meanwhile; the kernel lets go when this one dies."""
    path = Path(tempfile.gettempdir(), f"chat-chaos-images-{os.geteuid()}.lock")
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
