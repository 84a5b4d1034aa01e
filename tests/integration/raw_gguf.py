"""GGUF bytes taken apart and put together again without any checks, to build malformed files."""

from __future__ import annotations

import struct
from dataclasses import dataclass

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?",
            U64: "Q", I64: "q", F64: "d"}


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def _pack(kind: int, value) -> bytes:
    return _string(value) if kind == STRING else struct.pack("<" + _FORMATS[kind], value)


@dataclass
class Tensor:
    name: str
    ne: list[int]
    kind: int
    offset: int  # from the start of the data section


class RawGguf:
    """keys: name -> (type number, value bytes), in the order of the file; data: all tensor data."""

    def __init__(self, source: bytes):
        self._bytes, self._at = source, 4
        self.version, n_tensor, n_key = self._read("<IQQ")
        self.keys = dict(self._read_key() for _ in range(n_key))
        self.tensors = [self._read_tensor() for _ in range(n_tensor)]
        self.alignment = 32
        self.meta_size = self._at
        self.data = source[-(-self._at // self.alignment) * self.alignment:]
        self.n_tensor = self.n_key = None  # counts of the header, where they should lie

    def _read(self, fmt: str):
        values = struct.unpack_from(fmt, self._bytes, self._at)
        self._at += struct.calcsize(fmt)
        return values

    def _take(self, n: int) -> bytes:
        self._at += n
        return self._bytes[self._at - n:self._at]

    def _read_value(self, kind: int) -> bytes:
        start = self._at
        if kind == STRING:
            self._take(*self._read("<Q"))
        elif kind == ARRAY:
            element, n = self._read("<IQ")
            if element == STRING:
                for _ in range(n):
                    self._take(*self._read("<Q"))
            else:
                self._take(n * struct.calcsize(_FORMATS[element]))
        else:
            self._take(struct.calcsize(_FORMATS[kind]))
        return self._bytes[start:self._at]

    def _read_key(self):
        name = self._take(*self._read("<Q")).decode()
        (kind,) = self._read("<I")
        return name, (kind, self._read_value(kind))

    def _read_tensor(self) -> Tensor:
        name = self._take(*self._read("<Q")).decode()
        (n_dim,) = self._read("<I")
        ne = list(self._read(f"<{n_dim}Q"))
        kind, offset = self._read("<IQ")
        return Tensor(name, ne, kind, offset)

    def tensor(self, name: str) -> Tensor:
        return next(t for t in self.tensors if t.name == name)

    def set(self, key: str, kind: int, value) -> None:
        self.keys[key] = (kind, _pack(kind, value))

    def set_array(self, key: str, kind: int, values) -> None:
        self.keys[key] = (ARRAY, struct.pack("<IQ", kind, len(values))
                          + b"".join(_pack(kind, v) for v in values))

    def strings(self, key: str) -> list[bytes]:
        data = self.keys[key][1]
        at, out = 12, []
        for _ in range(struct.unpack_from("<Q", data, 4)[0]):
            (n,) = struct.unpack_from("<Q", data, at)
            out.append(data[at + 8:at + 8 + n])
            at += 8 + n
        return out

    def encode_keys(self) -> bytes:
        return b"".join(_string(k) + struct.pack("<I", kind) + value
                        for k, (kind, value) in self.keys.items())

    def encode_tensors(self) -> bytes:
        return b"".join(_string(t.name) + struct.pack("<I", len(t.ne))
                        + b"".join(struct.pack("<Q", n % 2**64) for n in t.ne)
                        + struct.pack("<IQ", t.kind, t.offset % 2**64) for t in self.tensors)

    def encode(self, extra_keys: bytes = b"", n_extra: int = 0) -> bytes:
        n_tensor = len(self.tensors) if self.n_tensor is None else self.n_tensor
        n_key = len(self.keys) + n_extra if self.n_key is None else self.n_key
        head = b"GGUF" + struct.pack("<IQQ", self.version, n_tensor, n_key)
        head += self.encode_keys() + extra_keys + self.encode_tensors()
        return head + b"\0" * (-len(head) % self.alignment) + self.data
