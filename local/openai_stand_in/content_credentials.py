"""Signs the stand-in's pictures as OpenAI signs its own: with a C2PA manifest, by the official library.

The library, c2pa-python, is a development dependency: without it, the import of this module raises ImportError. The
certificates exist in this process alone. A signature takes some 0.08 seconds.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO

from c2pa import Builder, C2paSignerInfo, C2paSigningAlg, Signer  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .pictures import content_type

LIFETIME = timedelta(days=30)
CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}
MANIFEST = {
    "claim_generator_info": [{"name": "stand-in for OpenAI", "version": "1"}],
    "assertions": [{"label": "c2pa.actions", "data": {"actions": [CREATED]}}],
}


def sign(picture: bytes) -> bytes:
    """Return a PNG, JPEG or WebP picture with a signed manifest. The pixels stay as they are."""
    signed = BytesIO()
    with Builder(MANIFEST) as builder:
        builder.sign(_signer(), content_type(picture), BytesIO(picture), signed)
    return signed.getvalue()


@cache
def _signer() -> Signer:
    """Return a signer with a certificate of an authority that signs this one only, as the specification demands."""
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name("Authority of the stand-in"), _name("Stand-in for OpenAI")
    authority = _certificate(issuer, issuer_key.public_key(), issuer, issuer_key)
    leaf = _certificate(subject, key.public_key(), issuer, issuer_key)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer.from_info(C2paSignerInfo(C2paSigningAlg.ES256, leaf + authority, pem, None))


def _name(organization: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])


def _certificate(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return a certificate as PEM. One that has its issuer's name is an authority."""
    is_authority, now = subject == issuer, datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, key_agreement=False,
        content_commitment=False, key_encipherment=False, data_encipherment=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)
