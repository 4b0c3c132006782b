//! The protocol's numbers, and the pieces of its messages. Integers are big endian.

/// First 8 bytes from a server.
pub const MAGIC: u64 = 0x4e42_444d_4147_4943;
/// "IHAVEOPT": opens the server's second 8 bytes and each option.
pub const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
/// Opens each reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// Opens each request.
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// Opens each chunk of a structured reply.
pub const CHUNK_MAGIC: u32 = 0x668e_33ef;

/// Handshake flag: the server speaks the fixed newstyle protocol.
pub const FLAG_FIXED_NEWSTYLE: u16 = 1;
/// Our handshake flags: fixed newstyle, no padding behind an old-style export answer.
pub const CLIENT_FLAGS: u32 = 3;

/// Option: open the export.
pub const OPT_GO: u32 = 7;
/// Option: structured replies.
pub const OPT_STRUCTURED_REPLY: u32 = 8;
/// Option: choose contexts of block status.
pub const OPT_SET_META_CONTEXT: u32 = 10;

/// Option reply: done.
pub const REP_ACK: u32 = 1;
/// Option reply: something about the export.
pub const REP_INFO: u32 = 3;
/// Option reply: a context's number and name.
pub const REP_META_CONTEXT: u32 = 4;
/// Option replies from here on are refusals.
pub const REP_ERROR: u32 = 1 << 31;
/// The kind of export information that holds size and flags.
pub const INFO_EXPORT: u16 = 0;

/// Command: read.
pub const CMD_READ: u16 = 0;
/// Command: goodbye.
pub const CMD_DISCONNECT: u16 = 2;
/// Command: block status.
pub const CMD_BLOCK_STATUS: u16 = 7;

/// Chunk flag: the last of its reply.
pub const CHUNK_DONE: u16 = 1;
/// Chunk: nothing.
pub const CHUNK_NONE: u16 = 0;
/// Chunk: offset and data.
pub const CHUNK_DATA: u16 = 1;
/// Chunk: offset and length of zeroes.
pub const CHUNK_HOLE: u16 = 2;
/// Chunk: a context's descriptors.
pub const CHUNK_STATUS: u16 = 5;
/// Chunks from here on are errors.
pub const CHUNK_ERROR: u16 = 1 << 15;

/// Most bytes of one reply to an option. Ours are names and some numbers.
pub const OPTION_REPLY_MAX: u32 = 64 << 10;
/// Most replies to one option.
pub const OPTION_REPLIES_MAX: u32 = 64;
/// Most bytes of an error chunk: two numbers and a text, which the protocol bounds at 4 KiB.
pub const ERROR_MAX: u32 = 8 << 10;
/// Most bytes of a block status chunk. QEMU sends at most 1 MiB.
pub const STATUS_MAX: u32 = 4 << 20;

/// Most chunks of one reply. QEMU sends one for each change between data and hole, which in a read
/// of ours are at most 512, and one a context for status.
pub const REPLY_CHUNKS_MAX: usize = 4096;

/// Longest name of an export or a context, by the protocol.
pub const NAME_MAX: usize = 4096;

/// An option and its data, as bytes.
pub fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + data.len());
    bytes.extend(OPTION_MAGIC.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(length(data.len()).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A text with its length before it.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = length(text.len()).to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

/// A request as bytes.
pub fn request(command: u16, cookie: u64, offset: u64, length: u32) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..4].copy_from_slice(&REQUEST_MAGIC.to_be_bytes());
    bytes[6..8].copy_from_slice(&command.to_be_bytes());
    bytes[8..16].copy_from_slice(&cookie.to_be_bytes());
    bytes[16..24].copy_from_slice(&offset.to_be_bytes());
    bytes[24..].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// The 16 bits at `at`; zero where `bytes` is too short, which the caller has ruled out.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|it| it.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// The 32 bits at `at`, as [`u16_at`].
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|it| it.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// The 64 bits at `at`, as [`u16_at`].
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|it| it.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("names are bounded by NAME_MAX")
}
