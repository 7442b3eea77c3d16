"""Our own certificate authority and the server's certificate, for addresses others can reach."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from compute.broker.folder import BrokerError, Folder

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA, CA_KEY = "ca.pem", "ca-key.pem"
SERVER, SERVER_KEY = "server.pem", "server-key.pem"
VALID_DAYS = 3650  # workers hold the authority in their token; a new one means new tokens
RENEW_DAYS = 365  # a server that runs for a year unattended keeps a valid certificate
EARLIER_DAYS = 2  # a worker's clock may be behind ours


def ensure_certificates(folder: Folder, hosts: Iterable[str]) -> str:
    """PEM text of the authority; its server certificate names ``hosts`` (names or addresses)."""
    if not (folder.path / CA).exists() or not (folder.path / CA_KEY).exists():
        _make_authority(folder)
    names = sorted({host.strip("[]") for host in hosts})
    if not _covers(folder, names):
        _make_server_certificate(folder, names)
    return read_authority(folder)


def read_authority(folder: Folder) -> str:
    """The authority's PEM text. Raises ``BrokerError`` where there is none."""
    try:
        return (folder.path / CA).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerError(f"{folder.path / CA} cannot be read ({error}).") from error


def _make_authority(folder: Folder) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key, name = _new_key(), _name("kernels to clusters, own authority")
    builder = _builder(name, name, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = builder.add_extension(own_id, critical=False).sign(key, hashes.SHA256())
    folder.write_text(CA_KEY, _key_text(key))
    folder.write_text(CA, _text(certificate))


def _make_server_certificate(folder: Folder, names: list[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    authority = x509.load_pem_x509_certificate((folder.path / CA).read_bytes())
    pem = (folder.path / CA_KEY).read_bytes()
    signer = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(signer, EllipticCurvePrivateKey)
    key, ca_key = _new_key(), signer.public_key()
    builder = _builder(_name("kernels to clusters, queue"), authority.subject, key)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(signer, hashes.SHA256())
    folder.write_text(SERVER_KEY, _key_text(key))
    folder.write_text(SERVER, _text(certificate))


def _covers(folder: Folder, names: list[str]) -> bool:
    """Whether the server's certificate is there, names all of ``names`` and is valid for long."""
    from cryptography import x509

    try:
        held = x509.load_pem_x509_certificate((folder.path / SERVER).read_bytes())
        authority = x509.load_pem_x509_certificate((folder.path / CA).read_bytes())
        held.verify_directly_issued_by(authority)
    except Exception:  # missing, damaged or another authority's: made again
        return False
    alternative = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(name.value) for name in alternative}
    left = held.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    there = (folder.path / SERVER_KEY).exists()
    return there and covered >= set(names) and left.days > RENEW_DAYS


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=EARLIER_DAYS))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_text(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _text(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM).decode()
