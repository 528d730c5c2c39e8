//! What a process finds at its start, and why it may not start.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use gaffer_core::{
    JobSpec,
    backend::{
        Backend, ExitStatus, Fact, LaunchPlan, SearchPath, SpawnError,
        simulated::{Behaviour, SimulatedBackend, Simulation},
    },
    config::Owner,
    names::Signal,
};
use nix::{
    sys::signal::{SigSet, Signal as Number},
    unistd::{dup, getegid, geteuid},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{ORIGINAL_NOFILE, World, eventually, label};

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let mut world = World::new();
    let plan = world.shell_plan("exit 3");
    assert_eq!(world.run(plan).await.1, ExitStatus::Code(3));
    let plan = world.shell_plan("kill -USR1 $$");
    assert_eq!(world.run(plan).await.1, ExitStatus::Signal(libc::SIGUSR1));
    let process = world.shell("read x").await;
    world.backend.signal(process.pid, Signal::new(64).unwrap());
    assert_eq!(world.exited(&process).await, (ExitStatus::Signal(64), false));
}

#[tokio::test]
async fn a_signal_goes_to_the_process_alone() {
    let mut world = World::new();
    // The shell tells of its child's end, which the signal would mean as well: its disposition is the default there.
    let mut process =
        world.shell("trap 'echo hup; cat' HUP; exec 3<&0; cat <&3 & echo ready; wait; echo child ended").await;
    assert_eq!(process.line().await, "ready");
    world.backend.signal(process.pid, Signal::new(libc::SIGHUP).unwrap());
    assert_eq!(process.line().await, "hup");
    world.kill(&process).await;
    assert_eq!(process.rest().await, "");
}

#[tokio::test]
async fn the_environment_is_the_planned_one_and_no_more() {
    let mut world = World::new();
    let mut plan = world.plan(&["env"]);
    plan.env.insert("EMPTY".into(), "".into());
    plan.env.insert("LINES".into(), "one two=2".into());
    let expected: String =
        plan.env.iter().map(|(name, value)| format!("{}={}\n", name.display(), value.display())).collect();
    assert_eq!(world.run(plan).await.0, expected);
}

#[tokio::test]
async fn a_process_leads_a_group_in_our_session_or_a_session_of_its_own() {
    let mut world = World::new();
    let script = "echo $$; cut -d' ' -f5 /proc/$$/stat; cut -d' ' -f6 /proc/$$/stat";
    let our_session = nix::unistd::getsid(None).unwrap().to_string();
    for detach in [false, true] {
        let mut plan = world.shell_plan(script);
        plan.detach = detach;
        let mut process = world.launch(plan).await;
        let (own, group, session) = (process.line().await, process.line().await, process.line().await);
        assert_eq!(own, process.os_pid.to_string());
        assert_eq!(group, own);
        assert_eq!(session, if detach { own } else { our_session.clone() });
        world.exited(&process).await;
    }
}

#[tokio::test]
async fn no_descriptor_of_ours_leaks() {
    let leak = dup(std::io::stdin()).unwrap(); // Not close-on-exec.
    let mut world = World::new();
    let plan = world.plan(&["ls", "/proc/self/fd"]);
    assert_eq!(world.run(plan).await.0, "0\n1\n2\n3\n", "3 is the folder that `ls` reads");
    let mut plan = world.plan(&["ls", "/proc/self/fd"]);
    plan.custom = vec![label("a"), label("b")];
    assert_eq!(world.run(plan).await.0, "0\n1\n2\n3\n4\n5\n");
    drop(leak);
}

#[tokio::test]
async fn signals_are_neither_blocked_nor_ignored() {
    SigSet::from(Number::SIGUSR1).thread_block().unwrap();
    let mut world = World::new();
    // SIGPIPE is ignored in every Rust program.
    let plan = world.plan(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    let output = world.run(plan).await.0;
    assert_eq!(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[tokio::test]
async fn the_descriptor_limit_is_the_one_that_we_were_started_with() {
    let mut world = World::new();
    assert_eq!(world.output_of("ulimit -Sn").await, format!("{ORIGINAL_NOFILE}\n"));
}

#[tokio::test]
async fn a_working_directory_is_entered_and_relative_programs_are_found_there() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    write_program(&folder.path().join("bin/hello"), "#!/bin/sh\npwd");
    let expected = format!("{}\n", folder.path().canonicalize().unwrap().display());
    let mut world = World::new();
    for (program, path) in [("bin/hello", "/bin"), ("./bin/hello", ""), ("hello", "/nowhere:bin")] {
        let mut plan = world.plan(&[program]);
        plan.cwd = Some(folder.path().into());
        plan.env.insert("PATH".into(), path.into());
        assert_eq!(world.run(plan).await.0, expected, "{program}");
    }
}

#[tokio::test]
async fn without_path_the_usual_folders_are_searched() {
    let mut world = World::new();
    let mut plan = world.plan(&["true"]);
    plan.env.remove(std::ffi::OsStr::new("PATH"));
    assert_eq!(world.run(plan).await.1, ExitStatus::Code(0));
}

#[tokio::test]
async fn a_script_without_a_first_line_is_run_by_the_shell() {
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("script");
    write_program(&script, "echo \"$0 $1 $2\"");
    let mut world = World::new();
    let plan = world.plan(&[script.to_str().unwrap(), "a b", "c"]);
    assert_eq!(world.run(plan).await.0, format!("{} a b c\n", script.display()));
}

#[tokio::test]
async fn each_reason_not_to_start_has_its_own_error() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    write_program(folder.path().join("bad-interpreter").as_path(), "#!/no/such/interpreter");
    write_program(folder.path().join("plain").as_path(), "true");
    std::fs::set_permissions(path("plain"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut world = World::new();

    let plan = world.plan(&["no-such-program"]);
    let searched = Some(SearchPath::OfNode("/usr/local/bin:/usr/bin:/bin".to_owned()));
    let expected = SpawnError::ProgramNotFound { program: "no-such-program".into(), searched };
    assert_eq!(world.failure(plan).await, expected);

    for program in [path("missing"), path("plain/below")] {
        let plan = world.plan(&[&program]);
        assert_eq!(world.failure(plan).await, SpawnError::ProgramNotFound { program: program.into(), searched: None });
    }
    for program in [path("plain"), folder.path().to_str().unwrap().to_owned()] {
        let plan = world.plan(&[&program]);
        assert_eq!(world.failure(plan).await, SpawnError::NotExecutable { program: program.into() });
    }
    let mut plan = world.plan(&["plain"]);
    plan.env.insert("PATH".into(), folder.path().into());
    assert_eq!(world.failure(plan).await, SpawnError::NotExecutable { program: "plain".into() });

    let program = path("bad-interpreter");
    let plan = world.plan(&[&program]);
    assert_eq!(world.failure(plan).await, SpawnError::InterpreterNotFound { program: program.into() });

    for (cwd, errno) in [("missing", libc::ENOENT), ("plain", libc::ENOTDIR)] {
        let mut plan = world.plan(&["true"]);
        plan.cwd = Some(path(cwd).into());
        assert_eq!(world.failure(plan).await, SpawnError::BadCwd { cwd: path(cwd).into(), errno });
    }

    let mut plan = world.plan(&["true"]);
    plan.uid = Some(Owner::Name("no-such-user".into()));
    assert_eq!(world.failure(plan).await, SpawnError::UnknownUser("no-such-user".into()));
    let mut plan = world.plan(&["true"]);
    plan.gid = Some(Owner::Name("no-such-group".into()));
    assert_eq!(world.failure(plan).await, SpawnError::UnknownGroup("no-such-group".into()));

    let plan = world.plan(&["true", "nul\0"]);
    assert!(matches!(world.failure(plan).await, SpawnError::Os { errno: libc::EINVAL, .. }));
}

#[tokio::test]
async fn no_failure_tells_the_value_of_a_variable() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("toksecret");
    std::fs::create_dir(&secret).unwrap();
    write_program(&secret.join("bad-interpreter"), "#!/no/such/interpreter");
    write_program(&secret.join("plain"), "true");
    std::fs::set_permissions(secret.join("plain"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut world = World::new();
    let replaced = "(variables replaced)";
    for (cmd, variable, told) in [
        ("$TOK/bin/x", "TOK", format!("there is no program `$TOK/bin/x` {replaced}")),
        ("${TOK}", "TOK", format!("`${{TOK}}` {replaced} cannot be executed: permission denied; is it")),
        ("$TOK/plain", "TOK", format!("`$TOK/plain` {replaced} cannot be executed: permission denied; is it")),
        ("$TOK/bad-interpreter", "TOK", format!("the interpreter that `$TOK/bad-interpreter` {replaced} names")),
        ("x$TOK", "TOK", format!("there is no program `x$TOK` {replaced}")),
        ("no-such-program", "PATH", "there is no program `no-such-program` in PATH (as its `env` has it)".to_owned()),
        ("${PATH}x", "PATH", format!("there is no program `${{PATH}}x` {replaced}")),
        ("plain", "PATH", "`plain` cannot be executed".to_owned()),
        ("$NONE/x", "TOK", "`${NONE}` in `$NONE/x` is not set".to_owned()),
    ] {
        let mut spec = JobSpec::new("web".parse().unwrap(), cmd);
        spec.cwd = Some("/".into());
        spec.env.insert(variable.to_owned(), secret.to_str().unwrap().to_owned());
        let usual = world.plan(&["true"]);
        let plan = LaunchPlan::new(usual.pid, &spec.check().unwrap(), &usual.env, &BTreeMap::new(), "node");
        let failure = match plan {
            Ok(plan) => world.failure(plan).await,
            Err(error) => error,
        };
        let text = failure.to_string();
        assert!(text.starts_with(&told) && !format!("{failure:?}").contains("secret"), "{cmd}: {text}");
    }
}

#[tokio::test]
async fn rights_are_dropped_with_all_groups() {
    let mut world = World::new();
    if !geteuid().is_root() {
        let mut plan = world.plan(&["true"]);
        plan.uid = Some(Owner::Number(0));
        assert_eq!(world.failure(plan).await, SpawnError::NotPrivileged);
        return;
    }
    let script = "id -u; id -g; id -G; grep -E '^(Uid|Gid|Groups)' /proc/$$/status";
    let mut plan = world.shell_plan(script);
    plan.uid = Some(Owner::Name("nobody".into()));
    plan.gid = Some(Owner::Name("daemon".into()));
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap().gid.to_string();
    let output = world.run(plan).await.0;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.get(..3), Some(&["65534", &daemon, &daemon][..]), "{output}");

    let mut plan = world.shell_plan(script);
    plan.uid = Some(Owner::Number(54321)); // In no database.
    let output = world.run(plan).await.0;
    let expected = "54321\n54321\n54321\n\
        Uid:\t54321\t54321\t54321\t54321\nGid:\t54321\t54321\t54321\t54321\nGroups:\t54321 \n";
    assert_eq!(output, expected);

    // And then what the user may not reach is told as such.
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut plan = world.plan(&["true"]);
    plan.uid = Some(Owner::Number(54321));
    plan.cwd = Some(folder.path().into());
    assert_eq!(world.failure(plan).await, SpawnError::BadCwd { cwd: folder.path().into(), errno: libc::EACCES });
}

#[tokio::test]
async fn to_ask_for_ones_own_user_is_fine() {
    let mut world = World::new();
    let mut plan = world.plan(&["id", "-u"]);
    plan.uid = Some(Owner::Number(geteuid().as_raw()));
    plan.gid = Some(Owner::Number(getegid().as_raw()));
    assert_eq!(world.run(plan).await.0, format!("{}\n", geteuid()));
}

#[tokio::test]
async fn a_launch_that_has_not_begun_can_be_taken_back() {
    let mut world = World::new();
    let plans: Vec<_> = (0..10).map(|_| world.plan(&["sleep", "1000"])).collect();
    for plan in &plans {
        world.backend.launch(plan.clone().into());
    }
    // The launcher has to wait for us after the first few.
    let last = plans.last().unwrap().pid;
    world.backend.cancel(last);
    world.backend.cancel(last);
    let mut running = vec![];
    let mut cancelled = vec![];
    for _ in &plans {
        match world.fact().await {
            Fact::Spawned { pid, .. } => running.push(pid),
            Fact::SpawnFailed { pid, error: SpawnError::Cancelled } => cancelled.push(pid),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((running.len(), cancelled), (9, vec![last]));
    for &pid in &running {
        world.backend.cancel(pid); // Too late.
        world.backend.kill(pid);
    }
    for _ in running {
        assert!(matches!(world.fact().await, Fact::Exited { tree_alive: false, .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulated_launch_can_be_taken_back_while_it_lasts() {
    let launch = Duration::from_secs(2);
    let (sender, mut facts) = mpsc::channel(4);
    let behave = move |_: &LaunchPlan| Behaviour { launch, ..Behaviour::default() };
    let mut backend = SimulatedBackend::new(sender, Simulation::default(), behave);
    let mut world = World::new();
    for (after, in_time) in [(0, true), (1, true), (3, false)] {
        let plan = world.plan(&["true"]);
        let asked = plan.pid;
        backend.launch(plan.into());
        tokio::time::sleep(Duration::from_secs(after)).await;
        backend.cancel(asked);
        match facts.recv().await.unwrap() {
            Fact::SpawnFailed { pid, error: SpawnError::Cancelled } if pid == asked => assert!(in_time),
            Fact::Spawned { pid, .. } if pid == asked => assert!(!in_time),
            other => panic!("{other:?}"),
        }
        backend.cancel(asked);
        tokio::time::sleep(launch * 2).await;
        assert!(facts.try_recv().is_err(), "an answer too many");
    }
}

#[tokio::test]
async fn a_dropped_backend_leaves_only_processes_that_it_told_of() {
    let mut world = World::new();
    for _ in 0..300 {
        let plan = world.plan(&["sleep", "1000"]);
        world.backend.launch(plan.into());
    }
    let World { backend, mut facts, node, .. } = world;
    let mut told = vec![facts.recv().await.unwrap()];
    drop(backend);
    while let Ok(fact) = facts.try_recv() {
        told.push(fact);
    }
    drop(facts);
    let mut told: Vec<i32> = told
        .iter()
        .map(|fact| match fact {
            Fact::Spawned { os_pid, .. } => os_pid.as_raw(),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable();
    // Long enough for a launcher that goes on to get further.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut left = marked(&node);
    left.sort_unstable();
    for &pid in &left {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Number::SIGKILL).unwrap();
        let _another_test_may_have_reaped_it = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
    }
    assert_eq!(left, told);
}

/// The processes that carry a mark of this node.
fn marked(node: &str) -> Vec<i32> {
    let start = format!("GAFFER_PROCESS={node}:");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let marked = entries.filter(|entry| {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environ.split(|&byte| byte == 0).any(|entry| entry.starts_with(start.as_bytes()))
    });
    marked.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Run by the next one, in a program of its own: it looks at what the whole program holds.
#[tokio::test]
#[ignore = "needs a program of its own"]
async fn alone_failed_launches_leave_nothing() {
    let mut world = World::new();
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut before = None;
    for round in 0..100 {
        let mut plan = world.plan(&["/no/such/program"]);
        plan.custom = vec![label("a")];
        if round % 2 == 0 && geteuid().is_root() {
            plan.uid = Some(Owner::Number(54321));
        }
        world.failure(plan).await;
        let now = count();
        assert_eq!(*before.get_or_insert(now), now, "descriptors leak");
        let children = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        assert_eq!(children, Err(nix::errno::Errno::ECHILD), "a child is left");
    }
    // A successful one too, once it is over.
    world.output_of("true").await;
    world.ios.clear();
    eventually("descriptors are closed", || Some(count()) <= before).await;
}

#[test]
fn failed_launches_leave_nothing() {
    run_alone("backend::launch::alone_failed_launches_leave_nothing");
}

/// Run by the next one.
#[tokio::test]
#[ignore = "needs a program of its own"]
async fn alone_an_idle_backend_does_not_wake_up() {
    let mut world = World::new();
    let mut process = world.shell("echo ready; read x").await;
    assert_eq!(process.line().await, "ready");
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    // From here on time jumps to the next timer whenever nothing else is to be done.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    tokio::time::resume();
    let parks = metrics.worker_park_count(0) - before;
    assert!(parks < 10, "woken up {parks} times in a day");
    process.write("x\n").await;
    assert!(matches!(world.facts.recv().await, Some(Fact::Exited { .. })));
}

#[test]
fn an_idle_backend_does_not_wake_up() {
    run_alone("backend::launch::alone_an_idle_backend_does_not_wake_up");
}

/// Runs an ignored test in a process of its own.
pub(super) fn run_alone(name: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test within a test, not a job")]
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args([name, "--exact", "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes an executable file. A shell does it: a descriptor of ours that is open for writing could be in a child of another
/// test at that moment, and the kernel executes no file that somebody may write to.
fn write_program(file: &Path, content: &str) {
    #[expect(clippy::disallowed_methods, reason = "see above; not a job")]
    let mut command = std::process::Command::new("/bin/sh");
    let script = "printf '%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    assert!(command.args(["-c", script, "sh"]).arg(file).arg(content).status().unwrap().success());
}
