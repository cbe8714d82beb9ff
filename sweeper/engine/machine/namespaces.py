"""A private /opt/ml for one process tree, by Linux namespaces and without root: standard library only.

`enter` runs in a fork of a single-threaded process. It never mounts on a directory of the host's /opt/ml (removing that
directory elsewhere would silently detach the mount here): it puts a private tmpfs over /opt, binds back what was
there, and binds the job's folder as /opt/ml.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import sys
from enum import Enum

TYPE_CHECKING = False  # each job pays for what this file imports
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NEWNS, _NEWUTS, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x4000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_NOATIME, _MS_NODIRATIME, _MS_BIND, _MS_REC, _MS_PRIVATE = 1024, 2048, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
OPT_ML = "/opt/ml"
HOME = "/opt/sweeper-home"  # one name for every job, as on SageMaker: packages may note it when they are imported


class Isolation(str, Enum):
    """How a job gets its /opt/ml, best first."""

    FULL = "full"  # its own /opt/ml, host name and process ids: nothing survives it
    MOUNTS = "mounts"  # its own /opt/ml and host name
    NONE = "none"  # the folder is told by rewritten paths


def probe() -> Isolation:
    """What this machine allows, tried out in a throw-away process."""
    if sys.platform != "linux" or not os.path.isdir("/opt"):
        return Isolation.NONE
    for wanted in (Isolation.FULL, Isolation.MOUNTS):
        if _works(wanted):
            return wanted
    return Isolation.NONE


def _works(wanted: Isolation) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            enter("/tmp", wanted)
            ok = os.path.samefile(OPT_ML, "/tmp")
            os._exit(0 if ok else 1)
        except BaseException:  # noqa: BLE001 - whatever it is, it does not work here
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def enter(
    ml: str,
    wanted: Isolation,
    *,
    host: str = "algo-1",
    mounts: Mapping[str, str] = {},
    read_only: tuple[str, ...] = (),
    no_network: bool = False,
) -> None:
    """Move this process into namespaces of its own. With FULL it returns in a grandchild.

    `host`: this machine's name there; `mounts`: folders of the machine, by the places of /opt/ml where they are found;
    `read_only`: places that are closed.
    """
    flags = _NEWUSER | _NEWNS | _NEWUTS
    flags |= _NEWPID if wanted is Isolation.FULL else 0
    flags |= _NEWNET if no_network else 0
    _unshare(flags)
    if wanted is Isolation.FULL:
        _become_child_of_init()
    _libc().sethostname(os.fsencode(host), len(host))
    folder = os.open(ml, os.O_PATH | os.O_CLOEXEC)  # it may lie below the /opt that is about to be hidden
    home = _folder(f"{os.path.dirname(ml)}/home")
    sources = {name: os.open(source, os.O_PATH | os.O_CLOEXEC) for name, source in mounts.items()}
    _shadow_opt()
    _mount(f"/proc/self/fd/{folder}", OPT_ML, None, _MS_BIND | _MS_REC)
    os.close(folder)
    for name, source in sources.items():
        _mount(f"/proc/self/fd/{source}", f"{OPT_ML}/{name}", None, _MS_BIND | _MS_REC)
        os.close(source)
    if home is not None:
        os.mkdir(HOME)
        _mount(f"/proc/self/fd/{home}", HOME, None, _MS_BIND)
        os.close(home)
    for name in read_only:
        _read_only(f"{OPT_ML}/{name}")
    _name_hosts(f"{os.path.dirname(ml)}/hosts")
    if no_network:
        _loopback_up()


def _name_hosts(file: str) -> None:
    """Let this be /etc/hosts, where there is one."""
    if os.path.isfile(file):
        with contextlib.suppress(OSError):
            _mount(file, "/etc/hosts", None, _MS_BIND)


def _unshare(flags: int) -> None:
    """Into namespaces of these kinds, of which one is of users: as the same user, and no mount leads out."""
    user, group = os.getuid(), os.getgid()
    _check(_libc().unshare(flags), "unshare")
    # without this an unprivileged process may not map its group
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def _become_child_of_init() -> None:
    """Fork twice: this process waits outside, the first child is init of the new process ids, the second returns.

    SIGTERM is handed down to the last one's group. Each dies with its parent, and with init dies everything. The last
    one bears inside the process id that the first one has outside, so that a job knows itself by the id on record.
    """
    outside = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _die_with_parent()  # after unshare, which forgets it
    init = os.fork()
    if init:
        _close_all()
        _hand_down(lambda: os.kill(init, signal.SIGTERM))
        os._exit(_code(os.waitpid(init, 0)[1]))
    _die_with_parent()
    os.setsid()  # what is sent to the group outside comes by one way only
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    with contextlib.suppress(OSError):  # a kernel without checkpoint and restore counts from 2
        _write("/proc/sys/kernel/ns_last_pid", str(outside - 1))
    job = os.fork()
    if job:
        _close_all()
        _hand_down(lambda: os.killpg(job, signal.SIGTERM))
        _reap_until(job)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _hand_down(pass_on: Callable[[], None]) -> None:
    def handler(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            pass_on()

    signal.signal(signal.SIGTERM, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _reap_until(job: int) -> None:
    """Process 1: bury orphans until the job is dead, then end, and with it everything that is left."""
    while True:
        pid, status = os.wait()
        if pid == job:
            os._exit(_code(status))


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _close_all() -> None:
    """Nothing that waits for an end of file may wait for us."""
    os.closerange(0, 65536)


def _die_with_parent() -> None:
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _shadow_opt() -> None:
    """A private /opt that holds what was there, and an empty /opt/ml."""
    kept: list[tuple[str, Callable[[str], None]]] = []
    with os.scandir("/opt") as entries:
        for entry in entries:
            if entry.path not in (OPT_ML, HOME):
                kept.append((f"/opt/{entry.name}", _restorer(entry)))
    _mount("tmpfs", "/opt", "tmpfs", 0, "mode=0755")
    for path, restore in kept:
        restore(path)
    os.mkdir(OPT_ML)


def _folder(path: str) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    return None


def _restorer(entry: os.DirEntry[str]) -> Callable[[str], None]:
    """How to put one entry of /opt back once it is hidden."""
    if entry.is_symlink():
        target = os.readlink(entry.path)
        return lambda path: os.symlink(target, path)
    fd = os.open(entry.path, os.O_PATH | os.O_CLOEXEC)
    folder = entry.is_dir()

    def restore(path: str) -> None:
        if folder:
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        _mount(f"/proc/self/fd/{fd}", path, None, _MS_BIND | _MS_REC)
        os.close(fd)

    return restore


def _read_only(path: str) -> None:
    _mount(path, path, None, _MS_BIND | _MS_REC)
    # flags that the host's mount has may not be dropped by an unprivileged remount; these share their values
    kept = os.statvfs(path).f_flag & (_MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOATIME | _MS_NODIRATIME)
    _mount("none", path, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


def _loopback_up() -> None:
    """A new network namespace has only a loopback device, and that is down."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    result = _libc().mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(result, f"mount {source} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.stdout.write(probe().value)
