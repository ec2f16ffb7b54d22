"""A strict front before moto's server: checks each request as AWS would, remembers what was registered, injects faults.

moto is lenient: it takes a wrong block checksum, a wrong ChangedBlocksCount, an unknown snapshot and a duplicate image
name, and its DescribeImages forgets KernelId, VirtualizationType and Architecture. So the front refuses what AWS would
refuse, answers for images and snapshots itself, and hands the data (S3 objects, blocks) on to moto.

Here is the plumbing; ec2_state.py knows what EC2 and the EBS direct API would say.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.integration.publish.ec2.ec2_state import Account, Refusal, Reply

FaultKind = Literal[
    "throttled", "internal", "unavailable", "cut", "lost", "expired", "quota", "denied", "damaged", "slow-down"
]
READING = ("Describe", "Head", "Get", "List")
_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass
class Fault:
    """`operation` fails in that way, `times` times, after `after` such requests went well."""

    operation: str
    kind: FaultKind
    times: int = 1
    after: int = 0


@dataclass(frozen=True)
class Request:
    service: str
    region: str
    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    fields: dict[str, str] = field(default_factory=dict)


class Front:
    """The server. `calls`: (region, operation) of each request that arrived; `refused`: what AWS would not take."""

    def __init__(self, moto_host: str, moto_port: int, access_key: str) -> None:
        self.moto = (moto_host, moto_port)
        self.access_key = access_key
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.reset()
        front = self

        class Handler(_Handler):
            owner = front

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        with self.lock:
            self.account = Account()
            self.calls: list[tuple[str, str]] = []
            self.refused: list[str] = []
            self.faults.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def changes(self) -> list[tuple[str, str]]:
        """The calls that change something."""
        return [call for call in self.calls if not call[1].startswith(READING)]

    def fault_for(self, operation: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.operation == operation and fault.times > 0:
                    if fault.after > 0:
                        fault.after -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None

    def answer(self, request: Request) -> Reply:
        with self.lock:
            self.calls.append((request.region, request.operation))
        try:
            if request.service == "s3":
                self._check_object(request)
                return self.forward(request)
            with self.lock:
                return self.account.answer(request.region, request.operation, request, self.forward)
        except Refusal as refusal:
            with self.lock:
                self.refused.append(f"{request.operation}: {refusal.code}: {refusal.message}")
            return error_reply(request.service, refusal.status, refusal.code, refusal.message)

    def forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(*self.moto, timeout=30)
        try:
            headers = {key: value for key, value in request.headers.items() if key not in ("expect", "connection")}
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            data = answer.read()
            hop = ("transfer-encoding", "connection", "content-length", "server", "date")
            kept = {key: value for key, value in answer.getheaders() if key.lower() not in hop}
            if request.method == "HEAD" and (length := answer.getheader("Content-Length")):
                kept["Content-Length"] = length
            return Reply(answer.status, data, kept)
        finally:
            connection.close()

    def _check_object(self, request: Request) -> None:
        """S3 compares whatever checksums a request carries; imagebuild must send a SHA-256 and let EC2 read."""
        if request.operation != "PutObject":
            return
        headers, body = request.headers, request.body
        sent = headers.get("x-amz-content-sha256", "")
        if re.fullmatch(r"[0-9a-f]{64}", sent) and sent != hashlib.sha256(body).hexdigest():
            raise Refusal("XAmzContentSHA256Mismatch", "the body is not what was signed")
        if headers.get("x-amz-checksum-sha256") != base64.b64encode(hashlib.sha256(body).digest()).decode():
            raise Refusal("BadDigest", "x-amz-checksum-sha256 is missing or does not fit the body")
        if headers.get("x-amz-acl") != "aws-exec-read":
            raise Refusal("InvalidRequest", "EC2 could not read this object")


class _Handler(BaseHTTPRequestHandler):
    owner: Front
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet for headers and body: two would wait for each other (Nagle, delayed ACK)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the parent's name)
        pass

    def _serve(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        scope = _SCOPE.search(headers.get("authorization", ""))
        if scope is None:
            self._send(error_reply("ec2", 401, "MissingAuthenticationToken", "not signed"))
            return
        length = int(headers.get("content-length", "0"))
        service = scope["service"]
        if service != "ec2":
            operation = _rest_operation(service, self.command, self.path)
            fault = self.owner.fault_for(operation)
            if fault and fault.kind == "cut":
                self.rfile.read(length // 2)
                self._cut()
                return
            body = self.rfile.read(length)
            fields: dict[str, str] = {}
        else:
            body = self.rfile.read(length)
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
            operation = fields.get("Action", "?")
            fault = self.owner.fault_for(operation)
            if fault and fault.kind == "cut":
                self._cut()
                return
        if scope["key"] != self.owner.access_key:
            self._send(error_reply(service, 401, "AuthFailure", "AWS was not able to validate the access credentials"))
            return
        if fault and fault.kind != "lost":
            self._send(_fault_reply(service, operation, fault.kind))
            return
        request = Request(service, scope["region"], operation, self.command, self.path, headers, body, fields)
        reply = self.owner.answer(request)
        if fault:
            self._cut()
            return
        self._send(reply)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 (http.server's names)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _cut(self) -> None:
        """Reset the connection, as a broken line does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _rest_operation(service: str, method: str, path: str) -> str:
    parts = [part for part in unquote(urlsplit(path).path).split("/") if part]
    if service == "ebs":
        if method == "POST":
            return "CompleteSnapshot" if "completion" in parts else "StartSnapshot"
        if method == "PUT":
            return "PutSnapshotBlock"
        return "GetSnapshotBlock" if parts[-2:-1] == ["blocks"] else "ListSnapshotBlocks"
    what = "Object" if len(parts) > 1 else "Bucket"
    return {"PUT": "Put", "HEAD": "Head", "GET": "Get", "DELETE": "Delete", "POST": "Post"}[method] + what


def error_reply(service: str, status: int, code: str, message: str) -> Reply:
    if service == "ebs":
        text = f'{{"Message": "{message}", "Reason": "INVALID_PARAMETER_VALUE"}}'
        return Reply(status, text.encode(), {"x-amzn-ErrorType": code, "Content-Type": "application/json"})
    if service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>r</RequestId></Error>"
    else:
        inner = f"<Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        text = f"<Response>{inner}<RequestID>r</RequestID></Response>"
    return Reply(status, text.encode(), {"Content-Type": "text/xml"})


def _fault_reply(service: str, operation: str, kind: FaultKind) -> Reply:
    match kind:
        case "throttled":
            code = {"ec2": "RequestLimitExceeded", "ebs": "ThrottlingException", "s3": "SlowDown"}[service]
            return error_reply(service, 503 if service != "ebs" else 400, code, "Request limit exceeded.")
        case "internal":
            return error_reply(service, 500, "InternalServerException" if service == "ebs" else "InternalError", "oops")
        case "unavailable" | "slow-down":
            return error_reply(service, 503, "Unavailable", "try again")
        case "expired":
            code = {"ec2": "RequestExpired", "ebs": "ExpiredTokenException", "s3": "ExpiredToken"}[service]
            return error_reply(service, 400, code, "The security token included in the request is expired")
        case "quota":
            code = "ServiceQuotaExceededException" if service == "ebs" else "SnapshotLimitExceeded"
            return error_reply(service, 402 if service == "ebs" else 400, code, "snapshot limit exceeded")
        case "denied":
            code = {"ec2": "UnauthorizedOperation", "ebs": "AccessDeniedException", "s3": "AccessDenied"}[service]
            return error_reply(service, 403, code, f"not authorized to perform {operation}")
        case "damaged":
            code = "ValidationException" if service == "ebs" else "BadDigest"
            return error_reply(service, 400, code, "The checksum does not match the data")
        case "cut" | "lost":
            raise AssertionError(kind)
