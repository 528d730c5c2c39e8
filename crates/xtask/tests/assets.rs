//! `xtask assets`: what it writes is there, reads, and completes.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong fails the test")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

/// What the task writes, once for all tests.
static ASSETS: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assets");
    // What an earlier run left would hide what this one does not write.
    drop(fs::remove_dir_all(&dir));
    run(Command::new(env!("CARGO_BIN_EXE_xtask")).arg("assets").arg(&dir)).unwrap();
    dir
});

fn completions() -> PathBuf {
    ASSETS.join("completions")
}

/// Runs a program, which must succeed; `None`, once it has been said, if it is not installed.
fn run(command: &mut Command) -> Option<Output> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            let program = command.get_program().to_string_lossy().into_owned();
            // Written past the capture of `eprintln!`, of which nobody sees anything unless the test fails.
            drop(writeln!(std::io::stderr(), "SKIPPED: checks with {program}: {error}"));
            return None;
        }
    };
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What bash offers behind these words, of which the last is incomplete.
fn offers(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [.., previous, word] = words[..] else { panic!("`{line}` is one word") };
    let script = format!(
        "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _{} '{}' '{word}' '{previous}'\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words[0], words[0]
    );
    let file = completions().join(format!("{}.bash", words[0]));
    let mut bash = Command::new("bash");
    let output = run(bash.arg("-c").arg(script).arg(file).args(&words)).expect("bash is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The pages of a command, and of those that it has.
fn pages(name: &str, command: &clap::Command) -> Vec<String> {
    let of = |command: &clap::Command| pages(&format!("{name}-{}", command.get_name()), command);
    [format!("{name}.1")].into_iter().chain(command.get_subcommands().flat_map(of)).collect()
}

#[test]
fn every_program_has_completions_for_every_shell_and_its_pages() {
    let files = ["gaffer", "gaffer_lookupd", "gafferctl", "gafferd"];
    let of_zsh = files.iter().map(|name| format!("_{name}"));
    let others = files.iter().flat_map(|name| [format!("{name}.bash"), format!("{name}.fish")]);
    assert_eq!(names(&completions()), of_zsh.chain(others).collect::<Vec<_>>());
    let mut expected = ["gafferd.1", "gaffer_lookupd.1"].map(str::to_owned).to_vec();
    for program in [gaffer::command(), gafferctl::command()] {
        expected.extend(pages(program.get_name(), &program));
    }
    expected.sort();
    assert_eq!(names(&ASSETS.join("man/man1")), expected);
}

#[test]
fn completions_read_as_their_shells_demand() {
    for (shell, files) in [
        ("bash", ["gaffer.bash", "gaffer_lookupd.bash", "gafferctl.bash", "gafferd.bash"]),
        ("zsh", ["_gaffer", "_gaffer_lookupd", "_gafferctl", "_gafferd"]),
        ("fish", ["gaffer.fish", "gaffer_lookupd.fish", "gafferctl.fish", "gafferd.fish"]),
    ] {
        for file in files {
            if run(Command::new(shell).arg("-n").arg(completions().join(file))).is_none() {
                break;
            }
        }
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offers("gafferctl load_"), ["load_process"]);
    assert_eq!(offers("gafferctl update_"), ["update_process"]);
    assert_eq!(offers("gafferctl st"), ["start", "stop", "status", "stats"]);
    assert_eq!(offers("gafferctl load_process --st"), ["--start"]);
    assert_eq!(offers("gafferctl del_process --conn"), ["--connect"], "an option of all commands");
    assert_eq!(offers("gafferctl --color "), ["auto", "always", "never"]);
    assert_eq!(offers("gafferd --pid"), ["--pidfile"]);
    assert_eq!(offers("gaffer ps:st"), ["ps:start", "ps:stop"]);
    assert_eq!(offers("gaffer ps:stop --no-"), ["--no-input"]);
    assert_eq!(offers("gaffer load --endp"), ["--endpoint"]);
    assert_eq!(offers("gaffer lookup:jo"), ["lookup:jobs", "lookup:job"]);
    assert_eq!(offers("gaffer lookup no"), ["nodes"]);
}

#[test]
fn manual_pages_are_complete_and_read_without_a_warning() {
    let dir = ASSETS.join("man/man1");
    for name in names(&dir) {
        let page = fs::read_to_string(dir.join(&name)).unwrap();
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH VERSION"] {
            assert!(page.contains(part), "{name} has no {part}:\n{page}");
        }
        assert!(page.contains(&format!("gaffer {}", env!("CARGO_PKG_VERSION"))), "{name}:\n{page}");
    }
    let page = fs::read_to_string(dir.join("gafferctl.1")).unwrap();
    assert!(page.contains("GAFFER_ENDPOINT") && page.contains("load_process"), "{page}");
    for name in names(&dir) {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]).arg(dir.join(&name)).env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8");
        let Some(output) = run(man.stdin(Stdio::null())) else { return };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        assert!(!output.stdout.is_empty(), "{name}");
    }
}
