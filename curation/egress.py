"""Which addresses this installation opens connections to: an owner who types a provider's URL must not reach the
database, the cloud's metadata or a neighbour's machine through it.

What counts is the address a name has now: it is judged when the URL is saved and again when a connection is opened, and
the connection goes to the address that was judged. Redirects are followed nowhere. Pure: neither Django nor rows.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

# What the registries of special-purpose addresses keep for other uses than a public host, with multicast, and with the
# ways to write an IPv4 address in an IPv6 one. `ipaddress.is_global` lets several of them through.
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32"),
        *("2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


class AddressRefused(OSError):
    """A connection that is not opened. The message names the rule, never the address a name has."""


@dataclass(frozen=True)
class Reach:
    """Public addresses, and those in `networks`; everything, where `is_everywhere`."""

    networks: tuple[Network, ...] = ()
    is_everywhere: bool = False

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Once: every call asks for it, and networks take their time to make it."""
        return hash((self.networks, self.is_everywhere))

    @classmethod
    def of(cls, networks: Iterable[str]) -> Self:
        """Networks as people write them: 10.1.0.0/16, or one address. Raises ValueError for what is none."""
        return cls(tuple(ip_network(text, strict=False) for text in networks))

    def check_url(self, url: str) -> None:
        """Raises AddressRefused for a URL nobody may save: a private address, or a key sent in clear over the internet.

        A name that has no address yet passes: every connection is judged again.
        """
        parts = urlsplit(url)
        try:
            addresses = self.resolve(parts.hostname or "", parts.port or 443)
        except AddressRefused:
            raise
        except OSError:
            return
        if parts.scheme == "http" and not all(self._is_ours(address) for address in addresses):
            raise AddressRefused("Use https: over http the key and the texts could be read on the way.")

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses a host has now, all of which may be called. Raises OSError, AddressRefused among it."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label that is empty or too long
            raise OSError("This host has no address.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self.check(address)
        return addresses

    def check(self, address: str) -> None:
        """Raises AddressRefused for an address (in numbers) that may not be called."""
        if not self._is_ours(address) and _is_special(address):
            raise AddressRefused(
                "This is an address of a private network, which is not called. Who runs this installation can allow "
                "its network with CURATION_PRIVATE_PROVIDERS."
            )

    def _is_ours(self, address: str) -> bool:
        return self.is_everywhere or any(_plain(address) in network for network in self.networks)


EVERYWHERE = Reach(is_everywhere=True)


def _is_special(address: str) -> bool:
    return any(_plain(address) in network for network in _SPECIAL)


def _plain(address: str) -> IPv4Address | IPv6Address:
    """The address meant: an IPv4 address written as an IPv6 one is that IPv4 address, and a zone is no part of it."""
    found = ip_address(address.partition("%")[0])
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
