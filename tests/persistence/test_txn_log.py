from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.persistence.history import entry, log_bytes, reader
from zoo.persistence import txn_log
from zoo.persistence.txn_log import (
    FILE_HEADER,
    CorruptLog,
    LogScanner,
    encode_entries,
    encode_entry,
)

RECORD = len(encode_entry(entry(1, b"x" * 20)))


@pytest.fixture(params=[64, 1 << 20], ids=["tiny-chunks", "one-chunk"], autouse=True)
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(txn_log, "CHUNK", request.param)


def scan(content: bytes, at_most: int = 1 << 30) -> tuple[list[int], LogScanner]:
    scanner = LogScanner(reader(content, at_most), "log.1")
    return [zxid for zxid, _, _ in scanner], scanner


def test_the_bytes_of_a_log() -> None:
    assert FILE_HEADER.hex() == "5a4b4c4700000002" + "00" * 8
    framed = encode_entry(b"Wikipedia")
    assert framed == bytes.fromhex("0000000011e60398 00000009") + b"WikipediaB"


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 99), st.integers(1, 500))
def test_what_is_written_is_read(bodies: list[bytes], padding: int, at_most: int) -> None:
    entries = [entry(i + 1, body) for i, body in enumerate(bodies)]
    records = [encode_entry(e) for e in entries]
    content = FILE_HEADER + b"".join(records)
    scanner = LogScanner(reader(content + bytes(padding), at_most), "log.1")
    found = list(scanner)
    assert [e for _, _, e in found] == entries
    assert [zxid for zxid, _, _ in found] == list(range(1, len(bodies) + 1))
    assert [content[o : o + len(r)] for (_, o, _), r in zip(found, records)] == records
    assert scanner.end == len(content)
    assert scanner.torn is None


@pytest.mark.parametrize("padding", [0, 500])
def test_torn_at_every_byte_of_the_last_three_records(padding: int) -> None:
    whole = log_bytes(range(1, 7))
    for cut in range(len(whole) - 3 * RECORD, len(whole)):
        zxids, scanner = scan(whole[:cut] + bytes(padding))
        complete = (cut - len(FILE_HEADER)) // RECORD
        assert zxids == list(range(1, complete + 1))
        assert scanner.end == len(FILE_HEADER) + complete * RECORD
        if any(whole[scanner.end : cut]):
            assert scanner.torn is not None
            assert scanner.torn.offset == scanner.end
            assert scanner.torn.lost == len(whole[scanner.end : cut].rstrip(b"\0"))
        else:
            assert scanner.torn is None


def test_a_flipped_bit_at_every_byte_of_a_middle_record_is_corruption() -> None:
    whole = log_bytes(range(1, 6), padding=300)
    start = len(FILE_HEADER) + 2 * RECORD
    for position in range(start, start + RECORD):
        for bit in (1, 0x10, 0x80):
            damaged = bytearray(whole)
            damaged[position] ^= bit
            with pytest.raises(CorruptLog) as caught:
                scan(bytes(damaged))
            assert caught.value.offset == start
            assert "log.1: at byte" in str(caught.value)
            assert f"byte {start + RECORD}" in caught.value.reason


@pytest.mark.parametrize("padding", [0, 100])
def test_a_flipped_bit_in_the_last_record_is_corruption(padding: int) -> None:
    """It was whole, so it may have been acknowledged."""
    whole = log_bytes(range(1, 4), padding=padding)
    start = len(FILE_HEADER) + 2 * RECORD
    for bit in range(start * 8, (start + RECORD) * 8):
        damaged = bytearray(whole)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(CorruptLog, match="has changed since") as caught:
            scan(bytes(damaged))
        assert caught.value.offset == start


def test_a_last_record_that_lacks_a_sector_is_torn() -> None:
    whole = log_bytes([1], padding=100)[: len(FILE_HEADER) + RECORD]
    entry = encode_entry(bytes(12) + (2).to_bytes(8, "big") + bytes(range(1, 251)) * 8)
    log = bytearray(whole + entry + bytes(100))
    log[1024:1536] = bytes(512)
    zxids, scanner = scan(bytes(log))
    assert zxids == [1]
    assert scanner.torn is not None
    log[1100] = 1
    with pytest.raises(CorruptLog, match="has changed since"):
        scan(bytes(log))


def test_a_zeroed_page_before_valid_records_is_corruption() -> None:
    whole = bytearray(log_bytes(range(1, 30), padding=5000))
    start = len(FILE_HEADER) + 5 * RECORD
    whole[start : start + 10 * RECORD] = bytes(10 * RECORD)
    with pytest.raises(CorruptLog, match=f"at byte {start}"):
        scan(bytes(whole))


def test_garbage_behind_the_padding_is_torn() -> None:
    whole = log_bytes([1, 2])
    zxids, scanner = scan(whole + bytes(200) + b"\x07" + bytes(50))
    assert zxids == [1, 2]
    assert scanner.torn is not None
    assert (scanner.torn.offset, scanner.torn.lost) == (len(whole), 201)


def test_zeros_that_cross_windows_are_clean() -> None:
    zxids, scanner = scan(log_bytes([1], padding=3000), at_most=50)
    assert zxids == [1]
    assert scanner.torn is None


@pytest.mark.parametrize("size", range(16))
@pytest.mark.parametrize("padding", [0, 4000])
def test_an_incomplete_header_is_torn(size: int, padding: int) -> None:
    zxids, scanner = scan(FILE_HEADER[:size] + bytes(padding))
    assert zxids == []
    if size >= 8 and padding:  # the rest of the header is zeros anyway
        assert scanner.torn is None
    else:
        assert scanner.torn is not None
        assert scanner.torn.offset == 0


@pytest.mark.parametrize("content", [b"not a log at all", b"ZKSN\0\0\0\2" + bytes(8), b"\1"])
def test_another_file_is_not_a_torn_log(content: bytes) -> None:
    with pytest.raises(CorruptLog, match="not a transaction log"):
        scan(content)


def test_a_lost_header_before_records_is_corruption() -> None:
    with pytest.raises(CorruptLog, match="valid one follows"):
        scan(bytes(16) + log_bytes([1, 2])[16:])


def test_an_impossible_length_does_not_make_us_read_on() -> None:
    asked = []
    content = reader(log_bytes([1]) + bytes(8) + b"\x7f\xff\xff\xff" + bytes(40))

    def read(n: int) -> bytes:
        asked.append(n)
        return content(n)

    scanner = LogScanner(read, "log.1")
    assert len(list(scanner)) == 1
    assert scanner.torn is not None
    assert "2147483647" in scanner.torn.reason
    assert max(asked) <= txn_log.CHUNK


def test_a_batch_is_its_records_joined() -> None:
    entries = [bytes([n]) * n for n in range(40, 60)]
    assert encode_entries(entries) == b"".join(map(encode_entry, entries))
    assert encode_entries([]) == b""
