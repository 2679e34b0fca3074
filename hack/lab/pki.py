"""Certificates of a lab, made by openssl: an authority and what it issues, EC P-256."""

import tempfile
import time
from pathlib import Path

from lab.net import run

# Valid for two days, and for three hours by now: clocks of labs go back an hour.
_SINCE_S, _UNTIL_S = -3 * 3600, 2 * 24 * 3600
_CONFIG = """\
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = issued
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = nothing
prompt = no
[nothing]
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
[issued]
basicConstraints = critical,CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{names}
"""


class Authority:
    """`NAME.crt` and `NAME.key` in a folder. Made by `create`; found there by later commands."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.name = name
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"

    def create(self, common_name):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sign(self.name, f"/CN={common_name}", "", "-selfsign", "-extensions", "authority")

    def issue(self, name, subject, names=None):
        """`NAME.crt` and `NAME.key` for a subject such as "/CN=x"; `names` is a subjectAltName. Returns both."""
        return self._sign(name, subject, f"subjectAltName = {names}" if names else "", "-cert", self.cert)

    def _sign(self, name, subject, names, *how):
        cert, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        since, until = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset)) for offset in (_SINCE_S, _UNTIL_S))
        with tempfile.TemporaryDirectory() as scratch:
            asked, config, index = (Path(scratch) / file for file in ("request", "config", "index"))
            config.write_text(_CONFIG.format(folder=scratch, names=names))
            index.touch()
            run("openssl", "req", "-config", config, "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", key, "-out", asked, "-subj", subject)
            run("openssl", "ca", "-config", config, "-batch", "-notext", "-preserveDN", "-in", asked, "-out", cert,
                "-keyfile", self.key, "-startdate", since, "-enddate", until, *how)
        return cert, key
