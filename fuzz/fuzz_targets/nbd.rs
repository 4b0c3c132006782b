//! What an NBD server may say: to the handshake, to questions for block status, and to reads.
//!
//! The client is `fabric`'s own source; the crate around it would make the build much longer.

#![no_main]

use std::io::Write;
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use model::units::Extent;

#[path = "../../crates/fabric/src"]
#[allow(dead_code, unused_imports)]
mod fabric {
    pub mod nbd;
}

use fabric::nbd::Client;

/// Size of the disk behind an honest handshake, in bytes.
const SIZE: u64 = 1 << 20;
/// Kinds of chunks, so that a fuzzer need not find them: none, data, hole, status, errors, unknown.
const KINDS: [u16; 8] = [0, 1, 2, 5, 0x8001, 0x8002, 3, 0xffff];

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let said = match mode % 3 {
        0 => rest.to_vec(),
        1 => [honest().as_slice(), rest].concat(),
        _ => [honest().as_slice(), &chunks(rest)].concat(),
    };
    let (mut server, client) = UnixStream::pair().expect("a pair of sockets");
    server.write_all(&said).expect("the buffer is larger than an input");
    server.shutdown(Shutdown::Write).expect("open");
    let contexts = ["first".to_owned(), "second".to_owned()];
    let Ok(mut client) = Client::over(client, "e", &contexts, Duration::from_secs(4)) else {
        return;
    };
    let size = client.size();
    if mode & 4 == 0 {
        if let Ok(maps) = client.status(&|flags| flags & 1 == 1) {
            maps.iter().for_each(|map| sorted(map, size));
        }
    }
    let ranges = [Extent::new(0, 8), Extent::new(8, 16), Extent::new(1 << 18, 512)];
    let mut until = 0;
    let _ = client.read(&ranges, &|_| {}, &mut |offset, bytes| {
        assert!(offset >= until && offset + bytes.len() as u64 <= size);
        until = offset + bytes.len() as u64;
        ControlFlow::Continue(())
    });
});

fn sorted(map: &[Extent], size: u64) {
    let mut behind = 0;
    for extent in map {
        assert!(extent.length > 0 && extent.start >= behind && extent.end() <= size);
        behind = extent.end();
    }
}

/// Chunks with heads that are right in most of what a head can be wrong in. Of `script`: flags,
/// kind, cookie, how much the length lies, size of the payload, payload.
fn chunks(mut script: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(([flags, kind, cookie, lie, size], rest)) = script.split_first_chunk() {
        let payload = &rest[..rest.len().min(usize::from(*size))];
        script = &rest[payload.len()..];
        let length = (payload.len() as u32).wrapping_add_signed(i32::from(*lie as i8));
        said.extend(0x668e_33ef_u32.to_be_bytes());
        said.extend(u16::from(*flags).to_be_bytes());
        said.extend(KINDS[usize::from(*kind) % KINDS.len()].to_be_bytes());
        said.extend(u64::from(*cookie).to_be_bytes());
        said.extend(length.to_be_bytes());
        said.extend(payload);
    }
    said
}

/// What an honest server says before the first request, with two contexts, 7 and 9.
fn honest() -> Vec<u8> {
    let mut said = b"NBDMAGICIHAVEOPT\0\x03".to_vec();
    let mut answer = |option: u32, kind: u32, data: &[u8]| {
        said.extend(0x0003_e889_0455_65a9_u64.to_be_bytes());
        said.extend(option.to_be_bytes());
        said.extend(kind.to_be_bytes());
        said.extend((data.len() as u32).to_be_bytes());
        said.extend(data);
    };
    answer(8, 1, &[]);
    answer(10, 4, b"\0\0\0\x07first");
    answer(10, 4, b"\0\0\0\x09second");
    answer(10, 1, &[]);
    let export = [&[0, 0], SIZE.to_be_bytes().as_slice(), &[0, 1]].concat();
    answer(7, 3, &export);
    answer(7, 1, &[]);
    said
}
