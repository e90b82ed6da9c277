"""What the measuring programs share: where things are, and how a server is started and called."""
import argparse, contextlib, json, os, pathlib, shutil, socket, statistics, struct, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
# Bare servers and clients, load, and scenarios.
BENCH = TARGET / "user-info-bench"
CALL = "/api.user_info.UserInfo/GetUserInfo"
SERVER, LOAD = "0", "1"
# Calls in flight on one connection of gRPC; HTTP/1.1 has one.
CONNECTIONS, STREAMS = {"grpc": 8, "http": 32}, 16
# Users that there are in the databases.
IDS = 4096


def options(about, **numbers):
    """A parser of the command line that knows these numbers, with their defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


def pinned(core, *command, **options):
    options.setdefault("stdout", subprocess.DEVNULL)
    options.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)


def printed(program, *arguments):
    """What a program that has the server's core prints."""
    command = ["taskset", "-c", SERVER, *map(str, [program, *arguments])]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def spread(values, digits=1):
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.005)
    sys.exit(f"bench: {what} did not come up in {seconds} s")


def cpu_ns(pid):
    """CPU time of a process so far; it does not depend on how busy the machine is."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def rss_mb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")) / 1024


def need(*programs):
    """Ends the program if one of these is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"bench: {', '.join(missing)} not found: make setup")


def answers(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


def replies(port):
    """Whether the HTTP server answers a call."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/user_info/1", timeout=1) as reply:
        return reply.status == 200


def config(folder, grpc, http, users, views, workers=1):
    # In a folder of its own, as in a pod: what the load writes beside it would wake the server's watch of the folder.
    file = folder / "config" / f"user_info-{grpc}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({
        "server": {"grpc": {"listen": f"127.0.0.1:{grpc}"}, "http": {"listen": f"127.0.0.1:{http}"}, "workers": workers, "drainDelay": "0s"},
        "users": users, "views": views, "live": {"rateLimiter": {"requestsPerSecond": 10_000_000, "burst": 1_000_000}}}))
    return ["--config", file]


def message(user):
    """A length-prefixed GetUserInfoRequest."""
    body, n = b"\x08", user
    while True:
        body += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return struct.pack(">BI", 0, len(body)) + body


class Stores:
    """MariaDB and Redis on the load's core, with IDS users and their page views."""

    def __init__(self, folder):
        self.mysql, self.redis = free_port(), free_port()
        data = folder / "mysql"
        user = ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes = [
            pinned(LOAD, "mariadbd", "--no-defaults", f"--datadir={data}", f"--port={self.mysql}", f"--socket={folder}/mysql.sock",
                   "--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", *user),
            pinned(LOAD, "redis-server", "--port", self.redis, "--save", "", "--bind", "127.0.0.1", "--dir", folder),
        ]
        wait_for("MariaDB", lambda: answers(self.mysql))
        wait_for("Redis", lambda: answers(self.redis))
        rows = ",".join(f"({i},'user-{i}','user-{i}@example.com')" for i in range(1, IDS + 1))
        sql = ("CREATE DATABASE demo_a; USE demo_a; CREATE TABLE user_info (id BIGINT PRIMARY KEY, name VARCHAR(255), email VARCHAR(255),"
               f" address VARCHAR(255), tel VARCHAR(64)); INSERT INTO user_info (id,name,email) VALUES {rows};")
        subprocess.run(["mariadb", f"--socket={folder}/mysql.sock", "-uroot"], input=sql, text=True, check=True)
        views = "".join(f"SET U:{i}:VISITS {i}\n" for i in range(1, IDS + 1))
        subprocess.run(["redis-cli", "-p", str(self.redis)], input=views, text=True, check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()


def command(variant, folder, stores, grpc, http, workers=1):
    mysql = {"mysql": {"address": f"127.0.0.1:{stores.mysql}"}}
    redis = {"redis": {"address": f"127.0.0.1:{stores.redis}"}}
    return {
        "bare": lambda: [BENCH, "bare", f"127.0.0.1:{grpc}"],
        "memory": lambda: [TARGET / "user_info", *config(folder, grpc, http, {"memory": True}, {"memory": True}, workers)],
        "full": lambda: [TARGET / "user_info", *config(folder, grpc, http, mysql, redis, workers)],
        "pooled": lambda: [TARGET / "pooled", f"127.0.0.1:{grpc}", f"127.0.0.1:{http}", f"mysql://root@127.0.0.1:{stores.mysql}/demo_a",
                           f"redis://127.0.0.1:{stores.redis}/"],
    }[variant]()


@contextlib.contextmanager
def databases():
    """A folder for files, and the stores."""
    need("taskset", "mariadbd", "mariadb-install-db", "redis-server")
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        stores = Stores(folder)
        try:
            yield folder, stores
        finally:
            stores.stop()


@contextlib.contextmanager
def serving(variant, folder, stores, workers=1, cores=SERVER):
    """A server as it was just started: its process id, and its ports for gRPC and HTTP."""
    grpc, http = free_port(), free_port()
    server = pinned(cores, *command(variant, folder, stores, grpc, http, workers))
    try:
        yield server.pid, grpc, http
    finally:
        server.kill()
        server.wait()


def load(protocol, port, variant, rate, seconds, connections=CONNECTIONS, streams=STREAMS, headers=()):
    """Calls the variant for so long, `rate` times a second or as often as it takes (0): how many replies came (`calls`),
    `p50_us`, `p99_us` and `undisturbed_p99_us` (that of the median tenth of a second)."""
    options = [option for header in headers for option in ("--header", header)]
    process = pinned(LOAD, BENCH, "load", protocol, f"127.0.0.1:{port}", "--connections", connections[protocol], "--streams", streams,
                     "--rate", rate, "--seconds", seconds, "--users", ids(variant), *options, stdout=subprocess.PIPE, stderr=None, text=True)
    out, _ = process.communicate(timeout=seconds + 30)
    if process.returncode:
        sys.exit(f"bench: the load on {variant} failed")
    return json.loads(out)


def ids(variant):
    """How many users to ask for: what stands in memory are the ten samples."""
    return 10 if variant == "memory" else IDS
