"""docs/limits.md tells operators the numbers of `service_kit.limits`."""

from pathlib import Path

from service_kit import limits

PAGE = Path(__file__).parent.parent.parent / "docs" / "limits.md"
UNITS = {"KIB", "MIB"}


def test_page_of_limits_has_every_limit_with_its_number() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    told = {row[1].strip("`"): int(row[2].split()[0].replace(",", "")) for row in rows}
    assert told == {name: value for name, value in vars(limits).items() if name.isupper() and name not in UNITS}
