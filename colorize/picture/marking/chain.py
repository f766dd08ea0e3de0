"""A certificate authority and a signer, for trying out C2PA; nobody trusts them unasked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from photochrom.colorize.errors import SettingsError
from photochrom.colorize.picture.marking.c2pa import HOW_TO_INSTALL, is_installed

KEY, CHAIN, ANCHOR = "key.pem", "chain.pem", "anchor.pem"


def make_test_chain(folder: Path, organization: str, days: int = 365) -> None:
    """Write a key, its chain and the authority's certificate; the authority's key is thrown away.

    They have what C2PA asks of a signer: ES256, digitalSignature alone, emailProtection. Raises
    SettingsError if a file of these names is there.
    """
    if not is_installed():
        raise SettingsError(f"making certificates needs an extra: {HOW_TO_INSTALL}")
    there = [name for name in (KEY, CHAIN, ANCHOR) if (folder / name).exists()]
    if there:
        raise SettingsError(f"{folder / there[0]} is there already; choose another folder")
    files = _chain(organization, days)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        path.touch(mode=0o600 if name == KEY else 0o644)
        path.write_bytes(data)


def _chain(organization: str, days: int) -> dict[str, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(words: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, words),
            ]
        )

    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    start = datetime.now(UTC) - timedelta(hours=1)

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey, root: bool) -> x509.Certificate:
        usage = {
            "content_commitment": False,
            "key_encipherment": False,
            "data_encipherment": False,
            "key_agreement": False,
            "encipher_only": False,
            "decipher_only": False,
        }
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named("Test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not root, key_cert_sign=root, crl_sign=root, **usage
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False
            )
        )
        if not root:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(root_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    root = certificate("Test authority", root_key, True).public_bytes(pem)
    leaf = certificate("Test signer", leaf_key, False).public_bytes(pem)
    key = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {KEY: key, CHAIN: leaf + root, ANCHOR: root}
