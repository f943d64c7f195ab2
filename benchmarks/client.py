"""A session of the app without a browser: it speaks Streamlit's own protocol over a websocket.

One ``Session`` is what one open tab is for the server. ``open`` asks for a page by its address and gives all that
the page sent; so do ``press`` and ``choose`` after a change of one widget.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

SECONDS = 300.0  # no answer takes longer, even on a busy machine
_BROKEN = ("stException", "MatRep did not expect")


@dataclass
class Answer:
    """What one run of a page sent: its elements in their order, the bytes on the wire, and the seconds until its end."""

    elements: list[Any] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Everything that the elements hold as text."""
        return "\n".join(str(element) for element in self.elements)

    @property
    def exceptions(self) -> list[str]:
        """Exceptions that Streamlit shows, and the sentence by which a page owns up to a fault of its own."""
        return [str(e) for e in self.elements if e.WhichOneof("type") == "exception" or _BROKEN[1] in str(e)]

    def find(self, kind: str, label: str) -> Any:
        """The element of that kind whose label, without Markdown, is ``label``."""
        for element in self.elements:
            if element.WhichOneof("type") == kind and getattr(element, kind).label == label:
                return getattr(element, kind)
        raise LookupError(f"the page has no {kind} {label!r}")


class Session:
    """One open tab. The websocket is open from the first page on until ``close`` (or ``cut``, as a crash would)."""

    def __init__(self, url: str, user: tuple[str, str] | None = None, host: str = ""):
        """``user`` is a name and a password for a proxy; ``host`` the name by which a proxy is called over TLS,
        whose certificate is then not checked: a test has made it."""
        options: dict[str, Any] = {"max_size": None, "open_timeout": SECONDS, "subprotocols": ["streamlit"]}
        address = re.sub("^http", "ws", url) + "/_stcore/stream"
        if user is not None:
            login = b64encode(":".join(user).encode()).decode()
            options["additional_headers"] = {"Authorization": f"Basic {login}"}
        if host:
            parts = urlsplit(address)
            options |= {"sock": socket.create_connection((parts.hostname, parts.port)), "ssl": ssl._create_unverified_context()}
            address = f"wss://{host}{parts.path}"
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(connect(address, **options))
        self.id = ""  # by which the server knows it, once a page was opened
        self._page = self._query = ""
        self.last = Answer()

    def open(self, page: str, query: str = "") -> Answer:
        """Go to a page of that name with that query in its address."""
        self._page, self._query = page, query
        return self._run()

    def press(self, label: str) -> Answer:
        """Press a button of the last page."""
        return self._run(WidgetState(id=self.last.find("button", label).id, trigger_value=True))

    def choose(self, label: str, option: str) -> Answer:
        """Choose an option of a selectbox of the last page, by the text that it shows."""
        return self._run(WidgetState(id=self.last.find("selectbox", label).id, string_value=option))

    def _run(self, *changed: WidgetState) -> Answer:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        message.rerun_script.page_name = self._page
        message.rerun_script.widget_states.widgets.extend(changed)
        begun = time.perf_counter()
        self._socket.send(message.SerializeToString())
        answer = Answer()
        for sent in self._messages():
            answer.bytes += sent.ByteSize()
            kind = sent.WhichOneof("type")
            if kind == "new_session":
                answer.elements = []  # the page began anew
                self.id = sent.new_session.initialize.session_id
            elif kind == "delta" and sent.delta.WhichOneof("type") == "new_element":
                answer.elements.append(sent.delta.new_element)
            elif kind == "page_info_changed":
                self._query = sent.page_info_changed.query_string
            elif kind == "script_finished" and sent.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
        answer.seconds = time.perf_counter() - begun
        self.last = answer
        return answer

    def _messages(self) -> Iterator[Any]:
        end = time.monotonic() + SECONDS
        while True:
            sent = ForwardMsg()
            sent.ParseFromString(self._socket.recv(timeout=max(0.1, end - time.monotonic())))
            yield sent

    def close(self) -> None:
        self._closing.close()

    def cut(self) -> None:
        """End as a killed browser does: without a word."""
        self._socket.socket.close()
        self._closing.close()
