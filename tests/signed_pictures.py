"""Pictures that the official C2PA library signs, with test certificates, and the library's verdict on a picture."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO

from c2pa import Builder, C2paSignerInfo, C2paSigningAlg, Reader, Signer  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

MANIFEST = {
    "claim_generator_info": [{"name": "test", "version": "1"}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
                    }
                ]
            },
        }
    ],
}


def plain_picture(picture_format: str) -> bytes:
    """Return a picture without a manifest. picture_format: png, jpeg or webp."""
    buffer = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, picture_format.upper())
    return buffer.getvalue()


@cache
def signed_picture(picture_format: str) -> bytes:
    """Return a picture with a manifest."""
    signed = BytesIO()
    with Builder(MANIFEST) as builder:
        builder.sign(_signer(), f"image/{picture_format}", BytesIO(plain_picture(picture_format)), signed)
    return signed.getvalue()


def verdict(picture: bytes, picture_format: str) -> str:
    """Return the library's validation state of a picture's manifest: Valid, Trusted or Invalid."""
    with Reader(f"image/{picture_format}", BytesIO(picture)) as reader:
        return str(json.loads(reader.json())["validation_state"])


@cache
def _certificates() -> tuple[bytes, bytes]:
    """Return a chain of two certificates and the key of the first, as PEM."""
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test authority")])
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test provider")])
    authority = _builder(issuer, issuer, issuer_key.public_key(), issuer_key.public_key(), is_authority=True)
    leaf = _builder(name, issuer, key.public_key(), issuer_key.public_key(), is_authority=False).add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
    )
    chain = [leaf.sign(issuer_key, hashes.SHA256()), authority.sign(issuer_key, hashes.SHA256())]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain), pem


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    *,
    is_authority: bool,
) -> x509.CertificateBuilder:
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _signer() -> Signer:
    chain, key = _certificates()
    return Signer.from_info(C2paSignerInfo(C2paSigningAlg.ES256, chain, key, None))
