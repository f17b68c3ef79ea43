import pytest
from domain import Domain
from mirror import PROGRAM, Server


@pytest.fixture
def make_domain():
    """Creates domains and ends them after the test."""
    made = []

    def make(**options):
        made.append(Domain(**options))
        return made[-1]
    yield make
    for one in reversed(made):
        one.close()


@pytest.fixture
def domain(make_domain):
    return make_domain()


@pytest.fixture(scope="module")
def shared():
    """A domain with one node for tests without side effects."""
    one = Domain()
    try:
        one.worker = one.node(providers=[("shared-file-log-1", "file-log")]).join()
        yield one
        assert one.alive(), one.log()
    finally:
        one.close()


@pytest.fixture(scope="session")
def redis_server():
    if PROGRAM is None:
        pytest.skip("no redis-server is installed")
    server = Server()
    yield server
    server.close()


@pytest.fixture
def database(redis_server):
    return redis_server.database()
