//! One contract for every implementation of [`fabric::Host`].
//!
//! The fake is held to it always. The real one, over libvirt, where the environment gives a
//! running guest with an agent and a qcow2 data disk that may be overwritten:
//!
//! - `HOLDFAST_TEST_DOMAIN`: the domain's UUID,
//! - `HOLDFAST_TEST_DISK`: the data disk's target, such as `vdb`, not mounted in the guest,
//! - `HOLDFAST_TEST_HELPER`: the `holdfast-libvirt` program,
//! - `HOLDFAST_TEST_URI`: the connection; `qemu:///system` if not given.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fabric::fake::{FakeHost, Fault, NewDisk};
use fabric::libvirt::{Config, LibvirtHost};
use fabric::{
    Capture, CapturePlan, DiskPlan, FabricError, Finish, Host, Method, Network, NewDomain, Quiesce,
    RecoverScope, RestoredDisk, checkpoint_name,
};
use model::point::PointId;
use model::units::{Extent, KIB, MIB};
use model::vm::DiskFormat;
use uuid::Uuid;

/// A host with one running guest whose data disk the suite may overwrite.
struct Subject<'a> {
    host: &'a dyn Host,
    domain: Uuid,
    target: String,
    /// Makes the guest write a byte `value` all over a range of its data disk.
    write: &'a dyn Fn(u64, u64, u8),
    scratch: PathBuf,
    sockets: PathBuf,
    points: AtomicU64,
}

impl Subject<'_> {
    fn point(&self) -> PointId {
        PointId::new(self.points.fetch_add(1, Ordering::SeqCst)).expect("not zero")
    }

    fn plan(&self, method: Method) -> CapturePlan {
        CapturePlan {
            domain: self.domain,
            point: self.point(),
            disks: vec![DiskPlan { target: self.target.clone(), method }],
            quiesce: Some(Duration::from_secs(10)),
            scratch_dir: self.scratch.clone(),
            socket_dir: self.sockets.clone(),
        }
    }

    fn begin(&self, method: Method) -> Box<dyn Capture> {
        self.host.begin_capture(&self.plan(method)).expect("begins")
    }

    /// A kept full capture; its checkpoint.
    fn base(&self) -> String {
        let capture = self.begin(Method::Full);
        let name = new_checkpoint(capture.as_ref());
        capture.finish(Finish::Keep).expect("kept");
        name
    }

    fn scope(&self, known: &[&str]) -> RecoverScope {
        let known: BTreeSet<String> = known.iter().map(|it| (*it).to_owned()).collect();
        RecoverScope {
            scratch_dir: self.scratch.clone(),
            socket_dir: self.sockets.clone(),
            known: BTreeMap::from([(self.domain, known)]),
        }
    }
}

fn since(checkpoint: &str) -> Method {
    Method::Incremental { checkpoint: checkpoint.to_owned() }
}

fn new_checkpoint(capture: &dyn Capture) -> String {
    capture.evidence().checkpoint.as_ref().expect("a tracked disk").name.clone()
}

fn covers(extents: &[Extent], at: u64) -> bool {
    extents.iter().any(|it| it.start <= at && at < it.end())
}

fn extents(subject: &Subject<'_>, capture: &dyn Capture) -> Vec<Extent> {
    capture.disk(&subject.target).expect("captured").extents().expect("mapped")
}

/// The bytes of a range, with what was left out as zero.
fn content(subject: &Subject<'_>, capture: &dyn Capture, range: Extent) -> Vec<u8> {
    let mut reader = capture.disk(&subject.target).expect("captured");
    let mut bytes = vec![0; usize::try_from(range.length).expect("small")];
    let _ = reader
        .read(&[range], &mut |offset, piece| {
            let at = usize::try_from(offset - range.start).expect("small");
            bytes[at..at + piece.len()].copy_from_slice(piece);
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(reader.counters().bytes, range.length);
    bytes
}

fn holds(subject: &Subject<'_>, capture: &dyn Capture, start: u64, value: u8) -> bool {
    content(subject, capture, Extent::new(start, 64 * KIB)).iter().all(|it| *it == value)
}

/// One promise, and what holds a host to it.
type Case = (&'static str, fn(&Subject<'_>));

/// The whole contract.
fn check(subject: &Subject<'_>) {
    let cases: [Case; 11] = [
        ("an incremental holds what was written since", incremental),
        ("a point in time does not move", one_point_in_time),
        ("a discarded capture breaks no chain", discard),
        ("a dropped capture is discarded", dropped),
        ("keeping deletes the older checkpoints", keep),
        ("a forgotten checkpoint is gone, and the guest goes on", forgotten),
        ("an unknown checkpoint asks for a full read", broken_chain),
        ("one capture at a time", one_at_a_time),
        ("a capture of this process is no left-over", no_left_over),
        ("what is not there is told apart", not_there),
        ("recovery deletes what no point knows", recovery),
    ];
    for (what, case) in cases {
        println!("{what}");
        case(subject);
    }
}

fn incremental(subject: &Subject<'_>) {
    (subject.write)(MIB, 64 * KIB, 1);
    let capture = subject.begin(Method::Full);
    let evidence = capture.evidence();
    assert!(matches!(evidence.quiesce, Quiesce::Frozen { filesystems: 1.., .. }), "{evidence:?}");
    assert!(evidence.disks.len() == 1 && evidence.disks[0].tracked, "{evidence:?}");
    assert!(covers(&extents(subject, capture.as_ref()), MIB));
    assert!(holds(subject, capture.as_ref(), MIB, 1));
    let base = new_checkpoint(capture.as_ref());
    capture.finish(Finish::Keep).expect("kept");

    (subject.write)(3 * MIB, 64 * KIB, 2);
    let capture = subject.begin(since(&base));
    let dirty = extents(subject, capture.as_ref());
    assert_eq!(dirty, [Extent::new(3 * MIB, 64 * KIB)]);
    assert!(holds(subject, capture.as_ref(), 3 * MIB, 2));
    assert!(holds(subject, capture.as_ref(), MIB, 1), "unchanged ranges can be read too");
    capture.check().expect("it stands");
    capture.finish(Finish::Keep).expect("kept");
}

fn one_point_in_time(subject: &Subject<'_>) {
    (subject.write)(MIB, 64 * KIB, 3);
    let capture = subject.begin(Method::Full);
    (subject.write)(MIB, 64 * KIB, 4);
    assert!(holds(subject, capture.as_ref(), MIB, 3));
    let base = new_checkpoint(capture.as_ref());
    capture.finish(Finish::Keep).expect("kept");
    let capture = subject.begin(since(&base));
    assert!(holds(subject, capture.as_ref(), MIB, 4));
    assert!(covers(&extents(subject, capture.as_ref()), MIB), "written during the capture");
    capture.finish(Finish::Keep).expect("kept");
}

fn discard(subject: &Subject<'_>) {
    let base = subject.base();
    (subject.write)(5 * MIB, 64 * KIB, 5);
    subject.begin(since(&base)).finish(Finish::Discard).expect("discarded");
    (subject.write)(7 * MIB, 64 * KIB, 6);
    let capture = subject.begin(since(&base));
    let dirty = extents(subject, capture.as_ref());
    assert!(covers(&dirty, 5 * MIB) && covers(&dirty, 7 * MIB), "{dirty:?}");
    capture.finish(Finish::Keep).expect("kept");
}

fn dropped(subject: &Subject<'_>) {
    let base = subject.base();
    (subject.write)(5 * MIB, 64 * KIB, 7);
    drop(subject.begin(since(&base)));
    let capture = subject.begin(since(&base));
    assert!(covers(&extents(subject, capture.as_ref()), 5 * MIB));
    capture.finish(Finish::Discard).expect("discarded");
}

fn keep(subject: &Subject<'_>) {
    let older = subject.base();
    let newer = subject.base();
    assert_ne!(older, newer);
    let refused = subject.host.begin_capture(&subject.plan(since(&older)));
    assert!(matches!(refused.err(), Some(FabricError::ChainBroken { .. })));
    subject.begin(since(&newer)).finish(Finish::Discard).expect("discarded");
}

fn forgotten(subject: &Subject<'_>) {
    let base = subject.base();
    subject.host.forget_checkpoint(subject.domain, &base).expect("forgotten");
    let refused = subject.host.begin_capture(&subject.plan(since(&base)));
    assert!(matches!(refused.err(), Some(FabricError::ChainBroken { .. })));
    subject.host.forget_checkpoint(subject.domain, &base).expect("there is none any more");
    (subject.write)(5 * MIB, 64 * KIB, 8);
    let capture = subject.begin(Method::Full);
    assert!(holds(subject, capture.as_ref(), 5 * MIB, 8));
    capture.finish(Finish::Keep).expect("kept");
}

fn broken_chain(subject: &Subject<'_>) {
    let unknown = checkpoint_name(subject.point());
    let error = subject.host.begin_capture(&subject.plan(since(&unknown))).err().expect("refused");
    let FabricError::ChainBroken { disk, .. } = &error else { panic!("{error}") };
    assert!(disk.as_ref().is_none_or(|it| *it == subject.target), "{error}");
    subject.begin(Method::Full).finish(Finish::Discard).expect("discarded");
}

fn one_at_a_time(subject: &Subject<'_>) {
    let capture = subject.begin(Method::Full);
    let second = subject.host.begin_capture(&subject.plan(Method::Full));
    assert!(matches!(second.err(), Some(FabricError::JobRunning { .. })));
    capture.check().expect("the first one stands");
    capture.finish(Finish::Discard).expect("discarded");
}

fn no_left_over(subject: &Subject<'_>) {
    let scope = subject.scope(&[]);
    let nothing = subject.host.end_left_over(subject.domain, &scope).expect("looked");
    assert!(nothing.is_empty(), "{nothing:?}");
    let capture = subject.begin(Method::Full);
    let refused = subject.host.end_left_over(subject.domain, &scope);
    assert!(matches!(refused, Err(FabricError::JobRunning { .. })), "{refused:?}");
    capture.check().expect("it stands");
    capture.finish(Finish::Discard).expect("discarded");
}

fn not_there(subject: &Subject<'_>) {
    let mut plan = subject.plan(Method::Full);
    plan.disks[0].target = "vdq".into();
    let error = subject.host.begin_capture(&plan).err();
    assert!(matches!(error, Some(FabricError::DiskGone { .. })), "{error:?}");
    let mut plan = subject.plan(Method::Full);
    plan.domain = Uuid::from_u128(0xdead);
    let error = subject.host.begin_capture(&plan).err();
    assert!(matches!(error, Some(FabricError::DomainGone { .. })), "{error:?}");
    let domain = subject.host.domain(subject.domain).expect("there");
    assert!(domain.disks.iter().any(|disk| disk.target == subject.target));
    assert!(subject.host.inventory().expect("reached").contains(&domain));
}

fn recovery(subject: &Subject<'_>) {
    let base = subject.base();
    (subject.write)(5 * MIB, 64 * KIB, 8);
    // As after a crash between the commit of a point and its record.
    let capture = subject.begin(since(&base));
    let unknown = new_checkpoint(capture.as_ref());
    capture.finish(Finish::Keep).expect("kept");
    let words = subject.host.recover(&subject.scope(&[])).expect("recovers");
    assert!(words.iter().any(|it| it.contains(&unknown)), "{words:?}");
    let refused = subject.host.begin_capture(&subject.plan(since(&unknown)));
    assert!(matches!(refused.err(), Some(FabricError::ChainBroken { .. })));

    let base = subject.base();
    let words = subject.host.recover(&subject.scope(&[&base])).expect("recovers");
    assert!(words.is_empty(), "{words:?}");
    subject.begin(since(&base)).finish(Finish::Discard).expect("the known one stays");
}

fn fake() -> (FakeHost, Uuid) {
    let (host, domain) = (FakeHost::new(), Uuid::from_u128(1));
    let disk = |target: &str, format| NewDisk { target: target.into(), size: 64 * MIB, format };
    host.add(domain, "web", &[disk("vda", DiskFormat::Qcow2), disk("vdb", DiskFormat::Raw)]);
    (host, domain)
}

fn of_fake<'a>(host: &'a FakeHost, domain: Uuid, write: &'a dyn Fn(u64, u64, u8)) -> Subject<'a> {
    Subject {
        host,
        domain,
        target: "vda".into(),
        write,
        scratch: "/scratch".into(),
        sockets: "/run/holdfast/00000000".into(),
        points: AtomicU64::new(1),
    }
}

#[test]
fn the_fake_keeps_the_contract() {
    let (host, domain) = fake();
    let write = |offset: u64, length: u64, value: u8| {
        let bytes = vec![value; usize::try_from(length).expect("small")];
        host.write(domain, "vda", offset, &bytes).expect("there");
    };
    check(&of_fake(&host, domain, &write));
}

#[test]
fn the_fake_fails_as_it_is_told() {
    let (host, domain) = fake();
    host.write(domain, "vda", 0, &vec![1; 2 << 20]).expect("there");
    let write = |_: u64, _: u64, _: u8| {};
    let subject = of_fake(&host, domain, &write);
    host.script(Fault::HypervisorDown);
    assert!(matches!(host.inventory(), Err(FabricError::HypervisorDown { .. })));
    host.script(Fault::FreezeCut);
    let capture = subject.begin(Method::Full);
    assert!(matches!(capture.evidence().quiesce, Quiesce::Cut { .. }));
    let base = new_checkpoint(capture.as_ref());
    capture.finish(Finish::Keep).expect("kept");

    host.script(Fault::ScratchFull { after: MIB });
    let capture = subject.begin(Method::Full);
    let mut reader = capture.disk("vda").expect("captured");
    let all = reader.extents().expect("mapped");
    assert!(reader.read(&all, &mut |_, _| ControlFlow::Continue(())).is_err());
    assert!(matches!(capture.check(), Err(FabricError::ScratchFull { .. })));
    capture.finish(Finish::Discard).expect("discarded");

    host.crash(domain).expect("there");
    let offline = subject.host.begin_capture(&subject.plan(since(&base)));
    assert!(matches!(offline.err(), Some(FabricError::ChainBroken { .. })));
    let offline = subject.begin(Method::Full);
    assert_eq!(offline.evidence().quiesce, Quiesce::PoweredOff);
    assert!(offline.evidence().checkpoint.is_none() && host.start(domain).is_err());
    offline.finish(Finish::Keep).expect("over");
    host.start(domain).expect("starts again");

    let left = subject.begin(Method::Full);
    host.process_dies();
    assert!(left.finish(Finish::Keep).is_err());
    let words = host.recover(&subject.scope(&[])).expect("recovers");
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(host.checkpoints(domain).expect("there").is_empty());
}

#[test]
fn a_job_that_an_earlier_process_left_is_ended_and_nobody_elses() {
    let (host, domain) = fake();
    let write = |_: u64, _: u64, _: u8| {};
    let subject = of_fake(&host, domain, &write);
    host.leave_job(domain).expect("there");
    let busy = host.begin_capture(&subject.plan(Method::Full));
    assert!(matches!(busy.err(), Some(FabricError::JobRunning { .. })));
    let words = host.end_left_over(domain, &subject.scope(&[])).expect("ended");
    assert_eq!(words.len(), 1, "{words:?}");
    subject.begin(Method::Full).finish(Finish::Discard).expect("discarded");

    host.begin_foreign_job(domain).expect("there");
    let words = host.end_left_over(domain, &subject.scope(&[])).expect("looked");
    assert!(words.is_empty(), "{words:?}");
    let busy = host.begin_capture(&subject.plan(Method::Full));
    assert!(matches!(busy.err(), Some(FabricError::JobRunning { .. })));
}

/// One shell command in the guest, to its end.
fn in_guest(host: &dyn Host, domain: Uuid, command: &str) {
    let limit = Duration::from_secs(20);
    let quoted = serde_json::to_string(command).expect("text");
    let exec = format!(
        r#"{{"execute":"guest-exec","arguments":{{"path":"/bin/sh","arg":["-c",{quoted}]}}}}"#
    );
    let answer = host.agent(domain, &exec, limit).expect("the agent answers");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let pid = &answer["return"]["pid"];
    for _ in 0..200 {
        let ask = format!(r#"{{"execute":"guest-exec-status","arguments":{{"pid":{pid}}}}}"#);
        let answer = host.agent(domain, &ask, limit).expect("the agent answers");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        if answer["return"]["exited"] == true {
            assert_eq!(answer["return"]["exitcode"], 0, "{command}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{command} does not end");
}

/// All disks of the guest, captured into files, and a new domain over them that comes up.
fn boots_again(subject: &Subject<'_>) {
    println!("a captured guest boots again");
    let domain = subject.host.domain(subject.domain).expect("there");
    let supported = |target: &str| !domain.unsupported.iter().any(|it| it.target == target);
    let targets = domain.disks.iter().map(|it| it.target.clone()).filter(|it| supported(it));
    let mut plan = subject.plan(Method::Full);
    plan.disks = targets.map(|target| DiskPlan { target, method: Method::Full }).collect();
    let capture = subject.host.begin_capture(&plan).expect("begins");
    // Where QEMU's user may come by, which a private temporary directory is not.
    let dir = PathBuf::from(format!("/var/lib/libvirt/holdfast-boots-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("made");
    let network = a_network(subject.host);
    let disks = plan.disks.iter().map(|disk| to_file(capture.as_ref(), &disk.target, &dir));
    let new = NewDomain {
        uuid: Uuid::from_u128((0x4000_8000 << 64) | u128::from(std::process::id())),
        name: format!("{}-boots-{}", domain.name, std::process::id()),
        resource_group: Some("restored".into()),
        network: Some(network.name.clone()),
        disks: disks.collect(),
    };
    let xml = capture.evidence().domain_xml.clone();
    capture.finish(Finish::Discard).expect("discarded");
    let dropped = subject.host.define(&xml, &new).expect("defined");
    println!("left out: {dropped:?}");
    let again = subject.host.define(&xml, &new);
    assert!(matches!(again, Err(FabricError::Exists { .. })), "{again:?}");
    subject.host.start(new.uuid).expect("started");
    let came_up = subject.host.wait_for_agent(new.uuid, Duration::from_secs(120));
    let restored = subject.host.domain(new.uuid).expect("there");
    subject.host.destroy(new.uuid).expect("ended");
    subject.host.undefine(new.uuid).expect("undefined");
    std::fs::remove_dir_all(&dir).expect("removed");
    came_up.expect("the agent answers");
    assert_eq!(restored.resource_group.as_deref(), Some("restored"));
    assert_eq!(restored.disks.len(), new.disks.len());
    let cards: Vec<_> = restored.interfaces.iter().map(|it| it.network.as_deref()).collect();
    assert_eq!(cards, [Some(network.name.as_str())], "it is on the network that was chosen");
}

/// A network of the host that runs.
fn a_network(host: &dyn Host) -> Network {
    let networks = host.networks().expect("listed");
    assert!(networks.iter().all(|it| !it.name.is_empty() && !it.uuid.is_nil()), "{networks:?}");
    networks.into_iter().find(|it| it.active).expect("a network that runs, such as libvirt's own")
}

fn to_file(capture: &dyn Capture, target: &str, dir: &std::path::Path) -> RestoredDisk {
    use std::os::unix::fs::FileExt;
    let raw = dir.join(format!("{target}.raw"));
    let file = std::fs::File::create(&raw).expect("made");
    let mut reader = capture.disk(target).expect("captured");
    file.set_len(reader.size()).expect("sparse");
    let extents = reader.extents().expect("mapped");
    let _ = reader
        .read(&extents, &mut |offset, bytes| {
            file.write_all_at(bytes, offset).expect("written");
            ControlFlow::Continue(())
        })
        .expect("readable");
    let path = dir.join(format!("{target}.qcow2"));
    fabric::image::convert_raw_to_qcow2(&raw, &path).expect("converted");
    RestoredDisk { target: target.to_owned(), path, format: DiskFormat::Qcow2 }
}

#[test]
fn libvirt_keeps_the_contract() {
    let environment = |name: &str| std::env::var(format!("HOLDFAST_TEST_{name}")).ok();
    let (Some(domain), Some(target), Some(helper)) =
        (environment("DOMAIN"), environment("DISK"), environment("HELPER"))
    else {
        eprintln!("skipped: HOLDFAST_TEST_DOMAIN, _DISK and _HELPER are not given");
        return;
    };
    let domain: Uuid = domain.parse().expect("a UUID");
    let uri = environment("URI").unwrap_or_else(|| "qemu:///system".into());
    let host = LibvirtHost::new(Config { helper: Some(helper.into()), ..Config::new(&uri) });
    let disk = target.clone();
    let write = |offset: u64, length: u64, value: u8| {
        let count = length / (64 * KIB);
        let seek = offset / (64 * KIB);
        let command = format!(
            "head -c {length} /dev/zero | tr '\\000' '\\{value:03o}' | \
             dd of=/dev/{disk} bs=64k count={count} seek={seek} iflag=fullblock conv=notrunc && \
             sync"
        );
        in_guest(&host, domain, &command);
    };
    let process = std::process::id();
    let subject = Subject {
        host: &host,
        domain,
        target,
        write: &write,
        scratch: "/var/lib/libvirt/holdfast-test".into(),
        sockets: format!("/run/holdfast/t{process}").into(),
        points: AtomicU64::new(u64::from(process) << 20 | 1),
    };
    check(&subject);
    boots_again(&subject);
    for dir in [&subject.scratch, &subject.sockets] {
        let left = std::fs::read_dir(dir).expect("there").count();
        assert_eq!(left, 0, "nothing is left in {}", dir.display());
        let _ = std::fs::remove_dir(dir);
    }
}
