//! Targets: what members write for each other and for themselves.
//!
//! Most of it carries a checksum, past which hardly any mutation would get: an input is also
//! read with the checksum put right.

use super::{Target, signature, signed};
use bytes::Bytes;
use reddwarf_core::codec::{self, HEADER_BYTES};
use reddwarf_core::{
    Author, BranchId, Change, Collection, ObjectIndex, ObjectKey, Proposal, ProposalKind,
    RequestId, Revision, StoredObject, Write,
};
use reddwarf_raft::peer::{self, FrameReader, Greeting, Hello};
use reddwarf_raft::wal::record::{self, Record};
use reddwarf_storage::rows;
use reddwarf_versioning::{EntryContext, State};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target { name: "peer-frame", run: peer_frame, seeds: peer_frames },
        Target { name: "peer-message", run: peer_message, seeds: peer_messages },
        Target { name: "wal-record", run: wal_record, seeds: wal_records },
        Target { name: "stored-row", run: stored_row, seeds: stored_rows },
        Target { name: "proposal", run: proposal, seeds: proposals },
    ]
}

/// A record of the codec with the checksum of its content.
fn right(input: &[u8]) -> Vec<u8> {
    let mut out = input.to_vec();
    if out.len() >= HEADER_BYTES {
        let sum = crc32c::crc32c(&out[HEADER_BYTES..]);
        out[1..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    }
    out
}

fn peer_frame(input: &[u8]) -> u64 {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    let read = async {
        let mut reader = FrameReader::new(input);
        let mut kinds = Vec::new();
        while let Some(frame) = reader.next().await? {
            kinds.push(frame.kind);
        }
        Ok::<_, std::io::Error>(kinds)
    };
    match RUNTIME.block_on(read) {
        Ok(kinds) => signature(&format!("{kinds:?}")),
        Err(error) => signature(&error.to_string()),
    }
}

fn peer_frames() -> Vec<Vec<u8>> {
    let frame = |kind: u8, body: &[u8]| {
        let mut out = (9 + body.len() as u32).to_le_bytes().to_vec();
        out.push(kind);
        out.extend_from_slice(&7_u64.to_le_bytes());
        out.extend_from_slice(body);
        out
    };
    vec![frame(1, b"hello"), [frame(2, b""), frame(128, b"reply")].concat(), frame(129, b"no")]
}

fn peer_message(input: &[u8]) -> u64 {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    match first % 5 {
        0 => signed(peer::decode::<Hello>(&right(rest))),
        1 => signed(peer::decode_append(Bytes::copy_from_slice(rest))),
        2 => signed(peer::decode_forward(Bytes::copy_from_slice(rest))),
        3 => signed(peer::read_greeting::<Greeting>(rest)),
        _ => signed(peer::decode::<peer::Forwarded>(&right(rest))),
    }
}

fn peer_messages() -> Vec<Vec<u8>> {
    let hello = Hello {
        wire_version: peer::WIRE_VERSION,
        cluster_id: "c".into(),
        from: 1,
        from_name: "a".into(),
        to: 2,
        incarnation: 3,
        member_since: 0,
    };
    let greeting = serde_json::to_vec(&serde_json::json!({
        "wire": {"oldest": 4, "newest": 5},
        "build": {"version": "1", "levels": {"oldest": 1, "newest": 2}},
        "hello": &hello,
    }));
    let greeting = greeting.expect("encodes").into();
    let hello = peer::encode(&hello).expect("encodes");
    let forward = peer::encode_forward(&[encoded_proposal().into(), Bytes::from_static(b"x")]);
    let answer = peer::encode(&peer::Forwarded::Refused("no".into())).expect("encodes");
    [(0, hello), (2, forward), (3, greeting), (4, answer)]
        .into_iter()
        .map(|(kind, body)| [&[kind], body.as_ref()].concat())
        .collect()
}

fn wal_record(input: &[u8]) -> u64 {
    const SEGMENT: u64 = 1;
    let plain = record::decode(SEGMENT, input).map(drop);
    let mut input = input.to_vec();
    if input.len() >= record::RECORD_HEADER_BYTES {
        let len = (input.len() - record::RECORD_HEADER_BYTES) as u32;
        input[4..8].copy_from_slice(&len.to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&SEGMENT.to_le_bytes()), &input[4..]);
        input[..4].copy_from_slice(&sum.to_le_bytes());
    }
    signed(plain) ^ signed(record::decode(SEGMENT, &input))
}

fn wal_records() -> Vec<Vec<u8>> {
    let records =
        [Record::Committed(None), Record::Truncate(Some(5)), Record::Synced { offset: 7 }];
    let mut out: Vec<Vec<u8>> = records
        .iter()
        .map(|record| {
            let mut bytes = Vec::new();
            record::encode(1, record, &mut bytes).expect("encodes");
            bytes
        })
        .collect();
    // An entry with a proposal, of which the length and the checksum are put right.
    let mut entry = vec![0; record::RECORD_HEADER_BYTES];
    (entry[8], entry[9]) = (1, 1);
    entry.extend_from_slice(&[0; 16]);
    entry.push(1);
    entry.extend_from_slice(&encoded_proposal());
    out.push(entry);
    out
}

fn stored_row(input: &[u8]) -> u64 {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    match first % 4 {
        0 => signed(rows::read_version(Revision(7), &right(rest))),
        1 => signed(rows::read_checkpoint_value(&right(rest))),
        2 => signed(rows::read_current(b"key", rest)),
        _ => rows::read_format(rest).map_or(1, u64::from),
    }
}

fn stored_object() -> StoredObject {
    let (bytes, at) = object_bytes();
    StoredObject {
        key: key(),
        revision: Revision(7),
        created: Revision(7),
        bytes,
        version_at: (at, 1),
        index: ObjectIndex::default(),
        salt: None,
        content: [0; 32],
    }
}

fn key() -> ObjectKey {
    Collection::new("", "configmaps").key("a", "m")
}

/// An object as it is proposed, and where its version goes.
fn object_bytes() -> (Bytes, u32) {
    let head = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"";
    (Bytes::from(format!("{head}\"}}}}")), head.len() as u32)
}

fn stored_rows() -> Vec<Vec<u8>> {
    let version = rows::version_value(&stored_object()).expect("encodes");
    let current = rows::current_value(b"key", Revision(7));
    let format = rows::format_row(1);
    [(0, version.to_vec()), (2, current.to_vec()), (3, format.to_vec())]
        .into_iter()
        .map(|(kind, row)| [vec![kind], row].concat())
        .collect()
}

fn encoded_proposal() -> Vec<u8> {
    let (body, version_offset) = object_bytes();
    let write = Write {
        branch: BranchId::MAIN,
        author: Author::default(),
        verb: "create".into(),
        message: None,
        time_ms: 1,
        fence: None,
        preconditions: Vec::new(),
        changes: vec![Change::Put {
            key: key(),
            body,
            version_offset,
            index: ObjectIndex::default(),
            salt: None,
        }],
        links: None,
        excised: Vec::new(),
    };
    let kind = ProposalKind::Write(write);
    let proposal = Proposal { request_id: RequestId([1; 16]), made_at: 0, kind };
    codec::encode(1, &proposal).expect("encodes")
}

/// A proposal that decodes is applied: a replica must not stop for it.
fn proposal(input: &[u8]) -> u64 {
    let decoded: Result<Proposal, _> = codec::decode(1, &right(input));
    let Ok(proposal) = decoded else { return signed(decoded) };
    let mut state = State::new();
    let entry = EntryContext { index: state.applied().index + 1, term: 1, leader: 1 };
    let applied = state.apply(entry, proposal);
    let applied = applied.unwrap_or_else(|halt| panic!("a proposal stops the replica: {halt}"));
    signature(&format!("{:?}", applied.outcome))
}

fn proposals() -> Vec<Vec<u8>> {
    let tick = ProposalKind::Tick { elapsed_ms: 5 };
    let tick = Proposal { request_id: RequestId([2; 16]), made_at: 0, kind: tick };
    vec![encoded_proposal(), codec::encode(1, &tick).expect("encodes")]
}
