//! Method: whole command lines are parsed; the help of every command is a snapshot.

use clap::{CommandFactory, Parser};
use expect_test::expect_file;

use super::*;

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_explains_itself() {
    let mut told = String::new();
    let mut command = Cli::command();
    command.build();
    explain(&mut command, "holdfast", &mut told);
    expect_file!["help.txt"].assert_eq(&told);
}

fn explain(command: &mut clap::Command, path: &str, told: &mut String) {
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    told.push_str(&format!("=== {path}\n{}\n\n", lines.join("\n").trim_end()));
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        let path = format!("{path} {}", inner.get_name());
        explain(inner, &path, told);
    }
}

#[track_caller]
fn check(line: &str, understood: bool) {
    let parsed = Cli::try_parse_from(line.split_whitespace());
    assert_eq!(parsed.is_ok(), understood, "{line}: {:?}", parsed.err().map(|e| e.to_string()));
}

#[test]
fn the_commands_of_the_documents_are_understood() {
    for line in [
        "holdfast host add --uri qemu:///system --region local --resource-group holdfast",
        "holdfast host list --json",
        "holdfast --json vault create v1 --region local --redundancy LocallyRedundant",
        "holdfast vault create v1 --region local --resource-group g --redundancy georedundant",
        "holdfast vault show v1 --credentials c.json",
        "holdfast vm show web1 --resource-group g --data /d",
        "holdfast policy show DefaultPolicy --vault v1",
        "holdfast item enable --vault v1 --vm web1 --policy DefaultPolicy",
        "holdfast item show --vault v1 --item web1 --resource-group g --vm-resource-group h",
        "holdfast backup-now --vault v1 --item web1 --retain-until 2027-01-31 --wait",
        "holdfast job wait 69211027-0000-4000-8000-000000000000 --vault v1",
        "holdfast point show latest --vault v1 --item web1",
        "holdfast restore disks --vault v --item i --point latest --to /r --format qcow2 --wait",
        "holdfast restore vm --vault v --item i --point 7 --name new --to /r",
        "holdfast retention plan",
        "holdfast retention plan --vault v1 --item web1 --json",
        "holdfast retention run --vault v1",
        "holdfast retention confirm --vault v1 --plan 69211027-0000-4000-8000-000000000000",
        "holdfast retention confirm --clock",
        "holdfast serve --data /d --listen 127.0.0.1:0 --scratch /s --no-local-host --config f",
        "holdfast principal create tool --secret-file /s --json",
        "holdfast principal reset-secret tool",
        "holdfast principal delete 69211027-0000-4000-8000-000000000000",
        "holdfast role list --vault v1 --principal tool",
        "holdfast role assign --principal tool --role reader --resource-group g",
        "holdfast role unassign --principal tool --role Owner",
        "holdfast az-login --cloud-name Here --az /opt/az/bin/az",
        "holdfast repo init --repo /r --key-file k",
        "holdfast repo backup --repo file:///r --item web1 image.qcow2 --json",
        "holdfast repo backup --repo r --item web1 --changed e.json --parent 7 image.raw",
        "holdfast repo list --repo r --json",
        "holdfast repo restore --repo r 7 out.raw --disk vda --format raw",
        "holdfast repo verify --repo r --read-data",
        "holdfast repo verify --repo r --read-data=5%",
        "holdfast repo collect --repo r --dry-run",
        "holdfast repo stats --repo r",
        "holdfast repo forget --repo r 7",
    ] {
        check(line, true);
    }
}

#[test]
fn what_is_missing_or_wrong_is_wrong_usage() {
    for line in [
        "holdfast",
        "holdfast vault",
        "holdfast vault create v1",
        "holdfast vault create v1 --region r --redundancy Triple",
        "holdfast backup-now --vault v1",
        "holdfast backup-now --vault v1 --item i --retain-until tomorrow",
        "holdfast backup-now --vault v1 --item i --retain-until 2027-02-30",
        "holdfast restore disks --vault v --item i --point 7 --to /r --format vhd",
        "holdfast restore vm --vault v --item i --point 7 --to /r",
        "holdfast serve --listen somewhere",
        "holdfast repo list",
        "holdfast repo backup --repo r --item i --changed e.json image",
        "holdfast repo restore --repo r seven out.raw",
        "holdfast repo verify --repo r --read-data=101%",
        "holdfast repo verify --repo r --read-data=0",
    ] {
        check(line, false);
    }
}
