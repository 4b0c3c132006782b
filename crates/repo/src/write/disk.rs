//! Writes one disk: reads its windows, cuts them into chunks, and builds its map.
//!
//! Windows are read in batches: the first part of all, then the rest of those that have not met an
//! old boundary. At most one window is being fed at a time; the open chunk of one that has to wait
//! is put aside. Finished windows leave in order, because the map is built in order.

use std::collections::VecDeque;

use format::chunker::{Chunker, HOLE_BLOCKS, Step};
use model::units::{BLOCK, Extent, MIB};

use super::intake::{Outcome, Ticket};
use super::stow::Stow;
use super::window::{Planner, Window};
use crate::error::RepoError;
use crate::map::{BuiltMap, MapBuilder, MapEntry};
use crate::progress::{Flow, Progress, Transfer};
use crate::source::{Sink, SinkStopped, Source, SourceError};

const BLOCK_SIZE: usize = BLOCK as usize;
/// The most windows in a batch: each may have put aside one open chunk.
const BATCH_WINDOWS: usize = 64;
/// Windows are added to a batch until it has so many blocks.
const BATCH_BLOCKS: u64 = 64 * MIB / BLOCK;

/// A chunk whose id may not be known yet.
struct ClosedChunk {
    /// Where it begins, in blocks.
    block: u64,
    /// Its size, in bytes.
    size: u64,
    ticket: Ticket,
}

/// A window that is being read.
struct Running {
    window: Window,
    chunker: Chunker,
    /// Where the next byte belongs, in bytes.
    at: u64,
    /// The first bytes of a block whose rest has not come.
    partial: Vec<u8>,
    /// Where the open chunk begins, in blocks.
    open_start: u64,
    /// The open chunk's bytes, while another window is fed.
    aside: Vec<u8>,
    /// Chunks that the map does not know yet.
    chunks: VecDeque<ClosedChunk>,
    begun: bool,
    /// Where it ended, in blocks.
    ended: Option<u64>,
    /// How far it is read at present, in blocks.
    read_to: u64,
}

/// What writing a disk found.
pub(super) struct Written {
    pub map: BuiltMap,
    pub read: u64,
    pub new: u64,
}

/// The writing of one disk.
pub(super) struct DiskRun<'a> {
    pub stow: &'a mut Stow,
    pub builder: MapBuilder<'a>,
    pub progress: &'a dyn Progress,
    pub boundary_key: &'a [u8; 32],
    pub target: &'a str,
    /// The disk's size, in bytes.
    pub size: u64,
    pub transfer: Transfer,
    /// Bytes stored before this disk.
    pub stored_before: u64,
    running: VecDeque<Running>,
    /// The windows that are read at present, as places in `running`, and which is fed.
    order: Vec<usize>,
    fed: usize,
}

impl<'a> DiskRun<'a> {
    pub fn new(
        stow: &'a mut Stow,
        builder: MapBuilder<'a>,
        progress: &'a dyn Progress,
        boundary_key: &'a [u8; 32],
        target: &'a str,
        size: u64,
    ) -> Self {
        let stored_before = stow.stored();
        Self {
            stow,
            builder,
            progress,
            boundary_key,
            target,
            size,
            transfer: Transfer::default(),
            stored_before,
            running: VecDeque::new(),
            order: Vec::new(),
            fed: 0,
        }
    }

    /// Reads the whole disk.
    pub fn full(mut self, source: &mut dyn Source) -> Result<Written, RepoError> {
        self.transfer.total = self.size;
        let whole = Window::whole(self.size.div_ceil(BLOCK));
        if whole.limit > 0 {
            self.batch(vec![whole], source)?;
        }
        self.finish()
    }

    /// Reads the windows that `planner` makes.
    pub fn incremental(
        mut self,
        mut planner: Planner<'_>,
        changed: u64,
        source: &mut dyn Source,
    ) -> Result<Written, RepoError> {
        self.transfer.total = changed;
        loop {
            let mut batch = Vec::new();
            let mut blocks = 0;
            while batch.len() < BATCH_WINDOWS && blocks < BATCH_BLOCKS {
                let Some(window) = planner.next()? else { break };
                blocks += window.soft - window.start;
                batch.push(window);
            }
            if batch.is_empty() {
                return self.finish();
            }
            self.batch(batch, source)?;
        }
    }

    fn finish(mut self) -> Result<Written, RepoError> {
        self.report()?;
        let map = self.builder.finish(self.stow)?;
        Ok(Written { map, read: self.transfer.read, new: self.transfer.new })
    }

    fn batch(&mut self, windows: Vec<Window>, source: &mut dyn Source) -> Result<(), RepoError> {
        for window in windows {
            self.running.push_back(Running {
                chunker: if window.in_hole {
                    Chunker::in_hole(self.boundary_key)
                } else {
                    Chunker::new(self.boundary_key)
                },
                at: window.start * BLOCK,
                partial: Vec::new(),
                open_start: window.start,
                aside: Vec::new(),
                chunks: VecDeque::new(),
                begun: false,
                ended: None,
                read_to: window.soft,
                window,
            });
        }
        self.pass(source)?;
        for running in &mut self.running {
            running.read_to = running.window.limit;
        }
        if !self.running.is_empty() {
            self.pass(source)?;
        }
        Ok(())
    }

    /// Reads every window that has not ended as far as it is to be read.
    fn pass(&mut self, source: &mut dyn Source) -> Result<(), RepoError> {
        let unfinished = self.running.iter().enumerate();
        let unfinished = unfinished.filter(|(_, running)| running.ended.is_none());
        self.order = unfinished.map(|(place, _)| place).collect();
        let range = |place: &usize| {
            let running = &self.running[*place];
            let end = (running.read_to * BLOCK).min(self.size);
            Extent::new(running.at, end.saturating_sub(running.at))
        };
        let ranges: Vec<_> = self.order.iter().map(range).collect();
        self.fed = 0;
        self.resume();

        let mut feed = Feed { run: &mut *self, failure: None };
        let read = source.read(&ranges, &mut feed);
        let failure = feed.failure;
        match (failure, read) {
            (Some(error), _) => return Err(error),
            (None, Err(source)) => {
                return Err(RepoError::Source { target: self.target.to_owned(), source });
            }
            (None, Ok(())) => {}
        }
        while self.fed < self.order.len() {
            self.leave()?;
        }
        self.stow.settle()?;
        self.drain()
    }

    /// Takes data from the source.
    fn take(&mut self, offset: u64, data: &[u8]) -> Result<(), RepoError> {
        let wanted = self.arrive(offset, data.len() as u64)?;
        self.transfer.read += data.len() as u64;
        if wanted {
            self.bytes(data)?;
        }
        self.drain()?;
        self.report()
    }

    /// Goes on to the window that `size` bytes at `offset` belong to, and in it to `offset`: what
    /// did not come before them is zero. `false` if the window has ended and wants no more.
    fn arrive(&mut self, offset: u64, size: u64) -> Result<bool, RepoError> {
        while self.current().is_some_and(|running| offset >= running.read_to * BLOCK) {
            self.leave()?;
        }
        let (disk, end) = (self.size, offset.saturating_add(size));
        match self.current() {
            Some(running) if end > (running.read_to * BLOCK).min(disk) => {}
            Some(running) if running.ended.is_some() => return Ok(false),
            Some(running) if offset < running.at => {}
            Some(_) => {
                self.zeros_to(offset)?;
                return Ok(self.fed().ended.is_none());
            }
            None => {}
        }
        let source = SourceError::OutOfOrder { offset };
        Err(RepoError::Source { target: self.target.to_owned(), source })
    }

    /// Memory to read up to `size` bytes at `offset` into.
    fn room(&mut self, offset: u64, size: usize) -> Result<Option<&mut [u8]>, RepoError> {
        if !self.arrive(offset, size as u64)? || !self.fed().partial.is_empty() {
            return Ok(None);
        }
        // Zeros that may yet belong to a chunk have their place before what is read.
        let zeros = self.fed().chunker.zeros();
        let gap = if zeros < HOLE_BLOCKS { (zeros * BLOCK) as usize } else { 0 };
        let room = self.stow.room(gap, size);
        Ok((!room.is_empty()).then_some(room))
    }

    /// Takes what was read into the memory that was given last.
    fn filled(&mut self) -> Result<(), RepoError> {
        self.transfer.read += self.stow.read().unseen() as u64;
        while self.fed().ended.is_none() && self.read_block()? {}
        self.stow.read().drop_unseen();
        self.drain()?;
        self.report()
    }

    fn current(&mut self) -> Option<&mut Running> {
        let place = self.order.get(self.fed)?;
        self.running.get_mut(*place)
    }

    fn fed(&mut self) -> &mut Running {
        self.current().expect("data is taken only while a window is fed")
    }

    /// Brings the fed window's open chunk back.
    fn resume(&mut self) {
        if let Some(running) = self.current() {
            let aside = std::mem::take(&mut running.aside);
            self.stow.append(&aside);
        }
    }

    /// Ends the feeding of the fed window: what did not come is zero. The next one is fed.
    fn leave(&mut self) -> Result<(), RepoError> {
        let end = self.fed().read_to * BLOCK;
        self.zeros_to(end)?;
        if self.stow.is_open() {
            let aside = self.stow.suspend();
            self.fed().aside = aside;
        }
        self.fed += 1;
        self.resume();
        Ok(())
    }

    fn zeros_to(&mut self, offset: u64) -> Result<(), RepoError> {
        let running = self.fed();
        if running.ended.is_some() || offset <= running.at {
            return Ok(());
        }
        let mut count = offset - running.at;
        if !running.partial.is_empty() {
            let padding = count.min(BLOCK - running.partial.len() as u64);
            self.bytes(&[0; BLOCK_SIZE][..padding as usize])?;
            count -= padding;
        }
        let running = self.fed();
        let blocks = count / BLOCK;
        if running.ended.is_none() && blocks > 0 {
            running.at += blocks * BLOCK;
            let step = running.chunker.push_zeros(blocks);
            self.transfer.scanned += blocks * BLOCK;
            if step.cut_before {
                self.close()?;
            }
            self.may_end()?;
        }
        let rest = (count % BLOCK) as usize;
        if rest > 0 { self.bytes(&[0; BLOCK_SIZE][..rest]) } else { Ok(()) }
    }

    fn bytes(&mut self, mut data: &[u8]) -> Result<(), RepoError> {
        let running = self.fed();
        if !running.partial.is_empty() {
            let missing = BLOCK_SIZE - running.partial.len();
            let (head, rest) = data.split_at(missing.min(data.len()));
            running.partial.extend_from_slice(head);
            running.at += head.len() as u64;
            data = rest;
            if running.partial.len() < BLOCK_SIZE {
                return Ok(());
            }
            let block = std::mem::take(&mut running.partial);
            self.block(&block)?;
        }
        let mut blocks = data.chunks_exact(BLOCK_SIZE);
        for block in &mut blocks {
            let running = self.fed();
            if running.ended.is_some() {
                return Ok(());
            }
            running.at += BLOCK;
            self.block(block)?;
        }
        let running = self.fed();
        if running.ended.is_none() {
            running.at += blocks.remainder().len() as u64;
            running.partial.extend_from_slice(blocks.remainder());
        }
        Ok(())
    }

    /// Takes the block that ends at `at`.
    fn block(&mut self, block: &[u8]) -> Result<(), RepoError> {
        let step = self.fed().chunker.push(block);
        self.before(step)?;
        if step.data {
            self.stow.append(block);
        }
        self.behind(step)
    }

    /// Takes the next block of those that were read in place; `false` if there is none.
    fn read_block(&mut self) -> Result<bool, RepoError> {
        let running = &mut self.running[self.order[self.fed]];
        let Some(block) = self.stow.read().unseen_block() else { return Ok(false) };
        let step = running.chunker.push(block);
        running.at += BLOCK;
        self.before(step)?;
        if step.data {
            self.stow.read().keep_block();
        } else {
            self.stow.read().drop_block();
        }
        self.behind(step)?;
        Ok(true)
    }

    /// Does what comes before the block that ends at `at`.
    fn before(&mut self, step: Step) -> Result<(), RepoError> {
        self.transfer.scanned += BLOCK;
        if step.cut_before {
            self.close()?;
        }
        if step.data {
            if !self.stow.is_open() {
                let running = self.fed();
                running.open_start = running.at / BLOCK - 1 - u64::from(step.zeros);
            }
            self.stow.append_zeros(step.zeros as usize * BLOCK_SIZE);
        }
        Ok(())
    }

    /// Does what comes behind it.
    fn behind(&mut self, step: Step) -> Result<(), RepoError> {
        if step.cut_after {
            self.close()?;
        }
        self.may_end()
    }

    fn close(&mut self) -> Result<(), RepoError> {
        let (ticket, size) = self.stow.close()?;
        let running = self.fed();
        let block = running.open_start;
        running.chunks.push_back(ClosedChunk { block, size, ticket });
        Ok(())
    }

    /// Ends the fed window if it may end here, or must.
    fn may_end(&mut self) -> Result<(), RepoError> {
        let running = self.fed();
        let at = running.at / BLOCK;
        let met = running.chunker.at_boundary() && running.window.may_end(at);
        if at >= running.window.limit {
            // Zero blocks whose chunk is not known are a hole from here on.
            if self.stow.is_open() {
                self.close()?;
            }
            self.fed().ended = Some(at);
        } else if met {
            running.ended = Some(at);
        }
        Ok(())
    }

    /// Hands what is final to the map: the entries of the first window, and ended ones.
    fn drain(&mut self) -> Result<(), RepoError> {
        while let Some(first) = self.running.front_mut() {
            if !first.begun {
                self.builder.begin(first.window.start);
                first.begun = true;
            }
            while let Some(chunk) = first.chunks.front() {
                let Some(Outcome { id, new }) = self.stow.outcome(chunk.ticket) else {
                    return Ok(());
                };
                let entry = MapEntry { block: chunk.block, blocks: chunk.size / BLOCK, id };
                if new {
                    self.transfer.new += chunk.size;
                }
                first.chunks.pop_front();
                self.builder.entry(entry, self.stow)?;
            }
            // Places in `order` count from the front: it leaves only between passes.
            let Some(end) = first.ended.filter(|_| self.fed >= self.order.len()) else { break };
            self.builder.end(end, self.stow)?;
            self.running.pop_front();
        }
        Ok(())
    }

    fn report(&mut self) -> Result<(), RepoError> {
        self.transfer.total = self.transfer.total.max(self.transfer.scanned);
        self.transfer.stored = self.stow.stored() - self.stored_before;
        match self.progress.report(self.transfer) {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(RepoError::Cancelled),
        }
    }
}

/// A run as a source sees it. What stops it is kept for the repository.
struct Feed<'f, 'a> {
    run: &'f mut DiskRun<'a>,
    failure: Option<RepoError>,
}

impl Sink for Feed<'_, '_> {
    fn take(&mut self, offset: u64, data: &[u8]) -> Result<(), SinkStopped> {
        self.run.take(offset, data).map_err(|error| {
            self.failure = Some(error);
            SinkStopped
        })
    }

    fn room(&mut self, offset: u64, size: usize) -> Result<Option<&mut [u8]>, SinkStopped> {
        self.run.room(offset, size).map_err(|error| {
            self.failure = Some(error);
            SinkStopped
        })
    }

    fn filled(&mut self) -> Result<(), SinkStopped> {
        self.run.filled().map_err(|error| {
            self.failure = Some(error);
            SinkStopped
        })
    }
}
