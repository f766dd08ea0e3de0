"""C2PA: a signed manifest inside a print, by the extra `c2pa`; all that touches its library.

It is optional where the XMP marks are not, and signed last: over pixels, XMP, EXIF and profile. The
library holds a whole file in memory while it signs or reads it. It is never online, except to ask a
time-stamping authority if one is named.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from photochrom.colorize.errors import PrintError, SettingsError, SourceError
from photochrom.colorize.picture.marking.marks import DIGITAL_SOURCE_TYPE, SENTENCE, Marks
from photochrom.colorize.picture.reading.source import sniff

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

    from photochrom.colorize.picture.photo import Photo

HOW_TO_INSTALL = "pip install 'photochrom[c2pa]'"

_OPENED, _COLOURED = "c2pa.opened", "c2pa.color_adjustments"
_MARKS = "photochrom.marks"
_ORIGINAL = "original"
_ELSEWHERE = "Remote: must fetch"  # the file itself holds none, and we look nowhere else
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_OFFLINE = {
    "version": 1,
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},
}

State = Literal["trusted", "valid", "invalid", "unreadable", "none", "not checked"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file's C2PA manifest proves, and the digest of the original that it names.

    `valid` means signed and unchanged since, by somebody whom no given anchor vouches for;
    `codes` are C2PA's own words for what failed.
    """

    state: State
    codes: tuple[str, ...] = ()
    signer: str = ""
    signed_at: str = ""
    original_sha256: str = ""

    @property
    def holds(self) -> bool:
        """Whether there is a signature, and it is good."""
        return self.state in ("valid", "trusted")

    def fault(self, anchors: str | None) -> str:
        """Say what is wrong with it, empty if nothing is; none at all is not wrong."""
        if self.state in ("invalid", "unreadable"):
            return f"its C2PA manifest does not hold: {', '.join(self.codes)}"
        if self.state == "valid" and anchors:
            return f"it is signed by {self.signer}, whom no trust anchor vouches for"
        return ""


def is_installed() -> bool:
    """Tell whether the extra is there."""
    return find_spec("c2pa") is not None


class Signer:
    """A key with its certificates; made once in each process, and used by all its threads."""

    def __init__(self, key: bytes, chain: bytes, tsa_url: str | None = None) -> None:
        """Take a private key and its chain, leaf first, as PEM; raises SettingsError."""
        if not is_installed():
            raise SettingsError(f"marks.c2pa_key: signing needs its extra: {HOW_TO_INSTALL}")
        import c2pa

        pem, algorithm = _checked(key, chain)
        info = c2pa.C2paSignerInfo(algorithm, chain, pem, tsa_url)
        try:
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise SettingsError(f"marks.c2pa_chain: {error}") from None

    def ingredient(self, photo: Photo, path: Path, title: str) -> bytes:
        """Return what manifests say of an original: name, digest, and its own manifest if any.

        Raises PrintError.
        """
        import c2pa

        identity = f"sha256:{photo.sha256}"
        facts = {
            "title": title,
            "relationship": "parentOf",
            "label": _ORIGINAL,
            "instance_id": identity,
            "document_id": identity,
        }
        archive = io.BytesIO()
        with _c2pa_errors(), path.open("rb") as file:
            builder = c2pa.Builder({"claim_generator_info": [{"name": title}]}, _offline())
            builder.add_ingredient_from_stream(facts, f"image/{photo.header.format}", file)
            builder.write_ingredient_archive(_ORIGINAL, archive)
            builder.close()
        return archive.getvalue()

    def sign(self, path: Path, format: str, marks: Marks, ingredient: bytes) -> None:
        """Put a signed manifest into a file; raises PrintError."""
        import c2pa

        signed = path.with_name(path.name + ".signed")
        try:
            with _c2pa_errors(), path.open("rb") as source, signed.open("w+b") as target:
                builder = c2pa.Builder(_definition(marks), _offline())
                builder.add_ingredient_from_archive(io.BytesIO(ingredient))
                builder.sign(self._signer, f"image/{format}", source, target)
            signed.replace(path)
        finally:
            signed.unlink(missing_ok=True)


def to_be_signed(photo: Photo, path: Path, title: str, signer: Signer | None) -> Photo:
    """Note in a photo what its prints' manifests will say of its file, if there is a signer."""
    if signer is None:
        return photo
    return replace(photo, ingredient=signer.ingredient(photo, path, title))


def read_manifest(path: Path, anchors: str | None = None) -> Manifest:
    """Read and verify a file's manifest; never raises for what the file holds.

    `anchors` are the certificates that are trusted, as PEM.
    """
    if not is_installed():
        return Manifest("not checked")
    import c2pa

    try:
        with path.open("rb") as file:
            format = sniff(file.read(32))
            file.seek(0)
            reader = c2pa.Reader.try_create(f"image/{format}", file, context=_trusting(anchors))
            if reader is None:
                return Manifest("none")
            with reader:
                return _manifest(json.loads(reader.json()))
    except SourceError:
        return Manifest("none")
    except (c2pa.C2paError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        return Manifest("none" if said.startswith(_ELSEWHERE) else "unreadable", (said,))


def check_anchors(anchors: str) -> None:
    """Raise SettingsError unless these are certificates, as PEM."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(anchors.encode())
    except ValueError:
        raise SettingsError("--trust-anchors: no PEM certificates in it") from None


def _manifest(found: dict[str, Any]) -> Manifest:
    active = found.get("manifests", {}).get(found.get("active_manifest"), {})
    results = found.get("validation_results", {})
    groups = [results.get("activeManifest", {})]
    groups += [delta.get("validationDeltas", {}) for delta in results.get("ingredientDeltas", [])]
    codes = [failure["code"] for group in groups for failure in group.get("failure", [])]
    signature = active.get("signature_info", {})
    said = [one["data"] for one in active.get("assertions", []) if one.get("label") == _MARKS]
    states: dict[str, State] = {"Trusted": "trusted", "Valid": "valid"}
    return Manifest(
        states.get(found.get("validation_state", ""), "invalid"),
        tuple(dict.fromkeys(codes)),
        ", ".join(filter(None, (signature.get("common_name"), signature.get("issuer")))),
        signature.get("time") or "",
        str(said[0].get("OriginalSHA256", "")) if said else "",
    )


def _definition(marks: Marks) -> dict[str, Any]:
    name, _, version = marks.Software.partition(" ")
    said = {key: value for key, value in asdict(marks).items() if value}
    coloured = {
        "action": _COLOURED,
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
        "softwareAgent": {"name": name, "version": version},
        "description": SENTENCE,
        "parameters": {
            "photochrom.model": marks.Model,
            "photochrom.weights": f"sha256:{marks.WeightsSHA256}",
            "photochrom.plate": f"sha256:{marks.PlateSHA256}",
        },
    }
    if marks.When:
        coloured["when"] = marks.When
    opened = {"action": _OPENED, "parameters": {"ingredientIds": [_ORIGINAL]}}
    return {
        "claim_generator_info": [{"name": name, "version": version}],
        "title": f"{marks.Original or 'A photograph'}, colours added by AI",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [opened, coloured], "allActionsIncluded": True},
            },
            {"label": _MARKS, "data": said},
        ],
    }


def _checked(key: bytes, chain: bytes) -> tuple[bytes, str]:
    """Return the key as PKCS 8 and its algorithm's name, if it fits its chain."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import load_pem_x509_certificates

    try:
        private = serialization.load_pem_private_key(key, None)
    except (TypeError, ValueError):
        raise SettingsError("marks.c2pa_key: not a PEM private key without a password") from None
    try:
        leaf = load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise SettingsError("marks.c2pa_chain: not a chain of PEM certificates") from None
    if leaf.public_key() != private.public_key():
        raise SettingsError(
            "marks.c2pa_chain: its first certificate is not that of marks.c2pa_key; "
            "put the signer's own first, then its issuers"
        )
    _check_dates(leaf)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, _algorithm(private)


def _check_dates(leaf: Certificate) -> None:
    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not first <= datetime.now(UTC) <= last:
        raise SettingsError(
            f"marks.c2pa_chain: its certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
            "which is not today; renew it"
        )


def _algorithm(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, RSAPrivateKey):
        return "ps256"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise SettingsError("marks.c2pa_key: C2PA knows no such key; use EC P-256, RSA or Ed25519")


@cache
def _offline() -> Any:
    import c2pa

    return c2pa.Context.from_dict(_OFFLINE)


@cache
def _trusting(anchors: str | None) -> Any:
    import c2pa

    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    return c2pa.Context.from_dict(_OFFLINE | trust)


@contextmanager
def _c2pa_errors() -> Iterator[None]:
    import c2pa

    try:
        yield
    except c2pa.C2paError as error:
        raise PrintError(f"C2PA: {' '.join(str(error).split())[:300]}") from error
