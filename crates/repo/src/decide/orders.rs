//! A model of format.md §6, explored in every order by Stateright.
//!
//! Two writers (one of a full point, one of an incremental of the point that was there), two
//! collectors, an operator who fences and forgets, three chunks, crashes, and log entries whose
//! puts are not answered and land later or never. What an actor decides is decided by the code
//! itself: [`super`], `State::apply` and `collect::plan`. What this file adds is who knows what
//! when, and which objects there are.
//!
//! What is one step here and many in the code:
//! - Reading on, deciding and creating the next entry. A create-only put that loses its number has
//!   no effect, so only the one that wins counts, and that one was decided against all before it.
//! - A put or delete that lands late, except of log entries. Its name is used once, so it is the
//!   same as an actor that pauses before the step, which every order includes.
//! - Marking. It only reads, and what it reads is compared with the log again before condemning.
//!
//! Not in it: repacking, merging of indexes, suspect packs, and entries that cannot be read.
//! `tests/collect.rs` lets others work in the middle of a collection that repacks.
//!
//! A grace is over or not, whatever happened since: that nothing is lost must not depend on any
//! time. A process knows of condemnations what a checkpoint just before it would tell it.

mod collector;
mod facts;
mod writer;

use format::log::Event;
use stateright::{Model, Property};

use collector::Collector;
use facts::{Facts, Set, bits, has, index_id};
use writer::{Phase, Writer};

/// Chunks that each point needs: the one that was there, the full one, the incremental one.
const NEEDS: [Set; 3] = [0b011, 0b101, 0b110];
/// Packs that are there at first, in index 0: of the one chunk and the other.
const FIRST: u8 = 2;
/// Packs, and with them indexes, that a writer may make: the first ones, and one for each rescue.
const TRIES: u8 = 3;
/// The pack and the index that are there at first, and those of writers.
const OWN: u8 = FIRST + 2 * TRIES;

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
}

/// The world: the store, its log, everybody at work, and what may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    facts: Facts,
    /// Packs that exist, and the chunks of each, existing or not.
    packs: Set,
    chunks: [Set; OWN as usize],
    /// Indexes that exist. Those from `OWN` on are collectors': whose, and which packs they name.
    indexes: Set,
    rewritten: Vec<(u8, Set)>,
    manifests: Set,
    /// Points that existed and were forgotten.
    forgotten: Set,
    writers: [Writer; 2],
    collectors: [Collector; 2],
    /// Log entries under way to the number that is next. At most one of them lands.
    flights: Vec<Flight>,
    next_session: u8,
    runs: u8,
    crashes: u8,
    fences: u8,
    lates: u8,
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
}

impl World {
    /// Appends an entry: whatever is under way to the same number has lost.
    fn append(&mut self, event: Event) {
        self.facts.apply(event);
        self.flights.clear();
    }

    fn event(&self, flight: &Flight) -> Event {
        match flight {
            Flight::Commit(writer) => self.commit_event(*writer),
            Flight::Fence(session) => Event::Fence { session: facts::session_id(*session) },
            Flight::Condemn(packs) => facts::condemn_event(*packs),
            Flight::Retire { packs, removed, added } => Event::Retire {
                packs: facts::packs_of(*packs),
                removed: bits(*removed)
                    .map(|index| index_id(self.index_owner(index), index))
                    .collect(),
                added: bits(*added).map(|index| index_id(self.index_owner(index), index)).collect(),
            },
        }
    }

    /// Who wrote an index.
    fn index_owner(&self, index: u8) -> u8 {
        match index.checked_sub(OWN) {
            None => facts::pack_owner(index),
            Some(number) => self.rewritten[usize::from(number)].0,
        }
    }

    /// The packs that an index names.
    fn named(&self, index: u8) -> Set {
        match (index, index.checked_sub(OWN)) {
            (0, _) => (1 << FIRST) - 1,
            (_, None) => 1 << index,
            (_, Some(number)) => self.rewritten[usize::from(number)].1,
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
            packs: 0b11,
            chunks: std::array::from_fn(|pack| if pack < FIRST.into() { 1 << pack } else { 0 }),
            indexes: 1,
            rewritten: Vec::new(),
            manifests: 1,
            forgotten: 0,
            writers: [Writer::default(), Writer::default()],
            collectors: [collector.clone(), collector],
            flights: Vec::new(),
            next_session: 3,
            runs: self.runs,
            crashes: self.crashes,
            fences: self.fences,
            lates: self.lates,
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
            Action::Collector(number) => next.collector_step(number, false, self.defect),
            Action::CollectorWaits(number) => next.collector_step(number, true, self.defect),
            Action::CollectorUnanswered(number) => {
                next.collector_unanswered(number, self.defect)?
            }
            Action::CollectorDies(number) => {
                next.collectors[number].give_up();
                next.crashes -= 1;
            }
            Action::Land(number) => next.append(world.event(&world.flights[number])),
            Action::Fence(session) => {
                next.fences -= u8::from(!world.is_dead(session));
                next.append(Event::Fence { session: facts::session_id(session) });
            }
            Action::Forget(point) => {
                next.forgotten |= 1 << point;
                next.append(Event::Forget { point: facts::point_id(point) });
            }
        }
        let next = next.normal();
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing is lost", |_, world: &World| {
                bits(world.facts.points).all(|point| world.is_whole(point))
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
        // A model in which nothing happens proves nothing. A planted defect may prevent things.
        if self.defect.is_none() {
            properties.extend(self.happenings());
        }
        properties
    }
}

impl Protocol {
    fn happenings(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::sometimes("a point outlives the packs it relied on", |_, world: &World| {
                let rescued = |n: usize| {
                    world.writers[n].was_rescued() && has(world.facts.points, n as u8 + 1)
                };
                (rescued(0) && !has(world.packs, 0)) || (rescued(1) && !has(world.packs, 1))
            }),
            Property::sometimes("one of an index's packs is deleted", |_, world: &World| {
                world.packs & 0b11 == 0b01
            }),
            Property::sometimes("a collector's index is in use", |_, world: &World| {
                world.facts.indexes >> OWN != 0
            }),
        ];
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
}

mod tests;
