#!/usr/bin/env python3
"""Verifies exports and receipts of remote-assist, written from docs/audit-format.md and sharing no code with it.

    python verify.py (--log-key LOG.pub | --ca CA.pub) FILE …          needs Python 3.11 and `cryptography`

Prints a line a session and ends with 0, or names what does not hold and ends with 5. Not checked: that a receipt's
sentences follow from its records; what is sealed.
"""

import base64
import contextlib
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_identity, load_ssh_public_key

JOURNAL_CODES = {"RA1302E", "RA1303E", "RA1304E", "RA1902E", "RA1990E"}


class Wrong(Exception):
    """What does not hold, and where."""


FAULTS = (Wrong, InvalidSignature, KeyError, ValueError, TypeError, IndexError, AttributeError)


def need(holds, text):
    if not holds:
        raise Wrong(text)


def b64(text):
    return base64.b64decode(text, validate=True)


def sha(raw):
    return hashlib.sha256(raw).digest()


def strings(raw):
    """SSH strings one after the other."""
    while raw:
        size = int.from_bytes(raw[:4], "big")
        need(4 + size <= len(raw), "an SSH string is cut")
        yield raw[4 : 4 + size]
        raw = raw[4 + size :]


def string(raw):
    return len(raw).to_bytes(4, "big") + raw


def line_key(line):
    """The Ed25519 bytes of an OpenSSH public key line."""
    return load_ssh_public_key(" ".join(line.split()[:2]).encode()).public_bytes_raw()


def sshsig(armor, key, purpose, message):
    """Check an SSHSIG signature (Ed25519, SHA-512)."""
    lines = armor.strip().split("\n")
    need((lines[0], lines[-1]) == ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"), "no SSHSIG")
    raw = b64("".join(lines[1:-1]))
    need(raw[:10] == b"SSHSIG\0\0\0\1", "no SSHSIG of version 1")
    blob, namespace, _, algorithm, signature = strings(raw[10:])
    need(list(strings(blob)) == [b"ssh-ed25519", key], f"{purpose}: signed by another key")
    need((namespace, algorithm) == (f"{purpose}@remote-assist".encode(), b"sha512"), f"{purpose}: another purpose")
    covered = b"SSHSIG" + b"".join(map(string, (namespace, b"", algorithm, hashlib.sha512(message).digest())))
    kind, value = strings(signature)
    need(kind == b"ssh-ed25519", f"{purpose}: another kind of signature")
    Ed25519PublicKey.from_public_bytes(key).verify(value, covered)


def signed(armor, lines, purpose, message):
    """Whether one of these keys signed."""
    for line in lines:
        with contextlib.suppress(*FAULTS):
            sshsig(armor, line_key(line), purpose, message)
            return True
    return False


def lines_of(*fields):
    return ("\n".join(map(str, fields)) + "\n").encode()


def log_keys_in(lists, ca):
    """Log keys that the CA's organisation list names."""
    found = []
    for raw in lists:
        signed = json.loads(b64(raw))
        sshsig(signed["signature"], line_key(ca), "list", b64(signed["body"]))
        found += json.loads(b64(signed["body"])).get("log_keys", [])
    return found


def certified(text, moment, *cas):
    """The key of a certificate that held then and is of each of these CAs."""
    certificate = load_ssh_public_identity(text.encode())
    certificate.verify_cert_signature()
    signer = certificate.signature_key().public_bytes_raw()
    need({signer} == {line_key(ca) for ca in cas if ca}, "the certificate is of another CA")
    now = datetime.fromisoformat(moment).timestamp()
    need(certificate.valid_after <= now < certificate.valid_before, "the certificate was not valid")
    return certificate.public_key().public_bytes_raw()


def check_opening(record, ca, log_keys):
    """Record 0: everything names the same key; answers it, the journal key, and whose certificate must hold on."""
    opening, own = record["opening"], record["session"].startswith("o-")
    statement, key = b64(opening["statement"]), opening["host_key"]
    said = json.loads(statement)
    need(record["session"][2:] == base64.b32encode(sha(statement)).decode().lower()[:16], "not the statement's name")
    need(said["key" if own else "agent_host_key"] == key, "statement and opening name different keys")
    relays = own and said["role"] == "relay"
    need(not relays or line_key(key) in map(line_key, log_keys), "the relay's own records are of another log")
    owner = None if relays else (opening["certificate"], said["organisation_ca"], ca)
    signer = certified(owner[0], record["time"], *owner[1:]) if owner else line_key(key)
    need(not own or signer == line_key(key), "the certificate is of another key")
    sshsig(opening["signature"], signer, "organisation" if own else "pair", statement)
    return key, opening.get("journal_key", ""), owner if own else None


def check_note(note, log_keys):
    """A checkpoint's size and root."""
    text, _, after = note.rpartition("\n\n")
    origin, size, root = text.split("\n")
    keys = [k for k in map(line_key, log_keys) if origin == "remote-assist/log/" + hashlib.sha256(k).hexdigest()[:32]]
    need(keys, "the checkpoint is of another log")
    key_id = sha(origin.encode() + b"\n\x01" + keys[0])[:4]
    parts = [one.split(" ") for one in after.removesuffix("\n").split("\n")]
    ours = [b64(p[2]) for p in parts if p[:2] == ["\u2014", origin] and b64(p[2])[:4] == key_id]
    need(ours, "the log has not signed the checkpoint")
    for blob in ours:
        Ed25519PublicKey.from_public_bytes(keys[0]).verify(blob[4:], (text + "\n").encode())
    need(size == str(int(size)) and len(b64(root)) == 32, "the checkpoint is malformed")
    return int(size), b64(root)


def check_proof(leaf, index, size, root, proof):
    """RFC 9162 section 2.1.3.2."""
    number, last = index, size - 1
    for part in map(b64, proof):
        need(last and len(part) == 32, "an inclusion proof is too long")
        right = number % 2 or number == last
        leaf = sha(b"\1" + (part + leaf if right else leaf + part))
        while right and number and not number % 2:
            number, last = number >> 1, last >> 1
        number, last = number >> 1, last >> 1
    need(last == 0 and leaf == root, "an inclusion proof does not lead to the checkpoint's root")


def check_session(items, trust, note):
    """One session's records, each with head, acknowledgement (or None) and proof; a line of what holds."""
    previous, index, keys, host, journal, owner = "0" * 64, -1, list(trust["log_keys"]), "", "", None
    ended, closing, head, session, seq, missing, newer = False, False, None, "", -1, 0, 0
    for seq, (raw, signature, given, proof) in enumerate(items):
        try:
            record = json.loads(raw)
            if seq == 0:
                session = record["session"]
                host, journal, owner = check_opening(record, trust["ca"], keys)
                keys += log_keys_in(record["opening"].get("lists", []), trust["ca"]) if trust["ca"] else []
                need(keys, "no log key is vouched for")
                head = check_note(note, keys) if note else None
            need((record["v"], record["session"], record["seq"]) == (1, session, seq), "it is out of place")
            need(record["prev"] == previous and not ended, "it breaks the chain")
            need(owner is None or certified(owner[0], record["time"], *owner[1:]), "no certificate")
            previous = hashlib.sha256(raw).hexdigest()
            message = lines_of("remote-assist/1 head", session, seq, previous)
            if closing or not signed(signature, [host], "head", message):
                may = journal and record["code"] in JOURNAL_CODES
                need(may and signed(signature, [journal], "head", message), "its head signature does not hold")
                closing = True
            ended = record["code"] == "RA1990E"
            if given is None:
                need(not proof, "a proof without acknowledgement")
                missing += 1
                continue
            need(not missing, "the record before it has no acknowledgement")
            names = given["session"], given["seq"], given["hash"]
            need(names == (session, seq, previous) and given["index"] > index, "its acknowledgement is for another")
            index, time = given["index"], given["time"]
            message = lines_of("remote-assist/1 acknowledgement", session, seq, previous, time, index)
            need(signed(given["signature"], keys, "ack", message), "its acknowledgement is not the log's")
            if head is not None and index < head[0]:
                check_proof(sha(b"\0" + time.encode() + bytes.fromhex(previous)), index, *head, proof)
            else:
                need(not proof, "a proof beyond the checkpoint")
                newer += 1
        except FAULTS as error:
            raise Wrong(f"record {seq} of {session}: {error or type(error).__name__}") from error
    state = "ended" if ended else f"open at seq {seq}"
    return f"{session}  {seq + 1} records, {state}, {missing} unacknowledged, {newer} newer than the checkpoint"


def check_export(raw, trust):
    need(raw.endswith(b"\n"), "the last line is cut")
    lines = [json.loads(line) for line in raw.splitlines()]
    header, trailer, sessions = lines[0], lines[-1], {}
    need((header["kind"], trailer["kind"]) == ("header", "trailer"), "header or trailer is missing")
    need((header["format"], trailer["count"]) == ("remote-assist audit export/1", len(lines) - 2), "form or count")
    need(trailer.get("digest") in (None, "", sha(raw[: raw.rindex(b"\n", 0, -1) + 1]).hex()), "a byte changed")
    if trust["ca"]:
        trust = {**trust, "log_keys": trust["log_keys"] + log_keys_in(header["lists"], trust["ca"])}
    for line in lines[1:-1]:
        given = line["acknowledgement"]
        said = line["kind"], line["time"], line["index"]
        need(said == ("record", given["time"], given["index"]), "a line that is no record, or whose place differs")
        sessions.setdefault(given["session"], []).append((b64(line["record"]), line["head"], given, line["proof"]))
    return [check_session(items, trust, trailer["checkpoint"]) for items in sessions.values()]


def check_receipt(raw, trust):
    found = json.loads(raw)
    need(found["format"] == "remote-assist receipt/1", "the form is not known here")
    items = [(b64(one["record"]), one["head"], one["acknowledgement"], one["proof"]) for one in found["evidence"]]
    last = {"seq": len(items) - 1, "hash": hashlib.sha256(items[-1][0]).hexdigest()}
    need(found["head"] == last, "the receipt ends elsewhere than its records")
    line = check_session(items, trust, found["checkpoint"])
    need(line.startswith(found["session"] + " "), "the receipt names another session")
    need(bool(found["ended"]) == (", ended," in line), "the receipt says otherwise of the end")
    return [line]


def main(words):
    trust = {"log_keys": [], "ca": None}
    while words and words[0] in ("--log-key", "--ca"):
        option, line, words = words[0], Path(words[1]).read_text().strip(), words[2:]
        trust.update({"ca": line} if option == "--ca" else {"log_keys": [*trust["log_keys"], line]})
    for name in words:
        raw = Path(name).read_bytes()
        try:
            sys.stdout.write("\n".join((check_receipt if raw.startswith(b"{\n") else check_export)(raw, trust)) + "\n")
        except FAULTS as error:
            sys.stderr.write(f"{name}: {error or type(error).__name__}\n")
            return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
