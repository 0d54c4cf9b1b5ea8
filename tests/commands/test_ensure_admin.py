import re

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.management.base import CommandError

from curation.models import User


def test_a_password_is_made_and_printed_once(manage):
    name, password = manage("ensure_admin").out.splitlines()[-1].split(" ")
    user = authenticate(username=name, password=password)
    assert name == "admin"
    assert user.is_superuser
    assert re.fullmatch(r"(?:[a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", password)
    validate_password(password, user)
    assert manage("ensure_admin") == ("", "")
    assert User.objects.count() == 1


def test_two_installations_have_different_passwords(manage):
    first = manage("ensure_admin").out
    User.objects.all().delete()
    assert manage("ensure_admin").out != first


def test_a_given_password_is_used_and_not_printed(manage, settings):
    settings.ADMIN_PASSWORD = "correct horse battery staple"
    assert manage("ensure_admin") == ("admin\n", "")
    assert authenticate(username="admin", password="correct horse battery staple")


def test_a_weak_given_password_is_taken_with_a_warning(manage, settings):
    settings.ADMIN_PASSWORD = "admin"
    printed = manage("ensure_admin")
    assert printed.out == "admin\n"
    assert "too short" in printed.err


def test_another_administrator_is_enough(manage):
    User.objects.create_superuser("root", password="long enough to pass")
    assert manage("ensure_admin").out == ""


def test_a_person_called_admin_is_not_raised(manage):
    User.objects.create_user("admin", password="long enough to pass")
    with pytest.raises(CommandError, match="no administrator"):
        manage("ensure_admin")
    assert not User.objects.get().is_superuser
