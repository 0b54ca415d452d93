import pytest
@pytest.mark.parametrize("i", range(8))
def test_x(database, i): assert database.server_version>=180000
