"""Certificates of a lab, made by openssl: an authority and what it issues, EC P-256, valid for two days."""

from lab.net import run

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]


class Authority:
    """`NAME.crt` and `NAME.key` in a folder. Made by `create`; found there by later commands."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"

    def create(self, common_name):
        self.folder.mkdir(parents=True, exist_ok=True)
        run("openssl", "req", "-x509", *_KEY, "-keyout", self.key, "-out", self.cert,
            "-subj", f"/CN={common_name}")

    def issue(self, name, subject, names=None):
        """`NAME.crt` and `NAME.key` for a subject such as "/CN=x"; `names` is a subjectAltName. Returns both."""
        cert, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        run("openssl", "req", "-x509", *_KEY, "-keyout", key, "-out", cert, "-subj", subject,
            "-CA", self.cert, "-CAkey", self.key, "-addext", "basicConstraints=critical,CA:FALSE",
            *(["-addext", f"subjectAltName={names}"] if names else []))
        return cert, key
