//! Pipelined reads, delivered in order.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use model::units::{Extent, KIB};

use super::NbdError;
use super::client::{Chunk, Client};
use super::wire::{CHUNK_DATA, CHUNK_HOLE, CHUNK_NONE, CMD_READ, REPLY_CHUNKS_MAX, u32_at, u64_at};

/// Bytes of one read, and so of one piece for the sink. Larger ones were slower.
const READ: u64 = 256 * KIB;
/// Reads in flight.
const DEPTH: usize = 16;

/// One read that is in flight, or whose answer waits for an earlier one's.
struct Slot {
    cookie: u64,
    offset: u64,
    bytes: Vec<u8>,
    /// Parts that have arrived: start and end within the read, and whether it is data.
    parts: Vec<(usize, usize, bool)>,
    /// Chunks that have arrived, of whatever kind.
    chunks: usize,
    failure: Option<NbdError>,
    done: bool,
}

impl Client {
    /// Reads `ranges`, sorted and apart from each other, and hands them to `sink` in that order.
    /// Pieces that are all hole are left out. `asked` is called with the length of each read.
    ///
    /// # Errors
    ///
    /// The first failure; the sink has had everything before it.
    pub fn read(
        &mut self,
        ranges: &[Extent],
        asked: &dyn Fn(u64),
        sink: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, NbdError> {
        if self.broken {
            return Err(NbdError::Broken);
        }
        self.check(ranges)?;
        let result = self.run(ranges, asked, sink);
        self.broken |= !matches!(&result, Ok(_) | Err(NbdError::Server { .. }));
        result
    }

    fn check(&self, ranges: &[Extent]) -> Result<(), NbdError> {
        let size = self.size();
        let mut behind = 0;
        for range in ranges {
            let fits = range.start.checked_add(range.length).is_some_and(|end| end <= size);
            if !fits || range.start < behind {
                return Err(NbdError::Range { start: range.start, end: range.end(), size });
            }
            behind = range.end();
        }
        Ok(())
    }

    fn run(
        &mut self,
        ranges: &[Extent],
        asked: &dyn Fn(u64),
        sink: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, NbdError> {
        let mut todo = ranges.iter().flat_map(pieces).peekable();
        let mut slots: VecDeque<Slot> = VecDeque::with_capacity(DEPTH);
        let mut spare: Vec<Vec<u8>> = Vec::new();
        let mut outcome = Ok(ControlFlow::Continue(()));
        loop {
            // After a break or a failure, what is in flight is still taken in, and dropped.
            let going = matches!(outcome, Ok(ControlFlow::Continue(())));
            while going && slots.len() < DEPTH {
                let Some(piece) = todo.next() else { break };
                asked(piece.length);
                slots.push_back(self.ask(piece, spare.pop().unwrap_or_default())?);
            }
            if slots.is_empty() {
                return outcome;
            }
            self.take_chunk(&mut slots)?;
            while let Some(slot) = slots.pop_front_if(|slot| slot.done) {
                if matches!(outcome, Ok(ControlFlow::Continue(()))) {
                    outcome = deliver(slot, sink, &mut spare);
                }
            }
        }
    }

    fn ask(&mut self, piece: Extent, mut bytes: Vec<u8>) -> Result<Slot, NbdError> {
        let length = u32::try_from(piece.length).expect("a piece is at most READ bytes");
        let cookie = self.request(CMD_READ, piece.start, length)?;
        bytes.resize(length as usize, 0);
        let (parts, failure) = (Vec::new(), None);
        Ok(Slot { cookie, offset: piece.start, bytes, parts, chunks: 0, failure, done: false })
    }

    fn take_chunk(&mut self, slots: &mut VecDeque<Slot>) -> Result<(), NbdError> {
        let chunk = self.chunk()?;
        let slot = slots.iter_mut().find(|slot| slot.cookie == chunk.cookie && !slot.done);
        let Some(slot) = slot else {
            return Err(NbdError::protocol("an answer to no read in flight"));
        };
        slot.chunks += 1;
        if slot.chunks > REPLY_CHUNKS_MAX {
            return Err(NbdError::protocol("a reply does not end"));
        }
        match chunk.kind {
            CHUNK_NONE if chunk.length == 0 => {}
            CHUNK_DATA => self.take_data(chunk, slot)?,
            CHUNK_HOLE => self.take_hole(chunk, slot)?,
            _ => slot.failure = Some(self.server_error(chunk, slot.offset)?),
        }
        if chunk.done {
            slot.finish()?;
        }
        Ok(())
    }

    fn take_data(&mut self, chunk: Chunk, slot: &mut Slot) -> Result<(), NbdError> {
        let mut head = [0; 8];
        let Some(length) = chunk.length.checked_sub(8) else {
            return Err(NbdError::protocol("a data chunk without an offset"));
        };
        self.receive(&mut head, "reading data")?;
        let (start, end) = slot.part(u64_at(&head, 0), u64::from(length), true)?;
        self.receive(&mut slot.bytes[start..end], "reading data")
    }

    fn take_hole(&mut self, chunk: Chunk, slot: &mut Slot) -> Result<(), NbdError> {
        let mut head = [0; 12];
        if chunk.length != 12 {
            return Err(NbdError::protocol("a hole chunk of another length"));
        }
        self.receive(&mut head, "reading a hole")?;
        let (start, end) = slot.part(u64_at(&head, 0), u64::from(u32_at(&head, 8)), false)?;
        slot.bytes[start..end].fill(0);
        Ok(())
    }
}

impl Slot {
    /// Notes that a part has arrived; where it lies in the read.
    fn part(&mut self, offset: u64, length: u64, data: bool) -> Result<(usize, usize), NbdError> {
        let size = self.bytes.len() as u64;
        let start = offset.checked_sub(self.offset).filter(|start| *start < size);
        let Some(start) = start.filter(|start| length > 0 && length <= size - start) else {
            return Err(NbdError::protocol("a chunk lies outside its read"));
        };
        let index = |at: u64| usize::try_from(at).expect("within a read");
        let part = (index(start), index(start + length));
        self.parts.push((part.0, part.1, data));
        Ok(part)
    }

    /// The reply is over: its parts must tile the read, unless it failed.
    fn finish(&mut self) -> Result<(), NbdError> {
        self.done = true;
        if self.failure.is_some() {
            return Ok(());
        }
        self.parts.sort_unstable();
        let mut behind = 0;
        for (start, end, _) in &self.parts {
            if *start != behind {
                return Err(NbdError::protocol("the chunks of a read overlap or leave a gap"));
            }
            behind = *end;
        }
        if behind == self.bytes.len() {
            Ok(())
        } else {
            Err(NbdError::protocol("a read was answered in part"))
        }
    }
}

fn deliver(
    slot: Slot,
    sink: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    spare: &mut Vec<Vec<u8>>,
) -> Result<ControlFlow<()>, NbdError> {
    if let Some(failure) = slot.failure {
        return Err(failure);
    }
    let has_data = slot.parts.iter().any(|(_, _, data)| *data);
    let flow = if has_data { sink(slot.offset, &slot.bytes) } else { ControlFlow::Continue(()) };
    spare.push(slot.bytes);
    Ok(flow)
}

/// Cuts a range into reads.
fn pieces(range: &Extent) -> impl Iterator<Item = Extent> + use<> {
    let Extent { start, length } = *range;
    (0..length.div_ceil(READ)).map(move |at| {
        let done = at * READ;
        Extent::new(start + done, READ.min(length - done))
    })
}
