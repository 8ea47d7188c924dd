"""One product for all end-to-end tests, started as people start it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.product import Product, running


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The whole product with the extractive reader; leases are short, so that tests are."""
    with running(PHI3_MODEL="extractive", PHI3_INGEST_LEASE_S="10") as started:
        yield started
