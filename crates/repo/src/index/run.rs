//! A run: many entries sorted by id in one immutable file, and in memory what finds them.
//!
//! ```text
//!  file:    page · page · … · footer
//!  page:    72 entries · count · number of the page · file id · proof        4096 bytes
//!  footer:  file id · entries · bits · pages · partitions · their keys and filters · proof
//! ```
//!
//! The first `bits` bits of an id say its partition. Of each, the footer has a filter of all ids
//! and the first id of every page, as 32 bits: one page is read for a chunk that is there, and none
//! for nearly every one that is not. The footer is all that is kept in memory, from the first
//! look-up on: runs that are only there to be merged need none of it.
//!
//! Every page is proven by the vault's cache key before an entry of it is believed, because a wrong
//! entry would make a backup leave out what is nowhere.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, OnceLock};

use format::ChunkId;
use format::seal::CacheKey;

use super::entry::{ENTRY, Entry, Place, entry, filter_key, place, prefix};
use super::filter::{Builder, Shape};
use super::scratch::{FileId, Scratch};

const PAGE: usize = 4096;
/// Entries of a page.
pub(super) const PER_PAGE: usize = 72;
const COUNT: usize = PER_PAGE * ENTRY;
const NUMBER: usize = PAGE - 40;
const FILE: usize = PAGE - 32;
const PROOF: usize = PAGE - 16;
/// Size of a footer's head and of what it says of a partition, in bytes.
const HEAD: usize = 32;
const RECORD: usize = 24;
/// Pages read or written at once.
const PAGES_AT_ONCE: usize = 8;

/// A run.
pub(super) struct Run {
    file: File,
    key: CacheKey,
    at: RunPlace,
    pub entries: u64,
    /// What finds chunks, once it was needed.
    awake: OnceLock<Awake>,
    loading: Mutex<()>,
}

/// What is in memory of a run that is asked for chunks.
struct Awake {
    bits: u32,
    partitions: Vec<Partition>,
    footer: Vec<u8>,
}

/// What finds a run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunPlace {
    pub id: FileId,
    pub pages: u32,
    /// Size of the footer, in bytes.
    pub footer: u64,
}

struct Partition {
    first_page: u32,
    pages: u32,
    entries: u32,
    shape: Shape,
    /// Where its keys begin in the footer, and behind them its filter.
    start: usize,
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.copied().ok_or_else(|| invalid("a file of the index's cache is cut short"))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    number(bytes, at).map(u32::from_le_bytes)
}

impl Run {
    /// Opens the run in `file`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or it is not the run that was written.
    pub fn open(key: &CacheKey, file: File, at: RunPlace) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if u64::from(at.pages) * PAGE as u64 + at.footer != length {
            return Err(invalid("a file of the index's cache has another size"));
        }
        let (awake, loading) = (OnceLock::new(), Mutex::default());
        let mut run = Self { file, key: key.clone(), at, entries: 0, awake, loading };
        run.entries = u64::from_le_bytes(number(&run.awake()?.footer, 16)?);
        Ok(run)
    }

    /// What finds chunks.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what was written.
    fn awake(&self) -> io::Result<&Awake> {
        if let Some(awake) = self.awake.get() {
            return Ok(awake);
        }
        // Two threads would take twice the memory.
        let _loading = self.loading.lock().expect("nothing panics while it loads");
        if let Some(awake) = self.awake.get() {
            return Ok(awake);
        }
        let size = usize::try_from(self.at.footer).map_err(io::Error::other)?;
        let mut footer = vec![0; size];
        self.file.read_exact_at(&mut footer, u64::from(self.at.pages) * PAGE as u64)?;
        let (text, proof) =
            footer.split_last_chunk::<16>().ok_or_else(|| invalid("there is no footer"))?;
        if self.key.proof(text) != *proof || !text.starts_with(&self.at.id) {
            return Err(invalid("the footer of a file of the index's cache is damaged"));
        }
        let bits = u32_at(text, 24)?;
        let partitions = partitions(text, bits)?;
        Ok(self.awake.get_or_init(|| Awake { bits, partitions, footer }))
    }

    /// What finds it again.
    pub const fn at(&self) -> RunPlace {
        self.at
    }

    /// The file.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Bytes held in memory.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.awake.get().map_or(0, |awake| {
            awake.footer.capacity() + awake.partitions.capacity() * size_of::<Partition>()
        })
    }

    /// Forgets what it holds in memory, until it is asked again.
    pub fn sleep(&mut self) {
        self.awake = OnceLock::new();
    }

    /// Adds the places of a chunk to `found`.
    ///
    /// # Errors
    ///
    /// A page cannot be read, or is not what was written.
    pub fn find(&self, id: &ChunkId, found: &mut Vec<Place>) -> io::Result<()> {
        let prefix = prefix(&id.0);
        let Awake { bits, partitions, footer } = self.awake()?;
        let partition = &partitions[partition_of(prefix, *bits)];
        if partition.entries == 0 {
            return Ok(());
        }
        let keys = &footer[partition.start..];
        let filter = &keys[partition.pages as usize * 4..][..partition.shape.length as usize];
        if !partition.shape.may_hold(filter, filter_key(&id.0)) {
            return Ok(());
        }
        let first_of = |page: u32| {
            let bytes = keys[page as usize * 4..].first_chunk().expect("a key for every page");
            u32::from_le_bytes(*bytes)
        };
        let key = page_key(prefix, *bits);
        // The page before the first that begins at the key or behind it may end with the id.
        let mut page = lower_bound(partition.pages, |page| first_of(page) < key).saturating_sub(1);
        let mut bytes = [0; PAGE];
        loop {
            let entries = self.page(partition.first_page + page, &mut bytes)?;
            let start = entries.partition_point(|entry| entry[..32] < id.0[..]);
            let same = entries[start..].iter().take_while(|entry| entry[..32] == id.0);
            found.extend(same.clone().map(place));
            let to_the_end = start + same.count() == entries.len();
            page += 1;
            if !to_the_end || page == partition.pages || first_of(page) > key {
                return Ok(());
            }
        }
    }

    fn page<'a>(&self, number: u32, bytes: &'a mut [u8; PAGE]) -> io::Result<&'a [Entry]> {
        self.file.read_exact_at(bytes, u64::from(number) * PAGE as u64)?;
        self.check(number, bytes)
    }

    fn check<'a>(&self, number: u32, bytes: &'a [u8]) -> io::Result<&'a [Entry]> {
        let proven = self.key.proof(&bytes[..PROOF]) == bytes[PROOF..]
            && bytes[NUMBER..FILE] == u64::from(number).to_le_bytes()
            && bytes[FILE..PROOF] == self.at.id;
        if !proven {
            return Err(invalid("a page of the index's cache is damaged"));
        }
        let count = u16::from_le_bytes([bytes[COUNT], bytes[COUNT + 1]]);
        Ok(bytes[..usize::from(count) * ENTRY].as_chunks().0)
    }
}

/// The first of `count` numbers that does not come before what is looked for.
fn lower_bound(count: u32, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn partition_of(prefix: u64, bits: u32) -> usize {
    prefix.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// The 32 bits behind those that say the partition.
const fn page_key(prefix: u64, bits: u32) -> u32 {
    ((prefix << bits) >> 32) as u32
}

fn partitions(footer: &[u8], bits: u32) -> io::Result<Vec<Partition>> {
    if bits > 24 {
        return Err(invalid("a footer of the index's cache cannot be"));
    }
    let count = 1_usize << bits;
    let mut partitions = Vec::with_capacity(count);
    let (mut start, mut first_page) = (HEAD + count * RECORD, 0);
    for record in (0..count).map(|number| HEAD + number * RECORD) {
        let (entries, pages) = (u32_at(footer, record)?, u32_at(footer, record + 4)?);
        let seed = u64::from_le_bytes(number(footer, record + 8)?);
        let (segment, length) = (u32_at(footer, record + 16)?, u32_at(footer, record + 20)?);
        let shape = Shape { seed, segment, length };
        partitions.push(Partition { first_page, pages, entries, shape, start });
        start += pages as usize * 4 + length as usize;
        first_page += pages;
        if start > footer.len() || !shape.is_sound() {
            return Err(invalid("a footer of the index's cache cannot be"));
        }
    }
    Ok(partitions)
}

/// Writes a run, partition by partition.
pub(super) struct RunWriter {
    file: File,
    key: CacheKey,
    id: FileId,
    bits: u32,
    partitions: usize,
    pages: u32,
    entries: u64,
    /// Pages that are not in the file yet.
    buffer: Vec<u8>,
    footer: Vec<u8>,
    builder: Builder,
    keys: Vec<u64>,
}

impl RunWriter {
    /// Begins a run of about `entries` entries in `1 << bits` partitions.
    pub fn new(scratch: &Scratch, bits: u32, entries: u64) -> io::Result<Self> {
        let records = HEAD + (RECORD << bits);
        // A filter has at most 1.25 bytes for a key, and a page a key of 4.
        let about = usize::try_from(entries + entries / 4 + entries / 16).unwrap_or(0);
        let mut footer = Vec::with_capacity(records + about + (64 << bits));
        footer.resize(records, 0);
        Ok(Self {
            file: scratch.create()?,
            key: scratch.key.clone(),
            id: scratch.random(),
            bits,
            partitions: 0,
            pages: 0,
            entries: 0,
            buffer: Vec::new(),
            footer,
            builder: Builder::default(),
            keys: Vec::new(),
        })
    }

    /// Writes the entries of the next partition, which are sorted.
    pub fn push(&mut self, entries: &[Entry]) -> io::Result<()> {
        let first_page = self.pages;
        for page in entries.chunks(PER_PAGE) {
            let key = page_key(prefix(&page[0]), self.bits);
            self.footer.extend_from_slice(&key.to_le_bytes());
            self.push_page(page)?;
        }
        self.keys.clear();
        let ids = entries.chunk_by(|a, b| a[..32] == b[..32]);
        self.keys.extend(ids.map(|same| filter_key(&same[0])));
        let shape = self.builder.build(&mut self.keys, &mut self.footer);
        let record = &mut self.footer[HEAD + self.partitions * RECORD..][..RECORD];
        record[..4].copy_from_slice(&(entries.len() as u32).to_le_bytes());
        record[4..8].copy_from_slice(&(self.pages - first_page).to_le_bytes());
        record[8..16].copy_from_slice(&shape.seed.to_le_bytes());
        record[16..20].copy_from_slice(&shape.segment.to_le_bytes());
        record[20..24].copy_from_slice(&shape.length.to_le_bytes());
        self.partitions += 1;
        self.entries += entries.len() as u64;
        Ok(())
    }

    fn push_page(&mut self, entries: &[Entry]) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + PAGE, 0);
        let page = &mut self.buffer[start..];
        page[..entries.len() * ENTRY].copy_from_slice(entries.as_flattened());
        page[COUNT..COUNT + 2].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        page[NUMBER..FILE].copy_from_slice(&u64::from(self.pages).to_le_bytes());
        page[FILE..PROOF].copy_from_slice(&self.id);
        let proof = self.key.proof(&page[..PROOF]);
        page[PROOF..].copy_from_slice(&proof);
        self.pages += 1;
        if self.buffer.len() >= 8 * PAGES_AT_ONCE * PAGE {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let start = u64::from(self.pages) * PAGE as u64 - self.buffer.len() as u64;
        self.file.write_all_at(&self.buffer, start)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the run; it sleeps.
    pub fn finish(mut self) -> io::Result<Run> {
        self.write()?;
        self.footer[..16].copy_from_slice(&self.id);
        self.footer[16..24].copy_from_slice(&self.entries.to_le_bytes());
        self.footer[24..28].copy_from_slice(&self.bits.to_le_bytes());
        self.footer[28..32].copy_from_slice(&self.pages.to_le_bytes());
        let proof = self.key.proof(&self.footer);
        self.footer.extend_from_slice(&proof);
        self.file.write_all_at(&self.footer, u64::from(self.pages) * PAGE as u64)?;
        let footer = self.footer.len() as u64;
        Ok(Run {
            file: self.file,
            key: self.key,
            at: RunPlace { id: self.id, pages: self.pages, footer },
            entries: self.entries,
            awake: OnceLock::new(),
            loading: Mutex::default(),
        })
    }
}

/// An entry in memory, by the first bits of its id.
pub(super) type Known<'a> = (u64, &'a ChunkId, &'a Place);

/// Goes through sorted entries: those of a run, or of memory.
pub(super) struct Cursor<'a> {
    run: Option<&'a Run>,
    known: Vec<Known<'a>>,
    next: u32,
    entries: Vec<Entry>,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Goes through a run; it may sleep.
    pub const fn of_run(run: &'a Run) -> Self {
        Self { run: Some(run), known: Vec::new(), next: 0, entries: Vec::new(), at: 0 }
    }

    /// Goes through these; those of one id stay in their order.
    pub fn of_known(mut known: Vec<Known<'a>>) -> Self {
        known.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        Self { run: None, known, next: 0, entries: Vec::new(), at: 0 }
    }

    /// Moves the entries of partition `number` of `1 << bits` to `out`. To be asked in order.
    pub fn take(&mut self, number: usize, bits: u32, out: &mut Vec<Entry>) -> io::Result<()> {
        if self.run.is_none() {
            let rest = &self.known[self.at..];
            let count = rest.partition_point(|known| partition_of(known.0, bits) <= number);
            out.extend(rest[..count].iter().map(|(_, id, place)| entry(id, place)));
            self.at += count;
            return Ok(());
        }
        loop {
            let rest = &self.entries[self.at..];
            let count = rest
                .partition_point(|entry| partition_of(prefix(entry.as_slice()), bits) <= number);
            out.extend_from_slice(&rest[..count]);
            self.at += count;
            if self.at < self.entries.len() || !self.read()? {
                return Ok(());
            }
        }
    }

    /// Reads on; whether there was more.
    fn read(&mut self) -> io::Result<bool> {
        let Some(run) = self.run.filter(|run| self.next < run.at.pages) else { return Ok(false) };
        let pages = (run.at.pages - self.next).min(PAGES_AT_ONCE as u32);
        let mut bytes = vec![0; pages as usize * PAGE];
        run.file.read_exact_at(&mut bytes, u64::from(self.next) * PAGE as u64)?;
        self.entries.clear();
        self.at = 0;
        for page in bytes.chunks_exact(PAGE) {
            self.entries.extend_from_slice(run.check(self.next, page)?);
            self.next += 1;
        }
        Ok(true)
    }
}

/// Sorts by id; entries of one id stay in their order.
fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| prefix(a).cmp(&prefix(b)).then_with(|| a[..32].cmp(&b[..32])));
}

/// Shows the entries of all cursors, sorted, one of `1 << bits` partitions at a time.
pub(super) fn visit(
    cursors: &mut [Cursor<'_>],
    bits: u32,
    show: &mut dyn FnMut(&mut Vec<Entry>) -> io::Result<()>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    for number in 0..1_usize << bits {
        batch.clear();
        for cursor in &mut *cursors {
            cursor.take(number, bits, &mut batch)?;
        }
        sort(&mut batch);
        show(&mut batch)?;
    }
    Ok(())
}

/// How many bits make partitions of at most about `partition` entries.
pub(super) fn bits(entries: u64, partition: u64) -> u32 {
    entries.div_ceil(partition.max(1)).max(1).next_power_of_two().trailing_zeros().min(24)
}
