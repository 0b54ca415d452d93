"""Our octets are smpplib's, wherever smpplib is right (design: decision 5).

Where it is not, the strategies keep away: over-long values, which it cuts, a NUL within a value,
and an empty message_id, which it refuses.

SIARAN_PDUS says how many PDUs of each kind are generated (`make fuzz`: 100,000); else 100.
"""

import os
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import consts
from smpplib.smpp import make_pdu, parse_pdu

from smpp import codec, status, tlv
from smpp.codec import SubmitTemplate
from smpp.pdu import (
    Address,
    Bind,
    BindResp,
    CancelSmResp,
    Command,
    Mode,
    QuerySm,
    QuerySmResp,
    ShortMessage,
)

generated = settings(max_examples=int(os.environ.get("SIARAN_PDUS", "100")))

octets = st.integers(0, 255)
sequences = st.integers(1, 0x7FFFFFFF)


def text(limit: int, least: int = 0) -> st.SearchStrategy[str]:
    """Latin-1 without NUL, as a C-octet string holds it (made of octets: three times as fast)."""
    return st.binary(min_size=least, max_size=limit).map(
        lambda octets: octets.replace(b"\0", b"\1").decode("latin-1")
    )


addresses = st.builds(Address, octets, octets, text(20))
messages = st.binary(max_size=254)


def theirs(command: str, sequence: int, **fields: Any) -> bytes:
    """What smpplib makes of it."""
    pdu = make_pdu(command, sequence=sequence)
    pdu.sequence = sequence
    for name, value in fields.items():
        setattr(pdu, name, value)
    return bytes(pdu.generate())


def read_back(octets_: bytes) -> Any:
    return parse_pdu(octets_, client=None, sequence=0, allow_unknown_opt_params=True)


@generated
@given(
    source=addresses,
    destination=text(20),
    ton=octets,
    npi=octets,
    service=text(5),
    numbers=st.tuples(octets, octets, octets, octets),
    times=st.tuples(text(16), text(16)),
    coding=st.tuples(octets, octets),
    message=messages,
    sequence=sequences,
)
def test_a_submit_sm_is_built_as_smpplib_builds_it(
    source: Address,
    destination: str,
    ton: int,
    npi: int,
    service: str,
    numbers: tuple[int, int, int, int],
    times: tuple[str, str],
    coding: tuple[int, int],
    message: bytes,
    sequence: int,
) -> None:
    """R-5.1: and reads back as it was written."""
    protocol_id, priority, registered, replace = numbers
    template = SubmitTemplate(
        source, ton, npi, service, protocol_id, priority, times[1], times[0], registered, replace
    )
    body = template.body(destination, *coding, message)
    assert codec.pack_header(16 + len(body), Command.SUBMIT_SM, 0, sequence) + body == theirs(
        "submit_sm",
        sequence,
        service_type=service,
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.value,
        dest_addr_ton=ton,
        dest_addr_npi=npi,
        destination_addr=destination,
        esm_class=coding[0],
        protocol_id=protocol_id,
        priority_flag=priority,
        schedule_delivery_time=times[0],
        validity_period=times[1],
        registered_delivery=registered,
        replace_if_present_flag=replace,
        data_coding=coding[1],
        sm_default_msg_id=0,
        short_message=message,
    )
    read = codec.parse_short_message(Command.SUBMIT_SM, sequence, body, 0, len(body))
    assert (read.source, read.destination, read.short_message) == (
        source.value,
        destination,
        message,
    )
    assert (read.service_type, read.dest_ton, read.dest_npi) == (service, ton, npi)
    assert (read.esm_class, read.data_coding) == coding
    assert (read.protocol_id, read.priority, read.registered_delivery) == (*numbers[:3],)
    assert read.tlvs is tlv.NONE


@generated
@given(
    source=addresses,
    destination=addresses,
    esm_class=octets,
    message=messages,
    receipted=text(64, least=1),
    state=octets,
)
def test_a_deliver_sm_is_read_as_smpplib_reads_it(
    source: Address,
    destination: Address,
    esm_class: int,
    message: bytes,
    receipted: str,
    state: int,
) -> None:
    """R-5.8: with the optional parameters of a receipt."""
    built = theirs(
        "deliver_sm",
        7,
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.value,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.value,
        esm_class=esm_class,
        short_message=message,
    )
    built += tlv.build(tlv.RECEIPTED_MESSAGE_ID, receipted.encode("latin-1") + b"\0")
    built += tlv.build(tlv.MESSAGE_STATE, bytes((state,)))
    built = struct.pack(">I", len(built)) + built[4:]
    read = codec.parse_short_message(Command.DELIVER_SM, 7, built, 16, len(built))
    oracle = read_back(built)
    assert read.source.encode("latin-1") == oracle.source_addr == source.value.encode("latin-1")
    assert read.destination.encode("latin-1") == oracle.destination_addr
    assert (read.esm_class, read.short_message) == (oracle.esm_class, oracle.short_message)
    assert tlv.c_string(read.tlvs[tlv.RECEIPTED_MESSAGE_ID]) == receipted
    assert oracle.receipted_message_id.decode("latin-1") == receipted
    assert read.tlvs[tlv.MESSAGE_STATE][0] == oracle.message_state == state


@generated
@given(source=addresses, destination=addresses, esm_class=octets, coding=octets, message=messages)
def test_a_delivery_back_goes_the_other_way(
    source: Address, destination: Address, esm_class: int, coding: int, message: bytes
) -> None:
    """R-5.12: addresses swapped, octets as smpplib's."""
    submit = ShortMessage(
        4, 1, "", source.ton, source.npi, source.value, destination.ton, destination.npi,
        destination.value, 0, 0, 0, 1, 0, b"", tlv.NONE,
    )  # fmt: skip
    ours = codec.deliver_back(
        submit, esm_class=esm_class, data_coding=coding, short_message=message
    )
    assert (
        ours
        == theirs(
            "deliver_sm",
            1,
            source_addr_ton=destination.ton,
            source_addr_npi=destination.npi,
            source_addr=destination.value,
            dest_addr_ton=source.ton,
            dest_addr_npi=source.npi,
            destination_addr=source.value,
            esm_class=esm_class,
            data_coding=coding,
            short_message=message,
        )[16:]
    )


@generated
@given(sequence=sequences, message_id=text(64, least=1))
def test_responses_are_smpplibs(sequence: int, message_id: str) -> None:
    """R-5.1: submit_sm_resp, deliver_sm_resp, and headers without a body."""
    ours = codec.submit_responses([(Command.SUBMIT_SM, sequence, 0, message_id)])
    assert ours == theirs("submit_sm_resp", sequence, message_id=message_id)
    assert codec.parse_message_id(ours, 16, len(ours)) == message_id
    ours = codec.deliver_responses([(Command.DELIVER_SM, sequence, status.TEMPORARY)])
    assert ours == theirs("deliver_sm_resp", sequence, status=status.TEMPORARY, message_id="")
    for name in ("enquire_link", "enquire_link_resp", "unbind", "unbind_resp", "generic_nack"):
        assert codec.header_only(Command[name.upper()], 3, sequence) == theirs(
            name, sequence, status=3
        )


@generated
@given(
    mode=st.sampled_from(Mode),
    names=st.tuples(text(15), text(8), text(12), text(40)),
    numbers=st.tuples(octets, octets, octets),
    sequence=sequences,
)
def test_a_bind_survives_the_wire(
    mode: Mode,
    names: tuple[str, str, str, str],
    numbers: tuple[int, int, int],
    sequence: int,
) -> None:
    """R-5.1: built by smpplib, read by us."""
    bind = Bind(
        mode=mode,
        system_id=names[0],
        password=names[1],
        system_type=names[2],
        address_range=names[3],
        interface_version=numbers[0],
        addr_ton=numbers[1],
        addr_npi=numbers[2],
    )
    built = codec.encode(bind, sequence)
    assert struct.unpack(">IIII", built[:16]) == (len(built), mode, 0, sequence)
    assert codec.decode(mode, 0, built, 16, len(built)) == bind


RARE: dict[str, st.SearchStrategy[BindResp | QuerySm | QuerySmResp | CancelSmResp]] = {
    "bind_resp": st.builds(
        BindResp,
        mode=st.sampled_from(Mode),
        status=st.just(0),
        system_id=text(15),
        version=st.none() | octets,
    ),
    "query_sm": st.builds(QuerySm, message_id=text(64, least=1), source=addresses),
    "query_sm_resp": st.builds(
        QuerySmResp,
        status=st.just(0),
        message_id=text(64),
        final_date=text(16),
        message_state=octets,
        error_code=octets,
    ),
    "cancel_sm_resp": st.builds(CancelSmResp, status=octets),
}


@pytest.mark.parametrize("kind", RARE)
@generated
@given(data=st.data(), sequence=sequences)
def test_rare_pdus_survive_the_wire(kind: str, data: st.DataObject, sequence: int) -> None:
    """R-5.11: what we build is what we read."""
    pdu = data.draw(RARE[kind])
    built = codec.encode(pdu, sequence)
    length, command, status_, read_sequence = struct.unpack(">IIII", built[:16])
    assert (length, read_sequence) == (len(built), sequence)
    assert codec.decode(command, status_, built, 16, length) == pdu


@pytest.mark.parametrize("name", [name for name in dir(consts) if name.startswith("SMPP_ESME_")])
def test_status_numbers_are_smpplibs(name: str) -> None:
    """R-5.7: each status that smpplib knows has a row, with that name."""
    row = status.TABLE[getattr(consts, name)]
    assert row.name == name.removeprefix("SMPP_")


def test_tags_are_smpplibs() -> None:
    """The optional parameters by smpplib's names (congestion_state is younger than it)."""
    ours = {
        name: value
        for name, value in vars(tlv).items()
        if name[0].isalpha() and name.isupper() and name != "NONE"
    }
    del ours["CONGESTION_STATE"]
    assert ours == {name: consts.OPTIONAL_PARAMS[name.lower()] for name in ours}
