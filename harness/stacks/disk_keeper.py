"""A small disk in a container: a file with ext4 on it that can be filled up, or lose its power.

This runs inside a container that may mount, with nothing but the standard library. The loop device goes with its last
user (``LO_FLAGS_AUTOCLEAR``, linux/loop.h), so nothing of it outlives the containers.

Power is lost by ``EXT4_IOC_SHUTDOWN`` with ``EXT4_GOING_FLAGS_NOLOGFLUSH`` (fs/ext4/ext4.h), by which the tests of
file systems do it: what is in memory and in the open transaction of the journal never reaches the disk any more. The
next mount recovers from the journal, as after a real one. The disk has no cache of its own: what the file system had
handed over is kept, in the order in which it was handed over.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IMAGE, DEVICE, MOUNTED = Path("/disk.img"), Path("/run/disk"), Path("/mnt")
FILLER, SYNCED, UNSYNCED = ".chat-chaos-filler", ".chat-chaos-synced", ".chat-chaos-unsynced"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

LOOP_MAJOR = 7
LOOP_CTL_GET_FREE, LOOP_CONFIGURE = 0x4C82, 0x4C0A
LO_FLAGS_AUTOCLEAR = 4
LOOP_CONFIG = struct.Struct("=II52xI176x64x")
"""fd, block size, then ``struct loop_info64`` with its flags 52 bytes in, then eight reserved words."""
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("=I", 2)
CHUNK = 1 << 20
LOOP_TRIES = 10


def keep(size: int) -> None:
    """Make a disk of so many bytes, say the name of its device on stdout, and hold it until this process ends."""
    with IMAGE.open("wb") as image:
        image.truncate(size)
    # No space is set aside for root, who fills it up; the journal is small, as the disk is.
    _call("mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4", str(IMAGE))
    with IMAGE.open("rb+") as image:
        loop, name = _attached(image.fileno())
    DEVICE.write_text(name)
    with _mounted() as root:
        (root / "lost+found").rmdir()  # an engine copies the image's files only to an empty volume
        root.chmod(0o1777)
        _write(root / SYNCED, sync=True)
    sys.stdout.write(name + "\n")
    sys.stdout.flush()
    signal.pause()
    os.close(loop)


def fill() -> dict[str, object]:
    """Write until nothing more can be written; tell the error that ended it, and what is left."""
    with _mounted() as root:
        ended = 0
        with (root / FILLER).open("ab", buffering=0) as file:
            for size in (CHUNK, 1):
                while not (ended := _refused(file.fileno(), size)):
                    pass
        return {"error": errno.errorcode[ended], **_space(root)}


def drain() -> dict[str, object]:
    """Take away what filled it, and tell what is free then."""
    with _mounted() as root:
        (root / FILLER).unlink(missing_ok=True)
        return _space(root)


def space() -> dict[str, object]:
    """Tell what is free."""
    with _mounted() as root:
        return _space(root)


def cut() -> dict[str, object]:
    """Write something without syncing it, then take the power away: whatever was not written out stays unwritten."""
    with _mounted() as root:
        _write(root / UNSYNCED, sync=False)
        folder = os.open(root, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(folder)
    return {}


def look() -> dict[str, object]:
    """Tell whether what was synced is there after the power came back, and whether what was not is."""
    with _mounted() as root:
        unsynced = root / UNSYNCED
        told: dict[str, object] = {
            "synced_kept": (root / SYNCED).stat().st_size == CHUNK,
            "unsynced_kept": unsynced.exists() and unsynced.stat().st_size > 0,
        }
        unsynced.unlink(missing_ok=True)
        return told


COMMANDS = {each.__name__: each for each in (fill, drain, space, cut, look)}


def main(arguments: list[str]) -> None:
    """Keep a disk (``keep BYTES``), or do something to the one that is kept and tell of it as JSON."""
    if arguments[0] == keep.__name__:
        keep(int(arguments[1]))
    else:
        sys.stdout.write(json.dumps(COMMANDS[arguments[0]]()) + "\n")


def _attached(image: int) -> tuple[int, str]:
    """Make a loop device of an open file; somebody else may be quicker to take the free one."""
    left = LOOP_TRIES
    while True:
        left -= 1
        with open("/dev/loop-control", "rb") as control:  # noqa: PTH123 - a device
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        name = f"/dev/loop{number}"
        if not Path(name).exists():
            os.mknod(name, 0o600 | stat.S_IFBLK, os.makedev(LOOP_MAJOR, number))
        loop = os.open(name, os.O_RDWR)
        try:
            fcntl.ioctl(loop, LOOP_CONFIGURE, LOOP_CONFIG.pack(image, 0, LO_FLAGS_AUTOCLEAR))
        except OSError as taken:
            os.close(loop)
            if taken.errno != errno.EBUSY or not left:
                raise
        else:
            return loop, name


@contextmanager
def _mounted() -> Iterator[Path]:
    """Mount the disk here too: whoever else has it mounted sees the same file system."""
    _call("mount", "-t", "ext4", DEVICE.read_text(), str(MOUNTED))
    try:
        yield MOUNTED
    finally:
        _call("umount", str(MOUNTED))


def _write(path: Path, *, sync: bool) -> None:
    with path.open("wb") as file:
        file.write(bytes(CHUNK))
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _refused(file: int, size: int) -> int:
    """Write; return the number of the error, 0 for none."""
    try:
        os.write(file, bytes(size))
    except OSError as full:
        return full.errno or 0
    return 0


def _space(root: Path) -> dict[str, object]:
    found = os.statvfs(root)
    return {"free_bytes": found.f_bavail * found.f_frsize, "size_bytes": found.f_blocks * found.f_frsize}


def _call(*command: str) -> None:
    subprocess.run(command, check=True, env=ENVIRONMENT)


if __name__ == "__main__":
    main(sys.argv[1:])
