import pytest

from nbmerge.errors import ArgumentError
from nbmerge.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5GB", 5_000_000_000),
        ("2000MiB", 2000 * 2**20),
        ("1.5 KiB", 1536),
        ("0.1gb", 100_000_000),
        (" 7 ", 7),
        ("12B", 12),
        (500, 500),
    ],
)
def test_a_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5 G", "5 tons", "-1GB", "1e9", "GB", "0", "0.1B", "٣GB", "1,5GB", True, None])
def test_junk_is_refused_with_the_units(text):
    with pytest.raises(ArgumentError, match="kB, MB, GB, KiB, MiB, GiB"):
        parse_size(text)
