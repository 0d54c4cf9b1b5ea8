"""Where a provider's URL may lead, whoever typed it and whatever its name is looked up to."""

import openai
import pytest
from django.core.exceptions import ValidationError

from curation.egress import AddressRefused, Reach
from curation.models import Provider

from .conftest import wire
from .servers import running_recorder, running_web
from .stub import Stub

REFUSED = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "①②⑦.0.0.1", "0.0.0.0", "10.1.2.3"),
    *("169.254.169.254", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.88.99.1", "224.0.0.1", "255.255.255.255"),
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2001::1", "fe80::1", "fec0::1", "fd00::1", "ff02::1", "2001:db8::1"),
]


@pytest.mark.parametrize("host", REFUSED)
def test_no_way_to_write_a_private_address_is_called(host):
    with pytest.raises(AddressRefused):
        Reach().resolve(host, 443)


@pytest.mark.parametrize("host", ["1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_called(host):
    assert Reach().resolve(host, 443)


def test_a_network_that_was_allowed_is_called_and_nothing_beside_it():
    reach = Reach.of(["10.20.0.0/16", "fd00::/8"])
    assert reach.resolve("10.20.3.4", 80) == ["10.20.3.4"]
    assert reach.resolve("::ffff:10.20.3.4", 80)
    with pytest.raises(AddressRefused):
        reach.resolve("10.21.3.4", 80)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254/v1", "private network"),
        ("https://[::ffff:169.254.169.254]/v1", "private network"),
        ("https://2852039166/v1", "private network"),
        ("http://1.1.1.1/v1", "Use https"),
    ],
)
def test_such_an_address_cannot_be_saved(project, url, words):
    provider = Provider(project=project, name="Elsewhere", base_url=url, base_model="m")
    with pytest.raises(ValidationError, match=words):
        provider.full_clean()
    provider.vouched_url = "https://api.example.com/v1"  # of another address than the one that was typed since
    with pytest.raises(ValidationError, match=words):
        provider.full_clean()
    provider.vouched_url = url
    provider.full_clean()


def test_an_address_of_a_private_network_is_not_called_by_the_gateway(committed_db: None, stub: Stub, own_home, ask):
    with running_web(own_home, CURATION_PRIVATE_PROVIDERS="10.0.0.0/8") as server, running_recorder(own_home):
        wired = wire(stub, server)
        with pytest.raises(openai.InternalServerError) as caught:
            ask(wired.client())
        assert (caught.value.status_code, caught.value.code) == (502, "address_refused")
        assert "127.0.0.1" not in str(caught.value)
        assert stub.seen == []
        provider = wired.project.default_provider
        assert provider
        provider.vouched_url = provider.base_url
        provider.save()
        assert ask(wired.client())
