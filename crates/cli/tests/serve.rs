//! The program as its users start it: a service in a temporary directory, without any host, and
//! commands against it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const HOLDFAST: &str = env!("CARGO_BIN_EXE_holdfast");

/// A running service; killed when dropped.
struct Serve {
    child: Child,
    dir: TempDir,
    ready: String,
}

fn serve(data: &Path) -> Command {
    let mut command = Command::new(HOLDFAST);
    command.arg("serve").arg("--data").arg(data);
    command.args(["--listen", "127.0.0.1:0", "--no-local-host"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Serve {
    fn start() -> Self {
        let dir = TempDir::new().expect("temporary directory");
        let mut child = serve(dir.path()).stderr(Stdio::inherit()).spawn().expect("starts");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut ready).expect("says something");
        Self { child, dir, ready }
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(HOLDFAST);
        command.arg("--data").arg(self.dir.path()).args(line.split_whitespace());
        command.output().expect("runs")
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --json"));
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("one document")
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_service_says_where_it_is_and_answers_there() {
    let serve = Serve::start();
    let address = serve.ready.trim().strip_prefix("Holdfast is ready at https://localhost:");
    assert!(address.is_some_and(|port| port.parse::<u16>().is_ok()), "{:?}", serve.ready);
    let vault = serve.ok("vault create v1 --region local --redundancy LocallyRedundant");
    assert_eq!(vault["name"], "v1");
    assert_eq!(serve.ok("vault list").as_array().map(Vec::len), Some(1));
    assert_eq!(serve.ok("vault show V1"), vault);
    let policies = serve.ok("policy list --vault v1");
    assert_eq!(policies[0]["name"], "DefaultPolicy");
    for list in ["host list", "vm list", "item list --vault v1", "job list --vault v1"] {
        assert_eq!(serve.ok(list), serde_json::json!([]), "{list}");
    }
}

#[test]
fn errors_have_their_exit_codes_and_their_words() {
    let serve = Serve::start();
    for (line, exit, code) in [
        ("vault create 1 --region local", 1, "InvalidResourceName"),
        ("vault show nobody", 3, "ResourceNotFound"),
        ("vault show nobody --resource-group holdfast", 3, "ResourceNotFound"),
        ("vm show nobody", 3, "ResourceNotFound"),
        ("vault show", 2, "Usage"),
    ] {
        let output = serve.run(line);
        assert_eq!(output.status.code(), Some(exit), "{line}: {output:?}");
        let output = serve.run(&format!("{line} --json"));
        let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert_eq!(document["error"]["code"], code, "{line}");
    }
}

#[test]
fn a_second_service_on_the_directory_is_refused() {
    let first = Serve::start();
    let second = serve(first.dir.path()).output().expect("runs");
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("DataDirectoryInUse: ") && told.contains("Do this: "), "{told}");
    first.ok("vault list");
}

#[test]
fn a_signal_stops_the_service_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let mut serve = Serve::start();
        let pid = serve.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("runs");
        assert!(sent.success());
        let ended = serve.child.wait().expect("ends");
        assert_eq!(ended.code(), Some(0), "{signal}");
        let output = serve.run("vault list");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(told.starts_with("ServiceUnreachable: "), "{told}");
    }
}

#[test]
fn the_secret_is_never_told() {
    let serve = Serve::start();
    let credentials = serve.dir.path().join("credentials.json");
    let text = std::fs::read(&credentials).expect("reads");
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    let secret = document["clientSecret"].as_str().expect("a secret");
    for wrong in [false, true] {
        if wrong {
            let other = String::from_utf8_lossy(&text).replace(secret, "another-secret");
            std::fs::write(&credentials, other).expect("writes");
        }
        let output = serve.run("vault list");
        assert_eq!(output.status.code(), Some(i32::from(wrong)), "{output:?}");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(!told.contains(secret) && !told.contains("another-secret"), "{told}");
        assert_eq!(told.contains("AuthenticationFailed: "), wrong, "{told}");
    }
}

/// A program in place of the Azure CLI that writes down its arguments, and what the secret's file
/// held.
const FAKE_AZ: &str = r#"#!/bin/sh
echo "$@" >> "$AZURE_CONFIG_DIR/argv"
env >> "$AZURE_CONFIG_DIR/env"
while [ $# -gt 0 ]; do
    if [ "$1" = "--password" ]; then
        cat "${2#@}" > "$AZURE_CONFIG_DIR/seen"
        stat -c %a "${2#@}" > "$AZURE_CONFIG_DIR/mode"
    fi
    shift
done
echo "[]"
"#;

#[test]
fn no_secret_reaches_the_log_or_an_argument() {
    let dir = TempDir::new().expect("temporary directory");
    let log = dir.path().join("log");
    let data = dir.path().join("data");
    let mut command = serve(&data);
    command.env("HOLDFAST_LOG", "trace,rustls=info");
    command.stderr(std::fs::File::create(&log).expect("made"));
    let mut child = command.spawn().expect("starts");
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut ready).expect("says something");
    let service = Serve { child, dir: TempDir::new().expect("temporary directory"), ready };
    let holdfast = |line: &str| {
        let mut command = Command::new(HOLDFAST);
        command.arg("--data").arg(&data).arg("--json").args(line.split_whitespace());
        command.env("AZURE_CONFIG_DIR", dir.path().join("azure"));
        let output = command.output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        serde_json::from_slice::<Value>(&output.stdout).expect("one document")
    };
    let secret = |told: &Value| told["properties"]["clientSecret"].as_str().map(str::to_owned);
    let made = secret(&holdfast("principal create tool")).expect("told once");
    let new = secret(&holdfast("principal reset-secret tool")).expect("told once");
    holdfast("role assign --principal tool --role Reader");
    holdfast("role list");

    let az = dir.path().join("az");
    std::fs::write(&az, FAKE_AZ).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&az, executable).expect("set");
    let told = holdfast(&format!("az-login --az {}", az.display())).to_string();
    let seen = |name: &str| {
        std::fs::read_to_string(dir.path().join("azure").join(name)).expect("written by az")
    };
    let text = std::fs::read(data.join("credentials.json")).expect("reads");
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    let first = document["clientSecret"].as_str().expect("a secret").to_owned();
    assert_eq!((seen("seen"), seen("mode").trim()), (first.clone(), "600"));
    let left = std::fs::read_dir(dir.path().join("azure")).expect("listed").count();
    assert_eq!(left, 5, "four files of the fake and the bundle: the secret's file is gone");

    holdfast("principal delete tool");
    drop(service);
    let log = std::fs::read_to_string(&log).expect("text");
    assert!(log.contains("DEBUG") && log.contains("resetSecret"), "the log tells enough: {log}");
    for secret in [made, new, first] {
        for (place, text) in
            [("log", &log), ("answer", &told), ("argv", &seen("argv")), ("env", &seen("env"))]
        {
            assert!(!text.contains(&secret), "a secret is in the {place}");
        }
    }
    // Access tokens, which begin like this, are secrets too.
    assert!(!log.contains("eyJ"), "a token is in the log");
}

#[test]
fn az_login_without_az_says_so() {
    let serve = Serve::start();
    let output = serve.run("az-login --az /nowhere/az");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("AzureCliNotFound: ") && told.contains("--az"), "{told}");
}
