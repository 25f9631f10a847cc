from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.auth.ip import IpProvider, identity_of
from zoo.tree.acl import Identity, Peer

ip = IpProvider()

# Both tables hold the answers of ZooKeeper 3.9.5's IPAuthenticationProvider.
VALID = [
    ("1.2.3.4", True),
    ("1.2.3.4/0", True),
    ("1.2.3.4/32", True),
    ("1.2.3.4/33", False),
    ("1.2.3.4/-1", False),
    ("1.2.3.4/+8", True),
    ("1.2.3.4/", False),
    ("1.2.3.4/8/8", False),
    ("/8", False),
    ("", False),
    ("1.2.3", False),
    ("1.2.3.4.5", False),
    ("1.2.3.256", False),
    ("1.2.3.-1", False),
    ("+1.2.3.-0", True),
    ("01.002.3.4", True),
    ("1.2.3.", False),
    ("1.2.3.4 ", False),
    (" 1.2.3.4", False),
    ("1.2.3.a", False),
    ("0x1.2.3.4", False),
    ("1.2.3.\u0664", True),
    ("1234", False),
    ("localhost", False),
    ("::", True),
    ("::1", True),
    ("::1/128", True),
    ("::1/129", False),
    ("1::", True),
    ("1:2:3:4:5:6:7:8", True),
    ("1:2:3:4:5:6:7", False),
    ("1:2:3:4:5:6:7:8:9", False),
    ("1:2:3:4:5:6:7::", True),
    ("1::2:3:4:5:6:7:8", False),
    ("1::2::3", False),
    (":::", False),
    ("1:::2", False),
    (":1:2:3:4:5:6:7", False),
    ("fe80::1%eth0", False),
    ("::ffff:1.2.3.4", False),
    ("::12345", False),
    ("::g", False),
    ("::-1", True),
    ("::+1", True),
    ("::FFFF", True),
    ("2001:DB8::/32", True),
    ("2001:db8::/", False),
    ("::/0", True),
    ("::1/1/2", False),
    ("a.b:c", False),
    ("::\u0661", True),
    ("::1_0", False),
    ("1_0.0.0.1", False),
]
MATCHES = [
    ("10.0.0.1", "10.0.0.1", True),
    ("10.0.0.1", "10.0.0.2", False),
    ("10.1.2.3", "10.0.0.0/8", True),
    ("11.1.2.3", "10.0.0.0/8", False),
    ("10.1.2.3", "10.9.9.9/8", True),
    ("192.168.129.7", "192.168.128.0/17", True),
    ("192.168.127.7", "192.168.128.0/17", False),
    ("1.2.3.4", "0.0.0.0/0", True),
    ("1.2.3.4", "9.9.9.9/0", True),
    ("1.2.3.4", "1.2.3.5/31", True),
    ("1.2.3.4", "1.2.3.4/33", False),
    ("1.2.3.4", "1.2.3.4/x", False),
    ("1.2.3.4", "1.2.3.4/", False),
    ("1.2.3.4", "junk", False),
    ("junk", "1.2.3.4", False),
    ("1.2.3.4", "::/0", False),
    ("0:0:0:0:0:0:0:1", "0.0.0.0/0", False),
    ("0:0:0:0:0:0:0:1", "::1", True),
    ("::1", "0:0:0:0:0:0:0:1", True),
    ("0:0:0:0:0:0:0:2", "::1", False),
    ("2001:db8:0:0:0:0:0:5", "2001:db8::/32", True),
    ("2001:db9:0:0:0:0:0:5", "2001:db8::/32", False),
    ("2001:db9:0:0:0:0:0:5", "2001:db8::/31", True),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", True),
    ("2001:db8:1:3:3:4:5:6", "2001:db8:1:2::/64", False),
    ("2001:db8:1:2:8000:0:0:0", "2001:db8:1:2:ffff::/65", True),
    ("fe80:0:0:0:0:0:0:1%eth0", "fe80::/10", False),
    ("fe80:0:0:0:0:0:0:1", "fe80::/10", True),
    ("1.2.3.4", "::ffff:102:304", False),
    ("0:0:0:0:0:ffff:102:304", "1.2.3.4", False),
    ("01.2.3.4", "1.2.3.4", True),
    ("::ffff", "::-1", True),
    ("ffff:0:0:0:0:0:0:0", "-1::", True),
]


@pytest.mark.parametrize(("id", "valid"), VALID)
def test_which_ids_an_acl_may_hold(id: str, valid: bool) -> None:
    assert ip.is_valid(id) is valid


@pytest.mark.parametrize(("identity", "expression", "matches"), MATCHES)
def test_whom_an_expression_means(identity: str, expression: str, matches: bool) -> None:
    assert ip.matches(identity, expression) is matches


# What Java's InetAddress.getHostAddress() says.
SPELLINGS = [
    ("1.2.3.4", "1.2.3.4"),
    ("::1", "0:0:0:0:0:0:0:1"),
    ("fe80::a:0:1", "fe80:0:0:0:0:a:0:1"),
    ("2001:db8::", "2001:db8:0:0:0:0:0:0"),
    ("::ffff:1.2.3.4", "1.2.3.4"),
    ("::1.2.3.4", "0:0:0:0:0:0:102:304"),
]


@pytest.mark.parametrize(("peer_ip", "spelling"), SPELLINGS)
def test_addresses_are_spelled_as_java_spells_them(peer_ip: str, spelling: str) -> None:
    assert identity_of(peer_ip) == Identity("ip", spelling)
    assert ip.authenticate(b"ignored", Peer(peer_ip)) == [Identity("ip", spelling)]
    assert ip.user_name(spelling) == spelling


def test_what_is_not_an_address_stays_as_it_is() -> None:
    assert identity_of("fe80::1%eth0") == Identity("ip", "fe80:0:0:0:0:0:0:1%eth0")
    assert identity_of("local") == Identity("ip", "local")


def test_an_address_alone_does_not_stand_in_for_auth() -> None:
    assert not ip.is_authenticated


def _check_prefix(peer: str, network: str, bits: int) -> None:
    inside = ipaddress.ip_address(peer) in ipaddress.ip_network((network, bits), strict=False)
    assert ip.matches(peer, f"{network}/{bits}") is inside


v4 = st.ip_addresses(v=4).map(str)
v6 = st.ip_addresses(v=6).map(lambda address: address.exploded)


@given(v4, v4, st.integers(0, 32))
def test_ipv4_prefixes_agree_with_the_standard_library(peer: str, other: str, bits: int) -> None:
    _check_prefix(peer, other, bits)
    _check_prefix(peer, peer, bits)


@given(v6, v6, st.integers(0, 128))
def test_ipv6_prefixes_agree_with_the_standard_library(peer: str, other: str, bits: int) -> None:
    _check_prefix(peer, other, bits)
    _check_prefix(peer, peer, bits)
    near = str(ipaddress.ip_address(int(ipaddress.ip_address(peer)) ^ 1 << 64))
    _check_prefix(peer, ipaddress.ip_address(near).exploded, bits)


@given(st.text(), st.text())
def test_any_text_is_judged(identity: str, expression: str) -> None:
    assert not (ip.matches(identity, expression) and not ip.is_valid(expression))


def test_absurdly_long_numbers_are_refused() -> None:
    assert not ip.is_valid("1.2.3." + "9" * 10_000)
    assert not ip.is_valid("1.2.3.4/" + "9" * 10_000)
