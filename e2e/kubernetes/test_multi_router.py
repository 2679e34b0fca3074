"""The multi-router pages, step by step, as documented."""

import pytest

pytestmark = pytest.mark.parametrize("cluster", ["bird", "frr"], indirect=True)


def test_page(documented):
    documented.wait_documented()
