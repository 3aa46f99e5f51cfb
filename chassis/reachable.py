"""Why a server that we need was not reached, in words for whoever looks after the installation.

The words follow on the server's name and say what to look at. They never repeat what a library said, which
may quote an address with its password.
"""

import errno
import socket
import ssl

#: How OpenSSL names what it found: X509_V_ERR_….
_NOT_YET, _ENDED = 9, 10
_OTHER_NAME = {62, 64}

#: What a wait that was given up looks like on a socket that may block.
_LATE = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ETIMEDOUT}

#: Nobody there: the port refuses, or there is no socket file.
_NOBODY = (ConnectionRefusedError, FileNotFoundError)


def why_not(error: BaseException, setting: str) -> str:
    """What is wrong with a server that a connection to failed so, and the cure.

    Args:
        setting: where its address stands.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _wrong_certificate(error, setting)
    if isinstance(error, TimeoutError | ssl.SSLWantReadError) or _number(error) in _LATE:
        return f"does not answer in time: is a firewall in between, and is {setting} right?"
    if isinstance(error, ssl.SSLError):
        return f"does not speak TLS there: correct scheme and port in {setting}"
    if isinstance(error, socket.gaierror):
        return f"has a name that nobody knows: correct {setting}, or see to the name server"
    if isinstance(error, _NOBODY):
        return f"takes no connections: is it running, and is the port in {setting} right?"
    return f"hangs up or cannot be reached: see its log, and {setting}"


def sentence(server: str, words: str) -> str:
    """The same with the server's name before it, as a sentence of its own."""
    return f"{server} {words}{'' if words.endswith('?') else '.'}"


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _wrong_certificate(error: ssl.SSLCertVerificationError, setting: str) -> str:
    if error.verify_code == _ENDED:
        return "shows a certificate that has ended: renew it there"
    if error.verify_code == _NOT_YET:
        return "shows a certificate that begins later: is the time right on both computers?"
    if error.verify_code in _OTHER_NAME:
        return f"shows a certificate of another name: write into {setting} a name that stands in it"
    return (
        "shows a certificate that nobody here knows: name the file of who signed it in SSL_CERT_FILE, "
        "or have it signed by somebody whom browsers know"
    )
