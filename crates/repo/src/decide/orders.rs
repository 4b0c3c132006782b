//! A model of format.md §6, explored in every order by Stateright.
//!
//! Two writers (one of a full point, one of an incremental of the point that was there), two
//! collectors, an operator who fences and forgets, three chunks, crashes, and log entries whose
//! puts are not answered and land later or never. Collectors repack and merge indexes; packs rot,
//! and somebody says so in the log, repairs them, and says that. What an actor decides is decided
//! by the code itself: [`super`], `State::apply`, `usage::counted_on` and `collect::plan`. What
//! this file adds is who knows what when, and which objects there are.
//!
//! What is one step here and many in the code:
//! - Reading on, deciding and creating the next entry. A create-only put that loses its number has
//!   no effect, so only the one that wins counts, and that one was decided against all before it.
//! - A put or delete that lands late, except of log entries. Its name is used once, so it is the
//!   same as an actor that pauses before the step, which every order includes.
//! - Marking. It only reads, and what it reads is compared with the log again before condemning.
//! - Opening a session to repack, copying, and putting the new pack and its index: nobody can tell
//!   a part of it from nothing.
//!
//! Not in it: entries and indexes that cannot be read.
//!
//! A grace is over or not, whatever happened since: that nothing is lost must not depend on any
//! time. A process knows of condemnations what a checkpoint just before it would tell it.

mod collector;
mod copier;
mod damage;
mod facts;
mod walk;
mod writer;

use format::log::Event;
use stateright::{Model, Property};

use collector::Collector;
use damage::Faults;
use facts::{Facts, Set, bits, has, index_id};
use writer::{Phase, Writer};

/// Chunks that each point needs: the one that was there, the full one, the incremental one.
const NEEDS: [Set; 3] = [0b011, 0b101, 0b110];
/// Packs that are there at first, in index 0.
const FIRST: u8 = 2;
/// Packs, and with them indexes, that a writer may make: the first ones, and one for each rescue.
const TRIES: u8 = 3;
/// The pack and the index that are there at first, and those of writers.
const OWN: u8 = FIRST + 2 * TRIES;
/// The first session of a collector that retires, and the first of one that copies: each puts an
/// index, and the latter a pack. Writers have sessions 1 and 2.
const RETIRING: u8 = 3;
const COPYING: u8 = 8;
/// The chunks of the first packs: one each, or both in one, which is repacked when one is dead.
const SPLIT: [Set; FIRST as usize] = [0b01, 0b10];
const MIXED: [Set; FIRST as usize] = [0b11, 0];
/// Packs that there may be, with one for each copying.
const PACKS: usize = OWN as usize + 3;

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    /// A commit does not ask whether packs it relies on were condemned.
    SkipLiveness,
    /// A commit does not ask whether its parent went.
    SkipParent,
    /// A session opens without asking whether its parent is still there.
    OpenUnchecked,
    /// A commit is decided against the state that its session opened in.
    CommitUnread,
    /// A fenced session may commit.
    CommitFenced,
    /// A commit comes before the packs that it needs.
    CommitFirst,
    /// A writer that got no answer to its commit says that it failed.
    FailUnsettled,
    /// A collector condemns packs of open sessions.
    CollectOpen,
    /// A collector reads the log before it lists packs.
    LogFirst,
    /// A collector condemns though points came since it walked.
    CondemnOutdated,
    /// A collector deletes what it has not condemned.
    DeleteLive,
    /// A collector retires though it is fenced.
    RetireFenced,
    /// A collector retires though another has replaced the same indexes.
    RetireOutdated,
    /// A collector deletes the indexes that it merges before the log names the new one.
    MergeEarly,
    /// A collector condemns what it has copied before the log names the copies.
    CondemnUnnamed,
    /// A collector names its copies though it is fenced.
    NameFenced,
    /// A collector condemns what it has copied though its copies may be gone.
    CondemnUncopied,
    /// A collector condemns what it has copied though points came that need more of it.
    CondemnRelied,
    /// A writer counts on packs that are known to be damaged.
    RelySuspect,
    /// An incremental takes over what is known to be damaged.
    SkipHeal,
    /// A commit does not ask what was found damaged since chunks were looked up.
    CommitDoubted,
    /// A collector condemns though what it counts on was found damaged since.
    CondemnDoubted,
    /// A collector deletes though what it counts on was found damaged since.
    RetireDoubted,
    /// A repair says that a pack is whole though it is condemned.
    ClearCondemned,
}

/// How much may happen.
#[derive(Debug, Clone, Copy)]
struct Protocol {
    defect: Option<Defect>,
    /// Without the incremental one, what takes many runs is found in reasonable time.
    writers: usize,
    /// Runs that the collectors share.
    runs: u8,
    /// Actors that die.
    crashes: u8,
    /// Sessions that the operator calls dead, rightly or not, beside those of the dead.
    fences: u8,
    /// Log entries that are not answered.
    lates: u8,
    /// The chunks of the first packs.
    first: [Set; FIRST as usize],
    /// Whether collectors repack, and whether they merge indexes.
    repacks: bool,
    merges: bool,
    /// Packs that rot, and whether they are repaired.
    rots: u8,
    mends: bool,
}

/// The world: the store, its log, everybody at work, and what may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    facts: Facts,
    /// Packs that exist, and the chunks of each, existing or not.
    packs: Set,
    chunks: [Set; PACKS],
    /// Packs that cannot be read.
    rotten: Set,
    /// Indexes that exist, and which packs those name that collectors wrote, from `OWN` on.
    indexes: Set,
    rewritten: [Set; 16 - OWN as usize],
    manifests: Set,
    /// Points that existed and were forgotten.
    forgotten: Set,
    writers: [Writer; 2],
    collectors: [Collector; 2],
    /// Log entries under way to the number that is next. At most one of them lands.
    flights: Vec<Flight>,
    next_retiring: u8,
    next_copying: u8,
    faults: Faults,
    runs: u8,
    crashes: u8,
    fences: u8,
    lates: u8,
    rots: u8,
}

/// A log entry that may land.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Flight {
    Commit(u8),
    Fence(u8),
    Condemn(Set),
    Retire { packs: Set, removed: Set, added: Set },
}

/// Who does what next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Writer(usize),
    /// The writer's next log entry is sent and not answered.
    WriterUnanswered(usize),
    WriterDies(usize),
    Collector(usize),
    /// The collector plans, and no grace is over.
    CollectorWaits(usize),
    CollectorUnanswered(usize),
    CollectorDies(usize),
    Land(usize),
    Fence(u8),
    Forget(u8),
    /// The pack cannot be read any more; somebody says so; somebody repairs it, and says that.
    Rot(u8),
    Record(u8),
    Mend(u8),
    Clear(u8),
}

impl World {
    /// Appends an entry: whatever is under way to the same number has lost.
    fn append(&mut self, event: Event) {
        let telling =
            matches!(event, Event::Commit { .. } | Event::Condemn { .. } | Event::Retire { .. });
        let before = telling.then(|| self.clone());
        self.facts.apply(event);
        self.flights.clear();
        if let Some(before) = before {
            self.look_for_faults(&before);
        }
    }

    fn append_flight(&mut self, flight: &Flight) {
        self.append(self.event(flight));
    }

    fn event(&self, flight: &Flight) -> Event {
        match flight {
            Flight::Commit(writer) => self.commit_event(*writer),
            Flight::Fence(session) => Event::Fence { session: facts::session_id(*session) },
            Flight::Condemn(packs) => facts::condemn_event(*packs),
            Flight::Retire { packs, removed, added } => Event::Retire {
                packs: facts::packs_of(*packs),
                removed: bits(*removed).map(index_id).collect(),
                added: bits(*added).map(index_id).collect(),
            },
        }
    }

    /// The packs that an index names.
    fn named(&self, index: u8) -> Set {
        match (index, index.checked_sub(OWN)) {
            (0, _) => facts::set((0..FIRST).filter(|pack| self.chunks[usize::from(*pack)] != 0)),
            (_, None) => 1 << index,
            (_, Some(number)) => self.rewritten[usize::from(number)],
        }
    }

    /// The packs that are found through the log: named by an index in use that exists.
    fn visible(&self) -> Set {
        bits(self.facts.indexes & self.indexes).fold(0, |packs, index| packs | self.named(index))
    }

    /// The visible packs that hold a chunk.
    fn holders(&self, chunk: u8) -> Set {
        let holds = |pack: &u8| has(self.chunks[usize::from(*pack)], chunk);
        bits(self.visible()).filter(holds).fold(0, |packs, pack| packs | 1 << pack)
    }

    fn is_whole(&self, point: u8) -> bool {
        let found = |chunk: u8| self.holders(chunk) & self.packs != 0;
        has(self.manifests, point) && bits(NEEDS[usize::from(point)]).all(found)
    }

    /// Whether the point needs nothing that is to go.
    fn is_lasting(&self, point: u8) -> bool {
        let lasting = |chunk: u8| self.holders(chunk) & self.packs & !self.facts.condemned != 0;
        bits(NEEDS[usize::from(point)]).all(lasting)
    }

    /// The same world with everything forgotten that can make no difference.
    fn normal(mut self) -> Self {
        self.collectors.sort_unstable();
        self.flights.sort_unstable_by_key(|flight| format!("{flight:?}"));
        self
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let collector = Collector::default();
        vec![World {
            facts: Facts::first(),
            packs: facts::set((0..FIRST).filter(|pack| self.first[usize::from(*pack)] != 0)),
            chunks: std::array::from_fn(|pack| self.first.get(pack).copied().unwrap_or_default()),
            rotten: 0,
            indexes: 1,
            rewritten: [0; 16 - OWN as usize],
            manifests: 1,
            forgotten: 0,
            writers: [Writer::default(), Writer::default()],
            collectors: [collector.clone(), collector],
            flights: Vec::new(),
            next_retiring: RETIRING,
            next_copying: COPYING,
            faults: Faults::default(),
            runs: self.runs,
            crashes: self.crashes,
            fences: self.fences,
            lates: self.lates,
            rots: self.rots,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for number in 0..2 {
            let writer = &world.writers[number];
            if number < self.writers && writer.is_busy() {
                actions.push(Action::Writer(number));
                if world.lates > 0 && writer.appends() {
                    actions.push(Action::WriterUnanswered(number));
                }
                if world.crashes > 0 && writer.phase != Phase::Ready {
                    actions.push(Action::WriterDies(number));
                }
            }
            let collector = &world.collectors[number];
            // Two that are in the same state are one choice.
            if (world.runs > 0 || collector.has_begun())
                && (number == 0 || world.collectors[0] != *collector)
            {
                actions.push(Action::Collector(number));
                if collector.plans() && world.facts.condemned != 0 {
                    actions.push(Action::CollectorWaits(number));
                }
                if world.lates > 0 && collector.appends() {
                    actions.push(Action::CollectorUnanswered(number));
                }
                if world.crashes > 0 && collector.has_begun() {
                    actions.push(Action::CollectorDies(number));
                }
            }
        }
        actions.extend((0..world.flights.len()).map(Action::Land));
        for session in bits(world.facts.sessions) {
            if world.fences > 0 || world.is_dead(session) {
                actions.push(Action::Fence(session));
            }
        }
        actions.extend(bits(world.facts.points).map(Action::Forget));
        world.harms(self.mends, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Writer(number) => next.writer_step(number, self.defect),
            Action::WriterUnanswered(number) => next.writer_unanswered(number, self.defect)?,
            Action::WriterDies(number) => {
                next.writers[number] = Writer::ended(Phase::Dead);
                next.crashes -= 1;
            }
            Action::Collector(number) => next.collector_step(number, false, self),
            Action::CollectorWaits(number) => next.collector_step(number, true, self),
            Action::CollectorUnanswered(number) => {
                next.collector_unanswered(number, self.defect)?
            }
            Action::CollectorDies(number) => {
                next.collectors[number].give_up();
                next.crashes -= 1;
            }
            Action::Land(number) => next.append_flight(&world.flights[number]),
            Action::Fence(session) => {
                next.fences -= u8::from(!world.is_dead(session));
                next.append(Event::Fence { session: facts::session_id(session) });
            }
            Action::Forget(point) => {
                next.forgotten |= 1 << point;
                next.append(Event::Forget { point: facts::point_id(point) });
            }
            harm => next.harm(harm, self.defect)?,
        }
        let next = next.normal();
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing is lost", |_, world: &World| {
                bits(world.facts.points).all(|point| world.is_whole(point))
            }),
            Property::always("the last good copy stays", |_, world: &World| {
                !world.faults.last_copy
            }),
            Property::always("no point is known to be damaged at once", |_, world: &World| {
                !world.faults.damaged_point
            }),
            Property::always("no index names what is gone", |_, world: &World| {
                world.visible() & !world.facts.condemned & !world.packs == 0
            }),
            Property::always("what is reported failed never exists", |_, world: &World| {
                let exists = |number: u8| has(world.facts.points | world.forgotten, number + 1);
                (0..2).all(|n| world.writers[usize::from(n)].phase != Phase::Failed || !exists(n))
            }),
            Property::always("what is reported done existed", |_, world: &World| {
                let exists = |number: u8| has(world.facts.points | world.forgotten, number + 1);
                (0..2).all(|n| world.writers[usize::from(n)].phase != Phase::Done || exists(n))
            }),
        ];
        if self.rots == 0 {
            // It would not be deleted, for it is asked again; but nobody else would count on it.
            properties
                .push(Property::always("no point needs what is to go", |_, world: &World| {
                    bits(world.facts.points).all(|point| world.is_lasting(point))
                }));
        }
        // A model in which nothing happens proves nothing. A planted defect may prevent things.
        if self.defect.is_none() {
            properties.extend(self.happenings());
        }
        properties
    }
}

impl Protocol {
    fn happenings(&self) -> Vec<Property<Self>> {
        let mut all = Vec::new();
        if self.first == SPLIT {
            all.push(Property::sometimes(
                "a point outlives the packs it relied on",
                |_, world: &World| {
                    let rescued = |n: usize| {
                        world.writers[n].was_rescued() && has(world.facts.points, n as u8 + 1)
                    };
                    (rescued(0) && !has(world.packs, 0)) || (rescued(1) && !has(world.packs, 1))
                },
            ));
            all.push(Property::sometimes("an index's pack is deleted", |_, world: &World| {
                world.packs & 0b11 == 0b01 && world.facts.indexes >> OWN != 0
            }));
        }
        self.more_happenings(&mut all);
        if self.writers == 2 {
            all.push(Property::sometimes("both points are committed", |_, world: &World| {
                world.facts.points & 0b110 == 0b110
            }));
        }
        if self.crashes > 0 {
            all.push(Property::sometimes("a dead writer's pack is deleted", |_, world: &World| {
                let of_first = facts::packs_of_writer(0);
                world.writers[0].phase == Phase::Dead
                    && world.facts.ever & of_first != 0
                    && world.packs & of_first == 0
            }));
        }
        if self.fences > 0 {
            all.push(Property::sometimes("a fenced writer is refused", |_, world: &World| {
                world.writers[0].phase == Phase::Refused
            }));
        }
        if self.lates > 0 {
            all.push(Property::sometimes(
                "a commit lands late, and is found",
                |_, world: &World| {
                    world.writers[0].phase == Phase::Done && world.writers[0].unanswered
                },
            ));
            all.push(Property::sometimes("a late commit loses to a fence", |_, world: &World| {
                world.writers[0].phase == Phase::Failed && world.writers[0].unanswered
            }));
        }
        all
    }

    /// Of repacking, merging, and damage.
    fn more_happenings(&self, all: &mut Vec<Property<Self>>) {
        if self.repacks {
            all.push(Property::sometimes("a copy outlives the original", |_, world: &World| {
                let copies = world.visible() & world.packs & !world.facts.condemned;
                !has(world.packs, 0) && copies >> OWN != 0 && world.facts.points != 0
            }));
            all.push(Property::sometimes("a copy is condemned", |_, world: &World| {
                world.facts.ever >> OWN != 0
            }));
        }
        if self.merges {
            all.push(Property::sometimes("merged indexes are deleted", |_, world: &World| {
                let merged = |index| world.named(index).count_ones() > 1;
                !has(world.indexes, 0) && bits(world.facts.indexes >> OWN << OWN).any(merged)
            }));
        }
        if self.rots > 0 && self.writers == 2 {
            all.push(Property::sometimes("what is damaged is read again", |_, world: &World| {
                let own = bits(facts::packs_of_writer(1));
                let again = own.fold(0, |all, pack| all | world.chunks[usize::from(pack)]);
                has(again, 1) && has(world.facts.points, 2) && world.facts.suspect != 0
            }));
        }
        if self.mends {
            all.push(Property::sometimes("a commit waits for a rescue", |_, world: &World| {
                world.facts.ever == 0 && world.writers[0].was_rescued()
            }));
        }
        if self.mends {
            all.push(Property::sometimes("what is repaired counts again", |_, world: &World| {
                world.facts.suspicions > 0 && world.facts.suspect | world.rotten == 0
            }));
        }
    }
}

mod tests;
