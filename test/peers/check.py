"""usage: check.py CASE CLIENT SERVER

Sets programs of ours against those of others, on loopback ports: CLIENT (http_client) against nginx, curl and wrk against
SERVER (http_server). CASE: client, curl or wrk, then _plain or _tls. Ends with 77 (skipped) when a program is missing.
Whatever happens, no process is left, and the ports are free.
"""

import ctypes
import errno
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

SKIPPED = 77
BIG = bytes(range(256)) * 39063
BIG = BIG[:10_000_000]
CHECKSUM = zlib.crc32(BIG)

NGINX = """\
daemon off; master_process off; error_log stderr error; pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; default_type application/octet-stream; types {{ text/html shtml; }}
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 127.0.0.1:{port} {tls}; server_name localhost; root {folder}/root;
        {certificates}
        location / {{ }}
        location ~ \\.shtml$ {{ ssi on; }}
        location = /count {{ return 200 "request $connection_requests"; }}
    }}
}}
"""


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(SKIPPED)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"there is no {program} (scripts/install_packages)")


def expect(holds, what, shown=""):
    if not holds:
        sys.exit(f"{shown}\n---- failed: {what}")


def run(*command, timeout=120):
    """Never for longer than that; what the program said is in the result."""
    return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False)


def expect_free(port):
    with socket.socket() as probe:
        expect(probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED, f"nobody listens on port {port} any more")


def make_certificate(folder):
    """A certificate for localhost that has signed itself, and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", chain, "-keyout", key)
    expect(made.returncode == 0, "openssl makes a certificate", made.stderr.decode())
    return chain, key


# ---- the servers ------------------------------------------------------------------------------------------------------

@contextmanager
def terminated_at_the_end(process, port_of=lambda process: None):
    """Ends it by SIGTERM, and by force if it does not listen; its exit code must be 0 if all went well."""
    port = None
    try:
        port = port_of(process)
        yield port
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
        expect(code == 0, f"{process.args[0]} ends with {code} after SIGTERM")
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
    if port is not None:
        expect_free(port)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_listener(process, port):
    for _ in range(1000):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except ConnectionRefusedError:
            time.sleep(0.01)
    sys.exit("---- failed: nginx does not listen")


@contextmanager
def nginx(folder, certificate):
    root = folder / "root"
    root.mkdir()
    (root / "big").write_bytes(BIG)
    (root / "medium").write_bytes(b"m" * 300_000)
    (root / "included.txt").write_text("included\n", encoding="ascii")
    (root / "chunked.shtml").write_text(
        "a" * 100_000 + '<!--#include virtual="/included.txt" -->' + "z" * 100_000, encoding="ascii")
    certificates = "ssl_certificate {}; ssl_certificate_key {};".format(*certificate) if certificate else ""
    for _ in range(5):  # somebody else may take the port between finding it and listening
        port = free_port()
        (folder / "nginx.conf").write_text(
            NGINX.format(folder=folder, port=port, tls="ssl" if certificate else "", certificates=certificates),
            encoding="ascii")
        process = subprocess.Popen(["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"],
                                   stdin=subprocess.DEVNULL)
        if wait_for_listener(process, port):
            with terminated_at_the_end(process, lambda _: port):
                yield port
            return
        process.wait()
    sys.exit("---- failed: nginx does not start")


@contextmanager
def our_server(program, certificate):
    process = subprocess.Popen(list(map(str, [program, *(certificate or [])])), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))  # it dies with this program
    with terminated_at_the_end(process, lambda process: int(process.stdout.readline() or 0)) as port:
        expect(port, "our server starts")
        yield port


# ---- the cases --------------------------------------------------------------------------------------------------------

def client_case(client, _, folder, certificate):
    need("nginx")
    with nginx(folder, certificate) as port:
        ran = run(client, port, certificate[0] if certificate else "", CHECKSUM)
        expect(ran.returncode == 0, "our client gets along with nginx", ran.stderr.decode())


def curl_case(_, server, folder, certificate):
    need("curl")
    body = folder / "body"
    body.write_bytes(BIG)
    scheme = "https" if certificate else "http"
    wanted = f"{len(BIG)} {CHECKSUM}\n".encode()
    with our_server(server, certificate) as port:
        site = f"{scheme}://localhost:{port}"
        trust = ["--cacert", certificate[0]] if certificate else []

        def curl(*arguments):
            ran = run("curl", "-sS", "-v", "--http1.1", "--noproxy", "*", "--max-time", "60", *trust, *arguments)
            expect(ran.returncode == 0, f"curl {' '.join(map(str, arguments))}", ran.stderr.decode(errors="replace"))
            return ran.stdout, ran.stderr.decode(errors="replace")

        said, log = curl(f"{site}/", f"{site}/", "-w", "%{num_connects} ")
        expect(said == b"hello\n1 hello\n0 ", f"one connection for two requests: {said!r}", log)
        said, log = curl(f"{site}/big")
        expect(said == b"b" * 10_000_000, f"a big answer of {len(said)} bytes", log)
        said, log = curl(f"{site}/chunked")
        expect(said == b"c" * 100_000, f"a chunked answer of {len(said)} bytes", log)
        said, log = curl("-H", "Expect: 100-continue", "--data-binary", f"@{body}", f"{site}/checksum")
        expect(said == wanted, f"a big body arrives: {said!r}", log)
        expect("< HTTP/1.1 100 Continue" in log, "curl is told to continue", log)
        said, log = curl("-H", "Expect:", "--data-binary", f"@{body}", f"{site}/checksum", "--next", *trust, f"{site}/")
        expect(said == wanted + b"hello\n", f"a big body arrives at once: {said!r}", log)
        said, log = curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{body}", f"{site}/checksum")
        expect(said == wanted, f"a chunked body arrives: {said!r}", log)
        said, _ = curl("-o", "/dev/null", "-w", "%{http_code}", f"{site}/nothing")
        expect(said == b"404", f"what is not there: {said!r}")
        if certificate:
            ran = run("curl", "-sS", "--noproxy", "*", "--max-time", "60", f"{site}/")
            expect(ran.returncode == 60, f"curl refuses a certificate that it does not know: {ran.returncode}")
        said, log = curl("--http1.0", "--no-alpn", f"{site}/")
        expect(said == b"hello\n", f"HTTP 1.0: {said!r}", log)


def wrk_case(_, server, __, certificate):
    need("wrk")
    scheme = "https" if certificate else "http"
    with our_server(server, certificate) as port:
        ran = run("wrk", "-t1", "-c100", "-d2s", "--timeout", "30s", f"{scheme}://localhost:{port}/")
        said = ran.stdout.decode()
        expect(ran.returncode == 0, "wrk runs", said + ran.stderr.decode())
        requests = re.search(r"(\d+) requests in", said)
        expect(requests and int(requests[1]) > 0, "wrk gets answers", said)
        expect("Socket errors" not in said and "Non-2xx" not in said, "wrk meets no errors", said)


def main():
    case, client, server = sys.argv[1:]
    what, _, transport = case.partition("_")
    need("openssl")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make_certificate(folder) if transport == "tls" else None
        {"client": client_case, "curl": curl_case, "wrk": wrk_case}[what](client, server, folder, certificate)
    print(f"{case}: as it should be")


main()
