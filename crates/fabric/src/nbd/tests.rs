//! Method: a server that follows a script. It greets and negotiates as told, then answers each
//! request with bytes that the test makes of the request's cookie. [`check`] runs one client
//! against one script; no script may make it panic, hang or take memory without bound.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use model::units::Extent;
use proptest::prelude::*;

use super::wire::*;
use super::*;

const SIZE: u64 = 1 << 20;

/// What the server does with a request: gets command, cookie, offset and length.
type Answer = fn(u16, u64, u64, u32) -> Vec<u8>;

fn chunk(flags: u16, kind: u16, cookie: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small");
    lying_chunk(flags, kind, cookie, length, payload)
}

fn lying_chunk(flags: u16, kind: u16, cookie: u64, length: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = CHUNK_MAGIC.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn data(flags: u16, cookie: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut payload = offset.to_be_bytes().to_vec();
    payload.extend(bytes);
    chunk(flags, CHUNK_DATA, cookie, &payload)
}

fn hole(flags: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut payload = offset.to_be_bytes().to_vec();
    payload.extend(length.to_be_bytes());
    chunk(flags, CHUNK_HOLE, cookie, &payload)
}

fn status(flags: u16, cookie: u64, context: u32, descriptors: &[(u32, u32)]) -> Vec<u8> {
    let mut payload = context.to_be_bytes().to_vec();
    for (length, state) in descriptors {
        payload.extend(length.to_be_bytes());
        payload.extend(state.to_be_bytes());
    }
    chunk(flags, CHUNK_STATUS, cookie, &payload)
}

fn option_reply(number: u32, kind: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).expect("small").to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn hello() -> Vec<u8> {
    let mut bytes = MAGIC.to_be_bytes().to_vec();
    bytes.extend(OPTION_MAGIC.to_be_bytes());
    bytes.extend(3_u16.to_be_bytes());
    bytes
}

/// Everything an honest server says before the first request, with two contexts, 7 and 9.
fn honest_handshake() -> Vec<u8> {
    let mut bytes = hello();
    bytes.extend(option_reply(OPT_STRUCTURED_REPLY, REP_ACK, &[]));
    for (number, name) in [(7_u32, "first"), (9, "second")] {
        let mut payload = number.to_be_bytes().to_vec();
        payload.extend(name.bytes());
        bytes.extend(option_reply(OPT_SET_META_CONTEXT, REP_META_CONTEXT, &payload));
    }
    bytes.extend(option_reply(OPT_SET_META_CONTEXT, REP_ACK, &[]));
    let mut export = INFO_EXPORT.to_be_bytes().to_vec();
    export.extend(SIZE.to_be_bytes());
    export.extend([0, 1]);
    bytes.extend(option_reply(OPT_GO, REP_INFO, &export));
    bytes.extend(option_reply(OPT_GO, REP_ACK, &[]));
    bytes
}

/// Sends the handshake without waiting for the client's part, then serves requests.
fn serve(mut stream: UnixStream, handshake: &[u8], answer: Answer) {
    if stream.write_all(handshake).is_err() {
        return;
    }
    let mut client_flags = [0; 4];
    let _ = stream.read_exact(&mut client_flags);
    let mut options = 0;
    while options < 3 {
        let mut head = [0; 16];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        let mut rest = vec![0; u32_at(&head, 12) as usize];
        let _ = stream.read_exact(&mut rest);
        options += 1;
    }
    let mut request = [0; 28];
    while stream.read_exact(&mut request).is_ok() {
        let command = u16_at(&request, 6);
        let (cookie, offset) = (u64_at(&request, 8), u64_at(&request, 16));
        if command == CMD_DISCONNECT {
            return;
        }
        let reply = answer(command, cookie, offset, u32_at(&request, 24));
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn connect(handshake: Vec<u8>, answer: Answer) -> Result<Client, NbdError> {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).expect("bound");
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            serve(stream, &handshake, answer);
        }
    });
    let contexts = ["first".to_owned(), "second".to_owned()];
    let patience = Duration::from_millis(400);
    Client::connect(&Options { socket: &socket, export: "e", contexts: &contexts, patience })
}

type Pieces = Vec<(u64, Vec<u8>)>;

fn read(answer: Answer, ranges: &[Extent]) -> Result<Pieces, NbdError> {
    let mut client = connect(honest_handshake(), answer)?;
    let mut pieces = Vec::new();
    let flow = client.read(ranges, &|_| {}, &mut |offset, bytes| {
        pieces.push((offset, bytes.to_vec()));
        ControlFlow::Continue(())
    });
    flow.map(|_| pieces)
}

fn map(answer: Answer) -> Result<Vec<Vec<Extent>>, NbdError> {
    connect(honest_handshake(), answer)?.status(&|flags| flags & 1 == 1)
}

/// The error's variant and text, for a script that must fail.
#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, NbdError>, expect: &str) {
    let error = result.expect_err("a script that must fail");
    let told = format!("{error}");
    assert!(told.contains(expect), "{told:?} should tell {expect:?}");
}

#[test]
fn parts_and_replies_may_come_in_any_order() {
    // Every second reply is late: it comes together with the next one, and behind it.
    use std::sync::Mutex;
    static LATE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let answer: Answer = |_, cookie, offset, length| {
        let half = length / 2;
        let mut reply =
            data(0, cookie, offset + u64::from(half), &vec![cookie as u8; half as usize]);
        reply.extend(hole(1, cookie, offset, half));
        let mut late = LATE.lock().expect("one test");
        if late.is_empty() {
            *late = reply;
            return Vec::new();
        }
        reply.append(&mut late);
        reply
    };
    let pieces = read(answer, &[Extent::new(0, SIZE)]).expect("honest");
    let offsets: Vec<u64> = pieces.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 256 << 10, 512 << 10, 768 << 10]);
    for (at, (_, bytes)) in pieces.iter().enumerate() {
        let (zero, full) = bytes.split_at(128 << 10);
        assert!(zero.iter().all(|it| *it == 0) && full.iter().all(|it| usize::from(*it) == at + 1));
    }
}

#[test]
fn lies_about_reads_are_found() {
    let whole = [Extent::new(0, 8)];
    check(read(|_, c, _, _| data(1, c, 0, &[1; 7]), &whole), "in part");
    check(read(|_, c, _, _| data(1, c, 0, &[1; 9]), &whole), "outside its read");
    check(read(|_, c, _, _| data(1, c, 1, &[1; 8]), &whole), "outside its read");
    check(read(|_, c, _, _| data(1, c, u64::MAX, &[1; 8]), &whole), "outside its read");
    check(read(|_, c, _, _| hole(1, c, 0, u32::MAX), &whole), "outside its read");
    check(read(|_, c, _, _| hole(1, c, 0, 0), &whole), "outside its read");
    check(read(|_, c, _, _| chunk(1, CHUNK_NONE, c, &[]), &whole), "in part");
    check(read(|_, c, _, _| data(1, c + 1, 0, &[1; 8]), &whole), "no read in flight");
    check(read(|_, c, _, _| chunk(1, CHUNK_DATA, c, &[0; 7]), &whole), "without an offset");
    check(read(|_, c, _, _| chunk(1, CHUNK_HOLE, c, &[0; 7]), &whole), "another length");
    check(read(|_, c, _, _| chunk(1, 77, c, &[0; 7]), &whole), "kind 77");
    check(
        read(
            |_, _, _, _| {
                vec![0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            },
            &whole,
        ),
        "not structured",
    );
    let twice: Answer = |_, cookie, _, _| {
        let mut reply = data(0, cookie, 0, &[1; 8]);
        reply.extend(data(1, cookie, 0, &[2; 8]));
        reply
    };
    check(read(twice, &whole), "overlap");
    let huge: Answer = |_, cookie, _, _| lying_chunk(1, CHUNK_DATA, cookie, u32::MAX, &[0; 8]);
    check(read(huge, &whole), "outside its read");
    check(read(|_, _, _, _| Vec::new(), &whole), "silent");
}

#[test]
fn a_servers_error_is_told_and_the_connection_lives_on() {
    let answer: Answer = |_, cookie, offset, length| {
        if offset == 0 {
            chunk(1, CHUNK_ERROR | 1, cookie, b"\0\0\0\x05\0\x04oops")
        } else {
            data(1, cookie, offset, &vec![3; length as usize])
        }
    };
    let mut client = connect(honest_handshake(), answer).expect("honest");
    let mut none = |_: u64, _: &[u8]| ControlFlow::Continue(());
    let failed = client.read(&[Extent::new(0, 8)], &|_| {}, &mut none);
    assert!(
        matches!(&failed, Err(NbdError::Server { errno: 5, offset: 0, message }) if message == "oops"),
        "{failed:?}"
    );
    assert!(client.read(&[Extent::new(8, 8)], &|_| {}, &mut none).is_ok());
    let size = SIZE;
    let outside = client.read(&[Extent::new(size - 1, 2)], &|_| {}, &mut none);
    assert!(matches!(outside, Err(NbdError::Range { .. })));
    let unsorted = client.read(&[Extent::new(9, 2), Extent::new(8, 1)], &|_| {}, &mut none);
    assert!(matches!(unsorted, Err(NbdError::Range { .. })));
}

#[test]
fn an_error_chunk_longer_than_the_protocol_allows_is_refused() {
    let huge: Answer = |_, cookie, _, _| lying_chunk(1, CHUNK_ERROR | 1, cookie, u32::MAX, &[]);
    check(read(huge, &[Extent::new(0, 8)]), "a chunk of kind");
    let short: Answer = |_, cookie, _, _| chunk(1, CHUNK_ERROR | 1, cookie, b"\0\0\0\x05\xff\xff");
    check(read(short, &[Extent::new(0, 8)]), "error 5");
}

#[test]
fn a_reply_that_does_not_end_takes_neither_memory_nor_time_without_bound() {
    let same: Answer = |_, cookie, _, _| data(0, cookie, 0, &[1]).repeat(REPLY_CHUNKS_MAX + 1);
    check(read(same, &[Extent::new(0, 8)]), "does not end");
    let nothing: Answer =
        |_, cookie, _, _| chunk(0, CHUNK_NONE, cookie, &[]).repeat(REPLY_CHUNKS_MAX + 1);
    check(read(nothing, &[Extent::new(0, 8)]), "does not end");
    check(map(nothing), "does not end");
}

#[test]
fn contexts_that_answer_unevenly_far_are_joined() {
    let answer: Answer = |_, cookie, offset, length| {
        // The first context tells of everything, the second of 64 KiB at a time.
        let mut reply = status(0, cookie, 7, &[(length, u32::from(offset == 0))]);
        reply.extend(status(1, cookie, 9, &[(1 << 16, u32::from(offset >= SIZE / 2))]));
        reply
    };
    let maps = map(answer).expect("honest");
    assert_eq!(maps, [vec![Extent::new(0, SIZE)], vec![Extent::new(SIZE / 2, SIZE / 2)]]);
}

#[test]
fn a_status_beyond_the_end_is_cut() {
    let answer: Answer = |_, cookie, _, _| {
        let mut reply = status(0, cookie, 7, &[(u32::MAX, 1), (u32::MAX, 0)]);
        reply.extend(status(1, cookie, 9, &[(4096, 0), (u32::MAX, 1)]));
        reply
    };
    let maps = map(answer).expect("cut");
    assert_eq!(maps, [vec![Extent::new(0, SIZE)], vec![Extent::new(4096, SIZE - 4096)]]);
}

#[test]
fn lies_about_status_are_found() {
    check(map(|_, c, _, _| chunk(1, CHUNK_NONE, c, &[])), "nothing about a range");
    check(map(|_, c, _, _| status(1, c, 7, &[(4096, 1)])), "nothing about a range");
    check(map(|_, c, _, _| status(1, c, 8, &[(4096, 1)])), "not asked for");
    check(map(|_, c, _, _| status(1, c, 7, &[(0, 1)])), "no bytes");
    check(map(|_, c, _, _| status(1, c, 7, &[])), "status chunk of 4 bytes");
    check(map(|_, c, _, _| chunk(1, CHUNK_STATUS, c, &[0; 13])), "status chunk of 13");
    check(map(|_, c, _, _| lying_chunk(1, CHUNK_STATUS, c, u32::MAX, &[])), "status chunk");
    check(map(|_, c, _, _| status(1, c ^ 1, 7, &[(4096, 1)])), "another question");
}

#[test]
fn handshakes_that_lie_are_refused() {
    let none: Answer = |_, _, _, _| Vec::new();
    let with = |edit: fn(&mut Vec<u8>)| {
        let mut bytes = honest_handshake();
        edit(&mut bytes);
        connect(bytes, none)
    };
    check(with(|bytes| bytes[0] = 0), "greet");
    check(with(|bytes| bytes[17] = 0), "greet");
    check(with(|bytes| bytes[25] ^= 1), "not asked");
    check(with(|bytes| bytes[34..38].fill(0xff)), "an option's answer of");
    check(with(|bytes| bytes.truncate(60)), "silent");
    check(with(|bytes| bytes[30] = 0x80), "structured replies");
    let mut unnamed = hello();
    unnamed.extend(option_reply(OPT_STRUCTURED_REPLY, REP_ACK, &[]));
    let so_far = unnamed.clone();
    unnamed.extend(option_reply(OPT_SET_META_CONTEXT, REP_ACK, &[]));
    check(connect(unnamed, none), "no context first");
    let mut endless = so_far;
    for _ in 0..=OPTION_REPLIES_MAX {
        endless.extend(option_reply(OPT_SET_META_CONTEXT, REP_META_CONTEXT, &[0; 5]));
    }
    check(connect(endless, none), "does not stop");
}

#[test]
fn there_must_be_a_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let (socket, patience) = (&dir.path().join("s"), Duration::from_secs(1));
    let options = Options { socket, export: "", contexts: &[], patience };
    assert!(matches!(Client::connect(&options), Err(NbdError::Connect { .. })));
    let long = "x".repeat(NAME_MAX + 1);
    let _listener = UnixListener::bind(socket).expect("bound");
    let options = Options { export: &long, ..options };
    assert!(matches!(Client::connect(&options), Err(NbdError::Refused { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_never_panics(
        keep in 0_usize..260,
        garbage in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).expect("bound");
        let mut said = honest_handshake();
        said.truncate(keep);
        said.extend(&garbage);
        let server = thread::spawn(move || {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.write_all(&said);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let contexts = ["first".to_owned(), "second".to_owned()];
        let patience = Duration::from_millis(400);
        let options = Options { socket: &socket, export: "e", contexts: &contexts, patience };
        if let Ok(mut client) = Client::connect(&options) {
            prop_assert!(client.status(&|_| true).is_err());
        }
        server.join().expect("no panic");
    }
}
