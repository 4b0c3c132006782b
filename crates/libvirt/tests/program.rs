//! Method: the built program on a socket, against libvirt's own test driver, which needs neither
//! a daemon nor QEMU. What freezes and backups do is tested with real guests.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use api::helper::{
    Answer, Call, DomainState, Failure, FailureKind, Message, Request, read_frame, write_frame,
};

struct Program {
    child: Child,
    socket: UnixStream,
}

impl Program {
    fn start(uri: &str) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a pair");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let child = Command::new(env!("CARGO_BIN_EXE_holdfast-libvirt"))
            .args(["--uri", uri])
            .stdin(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        Self { child, socket }
    }

    /// The next message that is no event.
    fn hear(&mut self) -> Option<Message> {
        loop {
            match read_frame(&self.socket).expect("a frame or the end") {
                Some(Message::Event { .. }) => {}
                other => return other,
            }
        }
    }

    fn ask(&mut self, id: u64, call: Call) -> Result<Answer, Failure> {
        write_frame(&self.socket, &Request { id, call }).expect("sent");
        match self.hear() {
            Some(Message::Reply { id: answered, result }) if answered == id => result,
            other => panic!("{other:?}"),
        }
    }

    /// Closes the leash; the exit code.
    fn let_go(mut self) -> Option<i32> {
        drop(self.socket);
        self.child.wait().expect("ends").code()
    }
}

fn ready() -> Program {
    let mut program = Program::start("test:///default");
    assert!(matches!(program.hear(), Some(Message::Ready { libvirt_version: 1.. })));
    program
}

#[test]
fn it_lists_changes_and_lets_go() {
    let mut program = ready();
    let Ok(Answer::Domains { domains }) = program.ask(1, Call::ListDomains) else { panic!() };
    let [domain] = domains.as_slice() else { panic!("{domains:?}") };
    assert_eq!((domain.name.as_str(), domain.state), ("test", DomainState::Running));
    assert!(domain.xml.contains("<name>test</name>"));
    let uuid = || domain.uuid.clone();
    assert_eq!(program.ask(2, Call::Destroy { domain: uuid() }), Ok(Answer::Done));
    let Ok(Answer::Domain { domain: off }) = program.ask(3, Call::GetDomain { domain: uuid() })
    else {
        panic!()
    };
    assert_eq!(off.state, DomainState::Off);
    let again = program.ask(4, Call::Destroy { domain: uuid() });
    assert!(matches!(again, Err(Failure { kind: FailureKind::WrongState, .. })), "{again:?}");
    let (name, xml) = ("test".to_owned(), off.xml);
    let taken = program.ask(5, Call::Define { domain: uuid(), name, xml });
    assert!(matches!(taken, Err(Failure { kind: FailureKind::Exists, .. })), "{taken:?}");
    assert_eq!(program.let_go(), Some(0));
}

#[test]
fn it_lists_networks_and_whether_they_run() {
    let mut program = ready();
    let Ok(Answer::Networks { networks }) = program.ask(1, Call::ListNetworks) else { panic!() };
    let [network] = networks.as_slice() else { panic!("{networks:?}") };
    assert!(network.active && network.xml.contains("<name>default</name>"), "{network:?}");
}

#[test]
fn it_tells_leased_addresses_of_a_running_domain() {
    let mut program = ready();
    let Ok(Answer::Domains { domains }) = program.ask(1, Call::ListDomains) else { panic!() };
    let domain = domains[0].uuid.clone();
    let told = program.ask(2, Call::Leases { domain: domain.clone() });
    let Ok(Answer::Leases { leases }) = told else { panic!("{told:?}") };
    // libvirt's test driver has one card, and leases an address of its network to it.
    let [lease] = leases.as_slice() else { panic!("{leases:?}") };
    assert!(lease.address.starts_with("192.168.122."), "{lease:?}");
    assert!(domains[0].xml.contains(&lease.mac), "{lease:?}");
    assert_eq!(program.ask(3, Call::Destroy { domain: domain.clone() }), Ok(Answer::Done));
    let off = program.ask(4, Call::Leases { domain });
    assert!(matches!(off, Err(Failure { kind: FailureKind::WrongState, .. })), "{off:?}");
}

#[test]
fn what_is_not_there_is_told_as_such() {
    let mut program = ready();
    let domain = "00000000-0000-0000-0000-00000000dead".to_owned();
    let calls = [
        Call::GetDomain { domain: domain.clone() },
        Call::Thaw { domain: domain.clone() },
        Call::ListCheckpoints { domain: domain.clone() },
        Call::Begin {
            domain: domain.clone(),
            backup_xml: "<domainbackup/>".into(),
            checkpoint_xml: None,
            freeze_budget_ms: Some(u64::MAX),
            marker: "m".into(),
        },
    ];
    for (id, call) in (0..).zip(calls) {
        let answer = program.ask(id, call);
        assert!(matches!(answer, Err(Failure { kind: FailureKind::NoDomain, .. })), "{answer:?}");
    }
    // Ending a job of a domain that is gone is done.
    let end = program.ask(9, Call::End { domain, marker: "m".into() });
    assert_eq!(end, Ok(Answer::Ended { found: false, resumed: false }));
    let zero = program.ask(10, Call::GetDomain { domain: "a\0b".into() });
    assert!(matches!(zero, Err(Failure { kind: FailureKind::Other, .. })), "{zero:?}");
}

#[test]
fn without_libvirt_it_says_why_and_ends() {
    let mut program = Program::start("test:///nowhere/to/be/found");
    let said = program.hear();
    assert!(matches!(said, Some(Message::Refused { .. })), "{said:?}");
    assert_eq!(program.let_go(), Some(3));
}

#[test]
fn garbage_ends_it() {
    for garbage in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{}", b"\0\0\0\x05{"] {
        let mut program = ready();
        program.socket.write_all(garbage).expect("sent");
        program.socket.shutdown(std::net::Shutdown::Write).expect("shut");
        assert_eq!(program.child.wait().expect("ends").code(), Some(3), "{garbage:?}");
    }
}

#[test]
fn a_signal_ends_it_as_its_parent_would() {
    let program = ready();
    let pid = program.child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
    assert!(killed.success());
    let Program { mut child, socket } = program;
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    drop(socket);
}

#[test]
fn wrong_words_are_usage() {
    let program = env!("CARGO_BIN_EXE_holdfast-libvirt");
    for arguments in [&[][..], &["--uri"], &["--uri", "test:///default"], &["a", "b"]] {
        let mut command = Command::new(program);
        let status = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).status();
        assert_eq!(status.expect("runs").code(), Some(2), "{arguments:?}");
    }
}
