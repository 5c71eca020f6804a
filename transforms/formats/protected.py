"""Workbooks that Office encrypts by itself, with a password that everybody has.

A workbook whose structure is locked, or that is only recommended to be opened read-only, may be kept
encrypted with a password that Office knows and tries; whoever opens it never sees one. These are
read; a workbook with a password of its own stays closed. By Microsoft's own description of the formats
([MS-OFFCRYPTO], [MS-XLS]).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from .model import Unreadable
from .ole import CompoundFile
from .packages import parse_xml, refuse_dtd

_PASSWORD: Final = "VelvetSweatshop".encode("utf-16-le")
_MOST_SPINS: Final = 1_000_000  # Office makes 100,000
_SPINS: Final = 50_000  # of the older way
_SEGMENT: Final = 4096
_FOR_INPUT: Final = bytes.fromhex("fea7d2763b4b9e79")
_FOR_VALUE: Final = bytes.fromhex("d7aa0f6d3061344e")
_FOR_KEY: Final = bytes.fromhex("146e0be7abacd0d6")
_HASHES: Final = frozenset({"SHA1", "SHA256", "SHA384", "SHA512"})
#: What becomes of the password in the oldest way: the two numbers by which it is known, of which the
#: first stands in FILEPASS before the second, and the key that is mixed into records.
_XOR_MARKS: Final = struct.pack("<HH", 0xB359, 0x9A0A)
_XOR_KEY: Final = bytes.fromhex("3c5bd417f01f2813f04bb403c473a420")
#: Every byte with its bits moved round by three places.
_ROTATED: Final = bytes((byte << 3 | byte >> 5) & 0xFF for byte in range(256))
_RC4_BLOCK: Final = 1024
#: Records of an .xls that are never encrypted: BOF, FILEPASS and those of shared workbooks.
_PLAIN_RECORDS: Final = frozenset({0x0809, 0x002F, 0x00E1, 0x0194, 0x0195, 0x0196, 0x0138})
_BOUNDSHEET: Final = 0x0085
_FILEPASS: Final = 0x002F
_WRITEPROTECT: Final = b"\x86\0"


def open_package(container: CompoundFile) -> bytes:
    """Return the package in an encrypted container; raises Unreadable (encrypted, corrupt)."""
    if "EncryptionInfo" not in container:
        raise Unreadable("encrypted")  # in a way that nobody tells
    try:
        info = container.stream("EncryptionInfo")
        package = container.stream("EncryptedPackage")
        (size,) = struct.unpack_from("<Q", package)
        content = package[8:]
        if struct.unpack_from("<HH", info) == (4, 4):
            content = _agile(info[8:], content)
        else:
            content = _standard(info, content)
    except (struct.error, IndexError, ValueError, KeyError, StopIteration) as error:
        raise Unreadable("encrypted") from error
    return content[:size]


def _aes(key: bytes, content: bytes, start: bytes | None) -> bytes:
    """AES in chained blocks from ``start`` on, or in single blocks; what is no whole block is cut."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    mode = modes.ECB() if start is None else modes.CBC(start)
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    return decryptor.update(content[: len(content) // 16 * 16]) + decryptor.finalize()


@dataclass(frozen=True)
class _Way:
    """How a part of a package is encrypted, by the attributes of an element."""

    salt: bytes
    key_bytes: int
    block: int
    hash_name: str

    @classmethod
    def of(cls, element: etree._Element) -> _Way:
        name = element.get("hashAlgorithm", "").replace("-", "").upper()
        chained = element.get("cipherChaining") == "ChainingModeCBC"
        if name not in _HASHES or not chained or element.get("cipherAlgorithm") != "AES":
            raise ValueError("a way that is not known")
        return cls(
            base64.b64decode(element.get("saltValue", "")),
            int(element.get("keyBits", "")) // 8,
            int(element.get("blockSize", "")),
            name.lower(),
        )

    def digest(self, *parts: bytes) -> bytes:
        return hashlib.new(self.hash_name, b"".join(parts)).digest()

    def fitted(self, digest: bytes, size: int) -> bytes:
        return digest[:size].ljust(size, b"\x36")


def _agile(xml: bytes, content: bytes) -> bytes:
    """Return what Office since 2010 encrypts; raises ValueError where the password is another one."""
    refuse_dtd(xml)
    root = parse_xml(xml, "EncryptionInfo")
    of_data = _Way.of(next(root.iter("{*}keyData")))
    keeper = next(root.iter("{*}encryptedKey"))
    of_key = _Way.of(keeper)
    spins = int(keeper.get("spinCount", ""))
    if not 0 <= spins <= _MOST_SPINS:
        raise ValueError("too many rounds")
    digest = of_key.digest(of_key.salt, _PASSWORD)
    for spin in range(spins):
        digest = of_key.digest(struct.pack("<I", spin), digest)

    def kept(name: str, purpose: bytes) -> bytes:
        key = of_key.fitted(of_key.digest(digest, purpose), of_key.key_bytes)
        start = of_key.fitted(of_key.salt, of_key.block)
        return _aes(key, base64.b64decode(keeper.get(name, "")), start)

    tried = of_key.digest(kept("encryptedVerifierHashInput", _FOR_INPUT)[: len(of_key.salt)])
    _refuse_other(tried, kept("encryptedVerifierHashValue", _FOR_VALUE))
    key = kept("encryptedKeyValue", _FOR_KEY)[: of_data.key_bytes]
    pieces = []
    for number, at in enumerate(range(0, len(content), _SEGMENT)):
        start = of_data.fitted(
            of_data.digest(of_data.salt, struct.pack("<I", number)), of_data.block
        )
        pieces.append(_aes(key, content[at : at + _SEGMENT], start))
    return b"".join(pieces)


def _standard(info: bytes, content: bytes) -> bytes:
    """Return what Office 2007 encrypts; raises ValueError where the password is another one."""
    (header,) = struct.unpack_from("<I", info, 8)
    (bits,) = struct.unpack_from("<I", info, 12 + 16)
    verifier = info[12 + header :]
    salt = verifier[4:20]
    digest = hashlib.sha1(salt + _PASSWORD).digest()
    for spin in range(_SPINS):
        digest = hashlib.sha1(struct.pack("<I", spin) + digest).digest()
    digest = hashlib.sha1(digest + bytes(4)).digest()
    halves = (
        hashlib.sha1(bytes(a ^ b for a, b in zip(pad, digest.ljust(64, b"\0"), strict=True)))
        for pad in (b"\x36" * 64, b"\x5c" * 64)
    )
    key = b"".join(half.digest() for half in halves)[: bits // 8]
    tried = hashlib.sha1(_aes(key, verifier[20:36], None)).digest()
    _refuse_other(tried, _aes(key, verifier[40:72], None))
    return _aes(key, content, None)


def _refuse_other(tried: bytes, kept: bytes) -> None:
    if not tried or not hmac.compare_digest(tried, kept[: len(tried)]):
        raise ValueError("another password")


def open_stream(stream: bytes, filepass: bytes) -> bytes:
    """Return the records of an encrypted .xls, of which FILEPASS is given; raises Unreadable (encrypted)."""
    try:
        clear = _xor_cleared(stream, filepass) or _rc4_cleared(stream, filepass)
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable("encrypted") from error
    at = 0
    while at + 4 <= len(stream):  # what is never encrypted is put back
        kind, size = struct.unpack_from("<HH", stream, at)
        plain = size if kind in _PLAIN_RECORDS else 4 if kind == _BOUNDSHEET else 0
        clear[at : at + 4 + plain] = stream[at : at + 4 + plain]
        if kind == _FILEPASS:  # no longer so: it becomes a record that says nothing here
            clear[at : at + 2] = _WRITEPROTECT
        at += 4 + size
    return bytes(clear)


def _xor_cleared(stream: bytes, filepass: bytes) -> bytearray | None:
    """Return the stream with its records cleared of the oldest way, which only mixes in a key; else None.

    Raises ValueError where the password is another one.
    """
    # Excel 95 has nothing but this way and does not name it.
    of_excel_95 = len(filepass) == len(_XOR_MARKS)
    if not of_excel_95 and filepass[:2] != b"\0\0":
        return None
    if filepass[-len(_XOR_MARKS) :] != _XOR_MARKS:
        raise ValueError("another password")
    clear = bytearray(stream.translate(_ROTATED))
    at = 0
    while at + 4 <= len(stream):
        (size,) = struct.unpack_from("<H", stream, at + 2)
        at += 4
        first = (at + size) % len(_XOR_KEY)
        data = clear[at : at + size]
        key = (_XOR_KEY * (len(data) // len(_XOR_KEY) + 2))[first : first + len(data)]
        mixed = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
        clear[at : at + size] = mixed.to_bytes(len(data), "little")
        at += size
    return clear


def _rc4_cleared(stream: bytes, filepass: bytes) -> bytearray:
    block_key = _rc4_keys(filepass)
    return bytearray(
        b"".join(
            _rc4(block_key(number), stream[at : at + _RC4_BLOCK])
            for number, at in enumerate(range(0, len(stream), _RC4_BLOCK))
        )
    )


def _rc4_keys(filepass: bytes) -> Callable[[int], bytes]:
    """Return what gives the key of each block; raises ValueError where the password is another one."""
    way, major, minor = struct.unpack_from("<3H", filepass)
    if way != 1:
        raise ValueError("a way that is not known")
    if (major, minor) == (1, 1):
        salt, verifier, kept = filepass[6:22], filepass[22:38], filepass[38:54]
        first = hashlib.md5(_PASSWORD).digest()[:5]
        root = hashlib.md5((first + salt) * 16).digest()[:5]

        def key(number: int) -> bytes:
            return hashlib.md5(root + struct.pack("<I", number)).digest()

        name = "md5"
    elif minor == 2:
        (header,) = struct.unpack_from("<I", filepass, 10)
        (bits,) = struct.unpack_from("<I", filepass, 14 + 16)
        rest = filepass[14 + header :]
        salt, verifier, kept = rest[4:20], rest[20:36], rest[40:60]
        root = hashlib.sha1(salt + _PASSWORD).digest()

        def key(number: int) -> bytes:
            digest = hashlib.sha1(root + struct.pack("<I", number)).digest()
            return digest[:5] + bytes(11) if bits in (0, 40) else digest[: bits // 8]

        name = "sha1"
    else:
        raise ValueError("a way that is not known")
    both = _rc4(key(0), verifier + kept)
    _refuse_other(hashlib.new(name, both[:16]).digest(), both[16:])
    return key


def _rc4(key: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives.ciphers import Cipher

    encryptor = Cipher(ARC4(key), mode=None).encryptor()
    return encryptor.update(content) + encryptor.finalize()
