//! A connection: handshake, requests, and chunks of replies.

use std::io::{BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::NbdError;
use super::wire::{
    CHUNK_DONE, CHUNK_ERROR, CHUNK_MAGIC, CLIENT_FLAGS, CMD_DISCONNECT, ERROR_MAX,
    FLAG_FIXED_NEWSTYLE, INFO_EXPORT, MAGIC, NAME_MAX, OPT_GO, OPT_SET_META_CONTEXT,
    OPT_STRUCTURED_REPLY, OPTION_MAGIC, OPTION_REPLIES_MAX, OPTION_REPLY_MAGIC, OPTION_REPLY_MAX,
    REP_ACK, REP_ERROR, REP_INFO, REP_META_CONTEXT, option, request, text, u16_at, u32_at, u64_at,
};

type Result<T> = std::result::Result<T, NbdError>;

/// What to open.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The server's socket.
    pub socket: &'a Path,
    /// The export's name.
    pub export: &'a str,
    /// Contexts of block status, all of which must be there.
    pub contexts: &'a [String],
    /// How long the server may be silent.
    pub patience: Duration,
}

/// A connection to one export.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    size: u64,
    /// Numbers of the contexts, in the order they were asked for.
    pub(super) contexts: Vec<u32>,
    pub(super) cookie: u64,
    pub(super) broken: bool,
}

/// One chunk's head. Its payload of `length` bytes is still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub done: bool,
    pub kind: u16,
    pub cookie: u64,
    pub length: u32,
}

impl Client {
    /// Connects and opens the export.
    ///
    /// # Errors
    ///
    /// [`NbdError::Connect`]; [`NbdError::NoContext`] for a context that the export has not;
    /// [`NbdError::Refused`] for an export that is not there.
    pub fn connect(options: &Options<'_>) -> Result<Self> {
        let socket = options.socket;
        let stream = UnixStream::connect(socket)
            .map_err(|source| NbdError::Connect { socket: socket.to_owned(), source })?;
        Self::over(stream, options.export, options.contexts, options.patience)
    }

    /// Opens the export at the other end of `stream`.
    ///
    /// # Errors
    ///
    /// As for [`Self::connect`].
    pub fn over(
        stream: UnixStream,
        export: &str,
        contexts: &[String],
        patience: Duration,
    ) -> Result<Self> {
        let limited = stream.set_read_timeout(Some(patience));
        limited
            .and_then(|()| stream.set_write_timeout(Some(patience)))
            .map_err(|source| NbdError::io("setting a time limit", source))?;
        let names = contexts.iter().map(String::as_str).chain([export]);
        if let Some(name) = names.into_iter().find(|name| name.len() > NAME_MAX) {
            let message = format!("a name of {} bytes", name.len());
            return Err(NbdError::Refused { what: "a name", message });
        }
        let mut client = Self {
            reader: BufReader::with_capacity(256 << 10, stream),
            size: 0,
            contexts: Vec::new(),
            cookie: 0,
            broken: false,
        };
        client.greet()?;
        client.ask_structured()?;
        if !contexts.is_empty() {
            client.contexts = client.choose_contexts(export, contexts)?;
        }
        client.size = client.go(export)?;
        Ok(client)
    }

    /// The export's size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn greet(&mut self) -> Result<()> {
        let mut hello = [0; 18];
        self.receive(&mut hello, "greeting")?;
        let newstyle = u64_at(&hello, 0) == MAGIC && u64_at(&hello, 8) == OPTION_MAGIC;
        if !newstyle || u16_at(&hello, 16) & FLAG_FIXED_NEWSTYLE == 0 {
            return Err(NbdError::protocol("it does not greet as a fixed newstyle server"));
        }
        self.send(&CLIENT_FLAGS.to_be_bytes(), "greeting")
    }

    fn ask_structured(&mut self) -> Result<()> {
        self.send(&option(OPT_STRUCTURED_REPLY, &[]), "asking for structured replies")?;
        match self.option_reply(OPT_STRUCTURED_REPLY)? {
            (REP_ACK, _) => Ok(()),
            (kind, data) => Err(refused("structured replies", kind, &data)),
        }
    }

    fn choose_contexts(&mut self, export: &str, contexts: &[String]) -> Result<Vec<u32>> {
        let count = u32::try_from(contexts.len()).unwrap_or(u32::MAX);
        let mut data = text(export);
        data.extend(count.to_be_bytes());
        for name in contexts {
            data.extend(text(name));
        }
        self.send(&option(OPT_SET_META_CONTEXT, &data), "choosing contexts")?;
        let mut found: Vec<(String, u32)> = Vec::new();
        for _ in 0..OPTION_REPLIES_MAX {
            match self.option_reply(OPT_SET_META_CONTEXT)? {
                (REP_META_CONTEXT, data) if data.len() >= 4 => {
                    let name = String::from_utf8_lossy(&data[4..]).into_owned();
                    found.push((name, u32_at(&data, 0)));
                }
                (REP_ACK, _) => {
                    let number = |name: &String| {
                        let it = found.iter().find(|(known, _)| known == name);
                        it.map(|(_, number)| *number)
                            .ok_or_else(|| NbdError::NoContext { name: name.clone() })
                    };
                    return contexts.iter().map(number).collect();
                }
                (kind, data) => return Err(refused("contexts", kind, &data)),
            }
        }
        Err(NbdError::protocol("it does not stop naming contexts"))
    }

    fn go(&mut self, export: &str) -> Result<u64> {
        let mut data = text(export);
        data.extend([0, 0]);
        self.send(&option(OPT_GO, &data), "opening the export")?;
        let mut size = None;
        for _ in 0..OPTION_REPLIES_MAX {
            match self.option_reply(OPT_GO)? {
                (REP_INFO, data) if data.len() >= 12 && u16_at(&data, 0) == INFO_EXPORT => {
                    size = Some(u64_at(&data, 2));
                }
                (REP_INFO, _) => {}
                (REP_ACK, _) => {
                    return size
                        .filter(|size| i64::try_from(*size).is_ok())
                        .ok_or_else(|| NbdError::protocol("it gives no possible size"));
                }
                (kind, data) => return Err(refused("the export", kind, &data)),
            }
        }
        Err(NbdError::protocol("it does not stop describing the export"))
    }

    fn option_reply(&mut self, asked: u32) -> Result<(u32, Vec<u8>)> {
        const DOING: &str = "negotiating";
        let mut head = [0; 20];
        self.receive(&mut head, DOING)?;
        let length = u32_at(&head, 16);
        if u64_at(&head, 0) != OPTION_REPLY_MAGIC || u32_at(&head, 8) != asked {
            return Err(NbdError::protocol("it answers what was not asked"));
        }
        if length > OPTION_REPLY_MAX {
            return Err(NbdError::protocol(format!("an option's answer of {length} bytes")));
        }
        let mut data = vec![0; length as usize];
        self.receive(&mut data, DOING)?;
        Ok((u32_at(&head, 12), data))
    }

    pub(super) fn request(&mut self, command: u16, offset: u64, length: u32) -> Result<u64> {
        self.cookie = self.cookie.wrapping_add(1);
        self.send(&request(command, self.cookie, offset, length), "asking")?;
        Ok(self.cookie)
    }

    pub(super) fn chunk(&mut self) -> Result<Chunk> {
        let mut head = [0; 20];
        self.receive(&mut head, "waiting for an answer")?;
        if u32_at(&head, 0) != CHUNK_MAGIC {
            return Err(NbdError::protocol("a reply is not structured"));
        }
        Ok(Chunk {
            done: u16_at(&head, 4) & CHUNK_DONE != 0,
            kind: u16_at(&head, 6),
            cookie: u64_at(&head, 8),
            length: u32_at(&head, 16),
        })
    }

    /// Reads an error chunk's payload; the error it means.
    pub(super) fn server_error(&mut self, chunk: Chunk, offset: u64) -> Result<NbdError> {
        if chunk.kind & CHUNK_ERROR == 0 || !(6..=ERROR_MAX).contains(&chunk.length) {
            let Chunk { kind, length, .. } = chunk;
            return Err(NbdError::protocol(format!("a chunk of kind {kind} and {length} bytes")));
        }
        let mut data = vec![0; chunk.length as usize];
        self.receive(&mut data, "reading an error")?;
        let told = data.get(6..6 + usize::from(u16_at(&data, 4))).unwrap_or_default();
        let message = String::from_utf8_lossy(told).into_owned();
        Ok(NbdError::Server { errno: u32_at(&data, 0), offset, message })
    }

    pub(super) fn receive(&mut self, bytes: &mut [u8], doing: &'static str) -> Result<()> {
        let received = self.reader.read_exact(bytes);
        received.map_err(|source| {
            self.broken = true;
            NbdError::io(doing, source)
        })
    }

    fn send(&mut self, bytes: &[u8], doing: &'static str) -> Result<()> {
        let sent = self.reader.get_mut().write_all(bytes);
        sent.map_err(|source| {
            self.broken = true;
            NbdError::io(doing, source)
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A goodbye is polite; a server that is gone does not miss it.
        let stream = self.reader.get_mut();
        let _ = stream.write_all(&request(CMD_DISCONNECT, 0, 0, 0));
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn refused(what: &'static str, kind: u32, data: &[u8]) -> NbdError {
    if kind & REP_ERROR == 0 {
        return NbdError::protocol(format!("{what}: an answer of kind {kind}"));
    }
    let told = String::from_utf8_lossy(data);
    NbdError::Refused { what, message: format!("error {}: {told}", kind & !REP_ERROR) }
}
