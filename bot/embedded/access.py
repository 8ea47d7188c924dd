"""Services drop root: who they run as then, what that user must reach, and where sockets fit."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pwd
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

UNPRIVILEGED = "nobody"
SOCKET_PATH_LIMIT = 100  # sun_path holds 107 bytes on Linux, 103 on macOS
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def service_user() -> pwd.struct_passwd | None:
    """The account that services drop to when started by root; none where we are nobody special."""
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def make_reachable(path: Path) -> None:
    """Let other users pass through (not list) ``path`` and every folder above it."""
    for folder in [path, *path.parents]:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def make_readable(tree: Path) -> None:
    """Let other users read what stands under ``tree``, as an installation under umask 077 forbids.

    Looks at the top folder alone to decide, since one installation has one umask.
    """
    make_reachable(tree)
    if tree.stat().st_mode & stat.S_IROTH:
        return
    for folder, _, files in os.walk(tree):
        for entry in [Path(folder), *(Path(folder, name) for name in files)]:
            if not entry.is_symlink():
                mode = stat.S_IMODE(entry.stat().st_mode)
                entry.chmod(mode | (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6)


def private_folder(path: Path, owner: pwd.struct_passwd | None) -> None:
    """Make ``path`` a folder that ``owner`` alone (none: we) may enter, with all that is in it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if owner is not None:
        make_reachable(path.parent)
        if path.stat().st_uid != owner.pw_uid:
            for folder, _, files in os.walk(path):
                os.chown(folder, owner.pw_uid, owner.pw_gid)
                for name in files:
                    os.chown(Path(folder, name), owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    elif path.stat().st_uid != os.geteuid():
        raise PermissionError(13, "belongs to another user", str(path))
    path.chmod(0o700)


def socket_folder(home: Path, service: str, *, longest_name: str) -> Path:
    """Where ``service`` puts its socket: ``home/run/SERVICE``, or a short path for a deep home."""
    usual = home / "run" / service
    if len(os.fsencode(usual / longest_name)) < SOCKET_PATH_LIMIT:
        return usual
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"phi3-{digest}-{service}"


def dies_with_parent(sign: signal.Signals) -> Callable[[], None] | None:
    """For ``Popen(preexec_fn=…)``: have the kernel send ``sign`` when the starting thread ends.

    None where the kernel is not Linux. Holds over exec, not over a change of user: Popen changes
    the user before it calls this.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # before the fork: afterwards only system calls are safe

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(sign))

    return ask
