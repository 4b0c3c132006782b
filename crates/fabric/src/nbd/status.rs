//! Block status: which ranges of a disk a context says something about.

use model::units::{Extent, MIB};

use super::NbdError;
use super::client::{Chunk, Client};
use super::wire::{CHUNK_STATUS, CMD_BLOCK_STATUS, REPLY_CHUNKS_MAX, STATUS_MAX, u32_at};

/// Bytes of one question: below 4 GiB, and a multiple of every block size.
const QUESTION: u64 = 2048 * MIB;

/// Most ranges that are kept of one context: 32 MiB of memory. Beyond that, near ones are joined
/// over their gaps: to read too much is never wrong.
const EXTENTS_MAX: usize = 1 << 21;

/// What one context has said so far.
struct Answer {
    context: u32,
    extents: Vec<Extent>,
    /// Everything before this is answered.
    until: u64,
    /// Gaps up to this are read over.
    gap: u64,
}

impl Client {
    /// For each context, in the order of the connection's: the ranges whose flags `holds` says
    /// yes to; sorted and apart from each other.
    ///
    /// # Errors
    ///
    /// [`NbdError::Server`], or any failure of the connection.
    pub fn status(&mut self, holds: &dyn Fn(u32) -> bool) -> Result<Vec<Vec<Extent>>, NbdError> {
        if self.broken {
            return Err(NbdError::Broken);
        }
        let result = self.ask_all(holds);
        self.broken |= result.is_err();
        result
    }

    fn ask_all(&mut self, holds: &dyn Fn(u32) -> bool) -> Result<Vec<Vec<Extent>>, NbdError> {
        let fresh =
            |context: &u32| Answer { context: *context, extents: Vec::new(), until: 0, gap: 0 };
        let mut answers: Vec<Answer> = self.contexts.iter().map(fresh).collect();
        let size = self.size();
        let mut at = 0;
        while at < size && !answers.is_empty() {
            let length = u32::try_from((size - at).min(QUESTION)).expect("QUESTION is below 4 GiB");
            let cookie = self.request(CMD_BLOCK_STATUS, at, length)?;
            for number in 1.. {
                if number > REPLY_CHUNKS_MAX {
                    return Err(NbdError::protocol("a reply does not end"));
                }
                let chunk = self.chunk()?;
                if chunk.cookie != cookie {
                    return Err(NbdError::protocol("an answer to another question"));
                }
                self.take_status(chunk, at, &mut answers, holds)?;
                if chunk.done {
                    break;
                }
            }
            // Contexts may answer unevenly far: go on where the last of them stopped.
            let next = answers.iter().map(|answer| answer.until).min().unwrap_or(size);
            if next <= at {
                return Err(NbdError::protocol("it says nothing about a range"));
            }
            at = next;
        }
        Ok(answers.into_iter().map(|answer| answer.extents).collect())
    }

    fn take_status(
        &mut self,
        chunk: Chunk,
        at: u64,
        answers: &mut [Answer],
        holds: &dyn Fn(u32) -> bool,
    ) -> Result<(), NbdError> {
        if chunk.kind == 0 && chunk.length == 0 {
            return Ok(());
        }
        if chunk.kind != CHUNK_STATUS {
            return Err(self.server_error(chunk, at)?);
        }
        let length = chunk.length;
        if !(12..=STATUS_MAX).contains(&length) || !(length - 4).is_multiple_of(8) {
            return Err(NbdError::protocol(format!("a status chunk of {length} bytes")));
        }
        let mut data = vec![0; length as usize];
        self.receive(&mut data, "reading status")?;
        let context = u32_at(&data, 0);
        let size = self.size();
        let Some(answer) = answers.iter_mut().find(|answer| answer.context == context) else {
            return Err(NbdError::protocol("the status of a context that was not asked for"));
        };
        let mut start = at;
        for descriptor in data[4..].chunks_exact(8) {
            let length = u64::from(u32_at(descriptor, 0));
            if length == 0 {
                return Err(NbdError::protocol("a status of no bytes"));
            }
            let end = start.saturating_add(length).min(size);
            answer.take(start, end, holds(u32_at(descriptor, 4)));
            start = end;
        }
        Ok(())
    }
}

impl Answer {
    fn take(&mut self, start: u64, end: u64, holds: bool) {
        // What an earlier, longer answer has covered is not taken twice.
        let start = start.max(self.until);
        if start >= end {
            return;
        }
        self.until = end;
        if !holds {
            return;
        }
        match self.extents.last_mut() {
            Some(last) if start - last.end() <= self.gap => last.length = end - last.start,
            _ => self.extents.push(Extent::new(start, end - start)),
        }
        if self.extents.len() > EXTENTS_MAX {
            self.gap = self.gap.max(64 * 1024) * 2;
            self.extents = joined(&self.extents, self.gap);
        }
    }
}

/// `extents`, with those joined that are at most `gap` bytes apart.
fn joined(extents: &[Extent], gap: u64) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::new();
    for extent in extents {
        match joined.last_mut() {
            Some(last) if extent.start - last.end() <= gap => {
                last.length = extent.end() - last.start;
            }
            _ => joined.push(*extent),
        }
    }
    joined
}
