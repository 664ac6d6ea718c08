"""Hosts of a network on one machine: network namespaces, each with a cable to a switch in one of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import uuid

__all__ = ["Network", "missing"]


def missing() -> str:
    """What is missing here for making network namespaces; empty if nothing is."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the command `ip` is missing (apt-get install iproute2)"
    name = f"dmfx{uuid.uuid4().hex[:6]}"
    try:
        for command in (
            f"netns add {name}",
            f"-n {name} link add br0 type bridge",
            f"-n {name} link add veth0 type veth peer name veth1",
        ):
            made = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
            if made.returncode:
                return f"`ip {command}` says {made.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return ""


class Network:
    """Hosts h0, h1, ... that reach each other, until a cable is cut; nothing else is reached from them.

    Parameters
    ----------
    hosts
        How many.
    """

    def __init__(self, hosts: int):
        self._prefix = f"dmfx{uuid.uuid4().hex[:6]}"
        self._switch = f"{self._prefix}s"
        self._hosts = range(hosts)

    def __enter__(self) -> Network:
        atexit.register(self.end)
        try:
            _ip(f"netns add {self._switch}")
            _ip(f"-n {self._switch} link add bridge type bridge")
            _ip(f"-n {self._switch} link set bridge up")
            for host in self._hosts:
                self._plug_in(host)
            self._introduce()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        atexit.unregister(self.end)

    def end(self) -> None:
        """Remove all of it."""
        for name in (*map(self.name, self._hosts), self._switch):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def address(self, host: int) -> str:
        """Address of a host."""
        return f"10.77.0.{host + 1}"

    def name(self, host: int) -> str:
        """Name of the network namespace of a host."""
        return f"{self._prefix}h{host}"

    def cut(self, host: int, *, silently: bool = False) -> None:
        """Cut the cable of a host: the link goes down; or silently, all packets being lost with the link up."""
        if silently:
            _ip(f"-n {self._switch} link set port{host} nomaster")
        else:
            _ip(f"-n {self.name(host)} link set eth down")

    def mend(self, host: int) -> None:
        """Undo `cut`."""
        _ip(f"-n {self.name(host)} link set eth up")
        _ip(f"-n {self._switch} link set port{host} master bridge")
        self._introduce()

    def _plug_in(self, host: int) -> None:
        name = self.name(host)
        _ip(f"netns add {name}")
        _ip(f"-n {name} link set lo up")
        _ip(f"-n {name} link add eth type veth peer name port{host} netns {self._switch}")
        _ip(f"-n {self._switch} link set port{host} master bridge up")
        _ip(f"-n {name} addr add {self.address(host)}/24 dev eth")
        _ip(f"-n {name} link set eth up")

    def _introduce(self) -> None:
        """Tell all hosts the hardware addresses of the others: packets to a lost one then vanish without an error."""
        hardware = {host: self._hardware(host) for host in self._hosts}
        for host in self._hosts:
            for other, address in hardware.items():
                if other != host:
                    name, where = self.name(host), self.address(other)
                    # A link that is down has no neighbours; `mend` tells them again.
                    _ip(f"-n {name} neigh replace {where} lladdr {address} dev eth nud permanent")

    def _hardware(self, host: int) -> str:
        return _ip(f"-n {self.name(host)} -br link show eth").split()[2]


def _ip(command: str) -> str:
    made = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"`ip {command}` says {made.stderr.strip()}")
    return made.stdout
