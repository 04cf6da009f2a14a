"""A place in, a running server out: in this process for `prefrl rank`, or as ``python -m prefrl_human.serving`` for a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import uvicorn

from prefrl.errors import ConfigError, PrefrlError
from prefrl_human.app import Desk
from prefrl_human.clips import Renderer
from prefrl_human.guard import Guard
from prefrl_human.people import Doorkeeper
from prefrl_human.place import Place
from prefrl_human.session import Session

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
NEXT_PORTS = 20  # tried where the configured one is taken, e.g. by another run


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is, and the personal links; a link is None for those who have theirs already."""

    url: str
    links: dict[str, str | None]

    def lines(self) -> list[str]:
        """For a person who starts a session."""
        if not self.links:
            return [f"rank clips at {self.url}"]
        shown = [
            f"  {name}: {link or 'has a link already (--renew NAME makes another)'}"
            for name, link in self.links.items()
        ]
        return ["rank clips by personal links, each shown once:", *shown]


def serve(
    place: Place,
    started: Callable[[Address], None],
    *,
    renew: Sequence[str] = (),
    stop: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Serve until interrupted. `started` is told where; `stop` is given what ends the server. Raises `PrefrlError`."""
    options = place.options
    with place.store() as store, closing(_listen(options.host, options.port)) as listening:
        session = Session(store, place)
        doorkeeper = Doorkeeper(store, options.host, options.people)
        renderer = Renderer(place)
        desk = Desk(session, place, renderer)
        server = uvicorn.Server(
            uvicorn.Config(
                Guard(desk.app(), doorkeeper, _hosts(options.host, options.hosts)),
                log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none", http="h11",
                timeout_graceful_shutdown=2, h11_max_incomplete_event_size=32 * 1024,
            )
        )  # fmt: skip
        try:
            if stop is not None:
                stop(lambda: setattr(server, "should_exit", True))
            started(_address(options.host, listening, doorkeeper, renew))
            server.run(sockets=[listening])
        finally:
            renderer.close()
            desk.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + (NEXT_PORTS if port else 1)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), candidate))
            listening.listen(512)
        except OSError as error:
            listening.close()
            if isinstance(error, socket.gaierror) or error.errno not in (98, 48, 10048):  # taken: Linux, macOS, Windows
                raise ConfigError(f"host: the page cannot be served on {host}:{port} ({error.strerror}).") from error
            continue
        return listening
    raise ConfigError(
        f"port: {port} and the {NEXT_PORTS - 1} after it are taken; choose another, or 0 for any free one."
    )


def _hosts(host: str, more: Sequence[str]) -> list[str]:
    """Names under which requests may come; those of this machine where it listens on every address."""
    names = [*LOOPBACK, f"[{host}]" if ":" in host and not host.startswith("[") else host, *more]
    if host in ("0.0.0.0", "::", "[::]"):  # noqa: S104  compared, not bound
        own = socket.gethostname()
        names += [own, f"{own}.local", socket.getfqdn()]
        names += [str(info[4][0]) for info in _addresses(own)]
    return names


def _addresses(name: str) -> Sequence[Any]:
    try:
        return socket.getaddrinfo(name, None, socket.AF_INET)
    except OSError:
        return ()


def _address(host: str, listening: socket.socket, doorkeeper: Doorkeeper, renew: Sequence[str]) -> Address:
    port = listening.getsockname()[1]
    shown = "127.0.0.1" if host in ("localhost", "127.0.0.1") else host
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else shown  # noqa: S104  compared, not bound
    url = f"http://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{port}/"
    tokens = doorkeeper.invite(renew)
    return Address(url, {name: token and f"{url}?token={token}" for name, token in tokens.items()})


def main() -> int:
    """Serve what stdin's first line says until stdin ends; say where, or why not, in one line of JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run that started this decides when to stop
    place = Place.model_validate_json(sys.stdin.readline())

    def say(line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def watch(end: Callable[[], None]) -> None:
        def until_parent_ends() -> None:
            sys.stdin.read()
            end()

        threading.Thread(target=until_parent_ends, daemon=True).start()

    try:
        serve(place, lambda address: say({"url": address.url, "links": address.links}), stop=watch)
    except PrefrlError as error:
        say({"error": str(error), "kind": type(error).__name__})
        return error.exit_code
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
