//! Real processes at one repository, killed and stopped at random, and a checker that shares
//! nothing with them: it knows what every image held, and compares what `restore` gives back.
//!
//! Four writers, two collectors with no grace, an operator who forgets points, calls sessions of
//! killed writers dead, and now and then, wrongly, one that is alive. `HOLDFAST_SEED` sets what is
//! drawn (not how processes run); `HOLDFAST_LONG=1` makes it minutes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const IMAGE: u64 = 4 * MIB;

/// Random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// What an image holds: noise of a seed at an offset, later ones over earlier ones.
type Recipe = Vec<(u64, u64, u64)>;

fn image(recipe: &Recipe) -> Vec<u8> {
    let mut bytes = vec![0; IMAGE as usize];
    for (offset, length, seed) in recipe {
        let mut dice = Dice(*seed);
        for word in bytes[*offset as usize..(offset + length) as usize].chunks_exact_mut(8) {
            word.copy_from_slice(&dice.draw(u64::MAX).to_le_bytes());
        }
    }
    bytes
}

/// What the campaign knows of a backup. Each has an item of its own, to be told by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It was killed: the point is there, whole, or it is not.
    Open,
    /// Exit code 0: the point must be there.
    Done { point: String },
    /// It said that it failed: the point must not be there.
    Failed,
    /// Forgetting it was tried.
    Forgotten,
}

#[derive(Debug, Default)]
struct Tally {
    killed: u64,
    stopped: u64,
    refused: BTreeMap<String, u64>,
    collected: u64,
}

struct Campaign {
    dir: TempDir,
    end: Instant,
    backups: Mutex<BTreeMap<String, (Recipe, Fate)>>,
    tally: Mutex<Tally>,
    /// Everybody at work holds it; the operator takes it to be sure that nobody is.
    at_work: RwLock<()>,
}

impl Campaign {
    fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut built = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        built.current_dir(self.dir.path()).stdin(Stdio::null());
        built.args(["--json", "repo", command, "--repo", "vault", "--key-file", "key"]).args(args);
        built
    }

    #[track_caller]
    fn ok(&self, command: &str, args: &[&str]) -> Value {
        let output = self.command(command, args).output().expect("it runs");
        assert!(output.status.success(), "{command} {args:?}: {}", told(&output));
        document(&output)
    }

    /// Runs a command that may be killed or stopped for a while; nothing if it was killed.
    fn run(&self, dice: &mut Dice, command: &str, args: &[&str]) -> Option<Output> {
        let mut built = self.command(command, args);
        let child = built.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let wait = Duration::from_millis(dice.draw(120));
        match dice.draw(10) {
            0..=2 => {
                thread::sleep(wait);
                signal(&child, "KILL");
            }
            3 | 4 => {
                thread::sleep(wait);
                signal(&child, "STOP");
                self.tally.lock().expect("no panic").stopped += 1;
                thread::sleep(Duration::from_millis(dice.draw(1500)));
                signal(&child, "CONT");
            }
            _ => {}
        }
        let output = child.wait_with_output().expect("it ends");
        if output.status.code().is_none() {
            self.tally.lock().expect("no panic").killed += 1;
            return None;
        }
        Some(output)
    }

    fn write(&self, number: u64, seed: u64) {
        let mut dice = Dice(seed ^ (number << 32));
        let mut parent: Option<(String, Recipe)> = None;
        for attempt in 0.. {
            if Instant::now() > self.end {
                break;
            }
            let _at_work = self.at_work.read().expect("no panic");
            let item = format!("w{number}-{attempt}");
            let disk = format!("disk{number}");
            let mut args = vec!["--item".to_owned(), item.clone()];
            // Content is shared with other writers, so that points rely on each other's packs.
            let mut recipe = vec![(0, MIB, dice.draw(3)), (MIB, MIB, 10 + dice.draw(3))];
            let (offset, length) = (dice.draw(48) * 65_536, 65_536);
            if let Some((point, old)) = parent.take().filter(|_| dice.draw(4) > 0) {
                recipe = old;
                let changed = format!("changed{number}");
                let extents = json!([{"start": offset, "length": length}]).to_string();
                fs::write(self.path(&changed), extents).expect("writes");
                args.extend(["--parent".to_owned(), point, "--changed".to_owned(), changed]);
            }
            recipe.push((offset, length, 1000 + dice.draw(1 << 40)));
            fs::write(self.path(&disk), image(&recipe)).expect("writes");
            args.push(disk);
            let known = (recipe.clone(), Fate::Open);
            self.backups.lock().expect("no panic").insert(item.clone(), known);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let Some(output) = self.run(&mut dice, "backup", &args) else { continue };
            let fate = if output.status.success() {
                let point = document(&output)["point"].as_str().expect("a point").to_owned();
                parent = Some((point.clone(), recipe.clone()));
                Fate::Done { point }
            } else {
                let error = told(&output);
                let unsure = error.contains("CommitUnsettled");
                let mut tally = self.tally.lock().expect("no panic");
                *tally.refused.entry(error).or_default() += 1;
                if unsure { Fate::Open } else { Fate::Failed }
            };
            self.backups.lock().expect("no panic").insert(item, (recipe, fate));
        }
    }

    fn collect(&self, number: u64, seed: u64) {
        let mut dice = Dice(seed ^ (number << 40));
        let mut open: Vec<Value> = Vec::new();
        while Instant::now() < self.end {
            let _at_work = self.at_work.read().expect("no panic");
            let mut args = vec!["--grace-hours", "0"];
            let wrong = open.first().and_then(Value::as_str).map(str::to_owned);
            // An operator who is wrong: the writer may well be alive.
            if let Some(session) = wrong.as_deref().filter(|_| dice.draw(8) == 0) {
                args.extend(["--dead-session", session]);
            }
            let Some(output) = self.run(&mut dice, "collect", &args) else { continue };
            if output.status.success() {
                let report = document(&output);
                open = report["openSessions"].as_array().cloned().unwrap_or_default();
                let deleted = report["deletedPacks"].as_u64().expect("a number");
                self.tally.lock().expect("no panic").collected += deleted;
            } else {
                open.clear();
            }
        }
    }

    /// Forgets points, and now and then makes sure that nobody works, and looks at everything.
    fn operate(&self, seed: u64) {
        let mut dice = Dice(seed ^ 77);
        let mut looked = Instant::now();
        while Instant::now() < self.end {
            thread::sleep(Duration::from_millis(150));
            let done = self.done();
            if done.len() > 6 {
                let (item, point) = &done[dice.draw(done.len() as u64) as usize];
                self.backups.lock().expect("no panic").get_mut(item).expect("known").1 =
                    Fate::Forgotten;
                let _ = self.command("forget", &[point]).output().expect("it runs");
            }
            if looked.elapsed() > Duration::from_secs(5) {
                let _nobody = self.at_work.write().expect("no panic");
                self.fence_all();
                self.check();
                looked = Instant::now();
            }
        }
    }

    fn done(&self) -> Vec<(String, String)> {
        let backups = self.backups.lock().expect("no panic");
        let done = backups.iter().filter_map(|(item, (_, fate))| match fate {
            Fate::Done { point } => Some((item.clone(), point.clone())),
            _ => None,
        });
        done.collect()
    }

    /// Nobody is at work, so every session that is open is a dead process's.
    fn fence_all(&self) {
        let report = self.ok("collect", &["--dry-run"]);
        let open = report["openSessions"].as_array().cloned().unwrap_or_default();
        let mut args = vec!["--grace-hours", "0"];
        for session in &open {
            args.extend(["--dead-session", session.as_str().expect("text")]);
        }
        self.ok("collect", &args);
    }

    /// Every point that is said to be there is, and everything that is there is what it was.
    fn check(&self) {
        let backups = self.backups.lock().expect("no panic").clone();
        let listed = self.ok("list", &[]);
        let listed: BTreeMap<&str, &str> = listed
            .as_array()
            .expect("a list")
            .iter()
            .map(|point| {
                (point["item"].as_str().expect("text"), point["point"].as_str().expect("text"))
            })
            .collect();
        for (item, (_, fate)) in &backups {
            match fate {
                Fate::Done { point } => assert_eq!(listed.get(item.as_str()), Some(&&**point)),
                Fate::Failed => assert_eq!(listed.get(item.as_str()), None, "{item} had failed"),
                Fate::Open | Fate::Forgotten => {}
            }
        }
        for (item, point) in &listed {
            self.ok("restore", &["--force", point, "out"]);
            let restored = fs::read(self.path("out")).expect("reads");
            let (recipe, fate) = &backups[*item];
            assert!(restored == image(recipe), "point {point} of {item} ({fate:?}) differs");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).output();
    // It may be done already, and wait for being asked.
    sent.expect("kill runs");
}

fn told(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let coded = serde_json::from_str::<Value>(&errors).ok();
    coded.map_or(errors, |error| error["error"].to_string())
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one document")
}

#[test]
fn killed_and_stopped_processes_lose_nothing() {
    let drawn = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    let set = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = set.unwrap_or(u64::from(drawn.subsec_nanos()));
    eprintln!("HOLDFAST_SEED={seed}");
    let long = std::env::var_os("HOLDFAST_LONG").is_some_and(|value| value == "1");
    let lasts = Duration::from_secs(if long { 300 } else { 12 });
    let campaign = Campaign {
        dir: TempDir::new().expect("a directory"),
        end: Instant::now() + lasts,
        backups: Mutex::default(),
        tally: Mutex::default(),
        at_work: RwLock::default(),
    };
    campaign.ok("init", &[]);
    thread::scope(|scope| {
        let campaign = &campaign;
        for number in 1..=4 {
            scope.spawn(move || campaign.write(number, seed));
        }
        for number in 1..=2 {
            scope.spawn(move || campaign.collect(number, seed));
        }
        scope.spawn(move || campaign.operate(seed));
    });
    campaign.fence_all();
    campaign.check();
    // Whatever happened, the next backup works, and collecting comes to an end.
    fs::write(campaign.path("disk1"), image(&vec![(0, MIB, 1)])).expect("writes");
    campaign.ok("backup", &["--item", "last", "disk1"]);
    let last = (vec![(0, MIB, 1)], Fate::Open);
    campaign.backups.lock().expect("no panic").insert("last".to_owned(), last);
    // One run condemns and repacks, the next deletes; what it deletes may leave more to repack.
    for _ in 0..4 {
        campaign.ok("collect", &["--grace-hours", "0"]);
    }
    let idle = campaign.ok("collect", &["--grace-hours", "0"]);
    for what in ["condemnedPacks", "repackedPacks", "deletedPacks", "deletedObjects"] {
        assert_eq!(idle[what], json!(0), "{idle}");
    }
    assert_eq!(campaign.ok("verify", &["--read-data"])["damaged"], json!([]));
    campaign.check();
    let done = campaign.done().len();
    let backups = campaign.backups.lock().expect("no panic");
    let tally = campaign.tally.lock().expect("no panic");
    eprintln!("{} backups, {done} points at the end; {tally:#?}", backups.len());
    assert!(done > 5 && tally.killed > 5 && tally.collected > 0, "too little happened");
}
