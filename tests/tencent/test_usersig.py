"""UserSig: what the documented algorithm makes, and what is refused."""

from __future__ import annotations

import base64
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.tencent.usersig import BadUserSig, Key, SigError, make, read, verify

KEY = Key(1400000000, "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")
MADE_S, LIFE_S = 1795289222, 86400
# Made with the public library tls-sig-api-v2 1.1 at that second.
PLAIN = (
    "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkEnMyk1NhUsUp2YkFBZkpQAlDEwMogMqlVhRkFqUCZSzMTOCCJZm5ICFDc0tTIwtLIyMjmEGZ6SDDCzPM"
    "IiLKc1yS-CydtX09ygNKUtPNIozTyyI8Aj0LQ71zk7O8Qooq-cuTim2VagELsTLb"
)
WITH_BUFFER = (
    "eJw9zckOgjAUheFXId1qECoymLBATQygbkD3QFtyZUgtg6jx3QVFzvL-FueFwkMgt1SgtYSwrKC59C1AaFkDgx9EOST0TxXJIs6B9KBqyrjRaMdB0F5MXZtiDcWQVMNa"
    "YdPCGI*9qaiIGzYcJIXVxoHTHR3bnn4gHejGfcPzXebuojzcXrXFecPU-SnVZ4ZQnuWSzLLKe9zTC1Vs9P4AfgM62A__"
)


def refused(text: str, *, identifier: str = "alice", key: Key = KEY, now_s: float = MADE_S) -> SigError:
    """Why a UserSig is refused."""
    with pytest.raises(BadUserSig) as bad:
        verify(text, identifier=identifier, key=key, now_s=now_s)
    return bad.value.code


@pytest.mark.parametrize("text", [PLAIN, WITH_BUFFER])
def test_signatures_of_tencents_own_library_are_good(text: str) -> None:
    """With and without a user buffer, until their time is over."""
    claims = verify(text, identifier="alice", key=KEY, now_s=MADE_S + LIFE_S - 1)
    assert (claims.identifier, claims.sdkappid, claims.until_s) == ("alice", KEY.sdkappid, MADE_S + LIFE_S)


def test_what_is_made_says_the_same_as_theirs() -> None:
    """Signature for signature; how it is packed is nobody's business."""
    made = make("alice", KEY, time_s=MADE_S, expire_s=LIFE_S)
    buffered = make("alice", KEY, time_s=MADE_S, expire_s=LIFE_S, userbuf=b"room 10")
    assert read(made) == read(PLAIN)
    assert read(buffered) == read(WITH_BUFFER)


@given(
    user=st.text(min_size=1, max_size=32),
    life_s=st.integers(1, 10**9),
    late_s=st.integers(0, 10**9),
    buffer=st.none() | st.binary(max_size=50),
)
def test_a_signature_is_good_exactly_until_its_time_is_over(
    user: str, life_s: int, late_s: int, buffer: bytes | None
) -> None:
    """Whoever it is for, and for however long."""
    made = make(user, KEY, time_s=MADE_S, expire_s=life_s, userbuf=buffer)
    assert set(made).isdisjoint("+/= ")
    if late_s < life_s:
        assert verify(made, identifier=user, key=KEY, now_s=MADE_S + late_s).identifier == user
    else:
        assert refused(made, identifier=user, now_s=MADE_S + late_s) is SigError.EXPIRED


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("TLS.identifier", "bob", SigError.OTHER_USER),
        ("TLS.sdkappid", 1, SigError.OTHER_APP),
        ("TLS.expire", LIFE_S * 2, SigError.WRONG_KEY),
        ("TLS.time", MADE_S + 1, SigError.WRONG_KEY),
        ("TLS.sig", "bm90aGluZw==", SigError.WRONG_KEY),
        ("TLS.sig", "ä", SigError.WRONG_KEY),
        ("TLS.userbuf", "cm9vbQ==", SigError.WRONG_KEY),
        ("TLS.expire", "a day", SigError.UNREADABLE),
    ],
)
def test_a_changed_signature_is_refused(field: str, value: object, code: SigError) -> None:
    """Each with the code that Tencent documents."""
    fields = msgspec.json.decode(zlib.decompress(base64.b64decode(PLAIN.replace("-", "/").replace("_", "="))))
    packed = base64.b64encode(zlib.compress(msgspec.json.encode({**fields, field: value}))).decode()
    assert refused(packed.replace("+", "*").replace("/", "-").replace("=", "_")) is code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", SigError.EMPTY),
        (PLAIN[:-8], SigError.UNREADABLE),
        (PLAIN + PLAIN, SigError.UNREADABLE),
        ("äöü", SigError.UNREADABLE),
        ("eJyrVg__", SigError.UNREADABLE),
        (base64.b64encode(zlib.compress(b" " * 10_000_000)).decode().replace("=", "_"), SigError.UNREADABLE),
    ],
)
def test_what_is_no_signature_is_refused(text: str, code: SigError) -> None:
    """Nothing, half of one, two of them, other letters, and a megabyte packed into a line."""
    assert refused(text) is code


def test_another_key_does_not_verify() -> None:
    """A rotated secret, or another app's."""
    assert refused(PLAIN, key=Key(KEY.sdkappid, KEY.secret[:-1])) is SigError.WRONG_KEY


def test_a_key_does_not_show_its_secret() -> None:
    """Neither in a log nor in a traceback."""
    assert KEY.secret not in repr(KEY)
