"""The servers that check.sh sets the program against, each on a loopback port of its own.

Prints one line `name=port ...` and then serves until its standard input ends, so that it cannot outlive the script.
"""

import select
import socket
import struct
import sys
import threading

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
hold_open = []


def read_request(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more:
            return b""
        received += more
    return received


def echo(connection):
    target = read_request(connection).split(b" ")[1]
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(target) + target)


def missing(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")


def until_close(connection):
    read_request(connection)
    connection.sendall(HEAD + b"\r\n" + b"x" * 1234)


def reset(connection):
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection):
    read_request(connection)
    hold_open.append(connection.dup())


def drip(connection):
    read_request(connection)
    connection.sendall(HEAD)
    # Always one more header byte, never long quiet: only a deadline for the whole request ends this.
    while not select.select([connection], [], [], 0.02)[0]:
        connection.sendall(b"x")


def garbage(connection):
    read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def bad_chunk(connection):
    read_request(connection)
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")


def endless_header(connection):
    read_request(connection)
    connection.sendall(HEAD + b"X-Long: " + b"y" * 100_000)


def mute(connection):
    read_request(connection)


def cut(connection):
    read_request(connection)
    connection.sendall(HEAD + b"Content-Length: 100\r\n\r\nonly this")


def huge(connection):
    read_request(connection)
    connection.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")


def firehose(connection):
    read_request(connection)
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"z" * 0x1000 + b"\r\n")


answered_once = False


def once(connection):
    """Answers the first request and no other."""
    global answered_once
    if answered_once:
        silent(connection)
    else:
        answered_once = True
        echo(connection)


together = threading.Condition()
gate_visitors = 0
gate_is_open = False


def gate(connection):
    """Answers nobody until three requests wait at the same time."""
    global gate_visitors, gate_is_open
    read_request(connection)
    with together:
        gate_visitors += 1
        gate_is_open = gate_is_open or gate_visitors == 3
        together.notify_all()
        while not gate_is_open:
            together.wait(0.01)
            if select.select([connection], [], [], 0)[0]:  # the client gave up
                gate_visitors -= 1
                return
    connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")


def serve(listener, behave):
    def handle(connection):
        with connection:
            try:
                behave(connection)
            except OSError:
                pass  # the client went away, as it may

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def bound():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def main():
    ports = []
    for behave in (echo, missing, until_close, reset, silent, drip, garbage, bad_chunk, endless_header, mute, cut, huge,
                   firehose, once, gate):
        listener = bound()
        listener.listen(64)
        threading.Thread(target=serve, args=(listener, behave), daemon=True).start()
        ports.append(f"{behave.__name__}={listener.getsockname()[1]}")
    closed = bound()  # bound but not listening: nobody else can take the port, and every connection is refused
    ports.append(f"closed={closed.getsockname()[1]}")
    print(*ports, flush=True)
    sys.stdin.read()


main()
